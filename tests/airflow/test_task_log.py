"""What a DAG's callback learns from the logs of its tasks, and what it says where there are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.notifications import LarkNotifier
from lark_provider.notifications.task_log import Ending, read_ending
from lark_provider.protocol.incidents.changes import apply_event, merge_incidents
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Failure, Incident
from tests.airflow.conftest import CHAT, connection

Log = Callable[..., None]
KILLED = {
    "level": "critical",
    "event": "Process terminated by signal. Likely out of memory error (OOM).",
    "signal": -9,
    "signal_name": "SIGKILL",
    "logger": "task",
}
RUNNER = "/venv/lib/python3.11/site-packages/airflow/sdk/execution_time/callback_runner.py"
RAISED = {
    "level": "error",
    "event": "Task failed with exception",
    "logger": "task",
    "error_detail": [
        {
            "exc_type": "ValueError",
            "exc_value": "on purpose",
            "frames": [
                {"filename": RUNNER, "lineno": 97, "name": "run"},
                {"filename": "/dags/orders.py", "lineno": 19, "name": "load"},
            ],
        }
    ],
}
OWN = {"level": "error", "event": "Task failed with exception", "logger": "orders", "error_detail": []}
LATER = {"level": "error", "event": "Failed to run task callback", "logger": "task", "error_detail": []}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Return a function that writes the log of one try to the file where Airflow would."""
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))

    def write(task_id: str, *lines: Any, map_index: int = -1, number: int = 1) -> None:
        folder = tmp_path / "dag_id=d" / "run_id=r" / f"task_id={task_id}"
        folder = folder if map_index < 0 else folder / f"map_index={map_index}"
        folder.mkdir(parents=True, exist_ok=True)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (folder / f"attempt={number}.log").write_text("\n".join(texts))

    return write


def test_a_killed_process_and_an_exception_are_read(log: Log) -> None:
    log("killed", "not JSON", {"event": "started"}, KILLED)
    log("raises", OWN, RAISED, LATER, {"event": "::endgroup::"})
    assert read_ending("d", "r", "killed", -1, 1) == Ending(signal="SIGKILL")
    assert read_ending("d", "r", "raises", -1, 1) == Ending(
        error_type="ValueError",
        error="on purpose",
        traceback="Traceback (most recent call last):\n"
        '  File "/dags/orders.py", line 19, in load\nValueError: on purpose',
    )


def test_the_last_try_is_read_unless_one_is_named(log: Log) -> None:
    log("t", KILLED, map_index=3, number=1)
    log("t", RAISED, map_index=3, number=2)
    last, first = read_ending("d", "r", "t", 3), read_ending("d", "r", "t", 3, 1)
    assert last is not None
    assert first is not None
    assert (last.error_type, first.signal) == ("ValueError", "SIGKILL")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [OWN],
        [{"event": "started", "logger": "task"}],
        ['{"event": "Task failed with exception"'],
        [{**RAISED, "error_detail": ["?"]}],
        [{**KILLED, "logger": "orders"}],
    ],
)
def test_a_log_that_does_not_say_is_no_ending(log: Log, lines: list[Any]) -> None:
    log("t", *lines)
    assert read_ending("d", "r", "t", -1, 1) is None
    assert read_ending("d", "r", "t", -1) is None
    assert read_ending("d", "r", "absent", -1) is None


@pytest.fixture
def notify_failure(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that notifies of a failed DAG run as the DAG processor does; it returns the card."""
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    kept: dict[str, str] = {}
    shelf = SimpleNamespace(
        get=lambda name, default=None: kept.get(name, default),
        set=lambda name, text, description=None: kept.update({name: text}),  # noqa: ARG005 - Airflow's signature
        delete=kept.pop,
    )
    monkeypatch.setattr("airflow.sdk.Variable", shelf)  # it needs a supervisor

    def tell(*, failed: list[str], callbacks: Any = (), states: bool = True, **options: Any) -> str:
        tasks = {
            name: SimpleNamespace(on_failure_callback=list(callbacks)) for name in ("killed", "raises", "m")
        }
        task_states = dict.fromkeys(failed, "failed") | {"fine": "success"}
        ti = SimpleNamespace(
            dag_id="d",
            run_id="r",
            task_id=failed[-1],
            map_index=-1,
            try_number=1,
            max_tries=0,
            log_url="http://a/dags/d/runs/r/tasks/t?try_number=1",
            get_task_states=lambda **_: {"r": task_states} if states else {},
        )
        dag = SimpleNamespace(dag_id="d", owner="alice", task_dict=tasks, get_task=tasks.__getitem__)
        notifier = LarkNotifier(**({"receiver_id": CHAT, "language": "en"} | options))
        context: Any = {"ti": ti, "dag": dag, "run_id": "r", "reason": "task_failure"}
        notifier.notify(context)
        message = lark.state()["chats"][0]["messages"][-1]["content"]
        return json.dumps(message, ensure_ascii=False).replace("&#40;", "(").replace("&#41;", ")")

    return tell


@pytest.mark.parametrize("states", [True, False])
def test_the_dags_card_names_a_task_that_was_killed(
    log: Log, notify_failure: Callable[..., str], states: bool
) -> None:
    log("killed", KILLED)
    card = notify_failure(failed=["killed"], states=states)
    assert "❌ killed process killed (SIGKILL), possibly out of memory" in card


def test_the_dags_card_shows_the_exception(log: Log, notify_failure: Callable[..., str]) -> None:
    log("raises", RAISED)
    card = notify_failure(failed=["raises"])
    assert "❌ raises ValueError: on purpose" in card
    assert 'File \\"/dags/orders.py\\", line 19, in load' in card


def test_the_dags_card_lists_several_tasks_with_their_errors(
    log: Log, notify_failure: Callable[..., str]
) -> None:
    log("raises", RAISED)
    log("killed", KILLED)
    log("m", KILLED, map_index=2)
    card = notify_failure(failed=["raises", "m_2", "killed"], language="zh")
    assert "❌ raises ValueError: on purpose" in card
    assert "❌ m&#95;2" in card or "❌ m_2 进程被终止" in card
    assert "❌ killed 进程被终止" in card
    assert "Traceback" not in card


@pytest.mark.parametrize("options", [{"one_card_per_run": False}, {"msg_type": "text"}])
def test_a_message_without_a_list_says_it_too(
    log: Log, notify_failure: Callable[..., str], options: dict[str, Any]
) -> None:
    log("killed", KILLED)
    assert "process killed (SIGKILL), possibly out of memory" in notify_failure(failed=["killed"], **options)


def test_a_task_whose_notifier_was_not_called_is_named_without_a_log(
    log: Log, notify_failure: Callable[..., str]
) -> None:
    silent = "❌ killed no callback from the task: its process was probably killed"
    assert "no callback" not in notify_failure(failed=["killed"])
    elsewhere = [LarkNotifier(receiver_id="oc_other"), LarkNotifier(receiver_id=CHAT, content="own"), print]
    assert "no callback" not in notify_failure(failed=["killed"], callbacks=elsewhere)
    assert silent in notify_failure(failed=["killed"], callbacks=[*elsewhere, LarkNotifier(receiver_id=CHAT)])


def test_a_dags_failure_without_a_table_of_states_names_its_last_task(
    log: Log, notify_failure: Callable[..., str]
) -> None:
    assert "**Last task** killed" in notify_failure(failed=["killed"], states=False)


def test_what_a_task_said_itself_is_kept() -> None:
    event = RunEvent(kind="dag_failure", dag_id="d", run_id="r", task_id="t", reason="task_failure")
    said = Failure("t", 1, "ValueError: boom", "http://log")
    before = Incident(cards=("om_1",), count=1, failures=(said,))
    assert apply_event(before, event, {"t": "failed"}, {"t": "other"}) == Incident(
        cards=("om_1",), count=1, failures=(said,), run_failed=True
    )
    derived = Incident(cards=("om_1",), count=1, failures=(Failure("t", error="from the log"),))
    assert merge_incidents(derived, before, Incident()).failures == (said,)
