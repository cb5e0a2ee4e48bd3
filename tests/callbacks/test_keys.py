"""Keys that are loaded beside the gateway, and never waited for longer than a request may last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lark_provider.callbacks.answers import Answer
from lark_provider.callbacks.endpoint import UNKNOWN, Endpoint
from lark_provider.callbacks.gateway import Gateway
from lark_provider.callbacks.keys import KeyRing, KeysUnknownError, by_app
from lark_provider.protocol.callbacks import CallbackKeys
from tests.callbacks.parts import KEYS, OK, Place, request
from tests.protocol.callbacks.sender import APP, NOW


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - nothing tells when a thread is done
        await asyncio.sleep(0)


class Loading:
    """Loads keys as it is told, and counts."""

    def __init__(self, *results: Any) -> None:
        self.results, self.calls, self.now = list(results), 0, 0.0

    def __call__(self) -> Any:
        self.calls += 1
        result = self.results.pop(0)
        if isinstance(result, Callable):  # type: ignore[arg-type]
            result = result()
        if isinstance(result, Exception):
            raise result
        return result

    def ring(self) -> KeyRing:
        return KeyRing(self, clock=lambda: self.now)


def test_keys_are_loaded_once_for_all_who_ask() -> None:
    loading = Loading(by_app(KEYS))

    async def work() -> Any:
        ring = loading.ring()
        return await asyncio.gather(*(ring.get(name) for name in (APP, APP, "cli_no", "\n")))

    assert asyncio.run(work()) == [KEYS, KEYS, None, None]
    assert loading.calls == 1


def test_keys_are_loaded_anew_after_a_while_without_anybody_waiting() -> None:
    changed = CallbackKeys(APP, "another key")
    free = threading.Event()

    def later() -> Any:
        free.wait()
        return by_app(changed)

    loading = Loading(by_app(KEYS), later)

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        loading.now = 31
        assert await ring.get(APP) == KEYS
        free.set()

        async def new() -> bool:
            return await ring.get(APP) == changed

        await until(new)
        assert loading.calls == 2

    asyncio.run(work())


def test_old_keys_serve_while_new_ones_cannot_be_loaded(caplog: pytest.LogCaptureFixture) -> None:
    loading = Loading(by_app(KEYS), OSError("no database"), by_app())

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        loading.now = 31

        async def warned() -> bool:
            assert await ring.get(APP) == KEYS
            return bool(caplog.records)

        await until(warned)
        assert "could not be loaded: no database" in caplog.text
        assert await ring.get(APP) == KEYS
        assert loading.calls == 2, "not again at once"
        loading.now = 37

        async def gone() -> bool:
            return await ring.get(APP) is None

        await until(gone)

    asyncio.run(work())


def test_while_no_keys_are_known_requests_are_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    loading = Loading(OSError("no database"), by_app(KEYS))

    async def work() -> None:
        ring = loading.ring()
        over = Gateway(ring, [Place()], endpoint=Endpoint(clock=lambda: NOW))
        assert (await over.answer(*request())).status == 503
        with pytest.raises(KeysUnknownError):
            await ring.get(APP)
        assert (await over.answer(*request())).status == 503
        assert loading.calls == 1, "not again at once"
        loading.now = 6
        assert await over.answer(*request()) == OK
        assert await over.answer("cli_other", {}, b"") == UNKNOWN

    asyncio.run(work())
    assert "no database" in caplog.text


def test_who_gives_up_waiting_for_keys_takes_them_from_nobody() -> None:
    free = threading.Event()
    loading = Loading(lambda: free.wait() and by_app(KEYS))

    async def work() -> None:
        ring = loading.ring()
        impatient, patient = (asyncio.create_task(ring.get(APP)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        free.set()
        assert await patient == KEYS

    try:
        asyncio.run(work())
    finally:
        free.set()


def test_a_request_does_not_wait_for_keys_for_ever() -> None:
    free = threading.Event()
    loading = Loading(lambda: free.wait() and by_app(KEYS))

    async def work() -> Answer:
        over = Gateway(loading.ring(), [Place()], deadline=0.2)
        return await over.answer(*request())

    try:
        assert asyncio.run(work()).status == 503
    finally:
        free.set()
