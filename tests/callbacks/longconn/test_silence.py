"""Half-open connections, by a clock that jumps: both sides in one event loop, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from lark_provider.callbacks.http.answers import Answer
from lark_provider.callbacks.websocket import connection as connections
from lark_provider.callbacks.websocket.connection import Connection
from lark_provider.protocol.longconn import messages
from lark_provider.protocol.longconn.frames import CONTROL, DATA, Frame, decode, encode
from lark_provider.protocol.longconn.reconnect import ClientConfig
from lark_provider.support.throttle import Throttle
from tests.callbacks.virtual import run_to_end

PING_SECONDS = 90.0


def pong(said: bytes = b"") -> bytes:
    return encode(Frame(CONTROL, (("type", "pong"),), said))


def delivery(number: int, **headers: str) -> bytes:
    all_headers = {"type": "event", "message_id": f"m{number}", **headers}
    return encode(Frame(DATA, tuple(all_headers.items()), b"{}", seq_id=number))


async def accept(_payload: bytes, _began: float) -> Answer:
    return Answer(200)


class Stand:
    """A connection, and the server's side of it."""

    def __init__(self, take: connections.StoreFrame = accept) -> None:
        self.take = take
        self.in_flight: set[asyncio.Task[None]] = set()
        self.pings: list[float] = []
        self.answers: list[Frame] = []

    async def run(self, server: Callable[[ServerConnection], Awaitable[None]]) -> tuple[str, float]:
        """Return why the connection ended, and after how long, as the loop's clock has it."""
        loop = asyncio.get_running_loop()

        async def serve_socket(socket: ServerConnection) -> None:
            await server(socket)
            await socket.wait_closed()

        async with serve(serve_socket, "127.0.0.1", 0, ping_interval=None, close_timeout=1) as listening:
            port = next(iter(listening.sockets)).getsockname()[1]
            socket = await connect(f"ws://127.0.0.1:{port}", ping_interval=None, proxy=None, compression=None)
            began = loop.time()
            config = ClientConfig(PING_SECONDS)
            client = Connection("cli_a", socket, 7, config, self.take, self.in_flight, Throttle())
            return await client.run(), loop.time() - began

    async def reading(self, socket: ServerConnection, said: Callable[[int], bytes | None]) -> None:
        """Read everything, and answer pings by their number."""
        async for message in socket:
            assert isinstance(message, bytes)
            frame = decode(message)
            if frame.method == DATA:
                self.answers.append(frame)
                continue
            self.pings.append(asyncio.get_running_loop().time())
            answer = said(len(self.pings))
            if answer is not None:
                await socket.send(answer)


def run_until_ended(stand: Stand, server: Callable[[ServerConnection], Awaitable[None]]) -> tuple[str, float]:
    return run_to_end(lambda: stand.run(server))[0]


@pytest.mark.parametrize("answered", [0, 1, 5])
def test_silence_is_noticed_after_the_interval_and_30_s(answered: int) -> None:
    stand = Stand()

    async def server(socket: ServerConnection) -> None:
        await stand.reading(socket, lambda number: pong() if number <= answered else None)

    why, seconds = run_until_ended(stand, server)
    last = max(0, answered - 1) * PING_SECONDS
    assert seconds == pytest.approx(last + PING_SECONDS + 30, abs=1)
    assert why == "no message for 120 s"
    assert len(stand.pings) == answered + (2 if answered < 1 else 1)


def test_one_that_does_not_even_read_is_noticed_as_well() -> None:
    async def take(_payload: bytes, _began: float) -> Answer:
        return Answer(200, bytes(1_000_000))

    stand = Stand(take)

    async def server(socket: ServerConnection) -> None:
        socket.transport.pause_reading()  # all buffers on the way fill up, and every answer waits
        for number in range(2 * connections.MAX_IN_FLIGHT):
            await socket.send(delivery(number))

    why, seconds = run_until_ended(stand, server)
    assert (why, round(seconds)) == ("no message for 120 s", 120)
    assert not stand.in_flight


def test_a_pong_changes_the_interval_at_once() -> None:
    stand = Stand()

    async def server(socket: ServerConnection) -> None:
        await stand.reading(socket, lambda number: pong(b'{"PingInterval":10}') if number == 1 else None)

    why, seconds = run_until_ended(stand, server)
    assert (why, round(seconds)) == ("no message for 40 s", 40)
    assert [round(moment) for moment in stand.pings] == [0, 10, 20, 30]


def test_deliveries_are_a_sign_of_life() -> None:
    stand = Stand()

    async def server(socket: ServerConnection) -> None:
        reading = asyncio.ensure_future(stand.reading(socket, lambda _: None))
        for number in range(10):
            await asyncio.sleep(100)
            await socket.send(delivery(number))
        await reading

    why, seconds = run_until_ended(stand, server)
    assert (why, round(seconds)) == ("no message for 120 s", 1120)
    assert [frame.seq_id for frame in stand.answers] == list(range(10))


def test_a_part_that_comes_too_late_completes_nothing() -> None:
    stand = Stand()

    async def server(socket: ServerConnection) -> None:
        reading = asyncio.ensure_future(stand.reading(socket, lambda _: None))
        for number, pause in enumerate((4.9, 5.1)):
            await socket.send(delivery(number, sum="2", seq="0"))
            await asyncio.sleep(pause)
            await socket.send(delivery(number, sum="2", seq="1"))
        await reading

    run_until_ended(stand, server)
    assert [frame.find_header("message_id") for frame in stand.answers] == ["m0"]


def test_no_more_is_read_than_can_be_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_IN_FLIGHT", 3)
    running: list[int] = []
    most: list[int] = []

    async def take(_payload: bytes, _began: float) -> Answer:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(1)
        running.pop()
        return Answer(200)

    stand = Stand(take)

    async def server(socket: ServerConnection) -> None:
        reading = asyncio.ensure_future(stand.reading(socket, lambda _: None))
        for number in range(20):
            await socket.send(delivery(number))
        await reading

    run_until_ended(stand, server)
    assert max(most) == 3
    assert len(stand.answers) == 20


def test_a_failure_of_ours_asks_lark_to_repeat(caplog: pytest.LogCaptureFixture) -> None:
    async def take(_payload: bytes, _began: float) -> Answer:
        raise RuntimeError("on purpose")

    stand = Stand(take)

    async def server(socket: ServerConnection) -> None:
        reading = asyncio.ensure_future(stand.reading(socket, lambda _: None))
        await socket.send(delivery(1))
        await reading

    run_until_ended(stand, server)
    assert [frame.payload for frame in stand.answers] == [b'{"code":500}']
    assert "Delivery failed unexpectedly" in caplog.messages


def test_a_keeper_that_fails_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_service: int) -> Any:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(messages, "ping", fail)
    stand = Stand()

    async def server(socket: ServerConnection) -> None:
        await stand.reading(socket, lambda _: None)

    _, seconds = run_until_ended(stand, server)
    assert seconds < 1
    assert "Failed to watch the long connection" in caplog.messages
