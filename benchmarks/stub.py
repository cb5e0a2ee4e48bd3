"""A Lark that does as little as it can, so that the clients are what is measured.

`python -m benchmarks.stub` listens on a free port of the loopback, prints its URL, and ends with its standard
input. It answers a token, messages, a table's fields and `batch_create`; the last repeats the records, with
ids, as Lark does, after `LATENCY` seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import string
import sys
from typing import Any

import httptools
import orjson

from benchmarks.flights import list_fields
from benchmarks.processes import LIFE_SECONDS

LATENCY = float(os.environ.get("BENCH_LATENCY", "0"))
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
_TOKEN = b'{"code":0,"msg":"ok","tenant_access_token":"t-bench","expire":7200}'
_MESSAGE = (
    b'{"code":0,"msg":"success","data":{"message_id":"om_bench","msg_type":"text","chat_id":"oc_bench",'
    b'"create_time":"1700000000000","update_time":"1700000000000","deleted":false,"updated":false,'
    b'"sender":{"id":"cli_bench","id_type":"app_id","sender_type":"app"},"body":{"content":"{}"}}}'
)
_FIELDS = orjson.dumps({"code": 0, "msg": "success", "data": {"items": list_fields(), "has_more": False}})
_MISSING = b'{"code":1,"msg":"the stub has no such endpoint"}'
_RECORD = b'"fields"'
_ALPHABET = (string.ascii_letters + string.digits).encode()
_CHARS, _MANY = 11, 20_000


def _starts() -> list[bytes]:
    """Return the beginnings of records, with ids as irregular as Lark's, so that they do not compress."""
    chosen = random.Random(0)  # noqa: S311 - the same in each run
    ids = (bytes(chosen.choices(_ALPHABET, k=_CHARS)) for _ in range(_MANY))
    return [b'"record_id":"rec%s","fields"' % record_id for record_id in ids]


_start = itertools.cycle(_starts())


class Stub(asyncio.Protocol):
    """One connection."""

    slow = b"/records/batch_create"
    """What the path of a request ends with that is answered later."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to answer on it."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Hand on to the parser, which calls the methods below."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Start a request: note its URL, with no body so far."""
        self._url, self._body = url, []

    def on_body(self, part: bytes) -> None:
        """Append a part of the request's body."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Answer it."""
        content = self.answer(self._parser.get_method(), self._url, self._body)
        data = _HEAD % len(content) + content
        if LATENCY and self._url.partition(b"?")[0].endswith(self.slow):
            asyncio.get_running_loop().call_later(LATENCY, self._transport.write, data)
        else:
            self._transport.write(data)

    def answer(self, _method: bytes, url: bytes, body: list[bytes]) -> bytes:
        """Return the answer to a request."""
        return _answer(url, body)


def _answer(url: bytes, body: list[bytes]) -> bytes:
    target = url.partition(b"?")[0]
    if target == b"/open-apis/im/v1/messages":
        return _MESSAGE
    if target.endswith(b"/records/batch_create"):
        return _records(b"".join(body))
    if target.endswith(b"/tenant_access_token/internal"):
        return _TOKEN
    return _FIELDS if target.endswith(b"/fields") else _MISSING


def _records(body: bytes) -> bytes:
    """Return the answer with the records that were sent, an id put before each, without parsing the JSON."""
    first, *rest = body.split(_RECORD)
    numbered = itertools.chain.from_iterable(zip(_start, rest, strict=False))
    return b"".join((b'{"code":0,"msg":"success","data":', first, *numbered, b"}"))


async def main(protocol: type[Stub] = Stub) -> None:
    """Serve until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    async with server:
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    signal.alarm(LIFE_SECONDS)  # whatever becomes of the run, this ends
    asyncio.run(main())
