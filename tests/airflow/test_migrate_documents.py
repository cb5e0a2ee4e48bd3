"""The pages on migrating: the scan finds what they show, and their DAGs do the same before and after."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.cli.__main__ import main
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.tutorials.following import PAGES, Block, blocks, pattern


def read_page(name: str) -> tuple[str, list[Block]]:
    """Return the output of the scan that a page shows, and the page's blocks of Python code."""
    code_blocks = list(blocks(PAGES / "how-to" / f"migrate-from-{name}.md"))
    [shown] = [block.code for block in code_blocks if block.language == "console"]
    return shown.partition("\n")[2].rstrip("\n"), [
        block for block in code_blocks if block.language in {"python", "py"}
    ]


@pytest.mark.parametrize("name", ["lark-oapi", "webhooks", "slack"])
def test_the_scan_finds_what_the_page_shows_before_and_nothing_after(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, (before, after, *_) = read_page(name)
    monkeypatch.chdir(tmp_path)
    Path("dags").mkdir()
    Path("dags/orders.py").write_text(before.code)
    assert main(["migrate", "--scan", "dags"]) == 0
    printed = capsys.readouterr().out.rstrip("\n")
    assert re.fullmatch(pattern(shown), printed), printed
    Path("dags/orders.py").write_text(after.code)
    assert main(["migrate", "--scan", "dags"]) == 0
    assert capsys.readouterr().out == "0 place(s) in 0 of 1 file(s)\n"


@pytest.mark.parametrize("name", ["lark-oapi", "webhooks", "slack"])
def test_the_dags_of_the_page_do_the_same(name: str, lark: Emulator, airflow_home: AirflowHome) -> None:
    _, code_blocks = read_page(name)
    bot = lark.add_webhook("Reports")
    keys = ("LARK_BASE_URL", "LARK_APP_ID", "LARK_APP_SECRET")
    variables = dict(zip(keys, (lark.base_url, lark.app_id, lark.app_secret), strict=True))
    webhook = json.dumps({"conn_type": "lark_webhook", "password": bot})
    # On a busy machine the SDK takes longer to import than Airflow allows a file.
    airflow_home.env |= {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "180"}
    airflow_home.env |= {**variables, "BOT_URL": bot, "AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT": webhook}
    dags = [
        block.code.replace("oc_…", CHAT)
        for block in code_blocks
        if "with DAG(" in block.code and block.language == "python"
    ]
    for number, code in enumerate(dags):
        (airflow_home.dags / f"{name}_{number}.py").write_text(code)
        [dag_id] = re.findall(r'DAG\("(\w+)"', code)
        airflow_home.airflow("dags", "test", dag_id, lark=lark)
    state = lark.state()
    arrived = [*state["chats"][0]["messages"], *state["webhooks"][0]["messages"]]
    assert [message["content"] for message in arrived] == [{"text": "orders loaded"}] * len(dags)


def test_what_has_no_operator_runs_with_the_hook(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code_blocks = read_page("lark-oapi")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    names: dict[str, Any] = {}
    exec(code_blocks[2].code.replace("oc_…", CHAT), names)  # noqa: S102 - the page's
    assert [chat["chat_id"] for chat in names["chats"]] == [CHAT]
