"""Add many records to a Bitable table: with the ledger if there is a database, else chunk by chunk."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from lark_provider.api.clouddoc import rejects, sources, unrecorded, validating
from lark_provider.api.clouddoc.chunking import Source
from lark_provider.api.clouddoc.conversion import check, make_converter
from lark_provider.api.clouddoc.days import DayZone
from lark_provider.api.clouddoc.fitting import Fitting
from lark_provider.api.clouddoc.loads.days import read_recorded_zone
from lark_provider.api.clouddoc.loads.leasing import WAIT_SECONDS
from lark_provider.api.clouddoc.loads.options import SETTLE_SECONDS, TOKEN_SECONDS, LoadOptions
from lark_provider.api.clouddoc.loads.procedure import load
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.rejects import OnBadRow
from lark_provider.api.clouddoc.results import BulkResult
from lark_provider.api.clouddoc.validating import Validate
from lark_provider.api.contact import UserIdType
from lark_provider.api.links import find_table
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.effects import NewKey, Stream
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.keys import check_key
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.spool import open_spool

logger = logging.getLogger(__name__)
MAX_CHUNK = 1000


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
    validate: Validate = "chunk",
) -> Procedure[BulkResult]:
    """Add many records; with a database, exactly once.

    A database (`database_url`, `LARK_DATABASE_URL` or `POSTGRES_*`) keeps a ledger of each load's chunks. A
    load that was killed at any point continues where it stopped when it is called again with its key and its
    source; chunks that are written are not sent again. Only one writer at a time writes a table. Without a
    database, a repeat is kept from writing twice only as long as Lark remembers the key, which is not
    documented.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create.

    A list or tuple is checked as a whole before anything is sent. Any other source is read while records are
    written, 1000 at a time, and checked chunk by chunk, so that memory use is constant.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: Python values by field name; see `record_converter.Converter`. An asynchronous iterable works
            with the asynchronous client.
        chunk_size: Records a request, 1 to 1000.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it. Without one, naive datetimes are refused, and days are those of the base's own time zone,
            which is read from Lark if there are any. A ledger records that zone with the load, and a repeat
            uses it again.
        convert: Convert by field type. If False, values are sent as they are.
        empty_as_none: Whether `''` is taken as None in every field that is not text, as in rows of a CSV
            file; if False, it is refused there.
        idempotency_key: Any text that identifies this load; in the ledger, a load of this app into this
            table. Without one, only repeats inside this call are safe.
        keep_ids: Whether the result has the id of every record; if False, memory does not grow with the load.
        key_fields: Fields whose values together identify a row. A chunk of unknown outcome is then looked for
            with a filter, instead of by reading the whole table.
        marker_field: A text field that is filled with the names of load and chunk, for the same purpose.
        restart: A number above that of the last call deletes the records that this load has written, by the
            ids in the ledger, and loads them again.
        token_window: Seconds in which a chunk whose answer was lost is sent again under the same token,
            which Lark then recognizes. How long Lark remembers a token is not documented.
        settle_after: Seconds after which such a chunk is looked for in the table instead.
        table_wait: Seconds to wait for another writer of the table.
        on_bad_row: Whether a row whose values do not fit stops the load, or is left out and listed in the
            result's `rejects`. The same holds for a row with a value that only Lark refuses: its chunk is
            bisected until the row is found, with at most 200 requests.
        max_rejects: How many rows may be left out.
        retry_rows: Numbers of the rows to load, from 1, such as those of an earlier load's rejects. Such a
            load needs a key of its own.
        validate: Whether each chunk is checked before it is sent (`chunk`), or all rows before the first one
            is sent (`all`); until then, they are kept in a temporary file.

    Returns:
        What was written.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit (row numbers count from 1), or
            chunk_size is out of bounds; nothing was sent.
        NotFoundError: There is no such base or table.
        BulkWriteError: It stopped after part of the records; the error says how many were written.
        BulkOutcomeUnknownError: It stopped, and the last chunk may or may not have been written; a call with
            the same key finds that out first.
        ConflictError: The source has changed since a part of it was written; or another writer has the
            table; or it cannot be determined whether a chunk was written.
        LarkAPIError: Lark refused the first chunk; nothing was written.
        StorageError: The database stayed unavailable for longer than the call waits.
    """
    sources.within(chunk_size, MAX_CHUNK)
    check_choice("on_bad_row", on_bad_row, get_args(OnBadRow))
    check_choice("validate", validate, get_args(Validate))
    if validate == "all" and not convert:
        raise InvalidRequestError(
            "validate='all' checks values by their fields' types, which convert=False turns off. Next: leave "
            "one of them out."
        )
    options = LoadOptions(
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
        on_bad_row=on_bad_row,
    )
    options.check()
    rejects.check_limit(max_rejects)
    app_token, table_id = yield from find_table(app_token, table_id)
    fitting = Fitting(None, max_rejects, rejects.check_rows(retry_rows))
    converter: Converter | None = None
    if convert and (on_bad_row == "skip" or validate == "all"):
        converter = yield from make_converter(
            app_token, table_id, zone, empty_as_none=empty_as_none, fresh=True
        )
        fitting.converter = converter if on_bad_row == "skip" else None
    if fitting.converter is not None or fitting.only is not None:
        records = fitting.filter_rows(Stream(records).source)
    elif convert and validate == "chunk" and isinstance(records, list | tuple) and len(records) > chunk_size:
        # A single chunk is checked when it is converted.
        yield from check(app_token, table_id, zone, records, empty_as_none=empty_as_none)
    key = check_key(idempotency_key) if idempotency_key is not None else (yield NewKey())
    days = DayZone(app_token)

    if validate == "chunk" or converter is None:
        return (
            yield from _insert(app_token, table_id, records, key, options, fitting, days, idempotency_key)
        )
    spool = yield from open_spool()
    stream = Stream(records)
    try:
        if zone is None and idempotency_key is not None:
            days.known = yield from read_recorded_zone(app_token, table_id, key, restart)
        yield from validating.spool_source(stream, converter, options, days, spool)
        # The rows have been converted already.
        options = replace(options, convert=False)
        return (
            yield from _insert(
                app_token, table_id, spool.read(), key, options, fitting, days, idempotency_key
            )
        )
    finally:
        stream.close()
        spool.close()


def _insert(
    app_token: str,
    table_id: str,
    records: Source[Mapping[str, Any]],
    key: str,
    options: LoadOptions,
    fitting: Fitting,
    days: DayZone,
    idempotency_key: str | None,
) -> Procedure[BulkResult]:
    """Write a load, with the ledger if there is a database."""
    done = yield from load(app_token, table_id, records, key, options, fitting, days)
    if done is None:
        if idempotency_key is not None:
            logger.warning(
                "No database for the ledger: a load that is called again after Lark has forgotten its key "
                "writes its rows twice, and two writers of a table are not kept apart. Set LARK_DATABASE_URL"
            )
        done = yield from unrecorded.load(app_token, table_id, records, key, options, fitting, days)
    done.rejects = fitting.rejected
    return done
