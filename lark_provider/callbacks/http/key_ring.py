"""The keys of all apps, reloaded by a timer, and at once when they refuse a request."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import TypeAlias

from lark_provider.protocol.callbacks import CallbackKeys
from lark_provider.support import threads
from lark_provider.support.futures import consume_exception
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)
KeysByApp: TypeAlias = Mapping[str, CallbackKeys]
"""The keys of each app, by its id."""

_GRACE_SECONDS = 5.0
_RELOAD_SECONDS, _FIRST_SECONDS = 1.0, 2.0
_FAILED_SECONDS = 5.0
_MIN_LOAD_INTERVAL_SECONDS = 1.0
_MAX_WAITING = 200  # Each holds a connection, an open file.


class KeysUnknownError(Exception):
    """No keys were loaded yet."""


class KeyRing:
    """The keys of all apps, reloaded in threads: loading may ask a database. Serves threads and event loops.

    All apps are loaded at once, so that an invented app id in a URL costs no query of its own. Keys that
    were loaded serve until loading succeeds again.

    Three things make a reload. `run` is a timer. Without one, a request that finds keys older than that
    waits for new ones. And `get_fresh` waits for a load that begins after the call: for requests that the
    known keys refuse. Loads begin a second apart at least, and all waiters share one, so untrusted clients
    cause one load a second at most.

    Args:
        load: Returns the keys; may block.
        seconds: How often the timer reloads.
        clock: Returns seconds, of any origin.
    """

    def __init__(
        self,
        load: Callable[[], KeysByApp],
        *,
        seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._seconds, self._clock = load, seconds, clock
        self._keys: KeysByApp | None = None
        self._load_started_at = self._stale_at = self._retry_at = float("-inf")
        self._after_fork()

    def _after_fork(self) -> None:
        """Forget threads that only the parent process has, and locks that they may hold."""
        self._pid, self._lock, self._throttle = os.getpid(), threading.Lock(), Throttle(clock=self._clock)
        self._loading: Future[KeysByApp] | None = None
        self._next: Future[KeysByApp] | None = None
        self._waiting = 0

    async def run(self) -> None:
        """Reload by the timer, until this is cancelled."""
        while True:
            try:
                await _wait_for(self._begin(), None)
            except RuntimeError as error:  # No thread can be started just now.
                self._on_failure(error)
            await asyncio.sleep(_FAILED_SECONDS if self._has_failed() else self._seconds)

    async def get(self, app_id: str) -> CallbackKeys | None:
        """Return the keys of an app, waiting for a reload if they are old; without success, the old ones.

        Args:
            app_id: As a URL has it.

        Returns:
            None if the app is unknown or disabled.

        Raises:
            KeysUnknownError: No keys were ever loaded, and loading has just failed or takes too long.
            Exception: What loading raised, if it never succeeded before.
        """
        loading = self._join_due_load()
        if loading is not None:
            await _wait_for(loading, self._load_timeout())
        return self._get_known_keys(loading, app_id)

    def get_blocking(self, app_id: str) -> CallbackKeys | None:
        """Return what `get` does, in a thread that may block."""
        loading = self._join_due_load()
        if loading is not None:
            wait([loading], self._load_timeout())
        return self._get_known_keys(loading, app_id)

    async def get_fresh(self, app_id: str, known: CallbackKeys | None, seconds: float) -> CallbackKeys | None:
        """Return the keys of an app as they are now, for a request that the known ones refuse.

        Args:
            app_id: The app's id, as a URL has it.
            known: The known keys; they are returned if loading fails or takes too long.
            seconds: How long to wait for the keys to be loaded, in seconds.
        """
        load = self._join_fresh_load()
        if load is None:
            return known
        try:
            await _wait_for(load, max(0.0, seconds))
            return _get_result(load, app_id, known)
        finally:
            self._stop_waiting()

    def get_fresh_blocking(self, app_id: str, known: CallbackKeys | None) -> CallbackKeys | None:
        """Return much the same as `get_fresh`, in a thread that may block.

        A web server has few threads, and untrusted clients must not be able to occupy them: no request waits
        for more than one load, a second at most, and keys that are a second old count as new.
        """
        if self._has_failed():
            return known
        self._check_fork()
        with self._lock:
            is_recent = self._clock() < self._load_started_at + _MIN_LOAD_INTERVAL_SECONDS
            loading = self._loading if is_recent else self._join_load()
        if loading is not None:
            wait([loading], self._load_timeout())
        return known if self._keys is None else self._keys.get(app_id)

    def _get_known_keys(self, loading: Future[KeysByApp] | None, app_id: str) -> CallbackKeys | None:
        if self._keys is not None:
            return self._keys.get(app_id)
        if loading is not None and loading.done():
            return loading.result().get(app_id)  # It raises what loading raised.
        raise KeysUnknownError(
            "The callback keys are not loaded yet. Next: retry in a few seconds; see the log for the reason."
        )

    def _has_failed(self) -> bool:
        return self._clock() < self._retry_at

    def _load_timeout(self) -> float:
        """Return how long to wait for a load that is running."""
        if self._keys is None:
            return _FIRST_SECONDS
        # A load that hangs holds up only the requests that come at its beginning.
        return max(0.0, self._load_started_at + _RELOAD_SECONDS - self._clock())

    def _join_due_load(self) -> Future[KeysByApp] | None:
        """Return a load to wait for; None if the keys are fresh, or loading has just failed."""
        if self._clock() < self._stale_at or self._has_failed():
            return None
        self._check_fork()
        with self._lock:
            if self._clock() < self._stale_at:  # It was loaded in the meantime.
                return None
            return self._join_load()

    def _join_fresh_load(self) -> Future[KeysByApp] | None:
        """Return a load that has not begun yet, shared by all that need one; None if it cannot help.

        Requests that wait are held in memory, and so their number is bounded.
        """
        if self._has_failed() or self._waiting >= _MAX_WAITING:
            return None
        self._check_fork()
        with self._lock:
            if self._next is None:
                self._next = threads.start(self._load_next)
            self._waiting += 1  # Only now: if no thread could be started, `_stop_waiting` is not called.
            return self._next

    def _stop_waiting(self) -> None:
        with self._lock:
            self._waiting -= 1

    def _load_next(self) -> KeysByApp:
        """Load as soon as the load that is running has ended and the one before was long enough ago."""
        while True:
            time.sleep(max(0.0, self._load_started_at + _MIN_LOAD_INTERVAL_SECONDS - self._clock()))
            with self._lock:
                running = self._loading
                if running is None:
                    self._next = None  # A request that is refused from now on needs another load.
                    loading = self._join_load()
                    break
            wait([running])
        return loading.result()

    def _begin(self) -> Future[KeysByApp]:
        """Begin to load, or join the load that is running."""
        self._check_fork()
        with self._lock:
            return self._join_load()

    def _join_load(self) -> Future[KeysByApp]:
        if self._loading is None:
            self._load_started_at = self._clock()
            self._loading = threads.start(self._run_load)
        return self._loading

    def _run_load(self) -> KeysByApp:
        try:
            keys = self._load()
        except BaseException as error:
            self._on_failure(error)
            with self._lock:
                self._loading = None
            raise
        with self._lock:
            self._keys, self._loading = keys, None
            self._stale_at = self._clock() + self._seconds + _GRACE_SECONDS
        return keys

    def _on_failure(self, error: BaseException) -> None:
        self._retry_at = self._clock() + _FAILED_SECONDS
        reason = str(error)
        self._throttle.log(
            logger.warning,
            "Failed to load callback keys",
            extra={"error": reason, "retry_in_s": _FAILED_SECONDS},
        )

    def _check_fork(self) -> None:
        if os.getpid() != self._pid:
            self._after_fork()


async def _wait_for(load: Future[KeysByApp], seconds: float | None) -> None:
    """Wait until a load has ended in whatever way, or the time is over."""
    waiting = asyncio.wrap_future(load)
    waiting.add_done_callback(consume_exception)  # It was logged already.
    await asyncio.wait({waiting}, timeout=seconds)


def _get_result(load: Future[KeysByApp], app_id: str, known: CallbackKeys | None) -> CallbackKeys | None:
    if not load.done() or load.exception() is not None:
        return known
    return load.result().get(app_id)
