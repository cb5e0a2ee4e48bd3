"""docs/en/how-to/transfers.md: its examples run, and it names settings and options as they are."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.cli.__main__ import make_parser
from lark_provider.operators import LarkBitableBulkInsertOperator, LarkBitableSyncOperator
from lark_provider.operators.tables import TableOperator, WritingOperator
from lark_provider.transfers import (
    LarkBitableToFileOperator,
    LarkBitableToSqlOperator,
    SqlToLarkBitableOperator,
)
from tests.airflow.sql import Database, table

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "transfers.md").read_text()
LINK = "https://example.feishu.cn/base/bascn…?table=tbl…"
COLUMNS = (
    ("Order", fields.TEXT), ("Amount", fields.NUMBER), ("Paid at", fields.DATE), ("Remark", fields.TEXT),
    ("Approved", fields.CHECKBOX),
)  # fmt: skip


def test_the_examples_run(
    lark: Emulator, context: Callable[..., Any], sqlite: Database, tmp_path: Path
) -> None:
    sqlite.run(
        "CREATE TABLE orders (no TEXT, amount NUMERIC, paid_at TEXT)",
        "INSERT INTO orders VALUES ('A-1', 12.5, '2026-01-31 09:00:00')",
        "CREATE TABLE remarks (no TEXT PRIMARY KEY, remark TEXT, approved BOOLEAN)",
    )
    link = table(COLUMNS)
    operators, names = [], dict[str, Any]()
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        own = example.replace(LINK, link).replace("orders_db", sqlite.conn_id).replace("crm.", "main.")
        own = own.replace("/data/orders/{{ ds }}", f"{tmp_path}/orders")
        own = own.replace("/data/copies/{{ ds }}", f"{tmp_path}/copy")
        # Each expression of an example is an operator.
        for part in ast.parse(own).body:
            code = ast.unparse(part)
            if isinstance(part, ast.Expr):
                operators.append(eval(code, names))  # noqa: S307 - the page's
            else:
                exec(code, names)  # noqa: S102 - the page's
    [into, back, read, written] = operators
    into.execute(context())
    [record] = LarkServiceClient().clouddoc.bitable.search_records(link)
    assert (record["fields"]["Order"], record["fields"]["Amount"]) == ("A-1", 12.5)
    back.execute(context())
    assert sqlite.read("SELECT * FROM remarks") == [("A-1", None, 0)]
    (tmp_path / "orders.csv").write_text("Order,Amount,Paid at\nA-2,7,2026-01-31 09:00\n", encoding="utf-8")
    assert read.execute(context())["created"] == 1
    assert written.execute(context()) == {"rows": 2}
    assert (tmp_path / "copy.parquet").stat().st_size > 0


def test_the_page_names_what_exists() -> None:
    known = {
        name
        for operator_class in (
            LarkBitableBulkInsertOperator, LarkBitableSyncOperator, LarkBitableToFileOperator,
            LarkBitableToSqlOperator, SqlToLarkBitableOperator, TableOperator, WritingOperator,
        )
        for name in inspect.signature(operator_class.__init__).parameters
    }  # fmt: skip
    assert set(re.findall(r"`(\w+)=", PAGE)) <= known
    options = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    shown = "".join(
        action.format_help()
        for group in make_parser(["bitable"])._actions[-1].choices.values()  # type: ignore[union-attr]  # of argparse
        for action in group._actions[-1].choices.values()
    )
    assert {option for option in options if option not in shown} == set()
