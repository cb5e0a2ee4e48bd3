"""Start DAGs on what happens in Lark: a trigger for Airflow's AssetWatcher."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.triggers.base import BaseEventTrigger, TriggerEvent  # isort: skip

from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.hooks import shared

try:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer
except ImportError:
    raise ConfigurationError(
        "LarkEventTrigger needs Apache Airflow 3.3 or later: before, a trigger could not know when its event "
        "was safe. Next: upgrade Airflow, or handle events with lark_provider.callbacks.consume."
    ) from None

if TYPE_CHECKING:
    from lark_provider.callbacks.amqp import Broker
    from lark_provider.callbacks.receiver import Received, Receiver
    from lark_provider.protocol.callbacks import Event

_GATHER_SECONDS = 3.0
"""For how long triggers that start together are waited for, so that each is offered the first event."""

_REMEMBERED = 10_000
_SECRETS = frozenset({"token", "app_ticket"})
_UNWANTED = "No LarkEventTrigger that ran in the triggerer wanted it. Next: widen a filter, or unsubscribe."


class LarkEventTrigger(BaseEventTrigger):
    """Fires for each event of Lark that the callback gateway has put into RabbitMQ: a message to the bot, ….

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
    Airflow does not promise:

    - *One run for each event.* Events that come closely together start one run with the first of them; the
      others wait for the next event's run. A DAG looks at all of `triggering_asset_events`, in any order.
    - *Each event once.* A triggerer that dies between storing and acknowledging stores it again, and so may
      one that froze; `event_id` tells.
    - *Each event to all triggers.* It is offered to those that run in the triggerer which took it from the
      queue. Where there are several triggerers, give all watchers the same filter, which makes them one
      trigger to Airflow, and let DAGs choose.

    What no trigger wanted goes to the queue `lark.events.dead` with that reason. All triggers, and
    `lark_provider.callbacks.consume`, take from the same queue `lark.events.inbox`: use one or the other.

    Args:
        event_types: Only these, e.g. `im.message.receive_v1`; empty for all.
        app_id: Only those of this app.

    Returns:
        As the asset event's payload: `event_id`, `type`, `app_id`, `tenant_key`, `created_at` (ISO 8601, UTC)
        and `event`, what happened as Lark describes it for this type, without tokens.

    Raises:
        ConfigurationError: When it is imported: Airflow is older than 3.3.
    """

    def __init__(self, event_types: str | Collection[str] = (), app_id: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.event_types = sorted({event_types} if isinstance(event_types, str) else set(event_types))
        self.app_id = app_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make it again; the same filter says the same, and is one trigger to Airflow."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return name, {"event_types": self.event_types, "app_id": self.app_id}

    def shared_stream_key(self) -> tuple[str, str]:
        """One stream for all of them: they take from one queue."""
        return __name__, "lark.events.inbox"

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:  # noqa: ARG003 - no filter matters
        """What acknowledges events once they are stored."""
        return _Events()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[_Offer]) -> AsyncIterator[TriggerEvent]:
        """Fire for what is wanted of the stream."""
        async for offer in shared_stream:
            if self._wants(offer.event):
                offer.is_wanted = True
                yield TriggerEvent(_told(offer.event))  # type: ignore[no-untyped-call]  # as above

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Not without the stream, since nobody would know when to acknowledge."""
        raise ConfigurationError("LarkEventTrigger runs in a triggerer. Next: give it to an AssetWatcher.")
        yield  # that makes it an iterator

    def _wants(self, event: Event) -> bool:
        of_this_type = not self.event_types or event.type in self.event_types
        return of_this_type and self.app_id in {None, event.app_id}


def _told(event: Event) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "type": event.type,
        "app_id": event.app_id,
        "tenant_key": event.tenant_key,
        "created_at": event.created_at.isoformat(),
        # Asset events stand in Airflow's database and interface as they are.
        "event": {name: part for name, part in event.event.items() if name not in _SECRETS},
    }


@dataclass(slots=True)
class _Offer:
    """An event on its way into Airflow's database, each time that it came, and whether a trigger wants it."""

    event: Event
    received: list[Received]
    is_wanted: bool = False


class _Events(SharedStreamProducer):
    """The queue's events, each acknowledged once it is stored."""

    def __init__(self) -> None:
        self._receiver: Receiver | None = None
        self._offered: dict[str, _Offer] = {}
        self._stored: OrderedDict[str, None] = OrderedDict()

    async def open_stream(self) -> AsyncIterator[tuple[_Offer, str]]:
        """Connect in a thread, so that neither waits for the other, and offer what comes."""
        await asyncio.sleep(_GATHER_SECONDS)
        broker = await asyncio.to_thread(_broker)
        from lark_provider.callbacks.receiver import Receiver  # noqa: PLC0415 - loaded by now, in a thread

        arrived: asyncio.Queue[Received | None] = asyncio.Queue()
        put = _from_threads(arrived)
        self._receiver = Receiver(broker, put, lambda: put(None))
        while (received := await arrived.get()) is not None:
            if (offer := self._new(received)) is not None:
                yield offer, received.key
        raise LarkError("The connection's thread has ended. Next: see the log.")

    def _new(self, received: Received) -> _Offer | None:
        """An offer, unless it is known: after a lost connection, what was not acknowledged comes again."""
        if not received.is_ours:
            return None
        if received.key in self._stored:
            received.acknowledge()
            return None
        known = self._offered.get(received.key)
        if known is not None:
            known.received.append(received)
            return None
        offer = self._offered[received.key] = _Offer(received.event, [received])
        return offer

    def get_advance_lane(self, broker_payload: str) -> str:
        """RabbitMQ acknowledges one by one, in any order."""
        return broker_payload

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Acknowledge what is stored; of what is not, let all come again.

        Raises:
            LarkError: A trigger that was offered an event has not got it into the database.
        """
        for key, outcome in batch:
            if not outcome.is_clean:
                raise LarkError(f"Event {key} was not stored, and comes again. Next: look at the triggers.")
            offer = self._offered.pop(key)
            if offer.is_wanted:
                self._remember(key)
            for received in offer.received:
                if offer.is_wanted:
                    received.acknowledge()
                elif received.is_ours:
                    received.bury(_UNWANTED)

    def _remember(self, key: str) -> None:
        self._stored[key] = None
        if len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)

    async def aclose(self) -> None:
        """Leave the broker; what is not acknowledged goes to the next who takes from the queue."""
        if self._receiver is not None:
            # Also if the loop is being closed, which cancels what it finds: nobody else would end the thread.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._receiver.stop))


def _broker() -> Broker:
    from lark_provider.callbacks import amqp, receiver  # noqa: F401, PLC0415 - in a thread: they load pika

    return amqp.broker(shared.rabbitmq_url())


def _from_threads(queue: asyncio.Queue[Received | None]) -> Callable[[Received | None], None]:
    loop = asyncio.get_running_loop()

    def put(item: Received | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: it comes again
            loop.call_soon_threadsafe(queue.put_nowait, item)

    return put
