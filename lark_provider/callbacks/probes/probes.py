"""`/healthz` and `/readyz` of a service without a web server, in the gateway's shape.

`/healthz` is 200 while the service's event loop turns. `/readyz` is 200 while all that the service needs was
proved in the last 15 seconds, and 503 while it is not, or while the service drains.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import orjson

from lark_provider.callbacks.probes.listening import bind, format_host
from lark_provider.callbacks.probes.pages import PageConnection, Pages, ProbePage
from lark_provider.callbacks.probes.readiness import Dependency, Readiness

HOST = "127.0.0.1"
_BACKLOG = 128


class Probes:
    """The probes of a service; the address is taken when this is made, and answers while `serve_probes`.

    Args:
        host: The address to listen on; loopback, unless others may see it.
        port: The port; 0 takes a free one.
        pages: Further pages of the service, by path, such as `/metrics`.

    Attributes:
        url: Where they are, without a path.
        is_draining: Whether the service takes no more work; `/readyz` is 503 then.

    Raises:
        ConfigurationError: The address cannot be used.
    """

    def __init__(self, host: str = HOST, port: int = 0, pages: Pages | None = None) -> None:
        self._listener = bind(host, port, "--probe-port", "--probe-host")
        self._pages = dict(pages or {})
        self.url = f"http://{format_host(host)}:{self._listener.getsockname()[1]}"
        self.is_draining = False

    @asynccontextmanager
    async def serve_probes(
        self, checks: Sequence[Dependency], enough: Callable[[Iterable[bool]], bool] = all
    ) -> AsyncIterator[Readiness]:
        """Prove the checks and answer probes on this event loop, as long as the body runs.

        Args:
            checks: What the service needs.
            enough: Whether it is ready, by which checks hold: `all` of them, or `any`.

        Yields:
            The readiness, which also takes work that proves a check.
        """
        readiness = Readiness(checks)
        ready = partial(self._make_readiness_page, readiness, enough)
        pages: Pages = {"/healthz": _make_health_page, "/readyz": ready, **self._pages}
        opened: dict[PageConnection, None] = {}
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: PageConnection(pages, opened), sock=self._listener, backlog=_BACKLOG
        )
        proving = asyncio.ensure_future(readiness.run())
        try:
            yield readiness
        finally:
            server.close()
            for connection in list(opened):
                connection.abort()
            proving.cancel()
            await asyncio.wait({proving})

    def _make_readiness_page(
        self, readiness: Readiness, enough: Callable[[Iterable[bool]], bool]
    ) -> ProbePage:
        checks, status = readiness.get_readiness(), "not ready"
        if self.is_draining:
            status = "draining"
        elif enough(checks.values()):
            status = "ready"
        return ProbePage(orjson.dumps({"status": status, "sinks": checks}), 200 if status == "ready" else 503)


def _make_health_page() -> ProbePage:
    return ProbePage(b'{"status":"ok"}')
