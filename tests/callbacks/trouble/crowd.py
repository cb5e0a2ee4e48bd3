"""Clicks without end, thrown at the gateway's sinks, and the account of them."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.destinations import BrokerSink, InboxSink
from lark_provider.callbacks.publisher import Publisher
from lark_provider.callbacks.pump import Pump
from lark_provider.callbacks.sinks import NotStoredError, Sink, store_first
from lark_provider.callbacks.writer import Writer
from lark_provider.core.storage.engine import engine
from lark_provider.core.storage.inbox import Inbox
from lark_provider.core.storage.tables import card_callbacks
from lark_provider.protocol.callbacks import CardClick
from tests.callbacks import mq
from tests.services.rabbitmq import OwnRabbit

CLICKERS, PAUSE = 20, 0.02


class Counted(Inbox):
    """An inbox that counts what the pumps bring, repeats included."""

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.delivered: Counter[str] = Counter()

    def store(self, clicks: Iterable[CardClick]) -> int:
        batch = list(clicks)
        kept = super().store(batch)
        self.delivered.update(click.event_id for click in batch)
        return kept


class Trial:
    """Throws clicks at sinks as the gateway does, while somebody breaks what is behind them.

    Args:
        node: The broker.
        database: The database.
        say: Takes the account.
    """

    def __init__(self, node: OwnRabbit, database: URL, say: Callable[[str], None]) -> None:
        self.node, self.database, self._say = node, database, say
        self.inbox = Counted(database)
        self.accepted: dict[str, str] = {}
        self.refused: list[str] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def throwing(self, *, fallback: bool) -> AsyncIterator[None]:
        """Throw clicks at RabbitMQ, and at the database where RabbitMQ does not confirm them.

        Args:
            fallback: Whether there is a database behind the gateway.
        """
        publisher = Publisher(mq.at(self.node.url))
        background = asyncio.ensure_future(publisher.run())
        await mq.aworks(lambda: publisher.is_up)
        sinks: list[Sink] = [BrokerSink(publisher)]
        if fallback:
            sinks.append(InboxSink(Writer(Inbox(self.database))))
        end = asyncio.Event()
        clickers = [asyncio.ensure_future(self._click(sinks, end)) for _ in range(CLICKERS)]
        await self.some(200)
        try:
            yield
            await mq.aworks(lambda: publisher.is_up)  # it is mended by now
            await self.some(200)
        finally:
            end.set()
            await asyncio.gather(*clickers)
            background.cancel()
            with suppress(asyncio.CancelledError):
                await background

    async def some(self, count: int) -> None:
        """Wait until so many more clicks are accepted."""
        enough = len(self.accepted) + count
        await mq.aworks(lambda: len(self.accepted) >= enough)

    async def _click(self, sinks: Sequence[Sink], end: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while not end.is_set():
            name = f"c{next(self._numbers):06}"
            try:
                place = await store_first(sinks, mq.click(name), patience=0.8, deadline=loop.time() + 2.5)
                self.accepted[name] = place
            except NotStoredError:
                self.refused.append(name)
            await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def pumping(self) -> AsyncIterator[None]:
        """Have a pump running."""
        stop = threading.Event()
        running = asyncio.ensure_future(asyncio.to_thread(Pump(mq.at(self.node.url), self.inbox).run, stop))
        try:
            yield
        finally:
            stop.set()
            await running

    def account(self, what: str, elsewhere: Sequence[str] = ()) -> None:
        """Pump the rest, and see that every click accepted is there exactly once.

        Args:
            what: The trouble.
            elsewhere: What was delivered to pumps in other processes.
        """
        while Pump(mq.at(self.node.url), self.inbox).once():
            pass
        with engine(self.database).connect() as connection:
            stored = Counter(connection.scalars(sa.select(card_callbacks.c.event_id)))
        accepted, refused = set(self.accepted), set(self.refused)
        assert accepted - set(stored) == set()
        assert set(stored) <= accepted | refused
        assert set(stored.values()) == {1}
        places = ", ".join(
            f"{count} by {place}" for place, count in sorted(Counter(self.accepted.values()).items())
        )
        delivered = self.inbox.delivered + Counter(elsewhere)
        self._say(
            f"{what}: {len(accepted)} accepted ({places}), {len(stored)} stored, {len(refused)} refused "
            f"(of them {len(refused & set(stored))} stored), {delivered.total()} delivered, "
            f"{delivered.total() - len(delivered)} of them again"
        )
