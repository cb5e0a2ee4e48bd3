"""The listeners of all apps, in one event loop; apps come, go and change while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from lark_provider.callbacks.websocket.app_listener import AppListener
from lark_provider.callbacks.websocket.roster import Roster
from lark_provider.callbacks.websocket.state import AppState, Phase
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.tokens import App
from lark_provider.support import measured, threads
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

RELOAD_SECONDS = 10.0
LOAD_SECONDS = 30.0
"""A load that takes longer is given up, and tried again by the timer."""


class Fleet:
    """Listens for the apps of a roster, and follows its changes.

    Args:
        load: Returns the roster; may block.
        make: Makes the listener of an app.
        throttle: Bounds log lines.

    Attributes:
        all_refused: Fails if Lark refuses all apps, and none was ever connected.
    """

    def __init__(
        self, load: Callable[[], Roster], make: Callable[[App], AppListener], throttle: Throttle
    ) -> None:
        self._load, self._make, self._throttle = load, make, throttle
        self._current: dict[str, AppListener] = {}
        self._runs: dict[AppListener, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watches: dict[AppListener, asyncio.Task[None]] = {}
        self._retiring: dict[AppListener, asyncio.Task[None]] = {}
        self._was_up = False
        self.all_refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def list_states(self) -> tuple[AppState, ...]:
        """Return the state of each app, by id."""
        return tuple(sorted((listener.state for listener in self._runs), key=lambda state: state.app_id))

    def start(self, roster: Roster) -> None:
        """Listen for the apps of a roster; those that are not in it are left.

        An app with other credentials than before gets a second listener, and the first one leaves when that
        is connected: so no click falls into a gap, and credentials that do not work end nothing.

        Args:
            roster: The roster.
        """
        for app_id in self._current.keys() - roster.apps.keys():
            if app_id in roster.problems and not isinstance(roster.problems[app_id], ConfigurationError):
                continue  # It cannot be read now, as with another key; that is no reason to end what works.
            del self._current[app_id]
            for listener in self._list_listeners(app_id):
                self._retire(listener)
        for app_id, app in roster.apps.items():
            before = self._current.get(app_id)
            if before is None or before.app != app:
                listener = self._current[app_id] = self._make(app)
                listener.changed = partial(self._show, app_id)
                self._runs[listener] = asyncio.create_task(listener.run())
                self._watches[listener] = self._spawn(self._watch(listener))
        for app_id, error in roster.problems.items():
            self._warn_problem(app_id, error)

    async def run(self) -> None:
        """Reload the roster by a timer, until cancelled."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                roster = await threads.run(self._load, LOAD_SECONDS)
            except TimeoutError:
                self._warn_failed(f"no answer within {LOAD_SECONDS:g} s")
            except Exception as error:  # noqa: BLE001 - whatever it is, the known apps stay connected
                self._warn_failed(str(error) if isinstance(error, LarkError) else repr(error))
            else:
                self.start(roster)

    async def leave(self) -> None:
        """Answer what is in flight, and close all connections."""
        for listener in list(self._runs):
            self._retire(listener)
        if self._retiring:
            await asyncio.wait(set(self._retiring.values()))
        for task in self._tasks:
            task.cancel()

    def _list_listeners(self, app_id: str) -> list[AppListener]:
        """Return the listeners of an app: several while its credentials are being replaced."""
        return [listener for listener in self._runs if listener.app.app_id == app_id]

    def _show(self, app_id: str) -> None:
        """Set the gauge of an app, which several listeners may share; without one it is gone."""
        phases = [listener.state.phase for listener in self._list_listeners(app_id)]
        if phases:
            measured.LISTENING.set(Phase.CONNECTED in phases, app_id)
        else:
            measured.LISTENING.remove(app_id)

    def _retire(self, listener: AppListener, *, is_replaced: bool = False) -> None:
        if listener not in self._retiring:
            self._retiring[listener] = self._spawn(self._end(listener, is_replaced=is_replaced))

    async def _end(self, listener: AppListener, *, is_replaced: bool) -> None:
        """Let a listener leave, and forget it."""
        try:
            await listener.leave(is_replaced=is_replaced)
        finally:
            watching, running = self._watches.pop(listener), self._runs.pop(listener)
            watching.cancel()
            running.cancel()
            await asyncio.wait({running})
            del self._retiring[listener]
            self._show(listener.app.app_id)
        logger.info("Long connection closed", extra={"app_id": listener.app.app_id})

    async def _watch(self, listener: AppListener) -> None:
        """Follow a new listener until it is connected; then let its predecessors leave."""
        await listener.decided.wait()
        if not listener.up.is_set():
            self._check_all_refused()
            await listener.up.wait()
        self._was_up = True
        # Its successors stay: none of them may ever be connected.
        for other in self._list_listeners(listener.app.app_id):
            if other is listener:
                return
            self._retire(other, is_replaced=True)

    def _check_all_refused(self) -> None:
        """Give up if Lark refuses every app and none was ever connected: the settings are wrong."""
        states = self.list_states()
        if (
            self._was_up
            or self.all_refused.done()
            or any(state.phase is not Phase.REFUSED for state in states)
        ):
            return
        first = next(state.error for state in states if state.error)
        count = "" if len(states) == 1 else f"None of {len(states)} apps can be listened for. "
        self.all_refused.set_exception(ConfigurationError(count + first))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _warn_problem(self, app_id: str, error: LarkError) -> None:
        self._throttle.log(
            logger.warning,
            "App skipped: no usable credentials",
            extra={"app_id": app_id, "error": str(error)},
            kind=app_id,
        )

    def _warn_failed(self, error: str) -> None:
        self._throttle.log(
            logger.warning, "Failed to load the apps; listening for those known", extra={"error": error}
        )
