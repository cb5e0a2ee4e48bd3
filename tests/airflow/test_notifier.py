"""`LarkNotifier` against the emulator, with contexts made by hand; test_notifier_runs has real ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pkgutil
import re
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
from airflow.sdk.log import mask_secret
from airflow.triggers.callback import CallbackTrigger
from lark_emulator import Emulator

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.lark import LarkHook
from lark_provider.notifications import LarkNotifier as LazyNotifier
from lark_provider.notifications import sending
from lark_provider.notifications.airflow_context import clean
from lark_provider.notifications.lark import LarkNotifier
from lark_provider.notifications.run_cards import RunCards
from lark_provider.protocol.incidents.model import Failure, Incident
from tests.airflow.conftest import CHAT, connection

HANGS = 20.0
"""Seconds after which what hangs would answer after all."""
LOG = "http://airflow/dags/d/runs/r/tasks/{}?try_number=1"
DEADLINE = {
    "dag_run": {"dag_id": "d", "dag_run_id": "r", "state": "running"},
    "deadline": {"id": "7", "deadline_time": "2026-01-01T00:00:00Z"},
}


class Shelf:
    """Airflow's Variables, as far as the notifier uses them."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.works = True

    def get(self, key: str, default: str | None = None) -> str | None:
        if not self.works:
            raise RuntimeError("no API server")
        return self.held.get(key, default)

    def set(self, key: str, value: str, description: str) -> None:
        assert description
        self.get(key)
        self.held[key] = value

    def delete(self, key: str) -> None:
        self.get(key)
        del self.held[key]


@pytest.fixture(autouse=True)
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf()
    monkeypatch.setattr("airflow.sdk.Variable", made)
    sending.warned.clear()
    return made


def context(state: str = "failed", *, task_id: str = "t", error: str = "boom", **changes: Any) -> Any:
    known = {
        "dag_id": "d",
        "run_id": "r",
        "task_id": task_id,
        "map_index": -1,
        "try_number": 1,
        "max_tries": 1,
    }
    ti = SimpleNamespace(**(known | {"state": state, "log_url": LOG.format(task_id)} | changes))
    found = {"ti": ti, "task": SimpleNamespace(owner="alice"), "run_id": "r"}
    return found if state == "success" else found | {"exception": ValueError(error)}


def of_dag(reason: str) -> Any:
    dag = SimpleNamespace(dag_id="d", owner="alice", render_template_as_native_obj=False)
    return {"dag": dag, "run_id": "r", "reason": reason}


def tell(**changes: Any) -> LarkNotifier:
    return LarkNotifier(**({"receiver_id": CHAT, "language": "en"} | changes))


def sent(lark: Emulator) -> list[Any]:
    return [one["content"] for one in lark.state()["chats"][0]["messages"]]


def titles(lark: Emulator) -> list[str]:
    return [one["header"]["title"]["content"] for one in sent(lark)]


def logged(capsys: pytest.CaptureFixture[str], text: str) -> list[str]:
    """The lines of Airflow's log that hold a text."""
    return [line for line in capsys.readouterr().out.splitlines() if text in line]


@pytest.fixture
def connect(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def give(conn_id: str = "lark_default", **changes: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection(lark, **changes))

    return give


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (context(), "Task failed · d.t"),
        (context("up_for_retry"), "Task will be retried · d.t"),
        (context("success"), "Task succeeded · d.t"),
        (of_dag("task_failure"), "DAG run failed · d"),
        (of_dag("success"), "DAG run succeeded · d"),
        (DEADLINE, "Deadline missed · d"),
    ],
)
def test_every_kind_of_context_is_told(lark: Emulator, given: Any, title: str) -> None:
    tell()(given)
    assert titles(lark) == [title]
    assert LazyNotifier is LarkNotifier


def test_a_repeated_callback_is_one_message_and_another_try_is_another(lark: Emulator) -> None:
    notify = tell(one_card_per_run=False)
    for given in (context(), context(), context(try_number=2), context(map_index=1), context("success")):
        notify(given)
    assert len(sent(lark)) == 4


def test_airflow_runs_it_for_deadlines_in_both_ways(lark: Emulator) -> None:
    options = {
        "receiver_id": CHAT,
        "language": "en",
        "content": "late: {{ dag_run.dag_id }}",
        "msg_type": "text",
    }
    late = AsyncCallback(LarkNotifier, options)

    async def trigger() -> list[Any]:
        made = CallbackTrigger(late.path, {**late.kwargs, "context": DEADLINE})
        return [event.payload async for event in made.run()]

    assert asyncio.run(trigger())[-1]["state"] == "success"
    # An executor makes the class that is named, and calls what it has made with the context.
    made = pkgutil.resolve_name(SyncCallback(LarkNotifier, options).path)(**options)
    made({**DEADLINE, "deadline": {"id": "8"}})
    assert sent(lark) == [{"text": "late: d"}] * 2


def test_one_notifier_renders_again_for_each_task(lark: Emulator) -> None:
    notify = tell(content="{{ ti.task_id }}: {{ exception }}", msg_type="text")
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    assert sent(lark) == [{"text": "a: boom"}, {"text": "b: boom"}]


@pytest.mark.parametrize(("msg_type", "tag"), [("text", "text"), ("post", "zh_cn")])
def test_texts_and_posts_have_a_default_too(lark: Emulator, msg_type: Any, tag: str) -> None:
    tell(msg_type=msg_type)(context())
    (found,) = sent(lark)
    assert tag in found
    assert "Task failed · d.t" in json.dumps(found, ensure_ascii=False)


def test_failures_of_a_run_share_a_card_until_they_are_mended(lark: Emulator, shelf: Shelf) -> None:
    notify = tell(quiet_success=True)
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    notify(of_dag("task_failure"))
    (card,) = sent(lark)
    text = json.dumps(card, ensure_ascii=False)
    assert titles(lark) == ["DAG run failed · d"]
    assert "❌ a ValueError: boom" in text
    assert "❌ b ValueError: boom" in text
    assert "2 failures" in text

    notify(context("success", task_id="c"))
    notify(context("success", task_id="a"))
    assert titles(lark) == ["Partly recovered · d"]
    notify(of_dag("success"))
    assert titles(lark) == ["Recovered · d"]
    assert shelf.held == {}
    assert "PATCH /open-apis/im/v1/messages/:message_id" in lark.state()["by_endpoint"]

    notify(context(task_id="a", try_number=3))
    assert titles(lark) == ["Recovered · d", "Task failed · d.a"]


def test_what_airflow_knows_of_the_run_completes_the_card(lark: Emulator) -> None:
    def states(dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {"r": {"a": "failed", "b": "failed", "c": "running"}}

    tell()(context(task_id="b", get_task_states=states))
    (card,) = sent(lark)
    text = json.dumps(card, ensure_ascii=False)
    assert "2 failures" in text
    assert "❌ a" in text
    assert "❌ c" not in text


def test_runs_are_kept_apart_and_old_ones_forgotten(
    lark: Emulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify = tell()
    notify(context())
    notify(context(run_id="r2"))
    assert len(sent(lark)) == 2
    assert len(shelf.held) == 1
    later = time.time() + 15 * 24 * 3600
    monkeypatch.setattr("lark_provider.notifications.run_cards.time.time", lambda: later)
    notify(context(run_id="r3"))
    (held,) = shelf.held.values()
    assert list(json.loads(held)) == ["r3"]


def test_tasks_that_fail_in_the_same_moment_share_one_card(lark: Emulator, shelf: Shelf) -> None:
    names = ["a", "b", "c", "d"]
    together = threading.Barrier(len(names))
    asked = shelf.get

    def get(key: str, default: str | None = None) -> str | None:
        found = asked(key, default)
        if found is None:  # nobody goes on before all have seen that no card exists
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(1)
        return found

    shelf.get = get  # type: ignore[method-assign]  # as said
    notify = tell(quiet_success=True)
    threads = [threading.Thread(target=notify, args=(context(task_id=name),)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (card,) = sent(lark)
    for name in names:
        assert f"❌ {name} " in json.dumps(card, ensure_ascii=False)
    notify(of_dag("success"))
    assert titles(lark) == ["Recovered · d"]
    assert shelf.held == {}


def test_a_first_card_that_was_promised_and_never_came_is_sent_by_another(
    lark: Emulator, shelf: Shelf
) -> None:
    now = time.time()
    shelf.held[RunCards("lark_default", CHAT, "d").variable] = json.dumps(
        {"r": {"at": now, "claim": "another process", **Incident().to_json()}}
    )
    tell(deadline=2)(context())
    tell()(context(task_id="b"))
    assert titles(lark) == ["Task failed · d"]


def test_two_cards_that_were_sent_in_spite_of_it_are_both_remembered(shelf: Shelf) -> None:
    cards = RunCards("c", CHAT, "d")
    cards.save("r", Incident(("om_1",), 1, (Failure("a", 1, "E"),)), None)
    cards.save("r", Incident(("om_2",), 1, (Failure("b", 1, "F"),)), None)
    found = cards.load("r")
    assert found is not None
    assert (found.cards, found.count, [one.label for one in found.failures]) == (
        ("om_2", "om_1"),
        2,
        ["b", "a"],
    )


def test_without_variables_each_failure_has_its_card(lark: Emulator, shelf: Shelf) -> None:
    shelf.works = False
    notify = tell()
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    assert titles(lark) == ["Task failed · d.a", "Task failed · d.b"]


def test_a_card_that_cannot_be_updated_is_replaced(lark: Emulator, shelf: Shelf) -> None:
    notify = tell()
    notify(context(task_id="a"))
    lark.fault("PATCH", status=400, code=230031, msg="The message is too old")
    notify(context(task_id="b"))
    assert titles(lark) == ["Task failed · d.a", "Task failed · d"]
    (held,) = shelf.held.values()
    assert json.loads(held)["r"]["cards"] == [lark.state()["chats"][0]["messages"][1]["message_id"]]


def test_owners_are_mentioned_if_the_connection_knows_them(
    lark: Emulator, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(extra={"owners": '{"alice": "alice@example.com"}'})
    tell(mentions="owner")(context())
    tell(mentions=["owner", "carol"])(context(task_id="b"))
    tell(mentions=["owner", "carol"])(context(task_id="c"))
    assert "<at email=alice@example.com></at>" in json.dumps(sent(lark))
    assert "@carol" in json.dumps(sent(lark))
    assert len(logged(capsys, "'carol' is mentioned by name only")) == 1


def test_an_owner_whom_lark_does_not_know_costs_the_mention_not_the_message(
    lark: Emulator, connect: Callable[..., None]
) -> None:
    connect(extra={"owners": {"alice": "ou_left_long_ago"}})
    tell(mentions="owner")(context())
    (card,) = sent(lark)
    assert card["body"]["elements"][-1][
        "content"
    ] == "@ou&#95;left" + "_long_ago" or "@ou_left_long_ago" in str(card)
    assert "<at" not in str(card)


def test_a_redirected_card_says_for_whom_and_mentions_nobody(
    lark: Emulator, connect: Callable[..., None]
) -> None:
    connect(
        extra={"redirect_all_to": "t", "receivers": {"t": CHAT}, "owners": {"alice": "alice@example.com"}}
    )
    tell(receiver_id="oncall", mentions="owner")(context())
    (card,) = sent(lark)
    assert card["body"]["elements"][0]["content"] == "[→ oncall @alice@example.com]"
    assert "<at" not in json.dumps(card)


def test_an_alias_is_looked_up(lark: Emulator, connect: Callable[..., None]) -> None:
    connect(extra={"receivers": {"oncall": CHAT}})
    tell(receiver_id="{{ 'on' }}call")(context())
    assert len(sent(lark)) == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"receiver_id": ""}, "receiver_id"),
        ({"receiver_id": "{{ nothing.at.all }}"}, "'nothing' is undefined"),
        ({"lark_conn_id": "missing"}, "missing"),
        ({"lark_conn_id": "secretless"}, "10014"),
        ({"content": "{no", "msg_type": "interactive"}, "json.loads"),
        ({"receiver_id": "oc_unknown"}, "Next: "),
    ],
)
def test_whatever_is_wrong_is_one_line_without_secrets(
    lark: Emulator,
    connect: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    text: str,
) -> None:
    connect("secretless", password="wrong-secret-1")
    tell(**changes)(context())
    printed = capsys.readouterr().out
    (line,) = [one for one in printed.splitlines() if "Failed to notify" in one]
    assert text in line
    assert "wrong-secret-1" not in printed
    assert sent(lark) == []


def test_secrets_of_an_error_stay_here(lark: Emulator) -> None:
    mask_secret("known-to-airflow")
    tell()(context(error="app_secret=looks-like-one and known-to-airflow"))
    text = json.dumps(sent(lark))
    assert "=***" in text  # Airflow may know a password, of another test, that is a part of the name
    assert "looks-like-one" not in text
    assert "known-to-airflow" not in text


def test_a_password_that_is_a_part_of_a_name_hides_no_name() -> None:
    mask_secret("app_tick")
    cleaned = clean("app_ticket=looks-like-one, app_tick")
    assert "looks-like-one" not in cleaned
    assert "app_tick" not in cleaned


def test_a_context_that_makes_no_sense_raises_nothing(lark: Emulator) -> None:
    for given in ({}, {"ti": object()}, {"ti": None, "exception": 5}):
        tell()(given)
    asyncio.run(tell().async_notify({}))
    tell()()
    assert len(sent(lark)) >= 1


@pytest.mark.parametrize("path", ["*/tenant_access_token/internal", "*/messages"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_slow_lark_is_left_at_the_deadline(
    lark: Emulator, capsys: pytest.CaptureFixture[str], path: str, how: str
) -> None:
    lark.fault(path=path, times=100, delay_ms=1000 * HANGS)
    notify, started = tell(deadline=0.4), time.perf_counter()
    if how == "sync":
        notify.notify(context())
    else:
        asyncio.run(notify.async_notify(DEADLINE))  # type: ignore[arg-type]  # a deadline's context is a part
    assert 0.3 < time.perf_counter() - started < HANGS
    (line,) = logged(capsys, "Failed to notify")
    # Of the 0.4 s, those that were left when the preparation was done; a busy machine takes some.
    assert re.search(r"no answer within 0\.[1-4] s, so it may or may not have arrived", line)


def test_a_secrets_backend_that_hangs_is_left_and_another_connection_helps(
    lark: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, asked = threading.Event(), LarkHook.get_connection

    def get(conn_id: str) -> Any:
        return hangs.wait(HANGS) if conn_id == "lark_hangs" else asked(conn_id)

    monkeypatch.setattr(LarkHook, "get_connection", staticmethod(get))
    for changes, arrived in (({}, 0), ({"fallback_conn_id": "lark_default"}, 1)):
        started = time.perf_counter()
        tell(lark_conn_id="lark_hangs", deadline=1, **changes)(context())
        assert time.perf_counter() - started < HANGS
        assert len(sent(lark)) == arrived
    hangs.set()
    (line,) = logged(capsys, "Failed to notify")
    assert "no answer within 1.0 s" in line


@pytest.mark.parametrize("what", ["get", "set"])
def test_variables_that_hang_cost_the_shared_card_and_not_the_message(
    lark: Emulator,
    capsys: pytest.CaptureFixture[str],
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(shelf, what, lambda *_args, **_kwargs: hangs.wait(HANGS))
    started = time.perf_counter()
    for task_id in ("a", "b"):
        tell(deadline=2, fallback_conn_id="lark_other")(context(task_id=task_id))
    assert time.perf_counter() - started < HANGS
    hangs.set()
    assert titles(lark) == ["Task failed · d.a", "Task failed · d.b"]
    assert len(logged(capsys, "Notified ")) == 2


def test_a_memory_that_fails_after_the_message_sends_no_second_one(
    lark: Emulator, shelf: Shelf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    known = shelf.set

    def set_(key: str, value: str, description: str) -> None:
        if sent(lark):
            hangs.wait(HANGS)
        known(key, value, description)

    monkeypatch.setattr(shelf, "set", set_)
    tell(deadline=1.5, fallback_conn_id="lark_other")(context())
    hangs.set()
    assert titles(lark) == ["Task failed · d.t"]
    printed = capsys.readouterr().out
    assert "Notified " in printed
    assert "after trouble" not in printed
    assert "later events may get separate cards" in printed


def test_a_long_wait_that_lark_asks_for_ends_at_the_deadline(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    lark.fault(
        path="*/messages", times=9, status=429, code=99991400, headers={"x-ogw-ratelimit-reset": f"{HANGS}"}
    )
    started = time.perf_counter()
    tell(deadline=0.5)(context())
    assert time.perf_counter() - started < HANGS
    assert len(logged(capsys, "Failed to notify")) == 1


def test_another_connection_helps_within_the_time(
    lark: Emulator, connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as slow:
        slow.fault(times=100, delay_ms=1000 * HANGS)
        connect("primary", host=slow.base_url)
        started = time.perf_counter()
        tell(lark_conn_id="primary", fallback_conn_id="lark_default", deadline=1.0)(context())
        assert time.perf_counter() - started < HANGS
    assert len(sent(lark)) == 1
    (line,) = logged(capsys, "Notified ")
    assert "earlier failures: primary: no answer within 0.6 s" in line


def test_the_task_that_is_told_of_is_cancelled_with_the_loop(lark: Emulator) -> None:
    async def cancelled() -> None:
        job = asyncio.create_task(tell().async_notify(DEADLINE))  # type: ignore[arg-type]  # a deadline's context is a part
        await asyncio.sleep(0)
        job.cancel()
        await job

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"language": "fr"}, "language must be one of 'zh', 'en', got 'fr'. Next: "),
        ({"event": "fail"}, "event must be one of .*, got 'fail'"),
        ({"deadline": 0}, "deadline must .*, got 0"),
        ({"deadline": "10"}, "deadline must .*, got '10'"),
        ({"deadline": float("nan")}, "deadline must .*, got nan"),
    ],
)
def test_what_cannot_be_is_refused_where_the_dag_is_written(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        tell(**changes)


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_template_that_hangs_is_left_at_the_deadline(
    lark: Emulator, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    hangs, options = threading.Event(), {"deadline": 0.4, "content": "{{ ask() }}", "msg_type": "text"}
    given, started = {**context(), "ask": lambda: hangs.wait(HANGS)}, time.perf_counter()
    if how == "sync":
        tell(**options)(given)
    else:

        async def awaited() -> None:
            await tell(context=given, **options)

        asyncio.run(awaited())
    assert 0.3 < time.perf_counter() - started < HANGS
    hangs.set()
    assert "no answer within 0.4 s" in logged(capsys, "Failed to notify")[0]
    assert sent(lark) == []


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_written_is_told_by_its_name(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    def unspeakable() -> None:
        raise UnspeakableError

    broken = {**context(), "ask": unspeakable, "exception": UnspeakableError()}
    tell(content="{{ ask() }}", msg_type="text")(broken)
    assert "UnspeakableError" in logged(capsys, "Template failed")[0]
    assert "UnspeakableError" in json.dumps(sent(lark))
    tell(receiver_id="{{ ask() }}")(broken)
    assert "UnspeakableError" in logged(capsys, "Failed to notify")[0]


def test_bytes_that_are_no_text_are_told_as_well(lark: Emulator) -> None:
    tell()(context(error="no such file: caf\udce9.csv"))
    tell(content="{{ exception }}", msg_type="text")(context(error="caf\udce9.csv", task_id="b"))
    tell(
        content={"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "{{ exception }}"}]}}
    )(context(error="caf\udce9.csv", task_id="c"))
    assert [json.dumps(one).count(r"caf\\udce9.csv") > 0 for one in sent(lark)] == [True] * 3


@pytest.mark.parametrize("msg_type", ["text", "post", "interactive"])
def test_an_errors_words_mention_nobody(lark: Emulator, msg_type: Any) -> None:
    tell(msg_type=msg_type)(context(error='<at user_id="all"></at> <at id=all></at>'))
    assert "<at" not in json.dumps(sent(lark))


def test_an_endless_word_in_an_error_is_told_before_the_deadline(lark: Emulator) -> None:
    tell()(context(error="a" * 1_000_000))
    assert titles(lark) == ["Task failed · d.t"]


@pytest.mark.parametrize("msg_type", ["interactive", "text"])
def test_a_custom_bot_can_be_the_fallback(
    lark: Emulator, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch, msg_type: Any
) -> None:
    connect(password="wrong-secret-1")
    bot = {"conn_type": "lark_webhook", "password": lark.add_webhook(keywords=["ops"])}
    bot["extra"] = json.dumps({"keyword": "ops", "owners": {"alice": "ou_emulator0001_alice"}})
    monkeypatch.setenv("AIRFLOW_CONN_BOT", json.dumps(bot))
    tell(fallback_conn_id="bot", mentions=["owner", "bob@example.com"], msg_type=msg_type)(context())
    ((message,),) = [one["messages"] for one in lark.state()["webhooks"]]
    text = json.dumps(message["content"])
    for part in (
        "Task failed",
        "ou_emulator0001_alice></at>" if msg_type == "interactive" else "ou_emulator0001_alice",
        "@bob@example.com",
    ):
        assert part in text
    assert "email=" not in text
