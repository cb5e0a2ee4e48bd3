"""Serve `/metrics` at a port of its own, in threads, alongside whatever the process does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from lark_provider.protocol.errors import ConfigurationError

RenderMetrics: TypeAlias = Callable[[str], tuple[bytes, str]]

PATH = "/metrics"
_CONNECTION_SECONDS = 10.0
_MAX_REQUESTS = 8
_MAX_PORT = 65535


class Server:
    """Serves until closed.

    Args:
        host: The address to listen on.
        port: The port; 0 for a free one.
        render: Makes the body and the content type for an `Accept` header.

    Raises:
        ConfigurationError: The port cannot be listened on.
    """

    def __init__(self, host: str, port: int, render: RenderMetrics) -> None:
        if not 0 <= port <= _MAX_PORT:
            raise ConfigurationError(
                f"The metrics port must be a number from 0 to {_MAX_PORT}, got {port}. Next: choose another."
            )
        try:
            candidates = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, address = min(candidates, key=lambda candidate: candidate[0] != socket.AF_INET)
            self._server = _Server(family, address, render)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {host}:{port} for metrics: {error.strerror}. Next: choose another port or "
                "host."
            ) from None
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="lark-metrics", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: socket.AddressFamily, address: Any, render: RenderMetrics) -> None:
        self.address_family = family
        self.render = render
        self.free = threading.BoundedSemaphore(_MAX_REQUESTS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread, unless there are too many: then close it."""
        if not self.free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection, and make place for the next one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Ignore clients that close their connection early."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CONNECTION_SECONDS
    server_version, sys_version = "lark_provider", ""

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != PATH:
            self._answer(404, b"not found\n", "text/plain")
            return
        body, content_type = self.server.render(self.headers.get("Accept", ""))
        self._answer(200, body, content_type)

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: a scrape every few seconds is not an event."""
