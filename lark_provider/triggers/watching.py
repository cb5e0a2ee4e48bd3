"""Watch a table while its trigger runs: subscribe, read its events, and scan for missed changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from lark_provider.api.clouddoc import record_events
from lark_provider.api.clouddoc.record_events import EventValues, RecordChange, RecordsChanged
from lark_provider.hooks import airflow_config
from lark_provider.protocol import record_cursors as cursors
from lark_provider.support import measured
from lark_provider.triggers.record_payloads import (
    MS_PER_SECOND,
    divide,
    format_iso,
    get_version,
    make_payload_record,
)
from lark_provider.triggers.reported import ReportedChanges
from lark_provider.triggers.scanning import ScanBatch, Scanner
from lark_provider.triggers.watched_table import WatchedTable

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient
    from lark_provider.protocol.record_cursors import Cursor, CursorStore
    from lark_provider.triggers.events import Offer
    from lark_provider.triggers.wanted import WantedRecords

logger = logging.getLogger(__name__)


class TableWatcher:
    """A watched table.

    Args:
        wanted: What is looked for.
        table: The table.
        reported: What was reported of it.
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
        self._scanner = Scanner(wanted, table, reported, own_id, cursor)

    @classmethod
    async def begin(cls, wanted: WantedRecords) -> TableWatcher:
        """Subscribe to the base, and find or record the cursor.

        Args:
            wanted: What is looked for.

        Raises:
            PermissionDeniedError: The app neither owns nor manages the base, or lacks a scope.
            ConfigurationError: No database is configured.
            LarkError: Lark or the database cannot be used.
        """
        from lark_provider.hooks import reporting
        from lark_provider.hooks.lark import LarkHook

        reporting.start()
        client = await LarkHook(wanted.lark_conn_id).get_async_conn()
        try:
            return await cls._begin(wanted, client)
        except BaseException:
            await client.close()
            raise

    @classmethod
    async def _begin(cls, wanted: WantedRecords, client: AsyncLarkServiceClient) -> TableWatcher:
        url = await airflow_config.aread_database_url()
        place = await client.clouddoc.bitable.locate(wanted.app_token, wanted.table_id)
        await client.clouddoc.drive.subscribe(place.app_token, type="bitable")
        own_id = str((await client.bot.info()).data["bot"]["open_id"])
        app = f"{client.app_id} {client.base_url}"

        def open_cursor() -> tuple[CursorStore, Cursor, bool]:
            from lark_provider.callbacks import waiting  # in a thread: it loads SQLAlchemy

            store = waiting.make_record_cursors(app, *place, wanted.make_identity(), url)
            return store, *store.begin(client.app_id, *place, int(time.time() * MS_PER_SECOND))

        store, cursor, is_new = await asyncio.to_thread(open_cursor)
        fields = {
            "table": place.table_id,
            "base": place.app_token,
            "since": format_iso(cursor.scanned_ms),
            "is_new": is_new,
        }
        logger.info("Watching a table", extra=fields)
        table = WatchedTable(client, *place)
        await table.read_fields()
        return cls(wanted, table, ReportedChanges(store, place.table_id), own_id, cursor)

    async def scan_repeatedly(self) -> None:
        """Look for changes without events, for as long as the trigger runs."""
        await self._scanner.scan_until_cancelled()

    async def close(self) -> None:
        """Close the client."""
        await self._table.client.close()

    async def iterate_payloads(self, offer: Offer) -> AsyncIterator[dict[str, Any]]:
        """Yield what is to be fired for an offer; nothing if it is not about this table.

        Args:
            offer: An event, or what a scan has found.
        """
        if isinstance(offer, ScanBatch):
            if offer.scanner is self._scanner:
                async for payload in self._scanner.iterate_payloads(offer):
                    yield payload
            return
        event, table = offer.event, self._table
        if event is None or event.app_id != table.client.app_id:
            return
        if event.event.get("file_token") != table.base:
            return
        if event.type in {record_events.FIELD_CHANGED, record_events.FILE_EDITED}:
            offer.is_matched = True  # they come with the subscription, and no one else may want them
            if event.type == record_events.FIELD_CHANGED:
                table.values = EventValues(())
            return
        if event.type != record_events.RECORD_CHANGED:
            return
        offer.is_matched = True
        changed = record_events.parse_change(event.event)
        if changed is None:
            fields = {"event_id": event.event_id, "table": table.table}
            logger.warning("Record event has an unknown form; a scan finds its changes", extra=fields)
            self._count("unknown")
            return
        if changed.table_id != table.table:
            return
        async for payload in self._iterate_event_payloads(offer, changed, event.event_id):
            yield payload

    async def _iterate_event_payloads(
        self, offer: Offer, changed: RecordsChanged, event_id: str
    ) -> AsyncIterator[dict[str, Any]]:
        key, table = changed.compute_key(event_id), self._table
        if self._wanted.skip_own and changed.operator and changed.operator == self._own_id:
            self._count("own")
            return
        if not await self._reported.claim(key):
            self._count("duplicate")
            return
        if table.values.has_unknown(changed):
            await table.try_read_fields()
        ids = [change.record_id for change in changed.changes]
        current = await table.read(
            [change.record_id for change in changed.changes if change.kind != cursors.DELETED]
        )
        seen = await self._reported.read(ids)
        records = []
        for change in changed.changes:
            read = current.get(change.record_id)
            modified = None if read is None else get_version(read).modified_ms
            before = seen.get(change.record_id)
            is_covered = cursors.is_covered(change.kind, before, at_s=changed.at_s, current_ms=modified)
            if is_covered:
                seen[change.record_id] = cursors.after_event(change.kind, before, None)
            elif self._is_wanted(change):
                seen[change.record_id] = cursors.after_event(change.kind, before, modified)
                record = make_payload_record(change.record_id, change.kind, read)
                decode = table.values.decode
                records.append({**record, "before": decode(change.before), "after": decode(change.after)})
            else:
                seen[change.record_id] = cursors.after_unwanted(
                    change.kind, before, at_s=changed.at_s, current_ms=modified
                )
        self._reported.record_once_stored(offer, {record_id: seen[record_id] for record_id in ids}, key)
        self._count("reported" if records else "filtered")
        about = {
            "source": "event",
            "event_id": event_id,
            "revision": changed.revision,
            "changed_at": format_iso(changed.at_s * MS_PER_SECOND),
            "operator": changed.operator or None,
        }
        for payload in divide({**table.place, **about}, records, self._wanted.max_payload_bytes):
            yield payload

    def _is_wanted(self, change: RecordChange) -> bool:
        if not self._wanted.has_kind(change.kind):
            return False
        if not self._wanted.fields or change.kind != cursors.EDITED:
            return True
        names_by_id = self._table.values.names
        names = {names_by_id.get(field_id, field_id) for field_id in change.get_changed_ids()}
        return not names or not names.isdisjoint(self._wanted.fields)

    def _count(self, outcome: str) -> None:
        measured.RECORD_EVENTS.add(self._table.client.app_id, outcome)
