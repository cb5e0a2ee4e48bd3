"""Airflow transfers between Bitable tables, SQL databases and files."""

from __future__ import annotations

from lark_provider.hooks.exports import lazy_exports

__all__ = ["LarkBitableToFileOperator", "LarkBitableToSqlOperator", "SqlToLarkBitableOperator"]

__getattr__ = lazy_exports(
    __name__,
    {
        "LarkBitableToFileOperator": "bitable_to_file",
        "LarkBitableToSqlOperator": "bitable_to_sql",
        "SqlToLarkBitableOperator": "sql_to_bitable",
    },
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.transfers.bitable_to_file import LarkBitableToFileOperator as LarkBitableToFileOperator
    from lark_provider.transfers.bitable_to_sql import LarkBitableToSqlOperator as LarkBitableToSqlOperator
    from lark_provider.transfers.sql_to_bitable import SqlToLarkBitableOperator as SqlToLarkBitableOperator
