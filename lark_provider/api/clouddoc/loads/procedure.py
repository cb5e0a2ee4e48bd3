"""A load, from its first row to its last: each chunk is recorded, sent, and recorded as written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lark_provider.api.clouddoc.conversion import make_converter, make_misfits_error
from lark_provider.api.clouddoc.days import DayZone
from lark_provider.api.clouddoc.fields import collect_names
from lark_provider.api.clouddoc.fitting import Fitting
from lark_provider.api.clouddoc.loads import days as recording
from lark_provider.api.clouddoc.loads import errors, looking, restarting
from lark_provider.api.clouddoc.loads.chunks import EncodedChunk, encode_chunk
from lark_provider.api.clouddoc.loads.leasing import format_target, release
from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.loads.writer import LoadWriter, format_marker
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.results import BulkResult, make_progress_error
from lark_provider.protocol.effects import NewKey, Stream, Take
from lark_provider.protocol.ledger import Claimant, WrittenChunk
from lark_provider.protocol.operations import Procedure, take
from lark_provider.protocol.store import with_store

logger = logging.getLogger(__name__)

_ADVICE = "fix the source and call again with the same key, which goes on from there"


def load(
    app_token: str,
    table_id: str,
    records: Any,
    key: str,
    options: LoadOptions,
    fitting: Fitting | None = None,
    days: DayZone | None = None,
) -> Procedure[BulkResult | None]:
    """Write a load, or what is left of it.

    Args:
        app_token: The base.
        table_id: The table.
        records: The source; see `bulk_insert`.
        key: The caller's idempotency key.
        options: The options of the load.
        fitting: The collector of rows that Lark refuses, which also knows which rows of the source are read;
            None if all are read and none may be refused.
        days: The time zone of days without `zone`; with a known one, the records are converted by it.

    Returns:
        What is written; None without a database, which a load that happens once needs.

    Raises:
        LarkError: See `bulk_insert`.
    """
    place = format_target(app_token, table_id)
    outcome = yield from with_store(
        lambda store: store.ledger.open(place, key, options.chunk_size, options.restart)
    )
    if outcome is None:
        return None
    (entry,) = outcome
    begins = days or DayZone(app_token)
    owner: str = yield NewKey()
    name = f"load {entry.id[:12]}"
    claimant = Claimant(
        place, owner, name, options.lease_seconds, edition=entry.edition, clears=entry.is_clearing
    )
    try:
        # What is cached may be older than the load; a renamed column has to be noticed.
        converter = yield from make_converter(
            app_token, table_id, options.zone, empty_as_none=options.empty_as_none, fresh=entry.chunks > 0
        )
        where = looking.LoadTable(app_token, table_id, place, converter.types)
        writer = LoadWriter(entry, key, where, claimant, options, dict(converter.ids), entry.written)
        if entry.is_clearing:
            entry = yield from restarting.clear(writer)
            writer = replace(
                writer, load=entry, rows_written=entry.written, claimant=replace(claimant, clears=False)
            )
        elif entry.chunks:
            extra = {"load": entry.id[:12], "rows": entry.written, "chunks": entry.chunks}
            logger.info("Resuming a load", extra=extra)
        if options.zone is None:
            yield from recording.record(begins, entry)
        result = yield from _write(writer, records, fitting or Fitting(None, 0), begins)
    except Exception:
        yield from release(claimant)
        raise
    yield from release(claimant)
    return result


def _write(writer: LoadWriter, records: Any, fitting: Fitting, days: DayZone) -> Procedure[BulkResult]:
    options, result = writer.options, BulkResult()
    stream = Stream(records)
    previous: WrittenChunk | None = None
    count = 0
    try:
        while rows := (yield from take(Take(stream, writer.load.chunk_size))):
            chunk = yield from _encode_rows(writer, rows, count + 1, result.chunks, days)
            del rows
            written = yield from writer.ensure_written(result.chunks, chunk, previous)
            previous = written.done
            result.record_ids += written.record_ids if options.keep_ids else ()
            count += chunk.row_count
            result.written += chunk.row_count - len(written.rejects)
            result.replayed += written.replayed
            result.chunks += 1
            fitting.add(
                [replace(reject, row=fitting.get_source_row(reject.row)) for reject in written.rejects]
            )
            del chunk, written  # before the next one is made
        yield from _end(writer, result, count, previous)
    except Exception as error:
        if previous is not None:
            # It is certain, and need not be settled by the next attempt.
            yield from writer.note(previous)
        why = (
            error
            if isinstance(error, errors.SourceChangedError)
            else make_progress_error(error, result, _ADVICE, count)
        )
        if why is error:
            raise
        raise why from error
    finally:
        stream.close()
    return result


def _encode_rows(
    writer: LoadWriter, rows: list[Mapping[str, Any]], first_row: int, number: int, days: DayZone
) -> Procedure[EncodedChunk]:
    """Convert and encode the rows of a chunk."""
    options, place = writer.options, writer.place
    names = collect_names(rows)
    converter: Converter = yield from make_converter(
        place.app_token, place.table_id, options.zone, names, empty_as_none=options.empty_as_none
    )
    wire: Any = rows
    if options.convert:
        wire, bad = yield from days.to_wire(converter, rows, names, first_row)
        if bad:
            raise make_misfits_error(bad)
    writer.field_ids, writer.place = dict(converter.ids), replace(place, types=converter.types)
    options.check_marker(names, converter.types)
    keys = options.encode_keys(wire, first_row, converter.types)
    if options.marker_field is not None:
        mark = {options.marker_field: format_marker(writer.load, number)}
        wire, names = [{**row, **mark} for row in wire], names | mark.keys()
    return encode_chunk(wire, first_row, frozenset(map(str, names)), keys)


def _end(writer: LoadWriter, result: BulkResult, rows: int, previous: WrittenChunk | None) -> Procedure[None]:
    """Record that the source has ended, if nothing was written beyond its end."""
    if writer.load.chunks > result.chunks:
        if previous is not None:
            yield from writer.note(previous)
        if (yield from restarting.list_written(writer, result.chunks)):
            raise errors.make_shorter_source_error(writer.load, rows, writer.rows_written)
    yield from with_store(lambda store: store.ledger.finish(writer.load.id, writer.claimant, previous))
