"""Prepare a sync: look up the base and its fields, and read the source to its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc import rejects
from lark_provider.api.clouddoc.bitable import FIELDS
from lark_provider.api.clouddoc.checking import FieldCheck
from lark_provider.api.clouddoc.conversion import read_fields
from lark_provider.api.clouddoc.fields import Field, find_zone, parse_zone
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.api.clouddoc.sync.comparing import Comparison
from lark_provider.api.clouddoc.sync.index_work import work
from lark_provider.api.clouddoc.sync.keys import KeyBuilder
from lark_provider.api.clouddoc.sync.layout import SyncLayout
from lark_provider.api.clouddoc.sync.linked import read_linked
from lark_provider.api.clouddoc.sync.options import SyncOptions
from lark_provider.api.clouddoc.sync.reading import TableReader
from lark_provider.api.clouddoc.sync.scope import Scope
from lark_provider.api.clouddoc.sync.source_rows import convert_calendar_day
from lark_provider.api.clouddoc.sync.staging import Batch, Stager
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.effects import Stream, Take
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, perform, take
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.sync_index import SyncIndex

_APP = FIELDS.partition("/tables/")[0]
_ROWS_AT_ONCE = 1000


@dataclass(slots=True)
class Prepared:
    """What a sync knows about its table.

    Attributes:
        options: The settings.
        fields: The table's fields.
        is_advanced: Whether the base has advanced permissions, by which rows may be hidden from the app.
        stager: Converts the source.
        reader: Reads the table.
        source_rows: Rows of the source.
        keyless_rows: Rows of the source whose key cannot be read.
    """

    options: SyncOptions
    fields: Sequence[Field]
    is_advanced: bool
    stager: Stager
    reader: TableReader
    source_rows: int = 0
    keyless_rows: int = 0

    def check(self) -> FieldCheck:
        """Return a check that the fields have not changed since."""
        keys, layout = self.reader.comparison.keys, self.reader.comparison.layout
        return FieldCheck(
            self.reader.app_token, self.reader.table_id, self.fields, [*keys.names, *layout.names]
        )


def prepare(
    app_token: str,
    table_id: str,
    options: SyncOptions,
    index: SyncIndex,
    keep: Callable[[], Procedure[None]],
) -> Procedure[Prepared]:
    """Look up the base and the table's fields, and check the settings against them.

    See GET /open-apis/bitable/v1/apps/:app_token.

    Args:
        app_token: The base.
        table_id: The table.
        options: The settings.
        index: Where the keys of linked tables are stored.
        keep: Makes the procedure that renews the lease.

    Raises:
        InvalidRequestError: A setting names a field that does not exist or does not fit.
    """
    naive = find_zone(options.zone)
    base: Mapping[str, Any] = (
        yield from perform(make_request("GET", fill_path(_APP, app_token=app_token)))
    ).data["app"]
    zone = parse_zone(base.get("time_zone")) or naive or dt.UTC
    fields = yield from read_fields(app_token, table_id)
    field_types = {field["field_name"]: field["type"] for field in fields}
    keys = KeyBuilder(options.key_fields, field_types, options.key_form, zone)
    layout = SyncLayout(field_types, zone)
    scope = None if options.scope is None else Scope(options.scope, field_types, zone)
    _check_marks(options, field_types)
    for name, key_field in options.links.items():
        yield from read_linked(app_token, name, key_field, fields, index, keep)
    converter = Converter(fields, naive, empty_as_none=options.empty_as_none)
    marks, bad = converter.to_wire(_with_days(options.marks, field_types, zone))
    if bad:
        raise InvalidRequestError(
            f"mark must have values that fit the table; {bad[0].field!r} {bad[0].reason}. Next: change this "
            "value in mark=.",
            code=1254015,
        )
    stager = Stager(fields, converter, keys, layout, options, scope, index.find_linked)
    comparison = Comparison(keys, layout, compares=options.mode != "insert_missing", marks=marks)
    reader = TableReader(app_token, table_id, index, comparison, scope, options.user_id_type, keep)
    return Prepared(options, fields, base.get("is_advanced") is True, stager, reader)


def _of_first_rows(row_rejects: Sequence[Reject], count: int) -> list[Reject]:
    """Return the rejects of the first rows, all cells of a row or none."""
    first = set(sorted({reject.row for reject in row_rejects})[: max(0, count)])
    return [reject for reject in row_rejects if reject.row in first]


def stage(
    stream: Stream[Mapping[str, Any]],
    prepared: Prepared,
    index: SyncIndex,
    keep: Callable[[], Procedure[None]],
) -> Procedure[list[Reject]]:
    """Read the source to its end, and check every row.

    Args:
        stream: The source.
        prepared: What is known about the table.
        index: Where the rows are stored.
        keep: Makes the procedure that renews the lease.

    Returns:
        The rejected rows, which are to be skipped.

    Raises:
        InvalidRequestError: There are rejected rows and `on_bad_row` is `fail`, or too many.
    """
    options = prepared.options
    rejected: list[Reject] = []
    total = 0
    while rows := (yield from take(Take(stream, _ROWS_AT_ONCE))):
        yield from keep()
        first = prepared.source_rows + 1
        prepared.source_rows += len(rows)
        batch = yield from work(_stage_rows, prepared, rows, first, index)
        prepared.keyless_rows += batch.without_key
        rejected += _of_first_rows(batch.rejects, options.max_rejects + 1 - total)
        total += rejects.count_rows(batch.rejects)
        if total > options.max_rejects:
            break
    else:
        rejects.check_within(options.only_rows, prepared.source_rows)
    repeated = yield from work(index.seal)
    prepared.reader.comparison.keys.by_day = prepared.stager.day_keys
    rejected += (
        Reject(row, options.key_fields[0], f"the key {key!r} is that of row {earlier}, too", key)
        for row, key, earlier in repeated[: max(0, options.max_rejects + 1 - total)]
    )
    total += len(repeated)
    if rejected and options.on_bad_row == "fail":
        raise rejects.make_rejects_error(rejected, total)
    if total > options.max_rejects:
        raise rejects.make_too_many_error(rejected, options.max_rejects)
    return rejected


def _stage_rows(prepared: Prepared, rows: Sequence[Any], first: int, index: SyncIndex) -> Batch:
    wanted = prepared.options.only_rows
    if wanted is None:
        batch = prepared.stager.stage(rows, first)
    else:
        batch = Batch()
        for number, row in enumerate(rows, first):
            if number in wanted:
                row_batch = prepared.stager.stage([row], number)
                batch.staged += row_batch.staged
                batch.rejects += row_batch.rejects
                batch.without_key += row_batch.without_key
    index.stage(batch.staged)
    return batch


def _with_days(
    marks: Mapping[str, Any], field_types: Mapping[str, int], zone: dt.tzinfo
) -> Mapping[str, Any]:
    """Return marks whose days are those of the base's zone, as in rows."""
    if not isinstance(marks, Mapping):
        return marks
    return {
        name: convert_calendar_day(value, zone)[0] if field_types.get(name) == types.DATE else value
        for name, value in marks.items()
    }


def _check_marks(options: SyncOptions, field_types: Mapping[str, int]) -> None:
    for name in options.marks:
        if field_types.get(name) in types.READ_ONLY or name in options.key_fields:
            raise InvalidRequestError(
                f"mark must name fields that can be written and are no keys, got {name!r}. Next: choose "
                "another."
            )
