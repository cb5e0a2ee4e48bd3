"""Databases for transfers: connections to a PostgreSQL and to an SQLite file of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.fields import Field
from lark_provider.transfers.database import get_sql_hook

POSTGRES, SQLITE = "orders_postgres", "orders_sqlite"


@dataclass(frozen=True)
class Database:
    """A database with a connection of Airflow's."""

    conn_id: str
    path: str = ""

    @property
    def aware(self) -> str:
        return "TEXT" if self.path else "TIMESTAMPTZ"

    @property
    def json(self) -> str:
        return "TEXT" if self.path else "JSONB"

    def run(self, *statements: str) -> None:
        with closing(get_sql_hook(self.conn_id).get_conn()) as connection:
            with closing(connection.cursor()) as cursor:
                for statement in statements:
                    cursor.execute(statement)
            connection.commit()

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        with (
            closing(get_sql_hook(self.conn_id).get_conn()) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]


def table(columns: Sequence[tuple[str, int]]) -> str:
    """Create a Bitable table, and return its link."""
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    fields = [Field(field_name=name, type=kind) for name, kind in columns]
    table_id = bitable.create_table(app_token, "T", fields).data["table_id"]
    return f"https://x.feishu.cn/base/{app_token}?table={table_id}"
