"""A pump in a thread of the test, and inboxes that a test can interrupt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.pump import Pump
from lark_provider.protocol.callbacks import CardClick, Delivery
from lark_provider.storage import engine as engines
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.tables import card_callbacks
from tests.callbacks import mq


def read_stored(url: URL) -> list[str]:
    """Return the event ids in the table, in order."""
    with engines.get_engine(url).connect() as connection:
        query = sa.select(card_callbacks.c.event_id).order_by(card_callbacks.c.id)
        return list(connection.scalars(query))


@contextmanager
def pumping(url: str, into: Inbox, *, heartbeat: int | None = None) -> Iterator[threading.Thread]:
    """Run a pump in a thread, and check that it runs until it is told to stop."""
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

    def store(self, deliveries: Iterable[Delivery]) -> int:
        batch = list(deliveries)
        self._before([delivery for delivery in batch if isinstance(delivery, CardClick)])
        return super().store(batch)


class Checked(Inbox):
    """An inbox that counts how often it was asked whether it can be written."""

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.checks = threading.Semaphore(0)

    def check_writable(self) -> None:
        self.checks.release()
        super().check_writable()


def cards(count: int) -> list[dict[str, Any]]:
    return [mq.card(f"e{n:05}", message_id=f"om_{n % 7}") for n in range(count)]


NAMES = [f"e{n:05}" for n in range(3000)]
