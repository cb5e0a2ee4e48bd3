"""Native approvals in Airflow: asked for once for all retries, waited for, withdrawn, under failure."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    TaskDeferralTimeout,
    TaskDeferred,
)
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from lark_emulator import Emulator

from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.stores import configured
from lark_provider.errors import TransportError
from lark_provider.operators import LarkNativeApprovalOperator
from lark_provider.support import measured, meters
from lark_provider.triggers import LarkNativeApprovalTrigger, native_approval, task_state
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.airflow.test_card_callbacks import messages
from tests.airflow.triggerer import Triggerer
from tests.callbacks.parts import KnownKeys
from tests.callbacks.serving import served
from tests.failures.waiting import wait_until

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "release_approval.py"
DOCUMENT = Path(__file__).parents[2] / "docs" / "en" / "how-to" / "approvals.md"
PRODUCTION = [{"value": "k", "text": "Production"}]
KEY, TOKEN = "the app's key", "the app's token"
START_SECONDS = 300
"""For a triggerer on a busy machine."""
READ = "GET /open-apis/approval/v4/instances/:instance_id"
FORM = [
    {"id": "w1", "type": "input", "name": "Version"},
    {"id": "w2", "type": "date", "name": "Day"},
]


class Outcomes:
    """A sink that remembers how waits for approvals ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def add(self, metric: meters.Counter, amount: int, labels: tuple[str, ...]) -> None:
        if metric is measured.NATIVE_APPROVALS:
            self.seen += labels * amount

    def set(self, *_: Any) -> None: ...

    def remove(self, *_: Any) -> None: ...

    def observe(self, *_: Any) -> None: ...


@pytest.fixture
def outcomes() -> Iterator[list[str]]:
    sink = Outcomes()
    meters.add_sink(sink)
    yield sink.seen
    meters.remove_sink(sink)


@pytest.fixture
def code(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    nodes = [{"node_type": "AND", "approvers": ["bob", "carol"], "name": "Leads"}]
    return lark.add_approval("Deploy", form=FORM, nodes=nodes)


@pytest.fixture
def start(context: Callable[..., Any]) -> Callable[..., Any]:
    def begin(**changes: Any) -> Any:
        given = context(**changes)
        given["xcoms"] = xcoms = dict[str, Any]()

        def push(key: str, value: Any) -> None:
            xcoms[key] = value

        def pull(task_ids: str, key: str, map_indexes: int) -> Any:
            return xcoms.get(key)

        given["ti"] = SimpleNamespace(**({"xcom_push": push, "xcom_pull": pull} | vars(given["ti"])))
        return given

    return begin


def approval(code: str, **changes: Any) -> LarkNativeApprovalOperator:
    given: dict[str, Any] = {
        "form": {"Version": "1.2", "Day": "2026-01-31T00:00:00+08:00"},
        "submitter": "alice",
    }
    given |= {"poll_interval": 0.1, **changes}
    return LarkNativeApprovalOperator(task_id="t", approval_code=code, **given)


def defer(operator: LarkNativeApprovalOperator, given: Any) -> LarkNativeApprovalTrigger:
    """Start a task until it waits in the triggerer; return the trigger as it is made again there."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(given)
    return made_again(deferred.value.trigger)


def made_again(trigger: Any) -> LarkNativeApprovalTrigger:
    return LarkNativeApprovalTrigger(**json.loads(json.dumps(trigger.serialize()[1])))


async def first(trigger: LarkNativeApprovalTrigger) -> dict[str, Any]:
    event = await asyncio.wait_for(anext(aiter(trigger.run())), 60)
    found: dict[str, Any] = json.loads(json.dumps(event.payload))  # as Airflow stores it
    return found


def instances(lark: Emulator) -> list[dict[str, Any]]:
    return list(lark.approvals()["instances"])


def decide(lark: Emulator, *decisions: str) -> None:
    for decision in decisions:
        lark.decide_approval(instances(lark)[-1]["code"], decision)


def reads(lark: Emulator) -> int:
    return int(lark.state(summary=True)["by_endpoint"].get(READ, 0))


def test_the_outcome_is_returned(lark: Emulator, code: str, start: Any) -> None:
    given = start()
    trigger = defer(approval(code), given)
    (asked,) = instances(lark)
    assert given["xcoms"] == {"lark_approval_instance": asked["code"]}
    decide(lark, "approve", "approve")
    event = asyncio.run(first(trigger))
    assert event == {"instance_code": asked["code"], "status": "APPROVED", "reverted": False}
    returned = approval(code).execute_complete(given, event)
    assert returned == {
        "instance_code": asked["code"],
        "serial_number": asked["serial_number"],
        "status": "APPROVED",
        "reverted": False,
        "form": {"Version": "1.2", "Day": "2026-01-31T00:00:00+08:00"},
        "tasks": [
            {"open_id": f"ou_emulator0001_{who}", "node": "Leads", "status": "APPROVED"}
            for who in ("bob", "carol")
        ],
    }
    json.dumps(returned)


@pytest.mark.parametrize(
    ("decision", "status"), [("reject", "REJECTED"), ("withdraw", "CANCELED"), ("delete", "DELETED")]
)
def test_what_is_not_approved(
    lark: Emulator, code: str, start: Any, outcomes: list[str], decision: str, status: str
) -> None:
    trigger = defer(approval(code), start())
    decide(lark, decision)
    event = asyncio.run(first(trigger))
    with pytest.raises(AirflowFailException, match=f"is {status}. Next: clear the task to ask again"):
        approval(code).execute_complete(start(), event)
    with pytest.raises(AirflowSkipException):
        approval(code, on_reject="skip").execute_complete(start(), event)
    assert approval(code, on_reject="return").execute_complete(start(), event)["status"] == status
    assert outcomes == [status.lower()] * 3


def test_a_retry_waits_for_the_same_instance_and_a_cleared_task_asks_again(
    lark: Emulator, code: str, start: Any
) -> None:
    lark.fault("POST", "/open-apis/approval/v4/instances", drop="after")
    for try_number in (1, 2):
        defer(approval(code), start(try_number=try_number))
    assert len(instances(lark)) == 1
    defer(approval(code), start(try_number=3, max_tries=4))
    assert [one["status"] for one in instances(lark)] == ["CANCELED", "PENDING"]
    lark.change_approval(code, may_withdraw=False)
    defer(approval(code), start(try_number=4, max_tries=5))  # what cannot be withdrawn is left
    assert [one["status"] for one in instances(lark)] == ["CANCELED", "PENDING", "PENDING"]


def test_a_decision_that_came_in_time_counts(
    lark: Emulator, code: str, start: Any, outcomes: list[str]
) -> None:
    operator = approval(code, timeout=timedelta(hours=1))
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(start())
    assert deferred.value.timeout == timedelta(hours=1)
    timeout = ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(TaskDeferralTimeout):
        operator.resume_execution(*timeout, start())
    assert instances(lark)[0]["status"] == "PENDING"
    decide(lark, "approve", "approve")
    assert operator.resume_execution(*timeout, start())["status"] == "APPROVED"
    assert outcomes == ["timeout", "approved"]


def test_the_end_of_the_time_looks_at_the_instance_that_was_asked_for(
    lark: Emulator, code: str, start: Any
) -> None:
    given, timeout = start(), ("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(TaskDeferred):
        approval(code).execute(given)
    decide(lark, "approve", "approve")
    edited = approval(lark.add_approval("Another", form=FORM), form={"Version": "2"})
    assert edited.resume_execution(*timeout, given)["status"] == "APPROVED"
    assert len(instances(lark)) == 1


@pytest.mark.parametrize(
    "kwargs", [{"event": {"status": "answered", "wait_id": "w"}}, {"event": {"status": "success"}}, {}, None]
)
def test_a_task_that_is_resumed_without_its_approval_asks(
    lark: Emulator, code: str, start: Any, kwargs: dict[str, Any] | None
) -> None:
    with pytest.raises(TaskDeferred):
        approval(code).resume_execution("execute_complete", kwargs, start())
    assert [one["status"] for one in instances(lark)] == ["PENDING"]


@pytest.mark.parametrize(
    ("before", "after", "try_number"), [(0, 3, 1), (2, 0, 1), (2, 5, 1), (2, 5, 2), (2, 3, 3)]
)
def test_a_file_with_other_retries_asks_for_nothing_more(
    lark: Emulator, code: str, start: Any, before: int, after: int, try_number: int
) -> None:
    """As in a task that is started again after its DAG file was missing, and was edited meanwhile."""
    defer(approval(code), start(retries=before))
    defer(approval(code), start(retries=after, max_tries=before, try_number=try_number))
    assert [one["status"] for one in instances(lark)] == ["PENDING"]


def test_a_revert_after_the_approval_is_reported(
    lark: Emulator, code: str, start: Any, outcomes: list[str]
) -> None:
    trigger = defer(approval(code), start())
    decide(lark, "approve", "approve")
    event = asyncio.run(first(trigger))
    decide(lark, "revert")
    returned = approval(code).execute_complete(start(), event)
    assert (returned["status"], returned["reverted"]) == ("APPROVED", True)
    # A retry that has not seen the approval does not act on it.
    with pytest.raises(AirflowFailException, match="is CANCELED"):
        approval(code).execute(start(try_number=2))
    assert outcomes == ["reverted", "canceled"]


def test_waiting_on_the_worker(lark: Emulator, code: str, start: Any) -> None:
    operator = approval(code, deferrable=False)
    done: list[Any] = []
    waiting = threading.Thread(target=lambda: done.append(operator.execute(start())))
    waiting.start()
    wait_until(lambda: reads(lark) > 3, 60)
    lark.fault("GET", "/open-apis/approval/v4/instances/*", status=503, times=10)
    decide(lark, "approve", "approve")
    waiting.join(60)
    assert [one["status"] for one in done] == ["APPROVED"]
    operator.on_kill()
    assert not instances(lark)[0]["reverted"]
    with pytest.raises(TaskDeferralTimeout, match=r"must be decided within 0\.3 s"):
        approval(code, deferrable=False, timeout=0.3).execute(start(run_id="other"))


def test_a_task_that_is_stopped_on_its_worker_withdraws(lark: Emulator, code: str, start: Any) -> None:
    for withdraw, status in ((True, "CANCELED"), (False, "PENDING")):
        operator = approval(code, deferrable=False, withdraw=withdraw, timeout=0.3)
        with pytest.raises(TaskDeferralTimeout):
            operator.execute(start(run_id=status))
        operator.on_kill()
        assert instances(lark)[-1]["status"] == status


def test_the_trigger_outlasts_an_outage_and_ends_on_what_no_retry_helps(
    lark: Emulator, code: str, start: Any, outcomes: list[str]
) -> None:
    trigger = defer(approval(code), start())
    lark.fault("GET", "/open-apis/approval/v4/instances/*", status=502, times=8)
    decide(lark, "approve", "approve")
    assert asyncio.run(first(trigger))["status"] == "APPROVED"
    lark.change_app(scopes=["im:message"])
    event = asyncio.run(first(trigger))
    assert (event["status"], "PermissionDeniedError" in event["message"]) == ("error", True)
    with pytest.raises(AirflowFailException, match="PermissionDeniedError"):
        approval(code).execute_complete(start(), event)
    assert outcomes == ["failed"]


@pytest.mark.parametrize(("state", "status"), [("deferred", "PENDING"), ("failed", "CANCELED")])
def test_a_task_that_is_not_deferred_any_more_withdraws(
    lark: Emulator, code: str, start: Any, monkeypatch: pytest.MonkeyPatch, state: str, status: str
) -> None:
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda *_, **__: {"r": {"t": state}})
    trigger = defer(approval(code), start())

    async def killed() -> None:
        await trigger.on_kill()
        await task_state.finish()

    asyncio.run(killed())
    assert instances(lark)[0]["status"] == status


@pytest.mark.parametrize(
    "faulty",
    [{"AIRFLOW_CONN_LARK_DEFAULT": ""}, {"AIRFLOW__LARK__DATABASE_CONN_ID": "missing"}],
    ids=["of-lark", "of-the-database"],
)
def test_a_connection_that_is_missing_ends_the_withdrawal_with_a_warning(
    lark: Emulator,
    code: str,
    start: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    faulty: dict[str, str],
) -> None:
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", lambda *_, **__: {"r": {"t": "failed"}})
    trigger = defer(approval(code), start())
    for name, value in faulty.items():
        monkeypatch.setenv(name, value)

    async def killed() -> None:
        await trigger.on_kill()
        await task_state.finish()

    asyncio.run(killed())
    assert "Failed to withdraw approval" in caplog.text
    assert "AirflowNotFoundException" in caplog.text
    assert instances(lark)[0]["status"] == "PENDING"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"on_reject": "stop"}, "on_reject must be fail, skip or return, got 'stop'"),
        ({"poll_interval": 0}, "poll_interval must be a positive number of seconds, got 0"),
        ({"timeout": float("nan")}, "timeout must be a positive number of seconds, got nan"),
        ({"poll_interval": "1"}, "poll_interval must be a positive number of seconds, got '1'"),
    ],
)
def test_arguments_that_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        approval("CODE", **changes)


@pytest.fixture
def events(lark: Emulator, rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A gateway that publishes Lark's events to RabbitMQ, as in production."""
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    monkeypatch.setattr(native_approval, "_subscribed", set())
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    sinks, background = configured(broker_url=rabbitmq)
    gateway = Gateway(keys, sinks, endpoint=Endpoint())
    with served(application(gateway, background=background)) as address:
        lark.set_callback(
            f"{address}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN
        )
        yield


@pytest.mark.parametrize(
    "switches",
    [{}, {"approval_events": "reversed", "approval_event_copies": 2}],
    ids=["in order", "reversed and doubled"],
)
def test_an_event_makes_all_triggers_look_at_once(
    lark: Emulator, code: str, start: Any, events: None, switches: dict[str, Any]
) -> None:
    triggers = [defer(approval(code, poll_interval=3600), start(run_id=f"r{n}")) for n in range(3)]
    lark.settings(**switches)

    async def work() -> list[dict[str, Any]]:
        running = [asyncio.create_task(first(trigger)) for trigger in triggers]
        # Each trigger has looked once, and would not look again for an hour.
        await asyncio.to_thread(wait_until, lambda: reads(lark) >= 2 * len(triggers), 60)
        await asyncio.to_thread(wait_until, lambda: lark.approvals()["subscriptions"], 60)
        # Its queue is bound: only then is an event for it.
        await asyncio.to_thread(wait_until, connected, 60)
        for one in instances(lark):
            for _ in range(2):
                await asyncio.to_thread(lark.decide_approval, one["code"])
        return list(await asyncio.gather(*running))

    assert {one["status"] for one in asyncio.run(work())} == {"APPROVED"}
    assert len(lark.approvals()["subscriptions"]) == 1


def connected() -> bool:
    from lark_provider.callbacks import approvals

    return any(one.is_connected for one in approvals._broadcasts.values())


def test_events_that_are_lost_are_found_by_polling(
    lark: Emulator, code: str, start: Any, events: None
) -> None:
    lark.settings(approval_events="lost")
    trigger = defer(approval(code), start())
    decide(lark, "approve", "approve")
    assert asyncio.run(first(trigger))["status"] == "APPROVED"


def test_a_broker_that_is_unavailable_stops_no_wait(
    lark: Emulator, code: str, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:9/")
    trigger = defer(approval(code), start())
    decide(lark, "approve", "approve")
    assert asyncio.run(first(trigger))["status"] == "APPROVED"


@pytest.fixture
def triggerer(lark: Emulator, airflow_home: AirflowHome, tmp_path: Path) -> Iterator[Triggerer]:
    settings = {"AIRFLOW_CONN_LARK_DEFAULT": connection(lark)}
    made = Triggerer(airflow_home, tmp_path / "airflow", settings)
    yield made
    made.kill()


@pytest.mark.parametrize("seen", [True, False], ids=["seen, and not stored", "decided without a triggerer"])
def test_a_triggerer_that_is_killed_lets_the_task_go_on_once(
    lark: Emulator, code: str, start: Any, triggerer: Triggerer, outcomes: list[str], *, seen: bool
) -> None:
    given = start()
    trigger = defer(approval(code, poll_interval=0.5), given)
    triggerer.defer_triggers([trigger.serialize()])
    triggerer.start()
    wait_until(lambda: reads(lark) > 2, START_SECONDS)
    if seen:
        triggerer.freeze()  # the part that runs triggers goes on, and nobody stores what it fires
        decide(lark, "approve", "approve")
        before = reads(lark)
        wait_until(lambda: reads(lark) > before, START_SECONDS)
    triggerer.kill()
    assert triggerer.task()[0] == "deferred"
    assert triggerer.waiting() == 1
    if not seen:
        decide(lark, "approve", "approve")
    triggerer.start()
    wait_until(lambda: triggerer.task()[0] == "scheduled", START_SECONDS)
    # What has fired goes with its trigger: then nothing can let the task go on again.
    wait_until(lambda: triggerer.waiting() == 0, START_SECONDS)
    state, told = triggerer.task()
    triggerer.kill()
    shown = triggerer.heartbeats()  # those that were killed at once have shown none
    triggerer.start()
    wait_until(lambda: triggerer.heartbeats() == shown + 1, START_SECONDS)
    assert triggerer.task() == (state, told)
    (asked,) = instances(lark)
    event = {"instance_code": asked["code"], "status": "APPROVED", "reverted": False}
    for part in event.values():
        assert json.dumps(part) in told
    assert approval(code).execute_complete(given, event)["status"] == "APPROVED"
    assert (asked["status"], asked["reverted"]) == ("APPROVED", False)
    assert outcomes == ["approved"]


def test_a_request_that_does_not_arrive_is_retried_by_airflow(lark: Emulator, code: str, start: Any) -> None:
    operator = approval(code, deadline=1)
    lark.fault("GET", "/open-apis/approval/v4/approvals/*", drop="before", times=50)
    with pytest.raises(TransportError):
        operator.execute(start())
    lark.clear_faults()
    defer(approval(code), start(try_number=2))
    assert len(instances(lark)) == 1


def test_the_template_fields_are_rendered() -> None:
    assert set(LarkNativeApprovalOperator.template_fields) >= {"approval_code", "form", "submitter"}


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
    (asked,) = instances(lark)
    (said,) = messages(lark)
    assert said["content"]["text"] == f"Approval {asked['serial_number']} granted: releasing 1.2."
    assert [one["value"] for one in asked["form"]][:2] == ["1.2", "Production"]


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
    (asked,) = instances(lark)
    assert (asked["status"], asked["submitter"]) == ("CANCELED", "alice")
    assert [json.loads(one)["text"] for one in asked["comments"]] == ["Tests passed."]
