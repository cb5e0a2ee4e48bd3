"""One long connection, from its opening to its end: pings, frames, answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from lark_provider.callbacks.http.answers import NOTHING, Answer
from lark_provider.protocol.longconn import messages
from lark_provider.protocol.longconn.fragments import Fragments
from lark_provider.protocol.longconn.frames import Frame, FrameError, decode
from lark_provider.protocol.longconn.messages import Part, Pong
from lark_provider.protocol.longconn.reconnect import ClientConfig
from lark_provider.support.throttle import Throttle

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

StoreFrame: TypeAlias = Callable[[bytes, float], Awaitable[Answer]]
"""Store and answer the JSON of a click or an event, given when it came by the loop's clock."""

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 100
"""Deliveries of one app. With more, its socket is not read, so that memory is bounded."""
_OK, _FAILED = 200, 500


class Connection:
    """A connection that is open.

    Args:
        app_id: The app.
        socket: The WebSocket.
        service: The id of the service, for pings.
        config: The client's configuration; a pong may change it.
        take: Stores and answers deliveries.
        in_flight: The deliveries of the app, also of its earlier connections: they are added here.
        throttle: Bounds the log lines about unusable frames.

    Attributes:
        config: The current configuration.
    """

    def __init__(
        self,
        app_id: str,
        socket: ClientConnection,
        service: int,
        config: ClientConfig,
        take: StoreFrame,
        in_flight: set[asyncio.Task[None]],
        throttle: Throttle,
    ) -> None:
        self.config = config
        self._app_id, self._socket, self._service, self._take = app_id, socket, service, take
        self._in_flight, self._throttle = in_flight, throttle
        self._loop = asyncio.get_running_loop()
        self._fragments = Fragments()
        self._heard_at = self._loop.time()
        self._changed = asyncio.Event()
        self._why: str | None = None

    async def run(self) -> str:
        """Ping, and take what comes, until the connection ends.

        Returns:
            Why it ended, in words.
        """
        from websockets.exceptions import ConnectionClosed

        self._heard_at = self._loop.time()
        keeping = self._loop.create_task(self._keep())
        keeping.add_done_callback(self._on_keeper_done)
        try:
            while True:
                message = await self._socket.recv()
                self._heard_at = self._loop.time()
                await self._receive(message)
        except ConnectionClosed as error:
            return self._why or _describe_closing(error)
        finally:
            keeping.cancel()
            self._socket.transport.abort()

    async def close(self) -> None:
        """Close the connection in order, or abort it if Lark does not close its side in time."""
        self._why = "closed by this process"
        await self._socket.close()

    async def _keep(self) -> None:
        """Ping at each interval, drop incomplete messages, and abort a connection that has become silent.

        A half-open connection takes what is sent, and brings nothing: so nothing here waits for a send.
        """
        ping_at = self._loop.time()
        pinging: asyncio.Task[None] | None = None
        while True:
            now = self._loop.time()
            if now >= self._heard_at + self.config.longest_silence:
                self._why = f"no message for {now - self._heard_at:.0f} s"
                self._socket.transport.abort()
                return
            if now >= ping_at:
                ping_at = now + self.config.ping_interval
                if pinging is None or pinging.done():
                    pinging = self._loop.create_task(self._send(messages.ping(self._service)))
            for message_id in self._fragments.expire(now):
                self._warn_incomplete(message_id)
            self._changed.clear()
            dues = (ping_at, self._heard_at + self.config.longest_silence, self._fragments.due)
            wake = min(due for due in dues if due is not None)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.0, wake - now))
            ping_at = min(ping_at, self._loop.time() + self.config.ping_interval)

    def _on_keeper_done(self, keeping: asyncio.Task[None]) -> None:
        """End the connection if its keeper has failed: nothing else would notice that it is half-open."""
        error = None if keeping.cancelled() else keeping.exception()
        if error is not None:
            logger.error(
                "Failed to watch the long connection", extra={"app_id": self._app_id}, exc_info=error
            )
            self._socket.transport.abort()

    async def _receive(self, message: str | bytes) -> None:
        """Take a message; return as soon as the next one may be read."""
        if isinstance(message, str):
            self._warn_unusable(FrameError("The frame is a text message, not a binary one."))
            return
        try:
            frame = decode(message)
            meaning = messages.read(frame)
            match meaning:
                case Pong(config):
                    self._configure(config)
                case Part():
                    await self._take_part(frame, meaning)
                case messages.Unknown(what):
                    logger.debug("Unknown frame ignored", extra={"app_id": self._app_id, "frame": what})
        except FrameError as error:
            self._warn_unusable(error)

    def _configure(self, sent: dict[str, object]) -> None:
        changed = self.config.with_update(sent)
        if changed != self.config:
            self.config = changed
            self._changed.set()

    async def _take_part(self, frame: Frame, part: Part) -> None:
        payload: bytes | None = frame.payload or b""
        if part.parts > 1 or part.part != 0:
            payload = self._fragments.add(
                part.message_id, part.part, part.parts, frame.payload or b"", self._loop.time()
            )
            self._changed.set()
        if payload is None:
            return
        if part.kind == messages.CARD:
            self._warn_card()
        began = self._loop.time()
        while len(self._in_flight) >= MAX_IN_FLIGHT:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        task = self._loop.create_task(self._answer(frame, payload, began))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _answer(self, frame: Frame, payload: bytes, began: float) -> None:
        """Store a delivery and answer it. If the connection has ended meanwhile, Lark repeats an event."""
        try:
            answer = await self._take(payload, began)
        except Exception:
            logger.exception("Delivery failed unexpectedly", extra={"app_id": self._app_id})
            answer = Answer(_FAILED)
        is_stored = answer.status == _OK
        body = answer.body if is_stored and answer.body != NOTHING else None
        elapsed = round((self._loop.time() - began) * 1000)
        await self._send(messages.answer(frame, _OK if is_stored else _FAILED, body, elapsed))

    async def _send(self, data: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            await self._socket.send(data)

    def _warn_incomplete(self, message_id: str) -> None:
        fields = {"app_id": self._app_id, "message_id": message_id[:80]}
        self._throttle.log(
            logger.warning,
            "Incomplete message dropped",
            extra=fields,
            kind=self._app_id,
        )

    def _warn_unusable(self, error: FrameError) -> None:
        self._throttle.log(
            logger.warning,
            "Unusable frame ignored",
            extra={"app_id": self._app_id, "error": str(error)},
            kind=self._app_id,
        )

    def _warn_card(self) -> None:
        self._throttle.log(
            logger.warning,
            "Click received as a card frame",
            extra={
                "app_id": self._app_id,
                "next": "choose the long connection as the subscription mode of callbacks in the developer "
                "console",
            },
            kind=self._app_id,
        )


def _describe_closing(error: Exception) -> str:
    """Return why a connection ended, from the library's error."""
    received = getattr(error, "rcvd", None)
    if received is None:
        return "the connection broke without a closing message"
    return f"Lark closed it with {received.code} {received.reason[:100]}".rstrip()
