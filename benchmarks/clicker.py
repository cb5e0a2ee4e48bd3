"""People who click on cards, in a process of their own: `python -m benchmarks.clicker http://127.0.0.1:…`.

It reads jobs as a worker does. What it sends is encrypted and signed before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
import time
from collections import deque
from urllib.parse import urlsplit

from benchmarks.processes import LIFE_SECONDS
from lark_provider.callbacks.http.endpoint import RECEIVED
from tests.protocol.callbacks import sender

CONNECTIONS = 64
PACES = {"saturate": None, "pace": 2000, "aim": 20}
"""Clicks a second of each job; None for as fast as the answers come, with one click at a time on each."""
_PATIENCE = 60.0
_CRLF = "\r\n"


class Connection(asyncio.Protocol):
    """A connection that is kept alive, with one request under way at most.

    Args:
        crowd: Is notified of answers.
    """

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self._answer, self._due = crowd, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP has this one
        self.transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a moment."""
        self._due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        self._answer += data
        head, complete, body = self._answer.partition(b"\r\n\r\n")
        if complete and len(body) >= int(head.lower().partition(b"content-length:")[2].split(None, 1)[0]):
            self._answer = b""
            self._crowd.note_answer(self, body, time.monotonic() - self._due)

    def connection_lost(self, error: Exception | None) -> None:
        """End the run with an error, since nothing else reports a lost connection."""
        self._crowd.give_up(error)


class Crowd:
    """Clicks, thrown over all connections.

    Args:
        requests: Made beforehand.
    """

    def __init__(self, requests: list[bytes]) -> None:
        self._left, self._count = iter(requests), len(requests)
        self._waiting: deque[float | None] = deque()
        self._idle: deque[Connection] = deque()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.accepted = 0

    async def connect(self, url: str) -> None:
        """Open all connections."""
        loop, place = asyncio.get_running_loop(), urlsplit(url)
        for _ in range(CONNECTIONS):
            pair = await loop.create_connection(
                lambda: Connection(self), str(place.hostname), place.port or 80
            )
            self._idle.append(pair[1])

    async def throw(self, pace: int | None) -> list[float]:
        """Throw all of them, and wait for the answers.

        Args:
            pace: See `PACES`. A click that comes too late, since no connection is free, counts from when it
                was due.

        Returns:
            When each was due.
        """
        started = time.monotonic()
        if pace is None:
            self._waiting.extend([None] * self._count)
        due = [started + number / (pace or self._count) for number in range(self._count)]
        for moment in due if pace else ():
            if (ahead := moment - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            self._waiting.append(moment)
            self._send()
        self._send()
        async with asyncio.timeout(_PATIENCE):
            await self._done
        return due

    def close(self) -> None:
        """Close all connections."""
        for connection in self._idle:
            connection.transport.abort()

    def note_answer(self, connection: Connection, body: bytes, seconds: float) -> None:
        """Note an answer, and go on."""
        self.latencies.append(seconds)
        self.accepted += body == RECEIVED
        self._idle.append(connection)
        if len(self.latencies) == self._count:
            self._done.set_result(None)
        self._send()

    def give_up(self, error: Exception | None) -> None:
        """Fail the run: a gateway must not close connections."""
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("the gateway has closed a connection"))

    def _send(self) -> None:
        while self._waiting and self._idle:
            due = self._waiting.popleft()
            self._idle.popleft().send(next(self._left), time.monotonic() if due is None else due)


def request(url: str, event_id: str, message_id: str) -> bytes:
    """Return the whole HTTP request of a click on a card, encrypted and signed."""
    click = sender.card(now=time.time())
    click["header"]["event_id"] = event_id
    click["event"]["context"]["open_message_id"] = message_id
    body, place = sender.seal_body(click), urlsplit(url)
    headers = sender.make_headers(body, timestamp=str(int(time.time())))
    headers |= {"Host": place.netloc, "Content-Length": str(len(body))}
    lines = (f"POST {place.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()))
    return f"{_CRLF.join(lines)}{_CRLF * 2}".encode() + body


async def throw(url: str, job: str, count: int) -> dict[str, float]:
    """Do a job.

    Returns:
        `seconds` for all, `p50` and `p99` of their answers in seconds, and how many were `accepted`; of
        "aim", the moment of each click by the card's message id.
    """
    run = secrets.token_hex(8)
    messages = [f"om_{number}" for number in range(count)]
    crowd = Crowd([request(url, f"{run}-{message}", message) for message in messages])
    await crowd.connect(url)
    started = time.monotonic()
    due = await crowd.throw(PACES[job])
    seconds = time.monotonic() - started
    crowd.close()
    if job == "aim":
        return dict(zip(messages, due, strict=True))
    slowest = sorted(crowd.latencies)
    p50, p99 = slowest[count // 2], slowest[count * 99 // 100]
    return {"seconds": seconds, "p50": p50, "p99": p99, "accepted": crowd.accepted}


def main() -> None:
    """Answer jobs until there are no more."""
    signal.alarm(LIFE_SECONDS)  # whatever becomes of the run, this ends
    (url,) = sys.argv[1:]
    for line in sys.stdin:
        job, count = line.split()
        sys.stdout.write(json.dumps(asyncio.run(throw(url, job, int(count)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
