"""A port that leads to another one, and can be closed for a while: a dead port to whoever connects."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.services.processes import HOST, free_port

_CHUNK = 65536


class Relay:
    """Leads from a port of its own to another one of the loopback address.

    Args:
        port: Where it leads.

    Attributes:
        port: Its own.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self._to = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen, and forward connections from now on."""
        self._server = await asyncio.start_server(self._join, HOST, self.port)

    async def close(self) -> None:
        """Close the port, and cut all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()
        while self._open:  # noqa: ASYNC110 - those who carry have to see it
            await asyncio.sleep(0.01)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, upstream = await asyncio.open_connection(HOST, self._to)
        except OSError:
            writer.transport.abort()
            return
        if self._server is None:  # closed meanwhile
            writer.transport.abort()
            upstream.transport.abort()
            return
        both = {writer, upstream}
        self._open |= both
        try:
            await asyncio.gather(_carry(reader, upstream), _carry(back, writer))
        finally:
            self._open -= both


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until one side ends, which ends the other."""
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
