"""Connection pools, shared by all clients of a process, so that a client per request costs nothing.

A sync pool belongs to a process: a forked child leaves its parent's alone, unclosed, since closing it would
send close frames on the parent's connections. An async pool belongs to an event loop, and closes with it.
"""

from __future__ import annotations

import atexit
import os
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_provider import __version__, config
from lark_provider.engine import deadlines, http
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact
from lark_provider.support.locks import ForkSafeLock
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    import asyncio

USER_AGENT = f"airflow-provider-lark/{__version__}"
ENCODINGS = "gzip, deflate"
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": ENCODINGS,
    "Connection": "keep-alive",
    "User-Agent": USER_AGENT,
}
"""Headers of each request on a pool, which asks for no encoding that it cannot bound."""
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables from which httpx and httpx2 take certificates, the first that is set."""
_MAX_CONNECTIONS, _MAX_KEEPALIVE, _KEEPALIVE_SECONDS = 100, 20, 5.0


@dataclass(frozen=True, slots=True)
class Wire:
    """The connection settings; clients with equal ones share a pool."""

    proxy: str | None = field(default=None, repr=False)
    verify: bool | str = True

    def __post_init__(self) -> None:
        """Reject what the HTTP library would reject later, without showing the password."""
        object.__setattr__(self, "proxy", Secret(self.proxy) if isinstance(self.proxy, str) else self.proxy)
        if isinstance(self.verify, os.PathLike):
            object.__setattr__(self, "verify", os.fspath(self.verify))
        if not isinstance(self.verify, bool | str | ssl.SSLContext):
            raise ConfigurationError(
                f"verify must be True, False or the path of certificates, got {self.verify!r}. Next: pass "
                "a path such as '/etc/ssl/certs/company.pem'."
            )
        if self.proxy is not None:
            config.check_proxy(self.proxy)


class _NoCookies(CookieJar):
    """Keeps no cookies: a pool serves all apps of a process, and none may speak in another's session."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Ignore what an answer sets."""

    def set_cookie(self, cookie: object) -> None:
        """Ignore the cookie, whatever sets it."""


class Pool(NamedTuple):
    """Connections to whichever hosts, with the same settings.

    Attributes:
        client: The library's client, which holds them.
        send: Performs a request of the library's, and returns its response, to be read and closed; awaited
            in an event loop.
    """

    client: Any
    send: Callable[[Any], Any]


@dataclass(slots=True)
class _LoopPools:
    """The pools of an event loop, and the generator that closes them with it."""

    clients: dict[Wire, Pool] = field(default_factory=dict)
    guard: AsyncIterator[None] | None = None


class Pools:
    """The connection pools of a process and of its event loops, by connection settings."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._pools: dict[tuple[int, Wire], Pool] = {}
        self._of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopPools] = (
            weakref.WeakKeyDictionary()
        )
        atexit.register(self.close)

    def get(self, wire: Wire) -> Pool:
        """Return the process's pool for connection settings."""
        key = (os.getpid(), wire)
        pool = self._pools.get(key)
        if pool is None:
            with self._lock:
                pool = self._pools.get(key)
                if pool is None:
                    client = deadlines.bound_connections(_make(http.choose_library().Client, wire))
                    pool = self._pools[key] = Pool(client, _make_sender(client, "handle_request"))
        return pool

    async def find_pool(self, wire: Wire) -> Pool:
        """Return the running loop's pool for connection settings."""
        import asyncio  # loaded by now

        loop = asyncio.get_running_loop()
        with self._lock:  # loops of other threads come and go meanwhile
            for closed_loop in [known_loop for known_loop in self._of_loops if known_loop.is_closed()]:
                # A loop that was closed without the hook below: its connections cannot be closed any more.
                del self._of_loops[closed_loop]
            pools = self._of_loops.setdefault(loop, _LoopPools())
        if pools.guard is None:
            pools.guard = _close_with_loop(pools.clients)
            await anext(pools.guard)
        if wire not in pools.clients:
            client = _make(http.choose_library().AsyncClient, wire)
            pools.clients[wire] = Pool(client, _make_sender(client, "handle_async_request"))
        return pools.clients[wire]

    def close(self) -> None:
        """Close this process's own pools."""
        for (pid, _), pool in list(self._pools.items()):
            if pid == os.getpid():
                pool.client.close()


async def _close_with_loop(pools: dict[Wire, Pool]) -> AsyncIterator[None]:
    """Wait for the loop's end, then close its pools.

    An asynchronous generator left open is finalised by `loop.shutdown_asyncgens`, which asyncio.run and
    every server call: the one hook for work at a loop's end.
    """
    try:
        yield
    finally:
        while pools:
            await pools.popitem()[1].client.aclose()


def make_streamer(client: Any) -> Callable[[Any], Any]:
    """Return a function that performs a request by a client's own `send`.

    Args:
        client: A client of httpx or httpx2, blocking or asynchronous.
    """
    return partial(client.send, stream=True, follow_redirects=False)


def _make_sender(client: Any, method: str) -> Callable[[Any], Any]:
    """Return a function that performs a request on the connections of a client of ours.

    A third of the library's time for a request goes into what its clients put around the transport, and a
    pool has none of: cookies, redirects, authentication, hooks, and a log line at INFO for each request. If
    the library should keep its transports elsewhere one day, its own `send` remains.
    """
    try:
        choose, alone = client._transport_for_url, client._transport  # noqa: SLF001 - see above
        if not client._mounts:  # noqa: SLF001 - no proxy, so that there is nothing to choose from
            only: Callable[[Any], Any] = getattr(alone, method)
            return only
    except AttributeError:
        return make_streamer(client)
    return lambda request: getattr(choose(request.url), method)(request)


def _make(kind: Any, wire: Wire) -> Any:
    verify, library = _verify(wire), http.choose_library()
    limits = library.Limits(
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_MAX_KEEPALIVE,
        keepalive_expiry=_KEEPALIVE_SECONDS,
    )
    try:
        return kind(proxy=wire.proxy, verify=verify, limits=limits, cookies=_NoCookies())
    except OSError as error:  # first: one of ssl's errors is a ValueError as well
        raise _make_certificates_error(error) from error
    except (
        library.InvalidURL,
        ValueError,
        ImportError,
    ) as error:  # SOCKS needs a package that is not installed
        raise ConfigurationError(
            f"The proxy cannot be used: {redact(str(error)).rstrip('.')}. Next: set HTTP_PROXY, HTTPS_PROXY "
            "and ALL_PROXY to http://host:port where they are set; or pass proxy=."
        ) from None


def _verify(wire: Wire) -> bool | ssl.SSLContext:
    if not isinstance(wire.verify, str):
        return wire.verify
    try:
        if Path(wire.verify).is_dir():
            return ssl.create_default_context(capath=wire.verify)
        return ssl.create_default_context(cafile=wire.verify)
    except OSError as error:  # ssl's own errors among them
        raise ConfigurationError(
            f"verify must be True, False or the path of certificates, got {wire.verify!r}: {error}. Next: "
            "check the path of the file or folder."
        ) from error


def make_tls_context(wire: Wire) -> ssl.SSLContext:
    """Return the TLS context for a connection of another protocol, by the same settings as HTTP.

    Args:
        wire: The settings.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """
    verify = _verify(wire)
    if isinstance(verify, ssl.SSLContext):
        return verify
    try:
        context: ssl.SSLContext = http.choose_library().create_ssl_context(verify=verify)
    except OSError as error:
        raise _make_certificates_error(error) from error
    return context


def _make_certificates_error(error: OSError) -> ConfigurationError:
    """Return the error for the usual certificates, where the HTTP library cannot read them."""
    reason = error.strerror or str(error)
    name = next((name for name in _CERTIFICATE_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return ConfigurationError(
            f"The usual certificates cannot be read: {reason}. Next: name a file of certificates in "
            f"{_CERTIFICATE_VARIABLES[0]}, or pass verify=."
        )
    return ConfigurationError(
        f"{name} must name certificates that can be read, got {os.environ[name]!r}: {reason}. Next: correct "
        "the path, or unset it."
    )
