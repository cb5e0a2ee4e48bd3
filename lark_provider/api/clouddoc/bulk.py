"""Write many records of a Bitable table, a chunk at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lark_provider.api.clouddoc import deleted, sources
from lark_provider.api.clouddoc.chunking import Source, in_chunks
from lark_provider.api.clouddoc.creating import skim
from lark_provider.api.clouddoc.days import DayZone, convert_records
from lark_provider.api.clouddoc.inserting import MAX_CHUNK, bulk_insert
from lark_provider.api.clouddoc.loads.leasing import WAIT_SECONDS, make_writer, write_leased
from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.api.clouddoc.results import BulkResult
from lark_provider.api.contact import UserIdType
from lark_provider.api.links import find_table
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.paths import fill_path

__all__ = ["BulkResult", "bulk_delete", "bulk_insert", "bulk_update"]

MAX_DELETED = 500


def bulk_update(
    app_token: str,
    table_id: str | None,
    records: Source[tuple[str, Mapping[str, Any]]],
    *,
    chunk_size: int = MAX_CHUNK,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    empty_as_none: bool = False,
    table_wait: float = WAIT_SECONDS,
) -> Procedure[BulkResult]:
    """Change some fields of many records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_update. A repeat writes the
    same values again, so a lost answer is retried without a key.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: Pairs of record id and the new values by field name; None clears a cell.
        chunk_size: Records a request, 1 to 1000.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it. Without one, naive datetimes are refused, and days are those of the base's own time zone,
            which is read from Lark if there are any.
        convert: Convert by field type. If False, values are sent as they are.
        empty_as_none: As for `bulk_insert`; `''` then clears a cell.
        table_wait: Seconds to wait for another writer of the table, where a database is configured.

    Returns:
        What was changed.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit; nothing of that chunk was sent.
        NotFoundError: There is no such base, table or record.
        BulkWriteError: It stopped after part of the records; says how many were changed.
        BulkOutcomeUnknownError: It stopped, and the last chunk may or may not be changed.
        ConflictError: Another writer had the table for longer than `table_wait`.
        LarkAPIError: Lark refused the first chunk; nothing was changed.
    """
    sources.within(chunk_size, MAX_CHUNK)
    app_token, table_id = yield from find_table(app_token, table_id)
    url = fill_path(RECORDS + "/batch_update", app_token=app_token, table_id=table_id)
    days = DayZone(app_token)

    def write(chunk: list[tuple[str, Mapping[str, Any]]], first: int) -> Procedure[list[str]]:
        sources.check(chunk, first, "change")
        fields: Sequence[Mapping[str, Any]] = [values for _, values in chunk]
        if convert:
            fields = yield from convert_records(
                app_token, table_id, zone, fields, first, days=days, clear=True, empty_as_none=empty_as_none
            )
        changed = [
            {"record_id": ident, "fields": values} for (ident, _), values in zip(chunk, fields, strict=True)
        ]
        params = {"user_id_type": user_id_type}
        call: Call[Any] = make_request("POST", url, params=params, json={"records": changed}, idempotent=True)
        skimmed = replace(call, skim=skim(len(changed)))
        yield from write_leased(skimmed, claimant, table_wait, is_repeatable=True)
        return [ident for ident, _ in chunk]

    claimant = yield from make_writer(app_token, table_id, "bulk_update")
    return (yield from in_chunks(records, chunk_size, write, claimant))


def bulk_delete(
    app_token: str,
    table_id: str | None,
    record_ids: Source[str],
    *,
    chunk_size: int = MAX_DELETED,
    table_wait: float = WAIT_SECONDS,
) -> Procedure[BulkResult]:
    """Delete many records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_delete. A chunk whose answer
    is lost is sent again; if its records no longer exist by then, it is done.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        record_ids: The records, `rec…`.
        chunk_size: Records a request, 1 to 500.
        table_wait: Seconds to wait for another writer of the table, where a database is configured.

    Returns:
        What was deleted.

    Raises:
        InvalidRequestError: An item is not a record id; nothing of that chunk was deleted.
        NotFoundError: There is no such base, table or record; nothing of that chunk was deleted.
        BulkWriteError: It stopped after part of the records; says how many were deleted.
        BulkOutcomeUnknownError: It stopped, and the last chunk may or may not be deleted, as it could not be
            looked up either.
        LarkAPIError: Lark refused the first chunk; nothing was deleted.
    """
    sources.within(chunk_size, MAX_DELETED)
    app_token, table_id = yield from find_table(app_token, table_id)
    url = fill_path(RECORDS + "/batch_delete", app_token=app_token, table_id=table_id)

    def write(chunk: list[str], first: int) -> Procedure[list[str]]:
        sources.check(chunk, first, "id")
        call: Call[Any] = make_request("POST", url, json={"records": chunk}, idempotent=True)
        deletion = write_leased(call, claimant, table_wait, is_repeatable=False)
        yield from deleted.delete_and_check(deletion, app_token, table_id, chunk)
        return chunk

    claimant = yield from make_writer(app_token, table_id, "bulk_delete")
    return (yield from in_chunks(record_ids, chunk_size, write, claimant))
