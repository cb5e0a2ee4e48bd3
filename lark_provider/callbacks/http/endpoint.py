"""What happens at a callback URL, whatever serves it: requests are admitted or refused, and answered."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from lark_provider.callbacks.http.answers import Answer, toast
from lark_provider.callbacks.http.handler_failures import HandlerFailures
from lark_provider.callbacks.http.key_ring import KeyRing, Keys
from lark_provider.callbacks.http.refusals import Refusals
from lark_provider.protocol.callbacks import (
    MAX_BODY_BYTES,
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Challenge,
    Delivery,
    Incoming,
    kind_of,
    log_ids,
    receive,
)
from lark_provider.protocol.waits import may_answer
from lark_provider.support import measured

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Delivery], bytes | Awaitable[bytes | None] | None]
"""Takes a click or an event. A body that `toast` or `card_update` made answers a click."""

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
TOO_LARGE = Answer(413, b'{"msg":"refused"}')
TOO_SLOW = Answer(408, b'{"msg":"refused"}')
UNAVAILABLE = Answer(503, b'{"msg":"try again"}')
DOUBT_SECONDS = 1.5
"""How long a request that the known keys refuse waits for fresh ones; Lark waits 3 seconds for all of it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The rules of a callback URL.

    Attributes:
        accept_old_cards: Also take `card.action.trigger_v1`. Such clicks are answered with `{}`, or with the
            card that is to be shown.
        max_bytes: Larger bodies are refused.
        received: The default answer to a click.
        clock: Seconds since the epoch.
        refusals: Counts and logs refused requests.
        handler_failures: Counts and logs what handlers raise.
    """

    accept_old_cards: bool = False
    max_bytes: int = MAX_BODY_BYTES
    received: bytes = RECEIVED
    clock: Callable[[], float] = time.time
    refusals: Refusals = field(default_factory=Refusals, init=False, compare=False, repr=False)
    handler_failures: HandlerFailures = field(
        default_factory=HandlerFailures, init=False, compare=False, repr=False
    )

    def admit(
        self, app_id: str, keys: CallbackKeys | None, headers: Mapping[str, str], body: bytes
    ) -> Answer | Delivery:
        """Admit a request, or answer it at once: a challenge, or one that is refused.

        Args:
            app_id: As the URL has it.
            keys: Of that app; None if it is unknown or disabled.
            headers: In any case.
            body: The raw bytes.
        """
        try:
            return self.judge(keys, headers, body)
        except CallbackRefusedError as error:
            return self.refuse(app_id, error)

    def judge(self, keys: CallbackKeys | None, headers: Mapping[str, str], body: bytes) -> Answer | Delivery:
        """Admit a request as `admit` does, but raise where it is refused.

        Raises:
            CallbackRefusedError: It is refused; `doubtful` if newer keys could change that.
        """
        if keys is None:
            raise CallbackRefusedError(
                "The app must be known and active, got one that is unknown or disabled. Next: if it is "
                "yours, add it, or its keys, to the registry.",
                status=UNKNOWN.status,
                doubtful=True,
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

    def overdue(self) -> Answer:
        """Count a request that was not judged in time, and answer it so that Lark repeats an event."""
        reason = (
            "The request must be judged in time, and was not: the gateway is overloaded. Next: start more "
            "gateways, or give this one more CPU."
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
            return Answer(200, answer)
        if answer is not None:
            logger.error(
                "Handler returned an unusable value. Next: return a toast, a card_update or None.",
                extra={"type": type(answer).__name__, **log_ids(delivery)},
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


class AppKeys(Protocol):
    """Look up the keys of an app for one request: they may be loaded meanwhile, and be replaced."""

    async def get(self, app_id: str) -> CallbackKeys | None:
        """Return the keys of an app; None if it is unknown or disabled."""

    async def newer(self, app_id: str, known: CallbackKeys | None, seconds: float) -> CallbackKeys | None:
        """Return the keys as they are now, for a request that the known ones refuse."""


class _FixedKeys:
    """Keys that do not change.

    Args:
        keys: The keys of each app, by its id.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def get(self, app_id: str) -> CallbackKeys | None:
        return self._keys.get(app_id)

    async def newer(self, _app_id: str, known: CallbackKeys | None, _seconds: float) -> CallbackKeys | None:
        return known


class _BlockingKeys:
    """A ring of keys in a thread that may block: nothing suspends.

    Args:
        ring: The keys.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def get(self, app_id: str) -> CallbackKeys | None:
        return self._ring.get_blocking(app_id)

    async def newer(self, app_id: str, known: CallbackKeys | None, _seconds: float) -> CallbackKeys | None:
        return self._ring.newer_blocking(app_id, known)


async def admit(
    endpoint: Endpoint,
    keys: AppKeys,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
    seconds: float = DOUBT_SECONDS,
) -> Answer | Delivery:
    """Judge a request by the keys of its app, and again by fresh ones if the known ones refuse it.

    Args:
        endpoint: The rules.
        keys: The apps' keys.
        app_id: As the URL has it.
        headers: In any case.
        body: The raw bytes.
        seconds: How long to wait for fresh keys.

    Returns:
        A delivery that is admitted; else the answer: to a challenge, to a request that is refused, or to one
        that cannot be judged, since the keys could not be loaded.
    """
    try:
        known = await keys.get(app_id)
        try:
            return endpoint.judge(known, headers, body)
        except CallbackRefusedError as error:
            newer = await keys.newer(app_id, known, seconds) if error.doubtful else known
            if newer == known:
                return endpoint.refuse(app_id, error)
        return endpoint.admit(app_id, newer, headers, body)
    except Exception as error:  # noqa: BLE001 - whatever the loading of keys raises
        return endpoint.answer_without_keys(error)


def respond(
    endpoint: Endpoint,
    keys: Keys | KeyRing,
    handler: Handler,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer a request with a handler's help. The handler has some two seconds.

    Args:
        endpoint: The rules.
        keys: The apps' keys: fixed, or a `KeyRing` where they may change.
        handler: A plain function; called with each click and event, again when Lark repeats an event.
        app_id: As the URL has it.
        headers: In any case.
        body: The raw bytes.
    """

    async def call(delivery: Delivery) -> object:
        return handler(delivery)

    known = _BlockingKeys(keys) if isinstance(keys, KeyRing) else _FixedKeys(keys)
    responding = _respond(endpoint, known, call, app_id, headers, body)
    # Nothing in it suspends, so it needs no event loop: its first step is its last.
    try:
        responding.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise RuntimeError("A blocking response must end in one step, got one that waits. Next: report this.")


async def arespond(
    endpoint: Endpoint,
    keys: Keys | KeyRing,
    handler: Handler,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer a request with the help of a handler that may be a coroutine function; see `respond`."""

    async def call(delivery: Delivery) -> object:
        answer = handler(delivery)
        return await answer if inspect.isawaitable(answer) else answer

    known = keys if isinstance(keys, KeyRing) else _FixedKeys(keys)
    return await _respond(endpoint, known, call, app_id, headers, body)


async def _respond(
    endpoint: Endpoint,
    keys: AppKeys,
    call: Callable[[Delivery], Awaitable[object]],
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    admitted = await admit(endpoint, keys, app_id, headers, body)
    if isinstance(admitted, Answer):
        return admitted
    kind = kind_of(admitted)
    measured.RECEIVED.add(admitted.app_id or measured.UNKNOWN, kind)
    began = time.monotonic()
    try:
        return endpoint.answer_stored(admitted, await call(admitted))
    except Exception as error:  # noqa: BLE001 - whatever the handler raises
        endpoint.handler_failures.note(admitted, error)
        return endpoint.answer_not_stored(admitted)
    finally:
        measured.ANSWER_SECONDS.observe(time.monotonic() - began, kind)
