"""The gateway: what Lark sends is stored first, and answered in time whatever happens.

Lark waits 3 seconds, and never repeats a click. So the answer is "received" only once the click is stored; if
no sink stores it in time, the answer says so, and the user can click again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from lark_provider.callbacks.http import handlers
from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.http.endpoint import Endpoint
from lark_provider.callbacks.http.handlers import ClickHandler
from lark_provider.callbacks.http.keys import KeyRing
from lark_provider.callbacks.http.questions import QuestionLookup
from lark_provider.callbacks.http.responding import FRESH_KEYS_SECONDS, admit
from lark_provider.callbacks.http.sinks import NotStoredError, Sink, store_first
from lark_provider.callbacks.probes.readiness import Readiness
from lark_provider.protocol.callbacks import CardClick, Delivery, get_kind, make_log_fields
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support import measured
from lark_provider.support.throttle import Throttle

logger = logging.getLogger(__name__)

SINK_SECONDS = 0.8
DEADLINE = 2.5
STORING_SECONDS = 1.0
"""How much of the deadline is reserved for storing a click, however long its keys were reloaded."""
_MAX_STORED = 10_000


class Gateway:
    """Takes what comes to the callback URLs of any number of apps, for any web server.

    Args:
        keys: The apps' keys, which may change; see `KeyRing`.
        sinks: Store clicks and events, in the order of preference.
        handler: Called with each click once it is stored; what it returns is the answer. A function, a
            coroutine function, or where to import it from. Without one, and where it fails or is too slow,
            a default answer is given.
        endpoint: The rules.
        questions: Looks up whether the question that a click answers is over, to answer so.
        sink_timeout: Seconds after which the next sink is tried as well.
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
        questions: QuestionLookup | None = None,
        sink_timeout: float = SINK_SECONDS,
        deadline: float = DEADLINE,
    ) -> None:
        if not sinks:
            raise ConfigurationError(
                "There is no place to store clicks and events. Next: set LARK_DATABASE_URL or "
                "POSTGRES_HOST for a database, RABBITMQ_URL or RABBITMQ_HOST for RabbitMQ, or both."
            )
        self.endpoint = endpoint or Endpoint()
        self.deadline = deadline
        self.keys = keys
        self._sinks, self._sink_timeout = tuple(sinks), sink_timeout
        self._questions = questions
        self._handler = None if handler is None else handlers.load(handler)
        self._readiness = Readiness(self._sinks)
        self._failures = Throttle()
        self._stored: OrderedDict[tuple[str | None, str], None] = OrderedDict()

    def ready(self) -> dict[str, bool]:
        """Return which sinks can store a click, by their names, as last proved by `run`, without I/O."""
        return self._readiness.get_readiness()

    async def run(self) -> None:
        """Prove the sinks, and log refused requests, until cancelled. `app.application` runs this."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._readiness.run())
            group.create_task(self.endpoint.refusals.run())
            group.create_task(self.endpoint.handler_failures.run())
            group.create_task(self._failures.run())

    async def answer(
        self, app_id: str, headers: Mapping[str, str], body: bytes, began: float | None = None
    ) -> Answer:
        """Answer a request, within the deadline.

        Args:
            app_id: The app's id, as the URL has it.
            headers: The request's headers; the case of their names does not matter.
            body: The raw bytes of the request's body.
            began: When the request arrived, in seconds of the event loop's clock; None for now.
        """
        deadline = self.deadline + (asyncio.get_running_loop().time() if began is None else began)
        waiting = min(FRESH_KEYS_SECONDS, deadline - asyncio.get_running_loop().time() - STORING_SECONDS)
        try:
            async with asyncio.timeout_at(deadline):
                admitted = await admit(self.endpoint, self.keys, app_id, headers, body, waiting)
        except TimeoutError:  # Loading the keys has shorter limits of its own.
            return self.endpoint.answer_overdue()
        if isinstance(admitted, Answer):
            return admitted
        return await self.accept(admitted, deadline)

    async def accept(self, delivery: Delivery, deadline: float) -> Answer:
        """Store a delivery that was admitted, and answer it.

        Args:
            delivery: The click or the event.
            deadline: By the event loop's clock.
        """
        app, kind = delivery.app_id or measured.UNKNOWN, get_kind(delivery)
        measured.RECEIVED.add(app, kind)
        measured.NOT_STORED.add(app, kind, amount=0)  # Shown as 0, so that the first failure is an increase.
        is_new = (delivery.app_id, delivery.event_id) not in self._stored
        try:
            if is_new:
                where = await store_first(
                    self._sinks, delivery, sink_timeout=self._sink_timeout, deadline=deadline
                )
                measured.STORED.add(app, kind, where)
                self._note_stored(delivery, where)
            else:
                measured.DUPLICATES.add("gateway")
                logger.debug("Duplicate ignored", extra=make_log_fields(delivery))
        except NotStoredError as error:
            measured.NOT_STORED.add(app, kind)
            self._note_failed(delivery, str(error))
            answer = self.endpoint.answer_not_stored(delivery)
        else:
            answer = self.endpoint.answer_stored(
                delivery, await self._obtain_answer(delivery, deadline, is_new=is_new)
            )
        began = deadline - self.deadline
        measured.ANSWER_SECONDS.observe(asyncio.get_running_loop().time() - began, kind)
        return answer

    def _note_stored(self, delivery: Delivery, where: str) -> None:
        self._readiness.note_proof(where)
        logger.debug("Click or event stored", extra={**make_log_fields(delivery), "sink": where})
        self._stored[delivery.app_id, delivery.event_id] = None
        if len(self._stored) > _MAX_STORED:
            self._stored.popitem(last=False)

    def _note_failed(self, delivery: Delivery, reason: str) -> None:
        """Log a delivery that was not stored, once a minute with a count: an outage fails every one."""
        self._failures.log(
            logger.error,
            "Failed to persist the delivery; returned an error to Lark",
            extra={**make_log_fields(delivery), "error": reason},
        )

    async def _obtain_answer(self, delivery: Delivery, deadline: float, *, is_new: bool) -> object:
        """Return the handler's answer to a new click, else that of its question; None for the default one."""
        if not isinstance(delivery, CardClick):
            return None
        answer: object = None
        if self._handler is not None and is_new:
            try:
                left = deadline - asyncio.get_running_loop().time()
                answer = await handlers.run(self._handler, delivery, left)
            except Exception as error:  # noqa: BLE001 - whatever the handler raises
                self.endpoint.handler_failures.note(delivery, error)
        if self._questions is not None and answer is None:
            answer = await self._questions.answer(delivery, deadline)
        return answer
