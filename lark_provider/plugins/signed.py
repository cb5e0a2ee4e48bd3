"""Requests of the bridge to the plugin, which are proven by an HMAC over all that is delivered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from lark_provider.plugins.asgi import get_header, read_body, send_json
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.proof import (
    EVENT_HEADER,
    MAX_BODY_BYTES,
    SIGNATURE_HEADER,
    TIME_HEADER,
    BridgeSecrets,
)
from lark_provider.support.throttle import Throttle

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiReceive, AsgiScope, AsgiSend
    from lark_provider.protocol.commands.delivery import CommandResult
    from lark_provider.protocol.hitl.delivery import ClickResult

MAX_AT_ONCE = 4
"""Clicks and commands that a process works on at once: Airflow's pool of connections is for its own users."""
_RETRY_AFTER = 2

D = TypeVar("D")


class Turns:
    """Limits how many of the bridge's deliveries a process works on at once. For one event loop.

    No delivery waits here: the bridge delivers again what was refused.
    """

    def __init__(self) -> None:
        self._running = 0

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Take a turn until the end of the block; False if none is free."""
        is_free = self._running < MAX_AT_ONCE
        self._running += is_free
        try:
            yield is_free
        finally:
            self._running -= is_free


class SignedRequest(NamedTuple):
    """A request. Unless it is proven, nothing but the proof may be read.

    Attributes:
        name: The id that the proof names: that of the event or of the message.
        body: What is delivered.
        is_proven: Whether the bridge has signed both.
        client: The address that it came from; empty if that is not known.
    """

    name: str
    body: bytes
    is_proven: bool
    client: str


class Refused(NamedTuple):
    """Why nothing is done about a request.

    Attributes:
        outcome: `unproven`, or `invalid` for a request that is proven but cannot be read.
        reason: What cannot be read in a request that is proven; else empty.
    """

    outcome: Literal["unproven", "invalid"]
    reason: str = ""


class RefusalLog:
    """Logs the requests to one endpoint that are refused.

    Anyone who reaches the port can send thousands without a valid signature, so those are logged once a
    minute for each address, with a count.

    Args:
        log_unproven: Logs a request that the bridge has not signed. Takes the address that it came from, and
            how many others from there were suppressed.
        log_unreadable: Logs a request that the bridge has signed and that cannot be read. Takes the reason.
    """

    def __init__(
        self, log_unproven: Callable[[str, int], None], log_unreadable: Callable[[str], None]
    ) -> None:
        self._log_unproven, self._log_unreadable = log_unproven, log_unreadable
        self._throttle = Throttle()

    def flush(self) -> None:
        """Log the counts that are due."""
        self._throttle.flush()

    def note(self, request: SignedRequest, refused: Refused) -> None:
        """Log a refused request, unless a line about its address is not due yet.

        Args:
            request: The request.
            refused: Why nothing is done about it.
        """
        if not request.is_proven:
            log = partial(self._log_unproven, request.client)
            self._throttle.note(request.client, log)
        elif refused.outcome == "invalid":
            self._log_unreadable(refused.reason)


async def receive_signed(
    scope: AsgiScope, receive: AsgiReceive, send: AsgiSend, secrets: BridgeSecrets, path: str
) -> SignedRequest | None:
    """Receive a request; None if it was answered here, since no bridge sends such a request.

    Args:
        scope: The request.
        receive: Receives its body.
        send: Sends the answer.
        secrets: The secrets of the bridge.
        path: Where the bridge has sent it, which is part of the proof.
    """
    if scope["method"] != "POST":
        await send_json(send, 405, "{}", {"allow": "POST"})
        return None
    body = await read_body(scope, receive, MAX_BODY_BYTES)
    if isinstance(body, int):
        await send_json(send, body, "{}")
        return None
    name, at, signature = (
        get_header(scope, header_name) for header_name in (EVENT_HEADER, TIME_HEADER, SIGNATURE_HEADER)
    )
    is_proven = secrets.prove(scope["method"], path, at, name, body, signature, now=time.time())
    return SignedRequest(name, body, is_proven, (scope.get("client") or ("",))[0])


def read_signed(
    request: SignedRequest, read: Callable[[bytes], D], name_of: Callable[[D], str]
) -> D | Refused:
    """Return what a request delivers, or why nothing is done about it.

    Args:
        request: The request.
        read: Reads a body that is proven; raises InvalidRequestError if it cannot.
        name_of: Returns the id that the proof of such a delivery names.
    """
    if not request.is_proven:
        return Refused("unproven")
    try:
        delivered = read(request.body)
    except InvalidRequestError as error:
        return Refused("invalid", str(error))
    return delivered if name_of(delivered) == request.name else Refused("unproven")


async def send_result(send: AsgiSend, result: ClickResult | CommandResult) -> None:
    """Answer the bridge.

    Args:
        send: Sends the answer.
        result: The outcome of its request. A sender without a valid proof gets nothing but the status.
    """
    more = {} if result.is_final else {"retry-after": str(_RETRY_AFTER)}
    await send_json(send, result.status, "{}" if result.outcome == "unproven" else result.dump(), more)
