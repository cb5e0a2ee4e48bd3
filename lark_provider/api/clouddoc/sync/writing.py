"""Carry out the plan of a sync: creates, then updates, then deletes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from lark_provider.api.clouddoc import bisecting, rejects
from lark_provider.api.clouddoc.checking import FieldCheck
from lark_provider.api.clouddoc.creating import batch_create, read_created_ids, skim
from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.api.clouddoc.sync.comparing import Comparison
from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.api.clouddoc.sync.options import SyncOptions
from lark_provider.api.clouddoc.sync.plan import MAX_CREATED, MAX_DELETED, MAX_READ, MAX_UPDATED, SyncResult
from lark_provider.api.clouddoc.sync.reading import TableReader
from lark_provider.api.clouddoc.sync.turn import Turn
from lark_provider.protocol.calls import Call, encode, make_request
from lark_provider.protocol.effects import NewKey, Sleep
from lark_provider.protocol.errors import (
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    find_refusal,
)
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.sync_index import Difference, Planned, SyncIndex, WriteKind

_RECORD_NOT_FOUND = 1254043
_STALE_READ_WAITS = (0.0, 1.0, 3.0)
"""Seconds to wait before a record that was just written is looked for again."""


class StoredKeyError(LarkError):
    """Lark has changed a key at storing, so that its record would never be found by it."""


@dataclass(slots=True)
class SyncWriter:
    """Writes what is planned.

    Attributes:
        reader: The reader of the same table.
        turn: The lease under which each write is made.
        check: The check whether the table's fields have changed.
        options: The settings of the sync.
        result: The result, in which is counted what is done.
    """

    reader: TableReader
    turn: Turn
    check: FieldCheck
    options: SyncOptions
    result: SyncResult
    _is_visible: bool = False
    _updated: list[Planned] = field(default_factory=list)

    @property
    def _index(self) -> SyncIndex:
        return self.reader.index

    @property
    def _comparison(self) -> Comparison:
        return self.reader.comparison

    def write(self) -> Procedure[None]:
        """Write everything. Records are deleted only once everything else is written."""
        self._report_progress()
        yield from self._write_batches("create", MAX_CREATED)
        yield from self.turn.forget_intent()
        yield from self._write_batches("update", MAX_UPDATED)
        yield from self._read_back()
        number = 0
        while batch := (yield from self._read_next("delete", number, MAX_DELETED)):
            number = batch[-1].number
            yield from self._delete(batch)
            self._report_progress()

    def _report_progress(self) -> None:
        if self.options.on_progress is not None:
            self.options.on_progress(self.result)

    def _read_next(self, kind: WriteKind, number: int, count: int) -> Procedure[list[Planned]]:
        return (yield from work(self._index.read_plan_after, kind, number, count))

    def _write_batches(self, kind: WriteKind, size: int) -> Procedure[None]:
        """Create or update by batches; rows that Lark refuses are rejected where that is wanted."""
        number = 0
        send = self._create if kind == "create" else self._update
        while batch := (yield from self._read_next(kind, number, size)):
            number = batch[-1].number
            skip = self.options.on_bad_row == "skip"
            done = yield from bisecting.write(batch, send, self.check.require_unchanged, skip=skip)
            for planned, error in done.refused:
                self.result.rejects.append(rejects.make_reject(planned.row, planned.key, error))
            if rejects.count_rows(self.result.rejects) > self.options.max_rejects:
                raise rejects.make_too_many_error(self.result.rejects, self.options.max_rejects)
            self._report_progress()

    def _call(self, operation: str, records: Sequence[Any]) -> Call[Any]:
        return make_request(
            "POST",
            fill_path(
                f"{RECORDS}/{operation}", app_token=self.reader.app_token, table_id=self.reader.table_id
            ),
            params={"user_id_type": None if operation == "batch_delete" else self.options.user_id_type},
            json={"records": records},
            idempotent=True,
        )

    def _create(self, writes: list[Planned]) -> Procedure[None]:
        rows = [{"fields": self._comparison.to_create(write.after or b"{}")} for write in writes]
        token = str(uuid.UUID(hex=(yield NewKey()), version=4))
        yield from self.create(rows, token, [write.key for write in writes])

    def create(
        self, rows: Sequence[Any], token: str, keys: Sequence[str], token_age: float = 0.0
    ) -> Procedure[None]:
        """Create records in one request, with the intent recorded before it.

        Args:
            rows: The records as Lark takes them.
            token: The `client_token` of the request.
            keys: The keys of the records, in the order of `rows`.
            token_age: Seconds since the token was first sent; 0 if it is new.
        """
        count, body = len(rows), encode({"records": rows}, "the records of a chunk")
        place = self.reader.app_token, self.reader.table_id
        call = batch_create(*place, body, count, token, self.options.user_id_type)
        names = self._comparison.keys.names
        answer = yield from self.turn.create(call, token, keys, names, token_age)
        ids = read_created_ids(answer, call, count, "run the sync again; it looks for them first")
        self.result.created += len(ids)
        if not self._is_visible:
            records = yield from self._require_visible(ids[:MAX_READ])
            if error := self._find_key_error(records, dict(zip(ids, keys, strict=True))):
                yield from self.turn.forget_intent()  # its outcome is known
                raise error
            self._is_visible = True

    def _require_visible(self, record_ids: Sequence[str]) -> Procedure[list[dict[str, Any]]]:
        """Read records that were just created; stop if none can be read: there may be many more."""
        for wait in _STALE_READ_WAITS:
            if wait:
                yield Sleep(wait)
            records, _ = yield from self.reader.read_by_ids(record_ids)
            if records:
                return records
        raise PermissionDeniedError(
            f"The app does not see the record {record_ids[0]} that it has just created, so that it cannot "
            "know what the table holds. Next: give the app's role all rows of the table in the base's "
            "advanced permissions, and check the records that were created.",
            code=1254302,
        )

    def _find_key_error(
        self, records: Sequence[Mapping[str, Any]], keys: Mapping[str, str]
    ) -> StoredKeyError | None:
        """Return the error for keys that Lark has changed at storing; None if it has changed none.

        Args:
            records: The records, as they were read after they were created.
            keys: The keys that were written, by record id.
        """
        if self._comparison.keys.read_only:
            return None  # they are Lark's own, and perhaps not computed yet
        stored_keys = self._comparison.keys.of_table([record.get("fields") or {} for record in records])
        for record, key in zip(records, stored_keys, strict=True):
            if key and key != (written := keys[record["record_id"]]):
                return StoredKeyError(
                    f"Lark has stored the key {written!r} as {key!r}, so that each sync would create its "
                    "record again. Next: give the source its keys as Lark stores them, or pass another "
                    f"key_form, such as 'trim'; and look at the {len(keys)} records that were just created."
                )
        return None

    def _update(self, writes: list[Planned]) -> Procedure[None]:
        """Update records; those that others have deleted leave the batch."""
        while writes:
            records = [
                {"record_id": write.record_id, "fields": orjson.loads(write.after or b"{}")}
                for write in writes
            ]
            try:
                call = self._call("batch_update", records)
                yield from self.turn.send(replace(call, skim=skim(len(records))))
            except NotFoundError as error:
                if not _is_vanished(error):
                    raise
                writes = yield from self._drop_vanished(writes, error)
                continue
            marked = sum(not write.row for write in writes)
            self.result.marked += marked
            self.result.updated += len(writes) - marked
            if len(self._updated) < MAX_READ:
                self._updated += [write for write in writes if write.row][: MAX_READ - len(self._updated)]
            return

    def _drop_vanished(self, writes: list[Planned], error: LarkError) -> Procedure[list[Planned]]:
        """Return the writes whose records still exist; raise the error if all of them do."""
        _, absent = yield from self.reader.read_by_ids([write.record_id for write in writes])
        if not absent:
            raise error
        gone = set(absent)
        self.result.vanished += sum(write.record_id in gone for write in writes if write.kind == "update")
        return [write for write in writes if write.record_id not in gone]

    def _delete(self, writes: list[Planned]) -> Procedure[None]:
        """Delete records, unless they have got another key since the plan was made."""
        records, absent = yield from self.reader.read_by_ids([write.record_id for write in writes])
        keys = self._comparison.keys.of_table([record.get("fields") or {} for record in records])
        now = {record["record_id"]: key for record, key in zip(records, keys, strict=True)}
        self.result.deleted += len(absent)
        left = [write for write in writes if now.get(write.record_id) == write.key]
        while left:
            try:
                yield from self.turn.send(self._call("batch_delete", [write.record_id for write in left]))
            except (NotFoundError, OutcomeUnknownError) as error:
                if not _is_vanished(error):
                    raise
                before = len(left)
                left = yield from self._drop_vanished(left, error)
                self.result.deleted += before - len(left)
                continue
            self.result.deleted += len(left)
            return

    def _read_back(self) -> Procedure[None]:
        """Report fields that still differ after they were written, in the first records updated."""
        differing: dict[str, str] = {}
        for wait in _STALE_READ_WAITS if self._updated else ():
            if wait:
                yield Sleep(wait)
            records, _ = yield from self.reader.read_by_ids([write.record_id for write in self._updated])
            differing = yield from work(self._find_unconverged, records)
            if not differing:
                break
        self.result.not_converging = differing

    def _find_unconverged(self, records: Sequence[Any]) -> dict[str, str]:
        planned = {write.record_id: write for write in self._updated}
        updated = [planned[record["record_id"]] for record in records]
        keys = [write.key for write in updated]
        wire = self._index.read_wire(keys)
        shapes = [shape for _, shape, _ in self._index.look_up(keys)]
        vectors = self._comparison.layout.make_vectors(
            shapes, [record["fields"] for record in records], written=False
        )
        differences = [
            Difference(
                write.record_id,
                write.row,
                write.key,
                shape or "",
                orjson.dumps(vector or ()),
                wire[write.key],
            )
            for write, shape, vector in zip(updated, shapes, vectors, strict=True)
        ]
        differing: dict[str, str] = {}
        for write, (before, after) in zip(updated, self._comparison.list_changes(differences), strict=True):
            for name in after.keys() & orjson.loads(write.after or b"{}").keys():
                differing.setdefault(
                    name, f"key {write.key!r}: {after[name]!r} was written, {before[name]!r} is read"
                )
        return differing


def _is_vanished(error: LarkError) -> bool:
    """Return whether Lark answered last that a record does not exist, as it does after a delete was lost."""
    refusal = find_refusal(error)
    return refusal is not None and refusal.code == _RECORD_NOT_FOUND
