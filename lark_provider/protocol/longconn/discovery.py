"""Ask Lark where to connect: the URL of one connection, and the client's configuration.

The endpoint is `POST /callback/ws/endpoint`, which is not below `/open-apis`. The URL holds a ticket that
opens one connection, so each connection begins with this request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.tokens import App
from lark_provider.support.secret import Secret

PATH = "/callback/ws/endpoint"
_STEP = "check base_url and proxy: it seems that something other than Lark answers"


@dataclass(frozen=True, slots=True)
class Address:
    """The address of one connection.

    Attributes:
        url: The URL, which is secret, since it holds the ticket.
        service: The id of the service, which pings carry.
        config: The client's configuration, as Lark sent it.
    """

    url: str = field(repr=False)
    service: int
    config: dict[str, Any]

    @property
    def host(self) -> str:
        """The host of the URL, for logs."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


def call(app: App) -> Call[Any]:
    """Build the request.

    Args:
        app: The app, which must be a custom app.
    """
    return make_request(
        "POST",
        PATH,
        json={"AppID": app.app_id, "AppSecret": app.app_secret},
        headers={"locale": "zh"},
        safe=True,  # It changes nothing: a ticket that is not used expires.
        auth=False,
        secret=app.app_secret,
    )


def discover(app: App) -> Procedure[Address]:
    """Ask for the address of a connection.

    Args:
        app: The app.

    Raises:
        LarkAPIError: Lark refuses; `refusals` decides what to do then.
        TransportError: No answer came.
    """
    answer = yield from perform(call(app))
    return read(answer.data, is_encrypted=app.base_url.startswith("https:"))


def read(data: object, *, is_encrypted: bool) -> Address:
    """Read the answer.

    Args:
        data: The `data` of the answer.
        is_encrypted: Whether the request was encrypted; then the connection must be as well.

    Raises:
        LarkAPIError: It has no URL of a WebSocket.
    """
    content = data if isinstance(data, Mapping) else {}
    url, config = content.get("URL"), content.get("ClientConfig")
    schemes = {"wss"} if is_encrypted else {"wss", "ws"}
    if not isinstance(url, str) or not _is_address(url, schemes):
        raise LarkAPIError(
            f"POST {PATH} → the response has "
            f"{'an invalid URL' if isinstance(url, str) and url else 'no URL'}; "
            f"a {' or '.join(sorted(schemes))} URL with a host is required. Next: {_STEP}.",
            retryable=True,
        )
    text = parse_qs(urlsplit(url).query).get("service_id", [""])[-1]
    service = int(text) if text.isascii() and text.isdigit() else 0
    return Address(Secret(url), service & 0x7FFF_FFFF, dict(config) if isinstance(config, Mapping) else {})


def _is_address(url: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises for an invalid port.
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname)
