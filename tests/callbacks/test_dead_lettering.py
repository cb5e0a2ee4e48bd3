"""Dead letters that the broker does not take hold up nothing else, and are not lost."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from pika.exceptions import NackError
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import dead_lettering
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, Queue
from lark_provider.protocol.callbacks import Event
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.consuming import Seen, consuming, fail, make_event, send
from tests.callbacks.pumping import NAMES, Watched, cards, pumping, read_stored
from tests.failures.waiting import wait_until
from tests.services.plugin import StartServer
from tests.services.rabbitmq import OwnRabbit, RabbitServer, connect

FILLED = 3
FAILED = "Failed to dead-letter a message; it will be redelivered"


class FullQueue:
    """A dead-letter queue that rejects what is published, until it is made larger.

    Args:
        server: The broker.
        url: The URL of the virtual host.
    """

    def __init__(self, server: RabbitServer, url: str) -> None:
        self._server, self._url = server, url
        mq.declare(url)
        with connect(url) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for _ in range(FILLED):
                channel.basic_publish("", DEAD.name, b"{}", mandatory=True)
        self._limit(1)
        wait_until(self._rejects)
        self.held = count(url, DEAD)

    def enlarge(self) -> None:
        self._limit(1000)

    def _limit(self, messages: int) -> None:
        policy: Mapping[str, object] = {"max-length": messages, "overflow": "reject-publish"}
        self._server.vhosts.set_policy(urlsplit(self._url).path[1:], "full", f"^{DEAD.name}$", policy)

    def _rejects(self) -> bool:
        with connect(self._url) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            try:
                channel.basic_publish("", DEAD.name, b"{}", mandatory=True)
            except NackError:
                return True
            return False


@pytest.fixture
def full(rabbitmq_server: RabbitServer, rabbitmq: str) -> FullQueue:
    return FullQueue(rabbitmq_server, rabbitmq)


def count(url: str, queue: Queue) -> int:
    """Return how many messages no consumer holds."""
    with connect(url) as connection:
        return connection.channel().queue_declare(queue.name, passive=True).method.message_count


def fail_unless_good(event: Event) -> None:
    if not event.event_id.startswith("good"):
        fail()


# --- events ---


def test_events_are_dead_lettered_to_a_queue_that_was_deleted(rabbitmq: str) -> None:
    """More of them than the consumer may hold: they would stop it if they stayed unacknowledged."""
    begun, release = threading.Event(), threading.Event()

    def handle(event: Event) -> None:
        begun.set()
        assert release.wait(mq.LIMIT)
        fail_unless_good(event)

    seen = Seen(handle)
    bad = [make_event(f"bad-{n}") for n in range(51)]
    send(rabbitmq, make_event("good-1"), *bad, make_event("good-2"))
    with consuming(rabbitmq, seen, tries=1, pause=0):
        assert begun.wait(mq.LIMIT)
        with connect(rabbitmq) as connection:  # now that all are sent: whoever connects declares the queues
            connection.channel().queue_delete(DEAD.name)
        release.set()
        wait_until(lambda: "good-2" in seen.ids)
        wait_until(lambda: count(rabbitmq, DEAD) == 51)
    assert len(seen.ids) == 53
    assert set(mq.list_ids(mq.drain(rabbitmq, DEAD))) == {f"bad-{n}" for n in range(51)}
    assert mq.drain(rabbitmq, EVENTS) == []


def test_events_that_the_dead_letter_queue_rejects_return_to_their_queue(
    rabbitmq: str, full: FullQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_lettering, "_RETURN_SECONDS", 0.2)
    seen = Seen(fail_unless_good)
    bad = [make_event(f"bad-{n}") for n in range(51)]
    send(rabbitmq, b"\xff", *bad, make_event("good"))
    with caplog.at_level("INFO", "lark_provider"), consuming(rabbitmq, seen, tries=1, pause=0):
        wait_until(lambda: len(seen.ids) > 60)  # RabbitMQ delivers first again what was returned
        assert count(rabbitmq, DEAD) == full.held
        full.enlarge()
        wait_until(lambda: "good" in seen.ids)
        wait_until(lambda: count(rabbitmq, DEAD) == full.held + 52)
    dead = [content for _, content in mq.drain(rabbitmq, DEAD) if content != {}]
    assert b"\xff" in dead
    dead.remove(b"\xff")
    assert {content["header"]["event_id"] for content in dead} == {f"bad-{n}" for n in range(51)}
    assert mq.drain(rabbitmq, EVENTS) == []
    assert caplog.text.count("Connected to RabbitMQ") == 1
    first = vars(next(record for record in caplog.records if record.getMessage() == FAILED))
    assert (first["queue"], first["retry_in_s"]) == (EVENTS.name, 0.2)
    assert "rejected the message" in first["error"]


# --- clicks ---


def with_poison() -> list[Any]:
    good = cards(10)
    return [*good[:5], [1], *good[5:]]


def test_poison_that_is_rejected_holds_up_no_click(
    rabbitmq: str, database: URL, full: FullQueue, caplog: pytest.LogCaptureFixture
) -> None:
    mq.send(rabbitmq, "card.cli_1", *with_poison())
    with caplog.at_level("INFO", "lark_provider"), pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: len(read_stored(database)) == 10)
        wait_until(lambda: FAILED in caplog.text)
        mq.send(rabbitmq, "card.cli_1", *cards(20)[10:])  # acknowledged without the one that is held
        wait_until(lambda: len(read_stored(database)) == 20)
    assert caplog.text.count("Connected to RabbitMQ") == 1
    assert sorted(read_stored(database)) == NAMES[:20]
    assert [content for _, content in mq.drain(rabbitmq, CARDS)] == [[1]]
    assert count(rabbitmq, DEAD) == full.held


def test_poison_that_was_rejected_is_dead_lettered_later(
    rabbitmq: str, database: URL, full: FullQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_lettering, "_RETURN_SECONDS", 0.2)
    mq.send(rabbitmq, "card.cli_1", *with_poison())
    with pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: len(read_stored(database)) == 10)
        full.enlarge()
        wait_until(lambda: count(rabbitmq, DEAD) == full.held + 1)
    assert mq.drain(rabbitmq, CARDS) == []


def test_once_stores_the_clicks_beside_poison_that_is_rejected(
    rabbitmq: str, database: URL, full: FullQueue
) -> None:
    mq.send(rabbitmq, "card.cli_1", *with_poison())
    assert Pump(mq.at(rabbitmq), Inbox(database)).run_once(seconds=mq.LIMIT) == 10
    assert sorted(read_stored(database)) == NAMES[:10]
    assert [content for _, content in mq.drain(rabbitmq, CARDS)] == [[1]]
    assert count(rabbitmq, DEAD) == full.held


def test_poison_that_is_held_is_returned_once_when_the_database_fails(
    rabbitmq: str,
    database: URL,
    full: FullQueue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All is returned then; RabbitMQ closes a channel that returns a message a second time."""
    monkeypatch.setattr(dead_lettering, "_RETURN_SECONDS", 0.3)
    is_failing, has_failed = threading.Event(), threading.Event()

    def before(_: object) -> None:
        if is_failing.is_set():
            has_failed.set()
            raise StorageError("The database is unavailable.", retryable=True)

    mq.send(rabbitmq, "card.cli_1", [1], *cards(1))
    with pumping(rabbitmq, Watched(database, before)):
        wait_until(lambda: FAILED in caplog.text and read_stored(database) == NAMES[:1])
        is_failing.set()
        mq.send(rabbitmq, "card.cli_1", *cards(2)[1:])
        assert has_failed.wait(mq.LIMIT)
        is_failing.clear()
        wait_until(lambda: read_stored(database) == NAMES[:2])
        full.enlarge()
        wait_until(lambda: count(rabbitmq, DEAD) == full.held + 1)
    assert "connection failed" not in caplog.text
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_broker_with_an_alarm_holds_up_no_click(
    start_rabbitmq: StartServer[OwnRabbit], database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing more from a connection that publishes, so a confirmation may never come."""
    monkeypatch.setattr(dead_lettering, "_CONFIRM_SECONDS", 0.5)
    node = start_rabbitmq()
    mq.declare(node.url)
    mq.send(node.url, "card.cli_1", *with_poison())
    node.stop()
    with (node.folder / "rabbitmq.conf").open("a") as settings:
        settings.write("disk_free_limit.absolute = 1PB\n")
    node.start()
    assert Pump(mq.at(node.url), Inbox(database)).run_once(seconds=mq.LIMIT) == 10
    assert sorted(read_stored(database)) == NAMES[:10]
