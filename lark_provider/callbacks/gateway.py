"""The gateway: what Lark sends is kept first, and answered in time whatever happens.

Lark waits 3 seconds, and never repeats a click. So "received" is said only of what is kept; and where nothing
keeps it in time, whoever clicked is told so, and can click again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from lark_provider.callbacks import handlers
from lark_provider.callbacks.answers import Answer
from lark_provider.callbacks.endpoint import TROUBLE, Endpoint
from lark_provider.callbacks.handlers import ClickHandler
from lark_provider.callbacks.keys import KeyRing
from lark_provider.callbacks.sinks import NotStoredError, Sink, store_first
from lark_provider.protocol.callbacks import CardClick, Delivery
from lark_provider.protocol.errors import ConfigurationError

logger = logging.getLogger(__name__)

PATIENCE = 0.8
DEADLINE = 2.5
_REMEMBERED = 10_000


class Gateway:
    """Takes what comes to the callback URLs of any number of apps, for any web server.

    Args:
        keys: The apps' keys, which may change; see `KeyRing`.
        sinks: Where clicks and events are kept, in the order of preference.
        handler: Called with each click once it is kept; what it returns is the answer. A function, a
            coroutine function, or where to import it from. Without one, and where it fails or is too slow,
            a default answer is given.
        endpoint: The rules.
        patience: Seconds that a sink has before the next one is tried as well.
        deadline: Seconds from the request's beginning to the answer.

    Raises:
        ConfigurationError: There is no sink, or the handler cannot be found.
    """

    def __init__(
        self,
        keys: KeyRing,
        sinks: Sequence[Sink],
        *,
        handler: str | ClickHandler | None = None,
        endpoint: Endpoint | None = None,
        patience: float = PATIENCE,
        deadline: float = DEADLINE,
    ) -> None:
        if not sinks:
            raise ConfigurationError(
                "The gateway has no place to keep clicks. Next: configure RABBITMQ_URL, a database, or both."
            )
        self.endpoint = endpoint or Endpoint()
        self.deadline = deadline
        self._keys, self._sinks, self._patience = keys, tuple(sinks), patience
        self._handler = None if handler is None else handlers.load(handler)
        self._kept: OrderedDict[tuple[str | None, str], None] = OrderedDict()

    def ready(self) -> dict[str, bool]:
        """Which sinks are up, by their names."""
        return {sink.name: sink.is_up for sink in self._sinks}

    async def answer(
        self, app_id: str, headers: Mapping[str, str], body: bytes, began: float | None = None
    ) -> Answer:
        """Answer a request, within the deadline.

        Args:
            app_id: As the URL has it.
            headers: In any case.
            body: The raw bytes.
            began: When the request came, by the event loop's clock; None for now.
        """
        deadline = self.deadline + (asyncio.get_running_loop().time() if began is None else began)
        try:
            async with asyncio.timeout_at(deadline):
                keys = await self._keys.get(app_id)
        except Exception as error:  # noqa: BLE001 - whatever the loading of keys raises
            logger.error("Turned away, since the apps' keys are not known: %r", error)  # noqa: TRY400 - as above
            return TROUBLE
        admitted = self.endpoint.admit(app_id, keys, headers, body)
        if isinstance(admitted, Answer):
            return admitted
        return await self.keep(admitted, deadline)

    async def keep(self, delivery: Delivery, deadline: float) -> Answer:
        """Keep what was let in, and answer it.

        Args:
            delivery: The click or the event.
            deadline: By the event loop's clock.
        """
        key = (delivery.app_id, delivery.event_id)
        if key in self._kept:
            logger.info("Known already: %s.", delivery.event_id)
            return self.endpoint.settle(delivery)
        try:
            where = await store_first(self._sinks, delivery, patience=self._patience, deadline=deadline)
        except NotStoredError as error:
            logger.error("Not kept, and said so: %s (%s)", delivery.event_id, error)  # noqa: TRY400 - all is said
            return self.endpoint.failed(delivery)
        logger.debug("Kept %s in %s.", delivery.event_id, where)
        self._kept[key] = None
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return self.endpoint.settle(delivery, await self._handled(delivery, deadline))

    async def _handled(self, delivery: Delivery, deadline: float) -> object:
        """What the handler answers; None if there is none, or it does not."""
        if self._handler is None or not isinstance(delivery, CardClick):
            return None
        try:
            left = deadline - asyncio.get_running_loop().time()
            return await handlers.run(self._handler, delivery, left)
        except Exception as error:
            why = "was too slow" if isinstance(error, TimeoutError) else "failed"
            logger.exception("The handler %s with %s.", why, delivery.event_id)
            return None
