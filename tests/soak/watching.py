"""Looks into the table for clicks as they are stored."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2

from tests.services.postgres import OwnPostgres
from tests.soak.ledger import Ledger

_LOOK_SECONDS, _AGAIN_SECONDS = 0.25, 0.5
_FAILED_SECONDS = 30.0
"""For so long a click that was not accepted is looked for: it may be stored all the same."""


class Watcher:
    """Notes in the ledger when each click is first seen in the table.

    Args:
        server: The server.
        url: The database on it.
        ledger: Takes the times.
    """

    def __init__(self, server: OwnPostgres, url: str, ledger: Ledger) -> None:
        self._server, self._database, self._ledger = server, urlsplit(url).path.removeprefix("/"), ledger

    async def watch(self, stop: asyncio.Event) -> None:
        """Look until told to stop, through every loss of the server."""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self._watch, stop)
            except psycopg2.Error:
                await asyncio.sleep(_AGAIN_SECONDS)

    def read(self) -> None:
        """Read the whole table at the end."""
        with (
            closing(self._server.server.connect(self._database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT event_id FROM card_callbacks")
            self._ledger.rows = dict(Counter(event_id for (event_id,) in cursor.fetchall()))

    def _watch(self, stop: asyncio.Event) -> None:
        with (
            closing(self._server.server.connect(self._database)) as connection,
            connection.cursor() as cursor,
        ):
            while not stop.is_set():
                if awaited := self._list_overdue():
                    cursor.execute("SELECT event_id FROM card_callbacks WHERE event_id = ANY(%s)", (awaited,))
                    seen = time.monotonic()
                    for (event_id,) in cursor.fetchall():
                        self._ledger.clicks[event_id].stored = seen
                time.sleep(_LOOK_SECONDS)

    def _list_overdue(self) -> list[str]:
        since = time.monotonic() - _FAILED_SECONDS
        return [
            click.event_id
            for click in list(self._ledger.clicks.values())
            if click.stored is None and (click.is_accepted or click.sent >= since)
        ]
