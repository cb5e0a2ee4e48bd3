"""Pumps and poison messages, databases that are unavailable, and processes that are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pika.channel import Channel
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import link
from lark_provider.callbacks.broker import pump as pumps
from lark_provider.callbacks.broker.amqp import Broker
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, DEAD
from lark_provider.protocol.callbacks import BrokerError, CardClick
from lark_provider.storage import engine as engines
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.pumping import NAMES, Checked, Watched, cards, pumping, read_stored
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import connect


@pytest.fixture
def inbox(database: URL) -> Inbox:
    return Inbox(database)


# --- poison ---

POISON: dict[str, tuple[Any, str]] = {
    "no JSON": (b"\xff{", "The message is not JSON"),
    "a list": ([1], "The message is not a JSON object"),
    "a text": (b'"x"', "The message is not a JSON object"),
    "nested too deep": (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", "The message is not JSON"),
    "no click": ({"schema": "2.0"}, "header must be an object"),
    "an event": (sender.make_event(), "The message is an event of type im.message.receive_v1, not a click"),
    "a zero in its id": (mq.card("e\0x"), "header.event_id must be 1 to 255 printable characters"),
    "a long id": (mq.card("e" * 300), "header.event_id must be 1 to 255 printable characters"),
    "a long message id": (
        mq.card("p", message_id="o" * 300),
        "open_message_id must be 1 to 255 printable characters",
    ),
}


@pytest.mark.parametrize("name", POISON)
def test_what_nobody_can_store_is_dead_lettered_alone(
    rabbitmq: str, inbox: Inbox, database: URL, name: str
) -> None:
    poison, reason = POISON[name]
    good = cards(20)
    mq.send(rabbitmq, "card.cli_1", *good[:13], poison, *good[13:])
    mq.pump_all(rabbitmq, inbox, 21)
    assert sorted(read_stored(database)) == NAMES[:20]
    [(properties, content)] = mq.drain(rabbitmq, DEAD)
    assert properties.headers is not None
    assert reason in str(properties.headers["reason"])
    assert content == poison or isinstance(poison, bytes)
    assert mq.drain(rabbitmq, CARDS) == []


def test_what_the_database_itself_refuses_is_found_by_bisection(
    rabbitmq: str, inbox: Inbox, database: URL
) -> None:
    with engines.get_engine(database).begin() as connection:
        no_bad = "ALTER TABLE card_callbacks ADD CONSTRAINT no_bad CHECK (message_id <> 'om_bad')"
        connection.execute(sa.text(no_bad))
    bad = {100, 101, 377}
    clicks = [
        mq.card(name, message_id="om_bad" if n in bad else "om_1") for n, name in enumerate(NAMES[:400])
    ]
    mq.send(rabbitmq, "card.cli_1", *clicks)
    mq.pump_all(rabbitmq, inbox, 400)
    # Sorted: what one `run_once` returned to the queue, RabbitMQ delivers to the next in any order.
    assert sorted(read_stored(database)) == [name for n, name in enumerate(NAMES[:400]) if n not in bad]
    dead = mq.drain(rabbitmq, DEAD)
    assert sorted(mq.list_ids(dead)) == [NAMES[n] for n in sorted(bad)]
    assert all("no_bad" in str((properties.headers or {})["reason"]) for properties, _ in dead)


def test_odd_values_are_no_poison(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    values = ["\0", {"lark_wait": "\0"}, {"lark_wait": "w" * 300}, {"lark_wait": ["w"]}]
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    clicks = [mq.card(NAMES[n], value=value) for n, value in enumerate([*values, deep])]
    mq.send(rabbitmq, "card.cli_1", *clicks)
    mq.pump_all(rabbitmq, inbox, 5)
    assert sorted(read_stored(database)) == NAMES[:5]
    assert mq.drain(rabbitmq, DEAD) == []


# --- the broker unavailable ---


def test_suppressed_failures_are_counted_before_the_line_that_says_it_is_over(
    rabbitmq: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_really, failures = link.open_channel, iter(range(3))

    def connect_or_fail(broker: Broker) -> AbstractAsyncContextManager[Channel]:
        if next(failures, None) is not None:
            raise BrokerError("refused")
        return connect_really(broker)

    async def use(_: Channel) -> None:
        return

    monkeypatch.setattr(link, "open_channel", connect_or_fail)
    with caplog.at_level("INFO", "lark_provider"):
        asyncio.run(link.keep_connected(mq.at(rabbitmq), use, role="pump"))
    said = [(record.levelname, getattr(record, "suppressed", None)) for record in caplog.records]
    assert said == [("WARNING", 0), ("WARNING", 1), ("INFO", None)], "two are logged, and one is not"


# --- the database unavailable ---


def test_a_database_that_is_unavailable_is_waited_for_longer_than_a_heartbeat(
    rabbitmq: str,
    server: OwnPostgres,
    own_database: URL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One connection to the broker outlasts it, and no message is held meanwhile."""
    monkeypatch.setattr(pumps, "_LAST_PAUSE", 0.5)
    url = own_database
    server.stop()
    mq.send(rabbitmq, "card.cli_1", *cards(50))
    inbox = Checked(url)
    with caplog.at_level("INFO", "lark_provider"), pumping(rabbitmq, inbox, heartbeat=1):
        for _ in range(12):  # some five seconds: the broker closes a connection after two without a word
            assert inbox.checks.acquire(timeout=mq.LIMIT)
        assert mq.list_ids(mq.peek(rabbitmq, CARDS)) == NAMES[:50]
        server.start()
        wait_until(lambda: len(read_stored(url)) == 50)
    assert caplog.text.count("Connected to") == 1
    assert caplog.text.count("Database unavailable") == 1
    assert "connection failed" not in caplog.text
    assert "Database available again" in caplog.text
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_database_that_does_not_answer_keeps_no_heartbeat_back(
    rabbitmq: str, database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(5))
    frozen = iter([3.5])
    inbox = Watched(database, lambda _: time.sleep(next(frozen, 0)))
    with caplog.at_level("INFO", "lark_provider"), pumping(rabbitmq, inbox, heartbeat=1):
        wait_until(lambda: len(read_stored(database)) == 5)
    assert caplog.text.count("Connected to") == 1
    assert "connection failed" not in caplog.text


def test_a_fault_while_storing_dead_letters_nothing(
    rabbitmq: str, database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    mq.send(rabbitmq, "card.cli_1", *cards(5))
    faults = iter([RuntimeError("can't start new thread")])

    def before(_: list[CardClick]) -> None:
        for fault in faults:
            raise fault

    with pumping(rabbitmq, Watched(database, before)):
        wait_until(lambda: len(read_stored(database)) == 5)
    assert "can't start new thread" in caplog.text
    assert mq.drain(rabbitmq, DEAD) == []


# --- killed ---

KILLED = """
import os, signal, sys, threading
from lark_provider.callbacks.broker.amqp import read_broker
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.storage import urls
from lark_provider.storage.inbox import Inbox

class Deadly(Inbox):
    def store(self, clicks):
        if sys.argv[3] == "after":
            super().store(clicks)
        os.kill(os.getpid(), signal.SIGKILL)

Pump(read_broker(sys.argv[1], {}), Deadly(urls.parse(sys.argv[2], "test"))).run(threading.Event())
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
    assert bool(read_stored(database)) is (when == "after")
    pump = Pump(mq.at(rabbitmq), inbox)
    pumped = 0
    while pumped < 1000:  # the broker may take a moment to see that the process is gone
        pumped += pump.run_once(seconds=mq.LIMIT)
    assert pumped == 1000
    assert sorted(read_stored(database)) == NAMES[:1000]
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_queue_that_is_deleted_is_made_again(rabbitmq: str, inbox: Inbox, database: URL) -> None:
    with pumping(rabbitmq, inbox):
        mq.send(rabbitmq, "card.cli_1", *cards(1))
        wait_until(lambda: read_stored(database) == NAMES[:1])
        with connect(rabbitmq) as connection:
            connection.channel().queue_delete(CARDS.name)
        mq.send(rabbitmq, "card.cli_1", *cards(2))
        wait_until(lambda: read_stored(database) == NAMES[:2])
