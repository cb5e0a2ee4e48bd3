"""What answers in place of Airflow ends no question, and what is refused for a while is read again."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy.engine import URL

from lark_provider.airflow_check.airflow_api import check_airflow
from lark_provider.bridge import airflow_api
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.audit_log import AuditLog
from lark_provider.bridge.errors import AirflowRefusedError, AirflowUnavailableError
from lark_provider.bridge.question_ends import QUESTIONS, QuestionEnds
from lark_provider.bridge.questions import INSTANCES, QuestionPoller
from lark_provider.bridge.settings import BridgeSettings, Credentials
from lark_provider.checks import CheckOutcome
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.hitl.model import End
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import hitl_questions
from lark_provider.storage.hitl_questions import Questions
from lark_provider.storage.hitl_rows import RecordedQuestion, read_recorded
from lark_provider.support.secret import Secret
from tests.bridge.builders import NOW, card, execute, question
from tests.failures.waiting import wait_until

HTML = "text/html"
ANSWERED = End("answered", ("Approve",), person="bob", at=NOW)
_REST = "dagRuns/r/taskInstances/t/-1/hitlDetails"


class Front:
    """A server at Airflow's address, which answers what a test says.

    Attributes:
        answers: Status, content type and body by path; others are as `otherwise`.
        otherwise: For all other paths.
        paths: What was asked for.
        queries: The parameters of each request.
        gate: Requests are answered once it is set.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.otherwise: tuple[int, str, str] = (200, "application/json", "{}")
        self.paths: list[str] = []
        self.queries: list[dict[str, list[str]]] = []
        self.gate = threading.Event()
        self.gate.set()


@pytest.fixture
def front() -> Iterator[Front]:
    proxy = Front()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            proxy.paths.append(path)
            proxy.queries.append(parse_qs(urlsplit(self.path).query))
            proxy.gate.wait(60)
            status, kind, text = proxy.answers.get(path, proxy.otherwise)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            if status == 302:
                self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_given: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()


class Work(NamedTuple):
    """What a bridge does about questions."""

    poller: QuestionPoller
    ends: QuestionEnds
    log: AuditLog


def answer(status: int, **members: Any) -> tuple[int, str, str]:
    return status, "application/json", json.dumps(members)


def work(
    front: Front,
    url: URL,
    *steps: Callable[[Work], Awaitable[object]],
    account: bool = False,
    team: str | None = None,
) -> list[LarkError | None]:
    """Run steps of a bridge, and return the error of each, or None where it succeeded."""
    credentials = Credentials(front.url, token=Secret("t"))
    if account:
        credentials = Credentials(front.url, "watcher", Secret("w"))
    settings = BridgeSettings(credentials, BridgeSecrets("s" * 32))

    async def run() -> list[LarkError | None]:
        api, errors = AirflowApi(credentials), list[LarkError | None]()
        log = AuditLog(api, store := Questions(url, team))
        ends = QuestionEnds(api, store, log)
        parts = Work(QuestionPoller(api, store, ends, settings), ends, log)
        try:
            for step in steps:
                try:
                    await step(parts)
                    errors.append(None)
                except LarkError as error:
                    errors.append(error)
        finally:
            await api.close()
        return errors

    return asyncio.run(run())


def ask(url: URL) -> str:
    hitl_question = question()
    ti_id = hitl_question.task.ti_id
    Questions(url).record({ti_id: NOW}, [hitl_question])
    Questions(url).open({ti_id: [card(ti_id)]})
    return ti_id


def rename(url: URL, ti_id: str, dag_id: str) -> None:
    execute(url, "UPDATE hitl_questions SET dag_id = :dag WHERE ti_id = :id", dag=dag_id, id=ti_id)


@pytest.mark.parametrize(
    "other",
    [
        (404, "text/plain", "404 page not found\n"),
        (404, HTML, "<html>default backend</html>"),
        answer(404, detail="Not Found"),
        (302, HTML, "<a href='/login'>Found</a>"),
        (200, HTML, "<html>We are back soon</html>"),
        (200, "application/json", "[]"),
    ],
)
def test_what_answers_in_place_of_airflow_ends_no_question(
    front: Front, url: URL, other: tuple[int, str, str]
) -> None:
    ti_id = ask(url)
    front.otherwise = other
    errors = work(front, url, lambda parts: parts.ends.settle([ti_id]), lambda parts: parts.poller.poll())
    # The list may be read while a proxy has lost the way to single questions.
    front.answers[f"/api/v2{QUESTIONS}"] = answer(200, hitl_details=[], total_entries=0)
    front.answers[f"/api/v2{INSTANCES}"] = answer(200, task_instances=[], total_entries=0)
    front.answers["/api/v2/version"] = answer(200, version="3.3.2")
    errors += work(front, url, lambda parts: parts.poller.complete())
    assert [type(error) for error in errors] == [AirflowRefusedError] * 3
    reason = f"with status {other[0]}, and not by Airflow's REST API. Next: check LARK"
    assert all(reason in str(error) for error in errors)
    assert Questions(url).read_states([ti_id]) == {ti_id: "open"}
    front.otherwise = answer(404, detail="The Task Instance with dag_id: `d` was not found")
    assert work(front, url, lambda parts: parts.poller.complete()) == [None]
    assert Questions(url).read_states([ti_id]) == {ti_id: "over"}


def test_a_refused_token_is_named_and_stops_no_later_look_at_the_audit_log(front: Front, url: URL) -> None:
    log = "/api/v2/eventLogs"
    front.answers[log] = answer(401, detail="Token has been revoked")
    look = [lambda parts: parts.log.watch_answered(60.0)] * 2
    errors = work(front, url, *look)
    assert [type(error) for error in errors] == [AirflowRefusedError] * 2
    assert all("renew LARK_AIRFLOW_TOKEN" in str(error) for error in errors)
    assert front.paths == [log, log]
    # An account without the right is not asked again and again.
    front.answers[log], front.paths = answer(403, detail="Forbidden"), []
    assert work(front, url, *look) == [None, None]
    assert front.paths == [log]


def test_a_login_that_fails_as_its_server_is_unavailable_is_no_refusal(front: Front, url: URL) -> None:
    front.otherwise = (503, HTML, "no healthy upstream")
    (error,) = work(front, url, lambda parts: parts.poller.poll(), account=True)
    assert isinstance(error, AirflowUnavailableError)
    assert "/auth/token" in str(error)


def test_a_question_that_may_not_be_read_any_more_keeps_no_other_open(
    front: Front, url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    some = sorted(ask(url) for _ in range(3))
    rename(url, some[0], dag_id="secret")
    front.answers[f"/api/v2/dags/secret/{_REST}"] = answer(403, detail="Forbidden")
    front.otherwise = answer(404, detail="The Task Instance with dag_id: `d` was not found")
    settle = [lambda parts: parts.ends.settle(some)] * 2
    assert work(front, url, *settle) == [None, None]
    assert Questions(url).list_live() == {some[0]: "open"}
    (record,) = [record for record in caplog.records if "may not be read" in record.getMessage()]
    assert (vars(record)["dag_id"], vars(record)["ti_id"]) == ("secret", some[0])


def test_a_run_that_no_url_names_stops_nothing(front: Front, url: URL) -> None:
    """Whoever may trigger a DAG may call its run `.`."""
    instance = {"state": "awaiting_input", "task_id": "t", "map_index": -1, "try_number": 1}
    waiting = [
        {**instance, "id": "1", "dag_id": "d", "dag_run_id": "."},
        {**instance, "id": "2", "dag_id": "d", "dag_run_id": "r"},
    ]
    details = [
        {
            "task_instance": task_instance, "options": ["OK"], "subject": "Go?", "response_received": False,
            "created_at": "2026-11-29T10:00:00Z",
        }
        for task_instance in waiting
    ]  # fmt: skip
    front.otherwise = answer(404, detail="It was not found")
    front.answers |= {
        "/api/v2/version": answer(200, version="3.3.2"),
        f"/api/v2{QUESTIONS}": answer(200, hitl_details=[], total_entries=0),
        f"/api/v2{INSTANCES}": answer(200, task_instances=waiting, total_entries=2),
        f"/api/v2/dags/d/{_REST}": (200, "application/json", json.dumps(details[1])),
    }
    assert work(front, url, lambda parts: parts.poller.poll(), lambda parts: parts.poller.poll()) == [
        None,
        None,
    ]
    assert Questions(url).list_live() == {"2": "held"}
    front.answers[f"/api/v2{QUESTIONS}"] = answer(200, hitl_details=details, total_entries=2)
    assert work(front, url, lambda parts: parts.poller.poll(), lambda parts: parts.poller.complete()) == [
        None,
        None,
    ]
    assert Questions(url).list_live() == {"2": "held"}

    async def read() -> object:
        api = AirflowApi(Credentials(front.url, token=Secret("t")))
        try:
            return await api.get("/dags/d/dagRuns/./taskInstances")
        finally:
            await api.close()

    front.paths = []
    assert asyncio.run(read()) is None
    assert front.paths == []


def waits(front: Front, ti_id: str, **detail: Any) -> None:
    """Let Airflow list a waiting task and its question, whose details are changed by `detail`."""
    instance = {
        "id": ti_id, "dag_id": "d", "dag_run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1,
        "state": "awaiting_input",
    }  # fmt: skip
    asking = {
        "task_instance": instance, "options": ["Go"], "subject": "Again?", "response_received": False,
        "created_at": "2026-11-29T10:00:00Z",
    }  # fmt: skip
    front.otherwise = answer(404, detail="It was not found")
    front.answers |= {
        "/api/v2/version": answer(200, version="3.3.2"),
        f"/api/v2{QUESTIONS}": answer(200, hitl_details=[asking], total_entries=1),
        f"/api/v2{INSTANCES}": answer(200, task_instances=[instance], total_entries=1),
        f"/api/v2/dags/d/{_REST}": (200, "application/json", json.dumps(asking | detail)),
    }


def complete_and_poll(front: Front, url: URL) -> list[LarkError | None]:
    """Poll while no question is listed, then poll while the question is; return the error of each step."""
    listed = front.answers[f"/api/v2{QUESTIONS}"]

    async def hide(_work: Work) -> None:
        front.answers[f"/api/v2{QUESTIONS}"] = answer(200, hitl_details=[], total_entries=0)

    async def show(_work: Work) -> None:
        front.answers[f"/api/v2{QUESTIONS}"] = listed

    return work(front, url, hide, lambda parts: parts.poller.poll(), show, lambda parts: parts.poller.poll())


def complete(front: Front, url: URL) -> list[LarkError | None]:
    return work(front, url, lambda parts: parts.poller.complete())


def read_question(url: URL, ti_id: str) -> RecordedQuestion:
    with migrate.open_transaction(url, reading=True) as connection:
        (recorded,) = read_recorded(connection, hitl_questions.c.ti_id == ti_id).values()
    return recorded


@pytest.mark.parametrize("look", [complete_and_poll, complete])
def test_a_question_that_its_task_asks_once_more_is_held_again(
    front: Front,
    url: URL,
    look: Callable[[Front, URL], list[LarkError | None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when its DAG file was missing while it was resumed: same id, and the answer is lost."""
    store, ti_id = Questions(url), ask(url)
    store.end({ti_id: ANSWERED})
    waits(front, ti_id)
    assert set(look(front, url)) == {None}
    assert store.read_states([ti_id]) == {ti_id: "over"}  # Its card still asks the earlier time.
    execute(url, "UPDATE hitl_cards SET state = 'over'")
    # What was listed before the answer was given says nothing.
    waits(front, ti_id, response_received=True)
    assert set(look(front, url)) == {None}
    assert store.read_states([ti_id]) == {ti_id: "over"}
    waits(front, ti_id)
    assert set(look(front, url)) == {None}
    held = read_question(url, ti_id)
    assert (held.state, held.end, held.question.subject) == ("held", None, "Again?")
    (record,) = [record for record in caplog.records if "asked again" in record.getMessage()]
    assert vars(record)["ti_id"] == ti_id
    assert set(look(front, url)) == {None}
    assert store.open({ti_id: [card(ti_id)]}) == 1
    assert store.open({ti_id: [card(ti_id), card(ti_id, "ou_ann")]}) == 1
    rounds = execute(url, "SELECT round, state FROM hitl_cards ORDER BY round, receiver")
    assert [tuple(row) for row in rounds] == [(0, "over"), (1, "due"), (1, "due")]


def test_a_question_recorded_under_another_name_of_the_team_is_adopted(front: Front, url: URL) -> None:
    hitl_question = question()
    ti_id = hitl_question.task.ti_id
    Questions(url, "bleu").record({ti_id: NOW}, [hitl_question])
    waits(front, ti_id)
    steps = [lambda parts: parts.poller.complete()]
    assert work(front, url, *steps, team="blue") == [None]
    assert Questions(url, "blue").list_live() == {}, "the other team may still be there"
    execute(url, "UPDATE hitl_questions SET updated_at = :at", at=NOW)
    assert work(front, url, *steps, team="blue") == [None]
    assert Questions(url, "blue").list_live() == {ti_id: "held"}
    assert Questions(url, "bleu").list_live() == {}


def test_a_damaged_question_ends_as_any_other(front: Front, url: URL) -> None:
    ti_id = ask(url)
    execute(url, "UPDATE hitl_questions SET content = '{' WHERE ti_id = :id", id=ti_id)
    front.otherwise = answer(404, detail="The Task Instance with dag_id: `d` was not found")
    assert work(front, url, lambda parts: parts.ends.settle([ti_id])) == [None]
    assert Questions(url).list_live() == {}


def test_damaged_questions_do_not_count(url: URL) -> None:
    store, some = Questions(url), [question() for _ in range(7)]
    moments = {hitl_question.task.ti_id: NOW + timedelta(seconds=n) for n, hitl_question in enumerate(some)}
    store.record(moments, some)
    for damaged in some[:5]:
        execute(url, "UPDATE hitl_questions SET content = '{' WHERE ti_id = :id", id=damaged.task.ti_id)
    whole = [hitl_question.task.ti_id for hitl_question in some[5:]]
    assert list(store.list_held(NOW + timedelta(minutes=1), limit=2)) == whole
    assert list(store.list_held(NOW + timedelta(minutes=1), limit=3)) == whole
    assert list(store.list_held(NOW + timedelta(minutes=1), limit=1)) == whole[:1]


def mark(event: str, task_id: str | None = "t", **request: Any) -> dict[str, Any]:
    return {"event": event, "task_id": task_id, "extra": json.dumps(request | {"method": "PATCH"})}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (mark("patch_task_instance", new_state="failed"), "withdrawn"),
        (mark("patch_task_instance", new_state="failed", map_index="-1"), "withdrawn"),
        (mark("patch_task_instance", new_state="failed", map_index="3"), "timed_out"),
        (mark("patch_task_instance", note="looking"), "timed_out"),
        (mark("patch_task_instance", "other", new_state="failed"), "timed_out"),
        (mark("patch_dag_run", None, state="failed"), "withdrawn"),
        (mark("patch_dag_run", None, note="Claimed in Lark by bob", update_mask="note"), "timed_out"),
        (mark("bulk_task_instances", None, actions=[]), "withdrawn"),
        ({"event": "clear_dag_run", "task_id": None, "extra": None}, "withdrawn"),
        ({"event": "patch_dag_run", "task_id": None, "extra": "cut {"}, "withdrawn"),
    ],
)
def test_only_what_may_end_a_task_withdraws_its_question(
    front: Front, url: URL, row: dict[str, Any], kind: str
) -> None:
    """A note on the run counted, too, as did what was done before the question was asked."""
    ti_id = ask(url)
    detail = {
        "task_instance": {"id": ti_id, "state": "failed", "end_date": "2026-11-26T12:00:00Z"},
        "response_received": False, "defaults": None, "created_at": "2026-11-26T11:00:00Z",
    }  # fmt: skip
    front.answers[f"/api/v2/dags/d/{_REST}"] = answer(200, **detail)
    front.answers["/api/v2/eventLogs"] = answer(200, event_logs=[row], total_entries=1)
    assert work(front, url, lambda parts: parts.ends.settle([ti_id])) == [None]
    recorded = read_question(url, ti_id)
    assert recorded.end is not None
    assert recorded.end.kind == kind
    assert front.queries[-1]["after"] == ["2026-11-26T11:00:00+00:00"]


def test_what_is_delivered_is_signed_when_its_turn_has_come(front: Front) -> None:
    """A signature is valid for a minute, and the requests before it may take longer."""
    signed: list[int] = []

    class Signing(BridgeSecrets):
        def make_headers(self, *given: Any) -> dict[str, str]:
            signed.append(len(front.paths))
            return super().make_headers(*given)

    secrets = Signing("s" * 32)

    async def deliver_many() -> None:
        api = AirflowApi(Credentials(front.url, token=Secret("t")))
        try:
            deliveries = [asyncio.ensure_future(api.deliver(secrets, "e1", b"{}")) for _ in range(6)]
            await asyncio.to_thread(wait_until, lambda: len(front.paths) == 4)
            assert len(signed) == 4
            front.gate.set()
            await asyncio.gather(*deliveries)
        finally:
            front.gate.set()
            await api.close()

    front.gate.clear()
    asyncio.run(deliver_many())
    assert len(signed) == 6
    assert signed[4:] >= [4, 4]


def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_api, "_MAX_BYTES", 100_000)
    front.answers["/api/v2/log"] = answer(200, content=["x" * 200_000])
    front.answers["/api/v2/short"] = answer(200, content=["x" * 90_000])

    async def read() -> None:
        api = AirflowApi(Credentials(front.url, token=Secret("t")))
        try:
            with pytest.raises(AirflowRefusedError, match=r"at most 100,000 bytes, got more. Next: "):
                await api.get("/log")
            assert len((await api.get("/short"))["content"][0]) == 90_000
        finally:
            await api.close()

    asyncio.run(read())


@pytest.mark.parametrize(
    ("delivered", "text"),
    [
        (answer(400, outcome="invalid", message={}), "is there"),
        (answer(400, detail="bad request"), "from something else"),
        (answer(200), "from something else"),
        ((200, HTML, "<html>Airflow</html>"), "from something else"),
        ((302, HTML, ""), "from something else"),
        (answer(403, detail="Forbidden"), "from something else"),
        ((401, HTML, "<html>Log in</html>"), "from something else"),
        (answer(401, detail="Not authenticated"), "from something else"),
        (answer(401), "refused ours"),
        (answer(404), "does not have the plugin"),
        (answer(502), "failed with status 502"),
    ],
)
def test_only_the_plugins_own_answer_counts_as_a_working_plugin(
    front: Front, delivered: tuple[int, str, str], text: str
) -> None:
    front.answers["/api/v2/version"] = answer(200, version="3.2.0")
    front.answers["/api/v2/dags"] = answer(200, dags=[], total_entries=0)
    front.answers["/lark/click"] = delivered
    outcomes: dict[str, CheckOutcome] = {}

    def run(name: str, look: Callable[[], CheckOutcome]) -> bool:
        outcomes[name] = look()
        return True

    settings = BridgeSettings(Credentials(front.url, token=Secret("t")), BridgeSecrets("s" * 32))
    check_airflow(run, settings, None)
    plugin = outcomes["plugin"]
    assert plugin.status == ("healthy" if text == "is there" else "unhealthy")
    assert text in plugin.text
    assert plugin.status == "healthy" or "Next: " in plugin.text
