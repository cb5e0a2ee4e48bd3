"""The asset URI `lark://`: its check, which Airflow calls, and functions to make assets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from airflow.sdk import Asset

__all__ = ["bitable_asset", "sheet_asset"]

_PARTS = {"bitable": {2}, "sheet": {1, 2}}


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return an asset's URI in its normal form, if it is valid.

    Args:
        uri: Such as `lark://bitable/bascn…/tbl…` or `lark://sheet/shtcn…`.

    Returns:
        The same, without a trailing slash.

    Raises:
        ValueError: It names no table and no spreadsheet.
    """
    parts = [part for part in uri.path.split("/") if part]
    if len(parts) not in _PARTS.get(uri.netloc, ()) or uri.query or uri.fragment:
        raise ValueError(
            f"An asset's URI must name a table or a spreadsheet, got {uri.geturl()!r}. Next: write "
            "lark://bitable/<app_token>/<table_id>, lark://sheet/<spreadsheet_token> or "
            "lark://sheet/<spreadsheet_token>/<sheet_id>."
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


def sheet_asset(spreadsheet_token: str, sheet_id: str | None = None) -> Asset:
    """Return the asset of a spreadsheet or worksheet, for `outlets` and for DAGs scheduled on it.

    Args:
        spreadsheet_token: The spreadsheet.
        sheet_id: The worksheet; None for the whole spreadsheet.
    """
    from airflow.sdk import Asset  # Airflow loads this module for the check alone

    return Asset("lark://sheet/" + "/".join(filter(None, (spreadsheet_token, sheet_id))))
