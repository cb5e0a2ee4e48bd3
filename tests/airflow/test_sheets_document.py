"""docs/en/how-to/sheets.md and docs/en/how-to/sharing.md: their examples run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.airflow.sql import Database

DOCS = Path(__file__).parents[2] / "docs" / "en" / "how-to"
LINKS = ("https://example.feishu.cn/sheets/shtcn…?sheet=Q7PlXT", "https://example.feishu.cn/sheets/shtcn…")
ALICE = "ou_emulator0001_alice"


def examples(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL)


def test_the_examples_of_sheets_run(
    lark: Emulator, context: Callable[..., Any], sqlite: Database, tmp_path: Path
) -> None:
    (tmp_path / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 32)
    lark.settings(card_templates=["AAqkExample1"])
    sqlite.run(
        "CREATE TABLE orders (no TEXT, customer TEXT, amount NUMERIC, day TEXT)",
        "INSERT INTO orders VALUES ('00123', 'Ann', 12.5, '2026-01-31')",
        "CREATE TABLE budgets (team TEXT PRIMARY KEY, budget INTEGER)",
    )
    sheets = LarkServiceClient().clouddoc.sheets
    orders, budget = sheets.create("Orders"), sheets.create("Budgets")
    sheets.add_sheet(budget.token, "Budget")
    sheets.open(budget.token)["Budget"].write("A1", [["Team", "Budget"], ["Data", 7]])
    operators, names = [], dict[str, Any]()
    for example in examples("sheets.md"):
        own = (
            example.replace(LINKS[0], orders.url)
            .replace(LINKS[1], budget.url)
            .replace("/data", str(tmp_path))
        )
        for part in ast.parse(own.replace("orders_db", sqlite.conn_id)).body:
            code = ast.unparse(part)
            if isinstance(part, ast.Expr):
                operators.append(eval(code, names))  # noqa: S307 - the page's
            else:
                exec(code, names)  # noqa: S102 - the page's
    [report, from_template, into, back, rows, file] = operators
    task_context = {**context(), "ds": "2026-11-26"}
    for operator in (report, from_template, rows, file):
        operator.render_template_fields({"ds": "2026-11-26"})
        operator.execute(task_context)
    assert [
        document["name"] for document in LarkServiceClient().clouddoc.drive.list_files("Reports/2026-11")
    ] == ["Orders 2026-11-26"]
    messages = lark.state()["chats"][0]["messages"]
    cards = [str(message["content"]) for message in messages]
    assert ["**1** orders on 2026-11-26" in cards[0], "AAqkExample1" in cards[1]] == [True, True]
    assert ("The largest orders of 2026-11-26" in cards[2], messages[3]["msg_type"]) == (True, "image")
    into.execute(task_context)
    assert lark.sheet(orders.token)["values"][1][:3] == ["00123", "Ann", 12.5]
    assert back.execute(task_context) == {"rows": 1, "deleted": 0}
    assert sqlite.read("SELECT * FROM budgets") == [("Data", 7)]


def test_the_examples_of_sharing_run(lark: Emulator) -> None:
    names: dict[str, Any] = {}
    for example in examples("sharing.md"):
        exec(example, names)  # noqa: S102 - the page's
    grants = {
        grant.id: grant.role for grant in names["client"].clouddoc.drive.permissions.list(names["made"].url)
    }
    assert (grants["oc_emulator_data_team"], grants[ALICE]) == ("view", "edit")
