"""A watched table while its trigger runs: subscribed, its events read, its gaps looked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import itertools
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lark_provider.api.clouddoc import record_events
from lark_provider.api.clouddoc.record_events import EventValues, RecordChange, RecordsChanged
from lark_provider.errors import LarkError, StorageError
from lark_provider.hooks import airflow_config
from lark_provider.protocol import record_cursors as cursors
from lark_provider.protocol.record_cursors import Cursor, Seen, Version
from lark_provider.support import measured
from lark_provider.triggers import events
from lark_provider.triggers.events import Offer
from lark_provider.triggers.record_payloads import BATCH, MS, PREFIX, divided, iso, moment, shown, version_of

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient
    from lark_provider.protocol.record_cursors import CursorStore

T = TypeVar("T")
logger = logging.getLogger(__name__)

_SETTLE_SECONDS = 60.0
"""A scan leaves younger modifications to their events, which know more."""
_READ_SECONDS, _READ_SECONDS_AFTER_FAILURE = 30.0, 3.0
"""Airflow gives an event five minutes in all, and up to fifty wait in line."""
_RECORD_SECONDS = (0.5, 2.0, 5.0)
_AT_ONCE = 10
"""Batches of a scan that are offered before the first is stored."""
_MAX_KEYS = 10_000
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a watcher looks for; see `LarkBaseWatcher`."""

    app_token: str
    table_id: str | None
    fields: Sequence[str]
    changes: Sequence[str]
    skip_own: bool
    deletions: bool
    modified_field: str | None
    scan_every: float
    max_payload_bytes: int
    lark_conn_id: str

    def filter(self) -> dict[str, Any]:
        """Return what makes two watchers of a table look for the same."""
        return {
            "fields": list(self.fields),
            "changes": list(self.changes),
            "skip_own": self.skip_own,
            "deletions": self.deletions,
        }


class ScanBatch(Offer):
    """Changed records that a scan of a watcher has found: each with its version, None if it is gone."""

    __slots__ = ("done", "found", "owner")

    def __init__(self, owner: Watching, found: Mapping[str, tuple[str, Version | None]]) -> None:
        super().__init__(f"scan:{uuid.uuid4()}", is_matched=True)
        self.owner, self.found = owner, found
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def finish(self) -> None:
        """Let the scan go on: Airflow has stored what was found."""
        if not self.done.done():
            self.done.set_result(None)


class Watching:
    """A watched table.

    Args:
        watcher: What is looked for.
        client: Reaches Lark.
        base: The base's token.
        table: The table's id.
        own: The app's own open_id.
        store: What is recorded.
        cursor: How far the table was scanned.
    """

    def __init__(
        self,
        watcher: Wanted,
        client: AsyncLarkServiceClient,
        base: str,
        table: str,
        own: str,
        store: CursorStore,
        cursor: Cursor,
    ) -> None:
        self._watcher, self._client, self._store = watcher, client, store
        self.base, self.table, self._own, self._cursor = base, table, own, cursor
        self._values = EventValues(())
        self._reported: OrderedDict[str, None] = OrderedDict()
        self._pending: dict[str, Seen] = {}
        """What was reported, and may not be recorded yet."""
        self._is_readable = True

    @classmethod
    async def begin(cls, watcher: Wanted) -> Watching:
        """Subscribe to the base, and find or record the cursor.

        Args:
            watcher: What is looked for.

        Raises:
            PermissionDeniedError: The app neither owns nor manages the base, or lacks a scope.
            ConfigurationError: No database is configured.
            LarkError: Lark or the database cannot be used.
        """
        from lark_provider.hooks import airflow_stats
        from lark_provider.hooks.lark import LarkHook

        airflow_stats.start()
        client = await LarkHook(watcher.lark_conn_id).get_async_conn()
        try:
            return await cls._begun(watcher, client)
        except BaseException:
            await client.close()
            raise

    @classmethod
    async def _begun(cls, watcher: Wanted, client: AsyncLarkServiceClient) -> Watching:
        url = await airflow_config.adatabase_url()
        place = await client.clouddoc.bitable.locate(watcher.app_token, watcher.table_id)
        await client.clouddoc.drive.subscribe(place.app_token, type="bitable")
        own = str((await client.bot.info()).data["bot"]["open_id"])
        app = f"{client.app_id} {client.base_url}"

        def recorded() -> tuple[CursorStore, Cursor, bool]:
            from lark_provider.callbacks import waiting  # in a thread: it loads SQLAlchemy

            store = waiting.record_cursors(app, *place, watcher.filter(), url)
            return store, *store.begin(client.app_id, *place, int(time.time() * MS))

        store, cursor, is_new = await asyncio.to_thread(recorded)
        logger.info(
            "Watching table %s of base %s; changes since %s are reported; new: %s",
            place.table_id,
            place.app_token,
            iso(cursor.scanned_ms),
            is_new,
        )
        found = cls(watcher, client, *place, own, store, cursor)
        await found._read_fields()
        return found

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    # Events

    async def payloads(self, offer: Offer) -> AsyncIterator[dict[str, Any]]:
        """Yield what is to be fired for an offer; nothing if it is not about this table.

        Args:
            offer: An event, or what a scan has found.
        """
        if isinstance(offer, ScanBatch):
            if offer.owner is self:
                async for payload in self._of_scan(offer):
                    yield payload
            return
        event = offer.event
        if event is None or event.app_id != self._client.app_id or event.event.get("file_token") != self.base:
            return
        if event.type in {record_events.FIELD_CHANGED, record_events.FILE_EDITED}:
            offer.is_matched = True  # they come with the subscription, and no one else may want them
            if event.type == record_events.FIELD_CHANGED:
                self._values = EventValues(())
            return
        if event.type != record_events.RECORD_CHANGED:
            return
        offer.is_matched = True
        changed = record_events.changed(event.event)
        if changed is None:
            logger.warning("Record event %s has an unknown form; a scan finds its changes", event.event_id)
            self._count("unknown")
            return
        if changed.table_id != self.table:
            return
        async for payload in self._of_event(offer, changed, event.event_id):
            yield payload

    async def _of_event(
        self, offer: Offer, changed: RecordsChanged, event_id: str
    ) -> AsyncIterator[dict[str, Any]]:
        key = changed.key(event_id)
        if self._watcher.skip_own and changed.operator and changed.operator == self._own:
            self._count("own")
            return
        if key in self._reported or await self._recorded(self._store.is_handled, key, False):
            self._count("duplicate")
            return
        self._remember(key)
        if self._values.unknown(changed):
            await self._try_read_fields()
        ids = [one.record_id for one in changed.changes]
        current = await self._read([one.record_id for one in changed.changes if one.kind != cursors.DELETED])
        seen = await self._seen(ids)
        records = []
        for change in changed.changes:
            read = current.get(change.record_id)
            modified = None if read is None else version_of(read).modified_ms
            before = seen.get(change.record_id)
            is_covered = cursors.is_covered(change.kind, before, at_s=changed.at_s, current_ms=modified)
            if is_covered:
                seen[change.record_id] = cursors.after_event(change.kind, before, None)
            elif self._is_wanted(change):
                seen[change.record_id] = cursors.after_event(change.kind, before, modified)
                record = shown(change.record_id, change.kind, read)
                decode = self._values.decode
                records.append({**record, "before": decode(change.before), "after": decode(change.after)})
            else:
                seen[change.record_id] = cursors.after_unwanted(
                    change.kind, before, at_s=changed.at_s, current_ms=modified
                )
        self._record_once_stored(offer, {one: seen[one] for one in ids}, key)
        self._count("reported" if records else "filtered")
        about = {
            "source": "event",
            "event_id": event_id,
            "revision": changed.revision,
            "changed_at": iso(changed.at_s * MS),
            "operator": changed.operator or None,
        }
        for payload in self._divided(about, records):
            yield payload

    def _is_wanted(self, change: RecordChange) -> bool:
        if self._watcher.changes and change.kind.removeprefix(PREFIX) not in self._watcher.changes:
            return False
        if not self._watcher.fields or change.kind != cursors.EDITED:
            return True
        names = {self._values.names.get(one, one) for one in change.changed_ids()}
        return not names or not names.isdisjoint(self._watcher.fields)

    # Scans

    async def scan_repeatedly(self) -> None:
        """Look for changes without events, for as long as the trigger runs."""
        while self._watcher.scan_every:
            await asyncio.sleep(min(_SETTLE_SECONDS, self._watcher.scan_every))
            try:
                await self._client.clouddoc.drive.subscribe(self.base, type="bitable")
                found = await self.scan()
            except LarkError as error:
                measured.RECORD_SCANS.add(self._client.app_id, "failed")
                logger.warning(
                    "Scan of table %s failed; the next one finds its changes: %s", self.table, error
                )
            except Exception:
                measured.RECORD_SCANS.add(self._client.app_id, "failed")
                logger.exception("Scan of a watched table failed unexpectedly; retrying")
            else:
                measured.RECORD_SCANS.add(self._client.app_id, "complete")
                if found:
                    logger.info("Scan of table %s found %d changed records without events", self.table, found)
            await asyncio.sleep(max(0.0, self._watcher.scan_every - _SETTLE_SECONDS))

    async def scan(self) -> int:
        """Report what changed without an event, and record how far the table was compared.

        Returns:
            How many records were found.

        Raises:
            LarkError: Lark or the database cannot be used; nothing is lost.
        """
        keeps_all = self._watcher.deletions
        until_ms = int((time.time() - _SETTLE_SECONDS) * MS)
        known = await asyncio.to_thread(self._store.seen) if keeps_all else {}
        versions = [version_of(one) async for one in self._search(everything=keeps_all)]
        recent = [one.record_id for one in versions if one.modified_ms > self._cursor.since_ms]
        seen = await asyncio.to_thread(self._store.seen, recent)
        own = frozenset({self._own}) if self._watcher.skip_own else frozenset()
        missed = cursors.missed(versions, seen, self._cursor, until_ms=until_ms, own=own)
        changed: dict[str, tuple[str, Version | None]] = {
            version.record_id: (kind, version) for version, kind in missed
        }
        if keeps_all:
            present = {one.record_id for one in versions}
            new = {one: Seen() for one in present - known.keys() - changed.keys() - seen.keys()}
            await asyncio.to_thread(self._store.note, new)
            changed |= dict.fromkeys(cursors.deleted(present, known), (cursors.DELETED, None))
        await self._offer(changed)
        self._cursor = cursors.after_complete_scan(self._cursor, until_ms)
        complete = functools.partial(self._store.complete, self._cursor, keeps_all=keeps_all)
        await asyncio.to_thread(complete)
        return len(changed)

    async def _search(self, *, everything: bool) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the records that may have changed: of the last days, if a field tells which they are."""
        field, conditions = self._watcher.modified_field, None
        if field is not None and not everything:
            # Lark compares dates by the day, in the base's time zone.
            since = moment(self._cursor.since_ms) - 2 * _DAY
            conditions = [(field, "isGreater", since)]
        names = [next(iter(self._values.names.values()))] if self._values.names else []
        search = self._client.clouddoc.bitable.search_records
        async for record in search(
            self.base, self.table, filter=conditions, field_names=names, automatic_fields=True, convert=False
        ):
            yield record

    async def _offer(self, changed: Mapping[str, tuple[str, Version | None]]) -> None:
        """Offer what was found to the stream, a few batches at a time, and wait until all is stored."""
        waiting: list[asyncio.Future[None]] = []
        items = iter(changed.items())
        while part := dict(itertools.islice(items, BATCH)):
            if len(waiting) >= _AT_ONCE:
                await waiting.pop(0)
            batch = ScanBatch(self, part)
            waiting.append(batch.done)
            events.offer(batch)
        for one in waiting:
            await one

    async def _of_scan(self, batch: ScanBatch) -> AsyncIterator[dict[str, Any]]:
        ids = list(batch.found)
        current = await self._read(ids)
        seen = await self._seen(ids)
        records, noted = [], dict[str, Seen]()
        for record_id, (kind, version) in batch.found.items():
            read, before = current.get(record_id), seen.get(record_id)
            if kind == cursors.DELETED and read is not None:
                continue  # it is there, so that the pages of the search were not of one moment
            if version is not None and before is not None and before.modified_ms >= version.modified_ms:
                continue  # its event has come meanwhile
            if kind == cursors.DELETED and before is not None and before.is_deleted:
                continue
            # Without its values a record is reported, and once more by the scan that can read them.
            reported = None if version is None else (version_of(read).modified_ms if read is not None else 0)
            noted[record_id] = cursors.after_scan(before, reported)
            if not self._watcher.changes or kind.removeprefix(PREFIX) in self._watcher.changes:
                records.append(shown(record_id, kind, read))
        measured.RECORD_GAPS.add(self._client.app_id, amount=len(records))
        self._record_once_stored(batch, noted, None)
        batch.stored.append(batch.finish)
        newest = max((one.modified_ms for _, one in batch.found.values() if one is not None), default=None)
        about = {
            "source": "scan",
            "event_id": None,
            "revision": None,
            "changed_at": None if newest is None else iso(newest),
            "operator": None,
        }
        for payload in self._divided(about, records):
            yield payload

    # What both need

    async def _read(self, record_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the records that exist, by id; none if Lark cannot be asked now."""
        if not record_ids:
            return {}
        seconds = _READ_SECONDS if self._is_readable else _READ_SECONDS_AFTER_FAILURE
        try:
            async with asyncio.timeout(seconds):
                found = await self._client.clouddoc.bitable.get_records(
                    self.base, self.table, record_ids, automatic_fields=True
                )
        except (LarkError, TimeoutError) as error:
            self._is_readable = False
            logger.warning("Records of table %s not read; reported without values: %s", self.table, error)
            return {}
        self._is_readable = True
        return {one["record_id"]: one for one in found.records}

    async def _read_fields(self) -> None:
        listed = self._client.clouddoc.bitable.list_fields(self.base, self.table)
        self._values = EventValues([one async for one in listed])

    async def _try_read_fields(self) -> None:
        try:
            async with asyncio.timeout(_READ_SECONDS if self._is_readable else _READ_SECONDS_AFTER_FAILURE):
                await self._read_fields()
        except (LarkError, TimeoutError) as error:
            logger.warning(
                "Fields of table %s not read; values stay as Lark sent them: %s", self.table, error
            )

    async def _recorded(self, ask: Callable[[Any], T], about: Any, otherwise: T) -> T:
        """Ask the database; if it cannot be used, a change may be reported twice rather than never."""
        try:
            return await asyncio.to_thread(ask, about)
        except StorageError as error:
            logger.warning(
                "Database unavailable; a change of table %s may be reported twice: %s", self.table, error
            )
            return otherwise

    async def _seen(self, record_ids: Sequence[str]) -> dict[str, Seen]:
        """Return what was reported of records, recorded or not."""
        recorded: dict[str, Seen] = await self._recorded(self._store.seen, record_ids, {})
        pending = {one: self._pending[one] for one in record_ids if one in self._pending}
        return {**recorded, **pending}

    def _record_once_stored(self, offer: Offer, seen: Mapping[str, Seen], key: str | None) -> None:
        self._pending.update(seen)
        offer.stored.append(functools.partial(self._note, seen, key))

    async def _note(self, seen: Mapping[str, Seen], key: str | None) -> None:
        for pause in (*_RECORD_SECONDS, None):
            try:
                await asyncio.to_thread(self._store.note, seen, key)
            except StorageError as error:
                if pause is not None:
                    await asyncio.sleep(pause)
                    continue
                logger.warning(
                    "Reported changes of table %s not recorded; a scan may report them again: %s",
                    self.table,
                    error,
                )
            break
        for record_id, one in seen.items():
            if self._pending.get(record_id) is one:
                del self._pending[record_id]

    def _remember(self, key: str) -> None:
        self._reported[key] = None
        if len(self._reported) > _MAX_KEYS:
            self._reported.popitem(last=False)

    def _count(self, outcome: str) -> None:
        measured.RECORD_EVENTS.add(self._client.app_id, outcome)

    def _divided(
        self, about: Mapping[str, Any], records: Collection[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        head = {"app_token": self.base, "table_id": self.table, **about}
        yield from divided(head, records, self._watcher.max_payload_bytes)
