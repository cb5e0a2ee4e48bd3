"""docs/transfers.md: its examples run, and it names settings and options as they are."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.cli.__main__ import parser
from lark_provider.operators import LarkBitableSyncOperator
from lark_provider.operators.tables import TableOperator, WritingOperator
from lark_provider.transfers import LarkBitableToSqlOperator, SqlToLarkBitableOperator
from tests.airflow.sql import Database, table

PAGE = (Path(__file__).parents[2] / "docs" / "transfers.md").read_text()
LINK = "https://example.feishu.cn/base/bascn…?table=tbl…"
COLUMNS = (
    ("Order", fields.TEXT), ("Amount", fields.NUMBER), ("Paid at", fields.DATE), ("Remark", fields.TEXT),
    ("Approved", fields.CHECKBOX),
)  # fmt: skip


def test_the_examples_run(lark: Emulator, context: Callable[..., Any], sqlite: Database) -> None:
    sqlite.run(
        "CREATE TABLE orders (no TEXT, amount NUMERIC, paid_at TEXT)",
        "INSERT INTO orders VALUES ('A-1', 12.5, '2026-01-31 09:00:00')",
        "CREATE TABLE remarks (no TEXT PRIMARY KEY, remark TEXT, approved BOOLEAN)",
    )
    link = table(COLUMNS)
    made = []
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        own = example.replace(LINK, link).replace("orders_db", sqlite.conn_id).replace("crm.", "main.")
        before = own.rpartition("\n\n")
        names: dict[str, Any] = {}
        exec(compile(f"{before[0]}\nmade = {before[2]}", "transfers.md", "exec"), names)  # noqa: S102 - the page's
        made.append(names["made"])
    [into, back] = made
    into.execute(context())
    [found] = LarkServiceClient().clouddoc.bitable.search_records(link)
    assert (found["fields"]["Order"], found["fields"]["Amount"]) == ("A-1", 12.5)
    back.execute(context())
    assert sqlite.read("SELECT * FROM remarks") == [("A-1", None, 0)]


def test_the_page_names_what_exists() -> None:
    known = {
        name
        for one in (
            LarkBitableSyncOperator, LarkBitableToSqlOperator, SqlToLarkBitableOperator, TableOperator,
            WritingOperator,
        )
        for name in inspect.signature(one.__init__).parameters
    }  # fmt: skip
    assert set(re.findall(r"`(\w+)=", PAGE)) <= known
    options = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    shown = "".join(
        action.format_help()
        for group in parser(["bitable"])._actions[-1].choices.values()  # type: ignore[union-attr]  # of argparse
        for action in group._actions[-1].choices.values()
    )
    assert {one for one in options if one not in shown} == set()
