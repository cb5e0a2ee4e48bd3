"""The operation: keep a table in step with a source."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from lark_provider.api.clouddoc.loads.leasing import WAIT_SECONDS
from lark_provider.api.clouddoc.rejects import OnBadRow, Reject, check_rows
from lark_provider.api.clouddoc.searches import SearchCondition
from lark_provider.api.clouddoc.sync import planning, preparing, settling
from lark_provider.api.clouddoc.sync.keys import KeyForm
from lark_provider.api.clouddoc.sync.options import (
    OnDuplicate,
    OnMissing,
    OnNull,
    SyncMode,
    SyncOptions,
    check_links,
)
from lark_provider.api.clouddoc.sync.plan import Counts, SyncPlan, SyncResult
from lark_provider.api.clouddoc.sync.turn import turn
from lark_provider.api.clouddoc.sync.writing import StoredKeyError, SyncWriter
from lark_provider.api.contact import UserIdType
from lark_provider.api.links import find_table
from lark_provider.protocol.effects import Stream
from lark_provider.protocol.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    LarkError,
    OutcomeUnknownError,
)
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sync_index import SyncIndex, open_index

logger = logging.getLogger(__name__)
SourceRecords: TypeAlias = "Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]"


def sync(
    app_token: str,
    table_id: str | None,
    records: SourceRecords,
    *,
    key_fields: str | Sequence[str],
    mode: SyncMode = "upsert",
    dry_run: bool = False,
    scope: Sequence[SearchCondition] | None = None,
    on_missing: OnMissing = "delete",
    mark: Mapping[str, Any] | None = None,
    max_deletes: float = 0.1,
    on_duplicate: OnDuplicate = "keep_oldest",
    on_null: OnNull = "clear",
    key_form: KeyForm = "exact",
    on_bad_row: OnBadRow = "fail",
    max_rejects: int = 1000,
    retry_rows: Iterable[int] | None = None,
    links: Mapping[str, str] | None = None,
    strict_options: bool = False,
    empty_as_none: bool = False,
    allow_empty_table: bool = False,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    table_wait: float = WAIT_SECONDS,
    token_window: float = 300.0,
    on_progress: Callable[[SyncResult], None] | None = None,
) -> Procedure[SyncResult]:
    """Make a table equal to a source: create, update and delete records by key, and write only what differs.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search, …/batch_create,
    …/batch_update, …/batch_delete and …/batch_get.

    Source and table are read completely, and the plan is complete, before anything is written. Fields that
    the source does not name are never touched; in those that it names, the source wins over people.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: Rows of values by field name, as for `bulk_insert`. A name that is missing in a row leaves
            the cell as it is.
        key_fields: The fields by which a row is recognized: text, number, phone, single select, auto number,
            date, formula or lookup.
        mode: `upsert` creates and updates; `mirror` also deletes, or marks, records that are missing in the
            source; `insert_missing` only creates.
        dry_run: Whether to return the plan, and write nothing.
        scope: Conditions `(field, operator, value)` that limit reading, comparing and deleting. Rows of the
            source must satisfy them.
        on_missing: What happens in mode `mirror` to records that are missing in the source.
        mark: The values that mark such a record, with `on_missing="mark"`. They are cleared when its key is
            back.
        max_deletes: The largest share (a float) or number (an int) of the table's records that may be deleted
            or marked; with more, nothing is written. A source without rows deletes nothing unless it is 1.0.
        on_duplicate: With several records of one key: keep the oldest in step and leave the others alone, or
            raise an error.
        on_null: What None means: clear the cell, or leave it as it is. NaN is None.
        key_form: How keys that are text are compared: as they are; without white space around them; also
            without regard to case; also in Unicode's form NFKC.
        on_bad_row: Whether a row whose values do not fit stops the sync before it writes, or is left out.
        max_rejects: How many rows may be left out.
        retry_rows: Numbers of the rows to sync, from 1, such as those of an earlier run's rejects.
        links: The key field of the other table by the name of the link field, for link fields whose values
            are keys of the other table.
        strict_options: Whether the name of an option that a select field does not have is rejected; else Lark
            adds it.
        empty_as_none: Whether an empty string is None in every field that is not text, as in rows of a CSV
            file; else it is refused there.
        allow_empty_table: Whether a table of a base with advanced permissions may look empty. It does to an
            app that may not see its rows.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of naive datetimes. Dates are days of the base's own zone.
        table_wait: Seconds to wait for another process that writes the table.
        token_window: Seconds for which Lark is assumed to recognize a repeated `client_token`.
        on_progress: Is called with what is done so far, before the first write and after each batch. An error
            that it raises stops the sync between two batches.

    Returns:
        What was done; with `dry_run` the `SyncPlan`, which has to be closed.

    Raises:
        InvalidRequestError: A setting is wrong, rows do not fit, or more would be deleted than allowed;
            nothing was written.
        NotFoundError: There is no such base or table.
        PermissionDeniedError: The app does not see the table's records.
        ConflictError: Another process writes the table; or its keys are not unique and `on_duplicate` is
            `error`.
        BulkWriteError: It stopped after part of the writes. Running it again continues.
        BulkOutcomeUnknownError: It stopped, and the last batch may or may not be written. Running it again
            finds out.
        LarkAPIError: Lark refused a request.
    """
    options = SyncOptions(
        key_fields=key_fields,
        mode=mode,
        scope=scope,
        on_missing=on_missing,
        mark=mark,
        max_deletes=max_deletes,
        on_duplicate=on_duplicate,
        on_null=on_null,
        key_form=key_form,
        on_bad_row=on_bad_row,
        max_rejects=max_rejects,
        only_rows=check_rows(retry_rows),
        links=check_links(links),
        strict_options=strict_options,
        empty_as_none=empty_as_none,
        allow_empty_table=allow_empty_table,
        user_id_type=user_id_type,
        zone=zone,
        table_wait=table_wait,
        token_window=token_window,
        on_progress=on_progress,
    )
    return (yield from run(app_token, table_id, records, options, dry_run=dry_run))


def run(
    app_token: str,
    table_id: str | None,
    records: SourceRecords,
    options: SyncOptions,
    *,
    dry_run: bool = False,
) -> Procedure[SyncResult]:
    """Run a sync with settings that are checked; see `sync`."""
    stream: Stream[Mapping[str, Any]] = Stream(records)
    app_token, table_id = yield from find_table(app_token, table_id)
    own_turn = yield from turn(
        app_token, table_id, f"sync by {', '.join(options.key_fields)}", options.lease_seconds
    )
    index = yield from open_index()
    plan: SyncPlan | None = None
    try:
        if not dry_run:
            yield from own_turn.begin(options.table_wait)
        prepared = yield from preparing.prepare(app_token, table_id, options, index, own_turn.keep)
        rejected = yield from preparing.stage(stream, prepared, index, own_turn.keep)
        result = SyncResult(rejects=rejected)
        writer = SyncWriter(prepared.reader, own_turn, prepared.check(), options, result)
        if not dry_run:
            result.settled = yield from settling.settle(writer)
            result.created = 0
        counts = yield from planning.plan(prepared, rejected, index)
        result.counts = counts
        plan = _plan(counts, rejected, prepared, index)
        _log_plan(plan, dry_run=dry_run)
        if dry_run:
            return plan
        yield from _write(writer)
    except Exception:
        yield from own_turn.end()
        raise
    else:
        yield from own_turn.end()
        return result
    finally:
        stream.close()
        if plan is None or not dry_run:
            index.close()


def _plan(counts: Counts, rejected: list[Reject], prepared: preparing.Prepared, index: SyncIndex) -> SyncPlan:
    reader = prepared.reader
    return SyncPlan(counts, rejected, reader.seconds / max(1, reader.calls), index, reader.comparison)


def _log_plan(plan: SyncPlan, *, dry_run: bool) -> None:
    counts = plan.counts
    logger.info(
        "Sync planned",
        extra={
            "plan": str(plan),
            "creates": counts.creates,
            "updates": counts.updates,
            "deletes": counts.deletes,
            "marks": counts.marks,
            "rejected": counts.rejected,
            "dry_run": dry_run,
        },
    )
    if counts.deletes_withheld:
        logger.warning("Sync deletes nothing", extra={"reason": counts.deletes_withheld})
    if counts.duplicates:
        logger.warning(
            "Duplicate keys in the table; the oldest record of each is kept in step",
            extra={"duplicates": counts.duplicates},
        )


def _write(writer: SyncWriter) -> Procedure[None]:
    """Write; an error says how far it came."""
    result = writer.result
    try:
        yield from writer.write()
    except Exception as error:
        unknown = isinstance(error, OutcomeUnknownError)
        if not result.written and not unknown:
            raise
        kind = BulkOutcomeUnknownError if unknown else BulkWriteError
        # What is written by id may be repeated, and creates are settled by the next run, with a database.
        is_safe = writer.turn.is_shared or result.created == result.counts.creates
        raise kind(
            f"The sync stopped after {result.created} creates, {result.updated} updates and {result.deleted} "
            f"deletes of {result.counts.writes} writes; the next batch "
            f"{'may or may not be' if unknown else 'is not'} written: {error}"
            f"{'' if isinstance(error, StoredKeyError) else ' Running the sync again continues.'}",
            written=result.written,
            retryable=(unknown and is_safe) or not isinstance(error, LarkError) or error.retryable,
        ) from error
    fields = {"result": str(result), "written": result.written, "rejected": len(result.rejects)}
    logger.info("Sync finished", extra=fields)
    for name in result.not_converging:
        logger.warning("Sync does not converge; a field differs from what was written", extra={"field": name})
