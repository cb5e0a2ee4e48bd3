"""The server of an app, for tests: it notes what Lark sends, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


@dataclass
class Received:
    """One request, its header names as they were sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What to answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


def accept_everything(request: Received) -> Reply:
    """Return a challenge that is not encrypted, and accept everything."""
    challenge = request.json.get("challenge")
    return Reply(body=b"{}" if challenge is None else json.dumps({"challenge": challenge}).encode())


#: Deadlines for tests that are not about them: a busy machine is no failure.
PATIENT = {"callback_timeout": 30.0, "challenge_timeout": 30.0}


class AppServer:
    """A server on a free port; `answer` says how it answers, and `received` what came."""

    def __init__(self, answer: Callable[[Received], Reply] = accept_everything) -> None:
        self.answer = answer
        self.received: list[Received] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Received(self.path, dict(self.headers.items()), body)
                outer.received.append(request)
                answered = outer.answer(request)
                self.send_response(answered.status)
                for name, value in answered.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answered.body)))
                with suppress(ConnectionError):  # Lark does not wait for those who are late
                    self.end_headers()
                    self.wfile.write(answered.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/lark"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer_with(self, *bodies: Any, status: int = 200) -> None:
        """Answer with these bodies, one after the other, the last one forever."""
        left = list(bodies)

        def answer(_: Received) -> Reply:
            body = left.pop(0) if len(left) > 1 else left[0]
            return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode())

        self.answer = answer
