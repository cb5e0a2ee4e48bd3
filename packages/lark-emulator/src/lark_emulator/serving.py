"""Listening and answering: what `Emulator` does in a thread, and `serve` in the foreground."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING, Any

from lark_emulator.dispatch import LOOPBACK_NAMES, Dispatcher
from lark_emulator.lark import Lark
from lark_emulator.server import HttpConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lark_emulator.exchange import Connection

BACKLOG = 1024
DRAIN_SECONDS = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound


class Serving:
    """A listening server as a context: on leaving, the port and all connections are closed.

    Args:
        lark: whose requests are answered.
        listener: bound.
        allowed_hosts: names accepted in the Host header.
    """

    def __init__(self, lark: Lark, listener: socket.socket, allowed_hosts: Iterable[str]) -> None:
        self._lark = lark
        self._dispatcher = Dispatcher(lark, allowed_hosts)
        self._listener = listener
        self._connections: set[Connection] = set()
        self._alarm: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: HttpConnection(self._dispatcher, self._connections), sock=self._listener, backlog=BACKLOG
        )
        self._lark.loop, self._lark.wake = loop, self._set_alarm
        waiting, self._lark.when_running = self._lark.when_running, []
        for action in waiting:
            action()
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Look at the emulator's clock again when something is due by it."""
        if self._alarm is not None:
            self._alarm.cancel()
        seconds = self._lark.clock.until_due()
        loop = asyncio.get_running_loop()
        self._alarm = None if seconds is None else loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._lark.clock.ring()
        self._lark.activity += 1
        self._set_alarm()

    async def __aexit__(self, *_: object) -> None:
        # asyncio accepts in tasks of its own, and would leave a connection open that is on its way when the
        # server closes: so first accept no more, then let those tasks end, then close.
        asyncio.get_running_loop().remove_reader(self._listener)
        self._lark.loop, self._lark.wake = None, lambda: None
        if self._alarm is not None:
            self._alarm.cancel()
        self._lark.courier.give_up()
        self._lark.links.give_up()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            late = (await asyncio.wait(tasks, timeout=DRAIN_SECONDS))[1]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._server.close()
        closing = list(self._connections)
        for connection in closing:
            connection.shut()
        await asyncio.gather(*(connection.closed for connection in closing))
        await self._server.wait_closed()


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], object] | None = None,
    *,
    allowed_hosts: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Run an emulator in the foreground until SIGINT or SIGTERM; a second one ends the process at once.

    Args:
        host: where to listen.
        port: 0 picks a free one.
        ready: called with the base URL once it listens.
        allowed_hosts: names accepted in the Host header; by default the loopback names and `host`.
        settings: settings that differ from the defaults.

    Raises:
        OSError: the port is taken or the host is not ours.
    """
    lark = Lark(settings)
    names = {*LOOPBACK_NAMES, host} if allowed_hosts is None else allowed_hosts
    listener = listen(host, port)

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            stopping.set()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)

        for number in _SIGNALS:
            loop.add_signal_handler(number, stop)
        async with Serving(lark, listener, names):
            if ready is not None:
                ready(url_of(host, listener.getsockname()[1]))
            await stopping.wait()

    asyncio.run(run())


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, and not yet listening.

    Raises:
        OSError: the port is taken or the host is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise type(error)(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def url_of(host: str, port: int) -> str:
    """Return where clients find what listens there."""
    name = _WILDCARDS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
