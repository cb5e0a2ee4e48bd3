"""Airflow itself runs tasks: retries, clearing, mapping, provider discovery."""

from __future__ import annotations

import json
import re
import textwrap

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.fields import TEXT, Field
from lark_provider.protocol.questions import load_origin
from tests.airflow.conftest import CHAT, AirflowHome

DAG_FILE = f"""
from __future__ import annotations
import datetime as dt
import pendulum
from airflow.sdk import DAG
from lark_provider.operators.message import LarkSendMessageOperator

class DiesAfterSending(LarkSendMessageOperator):
    def execute(self, context):
        sent = super().execute(context)
        if context["ti"].try_number == 1:
            raise RuntimeError("the worker dies")
        return sent

with DAG("retrying", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    DiesAfterSending(task_id="tell", receiver_id="{CHAT}", content="once {{{{ run_id[:6] }}}}", retries=2,
                     retry_delay=dt.timedelta(0))
    LarkSendMessageOperator.partial(task_id="many", content="each").expand(
        receiver_id=["alice@example.com", "bob@example.com"])
"""

SEND = "/open-apis/im/v1/messages"
FROM_FILES = f"""
from __future__ import annotations
import pendulum
from airflow.sdk import DAG
from lark_provider.operators.message import LarkSendMessageOperator
from lark_provider.operators.update import LarkUpdateMessageOperator

with DAG("from_files", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    post = LarkSendMessageOperator(task_id="post", receiver_id="{CHAT}", content="note.md", msg_type="post")
    card = LarkSendMessageOperator(
        task_id="card", receiver_id="{CHAT}", content="card.json", msg_type="interactive")
    post >> card >> LarkUpdateMessageOperator(task_id="after", message_id=card.output, content="card.json")
"""

LOADING = """
from __future__ import annotations
import os
import pendulum
from airflow.sdk import DAG
from lark_provider.assets.lark import bitable_asset
from lark_provider.operators.bitable import LarkBitableBulkInsertOperator

app_token, table_id = os.environ.get("TABLE", "app tbl").split()
with DAG("loading", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    LarkBitableBulkInsertOperator(
        task_id="load", app_token=f"https://x.feishu.cn/base/{app_token}?table={table_id}",
        records=[{"No": "1"}], outlets=[bitable_asset(app_token, table_id)])
"""

ORIGIN = """
from __future__ import annotations
import pendulum
from airflow.sdk import DAG, task
from lark_provider.hooks.task import make_origin
from lark_provider.protocol.questions import dump

with DAG("asking", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    @task
    def ask(**context):
        print("ORIGIN", dump(make_origin(context, "approval", "lark_default")))

    ask()
"""

LEFT = """
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

with create_session() as session:
    links = session.scalars(select(XComModel.value).where(XComModel.key.like("_link_%")))
    assets = session.scalars(select(AssetModel.uri).join(AssetEvent, AssetEvent.asset_id == AssetModel.id))
    print("LEFT", *links, *assets)
"""

CLEARED = """
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session
from sqlalchemy import select

with create_session() as session:
    is_it = (TaskInstance.dag_id == "retrying", TaskInstance.task_id == "tell")
    ti = session.scalars(select(TaskInstance).where(*is_it)).one()
    before = ti.max_tries
    clear_task_instances([ti], session)
    print("MAX_TRIES", before, ti.max_tries, "TRY", ti.try_number)
"""


def test_a_retry_sends_nothing_twice_and_clearing_moves_the_key_on(
    lark: Emulator, airflow_home: AirflowHome
) -> None:
    (airflow_home.dags / "retrying.py").write_text(DAG_FILE)
    airflow_home.airflow("dags", "test", "retrying", lark=lark)
    state = lark.state()
    texts = {
        chat["chat_id"]: [message["content"]["text"] for message in chat["messages"]]
        for chat in state["chats"]
    }
    assert texts.pop(CHAT) == ["once manual"]
    assert list(texts.values()) == [["each"], ["each"]]
    assert state["by_endpoint"]["POST /open-apis/im/v1/messages"] == 4

    printed = airflow_home.python("-c", textwrap.dedent(CLEARED))
    (line,) = [line for line in printed.splitlines() if line.startswith("MAX_TRIES")]
    _, before, after, _, tries = line.split()
    retries = 2
    assert int(before) - retries + 1 == 1
    assert int(after) - retries + 1 > int(tries) - 1  # the first try after clearing, not one of those before


def test_airflow_says_when_a_run_began(lark: Emulator, airflow_home: AirflowHome) -> None:
    """By it, a run that was deleted and made again under the same id is told from the one before."""
    (airflow_home.dags / "asking.py").write_text(ORIGIN)
    origins = []
    for _ in range(2):
        printed = airflow_home.airflow("dags", "test", "asking", lark=lark)
        (line,) = [line for line in printed.splitlines() if "ORIGIN {" in line]
        origins.append(load_origin(re.findall(r"ORIGIN ({.*})", line)[0]))
    earlier, later = origins
    assert later.is_of_newer_run(earlier)
    assert not earlier.is_of_newer_run(later)
    assert later.run_clears == 0


def test_posts_and_cards_come_from_files_beside_the_dag(lark: Emulator, airflow_home: AirflowHome) -> None:
    (airflow_home.dags / "from_files.py").write_text(FROM_FILES)
    (airflow_home.dags / "note.md").write_text("**{{ task.task_id }}** of {{ dag.dag_id }}")
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "{{ task.task_id }}"}]}}
    (airflow_home.dags / "card.json").write_text(json.dumps(card))
    lark.fault(path=SEND, times=1, status=503)
    printed = airflow_home.airflow("dags", "test", "from_files", lark=lark)
    (retrying,) = [line for line in printed.splitlines() if "Retrying after a failed attempt" in line]
    assert "attempt=1 retry_in_s=" in retrying, "a task's log shows the fields of a line, too"
    post, changed = (message["content"] for message in lark.state()["chats"][0]["messages"])
    assert post["zh_cn"]["content"] == [[{"tag": "md", "text": "**post** of from_files"}]]
    assert changed["body"]["elements"] == [{"tag": "markdown", "content": "after"}]


def test_a_load_leaves_a_link_and_an_asset(
    lark: Emulator, airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("B").data["app"]["app_token"]
    table_id = bitable.create_table(app_token, "T", [Field(field_name="No", type=TEXT)]).data["table_id"]
    monkeypatch.setitem(airflow_home.env, "TABLE", f"{app_token} {table_id}")
    (airflow_home.dags / "loading.py").write_text(LOADING)
    airflow_home.airflow("dags", "test", "loading", lark=lark)
    (left,) = [line for line in airflow_home.python("-c", LEFT).splitlines() if line.startswith("LEFT ")]
    assert f"https://x.feishu.cn/base/{app_token}?table={table_id}" in left
    assert f"lark://bitable/{app_token}/{table_id}" in left


def test_airflow_finds_the_provider_and_its_connection(airflow_home: AirflowHome) -> None:
    providers = json.loads(airflow_home.airflow("providers", "list", "-o", "json").splitlines()[-1])
    assert "airflow-provider-lark" in {provider["package_name"] for provider in providers}
    hooks = json.loads(airflow_home.airflow("providers", "hooks", "-o", "json").splitlines()[-1])
    (ours,) = [hook for hook in hooks if hook["connection_type"] == "lark"]
    assert (ours["hook_name"], ours["conn_id_attribute_name"]) == ("Lark / Feishu", "lark_conn_id")
    assert ours["class"] == "lark_provider.hooks.lark.LarkHook"
