"""The emulator as a forward proxy: what clients send to Lark's own hosts is answered here.

A client whose address of Lark cannot be changed is given `HTTPS_PROXY` and the authority's certificate. It
asks the proxy for a tunnel (`CONNECT open.feishu.cn:443`), and speaks TLS in it with the emulator. Other
hosts get 403, or a tunnel to themselves if the proxy was told to pass them through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator.control import plane
from lark_emulator.dispatch import Dispatcher
from lark_emulator.exchange import Outcome, Upgrade, make_plain_answer
from lark_emulator.reach.hosts import is_larks, split
from lark_emulator.reach.tunnel import Interception, Passage

if TYPE_CHECKING:
    import asyncio
    import ssl

    from lark_emulator.exchange import Connection, Request
    from lark_emulator.lark import Lark
    from lark_emulator.server import Handler

_HTTPS, _HTTP = 443, 80
_OK = 200


class LarkHosts(Dispatcher):
    """Answers what was sent to Lark's own hosts. Lark has no control plane, so it is not to be found there.

    Args:
        lark: The emulator that answers in the place of Lark.
    """

    def __init__(self, lark: Lark) -> None:
        super().__init__(lark, ())

    def _is_host_allowed(self, host: str) -> bool:
        where = split(host, _HTTPS)
        return where is not None and is_larks(where[0])

    def handle(self, request: Request) -> Outcome:
        """Perform one request."""
        if request.path == "/" or request.path.startswith(plane.PREFIX):
            return Outcome(make_plain_answer(404, "404 page not found"))
        return super().handle(request)


class ForwardProxy:
    """Answers what is sent to a proxy, and passes everything else on.

    Args:
        own: The handler of requests for the emulator itself.
        lark: The emulator that answers requests to Lark's hosts.
        context: The TLS context with a certificate for Lark's hosts.
        passes: Whether other hosts get a tunnel.
    """

    def __init__(self, own: Handler, lark: Lark, context: ssl.SSLContext, *, passes: bool) -> None:
        self._own = own
        self._larks = LarkHosts(lark)
        self._context = context
        self._passes = passes

    def count_connection(self) -> None:
        """Count one accepted connection."""
        self._own.count_connection()

    def handle(self, request: Request) -> Outcome:
        """Perform one request."""
        if request.method == "CONNECT":
            return self._connect(request)
        if not request.path.startswith("http://"):
            return self._own.handle(request)
        authority, slash, path = request.path.removeprefix("http://").partition("/")
        where = split(authority, _HTTP)
        request.path, request.headers["host"] = slash + path or "/", authority
        if where is not None and is_larks(where[0]):
            return self._larks.handle(request)
        # A client that sends everything through its proxy comes this way to the emulator, too. What it does
        # not serve it refuses by the name in `Host`.
        return self._own.handle(request)

    def _connect(self, request: Request) -> Outcome:
        where = split(request.path, _HTTPS)
        if where is None:
            return Outcome(make_plain_answer(400, f"cannot connect to {request.path[:200]!r}"))
        host, port = where
        if is_larks(host):
            return Outcome(Upgrade(_OK, b"", start=self._intercept))
        if not self._passes:
            return Outcome(
                make_plain_answer(
                    403,
                    f"{host} is none of Lark's hosts. Next: exclude it with NO_PROXY={host}, or start the "
                    "emulator with --proxy-passthrough",
                )
            )

        def pass_on(
            transport: asyncio.Transport, trailing_data: bytes, connections: set[Connection]
        ) -> Connection:
            return Passage(transport, trailing_data, connections, host, port)

        return Outcome(Upgrade(_OK, b"", start=pass_on))

    def _intercept(
        self, transport: asyncio.Transport, trailing_data: bytes, connections: set[Connection]
    ) -> Connection:
        return Interception(transport, trailing_data, connections, self._larks, self._context)
