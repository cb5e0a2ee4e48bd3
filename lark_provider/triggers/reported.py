"""What a watcher has reported: of which records, and by which events."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lark_provider.errors import StorageError

if TYPE_CHECKING:
    from lark_provider.protocol.record_cursors import CursorStore, SeenRecord
    from lark_provider.triggers.events import Offer

T = TypeVar("T")
logger = logging.getLogger(__name__)

_RECORD_SECONDS = (0.5, 2.0, 5.0)
_MAX_KEYS = 10_000


class ReportedChanges:
    """What was reported of a table, recorded in the database once Airflow has stored it.

    While the database is unavailable a change may be reported twice rather than never.

    Args:
        store: The database's record of what was reported of the table.
        table: The table's id, for log lines.
    """

    def __init__(self, store: CursorStore, table: str) -> None:
        self.store, self._table = store, table
        self._events: OrderedDict[str, None] = OrderedDict()
        self._pending: dict[str, SeenRecord] = {}
        """What was reported, and may not be recorded yet."""

    async def claim(self, event_key: str) -> bool:
        """Return whether an event has yet to be reported; from now on it counts as reported.

        Args:
            event_key: What its deliveries have in common.
        """
        if event_key in self._events or await self._ask_store(self.store.is_handled, event_key, False):
            return False
        self._events[event_key] = None
        if len(self._events) > _MAX_KEYS:
            self._events.popitem(last=False)
        return True

    async def read(self, record_ids: Sequence[str]) -> dict[str, SeenRecord]:
        """Return what was reported of records, recorded or not.

        Args:
            record_ids: The records.
        """
        # Taken before the database is read: what is recorded during the read leaves `_pending`, and may be
        # missing from what is read.
        pending = {
            record_id: self._pending[record_id] for record_id in record_ids if record_id in self._pending
        }
        recorded: dict[str, SeenRecord] = await self._ask_store(self.store.read_seen, record_ids, {})
        return {**recorded, **pending}

    def record_once_stored(self, offer: Offer, seen: Mapping[str, SeenRecord], event_key: str | None) -> None:
        """Record what is reported of records as soon as Airflow has stored it.

        Args:
            offer: What it was made of.
            seen: What is reported, by record id.
            event_key: The event that brought it; None for a scan.
        """
        self._pending.update(seen)
        offer.stored.append(functools.partial(self._record, seen, event_key))

    async def _record(self, seen: Mapping[str, SeenRecord], event_key: str | None) -> None:
        for pause in (*_RECORD_SECONDS, None):
            try:
                await asyncio.to_thread(self.store.note, seen, event_key)
            except StorageError as error:
                if pause is not None:
                    await asyncio.sleep(pause)
                    continue
                fields = {"table": self._table, "records": len(seen), "error": str(error)}
                logger.warning("Reported changes not recorded; a scan may report them again", extra=fields)
            break
        for record_id, record in seen.items():
            if self._pending.get(record_id) is record:
                del self._pending[record_id]

    async def _ask_store(self, ask: Callable[[Any], T], about: Any, otherwise: T) -> T:
        try:
            return await asyncio.to_thread(ask, about)
        except StorageError as error:
            fields = {"table": self._table, "error": str(error)}
            logger.warning("Database unavailable; a change may be reported twice", extra=fields)
            return otherwise
