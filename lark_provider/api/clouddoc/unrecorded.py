"""A load without a ledger: a repeat is kept from writing twice only while Lark remembers each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lark_provider.api.clouddoc import bisecting, rejects
from lark_provider.api.clouddoc.checking import FieldCheck
from lark_provider.api.clouddoc.chunking import Source, in_chunks
from lark_provider.api.clouddoc.conversion import make_converter
from lark_provider.api.clouddoc.creating import Create, batch_create, read_created_ids
from lark_provider.api.clouddoc.days import DayZone, convert_records
from lark_provider.api.clouddoc.fields import Field, collect_names
from lark_provider.api.clouddoc.fitting import Fitting
from lark_provider.api.clouddoc.loads.options import LoadOptions
from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.api.clouddoc.results import BulkResult
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.operations import Procedure, perform

Numbered: TypeAlias = tuple[int, Mapping[str, Any]]


def load(
    app_token: str,
    table_id: str,
    records: Source[Mapping[str, Any]],
    key: str,
    options: LoadOptions,
    fitting: Fitting,
    days: DayZone,
) -> Procedure[BulkResult]:
    """Write a load, chunk by chunk.

    Args:
        app_token: The base.
        table_id: The table.
        records: The source; see `bulk_insert`.
        key: The caller's key, from which the tokens are derived.
        options: The options of the load.
        fitting: The collector of rows that Lark refuses, which also knows which rows of the source are read.
        days: The time zone of days without `zone`.

    Returns:
        What was written.

    Raises:
        LarkError: See `bulk_insert`.
    """

    def make_chunk(first: int, rows: Sequence[Mapping[str, Any]]) -> Create:
        # The token depends on position and length, since a chunk of another size is another write.
        token = make_client_token(key, app_token, table_id, "bulk", f"{first}+{len(rows)}")
        body = encode({"records": [{"fields": fields} for fields in rows]}, "the records of a chunk")
        return batch_create(app_token, table_id, body, len(rows), token, options.user_id_type)

    def send(rows: list[Numbered], ids: list[str]) -> Procedure[None]:
        call = make_chunk(rows[0][0], [fields for _, fields in rows])
        ids += read_created_ids((yield from perform(call)), call, len(rows))

    def write(chunk: list[Mapping[str, Any]], first: int) -> Procedure[list[str]]:
        wire: list[Any] = chunk
        if options.convert:
            wire = yield from convert_records(
                app_token,
                table_id,
                options.zone,
                chunk,
                first,
                days=days,
                empty_as_none=options.empty_as_none,
            )
        if options.on_bad_row != "skip":
            call = make_chunk(first, wire)
            del wire  # frees memory: the call's body has it, and the answer repeats up to a thousand records
            try:
                return read_created_ids((yield from perform(call)), call, len(chunk))
            except LarkAPIError as error:
                bisecting.append_hint(error, len(chunk))
                raise
        ids: list[str] = []
        names = collect_names(chunk)
        converter = yield from make_converter(app_token, table_id, options.zone, names)
        fields = [
            Field(field_name=name, type=kind, field_id=converter.ids[name])
            for name, kind in converter.types.items()
        ]
        unchanged = FieldCheck(app_token, table_id, fields, names).require_unchanged
        done = yield from bisecting.write(
            list(enumerate(wire, first)), lambda rows: send(rows, ids), unchanged, skip=True
        )
        refused.extend(
            rejects.make_reject(fitting.get_source_row(position), "", error)
            for (position, _), error in done.refused
        )
        return ids

    def count() -> None:
        fitting.add(refused)
        refused.clear()

    refused: list[Reject] = []
    return (yield from in_chunks(records, options.chunk_size, write, keep_ids=options.keep_ids, after=count))
