"""Read ASGI requests and send answers, as far as the plugin's endpoints need it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

AsgiScope: TypeAlias = MutableMapping[str, Any]
AsgiMessage: TypeAlias = MutableMapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
AsgiSend: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]
AsgiApplication: TypeAlias = Callable[[AsgiScope, AsgiReceive, AsgiSend], Awaitable[None]]

BODY_SECONDS = 10.0
"""How long a client may take to send a body."""


def get_path(scope: AsgiScope) -> str:
    """Return a request's path below where the plugin is mounted.

    Args:
        scope: The request.
    """
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def get_header(scope: AsgiScope, name: str) -> str:
    """Return a header of a request; empty if it is missing, or was sent twice.

    Args:
        scope: The ASGI scope of the request.
        name: The header's name; its case does not matter.
    """
    wanted = name.lower().encode()
    values = [value for key, value in scope["headers"] if key.lower() == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else ""


async def read_body(scope: AsgiScope, receive: AsgiReceive, limit: int) -> bytes | int:
    """Return a request's body, or the HTTP status of why it is refused.

    Args:
        scope: The request.
        receive: Receives its body.
        limit: The most bytes that it may have; a longer body is not read to its end.
    """
    length = get_header(scope, "content-length")
    if length and not (length.isascii() and length.isdigit() and int(length[:20]) <= limit):
        return 413
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return 400
                body += bytes(message.get("body", b""))
                if len(body) > limit:
                    return 413
                if not message.get("more_body", False):
                    return body
    except TimeoutError:
        return 408


async def send_json(send: AsgiSend, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
    """Send an answer.

    Args:
        send: Sends it.
        status: The HTTP status.
        text: JSON.
        headers: More headers.
    """
    body = text.encode()
    all_headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **(headers or {}),
    }
    sent = [(name.encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
