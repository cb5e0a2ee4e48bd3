"""The snippets of README, and of the pages that it leads to first: they run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from tests.airflow.conftest import CHAT, AirflowHome

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "en" / "how-to"
TABLE = "https://….feishu.cn/base/bascn…?table=tbl…"


def examples(page: Path, lark: Emulator) -> list[str]:
    """Return the blocks of Python code of a page, with an app and a chat that exist."""
    replacements = {"cli_…": lark.app_id, "the app's secret": lark.app_secret, "oc_…": CHAT}
    code_blocks: list[str] = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    for name, value in replacements.items():
        code_blocks = [block.replace(name, value) for block in code_blocks]
    return code_blocks


def table(*columns: tuple[str, int]) -> tuple[str, str]:
    """Create a table, and return the id of its base and its own id."""
    bitable = LarkServiceClient().clouddoc.bitable
    base = bitable.create_app("Orders").data["app"]["app_token"]
    table_fields = [fields.Field(field_name=name, type=kind) for name, kind in columns]
    return base, bitable.create_table(base, "Orders", table_fields).data["table_id"]


def read_texts(lark: Emulator) -> list[str]:
    return [message["content"]["text"] for message in lark.state()["chats"][0]["messages"]]


def test_the_dags_of_readme_and_of_the_page_on_templates_run(
    lark: Emulator, airflow_home: AirflowHome, tmp_path: Path
) -> None:
    message, dag, question = examples(ROOT / "README.md", lark)
    exec(message, {})  # noqa: S102 - README's
    base, table_id = table(("No", fields.TEXT), ("Paid", fields.NUMBER))
    (tmp_path / "orders.csv").write_text("No,Paid\nA-1,12.5\nA-2,\n")
    link = f"https://example.feishu.cn/base/{base}?table={table_id}"
    own = dag.replace(TABLE, link).replace("s3://reports", tmp_path.as_uri())
    (airflow_home.dags / "readme.py").write_text(own)
    [counts] = examples(HOW_TO / "retries-and-templates.md", lark)
    (airflow_home.dags / "counts.py").write_text(counts)
    airflow_home.airflow("dags", "test", "orders_to_lark", "2026-11-24", lark=lark)
    airflow_home.airflow("dags", "test", "counts", lark=lark)
    assert read_texts(lark) == ["✅ done", "2 orders loaded", "no orders loaded"]
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    with DAG("asks", schedule=None):
        names: dict[str, Any] = {"publish": EmptyOperator(task_id="publish")}
        exec(question, names)  # noqa: S102 - README's
    assert names["ask"].downstream_task_ids == {"publish"}


def test_the_examples_without_airflow_run(lark: Emulator, capsys: Any) -> None:
    send, write = examples(HOW_TO / "plain-python.md", lark)
    exec(send, {})  # noqa: S102 - the page's
    assert read_texts(lark) == ["✅ done"]
    base, table_id = table(("Order", fields.TEXT), ("Paid", fields.NUMBER), ("At", fields.DATE))
    own = write.replace('base_url="lark"', "").replace("bascn…", base).replace("tbl…", table_id)
    exec(own, {})  # noqa: S102 - the page's
    assert re.search(r"^1 \['rec\w+'\]$", capsys.readouterr().out, re.MULTILINE)
