"""A wire to RabbitMQ that counts what is delivered through it, and can be made to carry nothing back."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress

from pika.frame import Header, Method, decode_frame
from pika.spec import Basic

from tests.services.processes import HOST


class Wire:
    """A port that leads to a broker.

    Args:
        port: The broker's.

    Attributes:
        url: The broker behind this wire.
        delivered: How often each click was delivered to whoever takes from the queue.
        is_deaf: Whether nothing goes to the broker any more, such as acknowledgements.
    """

    def __init__(self, port: int) -> None:
        self.delivered: Counter[str] = Counter()
        self.is_deaf = False
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._join, HOST, 0), self._loop)
        self._server = listening.result()
        self.url = f"amqp://guest:guest@{HOST}:{self._server.sockets[0].getsockname()[1]}/%2F"

    def cut(self) -> None:
        """Lose all connections; new ones are heard again."""

        async def cut() -> None:
            for writer in self._open:
                writer.transport.abort()
            self.is_deaf = False

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result()

    def close(self) -> None:
        """End it."""

        async def close() -> None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            here = asyncio.current_task()
            await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not here))

        asyncio.run_coroutine_threadsafe(close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_broker, to_broker = await asyncio.open_connection(HOST, self._port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, to_broker}
        self._open |= both
        carried = asyncio.ensure_future(self._there(reader, to_broker))
        with suppress(ConnectionError):
            await self._back(from_broker, writer)
        for stream in both:
            stream.transport.abort()
        self._open -= both
        await carried

    async def _there(self, reader: asyncio.StreamReader, to_broker: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self.is_deaf:
                    to_broker.write(data)
        to_broker.transport.abort()

    async def _back(self, from_broker: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard, is_click = b"", False
        while data := await from_broker.read(65536):
            heard += data
            while True:
                size, frame = decode_frame(heard)
                if frame is None:
                    break
                heard = heard[size:]
                if isinstance(frame, Method):
                    deliver = frame.method
                    is_click = isinstance(deliver, Basic.Deliver) and f"{deliver.routing_key}"[:5] == "card."
                elif isinstance(frame, Header) and is_click:
                    self.delivered[f"{frame.properties.message_id}"] += 1
            writer.write(data)
