"""The long connections of all apps: tickets that open them, and messages that one of them is to deliver."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lark_emulator.websocket.faults import MessageFault, strike
from lark_emulator.websocket.frames import encode
from lark_emulator.websocket.messages import CARD, Ack, PushMessage, read_ack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lark_emulator.clock import Clock
    from lark_emulator.settings import Settings
    from lark_emulator.websocket.frames import Frame
    from lark_emulator.world.apps import App

MAX_TICKETS = 10_000
_LOG_IDS = 2**63


class NoAckError(Exception):
    """A message was not acknowledged.

    Args:
        reason: The kind of failure: `connect` (no connection), `timeout` or `closed` (the connection was lost
            before).
        text: A human-readable description of the failure.
    """

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


class Link(Protocol):
    """One open connection, a `link.WebSocketLink`."""

    app_id: str
    connection_id: str
    service_id: int
    hangs: bool
    """Whether it stays silent, while TCP stays: half-open, to the client."""
    messages: int
    """How many were sent over it."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for the control plane."""

    def send(self, messages: Iterable[bytes]) -> None:
        """Send WebSocket messages; nothing is sent over a connection that hangs or is being closed."""

    def send_text(self, text: str) -> None:
        """Send a text message, which is never a frame."""

    def close(self, code: int, reason: str) -> None:
        """Close with a close frame."""

    def drop(self) -> None:
        """Drop the TCP connection, without a close frame."""

    def drop_when_sent(self) -> None:
        """Drop the TCP connection once what was sent is on its way, without a close frame."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a discovery gives: it opens one connection, once."""

    app_id: str
    device_id: str
    service_id: str
    access_key: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(slots=True)
class _Pending:
    """A message that waits for its acknowledgement."""

    link: Link
    sent: list[Frame]
    ack: asyncio.Future[Ack]
    is_deaf: bool
    """Whether its acknowledgement is ignored."""


class Links:
    """The open long connections of an emulator. Touched only on the server's own thread.

    Args:
        clock: The emulator's clock.
        settings: The emulator's settings, such as how long an acknowledgement may take.
        crashed: A function that is called with an exception that is a bug of the emulator.
    """

    def __init__(self, clock: Clock, settings: Settings, crashed: Callable[[BaseException], object]) -> None:
        self.clock, self.settings, self.crashed = clock, settings, crashed
        self.faults: list[MessageFault] = []
        self.on_ready: Callable[[str], object] = lambda _: None
        """Is called with the id of an app that has connected and pinged. What comes right with the handshake
        the Node SDK loses, since it listens a moment later."""
        self.counts: Counter[str] = Counter()
        self._open: dict[str, list[Link]] = {}
        self._tickets: dict[str, Ticket] = {}
        self._pending: dict[str, _Pending] = {}
        self._known: set[str] = set()
        self._devices = self._messages = 0

    # connections -----------------------------------------------------------------------------------------

    def issue(self, app: App) -> Ticket:
        """Return a ticket for one more connection of an app; if there are very many, the oldest is void."""
        if len(self._tickets) >= MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        self._devices += 1
        device = f"76{self._devices:017d}"
        ticket = Ticket(app.app_id, device, "33554678", secrets.token_hex(16), secrets.token_urlsafe(24))
        self._tickets[ticket.secret] = ticket
        return ticket

    def find_ticket(self, secret: str, device_id: str) -> Ticket | None:
        """Return an unused ticket; None if there is no such ticket for such a device."""
        ticket = self._tickets.get(secret)
        return ticket if ticket is not None and ticket.device_id == device_id else None

    def use(self, ticket: Ticket) -> None:
        """Make a ticket void: it opens one connection only."""
        del self._tickets[ticket.secret]

    def list_links(self, app_id: str) -> list[Link]:
        """Return the open connections of an app, oldest first."""
        return list(self._open.get(app_id, ()))

    def list_all(self) -> list[Link]:
        """Return all open connections."""
        return [link for links in self._open.values() for link in links]

    def has_known(self, app_id: str) -> bool:
        """Return whether an app has or had a long connection."""
        return app_id in self._known

    def add(self, link: Link) -> None:
        """Count a new connection in."""
        self._open.setdefault(link.app_id, []).append(link)
        self._known.add(link.app_id)
        self.count("opened")
        if self.settings.connection_life > 0:
            self.clock.set_alarm(self.clock.get_time() + self.settings.connection_life, lambda _: link.drop())

    def remove(self, link: Link) -> None:
        """Count a connection out that is closed or about to be; what it has not acknowledged fails."""
        links = self._open.get(link.app_id, [])
        if link not in links:
            return
        links.remove(link)
        self.count("closed")
        for pending in self._pending.values():
            if pending.link is link and not pending.ack.done():
                pending.ack.set_exception(
                    NoAckError(
                        "closed", f"connection {link.connection_id} was closed before the acknowledgement"
                    )
                )

    def count(self, what: str) -> None:
        """Count for the state."""
        self.counts[what] += 1

    def make_client_config(self) -> dict[str, Any]:
        """Return the ClientConfig of discoveries and pongs; whole seconds are integers, as at Lark."""
        settings = self.settings
        return {
            "ReconnectCount": settings.reconnect_count,
            "ReconnectInterval": _convert_number(settings.reconnect_interval),
            "ReconnectNonce": _convert_number(settings.reconnect_nonce),
            "PingInterval": _convert_number(settings.ping_interval),
        }

    def make_pong_config(self) -> dict[str, Any] | None:
        """Return what a pong carries."""
        return self.make_client_config() if self.settings.pong_payload == "config" else None

    # messages --------------------------------------------------------------------------------------------

    async def deliver(self, app_id: str, kind: str, payload: bytes) -> Ack:
        """Send a message over one of the connections of an app, a random one, and wait for what it says.

        Args:
            app_id: The id of the app whose connections are used.
            kind: The type of the message: `event` or `card`.
            payload: The event or card callback as JSON.

        Raises:
            NoAckError: no acknowledgement in time.
        """
        links = self._open.get(app_id)
        if not links:
            raise NoAckError("connect", f"app {app_id} has no open long connection")
        link = secrets.choice(links)
        fault = strike(self.faults, app_id)
        if fault == CARD:
            kind = CARD
        message = self._make_message(kind, payload)
        frames = message.make_frames(link.service_id, self._count_parts(payload, fault))
        ack: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        is_deaf = fault == "ignore_ack" or (kind == CARD and self.settings.card_frame_ack == "ignored")
        self._pending[message.message_id] = _Pending(link, frames, ack, is_deaf)
        try:
            _send(link, [encode(frame) for frame in frames], fault)
            async with asyncio.timeout(self.settings.callback_timeout):
                return await ack
        except TimeoutError:
            seconds = self.settings.callback_timeout
            raise NoAckError("timeout", f"no acknowledgement within {seconds:g} s") from None
        finally:
            del self._pending[message.message_id]

    def _make_message(self, kind: str, payload: bytes) -> PushMessage:
        self._messages += 1
        return PushMessage(
            secrets.token_hex(16),
            kind,
            payload,
            secrets.token_hex(16),
            self._messages,
            secrets.randbelow(_LOG_IDS),
        )

    def _count_parts(self, payload: bytes, fault: str) -> int:
        size = self.settings.fragment_bytes
        parts = -(-len(payload) // size) if size else 1
        return max(parts, 3) if fault in ("shuffle", "incomplete") else parts

    def acknowledge(self, link: Link, frame: Frame, message_id: str) -> None:
        """Take the acknowledgement of a message.

        Raises:
            ValueError: it is none.
        """
        pending = self._pending.get(message_id)
        if pending is None or pending.link is not link or pending.ack.done():
            self.count("late_acks")
            return
        ack = read_ack(frame, pending.sent, link.connection_id)
        self.count("acks")
        if not pending.is_deaf:
            pending.ack.set_result(ack)

    # ending ----------------------------------------------------------------------------------------------

    def give_up(self) -> None:
        """Break off everything under way."""
        for pending in self._pending.values():
            pending.ack.cancel()

    def drop_all(self) -> None:
        """Drop all connections, and void all tickets."""
        self._tickets.clear()
        for link in self.list_all():
            link.drop()


def _send(link: Link, frames: list[bytes], fault: str) -> None:
    if fault == "drop_before":
        link.drop()
        return
    if fault == "hang":
        link.hangs = True
    if fault == "garbage":
        link.send([secrets.token_bytes(64), b"\xff" * 12, b""])
    if fault == "shuffle":
        frames = [frames[-1], *frames[:-1]]
    if fault == "incomplete":
        frames = frames[:-1]
    if fault != "lose":
        link.send(frames * 2 if fault == "duplicate" else frames)
    link.messages += 1
    if fault == "drop_after":
        link.drop_when_sent()


def _convert_number(value: float) -> float:
    return int(value) if float(value).is_integer() else value
