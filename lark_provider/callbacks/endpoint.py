"""What happens at a callback URL, whatever serves it: refuse, or hand on, and then answer."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lark_provider.callbacks.answers import Answer, toast
from lark_provider.callbacks.keys import Keys
from lark_provider.protocol.callbacks import (
    MAX_BODY_BYTES,
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Challenge,
    Delivery,
    Incoming,
    receive,
)
from lark_provider.protocol.waits import may_answer

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Delivery], bytes | Awaitable[bytes | None] | None]
"""What is done with a click or an event. What `toast` or `card_update` made answers a click."""

RECEIVED = toast("success", "已收到 / Received", {"zh_cn": "已收到", "en_us": "Received"})
STRANGER = toast(
    "warning",
    "此卡片不由您处理 / Not yours to answer",
    {"zh_cn": "此卡片不由您处理", "en_us": "Not yours to answer"},
)
FAILED = toast(
    "error",
    "未能记录, 请稍后再试 / Not recorded, please try again",
    {"zh_cn": "未能记录, 请稍后再试", "en_us": "Not recorded, please try again"},
)
UNKNOWN = Answer(404, b'{"msg":"not found"}')
TOO_LARGE = Answer(413, b'{"msg":"refused"}')
TOO_SLOW = Answer(408, b'{"msg":"refused"}')
TROUBLE = Answer(503, b'{"msg":"try again"}')


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The rules of a callback URL.

    Attributes:
        accept_old_cards: Also take `card.action.trigger_v1`. Such clicks are answered with `{}`, or with the
            card that is to be shown.
        max_bytes: Larger bodies are refused.
        received: What a click is answered with when nobody else has an answer.
        clock: Seconds since the epoch.
    """

    accept_old_cards: bool = False
    max_bytes: int = MAX_BODY_BYTES
    received: bytes = RECEIVED
    clock: Callable[[], float] = time.time

    def admit(
        self, app_id: str, keys: CallbackKeys | None, headers: Mapping[str, str], body: bytes
    ) -> Answer | Delivery:
        """Let a request in, or answer it at once: a challenge, or what is refused.

        Args:
            app_id: As the URL has it.
            keys: That app's; None if it is none of ours.
            headers: In any case.
            body: The raw bytes.
        """
        if keys is None:
            logger.warning("Refused with 404: %.80r is no app of ours.", app_id)
            return UNKNOWN
        try:
            received = receive(
                Incoming(headers, body),
                keys,
                self.clock(),
                accept_old_cards=self.accept_old_cards,
                max_bytes=self.max_bytes,
            )
        except CallbackRefusedError as error:
            logger.warning("Refused with %d for %s: %s", error.status, keys.app_id, error)
            return Answer(error.status, b'{"msg":"refused"}')
        if isinstance(received, Challenge):
            logger.info("Answered a challenge for %s.", keys.app_id)
            return Answer(200, received.answer)
        return received

    def settle(self, delivery: Delivery, answer: object = None) -> Answer:
        """Answer what was taken care of.

        Args:
            delivery: The click or the event.
            answer: What a handler returned.
        """
        if not isinstance(delivery, CardClick):
            return Answer(200)
        if isinstance(answer, bytes):
            return Answer(200, answer)
        if answer is not None:
            logger.error(
                "The handler returned a %s. Next: return what toast or card_update returns, or None.",
                type(answer).__name__,
            )
        if delivery.is_old:
            return Answer(200)
        return Answer(200, self.received if may_answer(delivery) else STRANGER)

    def failed(self, delivery: Delivery) -> Answer:
        """Answer what could not be taken care of: Lark repeats events, and people their clicks.

        Args:
            delivery: The click or the event.
        """
        if isinstance(delivery, CardClick) and not delivery.is_old:
            return Answer(200, FAILED)
        return TROUBLE


def respond(
    endpoint: Endpoint,
    keys: Keys,
    handler: Handler,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer a request with a handler's help. The handler has some two seconds.

    Args:
        endpoint: The rules.
        keys: Whose requests are let in.
        handler: A plain function; called with each click and event, again when Lark repeats an event.
        app_id: As the URL has it.
        headers: In any case.
        body: The raw bytes.
    """
    admitted = endpoint.admit(app_id, keys.get(app_id), headers, body)
    if isinstance(admitted, Answer):
        return admitted
    try:
        return endpoint.settle(admitted, handler(admitted))
    except Exception:
        logger.exception("The handler failed with %s.", admitted.event_id)
        return endpoint.failed(admitted)


async def arespond(
    endpoint: Endpoint,
    keys: Keys,
    handler: Handler,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer a request with the help of a handler that may be a coroutine function; see `respond`."""
    admitted = endpoint.admit(app_id, keys.get(app_id), headers, body)
    if isinstance(admitted, Answer):
        return admitted
    try:
        answer = handler(admitted)
        return endpoint.settle(admitted, await answer if inspect.isawaitable(answer) else answer)
    except Exception:
        logger.exception("The handler failed with %s.", admitted.event_id)
        return endpoint.failed(admitted)
