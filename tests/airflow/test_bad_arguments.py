"""Whatever is passed to an operator: an error that can be read, and none of Python's own from within."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import LarkError
from lark_provider.operators import (
    LarkBitableBulkInsertOperator,
    LarkBitableSearchOperator,
    LarkBitableSyncOperator,
    LarkSendFileOperator,
    LarkSendMessageOperator,
    LarkUpdateMessageOperator,
)
from lark_provider.transfers import (
    LarkBitableToFileOperator,
    LarkBitableToSqlOperator,
    LarkReportOperator,
    LarkSheetToSqlOperator,
    SqlToLarkBitableOperator,
    SqlToLarkMessageOperator,
    SqlToLarkSheetOperator,
)
from tests.airflow.conftest import CHAT
from tests.airflow.sql import Database, table

Context = Callable[..., Any]
BAD: list[Any] = [
    5, -1, 2.5, 10**30, float("nan"), True, None, "", "nonsense", "\ud800", b"x", object(),
    [], [1], ["a"], [None], [[]], {}, {"a": 1}, {1: 2},
]  # fmt: skip
SELECT = "SELECT no, paid FROM orders"
DRIVERS = ("sqlite3",)
"""What a SQL driver says of a query or a table is passed on as it is."""


@pytest.fixture
def good(lark: Emulator, sqlite: Database, tmp_path: Path) -> dict[type[BaseOperator], dict[str, Any]]:
    """Return arguments with which each operator succeeds, after creating what they refer to."""
    lark.settings(rate_limits=False)
    sqlite.run(
        "CREATE TABLE orders (no VARCHAR(20) PRIMARY KEY, paid NUMERIC(12, 2))",
        "INSERT INTO orders (no, paid) VALUES ('A-2', 1)",
    )
    link, filled = (table((("no", fields.TEXT), ("paid", fields.NUMBER))) for _ in range(2))
    client = LarkServiceClient()
    client.clouddoc.bitable.bulk_insert(filled, None, [{"no": "A-1", "paid": 2}])
    message_id = client.messaging.send(CHAT, "before").data["message_id"]
    sheet = client.clouddoc.sheets.create("Orders")
    client.clouddoc.sheets.write_table(sheet.url, [{"no": "A-1", "paid": 2}])
    (tmp_path / "file.txt").write_text("content")
    from_sql = {"sql": SELECT, "sql_conn_id": sqlite.conn_id}
    to_sql = {"sql_table": "orders", "sql_conn_id": sqlite.conn_id, "mode": "replace"}
    return {
        LarkSendMessageOperator: {"receiver_id": CHAT, "content": "hi"},
        LarkSendFileOperator: {"receiver_id": CHAT, "file": str(tmp_path / "file.txt")},
        LarkUpdateMessageOperator: {"message_id": message_id, "content": "after", "msg_type": "text"},
        LarkBitableBulkInsertOperator: {"records": [{"no": "x"}], "table": link},
        LarkBitableSearchOperator: {"table": link},
        LarkBitableSyncOperator: {"records": [{"no": "x"}], "table": link, "key_fields": ["no"]},
        LarkBitableToFileOperator: {"target": str(tmp_path / "rows.csv"), "table": filled},
        LarkBitableToSqlOperator: {**to_sql, "table": filled},
        LarkSheetToSqlOperator: {**to_sql, "sheet": sheet.url},
        SqlToLarkSheetOperator: {**from_sql, "title": "Report"},
        SqlToLarkBitableOperator: {**from_sql, "table": link, "key_fields": ["no"]},
        SqlToLarkMessageOperator: {**from_sql, "receiver_id": CHAT, "title": "Report"},
        LarkReportOperator: {**from_sql, "receiver_id": CHAT, "title": "Report", "key": "report"},
    }


def list_arguments(operator: type[BaseOperator]) -> Iterator[str]:
    """Yield the arguments of an operator that this package's classes define."""
    for cls in operator.__mro__:
        if cls.__module__.startswith("lark_provider") and "__init__" in vars(cls):
            for name, parameter in inspect.signature(vars(cls)["__init__"]).parameters.items():
                if name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                    yield name


def describe(error: Exception, name: str, value: object) -> str:
    return f"{name}={value!r}: {type(error).__name__}: {error}".encode("ascii", "backslashreplace").decode()


OPERATORS = (
    LarkSendMessageOperator, LarkSendFileOperator, LarkUpdateMessageOperator, LarkBitableBulkInsertOperator,
    LarkBitableSearchOperator, LarkBitableSyncOperator, LarkBitableToFileOperator, LarkBitableToSqlOperator,
    LarkSheetToSqlOperator, SqlToLarkSheetOperator, SqlToLarkBitableOperator, SqlToLarkMessageOperator,
    LarkReportOperator,
)  # fmt: skip


MODES: tuple[tuple[type[BaseOperator], dict[str, Any]], ...] = (
    (LarkBitableToSqlOperator, {"mode": "merge", "key_fields": ["no"]}),
    (LarkSheetToSqlOperator, {"mode": "merge", "key_fields": ["no"]}),
    (SqlToLarkSheetOperator, {"mode": "append"}),
    (SqlToLarkSheetOperator, {"mode": "update_by_key", "key_fields": ["no"]}),
    (SqlToLarkBitableOperator, {"mode": "insert", "key_fields": ()}),
)


@pytest.mark.parametrize(
    ("operator", "changes"),
    [*((operator, {}) for operator in OPERATORS), *MODES],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value.get("mode", "")),
)
def test_each_argument(
    good: dict[type[BaseOperator], dict[str, Any]],
    context: Context,
    operator: type[BaseOperator],
    changes: dict[str, Any],
) -> None:
    arguments, raw, runs = good[operator] | changes, list[str](), 0
    operator(task_id="t", **arguments).execute(context(run_id="good"))
    for name in dict.fromkeys(list_arguments(operator)):
        for value in BAD:
            runs += 1
            try:
                task = operator(task_id="t", **{**arguments, name: value})
                task.execute(context(run_id=f"r{runs}"))
            except AirflowNotFoundException:
                pass  # says which connection there is not
            except (LarkError, AirflowFailException) as error:
                if "Next: " not in str(error):
                    raw.append(describe(error, name, value))
            except Exception as error:  # noqa: BLE001 - all are reported at the end
                # The second is an argument of a base class that this one sets itself.
                if type(error).__module__ not in DRIVERS and "got multiple values" not in str(error):
                    raw.append(describe(error, name, value))
    assert "\n".join(raw) == ""
    assert runs > 5 * len(BAD)
