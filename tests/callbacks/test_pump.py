"""Every accepted click stands in `card_callbacks` exactly once, whatever happens between here and there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks import pump as pumps
from lark_provider.callbacks.pump import Pump
from lark_provider.callbacks.topology import CARDS, DEAD
from lark_provider.core.storage import engine as engines
from lark_provider.core.storage import urls
from lark_provider.core.storage.errors import StorageError
from lark_provider.core.storage.inbox import Inbox
from lark_provider.core.storage.tables import card_callbacks
from lark_provider.errors import BrokerError
from lark_provider.protocol.callbacks import CardClick
from tests.callbacks import mq
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.processes import HOST, free_port
from tests.services.rabbitmq import OwnRabbit, connect


@pytest.fixture
def inbox(database: URL) -> Inbox:
    return Inbox(database)


def stored(url: URL) -> list[str]:
    """The event ids in the table, in order."""
    with engines.engine(url).connect() as connection:
        query = sa.select(card_callbacks.c.event_id).order_by(card_callbacks.c.id)
        return list(connection.scalars(query))


@contextmanager
def pumping(url: str, into: Inbox, *, heartbeat: int | None = None) -> Iterator[threading.Thread]:
    """A pump in a thread."""
    stop = threading.Event()
    running = threading.Thread(target=Pump(mq.at(url, heartbeat=heartbeat), into).run, args=(stop,))
    running.start()
    try:
        yield running
        assert running.is_alive()
    finally:
        stop.set()
        running.join(10)
        assert not running.is_alive()


class Watched(Inbox):
    """An inbox that does something first."""

    def __init__(self, url: URL, before: Callable[[list[CardClick]], object]) -> None:
        super().__init__(url)
        self._before = before

    def store(self, clicks: Iterable[CardClick]) -> int:
        batch = list(clicks)
        self._before(batch)
        return super().store(batch)


def cards(count: int) -> list[dict[str, Any]]:
    return [mq.card(f"e{n:05}", message_id=f"om_{n % 7}") for n in range(count)]


NAMES = [f"e{n:05}" for n in range(3000)]


# --- once ---


def test_once_takes_what_is_there_and_no_more_than_it_may(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    pump = Pump(mq.at(rabbitmq), inbox)
    assert pump.once() == 0
    mq.send(rabbitmq, "card.cli_1", *cards(1201))
    assert pump.once(most=7) == 7
    assert stored(database) == NAMES[:7]
    assert pump.once() == 500
    assert stored(database) == NAMES[:507]
    assert pump.once(most=1000) == 694
    assert sorted(stored(database)) == NAMES[:1201]
    assert pump.once() == 0
    assert mq.drain(rabbitmq, CARDS) == []


def test_once_takes_no_longer_than_it_may(rabbitmq: str, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    release = threading.Event()
    pump = Pump(mq.at(rabbitmq), Watched(database, lambda _: release.wait()))
    assert pump.once(seconds=0.5) == 0
    assert mq.ids(mq.drain(rabbitmq, CARDS)) == NAMES[:3]  # given back, all of them
    release.set()
    mq.works(lambda: stored(database) == NAMES[:3])  # and written later, which does no harm


def test_once_says_that_the_broker_is_away_or_frozen(node: OwnRabbit, inbox: Inbox) -> None:
    with pytest.raises(BrokerError, match="ConnectionRefusedError"):
        Pump(mq.at(f"amqp://{HOST}:{free_port()}"), inbox).once()
    node.pause()
    with pytest.raises(BrokerError, match=r"did not answer within 0.3 s"):
        Pump(mq.at(node.url), inbox).once(seconds=0.3)
    node.resume()
    assert Pump(mq.at(node.url), inbox).once() == 0


def test_once_says_that_the_database_is_not_fit(rabbitmq: str, database_url: str) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    with pytest.raises(StorageError, match="behind on migrations"):
        Pump(mq.at(rabbitmq), Inbox(urls.parse(database_url, "test"))).once()
    assert mq.ids(mq.drain(rabbitmq, CARDS)) == NAMES[:3]


def test_once_where_a_loop_runs_already(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(1))

    async def work() -> int:
        return Pump(mq.at(rabbitmq), inbox).once()

    assert mq.run(work()) == 1
    assert stored(database) == NAMES[:1]


def test_sqlite_as_well(rabbitmq: str, tmp_path: Path) -> None:
    url = urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")
    mq.send(rabbitmq, "card.cli_1", *cards(500))
    assert Pump(mq.at(rabbitmq), Inbox(url)).once() == 500
    assert stored(url) == NAMES[:500]


# --- run ---


def test_clicks_go_through_as_they_come_and_twice_is_once(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(1000))
    with pumping(rabbitmq, inbox):
        mq.works(lambda: len(stored(database)) == 1000)
        mq.send(rabbitmq, "card.cli_2", *cards(1001))
        mq.works(lambda: len(stored(database)) == 1001)
    assert stored(database) == NAMES[:1001]
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_pump_that_waits_ends_when_told_to(rabbitmq: str, inbox: Inbox) -> None:
    with pumping(rabbitmq, inbox):
        pass
    with pumping(f"amqp://{HOST}:{free_port()}", inbox):
        pass


def test_several_pumps_at_once(rabbitmq: str, database: URL) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(2000), *cards(1000))
    with contextlib.ExitStack() as started:
        for _ in range(4):
            started.enter_context(pumping(rabbitmq, Inbox(database)))
        mq.works(lambda: len(stored(database)) == 2000)
    assert sorted(stored(database)) == NAMES[:2000]


def test_the_same_clicks_from_two_sides_do_not_wait_for_each_other_in_a_circle(database: URL) -> None:
    inbox, both_ready = Inbox(database), threading.Barrier(2)

    def store(batch: list[CardClick]) -> int:
        both_ready.wait()
        return inbox.store(batch)

    with ThreadPoolExecutor(2) as pool:
        for n in range(20):
            clicks = [mq.click(f"{n}-{name}") for name in NAMES[:500]]
            assert sum(pool.map(store, [clicks, clicks[::-1]])) == 500


# --- poison ---

POISON: dict[str, tuple[Any, str]] = {
    "no JSON": (b"\xff{", "It is no JSON"),
    "a list": ([1], "It is no JSON object"),
    "a text": (b'"x"', "It is no JSON object"),
    "nested too deep": (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", "It is no JSON"),
    "no click": ({"schema": "2.0"}, "header is no object"),
    "an event": (sender.event(), "It is an event of type im.message.receive_v1, and no click"),
    "a zero in its id": (mq.card("e\0x"), "header.event_id is missing or no usable id"),
    "a long id": (mq.card("e" * 300), "header.event_id is missing or no usable id"),
    "a long message id": (mq.card("p", message_id="o" * 300), "open_message_id is missing or no usable id"),
}


@pytest.mark.parametrize("name", POISON)
def test_what_nobody_can_store_goes_to_the_dead_alone(
    rabbitmq: str, inbox: Inbox, database: URL, name: str
) -> None:
    poison, reason = POISON[name]
    good = cards(20)
    mq.send(rabbitmq, "card.cli_1", *good[:13], poison, *good[13:])
    assert Pump(mq.at(rabbitmq), inbox).once() == 21
    assert stored(database) == NAMES[:20]
    [(properties, content)] = mq.drain(rabbitmq, DEAD)
    assert properties.headers is not None
    assert reason in str(properties.headers["reason"])
    assert content == poison or isinstance(poison, bytes)
    assert mq.drain(rabbitmq, CARDS) == []


def test_what_the_database_itself_refuses_is_found_by_halves(
    rabbitmq: str, inbox: Inbox, database: URL
) -> None:
    with engines.engine(database).begin() as connection:
        no_bad = "ALTER TABLE card_callbacks ADD CONSTRAINT no_bad CHECK (message_id <> 'om_bad')"
        connection.execute(sa.text(no_bad))
    bad = {100, 101, 377}
    made = [mq.card(name, message_id="om_bad" if n in bad else "om_1") for n, name in enumerate(NAMES[:400])]
    mq.send(rabbitmq, "card.cli_1", *made)
    assert Pump(mq.at(rabbitmq), inbox).once() == 400
    assert stored(database) == [name for n, name in enumerate(NAMES[:400]) if n not in bad]
    dead = mq.drain(rabbitmq, DEAD)
    assert mq.ids(dead) == [NAMES[n] for n in sorted(bad)]
    assert all("no_bad" in str((properties.headers or {})["reason"]) for properties, _ in dead)


def test_odd_values_are_no_poison(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    values = ["\0", {"lark_wait": "\0"}, {"lark_wait": "w" * 300}, {"lark_wait": ["w"]}]
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    made = [mq.card(NAMES[n], value=value) for n, value in enumerate([*values, deep])]
    mq.send(rabbitmq, "card.cli_1", *made)
    assert Pump(mq.at(rabbitmq), inbox).once() == 5
    assert stored(database) == NAMES[:5]
    assert mq.drain(rabbitmq, DEAD) == []


# --- the database away ---


def test_a_database_that_is_away_is_waited_for_longer_than_a_heartbeat(
    rabbitmq: str,
    server: OwnPostgres,
    own_database: URL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The messages are held on one connection: nothing is delivered twice, nothing begins again."""
    monkeypatch.setattr(pumps, "_LAST_PAUSE", 0.5)
    url = own_database
    server.stop()
    mq.send(rabbitmq, "card.cli_1", *cards(50))
    tries = threading.Semaphore(0)
    inbox = Watched(url, lambda _: tries.release())
    with caplog.at_level("INFO", "lark_provider"), pumping(rabbitmq, inbox, heartbeat=1):
        for _ in range(12):  # some five seconds: the broker closes a connection after two without a word
            assert tries.acquire(timeout=mq.LIMIT)
        server.start()
        mq.works(lambda: len(stored(url)) == 50)
    assert caplog.text.count("Connected to") == 1
    assert caplog.text.count("are held until the database is back") == 1
    assert "No connection" not in caplog.text
    assert "that were held are stored" in caplog.text
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_database_that_does_not_answer_keeps_no_heartbeat_back(
    rabbitmq: str, database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(5))
    frozen = iter([3.5])
    inbox = Watched(database, lambda _: time.sleep(next(frozen, 0)))
    with caplog.at_level("INFO", "lark_provider"), pumping(rabbitmq, inbox, heartbeat=1):
        mq.works(lambda: len(stored(database)) == 5)
    assert caplog.text.count("Connected to") == 1
    assert "No connection" not in caplog.text


def test_a_fault_while_storing_is_no_reason_to_bury_anything(
    rabbitmq: str, database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(5))
    faults = iter([RuntimeError("can't start new thread")])

    def before(_: list[CardClick]) -> None:
        for fault in faults:
            raise fault

    with pumping(rabbitmq, Watched(database, before)):
        mq.works(lambda: len(stored(database)) == 5)
    assert "can't start new thread" in caplog.text
    assert mq.drain(rabbitmq, DEAD) == []


# --- killed ---

KILLED = """
import os, signal, sys, threading
from lark_provider.callbacks.amqp import broker
from lark_provider.callbacks.pump import Pump
from lark_provider.core.storage import urls
from lark_provider.core.storage.inbox import Inbox

class Deadly(Inbox):
    def store(self, clicks):
        if sys.argv[3] == "after":
            super().store(clicks)
        os.kill(os.getpid(), signal.SIGKILL)

Pump(broker(sys.argv[1], {}), Deadly(urls.parse(sys.argv[2], "test"))).run(threading.Event())
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_before_the_commit_or_between_commit_and_acknowledgement(
    rabbitmq: str, inbox: Inbox, database: URL, when: str
) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(1000))
    url = database.render_as_string(hide_password=False)
    for _ in range(2):
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", KILLED, rabbitmq, url, when],
            timeout=30,
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert bool(stored(database)) is (when == "after")
    pump = Pump(mq.at(rabbitmq), inbox)
    assert sum(iter(pump.once, 0)) == 1000
    assert sorted(stored(database)) == NAMES[:1000]
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_queue_that_is_deleted_is_made_again(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    with pumping(rabbitmq, inbox):
        mq.send(rabbitmq, "card.cli_1", *cards(1))
        mq.works(lambda: stored(database) == NAMES[:1])
        with connect(rabbitmq) as connection:
            connection.channel().queue_delete(CARDS.name)
        mq.send(rabbitmq, "card.cli_1", *cards(2))
        mq.works(lambda: stored(database) == NAMES[:2])
