"""An HTTP proxy, for requests and for tunnels."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

USER, PASSWORD = "lark", "proxy-password"


class Proxy:
    """What went through it: method and target of each request."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, str]] = []


@contextmanager
def proxy() -> Iterator[Proxy]:
    """Run the proxy."""
    state = Proxy()
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._note()
            where = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            onward = http.client.HTTPConnection(where.netloc)
            passed = {
                name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")
            }
            onward.request("POST", where.path, body, passed)
            answer = onward.getresponse()
            data = answer.read()
            onward.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_CONNECT(self) -> None:
            self._note()
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as onward:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(onward, self.connection), daemon=True)
                back.start()
                _pump(self.connection, onward)
                back.join()
            self.close_connection = True

        def _note(self) -> None:
            assert self.headers["Proxy-Authorization"] == expected
            state.requests.append((self.command, self.path))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://{USER}:{PASSWORD}@127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield state
        finally:
            server.shutdown()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
