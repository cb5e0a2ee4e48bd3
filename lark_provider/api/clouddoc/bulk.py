"""Many records into a Bitable table, a chunk at a time.

This is where the ledger will stand between a chunk and Lark: `_write_chunk` is the only place that sends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lark_provider.api.clouddoc.bitable import UserIdType, client_token, converter_for, misfits
from lark_provider.api.clouddoc.fields import BadValue, Converter
from lark_provider.protocol.calls import (
    Call,
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
    InvalidRequestError,
    LarkError,
    OutcomeUnknownError,
)

MAX_CHUNK = 1000
_MAX_BAD_VALUES = 100  # stop collecting there: such a source is not mended value by value


@dataclass(slots=True)
class BulkResult:
    """What a bulk write did.

    Attributes:
        written: Records written.
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
    table_id: str,
    records: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
    *,
    chunk_size: int = MAX_CHUNK,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    idempotency_key: str | None = None,
) -> Procedure[BulkResult]:
    """Add many records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create.

    A list or tuple is checked as a whole before anything is sent. Anything else is read as it is written,
    1000 records at a time, and checked chunk by chunk, so that memory stays flat.

    Args:
        app_token: The base.
        table_id: The table.
        records: Values by field name, as Python has them: see `fields.Converter`. An asynchronous
            iterable works with the asynchronous client.
        chunk_size: Records a request, 1 to 1000.
        user_id_type: Which ids people are named by.
        zone: The time zone of naive datetimes.
        convert: Convert by field type. If False, values are sent as they are.
        idempotency_key: Any text that names this load. Each chunk's `client_token` follows from it, so
            that Lark knows a repeat of the same load; without one, only repeats inside this call are safe.

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
    if not 1 <= chunk_size <= MAX_CHUNK:
        raise InvalidRequestError(
            f"chunk_size is {chunk_size}; Lark takes 1 to {MAX_CHUNK} records. Next: pass one of these.",
            code=1254104,
        )
    url = path(
        "/bitable/v1/apps/{app_token}/tables/{table_id}/records/batch_create",
        app_token=app_token,
        table_id=table_id,
    )
    converter = (
        (yield from converter_for(app_token, table_id, zone, names=_names(records))) if convert else None
    )
    if converter is not None and isinstance(records, list | tuple):
        _check(converter, records)
    key = idempotency_key if idempotency_key is not None else (yield NewKey())
    result = BulkResult()
    stream = Stream(records)
    while True:
        try:
            chunk = yield from take(Take(stream, chunk_size))
            if not chunk:
                return result
            wire = _convert(converter, chunk, first_row=result.written + 1) if converter else chunk
            token = client_token(app_token, table_id, "bulk", key, str(result.chunks))
            ids = yield from _write_chunk(url, wire, token, user_id_type)
        except Exception as error:
            stopped = _stopped(error, result)
            if stopped is error:
                raise
            raise stopped from error
        result.record_ids += ids
        result.written += len(chunk)
        result.chunks += 1


def _write_chunk(
    url: str, records: Sequence[Mapping[str, Any]], token: str, user_id_type: UserIdType
) -> Procedure[list[str]]:
    call: Call[Any] = request(
        "POST",
        url,
        params={"client_token": token, "user_id_type": user_id_type},
        json={"records": [{"fields": fields} for fields in records]},
        idempotent=True,
    )
    answer = yield from perform(call)
    return [record["record_id"] for record in answer.data.get("records") or ()]


def _names(records: object) -> set[object]:
    """The field names in use, as far as they can be seen without consuming the source."""
    if not isinstance(records, list | tuple):
        return set()
    return {name for record in records if isinstance(record, Mapping) for name in record}


def _check(converter: Converter, records: Sequence[Mapping[str, Any]]) -> None:
    bad: list[BadValue] = []
    for row, record in enumerate(records, 1):
        bad += converter.to_wire(record, row)[1]
        if len(bad) >= _MAX_BAD_VALUES:
            break
    if bad:
        raise misfits(bad)


def _convert(
    converter: Converter, chunk: Sequence[Mapping[str, Any]], first_row: int
) -> list[Mapping[str, Any]]:
    wire: list[Mapping[str, Any]] = []
    bad: list[BadValue] = []
    for row, record in enumerate(chunk, first_row):
        fields, misfit = converter.to_wire(record, row)
        wire.append(fields)
        bad += misfit
    if bad:
        raise misfits(bad)
    return wire


def _stopped(error: Exception, result: BulkResult) -> Exception:
    """The error that says how far the write came. Before the first chunk the plain one says it all."""
    unknown = isinstance(error, OutcomeUnknownError)
    if result.written == 0 and not unknown:
        return error
    first, last = result.written + 1, result.written
    text = (
        f"{last} records are written; chunk {result.chunks} (records from number {first}) "
        f"{'may or may not be' if unknown else 'is not'}: {error}"
    )
    kind = BulkOutcomeUnknownError if unknown else BulkWriteError
    return kind(
        text,
        written=result.written,
        failed_chunk=result.chunks,
        record_ids=result.record_ids,
        retryable=isinstance(error, LarkError) and error.retryable,
    )
