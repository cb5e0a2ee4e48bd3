"""Lark's side of a long connection: the endpoint that hands out addresses, and the WebSocket behind it."""

from __future__ import annotations

import base64
import json
import queue
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.callbacks.longconn.frames import CONTROL, DATA, Frame, decode

PATH = "/callback/ws/endpoint"
SECONDS = 30.0
"""For how long a test waits for what has to come; never what it shows."""
TICKET = "a-ticket-that-lets-in"
SERVICE = 33554678
PACE: dict[str, float] = {
    "ReconnectCount": -1,
    "ReconnectInterval": 0.1,
    "ReconnectNonce": 0,
    "PingInterval": 0.3,
}
_ids = count(1)


@dataclass(frozen=True)
class Reply:
    """What was answered to a click or an event."""

    code: int
    said: Any
    headers: dict[str, str]


class Link:
    """A connection, as the server has it."""

    def __init__(self, connection: ServerConnection, app_id: str, *, is_mute: bool) -> None:
        self.connection, self.app_id, self.is_mute = connection, app_id, is_mute
        self.pong: dict[str, Any] | None = None
        """What its pongs say."""
        self.pings = threading.Semaphore(0)
        self.closed = threading.Event()
        self._replies: dict[str, queue.Queue[Reply | None]] = {}

    def ask(self, content: Any, *, kind: str = "event", parts: int = 1) -> Reply:
        """Send a click or an event, and wait for the answer.

        Args:
            content: JSON, or raw bytes.
            kind: The frame's type.
            parts: In how many frames.
        """
        return self.answer(self.send(content, kind=kind, parts=parts))

    def send(
        self, content: Any, *, kind: str = "event", parts: int = 1, order: Callable[[list[bytes]], Any] = list
    ) -> str:
        """Send a click or an event.

        Args:
            content: As for `ask`.
            kind: As for `ask`.
            parts: As for `ask`.
            order: Brings the frames into the order in which they are sent, or leaves some out.

        Returns:
            Under which name `answer` finds what is answered.
        """
        name = f"message-{next(_ids)}"
        self._replies[name] = queue.Queue()
        data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        size = -(-len(data) // parts)
        frames = [
            Frame(
                DATA,
                {
                    "type": kind,
                    "message_id": name,
                    "trace_id": "trace",
                    "sum": str(parts),
                    "seq": str(part),
                },
                data[part * size : (part + 1) * size],
                seq_id=7,
                log_id=2**63 + 5,
                log_id_new="021700",
            ).encode()
            for part in range(parts)
        ]
        for frame in order(frames):
            self.connection.send(frame)
        return name

    def answer(self, name: str) -> Reply:
        """Wait for an answer."""
        reply = self._replies[name].get(timeout=SECONDS)
        assert reply is not None, "the connection was closed before the answer"
        return reply

    def wait_until_accepted(self, name: str) -> bool:
        """Wait until a message is answered or its connection is closed; return whether it was accepted."""
        reply = self._replies[name].get(timeout=SECONDS)
        return reply is not None and reply.code == 200

    def is_unanswered(self, name: str) -> bool:
        """Return whether a message has not been answered so far."""
        return self._replies[name].empty()

    def cut(self) -> None:
        """Break the connection without a word."""
        with suppress(OSError):
            self.connection.socket.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Take what the other side sends, until the connection is closed."""
        try:
            for message in self.connection:
                assert isinstance(message, bytes)
                self._take(decode(message))
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()
            for waiting in self._replies.values():
                waiting.put(None)

    def _take(self, frame: Frame) -> None:
        if frame.method == CONTROL:
            assert frame.headers == {"type": "ping"}
            assert (frame.seq_id, frame.log_id, frame.service) == (0, 0, SERVICE)
            if not self.is_mute:
                said = b"" if self.pong is None else json.dumps(self.pong).encode()
                self.connection.send(Frame(CONTROL, {"type": "pong"}, said).encode())
            self.pings.release()
            return
        waiting = self._replies.get(frame.headers.get("message_id", ""))
        if waiting is None:
            assert frame.payload == b'{"code":500}'  # the answer to what was no click and no event
            return
        assert (frame.seq_id, frame.log_id, frame.log_id_new) == (7, 2**63 + 5, "021700")
        reply = json.loads(frame.payload)
        shown = json.loads(base64.b64decode(reply["data"])) if "data" in reply else None
        waiting.put(Reply(reply["code"], shown, frame.headers))


@dataclass
class LarkSide:
    """What the server is like.

    Attributes:
        base_url: Its address.
        pace: What it tells clients.
        endpoint: What it answers who asks for an address: dicts and statuses, one after the other; a callable
            is called first. Then it answers as usual.
        handshakes: With which headers it refuses connections, one after the other. Then it lets them in.
        is_mute: Whether new connections get no answer to their pings.
        refused: What is answered to apps that are always refused, by their ids.
        secrets: The apps' secrets, where it matters.
        requests: Who asked for an address.
    """

    base_url: str = ""
    ws_url: str = ""
    pace: dict[str, Any] = field(default_factory=lambda: dict(PACE))
    endpoint: deque[Any] = field(default_factory=deque)
    handshakes: deque[Mapping[str, str]] = field(default_factory=deque)
    is_mute: bool = False
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    links: queue.Queue[Link] = field(default_factory=queue.Queue)

    def link(self, is_alive: Callable[[], bool] = lambda: True) -> Link:
        """Wait for a new connection, as long as a client can make one."""
        for _ in range(round(SECONDS * 10)):
            with suppress(queue.Empty):
                return self.links.get(timeout=0.1)
            assert is_alive(), "who listens has ended"
        raise AssertionError("nobody connects")

    def wait_for_links(self, *app_ids: str) -> dict[str, Link]:
        """Wait until each of some apps has a new connection."""
        links: dict[str, Link] = {}
        while links.keys() != set(app_ids):
            link = self.link()
            assert link.app_id in app_ids, f"nobody expected {link.app_id}"
            links[link.app_id] = link
        return links

    def address(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer who asks for an address."""
        self.requests.append(request)
        app_id = request["AppID"]
        answer: Any = self.endpoint.popleft() if self.endpoint else self.refused.get(app_id)
        if answer is None and self.secrets.get(app_id, request["AppSecret"]) != request["AppSecret"]:
            answer = {"code": 1000040345, "msg": "app_id or app_secret is wrong"}
        if callable(answer):
            answer = answer()
        if isinstance(answer, int):
            return answer, {"msg": "no"}
        if answer is not None:
            return 200, answer
        ticket = f"{TICKET}-{next(_ids)}"
        self.tickets[ticket] = app_id
        url = f"{self.ws_url}/ws/v2?fpid=493&device_id=7&access_key=k&service_id={SERVICE}&ticket={ticket}"
        return 200, {"code": 0, "msg": "ok", "data": {"URL": url, "ClientConfig": self.pace}}

    def refuse_connection(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a connection, if it is to be refused. A ticket opens one connection."""
        connection.lark_app = self.tickets.pop(request.path.rpartition("ticket=")[2])  # type: ignore[attr-defined]
        if not self.handshakes:
            return None
        response = connection.respond(400, "no\n")
        for name, value in self.handshakes.popleft().items():
            response.headers[name] = value
        return response

    def serve(self, connection: ServerConnection) -> None:
        """Serve a connection."""
        link = Link(connection, connection.lark_app, is_mute=self.is_mute)  # type: ignore[attr-defined]
        self.links.put(link)
        link.serve()


@contextmanager
def lark_side(tls: ssl.SSLContext | None = None) -> Iterator[LarkSide]:
    """Run the server.

    Args:
        tls: Encrypts both addresses.
    """
    lark = LarkSide()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (self.path, self.headers["locale"]) == (PATH, "zh")
            status, answer = lark.address(body)
            data = json.dumps(answer).encode()
            with suppress(OSError):  # who asked may have given up
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with (
        Server(("127.0.0.1", 0), Endpoint) as web,
        serve(lark.serve, "127.0.0.1", 0, process_request=lark.refuse_connection, ssl=tls) as sockets,
    ):
        web.daemon_threads = True
        s = "" if tls is None else "s"
        if tls is not None:
            web.socket = tls.wrap_socket(web.socket, server_side=True)
        lark.base_url = f"http{s}://127.0.0.1:{web.server_address[1]}"
        lark.ws_url = f"ws{s}://127.0.0.1:{sockets.socket.getsockname()[1]}"
        for server in (web, sockets):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield lark
        finally:
            web.shutdown()
            sockets.shutdown()
