"""The one connection of a hub, or of a pump, freezes: it is replaced, and the log says so meanwhile."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

import psycopg2
import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks import hub as hubs
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.hub import Hub
from lark_provider.protocol.questions import Draft, Origin, Question
from lark_provider.protocol.waits import mark
from lark_provider.storage import deadlines, watched
from lark_provider.storage.deadlines import Deadlines
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from lark_provider.support.throttle import PERIOD_SECONDS, Throttle
from tests.callbacks import mq
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres

OURS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'lark_provider' AND datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "STATEMENT", Deadlines(1.0, 0.5, 1.0, 2.0))
    monkeypatch.setattr(deadlines, "_GRACE_SECONDS", 0.5)
    monkeypatch.setattr(watched, "PING_SECONDS", 1.0)
    monkeypatch.setattr(hubs, "POLL_INTERVAL_SECONDS", 0.05)


def render_url(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def ask(url: URL, statement: str) -> list[int]:
    plain = render_url(url.set(drivername="postgresql"))
    with closing(psycopg2.connect(plain)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
        return [int(row[0]) for row in cursor.fetchall()]


@contextmanager
def freeze(url: URL) -> Iterator[list[int]]:
    """Freeze the backends of all our connections; new connections work."""
    wait_until(lambda: ask(url, OURS))
    pids = ask(url, OURS)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def question(url: URL, name: str) -> str:
    origin = Origin("d", "r", name, -1, "approval", 1, 1)
    draft = Draft(origin, Question(options={"approve": "Yes"}), sender.APP)
    return Waits(url).claim(draft).question.id


def watch_looks(hub: Hub) -> threading.Event:
    """Return an event that is set after each look of the hub that has not failed."""
    looked, look = threading.Event(), hub._check_waits

    def look_and_tell(waits: Sequence[hubs._PendingWait]) -> None:
        look(waits)
        looked.set()

    hub._check_waits = look_and_tell  # type: ignore[method-assign]
    return looked


def test_the_connection_of_a_hub(own_database: URL) -> None:
    wait_id = question(own_database, "a")
    hub = Hub(render_url(own_database))
    settled = hub.settle(wait_id)
    looked = watch_looks(hub)
    with freeze(own_database):
        for _ in range(
            2
        ):  # the first may have been answered just before; the second is over another connection
            looked.clear()
            assert looked.wait(30)
        Inbox(own_database).store([mq.click("e1", value=mark({"action": "approve"}, wait_id))])
        assert settled.result(30).state == "decided"
    wait_until(lambda: hub._stop is None)


def test_a_hub_whose_server_freezes_says_so_once_a_minute_with_a_count(
    own_database: URL, server: OwnPostgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(hubs, "Throttle", partial(Throttle, clock=lambda: now[0]))
    wait_id = question(own_database, "a")
    slow = own_database.update_query_dict({"connect_timeout": "2"})
    caplog.set_level(logging.INFO, hubs.__name__)
    hub = Hub(render_url(slow))
    looked = watch_looks(hub)
    settled = hub.settle(wait_id)
    assert looked.wait(30)

    def find_records(message: str) -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.getMessage() == message]

    server.pause()
    wait_until(lambda: find_records("Database unavailable; waits continue"))
    [first] = find_records("Database unavailable; waits continue")
    assert (vars(first)["waits"], vars(first)["failures"]) == (1, 1)
    now[0] = PERIOD_SECONDS  # the minute is over
    wait_until(lambda: len(find_records("Database unavailable; waits continue")) > 1)
    assert vars(find_records("Database unavailable; waits continue")[1])["failures"] > 1
    server.resume()
    wait_until(lambda: find_records("Database available again; waits resumed"))
    Inbox(own_database).store([mq.click("e1", value=mark({"action": "approve"}, wait_id))])
    assert settled.result(30).state == "decided"
    wait_until(lambda: hub._stop is None)


def test_the_connection_of_a_pump(own_database: URL, rabbitmq: str) -> None:
    mq.send(rabbitmq, "card.cli_1", mq.card("e1"))
    stop = threading.Event()
    running = threading.Thread(target=Pump(mq.at(rabbitmq), Inbox(own_database)).run, args=(stop,))
    running.start()
    count = "SELECT count(*) FROM card_callbacks"
    wait_until(lambda: ask(own_database, count) == [1])
    with freeze(own_database):
        mq.send(rabbitmq, "card.cli_1", mq.card("e2"))
        wait_until(lambda: ask(own_database, count) == [2])
    stop.set()
    running.join(20)
    assert not running.is_alive()


def test_a_click_that_is_stored_behind_a_lock_is_stored_when_it_is_gone(
    own_database: URL, rabbitmq: str
) -> None:
    stop = threading.Event()
    running = threading.Thread(target=Pump(mq.at(rabbitmq), Inbox(own_database)).run, args=(stop,))
    plain = render_url(own_database.set(drivername="postgresql"))
    with closing(psycopg2.connect(plain)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE card_callbacks")
        mq.send(rabbitmq, "card.cli_1", mq.card("e1"))
        running.start()
        wait_until(lambda: count_waiting(own_database) == 1)
        wait_until(lambda: count_waiting(own_database) == 0)  # it does not wait for the lock indefinitely
    wait_until(lambda: ask(own_database, "SELECT count(*) FROM card_callbacks") == [1])
    stop.set()
    running.join(20)
