"""`listen`: clicks and events of any number of apps over long connections, in one process and one event loop.

Any number may run, on any number of hosts: Lark gives each click and each event to one connection of its app.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from lark_provider.callbacks.http import stores
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.keys import KeyRing, has_registry
from lark_provider.callbacks.probes.pages import ProbePage
from lark_provider.callbacks.probes.probes import Probes
from lark_provider.callbacks.websocket import opening, roster
from lark_provider.callbacks.websocket.app_listener import AppListener
from lark_provider.callbacks.websocket.dedup import StoredEvents
from lark_provider.callbacks.websocket.fleet import Fleet
from lark_provider.callbacks.websocket.intake import Intake
from lark_provider.callbacks.websocket.state import ListenState
from lark_provider.engine.pools import Wire
from lark_provider.protocol.tokens import App
from lark_provider.support.termination import on_termination
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """The settings of a process that listens.

    Attributes:
        app_ids: The apps; else that of `LARK_APP_ID` and `LARK_APP_SECRET`, and all active ones of the
            registry.
        handler: Where to import the function from that answers clicks: `package.module.function`.
        proxy: URL of an HTTP proxy; else that of the environment (`HTTPS_PROXY`, `NO_PROXY`).
        verify: Whether to check certificates; or the path of the trusted ones, a file or a folder.
        probes: Host and port where `/healthz` and `/readyz` are answered; None for no probes.
    """

    app_ids: Sequence[str] = ()
    handler: str | None = None
    proxy: str | None = field(default=None, repr=False)
    verify: bool | str = True
    probes: tuple[str, int] | None = None


class Listener:
    """Listens, from `run` until it is stopped. Making one checks the settings, and asks Lark nothing; blocks.

    Args:
        settings: The settings.

    Raises:
        ConfigurationError: A setting is invalid: there is neither a database nor RabbitMQ, no app to
            listen for, the handler is not found, or websockets is not installed.
        StorageError: The database takes no clicks, or the registry cannot be used.
    """

    def __init__(self, settings: ListenSettings) -> None:
        opening.check()
        self._wire = Wire(settings.proxy, settings.verify)
        self._opener = opening.Opener(self._wire)
        self._opener.check()
        sinks, self._background = stores.configured_sinks()
        self._throttle = Throttle(limit=200)
        self._gateway = Gateway(
            KeyRing(dict),  # Nothing has to be verified.
            sinks,
            handler=settings.handler,
            questions=stores.make_question_lookup(),
        )
        self._stored = StoredEvents.from_config()
        self._intake = Intake(self._gateway, self._stored, self._throttle)
        self._first = roster.load(settings.app_ids)
        self._load = partial(roster.load, settings.app_ids, needs_registry=has_registry())
        self._first.check()
        stores.check_database()
        self._fleet: Fleet | None = None
        self._probes = (
            Probes(*settings.probes, {"/readyz": self._make_readiness_page}) if settings.probes else None
        )
        if self._probes is not None:
            logger.info("Probes started", extra={"url": self._probes.url})

    def state(self) -> ListenState:
        """Return which apps are connected, since when, what is in flight, and which sinks work; no I/O.

        To be called in the event loop of `run`.
        """
        apps = () if self._fleet is None else self._fleet.list_states()
        return ListenState(apps, self._gateway.ready())

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until stopped; then answer what is in flight, and close all connections.

        Args:
            stop: Set it to stop.

        Raises:
            ConfigurationError: Lark refuses all apps, and has refused them from the start.
        """
        fleet = self._fleet = Fleet(self._load, self._make_listener, self._throttle)
        work: tuple[Callable[[], Awaitable[None]], ...] = (
            *self._background,
            self._gateway.run,
            self._stored.run,
            self._throttle.run,
            fleet.run,
        )
        running: list[asyncio.Future[None]] = [asyncio.ensure_future(job()) for job in work]
        stopped = asyncio.create_task(stop.wait())
        logger.info(
            "Listening", extra={"apps": len(self._first.apps), "sinks": ",".join(self._gateway.ready())}
        )
        fleet.start(self._first)
        ends: set[asyncio.Future[Any]] = {stopped, fleet.all_refused, *running}
        async with AsyncExitStack() as stack:
            if self._probes is not None:
                await stack.enter_async_context(self._probes.serve_probes(()))
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if not stopped.done():
                    for future in ends:
                        if future.done():
                            future.result()  # It raises why; none of them ends otherwise.
            finally:
                if self._probes is not None:
                    self._probes.is_draining = True
                running[-1].cancel()  # A reload would start what is about to leave.
                await fleet.leave()
                for future in ends:
                    future.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        logger.info("Listener drained")

    def _make_readiness_page(self) -> ProbePage:
        state = self.state()
        is_draining = self._probes is not None and self._probes.is_draining
        status = "draining" if is_draining else "ready" if state.is_ready else "not ready"
        apps = {app.app_id: app.phase.value for app in state.apps}
        body = orjson.dumps({"status": status, "sinks": dict(state.sinks), "apps": apps})
        return ProbePage(body, 200 if status == "ready" else 503)

    def _make_listener(self, app: App) -> AppListener:
        return AppListener(app, self._intake.take, self._opener, self._wire, self._throttle)


def listen(settings: ListenSettings) -> None:
    """Listen until SIGTERM or SIGINT; the second one ends the process at once. For the main thread.

    Clicks are stored in RabbitMQ or in the database, as the environment configures them.

    Args:
        settings: The settings.

    Raises:
        ConfigurationError: As for `Listener` and its `run`.
        StorageError: As for `Listener`.
    """
    listener = Listener(settings)

    async def watch() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        with on_termination(lambda: loop.call_soon_threadsafe(stop.set)):
            await listener.run(stop)

    gc.collect()
    gc.freeze()  # What was imported is not searched at each full collection, which would delay clicks.
    asyncio.run(watch())
