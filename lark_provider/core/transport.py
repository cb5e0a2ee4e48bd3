"""HTTP by httpx. Pools are shared by all clients of a process, so that a client per request costs nothing.

A sync pool belongs to a process: a forked child leaves its parent's alone, unclosed, for closing it would
say goodbye on the parent's connections. An async pool belongs to an event loop, and closes with it.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import ssl
import threading
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import httpx

from lark_provider.core import files
from lark_provider.core.session import Session, Wire
from lark_provider.protocol.calls import Lost, Response, Send
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact

_Pool = TypeVar("_Pool", httpx.Client, httpx.AsyncClient)
_CONNECT_SECONDS = 10.0
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)
# Raised before a byte of the request left: the call was certainly not performed.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
NO_HOST = (httpx.InvalidURL, UnicodeError)
"""Raised for a host's name that can be none: by httpx, and by what looks names up."""


def _redact_record(record: logging.LogRecord) -> bool:
    """Hide webhooks: httpx logs every URL at INFO, and theirs is the credential."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact(str(a)) if isinstance(a, httpx.URL) else a for a in record.args)
    return True


# On the logger and not on a handler, so that it holds for whatever handlers an application adds.
logging.getLogger("httpx").addFilter(_redact_record)

_pools: dict[tuple[int, Wire], httpx.Client] = {}
_pools_lock = threading.Lock()
_loop_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Wire, httpx.AsyncClient]] = (
    weakref.WeakKeyDictionary()
)
_loop_guards: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncIterator[None]] = (
    weakref.WeakKeyDictionary()
)


def _after_fork() -> None:
    """The child must not wait for a lock that a thread of its parent held."""
    global _pools_lock  # noqa: PLW0603 - it replaces itself
    _pools_lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def pool(wire: Wire) -> httpx.Client:
    """The process's pool for a wire."""
    key = (os.getpid(), wire)
    found = _pools.get(key)
    if found is None:
        with _pools_lock:
            found = _pools.get(key)
            if found is None:
                found = _pools[key] = _made(httpx.Client, wire)
    return found


@atexit.register
def _close_pools() -> None:
    for (pid, _), client in _pools.items():
        if pid == os.getpid():
            client.close()


async def loop_pool(wire: Wire) -> httpx.AsyncClient:
    """The running loop's pool for a wire."""
    loop = asyncio.get_running_loop()
    for other in [one for one in _loop_pools if one.is_closed()]:
        # Closed without the hook below: its connections are beyond closing, but need not be kept.
        del _loop_pools[other], _loop_guards[other]
    pools = _loop_pools.setdefault(loop, {})
    if not pools:
        guard = _close_with_loop(pools)
        _loop_guards[loop] = guard
        await anext(guard)
    if wire not in pools:
        pools[wire] = _made(httpx.AsyncClient, wire)
    return pools[wire]


async def _close_with_loop(pools: dict[Wire, httpx.AsyncClient]) -> AsyncIterator[None]:
    """Wait for the loop's end, then close its pools.

    An asynchronous generator left open is finalised by `loop.shutdown_asyncgens`, which asyncio.run and
    every server call: the one hook for work at a loop's end.
    """
    try:
        yield
    finally:
        while pools:
            await pools.popitem()[1].aclose()


def _made(kind: type[_Pool], wire: Wire) -> _Pool:
    verify = _verify(wire)
    try:
        return kind(proxy=wire.proxy, verify=verify, limits=_LIMITS)
    except (httpx.InvalidURL, ValueError, ImportError) as error:  # SOCKS wants a package that is not here
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
            f"verify is {wire.verify!r}, and no certificates can be read there: {error}. Next: pass True, "
            "False, or the path of a file or folder of certificates."
        ) from error


def prepare(client: httpx.Client | httpx.AsyncClient, send: Send, session: Session) -> httpx.Request:
    """Build the HTTP request of a call."""
    call, timeout = send.call, session.timeout
    headers = {} if call.body is None else {"Content-Type": call.content_type}
    if send.token is not None:
        headers["Authorization"] = f"Bearer {send.token}"
    return client.build_request(
        call.method,
        # Written out here: httpx would parse the URL a second time to add them.
        session.origin() + call.target + (f"?{urlencode(call.params, doseq=True)}" if call.params else ""),
        content=call.body,
        headers=headers,
        timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
    )


def exchange(client: httpx.Client, request: httpx.Request, save_to: str | None) -> Response:
    """Perform a request; with `save_to`, stream the answer there unless it is JSON."""
    if save_to is None:
        return _received(client.send(request))
    response = client.send(request, stream=True)
    try:
        if not _is_file(response):
            response.read()
            return _received(response)
        with files.arriving(save_to) as file:
            for part in response.iter_bytes():
                file.write(part)
            return _received(response, saved=file.tell())
    finally:
        response.close()


async def aexchange(client: httpx.AsyncClient, request: httpx.Request, save_to: str | None) -> Response:
    """`exchange`, awaited; the disk is written from a thread."""
    if save_to is None:
        return _received(await client.send(request))
    response = await client.send(request, stream=True)
    try:
        if not _is_file(response):
            await response.aread()
            return _received(response)
        with files.arriving(save_to) as file:
            async for part in response.aiter_bytes():
                await asyncio.to_thread(file.write, part)
            return _received(response, saved=file.tell())
    finally:
        await response.aclose()


def _is_file(response: httpx.Response) -> bool:
    # A JSON file is a file: Lark names what it hands out, and its own answers have no name.
    return response.is_success and (
        "content-disposition" in response.headers or "json" not in response.headers.get("content-type", "")
    )


def _received(response: httpx.Response, saved: int | None = None) -> Response:
    """An httpx answer in the engine's terms."""
    content = response.content if saved is None else b""
    return Response(response.status_code, response.headers, content, saved)


def no_host(error: Exception, session: Session) -> ConfigurationError:
    """What one of `NO_HOST` means."""
    return ConfigurationError(
        f"No host can have the name that stands in base_url {session.origin()!r}, or in the proxy's URL: "
        f"{str(error).rstrip('.')}. Next: write a URL such as https://open.feishu.cn."
    )


def lost(error: httpx.RequestError) -> Lost:
    """An httpx failure in the engine's terms."""
    reason = redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    return Lost(reason, sent=not isinstance(error, _NOT_SENT), passing="SSL" not in reason)
