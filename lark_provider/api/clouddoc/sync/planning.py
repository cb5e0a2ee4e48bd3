"""Read the table, and plan all writes before the first one."""

from __future__ import annotations

from itertools import islice

import orjson

from lark_provider.api.clouddoc import rejects
from lark_provider.api.clouddoc.rejects import Reject, count_rows
from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.api.clouddoc.sync.plan import Counts
from lark_provider.api.clouddoc.sync.preparing import Prepared
from lark_provider.api.clouddoc.sync.reading import INVALID_FILTER, MAX_KEYS
from lark_provider.protocol.errors import (
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    PermissionDeniedError,
)
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sync_index import Planned, SyncIndex

_KEYS_AT_ONCE = 1000
_MAX_KEY_CHARS = 500
"""Longer keys are found by scan: Lark limits the length of a filter."""
_SHOWN = 5


def plan(prepared: Prepared, rejected: list[Reject], index: SyncIndex) -> Procedure[Counts]:
    """Read the table and plan the writes.

    Args:
        prepared: What is known about table and source.
        rejected: The rejected rows, to which those are added for which a record cannot be created.
        index: Holds the source.

    Raises:
        ConflictError: Records have the same key, and `on_duplicate` is `error`.
        InvalidRequestError: More records would be deleted than allowed.
        PermissionDeniedError: The app sees no record of a base with advanced permissions.
    """
    options = prepared.options
    yield from _read(prepared, index)
    duplicates = yield from _set_duplicates_aside(prepared, index)
    yield from _reject_new(prepared, rejected, index)
    counts = Counts(
        source_rows=prepared.source_rows,
        rejected=count_rows(rejected),
        duplicates=duplicates,
    )
    counts.table_records = yield from work(index.count_records)
    counts.without_key = yield from work(index.count_keyless)
    yield from work(_plan_writes, prepared, index)
    if options.removes:
        unreadable = yield from work(index.count_unreadable)
        if prepared.keyless_rows:
            counts.deletes_withheld = (
                f"{prepared.keyless_rows} row(s) of the source have no key that can be read"
            )
        elif unreadable:
            counts.deletes_withheld = f"{unreadable} record(s) have a key that cannot be read"
        else:
            yield from work(_plan_missing, prepared, index, counts)
    planned = yield from work(index.count_writes)
    counts.creates, counts.deletes = planned.get("create", 0), planned.get("delete", 0)
    counts.updates = planned.get("update", 0) - counts.marks
    accepted = yield from work(index.count_accepted)
    counts.unchanged = accepted - counts.creates - counts.updates
    removed = counts.deletes + counts.marks
    if removed and not counts.source_rows and not options.may_delete_all:
        raise InvalidRequestError(
            f"The source has no rows, so that all {removed} records would be deleted or marked. Nothing was "
            "written. Next: check the source; if it is to be empty, pass max_deletes=1.0."
        )
    if options.exceeds_max_deletes(removed, counts.table_records):
        raise InvalidRequestError(
            f"{removed} of {counts.table_records} records are missing in the source, more than max_deletes="
            f"{options.max_deletes!r} allows. Nothing was written. Next: check that the source is complete, "
            "or allow more."
        )
    return counts


def _read(prepared: Prepared, index: SyncIndex) -> Procedure[None]:
    """Read the records, by a scan or by their keys, and look once more for keys about to be created."""
    reader, options = prepared.reader, prepared.options
    keys = reader.comparison.keys
    longest = yield from work(index.measure_longest_key)
    has_filter = keys.has_filter and longest <= _MAX_KEY_CHARS
    rows = yield from work(index.count)
    is_complete = yield from reader.scan(rows=rows, may_filter=has_filter and not options.removes)
    if not is_complete:
        yield from work(index.end_scan, keep=True)
        try:
            yield from _look_up_all(prepared, index)
        except LarkAPIError as error:
            if error.code != INVALID_FILTER:
                raise
            has_filter = False
            is_complete = yield from reader.scan()
    yield from _require_visible(prepared, index)
    # One page is a snapshot; between two pages a record may slip from the second into the first.
    if is_complete and reader.pages > 1:
        yield from _look_again(prepared, index, has_filter=has_filter)


def _look_up_all(prepared: Prepared, index: SyncIndex) -> Procedure[None]:
    row = 0
    while batch := (yield from work(index.read_keys, row, _KEYS_AT_ONCE)):
        row = batch[-1][0]
        yield from prepared.reader.read_by_keys([key for _, key in batch])


def _look_again(prepared: Prepared, index: SyncIndex, *, has_filter: bool) -> Procedure[None]:
    """Look for the keys that no record has: paging has no snapshot, and a deleted record hides another."""
    reader = prepared.reader
    row, count = 0, _KEYS_AT_ONCE - _KEYS_AT_ONCE % MAX_KEYS
    while batch := (yield from work(index.read_unmatched_rows, row, count)):
        row = batch[-1][0]
        if has_filter:
            try:
                yield from reader.read_by_keys([key for _, key in batch])
                continue
            except LarkAPIError as error:
                if error.code != INVALID_FILTER:
                    raise
        yield from reader.scan(adds=True)
        return


def _require_visible(prepared: Prepared, index: SyncIndex) -> Procedure[None]:
    if not prepared.is_advanced or prepared.options.allow_empty_table:
        return
    if (yield from work(index.count_scanned)) or (yield from prepared.reader.has_records()):
        return
    raise PermissionDeniedError(
        "The base has advanced permissions and the app sees no record of the table, which looks the same "
        "whether it is empty or hidden. Nothing was written. Next: give the app's role all rows of the "
        "table, or pass allow_empty_table=True if it is empty.",
        code=1254302,
    )


def _set_duplicates_aside(prepared: Prepared, index: SyncIndex) -> Procedure[int]:
    """Keep the oldest record of each key, and leave the others alone; return how many these are."""
    groups = yield from work(lambda: list(index.iterate_duplicates()))
    if not groups:
        return 0
    if prepared.options.on_duplicate == "error":
        shown = ", ".join(" and ".join(ids) for _, ids in groups[:_SHOWN])
        raise ConflictError(
            f"{len(groups)} key(s) are those of several records, such as {shown}. Nothing was written. Next: "
            "delete the copies, or pass on_duplicate='keep_oldest'."
        )
    ids = [record_id for _, group in groups for record_id in group]
    records, absent = yield from prepared.reader.read_by_ids(ids, automatic_fields=True)
    created = {record["record_id"]: record.get("created_time") or 0 for record in records}
    yield from work(index.forget, absent)
    aside: list[str] = []
    for _, group in groups:
        left = sorted(
            (record_id for record_id in group if record_id in created),
            key=lambda record_id: (created[record_id], record_id),
        )
        aside += left[1:]
    yield from work(index.leave_alone, aside)
    return len(aside)


def _reject_new(prepared: Prepared, rejected: list[Reject], index: SyncIndex) -> Procedure[None]:
    """Reject the rows without a record for which none can be created."""
    options, before = prepared.options, len(rejected)
    if not prepared.reader.comparison.keys.read_only and prepared.reader.scope is None:
        return
    row = 0
    while batch := (yield from work(index.read_unmatched_rows, row, _KEYS_AT_ONCE)):
        row = batch[-1][0]
        rejected += yield from work(_reject_not_creatable, prepared, batch, index)
        if count_rows(rejected) > options.max_rejects:
            break
    if len(rejected) > before and options.on_bad_row == "fail":
        raise rejects.make_rejects_error(rejected, count_rows(rejected))
    if count_rows(rejected) > options.max_rejects:
        raise rejects.make_too_many_error(rejected, options.max_rejects)


def _reject_not_creatable(prepared: Prepared, rows: list[tuple[int, str]], index: SyncIndex) -> list[Reject]:
    computed, scope = prepared.reader.comparison.keys.read_only, prepared.reader.scope
    refused: list[Reject] = []
    wire = index.read_wire([key for _, key in rows])
    for row, key in rows:
        if computed:
            reason = f"no record has the key {key!r}, and Lark computes this field"
            refused.append(Reject(row, computed[0], reason, key))
        elif scope is not None and (field := scope.find_failing_field(orjson.loads(wire[key]), partly=False)):
            reason = "must be within scope, which a new record without it is not"
            refused.append(Reject(row, field, reason, key))
    index.reject([reject.row for reject in refused])
    return refused


def _plan_writes(prepared: Prepared, index: SyncIndex) -> None:
    comparison = prepared.reader.comparison
    index.plan_creates()
    if not comparison.compares:
        return
    differences = index.iterate_differences()
    while batch := list(islice(differences, _KEYS_AT_ONCE)):
        changes = comparison.list_changes(batch)
        index.plan(
            [
                Planned(
                    0,
                    "update",
                    difference.row,
                    difference.key,
                    difference.record_id,
                    orjson.dumps(before),
                    orjson.dumps(after),
                )
                for difference, (before, after) in zip(batch, changes, strict=True)
                if after
            ]
        )


def _plan_missing(prepared: Prepared, index: SyncIndex, counts: Counts) -> None:
    """Plan to delete or mark the records that are missing in the source."""
    marks = prepared.options.marks
    if not marks:
        for batch in index.iterate_missing(_KEYS_AT_ONCE):
            index.plan([Planned(0, "delete", 0, key, record_id, None, None) for record_id, key in batch])
        return
    after = orjson.dumps(prepared.reader.comparison.marks)
    for batch in index.iterate_missing(_KEYS_AT_ONCE):
        counts.marks += len(batch)
        index.plan([Planned(0, "update", 0, key, record_id, None, after) for record_id, key in batch])
