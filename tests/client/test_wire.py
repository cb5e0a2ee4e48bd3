"""What goes along with requests: cookies, timeouts, and how much memory an upload takes."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.errors import ConfigurationError, InvalidRequestError, TransportError
from tests.client.raw_server import RawServer, http, raw_server

OK = {"code": 0, "msg": "ok", "data": {"file_key": "file_1"}}
MEGABYTE = 1024 * 1024
FILE_BYTES = 29 * MEGABYTE


def in_turn(kind: str, server: RawServer, works: list[Callable[[Any], Any]], **settings: Any) -> None:
    """Run each work with a client of its own app, one after another in one process and event loop."""
    if kind == "sync":
        for number, work in enumerate(works):
            work(LarkServiceClient(f"cli_{number}", "s", base_url=server.url, **settings))
        return

    async def work_async() -> None:
        for number, work in enumerate(works):
            await work(AsyncLarkServiceClient(f"cli_{number}", "s", base_url=server.url, **settings))

    asyncio.run(work_async())


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_no_app_sends_the_cookies_of_another(kind: str) -> None:
    cookies = ("Set-Cookie: session=of-the-first; Path=/", "Set-Cookie: lang=zh; Max-Age=99999")
    with raw_server(lambda _: http(OK, "200 OK", *cookies)) as server:
        in_turn(kind, server, [lambda c: c.bot.info()] * 2)
        in_turn(kind, server, [lambda c: c.bot.info()])
        assert len(server.requests) == 3
        assert not any("cookie" in seen.headers for seen in server.everything)


@both
def test_ones_own_http_client_keeps_its_own_timeout(kind: str) -> None:
    released = threading.Event()

    def silent(_: object) -> None:
        released.wait(30)

    make = httpx.Client if kind == "sync" else httpx.AsyncClient
    with raw_server(silent) as server:
        try:
            with pytest.raises(TransportError, match="ReadTimeout"):
                in_turn(kind, server, [lambda c: c.bot.info()], http_client=make(timeout=0.2), max_retries=0)
        finally:
            released.set()


@both
def test_timeouts_are_said_in_one_place(kind: str) -> None:
    client = LarkServiceClient if kind == "sync" else AsyncLarkServiceClient
    own: Any = httpx.Client() if kind == "sync" else httpx.AsyncClient()
    with pytest.raises(ConfigurationError, match="without proxy, verify and timeout"):
        client("cli_1", "s", http_client=own, timeout=5)


@both
@pytest.mark.parametrize("source", ["path", "bytes", "stream"])
def test_a_large_upload_is_not_read_into_memory(kind: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(FILE_BYTES))
    content = path.read_bytes()
    with raw_server(lambda _: http(OK)) as server, path.open("rb") as stream:
        file = {"path": path, "bytes": content, "stream": stream}[source]
        in_turn(kind, server, [lambda c: c.bot.info()])  # what is loaded once is loaded now
        tracemalloc.start()
        try:
            in_turn(kind, server, [lambda c: c.messaging.upload_file(file, file_name="large.bin")])
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        sent = server.requests[-1]
        assert FILE_BYTES < sent.body_bytes < FILE_BYTES + 2000
        assert sent.headers["content-length"] == str(sent.body_bytes)
        assert "transfer-encoding" not in sent.headers
    assert most < 6 * MEGABYTE, f"{most / MEGABYTE:.0f} MB"


@both
@pytest.mark.parametrize("source", ["path", "bytes", "stream", "pipe"])
def test_an_upload_is_sent_again_as_a_whole(kind: str, source: str, tmp_path: Path) -> None:
    content = b"x" * 700_000
    path = tmp_path / "a"
    path.write_bytes(b"head" + content)
    answers = iter([None, http(b"busy", "502 Bad Gateway"), http(OK)])
    with raw_server(lambda _: next(answers)) as server, path.open("rb") as stream, make_pipe(content) as pipe:
        stream.seek(4)  # what comes before is not part of the upload
        file = {"path": path, "bytes": content, "stream": stream, "pipe": pipe}[source]
        in_turn(kind, server, [lambda c: c.messaging.upload_file(file, file_name="a")])
        assert len({seen.body_bytes for seen in server.requests}) == 1
        size = len(content) + 4 * (source == "path")
        assert [seen.body_bytes - size in range(1000) for seen in server.requests] == [True] * 3


@contextmanager
def make_pipe(content: bytes) -> Iterator[IO[bytes]]:
    """Open a pipe that contains `content`, as a file that can be read only once."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as file, ThreadPoolExecutor(1) as writer:
        writer.submit(_write_all, writing, content)
        try:
            yield file
        finally:
            file.close()


def _write_all(descriptor: int, content: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as file:
        file.write(content)


class Shrinking(io.FileIO):
    """A file that ends after its first chunk."""

    def read(self, size: int | None = -1) -> bytes:
        return b"" if self.tell() else super().read(size) or b""


@both
def test_a_file_that_shrinks_while_it_is_sent_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "shrinking.bin"
    path.write_bytes(bytes(FILE_BYTES))
    with (
        raw_server(lambda _: http(OK)) as server,
        Shrinking(path) as file,
        pytest.raises(InvalidRequestError, match=r"became shorter while it was uploaded\. Next: "),
    ):
        in_turn(kind, server, [lambda c: c.messaging.upload_file(file, file_name="a")])
