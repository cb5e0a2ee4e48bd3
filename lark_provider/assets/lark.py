"""The asset URI `lark://`: its check, which Airflow calls, and a function to make an asset."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from airflow.sdk import Asset

_PARTS = 2


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return an asset's URI in its normal form, if it is valid.

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
            f"An asset's URI must name a table, got {uri.geturl()!r}. Next: write "
            "lark://bitable/<app_token>/<table_id>."
        )
    return uri._replace(path="/" + "/".join(parts))


def bitable_asset(app_token: str, table_id: str) -> Asset:
    """Return the asset of a table, for `outlets` and for DAGs scheduled on it.

    Args:
        app_token: The base.
        table_id: The table.
    """
    from airflow.sdk import Asset  # Airflow loads this module for the check alone

    return Asset(f"lark://bitable/{app_token}/{table_id}")
