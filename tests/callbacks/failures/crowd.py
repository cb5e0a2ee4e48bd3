"""Clicks without end, thrown at the gateway as Lark throws them, those who wait for some, and the account."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.protocol.waits import Wait
from tests.callbacks import mq
from tests.callbacks.commands import ready
from tests.callbacks.failures.site import Site
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender

CLICKERS, PAUSE, AGAIN = 8, 0.03, 0.2
LARK_SECONDS = 3.0
SECONDS = 120.0
"""What is killed starts again within these, a triggerer on a busy machine, too."""
TRIGGERS, SENSORS = 4, 2


def waits(breakdown: str) -> list[Wait]:
    """Return the waits in the triggerer for the cards of a breakdown."""
    return [Wait(f"{breakdown}-{n}", (f"om_{breakdown}_{n}",)) for n in range(TRIGGERS)]


class Trial:
    """Throws clicks at a site's gateway, while the test breaks what is behind it.

    Args:
        site: The site.
        breakdown: Names the breakdown.
        say: Takes the account.
    """

    def __init__(self, site: Site, breakdown: str, say: Callable[[str], None]) -> None:
        self.site, self.breakdown, self._say = site, breakdown, say
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self.repeated, self.unanswered = 0, 0
        self._numbers = itertools.count()
        self._client: httpx.AsyncClient
        self._answered: list[asyncio.Future[None]] = []
        self._first: tuple[bytes, dict[str, str]] | None = None

    async def click(self, message_id: str = "om_nobody_s", value: Any = None) -> bool:
        """Click once, and note whether that was accepted; now and then Lark delivers it twice."""
        number = next(self._numbers)
        event_id = f"{self.breakdown}-{number:06}"
        content = sender.card({"value": value or {}, "tag": "button"}, now=time.time())
        content["header"]["event_id"] = event_id
        content["event"]["context"]["open_message_id"] = message_id
        body = sender.seal_body(content)
        headers = sender.make_headers(body, timestamp=str(int(time.time())))
        if not await self._deliver(body, headers):
            self.refused.add(event_id)
            return False
        self.accepted.add(event_id)
        self._first = self._first or (body, headers)
        if number % 10 == 0:
            self.repeated += await self._deliver(body, headers)
        return True

    async def repeat_first_click(self) -> bool:
        """Deliver the first click that was accepted a second time."""
        assert self._first is not None
        return await self._deliver(*self._first)

    async def _deliver(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            answer = await self._client.post(self.site.callbacks, content=body, headers=headers)
        except httpx.TransportError:  # Lark would tell whoever clicked
            self.unanswered += 1
            return False
        assert answer.status_code == 200
        return answer.content == RECEIVED

    @asynccontextmanager
    async def clicking(self) -> AsyncIterator[None]:
        """Have people click, before, while and after something is broken."""
        end = asyncio.Event()
        async with httpx.AsyncClient(timeout=LARK_SECONDS) as self._client:
            self.site.worker.wait_for(self._sensors())
            await self._works()
            clickers = [asyncio.ensure_future(self._clicks(end)) for _ in range(CLICKERS)]
            await self.wait_for_accepted(50)
            await mq.wait_until_async(lambda: self._of_this(self.site.to_pump.delivered), SECONDS)
            try:
                yield
                await self.wait_until_answered()
                await self._works()
                await self.wait_for_accepted(50)
            finally:
                end.set()
                await asyncio.gather(*clickers)

    async def wait_for_accepted(self, count: int) -> None:
        """Wait until so many more clicks are accepted."""
        enough = len(self.accepted) + count
        await mq.wait_until_async(lambda: len(self.accepted) >= enough, SECONDS)

    def answer(self) -> None:
        """Have people answer the cards that are waited for: each clicks until that is received."""

        async def until_received(message_id: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            if not await self.click(message_id):
                await until_received(message_id, AGAIN)

        for n, card in enumerate(self._cards()):
            self._answered.append(asyncio.ensure_future(until_received(card, n * AGAIN)))

    async def wait_until_answered(self) -> None:
        """Wait until all of them have."""
        await asyncio.gather(*self._answered)

    async def _works(self) -> None:
        """Wait until the gateway has found all that is behind it."""
        await mq.wait_until_async(lambda: ready(self.site.callbacks), SECONDS)

    async def _clicks(self, end: asyncio.Event) -> None:
        while not end.is_set():
            await self.click()
            await asyncio.sleep(PAUSE)

    def _cards(self) -> Iterator[str]:
        for wait in waits(self.breakdown):
            yield from wait.message_ids
        yield from self._sensors()

    def _sensors(self) -> set[str]:
        return {f"om_{self.breakdown}_sensor_{n}" for n in range(SENSORS)}

    def check_account(self) -> None:
        """See that every click accepted is there exactly once, and that every wait has its answer."""
        wait_until(lambda: self.accepted <= set(self._of_this(self.site.read_stored())), SECONDS)
        wait_until(lambda: self._sensors() <= self.site.worker.answered, SECONDS)
        for wait in waits(self.breakdown):
            wait_until(lambda key=wait.key: self.site.has_fired(key), SECONDS)  # type: ignore[misc]
        stored = Counter(self._of_this(self.site.read_stored()))
        assert set(stored) <= self.accepted | self.refused
        assert set(stored.values()) == {1}
        delivered = {name: n for name, n in self.site.count_delivered().items() if name in stored}
        total = sum(delivered.values())
        self._say(
            f"{self.breakdown}: {len(self.accepted)} accepted, {len(stored)} stored "
            f"({len(stored) - len(delivered)} of them past RabbitMQ), {total} delivered, "
            f"{len(self.refused)} refused (of them {len(self.refused & set(stored))} stored), "
            f"{total - len(delivered)} duplicates from the broker, {self.repeated} from Lark; "
            f"{TRIGGERS + SENSORS} waits answered"
        )

    def _of_this(self, event_ids: Iterable[str]) -> list[str]:
        # A copy: the wires count what they carry in threads of their own.
        return [event_id for event_id in list(event_ids) if event_id.startswith(f"{self.breakdown}-")]
