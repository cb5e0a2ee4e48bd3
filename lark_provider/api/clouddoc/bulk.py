"""Many records of a Bitable table, a chunk at a time.

This is where the ledger will stand between a chunk and Lark: `_chunks` is the only place that sends.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from lark_provider.api.clouddoc import sources
from lark_provider.api.clouddoc.bitable import UserIdType
from lark_provider.api.clouddoc.conversion import check, converted
from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.api.links import table
from lark_provider.protocol.calls import (
    Call,
    LarkResponse,
    NewKey,
    Procedure,
    Stream,
    Take,
    path,
    perform,
    request,
    take,
)
from lark_provider.protocol.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    LarkError,
    OutcomeUnknownError,
)
from lark_provider.protocol.keys import checked_key, client_token

T = TypeVar("T")
MAX_CHUNK = 1000
MAX_DELETED = 500

Source: TypeAlias = Iterable[T] | AsyncIterable[T]


@dataclass(slots=True)
class BulkResult:
    """What a bulk write did.

    Attributes:
        written: Records written, changed or deleted.
        record_ids: Their ids, in the order of the source.
        replayed: Records that an earlier try had written already; 0 as long as there is no ledger.
        chunks: Requests that wrote.
    """

    written: int = 0
    record_ids: list[str] = field(default_factory=list, repr=False)
    replayed: int = 0
    chunks: int = 0


def bulk_insert(
    app_token: str,
    table_id: str | None,
    records: Source[Mapping[str, Any]],
    *,
    chunk_size: int = MAX_CHUNK,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    idempotency_key: str | None = None,
    keep_ids: bool = True,
) -> Procedure[BulkResult]:
    """Add many records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create.

    A list or tuple is checked as a whole before anything is sent. Anything else is read as it is written,
    1000 records at a time, and checked chunk by chunk, so that memory stays flat.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: Values by field name, as Python has them: see `fields.Converter`. An asynchronous
            iterable works with the asynchronous client.
        chunk_size: Records a request, 1 to 1000.
        user_id_type: Which ids people are named by.
        zone: The time zone of naive datetimes.
        convert: Convert by field type. If False, values are sent as they are.
        idempotency_key: Any text that names this load. Each chunk's `client_token` follows from it, so
            that Lark knows a repeat of the same load; without one, only repeats inside this call are safe.
        keep_ids: Whether the result names every record; without, memory does not grow with the load.

    Returns:
        What was written.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit (row numbers count from 1), or
            chunk_size is out of bounds; nothing was sent.
        NotFoundError: There is no such base or table.
        BulkWriteError: It stopped after part of the records; says how many stand.
        BulkOutcomeUnknownError: It stopped, and the last chunk may or may not stand.
        LarkAPIError: Lark refused the first chunk; nothing was written.
    """
    sources.within(chunk_size, MAX_CHUNK)
    app_token, table_id = yield from table(app_token, table_id)
    if convert and isinstance(records, list | tuple) and len(records) > chunk_size:
        yield from check(app_token, table_id, zone, records)  # one chunk is checked anyway
    key = checked_key(idempotency_key) if idempotency_key is not None else (yield NewKey())
    url = path(RECORDS + "/batch_create", app_token=app_token, table_id=table_id)

    def write(chunk: list[Mapping[str, Any]], first: int) -> Procedure[list[str]]:
        wire: Sequence[Mapping[str, Any]] = chunk
        if convert:
            wire = yield from converted(app_token, table_id, zone, chunk, first)
        call: Call[Any] = request(
            "POST",
            url,
            # Its place and length are part of the key: chunks of another size are other writes.
            params={
                "client_token": client_token(key, app_token, table_id, "bulk", f"{first}+{len(chunk)}"),
                "user_id_type": user_id_type,
            },
            json={"records": [{"fields": fields} for fields in wire]},
            idempotent=True,
        )
        del wire  # it is in the call's body, and a thousand records come back
        return _ids((yield from perform(call)), call, len(chunk))

    return (yield from _chunks(records, chunk_size, write, keep_ids=keep_ids))


def bulk_update(
    app_token: str,
    table_id: str | None,
    records: Source[tuple[str, Mapping[str, Any]]],
    *,
    chunk_size: int = MAX_CHUNK,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
) -> Procedure[BulkResult]:
    """Change some fields of many records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_update. A repeat writes the
    same values again, so lost answers are asked for again without a key.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: Pairs of record id and the new values by field name; None clears a cell.
        chunk_size: Records a request, 1 to 1000.
        user_id_type: Which ids people are named by.
        zone: The time zone of naive datetimes.
        convert: Convert by field type. If False, values are sent as they are.

    Returns:
        What was changed.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit; nothing of that chunk was sent.
        NotFoundError: There is no such base, table or record.
        BulkWriteError: It stopped after part of the records; says how many were changed.
        LarkAPIError: Lark refused the first chunk; nothing was changed.
    """
    sources.within(chunk_size, MAX_CHUNK)
    app_token, table_id = yield from table(app_token, table_id)
    url = path(RECORDS + "/batch_update", app_token=app_token, table_id=table_id)

    def write(chunk: list[tuple[str, Mapping[str, Any]]], first: int) -> Procedure[list[str]]:
        sources.check_changes(chunk, first)
        fields: Sequence[Mapping[str, Any]] = [values for _, values in chunk]
        if convert:
            fields = yield from converted(app_token, table_id, zone, fields, first, clear=True)
        changed = [{"record_id": ident, "fields": one} for (ident, _), one in zip(chunk, fields, strict=True)]
        params = {"user_id_type": user_id_type}
        yield from perform(request("POST", url, params=params, json={"records": changed}, idempotent=True))
        return [ident for ident, _ in chunk]

    return (yield from _chunks(records, chunk_size, write))


def bulk_delete(
    app_token: str, table_id: str | None, record_ids: Source[str], *, chunk_size: int = MAX_DELETED
) -> Procedure[BulkResult]:
    """Delete many records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_delete.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        record_ids: The records, `rec…`.
        chunk_size: Records a request, 1 to 500.

    Returns:
        What was deleted.

    Raises:
        InvalidRequestError: Something in it is no record id; nothing of that chunk was deleted.
        NotFoundError: There is no such base, table or record; nothing of that chunk was deleted.
        BulkWriteError: It stopped after part of the records; says how many were deleted.
        BulkOutcomeUnknownError: It stopped, and the last chunk may or may not be deleted.
        LarkAPIError: Lark refused the first chunk; nothing was deleted.
    """
    sources.within(chunk_size, MAX_DELETED)
    app_token, table_id = yield from table(app_token, table_id)
    url = path(RECORDS + "/batch_delete", app_token=app_token, table_id=table_id)

    def write(chunk: list[str], first: int) -> Procedure[list[str]]:
        sources.check_ids(chunk, first)
        yield from perform(request("POST", url, json={"records": chunk}))
        return chunk

    return (yield from _chunks(record_ids, chunk_size, write))


def _chunks(
    source: Source[T],
    size: int,
    write: Callable[[list[T], int], Procedure[list[str]]],
    *,
    keep_ids: bool = True,
) -> Procedure[BulkResult]:
    """Take from the source and write, chunk by chunk, and say how far it came if it stops.

    Args:
        source: The items.
        size: Of a chunk.
        write: Makes the procedure that writes a chunk, whose first item has this number, counting from 1.
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
        stopped = _stopped(error, result)
        if stopped is error:
            raise
        raise stopped from error
    finally:
        if inspect.isgenerator(stream.iterator):
            stream.iterator.close()  # what it holds open is not wanted any more, however this ended
    return result


def _ids(answer: LarkResponse[Any], call: Call[Any], wanted: int) -> list[str]:
    """The ids of the records written; as many as were sent, or nobody knows what stands."""
    # Taken out, since the answer outlives this; a thousand records need not.
    records = answer.data.pop("records", None) if isinstance(answer.data, dict) else None
    ids = [record["record_id"] for record in records or ()]
    if len(ids) != wanted:
        raise OutcomeUnknownError(
            f"{call.name}: {wanted} records were sent and the answer names {len(ids)}. Next: look into the "
            "table before writing them again."
        )
    return ids


def _stopped(error: Exception, result: BulkResult) -> Exception:
    """The error that says how far the write came. Before the first chunk the plain one says it all."""
    unknown = isinstance(error, OutcomeUnknownError)
    if result.written == 0 and not unknown:
        return error
    first, last = result.written + 1, result.written
    text = (
        f"{last} records are written; chunk {result.chunks} (records from number {first}) "
        f"{'may or may not be' if unknown else 'is not'}: {error}"
        f"{'' if isinstance(error, LarkError) else '. Next: mend the source and write the rest.'}"
    )
    kind = BulkOutcomeUnknownError if unknown else BulkWriteError
    return kind(
        text,
        written=result.written,
        failed_chunk=result.chunks,
        record_ids=result.record_ids,
        # Lark says for itself whether a repeat can help; a source that broke off can often be read again.
        retryable=error.retryable if isinstance(error, LarkError) else True,
    )
