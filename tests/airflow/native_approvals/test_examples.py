"""The example DAG and the document's snippets about native approvals run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from tests.airflow.card_callbacks.clicks_and_cards import messages
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.airflow.native_approvals.approval_tasks import decide, instances
from tests.failures.waiting import wait_until

EXAMPLE = Path(__file__).parents[3] / "example_dags" / "release_approval.py"
DOCUMENT = Path(__file__).parents[3] / "docs" / "en" / "how-to" / "approvals.md"
PRODUCTION = [{"value": "k", "text": "Production"}]


def test_the_example_runs(lark: Emulator, airflow_home: AirflowHome, tmp_path: Path) -> None:
    form: list[dict[str, Any]] = [
        {"id": "w1", "type": "input", "name": "Version"},
        {
            "id": "w2",
            "type": "radioV2",
            "name": "Environment",
            "option": [{"value": "k", "text": "Production"}],
        },
        {"id": "w3", "type": "date", "name": "Day"},
    ]
    code = lark.add_approval("Release", form=form, nodes=[{"node_type": "OR", "approvers": ["bob"]}])
    shutil.copy(EXAMPLE, airflow_home.dags)
    environment = airflow_home.env | {"AIRFLOW_CONN_LARK_DEFAULT": connection(lark)}
    conf = {"approval_code": code, "submitter": "alice", "version": "1.2", "chat_id": CHAT}
    command = [
        sys.executable,
        "-m",
        "airflow",
        "dags",
        "test",
        "release_approval",
        "--conf",
        json.dumps(conf),
    ]
    log = tmp_path / "run.log"
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as run:  # noqa: S603 - ours
        try:
            wait_until(lambda: run.poll() is not None or instances(lark) != [], 120)
            assert run.poll() is None, log.read_text()[-4000:]
            decide(lark, "approve")
            assert run.wait(120) == 0, log.read_text()[-4000:]
        finally:
            run.kill()
    (instance,) = instances(lark)
    (said,) = messages(lark)
    assert said["content"]["text"] == f"Approval {instance['serial_number']} granted: releasing 1.2."
    assert [field["value"] for field in instance["form"]][:2] == ["1.2", "Production"]


def test_the_snippets_of_the_document_run(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    form: list[dict[str, Any]] = [
        {"id": "w1", "type": "input", "name": "Version"},
        {"id": "w2", "type": "radioV2", "name": "Environment", "option": PRODUCTION},
    ]
    code = "7C468A54-8745-2245-9675-08B7C63E7A85"
    lark.add_approval("Release", code=code, form=form, nodes=[{"approvers": ["bob"]}])
    dag, program = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(compile(dag, "the DAG", "exec"), {})  # noqa: S102 - ours
    exec(compile(program, "the program", "exec"), {})  # noqa: S102 - ours
    (instance,) = instances(lark)
    assert (instance["status"], instance["submitter"]) == ("CANCELED", "alice")
    assert [json.loads(comment)["text"] for comment in instance["comments"]] == ["Tests passed."]
