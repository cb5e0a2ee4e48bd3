"""A stream of messages that nothing may stop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.utils.logger import RedactingFormatter
from tests.client.conftest import CHAT
from tests.failures.waiting import wait_until
from tests.runtimes import own_tokens

THREADS = 4
TIMEOUT = 20.0
"""Of a client. Half of it bounds a query, and must not be over on a busy machine while the database works."""
Client = TypeVar("Client", LarkServiceClient, AsyncLarkServiceClient)


class Stream:
    """Messages, each by a client that remembers nothing: the database is asked for every one."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """How far the clients' clocks run ahead."""
        self.sent = 0
        self.failed: list[BaseException] = []
        self._ended = threading.Event()

    def _prepare(self, client: Client) -> Client:
        own_tokens(client)
        client._session.clock = lambda: time.time() + self.ahead
        return client

    def send_once(self) -> None:
        self._prepare(LarkServiceClient(timeout=TIMEOUT)).messaging.send_text(CHAT, "x")

    def send_once_async(self) -> None:
        async def send_one() -> None:
            await self._prepare(AsyncLarkServiceClient(timeout=TIMEOUT)).messaging.send_text(CHAT, "x")

        asyncio.run(send_one())

    def _run(self, once: Callable[[], None]) -> None:
        while not self._ended.is_set():
            try:
                once()
            except BaseException as error:  # noqa: BLE001 - looked at by the test
                self.failed.append(error)
                return
            self.sent += 1

    def wait_for_more(self) -> None:
        """Wait until some more messages have been sent."""
        before = self.sent
        wait_until(lambda: self.failed or self.sent > before + 4 * THREADS)
        assert self.failed == []

    def until_used_again(self, fetched: Callable[[], int]) -> None:
        """Wait until messages request no tokens of their own any more, as the database has one again."""
        self.ahead = 31  # one that froze is left alone for 30 s

        def is_used_again() -> bool:
            before = fetched()
            self.wait_for_more()
            return fetched() == before

        wait_until(is_used_again)

    @contextmanager
    def running(self) -> Iterator[None]:
        senders = [self.send_once, self.send_once_async] * (THREADS // 2)
        threads = [threading.Thread(target=self._run, args=(once,)) for once in senders]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged warnings and errors, each with its fields."""
    formatter = RedactingFormatter()
    return [formatter.format(record) for record in caplog.records if record.levelno >= logging.WARNING]
