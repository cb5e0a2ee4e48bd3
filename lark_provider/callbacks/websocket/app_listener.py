"""Keep one app connected: ask for an address, connect, serve, and begin again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.websocket.connection import Connection
from lark_provider.callbacks.websocket.opening import Opener, RefusedError
from lark_provider.callbacks.websocket.state import AppState, Phase
from lark_provider.engine.drivers.asynchronous import adrive
from lark_provider.engine.pools import Wire
from lark_provider.engine.session import FoundApp, Session
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.longconn.discovery import discover
from lark_provider.protocol.longconn.reconnect import ClientConfig, Delay, ReconnectBackoff
from lark_provider.protocol.longconn.refusals import ConnectRefusal, ConnectVerdict, of_discovery
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App
from lark_provider.support.throttle import Throttle

TakeDelivery: TypeAlias = Callable[[str, bytes, float, bool], Awaitable[Answer]]
"""Store and answer a delivery: the app, the JSON, when it came, and whether to reject it."""

logger = logging.getLogger(__name__)

DISCOVERY_SECONDS = 10.0
DRAIN_SECONDS = 4.0
"""The time for deliveries in flight when the process ends; each takes at most 2.8 s."""
_NO_RETRIES = RetryPolicy(max_retries=0)


class AppListener:
    """Keeps one app connected, from `run` until `leave`.

    Args:
        app: The app.
        take: Stores and answers its deliveries.
        opener: Opens WebSockets.
        wire: Proxy and certificate check, for the request for an address.
        throttle: Bounds log lines.

    Attributes:
        app: The app.
        up: Set once it was connected.
        decided: Set once it was connected, or was refused.
        changed: Called when its phase has changed.
    """

    def __init__(self, app: App, take: TakeDelivery, opener: Opener, wire: Wire, throttle: Throttle) -> None:
        self.app = app
        self.up, self.decided = asyncio.Event(), asyncio.Event()
        self.changed: Callable[[], object] = lambda: None
        self._take_delivery, self._opener, self._throttle = take, opener, throttle
        self._session = Session(
            app.app_id,
            app.app_secret,
            app.base_url,
            timeout=DISCOVERY_SECONDS,
            deadline=DISCOVERY_SECONDS,
            policy=_NO_RETRIES,  # Attempts follow Lark's own rules; see `ReconnectBackoff`.
            wire=wire,
            # It never expires: `fleet` watches the registry.
            found_app=FoundApp(app, float("inf"), pace=0, has_database=False),
        )
        self._config = ClientConfig()
        self._connection: Connection | None = None
        self._connections = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._is_leaving = self._is_rejecting = False
        self._phase, self._since, self._error = Phase.CONNECTING, datetime.now(UTC), ""

    @property
    def state(self) -> AppState:
        """The state now."""
        error = None if self._phase is Phase.CONNECTED else self._error or None
        return AppState(
            self.app.app_id, self._phase, self._since, len(self._in_flight), self._connections, error
        )

    async def run(self) -> None:
        """Stay connected until cancelled, whatever happens."""
        loop, backoff = asyncio.get_running_loop(), ReconnectBackoff()
        while True:
            self._connection, began = None, loop.time()
            self._enter(Phase.CONNECTING)
            try:
                refusal = await self._serve()
            except Exception as error:
                logger.exception("Long connection failed unexpectedly", extra={"app_id": self.app.app_id})
                refusal = ConnectRefusal(ConnectVerdict.RETRY, f"unexpected error {type(error).__name__}")
            uptime_s = loop.time() - began if self._connection is not None else 0.0
            delay = backoff.count_failure(refusal.verdict, uptime_s, self._config, random.random())  # noqa: S311 - jitter
            self._error = refusal.reason
            if self._is_leaving:
                return
            self._enter(Phase.REFUSED if refusal.verdict is ConnectVerdict.REFUSED else Phase.WAITING)
            self._log(refusal, delay)
            if refusal.verdict is ConnectVerdict.REFUSED:
                self.decided.set()
            await asyncio.sleep(delay.seconds)

    async def leave(self, *, is_replaced: bool = False) -> None:
        """Answer the deliveries in flight, and close the connection; then `run` ends.

        Args:
            is_replaced: Whether another listener of the app is connected; then deliveries are taken up to the
                end. Else new ones are rejected: their number has no bound.
        """
        self._is_leaving, self._is_rejecting = True, not is_replaced
        self._enter(Phase.LEAVING)
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_SECONDS
        while self._in_flight and loop.time() < until:
            await asyncio.wait(self._in_flight, timeout=until - loop.time())
        if self._in_flight:
            fields = {"app_id": self.app.app_id, "in_flight": len(self._in_flight)}
            logger.warning("Deliveries not answered in time at shutdown", extra=fields)
        if self._connection is not None:
            await self._connection.close()

    async def _serve(self) -> ConnectRefusal:
        """Connect, and return why the connection did not come about or has ended."""
        try:
            address = await adrive(discover(self.app), self._session)
            self._config = self._config.with_update(address.config)
            socket = await self._opener.open(self.app, address)
        except RefusedError as error:
            return error.refusal
        except LarkError as error:
            return of_discovery(self.app.app_id, error)
        if self._is_leaving:
            await socket.close()
            return ConnectRefusal(ConnectVerdict.RETRY, "closed by this process")
        connection = self._connection = Connection(
            self.app.app_id,
            socket,
            address.service,
            self._config,
            self._take_payload,
            self._in_flight,
            self._throttle,
        )
        self._connections += 1
        self._enter(Phase.CONNECTED)
        self.up.set()
        self.decided.set()
        logger.info("Long connection opened", extra={"app_id": self.app.app_id, "host": address.host})
        try:
            return ConnectRefusal(ConnectVerdict.RETRY, await connection.run())
        finally:
            self._config = connection.config

    async def _take_payload(self, payload: bytes, began: float) -> Answer:
        return await self._take_delivery(self.app.app_id, payload, began, self._is_rejecting)

    def _enter(self, phase: Phase) -> None:
        if not (self._is_leaving and phase is not Phase.LEAVING):
            self._phase, self._since = phase, datetime.now(UTC)
            self.changed()

    def _log(self, refusal: ConnectRefusal, delay: Delay) -> None:
        """Log the end of a connection, which Lark causes every few minutes, or a failed attempt."""
        fields = {"app_id": self.app.app_id, "error": refusal.reason, "retry_in_s": round(delay.seconds, 1)}
        match refusal.verdict:
            case ConnectVerdict.REFUSED:
                logger.error("Lark refuses the long connection of the app", extra=fields)
            case ConnectVerdict.CROWDED:
                logger.warning("Too many long connections of the app; retrying", extra=fields)
            case _ if delay.is_exhausted:
                logger.error("Attempts to connect exhausted; retrying much later", extra=fields)
            case _ if self._connection is not None:
                logger.info("Long connection ended; reconnecting", extra=fields)
            case _:
                fields["attempt"] = delay.attempt
                logger.warning("Long connection failed; retrying", extra=fields)
