"""The bridge: one process and one event loop that brings Airflow's questions to Lark, and the answers back.

Any number may run on PostgreSQL: one of them polls, all send cards and deliver clicks. SQLite serves one.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

from lark_provider import config
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.probing import AirflowCheck, DatabaseCheck
from lark_provider.bridge.question_work import QuestionWork
from lark_provider.bridge.receivers import Receivers
from lark_provider.bridge.results import OtherResult
from lark_provider.bridge.settings import BridgeSettings
from lark_provider.bridge.steps import BridgeStep
from lark_provider.callbacks.broker import amqp, pump
from lark_provider.callbacks.probes.probes import Probes
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.storage.bridge_leases import BridgeLease
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.support import threads
from lark_provider.support.backoff import Backoff
from lark_provider.support.termination import on_termination
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
_RENEW_SECONDS, _DRAIN_SECONDS = 5.0, 20.0


class Extension(Protocol):
    """Further work of a running bridge, such as that on failures."""

    def list_steps(self) -> Sequence[BridgeStep]:
        """Return what is repeated."""

    async def show(self, applied: Any, result: Any) -> bool:
        """Show the result of a click, see `results.OtherResult`."""


def _show_by(extensions: Sequence[Extension]) -> OtherResult | None:
    """Return what shows the result of a click by the first extension that can."""
    if not extensions:
        return None

    async def show(applied: Any, result: Any) -> bool:
        for extension in extensions:
            if await extension.show(applied, result):
                return True
        return False

    return show


class Bridge:
    """A bridge, from `run` until it is stopped.

    Args:
        settings: The settings.
        database: The database, as `storage.urls.database` returns it.
        find_app: Returns the id of the app that sends where a route names none; it may block.
        routes: The routes.
        extensions: Make further work for the bridge, once its attributes are set.
        probes: Answers health probes.

    Attributes:
        api: Airflow.
        apps: The clients of Lark.
        app_id: The app that sends where a route names none.
        throttle: Limits the rate of repeated warnings.
    """

    app_id: str

    def __init__(
        self,
        settings: BridgeSettings,
        database: Any,
        find_app: Callable[[], str],
        routes: Receivers,
        *,
        extensions: Sequence[Callable[[Bridge], Extension]] = (),
        probes: Probes | None = None,
    ) -> None:
        self.settings, self.database, self.routes = settings, database, routes
        self._find_app = find_app
        self._make_extensions, self._probes = extensions, probes
        self._lease = BridgeLease(database, f"poll {settings.team or ''}", LEASE_SECONDS)
        self._leads = False
        self.throttle = Throttle(limit=200)
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Bring questions and answers until stopped; then end what is in flight.

        Args:
            stop: Set it to stop.

        Raises:
            ConfigurationError: Another bridge uses this SQLite database, Airflow has teams and the bridge
                has none, or no app is configured.
        """
        self._stop = stop
        settings = self.settings
        async with AsyncExitStack() as stack:
            self.api = AirflowApi(settings.airflow, verify=settings.verify)
            stack.push_async_callback(self.api.close)
            self.apps = BridgeClients()
            if self._probes is not None:
                checks = (DatabaseCheck(self.database), AirflowCheck(self.api))
                await stack.enter_async_context(self._probes.serve_probes(checks))
            if await self._wait_for_database():
                logger.info("Bridge started", extra={"airflow": settings.airflow.url, "polls": self._leads})
                await self._until_stopped(self._list_steps())
                with suppress(StorageError):  # It ends by itself.
                    await threads.run(self._lease.release)
        logger.info("Bridge drained")

    async def _wait_for_database(self) -> bool:
        """Wait for the database; read the app from it and try to take the lease.

        Returns:
            False if the bridge was stopped first.
        """
        backoff = Backoff(1.0, 30.0)
        while not self._stop.is_set():
            try:
                self.app_id = await threads.run(self._find_app)
                self._leads = await threads.run(self._lease.take)
            except StorageError as error:
                pause = backoff.draw_pause()
                logger.warning(
                    "Bridge waits for its database",
                    extra={"error": str(error), "retry_in_s": round(pause, 1)},
                )
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()
                continue
            if self._lease.is_for_all and not self._leads:
                raise ConfigurationError(
                    "A SQLite database must serve one bridge alone, and another one uses it. Next: stop that "
                    f"one, or wait {LEASE_SECONDS:g} s after it was killed; or use PostgreSQL for several."
                )
            return True
        return False

    async def _until_stopped(self, steps: Sequence[BridgeStep]) -> None:
        counting = asyncio.ensure_future(self.throttle.run())
        stopped = asyncio.ensure_future(self._stop.wait())
        running: list[asyncio.Future[None]] = [asyncio.ensure_future(self._repeat(step)) for step in steps]
        ends_pump = threading.Event()
        if config.has_broker():
            # Clicks come from RabbitMQ into the database, as with everything that waits for them.
            clicks = pump.Pump(amqp.read_broker(), Inbox(self.database))
            running.append(asyncio.wrap_future(threads.start(lambda: clicks.run(ends_pump))))
        try:
            ends: set[asyncio.Future[Any]] = {stopped, *running}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for future in running:
                if future.done():
                    future.result()  # It raises why; none of them ends otherwise.
        finally:
            self._stop.set()
            ends_pump.set()
            if self._probes is not None:
                self._probes.is_draining = True
            # Each ends after what it does now; what takes longer is taken up by another process.
            await asyncio.wait(running, timeout=_DRAIN_SECONDS)
            for future in running:
                future.cancel()
            counting.cancel()
            stopped.cancel()
            await asyncio.gather(*running, counting, stopped, return_exceptions=True)

    def _list_steps(self) -> list[BridgeStep]:
        extensions = [make(self) for make in self._make_extensions]
        questions = QuestionWork(
            api=self.api,
            apps=self.apps,
            app_id=self.app_id,
            database=self.database,
            settings=self.settings,
            routes=self.routes,
            throttle=self.throttle,
            others=_show_by(extensions),
        )
        of_extensions = (step for extension in extensions for step in extension.list_steps())
        return [BridgeStep("lease", _RENEW_SECONDS, self._renew), *questions.list_steps(), *of_extensions]

    async def _repeat(self, step: BridgeStep) -> None:
        backoff = Backoff(1.0, 30.0)
        while not self._stop.is_set():
            pause = step.seconds
            try:
                if (self._leads or not step.is_alone) and await step.work() is True:
                    pause = 0.0
                backoff = Backoff(1.0, 30.0)
            except ConfigurationError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the other work goes on
                pause = max(pause, backoff.draw_pause())
                self._warn(step, error, pause)
            await self._pause(step, pause)

    async def _pause(self, step: BridgeStep, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await (self._stop if step.wanted is None else step.wanted).wait()
        except TimeoutError:
            return
        if step.wanted is not None:
            step.wanted.clear()

    def _warn(self, step: BridgeStep, error: Exception, pause: float) -> None:
        fields = {"step": step.name, "error": str(error), "retry_in_s": round(pause, 1)}
        kind = (step.name, type(error).__name__)
        if isinstance(error, LarkError):
            self.throttle.log(logger.warning, "Bridge step failed; will retry", extra=fields, kind=kind)
            return
        self.throttle.log(
            logger.error,
            "Bridge step failed unexpectedly; will retry",
            extra=fields,
            kind=kind,
            exc_info=error,
        )

    async def _renew(self) -> None:
        leads = await threads.run(self._lease.take)
        if self._lease.is_for_all and not leads:
            raise ConfigurationError(
                "A SQLite database must serve one bridge alone, and another one has taken it over. Next: run "
                "one, or use PostgreSQL for several."
            )
        if leads != self._leads:
            logger.info("Polling bridge changed", extra={"polls": leads})
        self._leads = leads


def serve(bridge: Bridge) -> None:
    """Run a bridge until SIGTERM or SIGINT; the second one ends the process at once. For the main thread.

    Args:
        bridge: The bridge.

    Raises:
        ConfigurationError: As for `Bridge.run`.
    """

    async def watch() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        with on_termination(lambda: loop.call_soon_threadsafe(stop.set)):
            await bridge.run(stop)

    gc.collect()
    gc.freeze()
    asyncio.run(watch())
