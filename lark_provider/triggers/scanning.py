"""Scans of a watched table: they find the changes whose events were lost."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import itertools
import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from lark_provider.errors import LarkError
from lark_provider.protocol import record_cursors as cursors
from lark_provider.protocol.record_cursors import SeenRecord, Version
from lark_provider.support import measured
from lark_provider.triggers import events
from lark_provider.triggers.events import Offer
from lark_provider.triggers.record_payloads import (
    BATCH,
    MS_PER_SECOND,
    divide,
    format_iso,
    get_version,
    make_moment,
    make_payload_record,
)

if TYPE_CHECKING:
    from lark_provider.protocol.record_cursors import Cursor
    from lark_provider.triggers.reported import ReportedChanges
    from lark_provider.triggers.wanted import WantedRecords
    from lark_provider.triggers.watched_table import WatchedTable

logger = logging.getLogger(__name__)

_SETTLE_SECONDS = 60.0
"""A scan leaves younger modifications to their events, which know more."""
_BATCHES_AT_ONCE = 10
"""Batches of a scan that are offered before the first is stored."""
_NOTED = 10_000
"""Records of one transaction: that of all records of a large table would last too long."""
_DAY = dt.timedelta(days=1)


class ScanBatch(Offer):
    """Changed records that a scan has found: each with its version, None if it is gone."""

    __slots__ = ("changed", "done", "scanner")

    def __init__(self, scanner: Scanner, changed: Mapping[str, tuple[str, Version | None]]) -> None:
        super().__init__(f"scan:{uuid.uuid4()}", is_matched=True)
        self.scanner, self.changed = scanner, changed
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def finish(self) -> None:
        """Let the scan go on: Airflow has stored what was found."""
        if not self.done.done():
            self.done.set_result(None)


class Scanner:
    """Compares a table with what was reported of it.

    Args:
        wanted: What is looked for.
        table: The table.
        reported: What was reported.
        own_id: The app's own open_id.
        cursor: How far the table was scanned.
    """

    def __init__(
        self,
        wanted: WantedRecords,
        table: WatchedTable,
        reported: ReportedChanges,
        own_id: str,
        cursor: Cursor,
    ) -> None:
        self._wanted, self._table, self._reported, self._own_id = wanted, table, reported, own_id
        self._cursor = cursor

    async def scan_until_cancelled(self) -> None:
        """Look for changes without events, for as long as the trigger runs."""
        app_id, table = self._table.client.app_id, self._table
        while self._wanted.scan_every:
            await asyncio.sleep(min(_SETTLE_SECONDS, self._wanted.scan_every))
            try:
                await table.client.clouddoc.drive.subscribe(table.base, type="bitable")
                count = await self.scan()
            except LarkError as error:
                measured.RECORD_SCANS.add(app_id, "failed")
                fields = {"table": table.table, "error": str(error)}
                logger.warning("Scan of a watched table failed; the next one finds its changes", extra=fields)
            except Exception:
                measured.RECORD_SCANS.add(app_id, "failed")
                fields = {"table": table.table}
                logger.exception("Scan of a watched table failed unexpectedly; retrying", extra=fields)
            else:
                measured.RECORD_SCANS.add(app_id, "complete")
                if count:
                    counted = {"table": table.table, "records": count}
                    logger.info("Scan found changed records without events", extra=counted)
            await asyncio.sleep(max(0.0, self._wanted.scan_every - _SETTLE_SECONDS))

    async def scan(self) -> int:
        """Report what changed without an event, and record how far the table was compared.

        Returns:
            How many records were found.

        Raises:
            LarkError: Lark or the database cannot be used; nothing is lost.
        """
        keeps_all, store = self._wanted.deletions, self._reported.store
        until_ms = int((time.time() - _SETTLE_SECONDS) * MS_PER_SECOND)
        known = await asyncio.to_thread(store.read_seen) if keeps_all else {}
        versions = [get_version(record) async for record in self._search(everything=keeps_all)]
        recent = [version.record_id for version in versions if version.modified_ms > self._cursor.since_ms]
        seen = await asyncio.to_thread(store.read_seen, recent)
        own_ids = frozenset({self._own_id}) if self._wanted.skip_own else frozenset()
        missed = cursors.find_missed(versions, seen, self._cursor, until_ms=until_ms, own=own_ids)
        changed: dict[str, tuple[str, Version | None]] = {
            version.record_id: (kind, version) for version, kind in missed
        }
        if keeps_all:
            present = {version.record_id for version in versions}
            new = sorted(present - known.keys() - changed.keys() - seen.keys())
            for start in range(0, len(new), _NOTED):
                await asyncio.to_thread(store.note, dict.fromkeys(new[start : start + _NOTED], SeenRecord()))
            changed |= dict.fromkeys(cursors.find_deleted(present, known), (cursors.DELETED, None))
        await self._offer(changed)
        self._cursor = cursors.after_complete_scan(self._cursor, until_ms)
        complete = functools.partial(store.complete, self._cursor, keeps_all=keeps_all)
        await asyncio.to_thread(complete)
        return len(changed)

    async def _search(self, *, everything: bool) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the records that may have changed: of the last days, if a field tells which they are."""
        field, conditions = self._wanted.modified_field, None
        if field is not None and not everything:
            # Lark compares dates by the day, in the base's time zone.
            since = make_moment(self._cursor.since_ms) - 2 * _DAY
            conditions = [(field, "isGreater", since)]
        fields = self._table.values.names
        names = [next(iter(fields.values()))] if fields else []
        async for record in self._table.client.clouddoc.bitable.search_records(
            self._table.base,
            self._table.table,
            filter=conditions,
            field_names=names,
            automatic_fields=True,
            convert=False,
        ):
            yield record

    async def _offer(self, changed: Mapping[str, tuple[str, Version | None]]) -> None:
        """Offer what was found to the stream, a few batches at a time, and wait until all is stored."""
        waiting: list[asyncio.Future[None]] = []
        items = iter(changed.items())
        while part := dict(itertools.islice(items, BATCH)):
            if len(waiting) >= _BATCHES_AT_ONCE:
                await waiting.pop(0)
            batch = ScanBatch(self, part)
            waiting.append(batch.done)
            events.offer(batch)
        for future in waiting:
            await future

    async def iterate_payloads(self, batch: ScanBatch) -> AsyncIterator[dict[str, Any]]:
        """Yield what is to be fired for a batch that a scan has found.

        Args:
            batch: The batch.
        """
        ids = list(batch.changed)
        current = await self._table.read(ids)
        seen = await self._reported.read(ids)
        records, noted = [], dict[str, SeenRecord]()
        for record_id, (kind, version) in batch.changed.items():
            read, before = current.get(record_id), seen.get(record_id)
            if kind == cursors.DELETED and record_id not in self._table.absent:
                continue  # it is there, or may be: pages of a search are not of one moment, rights change
            if version is not None and before is not None and before.modified_ms >= version.modified_ms:
                continue  # its event has come meanwhile
            if kind == cursors.DELETED and before is not None and before.is_deleted:
                continue
            # Without its values a record is reported, and once more by the scan that can read them.
            reported = None if version is None else (get_version(read).modified_ms if read is not None else 0)
            noted[record_id] = cursors.after_scan(before, reported)
            if self._wanted.has_kind(kind):
                records.append(make_payload_record(record_id, kind, read))
        measured.RECORD_GAPS.add(self._table.client.app_id, amount=len(records))
        self._reported.record_once_stored(batch, noted, None)
        batch.stored.append(batch.finish)
        newest = max(
            (version.modified_ms for _, version in batch.changed.values() if version is not None),
            default=None,
        )
        about = {
            "source": "scan",
            "event_id": None,
            "revision": None,
            "changed_at": None if newest is None else format_iso(newest),
            "operator": None,
        }
        for payload in divide({**self._table.place, **about}, records, self._wanted.max_payload_bytes):
            yield payload
