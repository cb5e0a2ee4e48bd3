"""The rules of a callback URL: which requests are admitted, and what each is answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from lark_provider.callbacks.http.answers import Answer, convert_to_old, toast
from lark_provider.callbacks.http.handler_failures import HandlerFailures
from lark_provider.callbacks.http.refusals import Refusals
from lark_provider.protocol.callbacks import (
    MAX_BODY_BYTES,
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Challenge,
    Delivery,
    Incoming,
    make_log_fields,
    receive,
)
from lark_provider.protocol.waits import may_answer
from lark_provider.support import measured
from lark_provider.support.bounded_cache import BoundedCache

logger = logging.getLogger(__name__)
_MAX_DIGITS = 18
_MAX_ANSWERED = 2_000

RECEIVED = toast("success", "已收到 / Received", {"zh_cn": "已收到", "en_us": "Received"})
NOT_ALLOWED = toast(
    "warning",
    "此卡片不由您处理 / Not yours to answer",
    {"zh_cn": "此卡片不由您处理", "en_us": "Not yours to answer"},
)
FAILED = toast(
    "error",
    "未能记录，请稍后再试 / Not recorded, please try again",
    {"zh_cn": "未能记录，请稍后再试", "en_us": "Not recorded, please try again"},
)
UNKNOWN = Answer(404, b'{"msg":"not found"}')
_TOO_LARGE = Answer(413, b'{"msg":"refused"}')
_TOO_SLOW = Answer(408, b'{"msg":"refused"}')
UNAVAILABLE = Answer(503, b'{"msg":"try again"}')


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The rules of a callback URL.

    Attributes:
        accept_old_cards: Also take `card.action.trigger_v1`. Such clicks are answered with `{}`, or with the
            card that is to be shown, out of a handler's `card_update`.
        max_bytes: Larger bodies are refused.
        received: The default answer to a click.
        clock: Seconds since the epoch.
        refusals: Counts and logs refused requests.
        handler_failures: Counts and logs what handlers raise.
        answered: The answers to the last clicks that a web framework's handler has handled, by app and event
            id. A signed click can be sent again for 5 minutes by whoever has recorded it, and for 10 if
            Lark's clock is ahead.
    """

    accept_old_cards: bool = False
    max_bytes: int = MAX_BODY_BYTES
    received: bytes = RECEIVED
    clock: Callable[[], float] = time.time
    refusals: Refusals = field(default_factory=Refusals, init=False, compare=False, repr=False)
    handler_failures: HandlerFailures = field(
        default_factory=HandlerFailures, init=False, compare=False, repr=False
    )
    answered: BoundedCache[tuple[str, str], Answer] = field(
        default_factory=partial(BoundedCache, _MAX_ANSWERED), init=False, compare=False, repr=False
    )

    def admit(
        self, app_id: str, keys: CallbackKeys | None, headers: Mapping[str, str], body: bytes
    ) -> Answer | Delivery:
        """Admit a request, or answer it at once: a challenge, or one that is refused.

        Args:
            app_id: The app's id, as the URL has it.
            keys: The app's keys; None if it is unknown or disabled.
            headers: The request's headers; the case of their names does not matter.
            body: The raw bytes of the request's body.
        """
        try:
            return self.judge(keys, headers, body)
        except CallbackRefusedError as error:
            return self.refuse(app_id, error)

    def judge(self, keys: CallbackKeys | None, headers: Mapping[str, str], body: bytes) -> Answer | Delivery:
        """Admit a request as `admit` does, but raise where it is refused.

        Raises:
            CallbackRefusedError: It is refused; `may_be_stale` if newer keys could change that.
        """
        if keys is None:
            raise CallbackRefusedError(
                "The app is unknown or disabled. Next: if it is yours, add it, or its keys, to the registry.",
                status=UNKNOWN.status,
                may_be_stale=True,
                reason="unknown_app",
            )
        received = receive(
            Incoming(headers, body),
            keys,
            self.clock(),
            accept_old_cards=self.accept_old_cards,
            max_bytes=self.max_bytes,
        )
        if isinstance(received, Challenge):
            measured.RECEIVED.add(keys.app_id, "challenge")
            logger.info("Challenge answered", extra={"app_id": keys.app_id})
            return Answer(200, received.answer)
        return received

    def refuse(self, app_id: str, error: CallbackRefusedError) -> Answer:
        """Count why a request is refused, and answer it.

        Args:
            app_id: As the URL has it.
            error: What `judge` raised.
        """
        is_ours = error.status != UNKNOWN.status
        self.refusals.note(error.status, str(error), app_id, is_ours=is_ours, word=error.reason)
        return Answer(error.status, b'{"msg":"refused"}') if is_ours else UNKNOWN

    def answer_without_keys(self, error: Exception) -> Answer:
        """Count a request that cannot be judged, and answer it so that Lark repeats an event.

        Args:
            error: What loading the keys raised.
        """
        text = f"The callback keys are not loaded: {error!r}"
        self.refusals.note(UNAVAILABLE.status, text, word="keys_unavailable")
        return UNAVAILABLE

    def answer_too_large(self) -> Answer:
        """Count a request whose body is larger than `max_bytes`, and answer it."""
        self.refusals.note(_TOO_LARGE.status, "The body is too large.", word="too_large")
        return _TOO_LARGE

    def answer_too_slow(self) -> Answer:
        """Count a request whose body did not come in time, and answer it."""
        self.refusals.note(_TOO_SLOW.status, "The body did not come in time.", word="too_slow")
        return _TOO_SLOW

    def answer_overdue(self) -> Answer:
        """Count a request that was not judged in time, and answer it so that Lark repeats an event."""
        reason = (
            "The request was not judged in time: the gateway is overloaded. Next: start more gateways, or "
            "give this one more CPU."
        )
        self.refusals.note(UNAVAILABLE.status, reason, word="overloaded")
        return UNAVAILABLE

    def answer_stored(self, delivery: Delivery, answer: object = None) -> Answer:
        """Answer a delivery that is stored or handled.

        Args:
            delivery: The click or the event.
            answer: What a handler returned.
        """
        if not isinstance(delivery, CardClick):
            return Answer(200)
        if isinstance(answer, bytes):
            return Answer(200, convert_to_old(answer) if delivery.is_old else answer)
        if answer is not None:
            logger.error(
                "Handler returned an unusable value",
                extra={
                    "type": type(answer).__name__,
                    "next": "return a toast, a card_update or None",
                    **make_log_fields(delivery),
                },
            )
        if delivery.is_old:
            return Answer(200)
        return Answer(200, self.received if may_answer(delivery) else NOT_ALLOWED)

    def answer_not_stored(self, delivery: Delivery) -> Answer:
        """Answer a delivery that is not stored or handled: Lark repeats events, and people their clicks.

        Args:
            delivery: The click or the event.
        """
        if isinstance(delivery, CardClick) and not delivery.is_old:
            return Answer(200, FAILED)
        return UNAVAILABLE


def announces_more(content_length: str, max_bytes: int) -> bool:
    """Return whether a request announces a body of more bytes than it may have.

    Args:
        content_length: The header; empty if there is none.
        max_bytes: How large the body may be.
    """
    # Python refuses to read a number of very many digits.
    is_number = content_length.isdecimal()
    return is_number and (len(content_length) > _MAX_DIGITS or int(content_length) > max_bytes)
