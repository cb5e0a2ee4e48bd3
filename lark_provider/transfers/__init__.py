"""Airflow transfers between Bitable tables, spreadsheets, SQL databases and files."""

from __future__ import annotations

from lark_provider.hooks.exports import make_lazy_getattr

__all__ = [
    "LarkBitableToFileOperator",
    "LarkBitableToSqlOperator",
    "LarkReportOperator",
    "LarkSheetToSqlOperator",
    "SqlToLarkBitableOperator",
    "SqlToLarkMessageOperator",
    "SqlToLarkSheetOperator",
]

__getattr__ = make_lazy_getattr(
    __name__,
    {
        "LarkBitableToFileOperator": "bitable_to_file",
        "LarkBitableToSqlOperator": "bitable_to_sql",
        "LarkReportOperator": "report",
        "LarkSheetToSqlOperator": "sheet_to_sql",
        "SqlToLarkBitableOperator": "sql_to_bitable",
        "SqlToLarkMessageOperator": "sql_to_message",
        "SqlToLarkSheetOperator": "sql_to_sheet",
    },
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.transfers.bitable_to_file import LarkBitableToFileOperator as LarkBitableToFileOperator
    from lark_provider.transfers.bitable_to_sql import LarkBitableToSqlOperator as LarkBitableToSqlOperator
    from lark_provider.transfers.report import LarkReportOperator as LarkReportOperator
    from lark_provider.transfers.sheet_to_sql import LarkSheetToSqlOperator as LarkSheetToSqlOperator
    from lark_provider.transfers.sql_to_bitable import SqlToLarkBitableOperator as SqlToLarkBitableOperator
    from lark_provider.transfers.sql_to_message import SqlToLarkMessageOperator as SqlToLarkMessageOperator
    from lark_provider.transfers.sql_to_sheet import SqlToLarkSheetOperator as SqlToLarkSheetOperator
