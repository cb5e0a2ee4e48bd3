"""What a call may take, in time and in memory, whatever answers; with httpx and with httpx2."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine import http
from lark_provider.engine.pools import Pools
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import (
    ConfigurationError,
    DeadlineExceededError,
    LarkError,
    OutcomeUnknownError,
    TransportError,
)
from tests.client.raw_server import TOKEN, RawServer, Seen, raw_server
from tests.client.raw_server import http as answered

OK = {"code": 0, "msg": "ok", "data": {}}
DEADLINE = 0.7
AT_MOST = 15.0
"""Seconds after which a call that does not end counts as hanging; the server would go on for a minute."""


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Select each HTTP library in turn, with new connection pools as in a new process."""
    name: str = request.param
    module = {"httpx": httpx, "httpx2": httpx2}[name]
    monkeypatch.setattr(http, "choose_library", lambda: module)
    pools = Pools()
    monkeypatch.setattr(PROCESS, "pools", pools)
    yield name
    pools.close()


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, library: str) -> Callable[..., Any]:
    """Return a function that calls `work` with a client of either kind that has a deadline."""

    def run(work: Callable[[Any], Any], server: RawServer, **settings: Any) -> Any:
        options = {"base_url": server.url, "deadline": DEADLINE, **settings}
        if request.param == "sync":
            return work(LarkServiceClient("cli_a", "s", **options))

        async def work_async() -> Any:
            return await work(AsyncLarkServiceClient("cli_a", "s", **options))

        return asyncio.run(work_async())

    return run


def dripping(first: bytes, drop: bytes, until: threading.Event) -> Iterator[bytes]:
    """Yield `first`, and then `drop` every 0.1 seconds for a minute, or until `until` is set."""
    yield first
    for _ in range(600):
        if until.wait(0.1):
            return
        yield drop


def flooding(part: bytes, until: threading.Event) -> Iterator[bytes]:
    """Yield `part` again and again without a pause for a minute, or until `until` is set."""
    ends = time.monotonic() + 60
    while not until.is_set() and time.monotonic() < ends:
        yield part


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
SLOW: dict[str, Callable[[threading.Event], Iterator[bytes]]] = {
    "nothing comes": lambda until: dripping(b"", b"", until),
    "the head drips": lambda until: dripping(HEAD, b"X: y\r\n", until),
    "a header drips": lambda until: dripping(HEAD + b"X: ", b"y", until),
    "the body drips": lambda until: dripping(HEAD + b"\r\n{", b" ", until),
    "interim answers flood": lambda until: flooding(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, until),
}


@pytest.mark.parametrize(
    ("slow", "what"),
    [(slow, "a write") for slow in SLOW]
    + [("a header drips", what) for what in ("a read", "a keyed write", "the token")]
    + [("the body drips", "a file")],
)
def test_every_call_ends_at_its_deadline(
    slow: str, what: str, do: Callable[..., Any], tmp_path: Path
) -> None:
    over = threading.Event()
    is_open = what in {"a write", "a keyed write"}
    began = time.monotonic()
    works: dict[str, Callable[[Any], Any]] = {
        "a read": lambda c: c.bot.info(),
        "a write": lambda c: c.call("POST", "/im/v1/chats", json={}),
        "a keyed write": lambda c: c.messaging.send_text("oc_1", "x", idempotency_key="k"),
        "the token": lambda c: c.call("POST", "/im/v1/chats", json={}),
        "a file": lambda c: c.messaging.download("om_1", "file_1", str(tmp_path / "file")),
    }
    with raw_server(lambda _: SLOW[slow](over), answers_tokens=what == "the token") as server:
        try:
            with pytest.raises(TransportError, match=r"deadline") as late:
                do(works[what], server)
            if is_open and not server.requests:  # too busy a machine to send it within so short a time
                with pytest.raises(TransportError, match=r"deadline") as late:
                    do(works[what], server, deadline=5.0)
            assert time.monotonic() - began < AT_MOST
        finally:
            over.set()
    assert type(late.value) is (OutcomeUnknownError if is_open else DeadlineExceededError)
    assert "Next: " in str(late.value)
    assert list(tmp_path.iterdir()) == [], "half a file is none"


def test_a_request_that_is_read_slowly_ends_at_its_deadline(do: Callable[..., Any]) -> None:
    over = threading.Event()
    body = {"name": "x" * 64 * 1024 * 1024}  # more than the sockets' buffers take
    with raw_server(lambda _: answered(OK), slow_until=over) as server:
        try:
            with pytest.raises(OutcomeUnknownError, match="deadline"):
                do(lambda c: c.call("POST", "/im/v1/chats", json=body), server, deadline=4.0)
            assert server.requests == [], "it was not read to its end"
        finally:
            over.set()


def test_the_deadline_bounds_waits_and_repeats_together(do: Callable[..., Any]) -> None:
    busy = answered(
        {"code": 99991400, "msg": "slow down"}, "429 Too Many Requests", "x-ogw-ratelimit-reset: 30"
    )
    began = time.monotonic()
    with raw_server(lambda _: busy) as server:
        with pytest.raises(DeadlineExceededError, match=r"the last one failed: .*99991400"):
            do(lambda c: c.bot.info(), server, deadline=10.0)  # far less than the wait that is asked for
        assert len(server.requests) == 1
    assert time.monotonic() - began < AT_MOST


def test_a_write_that_may_stand_says_so_though_the_deadline_came_in_a_wait(do: Callable[..., Any]) -> None:
    with raw_server(lambda _: None) as server:

        def send(client: Any) -> Any:
            return client.messaging.send_text("oc_1", "x", idempotency_key="k")

        with pytest.raises(OutcomeUnknownError, match="may or may not have happened"):
            do(send, server, max_retries=1000, deadline=4.0)  # for more than one try on a busy machine
        assert len(server.requests) > 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "soon", None])
def test_a_deadline_is_a_number_above_zero(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="deadline"):
        LarkServiceClient("cli_a", "s", deadline=seconds)


def test_fifty_threads_at_a_token_endpoint_that_hangs_make_one_request() -> None:
    over = threading.Event()
    ended: list[BaseException] = []

    def call(server: RawServer) -> None:
        try:
            LarkServiceClient("cli_hangs", "s", base_url=server.url, deadline=3.0).bot.info()
        except TransportError as error:
            ended.append(error)

    with raw_server(lambda _: SLOW["nothing comes"](over), answers_tokens=True) as server:
        threads = [threading.Thread(target=call, args=(server,)) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(AT_MOST)
        over.set()
        assert len(ended) == 50
        assert len(server.everything) == 1


def test_nobody_waits_for_the_renewal_of_a_token_that_works(do: Callable[..., Any]) -> None:
    over, tokens = threading.Event(), []

    def answer(seen: Seen) -> bytes | Iterator[bytes]:
        if "tenant_access_token" not in seen.line:
            return answered(OK)
        tokens.append(seen)
        return answered(TOKEN) if len(tokens) == 1 else SLOW["nothing comes"](over)

    with raw_server(answer, answers_tokens=True) as server:

        def work(client: Any) -> Any:
            def old() -> float:
                return time.time() + 7200 - 600

            if isinstance(client, LarkServiceClient):
                client.bot.info()
                client._session.clock = old
                return [client.bot.info() for _ in range(5)]

            async def work_async() -> None:
                await client.bot.info()
                client._session.clock = old
                for _ in range(5):
                    await client.bot.info()
                await asyncio.sleep(0)

            return work_async()

        try:
            do(work, server, deadline=30)  # a call that waited for the renewal would end with that
        finally:
            over.set()
        assert len(tokens) <= 2
        assert len(server.requests) == 6


BOMB = gzip.compress(b'{"code":0,"data":"' + bytes(300 * 1024 * 1024) + b'"}', 9)


def test_an_answer_that_inflates_is_cut_off(do: Callable[..., Any]) -> None:
    assert len(BOMB) < 400_000
    reply = answered(BOMB, "200 OK", "Content-Encoding: gzip")
    with raw_server(lambda _: reply) as server:
        tracemalloc.start()
        try:
            with pytest.raises(TransportError, match="larger than 64 MB"):
                do(lambda c: c.bot.info(), server, deadline=60.0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 250 * 1024 * 1024


def test_an_encoding_that_was_not_asked_for_is_not_read(do: Callable[..., Any]) -> None:
    with raw_server(lambda _: answered(zlib.compress(b"{}"), "200 OK", "Content-Encoding: br")) as server:
        with pytest.raises(TransportError, match="'br', which was not asked for"):
            do(lambda c: c.bot.info(), server, deadline=60)
        assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_answers_are_read(encoding: str, do: Callable[..., Any]) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    reply = answered(pack(b'{"code":0,"msg":"ok","data":{"a":1}}'), "200 OK", f"Content-Encoding: {encoding}")
    with raw_server(lambda _: reply) as server:
        assert do(lambda c: c.call("GET", "/x"), server, deadline=60).data == {"a": 1}


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_ones_own_client_of_either_library_serves(module: Any) -> None:
    with raw_server(lambda _: answered(OK)) as server:
        with module.Client(headers={"X-Own": "yes"}) as own:
            LarkServiceClient("cli_a", "s", base_url=server.url, http_client=own).bot.info()

        async def work_async() -> None:
            async with module.AsyncClient(headers={"X-Own": "yes"}) as own:
                await AsyncLarkServiceClient("cli_b", "s", base_url=server.url, http_client=own).bot.info()

        asyncio.run(work_async())
        assert len(server.requests) == 2
        assert len(server.everything) == 4, "tokens come the same way"
        assert [seen.headers.get("x-own") for seen in server.everything] == ["yes"] * 4


@pytest.mark.parametrize("what", ["an answer", "a file"])
@pytest.mark.parametrize("module", [httpx, httpx2])
def test_a_body_that_drips_ends_at_its_deadline_through_ones_own_client(
    module: Any, what: str, tmp_path: Path
) -> None:
    over = threading.Event()
    began = time.monotonic()
    works: dict[str, Callable[[LarkServiceClient], Any]] = {
        "an answer": lambda c: c.bot.info(),
        "a file": lambda c: c.messaging.download("om_1", "file_1", str(tmp_path / "file")),
    }
    head = HEAD.replace(b"application/json", b"text/plain") if what == "a file" else HEAD
    with raw_server(lambda _: dripping(head + b"\r\n{", b" ", over)) as server, module.Client() as own:
        client = LarkServiceClient("cli_d", "s", base_url=server.url, http_client=own, deadline=DEADLINE)
        try:
            with pytest.raises(DeadlineExceededError):
                works[what](client)
            assert time.monotonic() - began < AT_MOST
        finally:
            over.set()
    assert list(tmp_path.iterdir()) == [], "half a file is none"


@pytest.mark.parametrize("status", ["301 Moved", "307 Temporary Redirect", "308 Permanent Redirect"])
@pytest.mark.parametrize("module", [httpx, httpx2])
def test_no_secret_follows_a_redirect(status: str, module: Any) -> None:
    with raw_server(lambda _: answered(TOKEN)) as other:
        away = f"Location: {other.url}/open-apis/auth/v3/tenant_access_token/internal"
        with (
            raw_server(lambda _: answered(b"moved", status, away), answers_tokens=True) as server,
            module.Client(follow_redirects=True) as own,
        ):
            client = LarkServiceClient("cli_r", "s", base_url=server.url, http_client=own, max_retries=0)
            with pytest.raises(LarkError):
                client.call("POST", "/im/v1/messages", json={})
        assert other.everything == []


@pytest.mark.parametrize(
    ("loaded", "chosen"),
    [
        ("", "httpx2"),
        ("import httpx", "httpx"),
        ("import httpx, httpx2", "httpx2"),
        ("import httpx2", "httpx2"),
    ],
)
def test_the_library_is_the_one_that_the_process_has(loaded: str, chosen: str) -> None:
    script = (
        f"{loaded}\nimport sys\nfrom lark_provider.engine import http\nprint(http.choose_library().__name__)"
    )
    script += "\nimport lark_provider\nlark_provider.LarkServiceClient('a', 'b')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.split() == [chosen]
