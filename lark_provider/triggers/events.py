"""Start DAGs on events of Lark: a trigger for Airflow's AssetWatcher."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.hooks import airflow_config

try:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer
except ImportError:
    raise ConfigurationError(
        "LarkEventTrigger needs Apache Airflow 3.3 or later, since earlier ones do not report when an event "
        "is stored. Next: upgrade Airflow, or handle events with lark_provider.callbacks.consume."
    ) from None

if TYPE_CHECKING:
    from lark_provider.callbacks.broker.amqp import Broker
    from lark_provider.callbacks.broker.receiver import EventReceiver, Received
    from lark_provider.protocol.callbacks import Event

_GATHER_SECONDS = 3.0
"""How long the stream waits for triggers that start together, so that each is offered the first event."""

_MAX_STORED_KEYS = 10_000
_SECRETS = frozenset({"token", "app_ticket"})
_UNWANTED_SECONDS = 7 * 86_400.0
STREAM = (__name__, "lark.events.inbox")
"""The key of the shared stream, of all triggers that consume the queue."""
_UNWANTED = (
    "No LarkEventTrigger or LarkBaseWatcher in the triggerer matched the event. Next: widen a filter, or "
    "unsubscribe."
)


class LarkEventTrigger(BaseEventTrigger):
    """Fire for each event that the callback gateway has published, such as a message to the bot.

    ```python
    messages = Asset(
        "messages_to_the_bot",
        watchers=[
            AssetWatcher(name="lark", trigger=LarkEventTrigger(event_types=["im.message.receive_v1"]))
        ],
    )
    ```

    RabbitMQ is that of `[lark] rabbitmq_url`, else of `RABBITMQ_URL` or `RABBITMQ_*`. An event is
    acknowledged when Airflow has stored it as an asset event, so a triggerer that dies loses none. What
    Airflow does not guarantee:

    - *One run for each event.* Events that come closely together start one run with the first of them; the
      others wait for the next event's run. A DAG looks at all of `triggering_asset_events`, in any order.
    - *Each event once.* A triggerer that dies between storing and acknowledging stores it again, and so may
      one that froze; `event_id` tells.
    - *Each event to all triggers.* It is offered to those that run in the triggerer which took it from the
      queue. Where there are several triggerers, give all watchers the same filter, which makes them one
      trigger to Airflow, and let DAGs choose.

    An event that no trigger matches is dead-lettered to `lark.events.dead` with that reason, for 7 days. All
    triggers consume the queue `lark.events.inbox`, as does `lark_provider.callbacks.consume`: use one or the
    other.

    Args:
        event_types: Only these, e.g. `im.message.receive_v1`; empty for all.
        app_id: Only those of this app.

    Returns:
        As the asset event's payload: `event_id`, `type`, `app_id`, `tenant_key`, `created_at` (ISO 8601, UTC)
        and `event`, the body that Lark documents for this type, without tokens.

    Raises:
        ConfigurationError: When it is imported: Airflow is older than 3.3.
    """

    def __init__(self, event_types: str | Collection[str] = (), app_id: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.event_types = sorted({event_types} if isinstance(event_types, str) else set(event_types))
        self.app_id = app_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and arguments; triggers with the same filter are one trigger to Airflow."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return name, {"event_types": self.event_types, "app_id": self.app_id}

    def shared_stream_key(self) -> tuple[str, str]:
        """Return the same key for all triggers, since they consume the same queue."""
        return STREAM

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:  # noqa: ARG003 - no filter matters
        """Return the producer, which acknowledges events once they are stored."""
        return EventStream()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Offer]) -> AsyncIterator[TriggerEvent]:
        """Fire for each event of the stream that the filter matches."""
        async for offered in shared_stream:
            if offered.event is not None and self._matches(offered.event):
                offered.is_matched = True
                with offered.firing():
                    yield TriggerEvent(_make_payload(offered.event))  # type: ignore[no-untyped-call]  # Airflow leaves it untyped

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Refuse to run without the shared stream, which acknowledges events."""
        raise ConfigurationError(
            "LarkEventTrigger must run in a triggerer's shared stream, got a run of its own. Next: give it "
            "to an AssetWatcher."
        )
        yield  # makes the function an iterator

    def _matches(self, event: Event) -> bool:
        of_this_type = not self.event_types or event.type in self.event_types
        return of_this_type and self.app_id in {None, event.app_id}


def _make_payload(event: Event) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "type": event.type,
        "app_id": event.app_id,
        "tenant_key": event.tenant_key,
        "created_at": event.created_at.isoformat(),
        # Airflow stores and shows asset events without masking.
        "event": {name: part for name, part in event.event.items() if name not in _SECRETS},
    }


@dataclass(slots=True, eq=False)
class Offer:
    """What the triggers of the stream are offered, until Airflow has stored what they made of it.

    Attributes:
        key: Names it among those that are offered.
        event: The event; None for what a watcher has found out by itself.
        received: Each delivery of the event.
        is_matched: Whether a trigger wanted it.
        unfinished: How many triggers have not fired all that they make of it: they are at work, or ended
            before. Airflow counts an event as stored for a trigger that is cancelled while it works on it.
        stored: Called once Airflow has stored all that was made of it.
    """

    key: str
    event: Event | None = None
    received: list[Received] = field(default_factory=list)
    is_matched: bool = False
    unfinished: int = 0
    stored: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @contextmanager
    def firing(self) -> Iterator[None]:
        """Count a trigger as unfinished during a block, and after a block that is cancelled or fails.

        The block must yield all that the trigger fires: Airflow resumes it once it has taken what it got.
        """
        self.unfinished += 1
        yield
        self.unfinished -= 1


_open: list[EventStream] = []
"""The streams of this process that run: one, or while one ends and another begins, two."""


def offer(offered: Offer) -> None:
    """Offer the triggers of this process what one of them has found out by itself.

    Args:
        offered: What was found, without an event.

    Raises:
        LarkError: No stream runs.
    """
    if not _open:
        raise LarkError("The stream of Lark's events must run, and has ended. Next: see the triggers' logs.")
    _open[-1].put(offered)


class EventStream(SharedStreamProducer):
    """Offer the queue's events to the triggers, and acknowledge each once it is stored."""

    def __init__(self) -> None:
        self._receiver: EventReceiver | None = None
        self._arrived: asyncio.Queue[Received | Offer | None] = asyncio.Queue()
        self._offered: dict[str, Offer] = {}
        self._stored: OrderedDict[str, None] = OrderedDict()

    def put(self, offered: Offer) -> None:
        """Offer something that is not an event of the queue."""
        self._arrived.put_nowait(offered)

    async def open_stream(self) -> AsyncIterator[tuple[Offer, str]]:
        """Connect in a thread, which does not block the loop, and yield each new event."""
        _open.append(self)
        await asyncio.sleep(_GATHER_SECONDS)
        broker = await asyncio.to_thread(_get_broker)
        from lark_provider.callbacks.broker.receiver import EventReceiver

        put = _from_threads(self._arrived)
        self._receiver = EventReceiver(broker, put, lambda: put(None))
        while (arrived := await self._arrived.get()) is not None:
            if isinstance(arrived, Offer):
                self._offered[arrived.key] = arrived
                yield arrived, arrived.key
            elif (offered := self._register(arrived)) is not None:
                yield offered, arrived.key
        raise LarkError("The thread of the RabbitMQ connection must run, and has ended. Next: see the log.")

    def _register(self, received: Received) -> Offer | None:
        """Register a delivery; return an offer if its event is new, and None if it is redelivered."""
        if not received.is_ours:
            return None
        if received.key in self._stored:
            received.acknowledge()
            return None
        known = self._offered.get(received.key)
        if known is not None:
            known.received.append(received)
            return None
        offered = self._offered[received.key] = Offer(received.key, received.event, [received])
        return offered

    def get_advance_lane(self, broker_payload: str) -> str:
        """Return a lane for each event: RabbitMQ acknowledges them one by one, in any order."""
        return broker_payload

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Acknowledge the events that are stored; if one is not, let RabbitMQ redeliver all.

        Raises:
            LarkError: Airflow has not stored an event.
        """
        for key, outcome in batch:
            offered = self._offered[key]
            if not outcome.is_clean or offered.unfinished:
                raise LarkError(
                    f"Event {key} was not stored, and is redelivered. Next: see the triggers' logs."
                )
            for record in offered.stored:
                await record()
            # Only now: a redelivery meanwhile belongs to this offer, and must not become a new one.
            del self._offered[key]
            if offered.is_matched and offered.received:
                self._remember(key)
            for received in offered.received:
                if offered.is_matched:
                    received.acknowledge()
                elif received.is_ours:
                    received.dead_letter(_UNWANTED, _UNWANTED_SECONDS)

    def _remember(self, key: str) -> None:
        self._stored[key] = None
        if len(self._stored) > _MAX_STORED_KEYS:
            self._stored.popitem(last=False)

    async def aclose(self) -> None:
        """Disconnect; RabbitMQ redelivers what is not acknowledged to the next consumer."""
        with suppress(ValueError):  # it was not opened
            _open.remove(self)
        if self._receiver is not None:
            # Shielded, since a closing loop cancels its tasks, and nothing else would end the thread.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._receiver.stop))


def _get_broker() -> Broker:
    from lark_provider.callbacks.broker import amqp, receiver  # noqa: F401 - in a thread: they load pika

    return amqp.read_broker(airflow_config.read_rabbitmq_url())


def _from_threads(queue: asyncio.Queue[Received | Offer | None]) -> Callable[[Received | None], None]:
    loop = asyncio.get_running_loop()

    def put(item: Received | None) -> None:
        with suppress(RuntimeError):  # the loop is closed; RabbitMQ redelivers the event
            loop.call_soon_threadsafe(queue.put_nowait, item)

    return put
