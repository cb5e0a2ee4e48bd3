"""Keys that are loaded beside the gateway, and never waited for longer than a request may last."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lark_provider.callbacks.http import key_ring
from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.http.endpoint import UNKNOWN, Endpoint
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.keys import KeyRing, KeysByApp, KeysUnknownError, by_app, from_environment
from lark_provider.protocol.callbacks import CallbackKeys
from tests.callbacks.parts import KEYS, OK, FakeSink, request
from tests.failures.waiting import wait_until
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN

NEW = CallbackKeys(APP, "another key", TOKEN)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - nothing tells when a thread is done
        await asyncio.sleep(0)


class Loading:
    """Loads keys as it is told, and counts."""

    def __init__(self, *results: Any) -> None:
        self.results, self.calls, self.now = list(results), 0, 0.0

    def __call__(self) -> Any:
        self.calls += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Callable):  # type: ignore[arg-type]
            result = result()
        if isinstance(result, Exception):
            raise result
        return result

    def ring(self) -> KeyRing:
        return KeyRing(self, clock=lambda: self.now)


@pytest.fixture(params=["loop", "thread"])
def get(request: pytest.FixtureRequest) -> Callable[[KeyRing, str], Awaitable[CallbackKeys | None]]:
    """Return each way to get keys in turn: from the loop, and from a thread."""
    if request.param == "loop":
        return KeyRing.get
    return lambda ring, app_id: asyncio.to_thread(ring.get_blocking, app_id)


def test_keys_are_loaded_once_for_all_who_ask(get: Any) -> None:
    loading = Loading(by_app(KEYS))

    async def work() -> Any:
        ring = loading.ring()
        return await asyncio.gather(*(get(ring, name) for name in (APP, APP, "cli_no", "\n")))

    assert asyncio.run(work()) == [KEYS, KEYS, None, None]
    assert loading.calls == 1


def test_a_request_after_idle_time_is_judged_by_the_keys_of_now(get: Any) -> None:
    """Where no timer runs, as in a project of Django's or Flask's."""
    loading = Loading(by_app(KEYS), by_app(NEW), by_app())

    async def work() -> None:
        ring = loading.ring()
        assert await get(ring, APP) == KEYS
        loading.now = 14.9
        assert await get(ring, APP) == KEYS
        assert loading.calls == 1
        loading.now = 3600
        assert await get(ring, APP) == NEW
        loading.now = 7200
        assert await get(ring, APP) is None, "it was disabled"

    asyncio.run(work())


def test_the_timer_reloads_without_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "_FAILED_SECONDS", 0.01)
    loading = Loading(by_app(KEYS), OSError("no database"), by_app(NEW))

    async def work() -> None:
        ring = KeyRing(loading, seconds=0.01)
        timer = asyncio.create_task(ring.run())
        await asyncio.to_thread(wait_until, lambda: loading.calls >= 4)
        calls = loading.calls
        assert await ring.get(APP) == NEW
        assert loading.calls - calls <= 1, "no request loads anything"
        timer.cancel()
        await asyncio.wait([timer])

    asyncio.run(work())


def test_a_load_that_hangs_holds_up_only_those_at_its_beginning(
    get: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "_RELOAD_SECONDS", 600.0)
    free = threading.Event()
    loading = Loading(by_app(KEYS), lambda: free.wait() and by_app(NEW))
    timeouts: list[float] = []
    load_timeout = KeyRing._load_timeout

    def note_timeout(ring: KeyRing) -> float:
        timeouts.append(load_timeout(ring))
        return timeouts[-1]

    monkeypatch.setattr(KeyRing, "_load_timeout", note_timeout)

    async def work() -> None:
        ring = loading.ring()
        assert await get(ring, APP) == KEYS
        loading.now = 31
        waiting = asyncio.ensure_future(get(ring, APP))
        # The load begins in a thread of its own, which can be ahead of the one that waits for it.
        await asyncio.to_thread(wait_until, lambda: (loading.calls, len(timeouts)) == (2, 2))
        loading.now = 700
        assert await get(ring, APP) == KEYS, "at once"
        assert not waiting.done()
        free.set()
        assert await waiting == NEW
        assert loading.calls == 2

    try:
        asyncio.run(work())
    finally:
        free.set()


def test_old_keys_serve_while_new_ones_cannot_be_loaded(caplog: pytest.LogCaptureFixture, get: Any) -> None:
    loading = Loading(by_app(KEYS), OSError("no database"), OSError("no database"), by_app())

    async def work() -> None:
        ring = loading.ring()
        assert await get(ring, APP) == KEYS
        loading.now = 31
        assert await get(ring, APP) == KEYS
        assert await get(ring, APP) == KEYS
        assert await ring.get_fresh(APP, KEYS, 1.0) is KEYS
        assert loading.calls == 2, "not again at once"
        loading.now = 37
        assert await get(ring, APP) == KEYS
        loading.now = 43
        assert await get(ring, APP) is None

    asyncio.run(work())
    (record,) = [logged for logged in caplog.records if logged.message == "Failed to load callback keys"]
    assert (record.error, record.suppressed) == ("no database", 0)  # type: ignore[attr-defined]


def test_failed_loads_are_logged_once_a_minute_with_a_count(
    caplog: pytest.LogCaptureFixture, get: Any
) -> None:
    loading = Loading(by_app(KEYS), OSError("no database"))

    async def work() -> None:
        ring = loading.ring()
        assert await get(ring, APP) == KEYS
        for loading.now in (31, 41, 51, 91):
            assert await get(ring, APP) == KEYS

    asyncio.run(work())
    records = [record for record in caplog.records if record.message == "Failed to load callback keys"]
    assert [record.suppressed for record in records] == [0, 2]  # type: ignore[attr-defined]


def test_while_no_keys_are_known_requests_are_rejected(caplog: pytest.LogCaptureFixture) -> None:
    loading = Loading(OSError("no database"), by_app(KEYS))

    async def work() -> None:
        ring = loading.ring()
        over = Gateway(ring, [FakeSink()], endpoint=Endpoint(clock=lambda: NOW))
        assert (await over.answer(*request())).status == 503
        with pytest.raises(KeysUnknownError):
            await ring.get(APP)
        assert (await over.answer(*request())).status == 503
        assert loading.calls == 1, "not again at once"
        loading.now = 6
        assert await over.answer(*request()) == OK
        assert await over.answer("cli_other", {}, b"") == UNKNOWN

    asyncio.run(work())
    (failed,) = [record for record in caplog.records if record.message == "Failed to load callback keys"]
    assert failed.error == "no database"  # type: ignore[attr-defined]


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


def test_a_request_does_not_wait_for_keys_indefinitely() -> None:
    free = threading.Event()
    loading = Loading(lambda: free.wait() and by_app(KEYS))

    async def work() -> Answer:
        over = Gateway(loading.ring(), [FakeSink()], deadline=0.2)
        return await over.answer(*request())

    try:
        assert asyncio.run(work()).status == 503
    finally:
        free.set()


def test_a_child_process_waits_for_no_thread_of_its_parents() -> None:
    free = threading.Event()
    ring = Loading(by_app(KEYS), lambda: free.wait() and by_app(KEYS)).ring()
    assert ring.get_blocking(APP) == KEYS
    ring._stale_at = ring._load_started_at = float("-inf")
    assert ring.get_blocking(APP) == KEYS, "the load hangs"
    ring._load = lambda: by_app(NEW)
    with ring._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if ring.get_blocking(APP) == NEW else 1)
    try:
        assert os.waitpid(child, 0)[1] == 0
    finally:
        free.set()


def test_a_child_process_logs_a_failure_though_its_parent_was_logging_one() -> None:
    ring = Loading(by_app(KEYS), OSError("no database")).ring()
    assert ring.get_blocking(APP) == KEYS
    ring._stale_at = float("-inf")
    with ring._throttle._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if ring.get_blocking(APP) == KEYS and ring._loading is None else 1)
    assert os.waitpid(child, 0)[1] == 0


# --- doubt ---


def test_who_doubts_waits_for_a_load_that_begins_after_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "_MIN_LOAD_INTERVAL_SECONDS", 0.0)
    free, running = threading.Event(), threading.Event()

    def late() -> KeysByApp:
        running.set()
        free.wait()
        return by_app(KEYS)

    loading = Loading(by_app(KEYS), late, by_app(NEW))

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        first = asyncio.ensure_future(ring.get_fresh(APP, None, 5.0))
        await asyncio.to_thread(running.wait)
        second = asyncio.ensure_future(ring.get_fresh(APP, None, 5.0))
        await until_waiting(ring, 2)
        free.set()
        assert await first == KEYS
        assert await second == NEW, "what began before the question tells nothing"
        assert loading.calls == 3

    asyncio.run(work())


async def until_waiting(ring: KeyRing, count: int) -> None:
    async def enough() -> bool:
        return ring._waiting == count

    await until(enough)


def test_any_number_of_refused_requests_makes_one_load() -> None:
    loading = Loading(by_app(KEYS))

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        newer_keys = await asyncio.gather(*(ring.get_fresh(f"cli_{n}", None, 5.0) for n in range(500)))
        assert newer_keys == [None] * 500
        assert loading.calls == 2

    asyncio.run(work())


def test_the_number_of_those_who_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "_MAX_WAITING", 3)
    loading = Loading(by_app(KEYS), by_app(NEW))

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        newer_keys = await asyncio.gather(*(ring.get_fresh(APP, KEYS, 5.0) for _ in range(5)))
        assert newer_keys == [NEW, NEW, NEW, KEYS, KEYS]
        assert await ring.get_fresh(APP, KEYS, 5.0) == NEW, "and again later"

    asyncio.run(work())


def test_the_wait_for_fresh_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "_MIN_LOAD_INTERVAL_SECONDS", 0.0)
    free = threading.Event()
    loading = Loading(by_app(KEYS), lambda: free.wait() and by_app(NEW))

    async def work() -> None:
        ring = loading.ring()
        assert await ring.get(APP) == KEYS
        assert await ring.get_fresh(APP, KEYS, 0.05) is KEYS
        assert await ring.get_fresh(APP, KEYS, -1.0) is KEYS

    try:
        asyncio.run(work())
    finally:
        free.set()


def test_a_thread_waits_for_one_load_and_not_for_the_next_second() -> None:
    free = threading.Event()
    loading = Loading(by_app(KEYS), by_app(NEW), by_app(), lambda: free.wait() and by_app(KEYS))
    ring = loading.ring()
    try:
        assert ring.get_blocking(APP) == KEYS
        assert ring.get_fresh_blocking(APP, KEYS) == KEYS, "they are less than a second old"
        loading.now = 1.5
        assert ring.get_fresh_blocking(APP, KEYS) == NEW
        assert ring.get_fresh_blocking(APP, KEYS) == NEW
        assert loading.calls == 2
        loading.now = 3.0
        with ThreadPoolExecutor(20) as threads:
            assert {*threads.map(lambda _: ring.get_fresh_blocking(APP, NEW), range(100))} == {None}
        assert loading.calls == 3
        loading.now = 5.0
        assert ring.get_fresh_blocking(APP, None) is None, "one hangs"
        loading.now = 60.0
        assert ring.get_fresh_blocking(APP, None) is None
        assert loading.calls == 4
    finally:
        free.set()


def test_the_environment_may_name_several_keys() -> None:
    keys = from_environment(
        {
            "LARK_APP_ID": APP,
            "LARK_EVENT_ENCRYPT_KEY": f" {KEY} , old ,",
            "LARK_EVENT_VERIFICATION_TOKEN": "t-3,t-2,t-1",
        }
    )[APP]
    assert keys.list_encrypt_keys(NOW) == (KEY, "old")
    assert keys.verification_tokens(NOW * 100) == ("t-3", "t-2", "t-1")
