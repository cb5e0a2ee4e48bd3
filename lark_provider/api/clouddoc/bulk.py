"""Write many records of a Bitable table, a chunk at a time. With a database, loads are written by `loads`."""

from __future__ import annotations

import datetime as dt
import inspect
import logging
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, get_args

from lark_provider.api.clouddoc import deleted, rejects, sources
from lark_provider.api.clouddoc.bitable import UserIdType
from lark_provider.api.clouddoc.conversion import check, converted, converter_for
from lark_provider.api.clouddoc.fitting import Fitting
from lark_provider.api.clouddoc.loads.leasing import WAIT_SECONDS, released, writer, written
from lark_provider.api.clouddoc.loads.options import SETTLE_SECONDS, TOKEN_SECONDS, Options
from lark_provider.api.clouddoc.loads.procedure import load
from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.api.clouddoc.rejects import OnBadRow
from lark_provider.api.clouddoc.results import BulkResult, created_ids, stopped
from lark_provider.api.links import table
from lark_provider.protocol.calls import Call, request
from lark_provider.protocol.effects import NewKey, Stream, Take
from lark_provider.protocol.errors import unknown_choice
from lark_provider.protocol.keys import checked_key, client_token
from lark_provider.protocol.ledger import Claimant
from lark_provider.protocol.operations import Procedure, perform, take
from lark_provider.protocol.paths import path

__all__ = ["BulkResult", "bulk_delete", "bulk_insert", "bulk_update"]

T = TypeVar("T")
logger = logging.getLogger(__name__)
MAX_CHUNK = 1000
MAX_DELETED = 500

Source: TypeAlias = Iterable[T] | AsyncIterable[T]


def bulk_insert(
    app_token: str,
    table_id: str | None,
    records: Source[Mapping[str, Any]],
    *,
    chunk_size: int = MAX_CHUNK,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    empty_as_none: bool = False,
    idempotency_key: str | None = None,
    keep_ids: bool = True,
    key_fields: Sequence[str] = (),
    marker_field: str | None = None,
    restart: int = 0,
    token_window: float = TOKEN_SECONDS,
    settle_after: float = SETTLE_SECONDS,
    table_wait: float = WAIT_SECONDS,
    on_bad_row: OnBadRow = "fail",
    max_rejects: int = 1000,
    retry_rows: Iterable[int] | None = None,
) -> Procedure[BulkResult]:
    """Add many records; with a database, exactly once.

    A database (`database_url`, `LARK_DATABASE_URL` or `POSTGRES_*`) keeps a ledger of each load's chunks. A
    load that was killed at any point goes on where it stopped when it is called again with its key and its
    source; chunks that stand are not sent again. One writer at a time writes a table. Without a database
    Lark's own memory of a key, of unknown length, is all that keeps a repeat from writing twice.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create.

    A list or tuple is checked as a whole before anything is sent. Any other source is read while it is
    written, 1000 records at a time, and checked chunk by chunk, so that memory use is constant.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: Values by field name, as Python has them: see `fields.Converter`. An asynchronous
            iterable works with the asynchronous client.
        chunk_size: Records a request, 1 to 1000.
        user_id_type: Which ids people are named by.
        zone: The time zone of naive datetimes.
        convert: Convert by field type. If False, values are sent as they are.
        empty_as_none: Whether `''` is None in every field that is not text, as in rows of a CSV file; else it
            is refused there.
        idempotency_key: Any text that names this load, and in the ledger this app's load into this table;
            without one, only repeats inside this call are safe.
        keep_ids: Whether the result names every record; without, memory does not grow with the load.
        key_fields: Fields whose values together tell a row from all others. An uncertain chunk is then
            found by a filter, and not by reading the whole table.
        marker_field: A text field that is filled with the name of load and chunk, for the same purpose.
        restart: A number above that of the last call deletes what this load has written, by the ids in the
            ledger, and loads it again.
        token_window: Seconds in which a chunk whose answer was lost is sent again under the same token,
            which Lark then recognizes. How long it remembers is not documented.
        settle_after: Seconds after which such a chunk is looked for otherwise.
        table_wait: Seconds to wait for another writer of the table.
        on_bad_row: Whether a row whose values do not fit stops the load, or is left out and listed in the
            result's `rejects`. A value that fits and that Lark refuses stops the load in either case.
        max_rejects: How many rows may be left out.
        retry_rows: Numbers of the rows to load, from 1, such as those of an earlier load's rejects. Such a
            load needs a key of its own.

    Returns:
        What stands.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit (row numbers count from 1), or
            chunk_size is out of bounds; nothing was sent.
        NotFoundError: There is no such base or table.
        BulkWriteError: It stopped after part of the records; says how many are written.
        BulkOutcomeUnknownError: It stopped, and the last chunk may or may not be written; called again with
            the same key, it settles that first.
        ConflictError: The source has changed since a part of it was written; or another writer has the
            table; or whether a chunk stands cannot be told.
        LarkAPIError: Lark refused the first chunk; nothing was written.
        StorageError: The database is unavailable, for longer than is waited.
    """
    sources.within(chunk_size, MAX_CHUNK)
    if on_bad_row not in get_args(OnBadRow):
        raise unknown_choice("on_bad_row", on_bad_row, get_args(OnBadRow))
    options = Options(
        chunk_size=chunk_size,
        user_id_type=user_id_type,
        zone=zone,
        convert=convert,
        empty_as_none=empty_as_none,
        keep_ids=keep_ids,
        key_fields=key_fields,
        marker_field=marker_field,
        token_window=token_window,
        settle_after=settle_after,
        table_wait=table_wait,
        restart=restart,
    )
    options.check()
    rejects.check_limit(max_rejects)
    app_token, table_id = yield from table(app_token, table_id)
    fitting = Fitting(None, max_rejects, rejects.checked_rows(retry_rows))
    if on_bad_row == "skip" and convert:
        fitting.converter = yield from converter_for(
            app_token, table_id, zone, empty_as_none=empty_as_none, fresh=True
        )
    if fitting.converter is not None or fitting.only is not None:
        records = fitting.of(Stream(records).source)
    elif convert and isinstance(records, list | tuple) and len(records) > chunk_size:
        # A single chunk is checked when it is converted.
        yield from check(app_token, table_id, zone, records, empty_as_none=empty_as_none)
    key = checked_key(idempotency_key) if idempotency_key is not None else (yield NewKey())
    done = yield from load(app_token, table_id, records, key, options)
    if done is not None:
        done.rejects = fitting.rejected
        return done
    if idempotency_key is not None:
        logger.warning(
            "No database for the ledger: a load that is called again after Lark has forgotten its key writes "
            "its rows twice, and two writers of a table are not kept apart. Set LARK_DATABASE_URL"
        )
    url = path(RECORDS + "/batch_create", app_token=app_token, table_id=table_id)

    def write(chunk: list[Mapping[str, Any]], first: int) -> Procedure[list[str]]:
        wire: Sequence[Mapping[str, Any]] = chunk
        if convert:
            wire = yield from converted(app_token, table_id, zone, chunk, first, empty_as_none=empty_as_none)
        call: Call[Any] = request(
            "POST",
            url,
            # Position and length are part of the key: chunks of another size are other writes.
            params={
                "client_token": client_token(key, app_token, table_id, "bulk", f"{first}+{len(chunk)}"),
                "user_id_type": user_id_type,
            },
            json={"records": [{"fields": fields} for fields in wire]},
            idempotent=True,
        )
        del wire  # frees memory: it is in the call's body, and a thousand records come back
        return created_ids((yield from perform(call)), call, len(chunk))

    done = yield from _chunks(records, chunk_size, write, keep_ids=keep_ids)
    done.rejects = fitting.rejected
    return done


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
        user_id_type: Which ids people are named by.
        zone: The time zone of naive datetimes.
        convert: Convert by field type. If False, values are sent as they are.
        empty_as_none: As for `bulk_insert`; `''` then clears a cell.
        table_wait: Seconds to wait for another writer of the table, where a database is configured.

    Returns:
        What was changed.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit; nothing of that chunk was sent.
        NotFoundError: There is no such base, table or record.
        BulkWriteError: It stopped after part of the records; says how many were changed.
        ConflictError: Another writer has the table, for longer than `table_wait`.
        LarkAPIError: Lark refused the first chunk; nothing was changed.
    """
    sources.within(chunk_size, MAX_CHUNK)
    app_token, table_id = yield from table(app_token, table_id)
    url = path(RECORDS + "/batch_update", app_token=app_token, table_id=table_id)

    def write(chunk: list[tuple[str, Mapping[str, Any]]], first: int) -> Procedure[list[str]]:
        sources.check(chunk, first, "change")
        fields: Sequence[Mapping[str, Any]] = [values for _, values in chunk]
        if convert:
            fields = yield from converted(
                app_token, table_id, zone, fields, first, clear=True, empty_as_none=empty_as_none
            )
        changed = [{"record_id": ident, "fields": one} for (ident, _), one in zip(chunk, fields, strict=True)]
        params = {"user_id_type": user_id_type}
        call: Call[Any] = request("POST", url, params=params, json={"records": changed}, idempotent=True)
        yield from written(call, claimant, table_wait, is_repeatable=True)
        return [ident for ident, _ in chunk]

    claimant = yield from writer(app_token, table_id, "bulk_update")
    return (yield from _chunks(records, chunk_size, write, claimant))


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
    is lost is sent again; if its records are gone then, it is done.

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
    app_token, table_id = yield from table(app_token, table_id)
    url = path(RECORDS + "/batch_delete", app_token=app_token, table_id=table_id)

    def write(chunk: list[str], first: int) -> Procedure[list[str]]:
        sources.check(chunk, first, "id")
        call: Call[Any] = request("POST", url, json={"records": chunk}, idempotent=True)
        deletion = written(call, claimant, table_wait, is_repeatable=False)
        yield from deleted.settled(deletion, app_token, table_id, chunk)
        return chunk

    claimant = yield from writer(app_token, table_id, "bulk_delete")
    return (yield from _chunks(record_ids, chunk_size, write, claimant))


def _chunks(
    source: Source[T],
    size: int,
    write: Callable[[list[T], int], Procedure[list[str]]],
    claimant: Claimant | None = None,
    *,
    keep_ids: bool = True,
) -> Procedure[BulkResult]:
    """Read from the source and write, chunk by chunk; an error says how far it came.

    Args:
        source: The items.
        size: Of a chunk.
        write: Makes the procedure that writes a chunk, given the number of its first item, from 1.
        claimant: Who has the table's lease meanwhile.
        keep_ids: Whether to keep the ids of everything written.
    """
    result = BulkResult()
    stream = Stream(source)
    try:
        while chunk := (yield from take(Take(stream, size))):
            ids = yield from write(chunk, result.written + 1)
            result.record_ids += ids if keep_ids else ()
            result.written += len(chunk)
            result.chunks += 1
            del chunk  # before the next one is made
    except Exception as error:
        if claimant is not None:
            yield from released(claimant)
        why = stopped(error, result)
        if why is error:
            raise
        raise why from error
    finally:
        if inspect.isgenerator(stream.iterator):
            stream.iterator.close()  # releases what the source holds open, also after an error
    if claimant is not None:
        yield from released(claimant)
    return result
