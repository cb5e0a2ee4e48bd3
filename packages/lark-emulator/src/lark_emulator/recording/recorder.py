"""A proxy to a real tenant that remembers what it answered."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import ssl
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import orjson

from lark_emulator import __version__
from lark_emulator.exchange import Answer, Outcome, as_json, clean_header_value, make_plain_answer
from lark_emulator.reach.hosts import is_loopback, split
from lark_emulator.recording.exchanges import Exchange, make_stubs
from lark_emulator.server import HttpConnection
from lark_emulator.serving import BACKLOG, format_url, listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lark_emulator.exchange import Connection, Request

TIMEOUT_S = 60.0
SAVE_AFTER_S = 1.0
#: Headers of one connection, not of the request or the answer; and those that the proxy sets itself.
_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "content-length", "accept-encoding", "expect"),
    }
)
_TEXTS = ("application/json", "text/", "application/x-www-form-urlencoded")
_WITHOUT_BODY = (204, 304)


class Upstream:
    """A real Lark.

    Args:
        url: The base URL of the real Lark, such as `https://open.feishu.cn`.

    Raises:
        ValueError: it is no such address, or would send credentials in the open.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        where = split(parts.netloc, 443 if parts.scheme == "https" else 80)
        if parts.scheme not in ("http", "https") or where is None or parts.path.strip("/") or parts.query:
            raise ValueError(
                f"--upstream {url!r} is no address. Next: give one such as https://open.feishu.cn"
            )
        if parts.scheme == "http" and not is_loopback(where[0]):
            raise ValueError(
                f"--upstream {url!r} would send credentials unencrypted. Next: use https://, or http:// on "
                "loopback"
            )
        self._host, self._port = where
        self._netloc = parts.netloc
        self._context = ssl.create_default_context() if parts.scheme == "https" else None

    def ask(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send a request on, and return status, headers and body of the answer. Blocks.

        Raises:
            OSError: it cannot be reached.
            HTTPException: what it answers is not HTTP.
        """
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        else:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_S, context=self._context
            )
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        target = quote(request.path) + (f"?{urlencode(request.query)}" if request.query else "")
        try:
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", self._netloc)
            for name, value in headers.items():
                connection.putheader(name, value.encode("latin-1"))
            if request.body or request.method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()


class Recorder:
    """Passes requests on, and writes what was answered as stubs.

    Args:
        upstream: The real Lark that the requests are passed on to.
        file: The file that the stubs are written to; it never holds credentials, people or ids of the tenant.
        names: The names that are accepted in the Host header.
    """

    def __init__(self, upstream: Upstream, file: Path, names: set[str]) -> None:
        self._upstream = upstream
        self._file = file
        self._names = names
        self._exchanges: list[Exchange] = []
        self._timer: asyncio.TimerHandle | None = None

    def count_connection(self) -> None:
        """Do nothing: a recorder counts no connections."""

    def handle(self, request: Request) -> Outcome:
        """Pass one request on."""
        where = split(request.headers.get("host", ""), 80)
        if where is None or where[0] not in self._names:
            return Outcome(make_plain_answer(403, "this Host is not served by lark-emulator record"))
        if request.upgrade or request.method == "CONNECT":
            return Outcome(make_plain_answer(501, "record passes on HTTP requests only"))
        return Outcome(None, later=self._pass_on(request))

    async def _pass_on(self, request: Request) -> Answer:
        try:
            status, headers, body = await asyncio.to_thread(self._upstream.ask, request)
        except (OSError, http.client.HTTPException) as error:
            return as_json({"code": -502, "msg": f"the upstream cannot be reached: {error}"}, 502)
        content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
        kept = {
            name: clean_header_value(value)
            for name, value in headers
            if name.lower() not in _HOP and name.lower() not in ("content-type", "content-encoding")
        }
        if not body or content_type.startswith(_TEXTS):
            self._exchanges.append(Exchange(request, status, content_type, body))
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(SAVE_AFTER_S, self.save)
        else:
            kind = content_type.partition(";")[0] or "no type"
            sys.stderr.write(f"not recorded: a file of {len(body)} bytes ({kind})\n")
        return Answer(status, b"" if status in _WITHOUT_BODY else body, content_type.encode("latin-1"), kept)

    def save(self) -> int:
        """Write the stubs, and return how many there are. The file is whole at any time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        stubs = make_stubs(self._exchanges)
        content = {"recorded": f"by lark-emulator {__version__}", "stubs": stubs}
        draft = self._file.with_name(f"{self._file.name}.new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        draft.replace(self._file)
        return len(stubs)


def record_until_stopped(
    host: str, port: int, upstream: str, file: Path, ready: Callable[[str], object]
) -> int:
    """Record until SIGINT or SIGTERM.

    Args:
        host: The address to listen on, which must be a loopback address.
        port: The port to listen on; 0 picks a free one.
        upstream: The base URL of the real Lark.
        file: The file that the stubs are written to.
        ready: A function that is called with the base URL once the recorder listens.

    Returns:
        How many stubs there are.

    Raises:
        OSError: the port is taken, or the file cannot be written.
        ValueError: the host or the upstream is wrong.
    """
    if not is_loopback(host):
        raise ValueError(f"record listens on loopback only, not on {host!r}. Next: leave out --host")
    recorder = Recorder(Upstream(upstream), file, {"localhost", "127.0.0.1", "::1", host.lower()})
    recorder.save()  # a file that cannot be written is found before anything is recorded
    listener = listen(host, port)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        connections: set[Connection] = set()
        server = await loop.create_server(
            lambda: HttpConnection(recorder, connections), sock=listener, backlog=BACKLOG
        )
        ready(format_url(host, listener.getsockname()[1]))
        await stopping.wait()
        server.close()
        for connection in list(connections):
            connection.drop_on_shutdown()

    asyncio.run(run())
    return recorder.save()
