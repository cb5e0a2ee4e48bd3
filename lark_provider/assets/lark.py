"""The asset URI `lark://`: Airflow asks here whether one is right, and how to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from airflow.sdk import Asset

_PARTS = 2


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset's URI.

    Args:
        uri: Such as `lark://bitable/bascn…/tbl…`.

    Returns:
        The same, without a trailing slash.

    Raises:
        ValueError: It names no table.
    """
    parts = [part for part in uri.path.split("/") if part]
    if uri.netloc != "bitable" or len(parts) != _PARTS or uri.query or uri.fragment:
        raise ValueError(
            f"{uri.geturl()!r} names no table. Next: write lark://bitable/<app_token>/<table_id>."
        )
    return uri._replace(path="/" + "/".join(parts))


def bitable_asset(app_token: str, table_id: str) -> Asset:
    """The asset of a table, for `outlets` and for DAGs scheduled on it.

    Args:
        app_token: The base.
        table_id: The table.
    """
    from airflow.sdk import Asset  # noqa: PLC0415 - Airflow loads this module for the check alone

    return Asset(f"lark://bitable/{app_token}/{table_id}")
