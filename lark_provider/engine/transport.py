"""Perform HTTP requests: once in a thread, once in an event loop, bounded in time and in size."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlencode

from lark_provider.engine import deadlines, files, http
from lark_provider.engine.pools import ENCODINGS, HEADERS, USER_AGENT, make_streamer
from lark_provider.engine.session import Session
from lark_provider.protocol.answers import PROXY_STEP
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import NoResponse, Response, Send
from lark_provider.protocol.errors import ConfigurationError, InvalidRequestError, LarkError
from lark_provider.protocol.multipart import MultipartForm
from lark_provider.protocol.redact import redact
from lark_provider.support import threads

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The most bytes of an answer that is held in memory, after decompression; files are streamed to the disk."""
_KNOWN_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_UNNAMED_CLIENTS = ("python-httpx/", "python-httpx2/")
_CONNECT_SECONDS = 10.0
_MAX_SECONDS = 24 * 3600.0
"""The timeout of a read without a deadline: sockets take no infinite time."""
_MARGIN_SECONDS = 0.1
"""How much earlier the timeouts of a request end than its deadline, so that the error names the phase that
took too long."""
# Raised before a byte of the request left: the call was certainly not performed.
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"})
_PROXY_REFUSAL = re.compile(r"4(?!08|29)\d\d\b")
"""A permanent refusal by a proxy: 407 asks for a password, 403 forbids the host."""


def _redact_record(record: logging.LogRecord) -> bool:
    """Hide webhooks: a client of the library logs each URL at INFO, and theirs is the credential."""
    if isinstance(record.args, tuple):
        record.args = tuple(redact(str(a)) if type(a).__name__ == "URL" else a for a in record.args)
    return True


# On the loggers and not on a handler, so that it holds for whatever handlers an application adds.
for _name in ("httpx", "httpx2"):
    logging.getLogger(_name).addFilter(_redact_record)


def exchange(send: Send, until: float, session: Session) -> Response | NoResponse:
    """Perform a request in the calling thread, until its deadline.

    Args:
        send: The request; with `Call.save_to`, its answer is streamed there unless it is JSON.
        until: The deadline, in seconds of the monotonic clock.
        session: The session of the client that sends the request.

    Raises:
        ConfigurationError: The host's name cannot be one.
        OSError: The disk does not take the answer.
    """
    if time.monotonic() >= until:
        return _make_late_loss(sent=False)
    client: Any = session.http_client
    library = http.choose_library() if client is None else http.find_library(client)
    try:
        perform = session.runtime.pools.get(session.wire).send if client is None else make_streamer(client)
        request = _prepare(library, send, until, session, is_async=False)
        # A body may come from a generator that makes calls itself.
        outer, deadlines.thread.until = deadlines.thread.until, until
        try:
            response = perform(request)
            try:
                return _receive(response, send, until)
            finally:
                response.close()
        finally:
            deadlines.thread.until = outer
    except _TooLateError:
        return _make_late_loss(sent=True)
    except library.RequestError as error:
        return _classify_failure(error, until, session)
    except (library.InvalidURL, UnicodeError) as error:
        refused = _make_url_error(error, library, send.call, session)
    except BaseException as error:  # noqa: BLE001 - raised again
        raise without_frames(error) from error.__cause__
    raise refused


def _receive(response: Any, send: Send, until: float) -> Response | NoResponse:
    if not _is_readable(response):
        return _make_unreadable_loss(response)
    if send.call.save_to is not None and _is_file(response):
        with files.open_atomic(send.call.save_to) as file:
            for part in response.iter_bytes():
                if time.monotonic() >= until:
                    raise _TooLateError
                file.write(part)
            return Response(response.status_code, response.headers, b"", file.tell())
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        if parts and time.monotonic() >= until:
            return _make_late_loss(sent=True)
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            return _make_oversize_loss()
    return Response(response.status_code, response.headers, b"".join(parts))


async def aexchange(send: Send, until: float, session: Session) -> Response | NoResponse:
    """Perform a request, awaited; the disk is written from threads. See `exchange`."""
    left = until - time.monotonic()
    if left <= 0:
        return _make_late_loss(sent=False)
    client: Any = session.http_client
    library = http.choose_library() if client is None else http.find_library(client)
    import asyncio  # loaded by now

    timer = asyncio.timeout(None if left == float("inf") else left)
    try:
        if client is None:
            perform = (await session.runtime.pools.find_pool(session.wire)).send
        else:
            perform = make_streamer(client)
        async with timer:
            request = _prepare(library, send, until, session, is_async=True)
            response = await perform(request)
            try:
                return await _areceive(response, send)
            finally:
                await response.aclose()
    except TimeoutError as error:
        if not timer.expired():  # raised by something else, such as a file on a network disk
            raise without_frames(error) from error.__cause__
        return _make_late_loss(sent=True)
    except library.RequestError as error:
        return _classify_failure(error, until, session)
    except (library.InvalidURL, UnicodeError) as error:
        refused = _make_url_error(error, library, send.call, session)
    except BaseException as error:  # noqa: BLE001 - raised again
        raise without_frames(error) from error.__cause__
    raise refused


async def _areceive(response: Any, send: Send) -> Response | NoResponse:
    if not _is_readable(response):
        return _make_unreadable_loss(response)
    if send.call.save_to is not None and _is_file(response):
        with files.open_atomic(send.call.save_to) as file:
            async for part in response.aiter_bytes():
                await threads.run(partial(file.write, part))
            return Response(response.status_code, response.headers, b"", file.tell())
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            return _make_oversize_loss()
    return Response(response.status_code, response.headers, b"".join(parts))


def _prepare(library: Any, send: Send, until: float, session: Session, *, is_async: bool) -> Any:
    """Build the HTTP request of a call; a client of the caller's own keeps its own headers and timeouts."""
    call, client = send.call, session.http_client
    content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None = call.body
    headers = dict(HEADERS) if client is None else {"Accept-Encoding": ENCODINGS}
    if client is not None and client.headers.get("User-Agent", "").startswith(_UNNAMED_CLIENTS):
        headers["User-Agent"] = USER_AGENT  # a client of the user's own that says nothing of its own
    headers.update(call.headers)
    if send.token is not None:
        headers["Authorization"] = "Bearer " + send.token
    if call.form is not None:
        headers["Content-Length"] = str(len(call.form))  # else it is sent without saying how much it is
        content = _iterate(call.form) if is_async else call.form
    if content is not None:
        headers["Content-Type"] = call.content_type
    # The query is built here, since the library would parse the URL a second time to add parameters.
    query = f"?{urlencode(call.params, doseq=True)}" if call.params else ""
    text = session.get_origin() + call.target + query
    url = _parse_url(library.URL, text) if call.secret is None else library.URL(text)  # no secret is cached
    if client is not None:
        return client.build_request(call.method, url, content=content, headers=headers)
    left = until - _MARGIN_SECONDS / 2 - time.monotonic()
    bound = max(min(session.timeout, left, _MAX_SECONDS), 0.001)
    # The form into which the library converts a `Timeout`, without making one for each request.
    timeouts = {"connect": min(bound, _CONNECT_SECONDS), "read": bound, "write": bound, "pool": bound}
    return library.Request(
        call.method, url, content=content, headers=headers, extensions={"timeout": timeouts}
    )


@lru_cache(256)  # parsing is half of the work of building a request, and most requests go to few URLs
def _parse_url(kind: type[Any], text: str) -> Any:
    return kind(text)


async def _iterate(form: MultipartForm) -> AsyncIterator[bytes]:
    if isinstance(form.content, bytes):
        for chunk in form:
            yield chunk
        return
    chunks = iter(form)
    while chunk := await threads.run(partial(next, chunks, b"")):
        yield chunk


def _is_file(response: Any) -> bool:
    # A JSON file counts as a file: Lark sends files with a name, and its own answers without one.
    return bool(response.is_success) and (
        "content-disposition" in response.headers or "json" not in response.headers.get("content-type", "")
    )


def _is_readable(response: Any) -> bool:
    return response.headers.get("content-encoding", "").strip().lower() in _KNOWN_ENCODINGS


def _make_unreadable_loss(response: Any) -> NoResponse:
    encoding = response.headers.get("content-encoding", "")[:40]
    reason = f"the answer is encoded as {encoding!r}, which was not asked for"
    return NoResponse(reason, sent=True, is_transient=False, step=_SOMETHING_ELSE)


def _make_oversize_loss() -> NoResponse:
    reason = f"the answer is larger than {MAX_ANSWER_BYTES // 1024**2} MB"
    return NoResponse(reason, sent=True, is_transient=False, step=_SOMETHING_ELSE)


_SOMETHING_ELSE = "check base_url and proxy: it seems that something other than Lark answers"


def _make_late_loss(*, sent: bool) -> NoResponse:
    return NoResponse("before an answer", sent=sent, is_late=True)


def _classify_failure(error: Exception, until: float, session: Session) -> NoResponse:
    """Tell a failure of the HTTP library from one that the deadline caused through the timeouts."""
    if time.monotonic() >= until - _MARGIN_SECONDS:
        return _make_late_loss(sent=_is_sent(error))
    return make_no_response(error, session.get_origin())


class _TooLateError(Exception):
    """Raised when the deadline passes during a download, so that the incomplete file is removed."""


def _make_url_error(error: Exception, library: Any, call: Call[Any], session: Session) -> LarkError:
    """Return the error for an invalid URL, which names the culprit: the host, or what the call adds to it."""
    # A query with a lone surrogate is not encodable as UTF-8; hosts are encoded otherwise.
    if isinstance(error, library.InvalidURL) or getattr(error, "encoding", None) == "utf-8":
        with suppress(library.InvalidURL, UnicodeError):
            library.URL(session.get_origin())
            return InvalidRequestError(
                f"{call.name}: the path or a parameter cannot be sent: {redact(str(error)).rstrip('.')}. "
                "Next: pass shorter values without control characters and lone surrogates."
            )
    return ConfigurationError(
        f"base_url and proxy must name a valid host, got base_url {session.get_origin()!r}: "
        f"{str(error).rstrip('.')}. Next: write a URL such as https://open.feishu.cn."
    )


def without_frames(error: BaseException) -> BaseException:
    """Remove the traceback of an error, since frames of the HTTP library hold the bytes that were sent.

    Args:
        error: Such as `KeyboardInterrupt`, a task's timeout, or being cancelled.
    """
    for cause in _list_causes(error):
        cause.__traceback__ = None
    return error


def _is_sent(error: Exception) -> bool:
    return type(error).__name__ not in _NOT_SENT


def make_no_response(error: Exception, origin: str) -> NoResponse:
    """Convert an exception of the HTTP library to a `NoResponse`.

    Args:
        error: The exception; its causes are read as well.
        origin: What the request was for, named if no connection to it came about.
    """
    causes = _list_causes(error)
    words = next((str(cause) for cause in causes if str(cause)), "")
    name = type(error).__name__ + ("" if _is_sent(error) else f" (for {origin})")
    reason = redact(f"{name}: {words}" if words else name)
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    lost_call = NoResponse(reason, sent=_is_sent(error))
    if type(error).__name__ == "ProxyError" and _PROXY_REFUSAL.match(words):
        return replace(lost_call, is_transient=False, step=PROXY_STEP)
    # A connection that breaks in the middle of TLS may work next time; a wrong certificate stays wrong.
    if tls is not None and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return replace(lost_call, is_transient=False)
    return lost_call


def _list_causes(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, the error first."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes
