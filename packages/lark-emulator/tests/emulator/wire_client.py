"""A client of the long connection, for tests: it does what it is told, and nothing by itself."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
from lark_emulator.websocket.frames import CONTROL, Frame, decode, encode
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.sync.client import connect

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from lark_emulator import Emulator

SECONDS = 30.0
"""For how long a test waits for what has to come; never what it shows."""


def discover(lark: Emulator, app_id: str | None = None, secret: str | None = None) -> Any:
    """Ask for an address, and return the answer."""
    body = {"AppID": app_id or lark.app_id, "AppSecret": secret or lark.app_secret}
    return httpx.post(f"{lark.base_url}/callback/ws/endpoint", json=body, headers={"locale": "zh"}).json()


def discover_url(lark: Emulator, **app: Any) -> str:
    return str(discover(lark, **app)["data"]["URL"])


class Wire:
    """One long connection."""

    def __init__(self, lark: Emulator, url: str | None = None, **app: Any) -> None:
        url = url or discover_url(lark, **app)
        self.ids = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.connection_id = self.ids["device_id"]
        self.socket = connect(url, max_size=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, frame: Frame) -> None:
        self.socket.send(encode(frame))

    def take(self) -> Frame:
        """Return the next frame."""
        message = self.socket.recv(timeout=SECONDS)
        assert isinstance(message, bytes)
        return decode(message)

    def ping(self) -> Frame:
        """Ping, and return the answer."""
        self.send(Frame(CONTROL, (("type", "ping"),), service=int(self.ids["service_id"])))
        return self.take()

    def ack(self, frame: Frame, code: int = 200, said: Any = None, **changes: Any) -> None:
        """Acknowledge a message.

        Args:
            frame: what is acknowledged.
            code: of the acknowledgement.
            said: the answer, as JSON.
            changes: members of the frame that differ.
        """
        content: dict[str, Any] = {"code": code, "headers": None, "data": None}
        if said is not None:
            content["data"] = base64.b64encode(json.dumps(said).encode()).decode()
        answer = replace(
            frame, headers=(*frame.headers, ("biz_rt", "3")), payload=json.dumps(content).encode()
        )
        self.send(replace(answer, **changes))


class DeafWire:
    """A long connection over a bare socket: it reads only when it is told to."""

    def __init__(self, lark: Emulator, behind: bytes = b"") -> None:
        parts = urlsplit(discover_url(lark))
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that little is on its way
        self.socket.settimeout(SECONDS)
        self.socket.connect((parts.hostname, parts.port))
        head = (
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
        )
        self.socket.sendall(head.encode() + behind)
        self.answer = b""
        while b"\r\n\r\n" not in self.answer:
            self.answer += self.socket.recv(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def mask_frame(data: bytes, opcode: Any = Opcode.BINARY, *, fin: bool = True) -> bytes:
    """Return a WebSocket frame as a client sends it."""
    return WireFrame(opcode, data, fin).serialize(mask=True)


PING = encode(Frame(CONTROL, (("type", "ping"),)))
