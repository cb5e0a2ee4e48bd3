"""Answer the requests to a callback URL, with a handler's help, in plain and in asynchronous servers."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.http.endpoint import Endpoint
from lark_provider.callbacks.http.key_ring import KeyRing, KeysByApp
from lark_provider.protocol.callbacks import (
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Delivery,
    get_kind,
    make_log_fields,
)
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support import measured

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Delivery], bytes | Awaitable[bytes | None] | None]
"""Takes a click or an event. A body that `toast` or `card_update` made answers a click."""

FRESH_KEYS_SECONDS = 1.5
"""How long a request that the known keys refuse waits for fresh ones; Lark waits 3 seconds for all of it."""


class AppKeys(Protocol):
    """Look up the keys of an app for one request: they may be loaded meanwhile, and be replaced."""

    async def get(self, app_id: str) -> CallbackKeys | None:
        """Return the keys of an app; None if it is unknown or disabled."""

    async def get_fresh(self, app_id: str, known: CallbackKeys | None, seconds: float) -> CallbackKeys | None:
        """Return the keys as they are now, for a request that the known ones refuse."""


class _FixedKeys:
    """Keys that do not change.

    Args:
        keys: The keys of each app, by its id.
    """

    def __init__(self, keys: KeysByApp) -> None:
        self._keys = keys

    async def get(self, app_id: str) -> CallbackKeys | None:
        return self._keys.get(app_id)

    async def get_fresh(
        self, _app_id: str, known: CallbackKeys | None, _seconds: float
    ) -> CallbackKeys | None:
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

    async def get_fresh(
        self, app_id: str, known: CallbackKeys | None, _seconds: float
    ) -> CallbackKeys | None:
        return self._ring.get_fresh_blocking(app_id, known)


async def admit(
    endpoint: Endpoint,
    keys: AppKeys,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
    seconds: float = FRESH_KEYS_SECONDS,
) -> Answer | Delivery:
    """Judge a request by the keys of its app, and again by fresh ones if the known ones refuse it.

    Args:
        endpoint: The rules for admitting requests.
        keys: The apps' keys.
        app_id: The app's id, as the URL has it.
        headers: The request's headers; the case of their names does not matter.
        body: The raw bytes of the request's body.
        seconds: How long to wait for fresh keys, in seconds.

    Returns:
        A delivery that is admitted; else the answer: to a challenge, to a request that is refused, or to one
        that cannot be judged, since the keys could not be loaded.
    """
    try:
        known = await keys.get(app_id)
        try:
            return endpoint.judge(known, headers, body)
        except CallbackRefusedError as error:
            fresh = await keys.get_fresh(app_id, known, seconds) if error.may_be_stale else known
            if fresh == known:
                return endpoint.refuse(app_id, error)
        return endpoint.admit(app_id, fresh, headers, body)
    except Exception as error:  # noqa: BLE001 - whatever the loading of keys raises
        return endpoint.answer_without_keys(error)


def respond(
    endpoint: Endpoint,
    keys: KeysByApp | KeyRing,
    handler: Handler,
    app_id: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Answer:
    """Answer a request with a handler's help. The handler has some two seconds.

    Args:
        endpoint: The rules for admitting requests.
        keys: The apps' keys: fixed, or a `KeyRing` where they may change.
        handler: A plain function; called with each click and event, again when Lark repeats an event. A click
            that comes again once it was handled gets the same answer, without the handler.
        app_id: The app's id, as the URL has it.
        headers: The request's headers; the case of their names does not matter.
        body: The raw bytes of the request's body.
    """

    async def call(delivery: Delivery) -> object:
        answer = handler(delivery)
        if inspect.iscoroutine(answer):
            answer.close()  # It cannot be awaited here; without this, Python warns that it was not.
            raise ConfigurationError(
                "The handler must be a plain function, got one that returned a coroutine, which was not run. "
                "Next: pass a plain one, or in Django the coroutine function itself."
            )
        return answer

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
    keys: KeysByApp | KeyRing,
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
    kind = get_kind(admitted)
    measured.RECEIVED.add(admitted.app_id or measured.UNKNOWN, kind)
    began = time.monotonic()
    try:
        return await _handle(endpoint, call, admitted)
    except Exception as error:  # noqa: BLE001 - whatever the handler raises
        endpoint.handler_failures.note(admitted, error)
        return endpoint.answer_not_stored(admitted)
    finally:
        measured.ANSWER_SECONDS.observe(time.monotonic() - began, kind)


async def _handle(
    endpoint: Endpoint, call: Callable[[Delivery], Awaitable[object]], delivery: Delivery
) -> Answer:
    """Return the handler's answer to a delivery; to a click that it has handled, the same one again."""
    if not isinstance(delivery, CardClick):
        return endpoint.answer_stored(delivery, await call(delivery))
    key = (delivery.app_id, delivery.event_id)
    answer = endpoint.answered.get(key)
    if answer is None:
        answer = endpoint.answer_stored(delivery, await call(delivery))
        # Only now: a click that failed, or that is still being handled, is handled when it comes again.
        endpoint.answered.put(key, answer)
    else:
        logger.debug("Duplicate ignored", extra=make_log_fields(delivery))
    return answer
