"""Airflow's own task runner calls the notifier: what it tells, and that it harms nothing."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from lark_emulator import Emulator

from lark_provider.storage import urls
from lark_provider.storage.outbox import Outbox
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.storage import prepared

DEADLINE, HANGS = 2.0, 30
HEAD = f"""
from __future__ import annotations
import datetime as dt
import pendulum
from airflow.sdk import DAG, task
from lark_provider.notifications import LarkNotifier

CHAT, DEADLINE = "{CHAT}", {DEADLINE}
AT = pendulum.datetime(2026, 1, 1)
"""

# Each task fails on purpose, and tells over a connection that is bad in its own way.
HARMLESS = """
def tell(name, **options):
    return LarkNotifier(receiver_id=CHAT, lark_conn_id=f"lark_{name}", deadline=DEADLINE,
                        one_card_per_run=False, **options)

with DAG("harmless", start_date=AT, schedule=None, on_failure_callback=tell("down")) as dag:
    for name in ("down", "slow", "refusing", "wrong_secret", "missing"):
        @task(task_id=name, on_failure_callback=tell(name))
        def fails():
            raise ValueError("on purpose")
        fails()

    @task(on_failure_callback=tell("slow", fallback_conn_id="lark_default"))
    def with_fallback():
        raise ValueError("on purpose")
    with_fallback()

    @task(on_failure_callback=tell("default", content="{{ nothing.at.all }}", msg_type="text"))
    def bad_template():
        raise ValueError("on purpose")
    bad_template()

    @task(on_success_callback=tell("slow"))
    def succeeds():
        pass
    succeeds()

    @task(retries=1, retry_delay=dt.timedelta(0), on_retry_callback=tell("refusing"),
          on_success_callback=tell("default", msg_type="text",
                                   content="{{ ti.task_id }} took {{ ti.try_number }}"))
    def second_time(ti=None):
        if ti.try_number == 1:
            raise ValueError("on purpose")
    second_time()
"""

RECOVERING = """
tell = LarkNotifier(receiver_id=CHAT, language="en", mentions="owner", quiet_success=True)

with DAG("recovering", start_date=AT, schedule=None, on_success_callback=tell, default_args={
        "owner": "alice", "retries": 2, "retry_delay": dt.timedelta(0), "on_failure_callback": tell,
        "on_retry_callback": tell, "on_success_callback": tell}) as dag:
    @task
    def shaky(ti=None):
        if ti.try_number < 3:
            raise RuntimeError(f"not yet: try {ti.try_number}")

    @task
    def mapped(number, ti=None):
        if ti.try_number == 1:
            raise RuntimeError(f"number {number}")

    shaky() >> mapped.expand(number=[1, 2])
"""

CROWDED = """
tell = LarkNotifier(receiver_id=CHAT, language="en")

with DAG("crowded", start_date=AT, schedule=None, on_failure_callback=tell,
         default_args={"on_failure_callback": tell}) as dag:
    @task
    def mapped(number):
        raise RuntimeError(f"number {number}")

    mapped.expand(number=list(range(30)))
"""

STATES = """
import json
from airflow.models import Variable
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

with create_session() as session:
    rows = session.execute(select(TaskInstance.dag_id, TaskInstance.task_id, TaskInstance.state))
    states = [f"{dag}.{task}={state}" for dag, task, state in rows]
    variables = [variable.key for variable in session.scalars(select(Variable))]
    print("FOUND", json.dumps({"states": states, "variables": variables}))
"""


def run(home: AirflowHome, dag_id: str, database_url: str | None = None, **connections: str) -> str:
    """Run `airflow dags test` on a DAG, and return what it printed."""
    database = {} if database_url is None else {"LARK_DATABASE_URL": database_url}
    env = (
        home.env
        | database
        | {f"AIRFLOW_CONN_LARK_{name.upper()}": value for name, value in connections.items()}
    )
    command = [sys.executable, "-m", "airflow", "dags", "test", dag_id]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - ours
    return done.stdout + done.stderr


def read_states(home: AirflowHome) -> dict[str, list[str]]:
    (line,) = [line for line in home.python("-c", STATES).splitlines() if line.startswith("FOUND ")]
    read: dict[str, list[str]] = json.loads(line.removeprefix("FOUND "))
    return read


def cards_recorded(home: AirflowHome) -> set[str]:
    return {name for name in read_states(home)["variables"] if name.startswith("lark_cards_")}


def when(printed: str, text: str) -> dt.datetime:
    (line,) = [line for line in printed.splitlines() if text in line]
    return dt.datetime.fromisoformat(line.split()[0])


@pytest.fixture
def outbox_url(database_url: str) -> str:
    """Upgrade a database to the current schema, and return its URL."""
    prepared.upgrade(urls.parse(database_url, "test"))
    return database_url


@pytest.fixture
def bad(lark: Emulator) -> Iterator[dict[str, str]]:
    """Yield connections that fail: a slow, a refusing and an unreachable server, and a wrong secret."""
    with ExitStack() as stack:
        slow, refusing = stack.enter_context(Emulator()), stack.enter_context(Emulator())
        slow.fault(times=1000, delay_ms=1000 * HANGS)
        refusing.fault(path="*/messages", times=1000, status=400, code=230002, msg="Bot is out of the chat")
        yield {
            "slow": connection(slow),
            "refusing": connection(refusing),
            "down": connection(lark, host="http://127.0.0.1:9"),
            "wrong_secret": connection(lark, password="wrong-secret-1"),
        }


def test_a_lark_that_is_down_slow_or_refusing_changes_nothing(
    lark: Emulator, airflow_home: AirflowHome, bad: dict[str, str]
) -> None:
    (airflow_home.dags / "harmless.py").write_text(HEAD + HARMLESS)
    printed = run(airflow_home, "harmless", default=connection(lark), **bad)

    states = {
        state.partition("harmless.")[2]
        for state in read_states(airflow_home)["states"]
        if "harmless." in state
    }
    failed = ["down", "slow", "refusing", "wrong_secret", "missing", "with_fallback", "bad_template"]
    assert states == {f"{name}=failed" for name in failed} | {"succeeds=success", "second_time=success"}

    lost = [line for line in printed.splitlines() if "Failed to send the notification" in line]
    why = {re.findall(r"source='?([\w.]+)", line)[0]: line for line in lost}
    assert len(lost) == 8  # one line for each that could not be told, the DAG and the retry among them
    assert "ConnectError" in why["harmless.down"]
    for name in ("slow", "succeeds"):
        assert re.search(r"no answer within (2\.0|1\.\d) s", why[f"harmless.{name}"])
    assert "PermissionDeniedError" in why["harmless.refusing"]
    assert "PermissionDeniedError" in why["harmless.second_time"]
    assert "10014" in why["harmless.wrong_secret"]
    assert "lark_missing" in why["harmless.missing"]
    assert "ConnectError" in why["DAG"]
    assert "wrong-secret-1" not in printed
    assert "Failed to run task callback" not in printed
    assert "Callback failed" not in printed

    began = when(printed, "starting task_id=slow")
    assert (when(printed, "source=harmless.slow") - began).total_seconds() < HANGS

    messages = lark.state()["chats"][0]["messages"]
    texts = [message["content"].get("text") or json.dumps(message["content"]) for message in messages]
    assert len(texts) == 3
    assert "second_time took 2" in texts
    assert {name for name in ("with_fallback", "bad_template") for text in texts if name in text} == {
        "with_fallback",
        "bad_template",
    }


@pytest.mark.parametrize("has_database", [False, True])
def test_the_failures_of_a_run_share_one_card_that_recovers(
    lark: Emulator, airflow_home: AirflowHome, request: pytest.FixtureRequest, has_database: bool
) -> None:
    (airflow_home.dags / "recovering.py").write_text(HEAD + RECOVERING)
    before = cards_recorded(airflow_home)  # of other tests' runs, which have not recovered
    owners = {"alice": "alice@example.com"}
    connections = {"default": connection(lark, extra={"owners": owners})}
    url = str(request.getfixturevalue("outbox_url")) if has_database else None
    printed = run(airflow_home, "recovering", url, **connections)
    direct = "No database is configured for Lark"
    assert (direct in printed) is not has_database
    assert "Failed to send the notification" not in printed

    calls = lark.state()["by_endpoint"]
    assert calls["POST /open-apis/im/v1/messages"] == 2, printed
    assert calls["PATCH /open-apis/im/v1/messages/:message_id"] >= 4
    first, second = lark.state()["chats"][0]["messages"]
    # The first card recovered with its only task; what failed later is an incident of its own.
    assert "Recovered · recovering.shaky" in json.dumps(first["content"], ensure_ascii=False)
    content = json.dumps(second["content"], ensure_ascii=False)
    assert "Recovered · recovering" in content
    assert "✅ ~~mapped_0~~" in content
    assert "✅ ~~mapped_1~~" in content
    assert "2 failures" in content
    assert cards_recorded(airflow_home) == before


def test_thirty_mapped_tasks_that_fail_are_all_on_one_card(
    lark: Emulator, airflow_home: AirflowHome, outbox_url: str
) -> None:
    (airflow_home.dags / "crowded.py").write_text(HEAD + CROWDED)
    printed = run(airflow_home, "crowded", outbox_url, default=connection(lark))
    assert "Failed to send the notification" not in printed
    (message,) = lark.state()["chats"][0]["messages"]
    content = json.dumps(message["content"], ensure_ascii=False)
    assert "30 failures" in content
    assert "(30)" in content
    assert "DAG run failed" in content
    assert Outbox.from_config(outbox_url).measure_backlog()[0] == 0
