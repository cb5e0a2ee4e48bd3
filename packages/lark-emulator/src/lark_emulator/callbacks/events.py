"""Events on their way to an app: at least once, tried again for hours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lark_emulator.callbacks.payloads import make_event, make_old_event
from lark_emulator.callbacks.post import UnreachableError
from lark_emulator.callbacks.subscription import wrap
from lark_emulator.callbacks.ways import choose_event_way, make_frame
from lark_emulator.websocket.links import NoAckError
from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.callbacks.post import Courier
    from lark_emulator.clock import Clock
    from lark_emulator.settings import Settings
    from lark_emulator.websocket.links import Links
    from lark_emulator.world.apps import App

#: Seconds between one try and the next, by HTTP and over the long connection.
RETRIES = (15.0, 5 * 60.0, 3600.0, 6 * 3600.0)
CONNECTION_RETRIES = RETRIES[1:]
#: Seconds before an event is repeated that was acknowledged with an error.
NACK_PAUSE = 3.0
OK = 200


@dataclass(slots=True)
class Delivery:
    """One event on its way to one app."""

    event_id: str
    app: App
    event_type: str
    payload: dict[str, Any]
    copies: int = 1
    """How often it is delivered once it has arrived."""
    state: str = "pending"
    """Then `delivered`, or `failed` after the last try."""
    next_attempt: float | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    nacks: int = 0
    """How often it was acknowledged with an error."""
    done: Callable[[], object] | None = None
    """Is called once it was acknowledged, or was tried for the last time."""

    def pause(self, nack_repeats: int) -> float | None:
        """Return the seconds from the last, failed try to the next; None if there is none.

        Args:
            nack_repeats: How many times an event that was acknowledged with an error is repeated.
        """
        last = self.attempts[-1]
        if last["way"] == "connection" and last["status"] is not None:
            self.nacks += 1
            return NACK_PAUSE if self.nacks <= nack_repeats else None
        pauses = CONNECTION_RETRIES if last["way"] == "connection" else RETRIES
        failed = len(self.attempts) - self.nacks
        return pauses[failed - 1] if failed <= len(pauses) else None

    def to_dict(self) -> dict[str, Any]:
        """Return it for the state."""
        return {
            "event_id": self.event_id,
            "app_id": self.app.app_id,
            "event_type": self.event_type,
            "state": self.state,
            "next_attempt": self.next_attempt,
            "attempts": self.attempts,
        }


class Sender(Protocol):
    """What events need of the emulator that they come from."""

    clock: Clock
    settings: Settings
    courier: Courier
    links: Links
    events: Events
    loop: asyncio.AbstractEventLoop | None
    when_running: list[Callable[[], object]]

    def report_crash(self, error: BaseException) -> None:
        """Report a bug."""


class Events:
    """The events of an emulator, delivered and on their way.

    Args:
        sender: The emulator that sends the events.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.all: list[Delivery] = []
        self._trying: dict[asyncio.Task[None], Delivery] = {}

    def push(
        self,
        app: App,
        payload: dict[str, Any],
        *,
        copies: int = 1,
        done: Callable[[], object] | None = None,
    ) -> Delivery | None:
        """Send an event.

        Args:
            app: The app that the event is sent to.
            payload: The event, as `payloads.make_event` or `payloads.make_old_event` made it.
            copies: How many times the event arrives.
            done: A function that is called once the event was acknowledged, or was tried for the last time.

        Returns:
            The event on its way; None if the app has no address for events and no long connection.
        """
        if choose_event_way(app, self._sender.links) is None:
            return None
        header = payload.get("header")
        delivery = Delivery(
            payload["uuid"] if header is None else header["event_id"],
            app,
            payload["event"]["type"] if header is None else header["event_type"],
            payload,
            copies,
            done=done,
        )
        self.all.append(delivery)
        self._plan(delivery, self._sender.clock.get_time())
        self._sender.clock.ring()
        return delivery

    def push_ticket(self, app: App) -> None:
        """Send a store app its newest ticket."""
        event = {"app_id": app.app_id, "app_ticket": app.app_ticket, "type": "app_ticket"}
        self.push(app, make_old_event(app, self._sender.clock.get_time(), event))

    def announce(
        self, app: App, event_type: str, content: dict[str, Any], tenant_key: str = TENANT_KEY
    ) -> None:
        """Send an app an event of version 2.0 about what has just happened, if it is subscribed to it.

        Args:
            app: The app that the event is sent to.
            event_type: The type of the event, such as `im.chat.updated_v1`.
            content: The content of the event, its member `event`.
            tenant_key: The key of the tenant in which it happened.
        """
        if app.event_types is None or event_type in app.event_types:
            self.push(app, make_event(app, self._sender.clock.get_time(), event_type, content, tenant_key))

    def _plan(self, delivery: Delivery, at: float) -> None:
        delivery.next_attempt = at
        self._sender.clock.set_alarm(at, lambda due: self._try(delivery, due))

    def on_connect(self, app_id: str) -> None:
        """Deliver what waits for an app that has connected, if `Settings.gap_events` says so."""
        if self._sender.settings.gap_events != "on_connect":
            return
        now = self._sender.clock.get_time()
        for delivery in self.all:
            if delivery.app.app_id == app_id and delivery.next_attempt is not None:
                self._plan(delivery, now)

    def _try(self, delivery: Delivery, due: float) -> None:
        if delivery.next_attempt != due:  # it was delivered sooner, to an app that connected
            return
        loop = self._sender.loop
        if loop is None:  # stopped: the first thing when it runs again
            self._sender.when_running.append(lambda: self._try(delivery, due))
            return
        delivery.next_attempt = None
        task = loop.create_task(self._deliver(delivery, due))
        self._trying[task] = delivery
        task.add_done_callback(self._on_try_done)

    def _on_try_done(self, task: asyncio.Task[None]) -> None:
        del self._trying[task]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._sender.report_crash(error)

    async def _deliver(self, delivery: Delivery, due: float) -> None:
        try:
            arrived = await self._attempt(delivery)
        except asyncio.CancelledError:  # stopped: the first thing when it runs again, unless it was reset
            if self._sender.events is self:
                self._plan(delivery, due)
            raise
        if arrived:
            delivery.state = "delivered"
            for _ in range(delivery.copies - 1):
                await self._attempt(delivery)
            self._finish(delivery)
            return
        pause = delivery.pause(self._sender.settings.nack_repeats)
        if pause is None:
            delivery.state = "failed"
            self._finish(delivery)
        else:
            self._plan(delivery, due + pause)

    def _finish(self, delivery: Delivery) -> None:
        # After a reset, what was on its way belongs to a tenant that is gone.
        if delivery.done is not None and self._sender.events is self:
            delivery.done()

    async def _attempt(self, delivery: Delivery) -> bool:
        attempt: dict[str, Any] = {"at": self._sender.clock.get_time(), "status": None, "error": None}
        attempt["way"] = way = choose_event_way(delivery.app, self._sender.links)
        try:
            if way == "connection":
                await self._send_over_connection(delivery, attempt)
            elif way == "http":
                await self._by_http(delivery, attempt)
            else:
                attempt["error"] = "the app has no address for events any more"
        except (UnreachableError, NoAckError) as failure:
            attempt["error"] = str(failure)
        delivery.attempts.append(attempt)
        return bool(attempt["status"] == OK)

    async def _send_over_connection(self, delivery: Delivery, attempt: dict[str, Any]) -> None:
        ack = await self._sender.links.deliver(
            delivery.app.app_id, *make_frame("connection", delivery.payload)
        )
        attempt.update(status=ack.code, connection_id=ack.connection_id, problems=list(ack.problems))

    async def _by_http(self, delivery: Delivery, attempt: dict[str, Any]) -> None:
        subscription = delivery.app.subscription
        assert subscription is not None  # noqa: S101 - the way says so
        headers, body = wrap(subscription, delivery.payload)
        reply = await self._sender.courier.post(
            subscription.event_url, headers, body, timeout=self._sender.settings.callback_timeout
        )
        attempt["status"] = reply.status

    async def settle(self, only: Delivery | None = None) -> None:
        """Wait until nothing more is due: all that is under way has arrived, or waits for a later time.

        Args:
            only: The only event to wait for.
        """
        while True:
            self._sender.clock.ring()
            tasks = [task for task, delivery in self._trying.items() if only in (None, delivery)]
            if not tasks:
                return
            await asyncio.wait(tasks)
