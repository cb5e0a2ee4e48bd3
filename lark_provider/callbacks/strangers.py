"""uvicorn's HTTP for a port that strangers reach: nobody holds a connection without asking for something.

By itself, uvicorn waits for ever for the first request of a connection and for the end of its headers, and
takes any number of them.
"""

from __future__ import annotations

from typing import Any

PATIENCE_SECONDS = 5.0
LARGEST_HEADERS = 64 * 1024


def strict(base: Any) -> Any:
    """Make uvicorn's protocol close connections on which nothing is asked, or with too much in the headers.

    Args:
        base: The protocol, of whichever parser is installed.
    """

    class Strict(base):  # type: ignore[misc]  # known when it is run
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._idle_bytes = 0
            self._look(self)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._idle_bytes = self._idle_bytes + len(data) if self._is_idle() else 0
            if self._idle_bytes > LARGEST_HEADERS:
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._next_look.cancel()
            super().connection_lost(exc)

        def _is_idle(self) -> bool:
            return self.cycle is None or bool(self.cycle.response_complete)

        def _look(self, seen: object) -> None:
            """Close the connection if nothing is answered now, or was asked since the last look."""
            if self._is_idle() and self.cycle is seen:
                self.transport.close()
            else:
                self._next_look = self.loop.call_later(PATIENCE_SECONDS, self._look, self.cycle)

    return Strict
