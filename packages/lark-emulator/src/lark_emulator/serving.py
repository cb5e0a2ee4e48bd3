"""Listening and answering: what `Emulator` does in a thread, and `serve` in the foreground."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING, Any

from lark_emulator.dispatch import LOOPBACK_NAMES, Dispatcher
from lark_emulator.garbage_collection import Collector
from lark_emulator.lark import Lark
from lark_emulator.server import HttpConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from lark_emulator.exchange import Connection
    from lark_emulator.persistence import Persister
    from lark_emulator.reach.door import Door
    from lark_emulator.server import Handler

BACKLOG = 1024
DRAIN_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound


class Serving:
    """A listening server as a context: on leaving, the port and all connections are closed.

    Args:
        lark: The emulator whose requests are answered.
        listener: The bound socket on which the server listens.
        allowed_hosts: Names accepted in the Host header.
        door: The TLS or forward proxy settings; None = plain HTTP.
        persister: The object that keeps the state in a folder; None = the state is not kept.
    """

    def __init__(
        self,
        lark: Lark,
        listener: socket.socket,
        allowed_hosts: Iterable[str],
        *,
        door: Door | None = None,
        persister: Persister | None = None,
    ) -> None:
        self._lark = lark
        self._persister = persister
        names = list(allowed_hosts)
        self._handler: Handler = Dispatcher(lark, names)
        self._tls: dict[str, Any] = {}
        if door is not None:
            self._handler, context = door.fit(self._handler, lark, names)
            if context is not None:
                self._tls = {"ssl": context, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        self._listener = listener
        self._connections: set[Connection] = set()
        self._alarm: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: HttpConnection(self._handler, self._connections),
            sock=self._listener,
            backlog=BACKLOG,
            **self._tls,
        )
        self._lark.loop, self._lark.wake = loop, self._set_alarm
        waiting, self._lark.when_running = self._lark.when_running, []
        for action in waiting:
            action()
        self._set_alarm()
        if self._persister is not None:
            self._persister.begin(loop)

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
            connection.drop_on_shutdown()
        await asyncio.gather(*(connection.closed for connection in closing))
        await self._server.wait_closed()
        if self._persister is not None:
            self._persister.end()


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], object] | None = None,
    *,
    allowed_hosts: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    door: Door | None = None,
    data: Path | None = None,
    prepare: Callable[[Lark], object] | None = None,
    ended: Callable[[Lark], object] | None = None,
) -> None:
    """Run an emulator in the foreground until SIGINT or SIGTERM; a second one ends the process at once.

    Args:
        host: The host name or address to listen on.
        port: The TCP port to listen on; 0 picks a free one.
        ready: A function that is called with the base URL once it listens.
        allowed_hosts: Names accepted in the Host header; by default the loopback names and `host`.
        settings: Settings that differ from the defaults.
        door: The TLS or forward proxy settings; None = plain HTTP.
        data: The folder that the state is kept in; None = the state is not kept.
        prepare: A function that is called with the emulator's state before it listens, unless `data` held a
            state already, and after each reset.
        ended: A function that is called with the emulator's state at the end.

    Raises:
        OSError: the port is taken, the host is not ours, or a folder cannot be used.
        ValueError: what `door` or `data` ask for cannot be had.
    """
    lark = Lark(settings)
    names = list_names(host, allowed_hosts)
    if door is not None:
        door.check(host)
    persister = None
    if data is not None:
        from lark_emulator.persistence import Persister

        persister = Persister(lark, data)
    try:
        if (persister is None or not persister.load()) and prepare is not None:
            prepare(lark)
        lark.prepare = prepare or lark.prepare
        listener = listen(host, port)
    except (OSError, ValueError):
        if persister is not None:
            persister.close()
        raise

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
        async with Serving(lark, listener, names, door=door, persister=persister):
            if ready is not None:
                ready(format_url(host, listener.getsockname()[1], secure=door is not None and door.tls))
            await stopping.wait()

    collector = Collector()  # the process is ours
    collector.install()
    try:
        asyncio.run(run())
    finally:
        collector.remove()
        listener.close()
        if persister is not None:
            persister.close()
    if ended is not None:
        ended(lark)


def list_names(host: str, allowed_hosts: Iterable[str] | None) -> list[str]:
    """Return the names that are accepted in the Host header: the given ones, or the usual."""
    if allowed_hosts is not None:
        return list(allowed_hosts)
    return sorted({*LOOPBACK_NAMES, host} - _WILDCARDS.keys())


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


def format_url(host: str, port: int, *, secure: bool = False) -> str:
    """Return where clients find what listens there."""
    name = _WILDCARDS.get(host, host)
    scheme = "https" if secure else "http"
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
