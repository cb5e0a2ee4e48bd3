"""A proxy before a server that can stop carrying data, while every connection stays open."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self

from tests.services.processes import HOST


class Proxy:
    """A port that leads to a server of the loopback address.

    Args:
        port: The server's.

    Attributes:
        port: Its own.
        swallows: Whether what arrives on either side, and over new connections, goes no further.
    """

    def __init__(self, port: int) -> None:
        self.swallows = False
        self._behind = port
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._join, HOST, 0), self._loop)
        self._server = starting.result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            here = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not here]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(HOST, self._behind)
        self._open |= {writer, to_server}
        await asyncio.gather(self._carry(reader, to_server), self._carry(from_server, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.swallows:
                    writer.write(data)
                    await writer.drain()
        if not self.swallows:  # else the other side hears nothing of the end either
            writer.transport.abort()
