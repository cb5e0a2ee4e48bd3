"""The threads of a hub: as many as it needs, and a caller is told where they cannot be started."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks import hub as hubs
from lark_provider.callbacks.broker import pump as pumps
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.hub import Hub
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.questions import Draft, Origin, Question
from lark_provider.protocol.waits import mark
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender


class Refusing(Inbox):
    """An inbox that refuses clicks, whatever is waited for."""

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.checks = 0

    def check_writable(self) -> None:
        self.checks += 1
        raise StorageError("permission denied")


def test_a_pump_that_is_refused_for_good_starts_no_thread_each_time(
    rabbitmq: str, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "_WARN_SECONDS", 0.01)
    monkeypatch.setattr(pumps, "_FIRST_PAUSE", 0.01)
    inbox, stop = Refusing(database), threading.Event()
    running = threading.Thread(target=hubs._run_pump, args=(Pump(mq.at(rabbitmq), inbox), stop))
    running.start()
    try:
        wait_until(lambda: inbox.checks >= 2)
        before = threading.active_count()
        wait_until(lambda: inbox.checks >= 2 * 50)  # it is checked twice in each round
        wait_until(lambda: threading.active_count() <= before, seconds=5)
    finally:
        stop.set()
        running.join(mq.LIMIT)
    assert not running.is_alive()


def ask(database: URL) -> str:
    """Record a question, and return its id."""
    draft = Draft(
        Origin("d", "r", "t", -1, "approval", 1, 1), Question(options={"approve": "Yes"}), sender.APP
    )
    return Waits(database).claim(draft).question.id


@pytest.mark.parametrize("name", ["lark-waits", "lark-pump"])
def test_a_hub_whose_thread_cannot_start_says_so_and_tries_again(
    rabbitmq: str, database: URL, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(hubs, "POLL_INTERVAL_SECONDS", 0.05)
    start_really, failures = threading.Thread.start, iter([RuntimeError("can't start new thread")])

    def start(thread: threading.Thread) -> None:
        if thread.name == name:
            for failure in failures:
                raise failure
        start_really(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    wait_id = ask(database)
    hub = Hub(database.render_as_string(hide_password=False), rabbitmq)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        hub.settle(wait_id)
    settled = hub.settle(wait_id)
    mq.send(rabbitmq, "card.cli_1", mq.card("e1", value=mark({"action": "approve"}, wait_id)))
    assert settled.result(mq.LIMIT).state == "decided"
    wait_until(lambda: hub._stop is None)
    assert hub._pending == {}


def test_a_look_that_fails_after_it_has_resolved_some_waits_fails_the_others_only(
    database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that had their result already ended the thread, and no caller heard of a click any more."""
    monkeypatch.setattr(hubs, "POLL_INTERVAL_SECONDS", 0.05)
    wait_id, missing_id = ask(database), str(uuid.uuid4())
    hub = Hub(database.render_as_string(hide_password=False))
    read, settle, is_read = hub._waits.read, hub._poller.settle, threading.Event()

    def read_noting(wait_ids: list[str], **options: Any) -> Any:
        if missing_id in wait_ids:
            is_read.set()
        return read(wait_ids, **options)

    def fail_once(questions: list[Any]) -> Any:
        if is_read.is_set():
            is_read.clear()
            raise ValueError("a row that no version has written")
        return settle(questions)

    monkeypatch.setattr(hub._waits, "read", read_noting)
    monkeypatch.setattr(hub._poller, "settle", fail_once)
    waiting, missing = hub.settle(wait_id), hub.settle(missing_id)
    assert isinstance(missing.exception(mq.LIMIT), ConfigurationError)
    assert isinstance(waiting.exception(mq.LIMIT), ValueError)
    Waits(database).close(wait_id, "withdrawn")
    assert hub.settle(wait_id).result(mq.LIMIT).state == "closed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_callers_hear_of_it_when_the_thread_ends(database: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "POLL_INTERVAL_SECONDS", 0.05)
    wait_id = ask(database)
    hub = Hub(database.render_as_string(hide_password=False))
    prune, failures = hub._prune, iter([MemoryError()])

    def fail_once(stop: threading.Event) -> Any:
        for failure in failures:
            raise failure
        return prune(stop)

    monkeypatch.setattr(hub, "_prune", fail_once)
    assert isinstance(hub.settle(wait_id).exception(mq.LIMIT), MemoryError)
    Waits(database).close(wait_id, "withdrawn")
    assert hub.settle(wait_id).result(mq.LIMIT).state == "closed"
    wait_until(lambda: hub._stop is None)
