"""Rows of the source, converted and checked, on their way into the index."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import repeat
from typing import Any, TypeAlias, cast

import orjson

from lark_provider.api.clouddoc import cells
from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.cells import MisfitError
from lark_provider.api.clouddoc.fields import Field, collect_names
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.api.clouddoc.sync import canonical
from lark_provider.api.clouddoc.sync.keys import KeyBuilder, KeyMisfitError, format_number
from lark_provider.api.clouddoc.sync.layout import SyncLayout, compute_digests, select_cells
from lark_provider.api.clouddoc.sync.options import SyncOptions
from lark_provider.api.clouddoc.sync.scope import Scope
from lark_provider.api.clouddoc.sync.source_rows import (
    MAPPINGS,
    OwnRows,
    convert_calendar_day,
    convert_integral,
)
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.sync_index import Staged

Row: TypeAlias = Mapping[str, Any]
Resolve: TypeAlias = Callable[[str, Sequence[str]], Mapping[str, "str | None"]]
"""Given a link field and keys of the other table, returns record ids by key; None if several have it."""
_AS_GIVEN = frozenset({types.TEXT, types.NUMBER, types.SINGLE_SELECT, types.MULTI_SELECT, types.CHECKBOX})
"""Types whose values the converter takes, unless they are keys or links."""
_SELECTS = frozenset({types.SINGLE_SELECT, types.MULTI_SELECT})


@dataclass(slots=True)
class Batch:
    """The outcome of some rows.

    Attributes:
        staged: Rows with a key.
        rejects: Rows that do not fit, at most one reason for each field.
        without_key: How many rows have no key that can be read.
    """

    staged: list[Staged] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    without_key: int = 0


class Stager:
    """Converts rows of the source, and checks them.

    Args:
        fields: The table's fields.
        converter: Converts values by the same fields.
        keys: Makes keys.
        layout: Numbers the compared fields.
        options: The settings.
        scope: What created and changed rows must satisfy, or None.
        resolve: Finds records of other tables by key.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        converter: Converter,
        keys: KeyBuilder,
        layout: SyncLayout,
        options: SyncOptions,
        scope: Scope | None,
        resolve: Resolve,
    ) -> None:
        self.converter = converter
        self._fields = {table_field["field_name"]: table_field for table_field in fields}
        self._types, self._zone = layout.types, layout.zone
        self._keys, self._layout, self._options = keys, layout, options
        self._scope, self._resolve = scope, resolve
        self._gives_moments: set[str] = set()

    @property
    def day_keys(self) -> set[str]:
        """Return the date fields of the key in which every row has given a calendar day."""
        dates = {key_field.name for key_field in self._keys.fields if key_field.type == types.DATE}
        return dates - self._gives_moments

    def stage(self, rows: Sequence[Any], first_row: int) -> Batch:
        """Convert and check rows.

        Args:
            rows: Values by field name, as Python has them.
            first_row: The number of the first one.

        Raises:
            InvalidRequestError: A row has a field of the mark, which is cleared in records that are there.
        """
        batch = Batch()
        source_rows = [row if isinstance(row, MAPPINGS) else {} for row in rows]
        names = collect_names(source_rows)
        prepared = OwnRows(rows)
        if marks := dict.fromkeys(self._options.marks):
            if named := sorted(names & marks.keys()):
                raise InvalidRequestError(
                    f"mark must name fields that no row of the source has, got {named[0]!r}, which row "
                    f"{first_row} or one after it has. Next: mark with a field of its own, or leave it out "
                    "of the source."
                )
            prepared.update(marks)
            names |= marks.keys()
        modes = self._prepare(prepared, source_rows, names, first_row, batch)
        clear = self._options.on_null == "clear"
        wire, bad = self.converter.convert_all_to_wire(prepared.rows, names, first_row, clear=clear)
        if marks and not clear:
            for row in wire:
                row.update(marks)  # the mark is ours: it is cleared although the source clears nothing
        batch.rejects += (Reject(misfit.row, misfit.field, misfit.reason) for misfit in bad)
        self._check(wire, first_row, batch)
        self._finish(wire, source_rows, modes, first_row, batch)
        return batch

    def _prepare(
        self, rows: OwnRows, source_rows: Sequence[Row], names: set[Any], first_row: int, batch: Batch
    ) -> dict[str, list[str]]:
        """Prepare values that the converter does not take; return how fields are compared, if not exactly.

        Returns:
            The mode of each row's value, by field; a field without an entry is compared exactly in all rows.
        """
        modes: dict[str, list[str]] = {}
        for name in names:
            kind = self._types.get(name)
            if kind in _AS_GIVEN and name not in self._options.links and name not in self._keys.names:
                continue
            values = [row.get(name) for row in source_rows]
            if name in self._options.links:
                self._replace_keys(name, values, rows, first_row, batch)
            elif name in self._keys.read_only:
                rows.remove(name)
            elif kind == types.DATE:
                self._prepare_days(name, values, rows, modes)
            elif kind == types.TEXT and name in self._keys.names and set(map(type, values)) != {str}:
                rows.replace(name, values, [convert_integral(value) for value in values])
            elif kind == types.URL:
                modes[name] = [
                    canonical.ADDRESS if isinstance(value, str) else canonical.EXACT for value in values
                ]
            elif kind == types.ATTACHMENT:
                modes[name] = [
                    canonical.NAMED if _has_name_and_size(value) else canonical.EXACT for value in values
                ]
        return modes

    def _prepare_days(
        self, name: str, values: Sequence[Any], rows: OwnRows, modes: dict[str, list[str]]
    ) -> None:
        if set(map(type, values)) != {dt.datetime}:
            converted = [convert_calendar_day(value, self._zone) for value in values]
            rows.replace(name, values, [new for new, _ in converted])
            modes[name] = [mode for _, mode in converted]
        if name in self._keys.names and any(
            value is not None and mode != canonical.DAY
            for value, mode in zip(values, modes.get(name, repeat(canonical.EXACT)), strict=False)
        ):
            self._gives_moments.add(name)

    def _replace_keys(
        self, name: str, values: Sequence[Any], rows: OwnRows, first_row: int, batch: Batch
    ) -> None:
        """Replace keys of another table's records by their ids."""
        linked_keys: dict[int, list[tuple[str, ...]]] = {}
        for place, value in enumerate(map(cells.convert_to_python, values)):
            if value is not None and value != "":
                several = value if isinstance(value, list | tuple | set | frozenset) else [value]
                linked_keys[place] = list(map(_list_key_forms, several))
        wanted = {form for keys in linked_keys.values() for forms in keys for form in forms}
        ids_by_key = self._resolve(name, sorted(wanted))
        for place, linked in linked_keys.items():
            keys = [next((form for form in forms if form in ids_by_key), forms[0]) for forms in linked]
            wrong = [key for key in keys if ids_by_key.get(key) is None]
            if wrong:
                problem = "several records" if wrong[0] in ids_by_key else "no record"
                have = "have" if wrong[0] in ids_by_key else "has"
                batch.rejects.append(
                    Reject(
                        first_row + place, name, f"{problem} of the linked table {have} the key {wrong[0]!r}"
                    )
                )
            rows.ensure_own()
            rows.rows[place][name] = None if wrong else [ids_by_key[key] for key in keys]

    def _check(self, wire: Sequence[Row], first_row: int, batch: Batch) -> None:
        """Reject what only this table or this sync does not allow."""
        if self._options.strict_options:
            for name, table_field in self._fields.items():
                if table_field["type"] in _SELECTS:
                    self._check_options(name, table_field, wire, first_row, batch)
        if self._scope is not None:
            for row, values in enumerate(wire, first_row):
                outside = self._scope.find_failing_field(values, partly=True)
                if outside is not None:
                    batch.rejects.append(Reject(row, outside, "must be within scope, which it is not"))

    @staticmethod
    def _check_options(
        name: str, table_field: Field, wire: Sequence[Row], first_row: int, batch: Batch
    ) -> None:
        known = {option.get("name") for option in (table_field.get("property") or {}).get("options") or ()}
        for row, values in enumerate(wire, first_row):
            value = values.get(name)
            for option in [value] if isinstance(value, str) else value or ():
                if option not in known:
                    reason = f"must be one of the field's options, got {cells.show(option)}"
                    batch.rejects.append(Reject(row, name, reason))

    def _finish(
        self,
        wire: list[dict[str, Any]],
        source_rows: Sequence[Row],
        modes: Mapping[str, Sequence[str]],
        first_row: int,
        batch: Batch,
    ) -> None:
        """Make keys, shapes and digests."""
        for name, own in modes.items():
            if self._types[name] == types.ATTACHMENT:
                _keep_names(name, own, wire, source_rows)
        keys = self._make_keys(wire, source_rows, first_row, batch)
        shapes = self._make_shapes(wire, modes)
        vectors = self._layout.make_vectors(shapes, wire, written=True)
        numbers = range(first_row, first_row + len(wire))
        known = (numbers, keys, shapes, compute_digests(vectors))
        if not batch.rejects:
            # Plain tuples: making a million named ones takes half a second.
            batch.staged = cast("list[Staged]", list(zip(*known, _encode(wire), strict=True)))
            return
        key_of = dict(zip(numbers, keys, strict=True))
        batch.rejects[:] = [replace(reject, key=key_of[reject.row] or "") for reject in batch.rejects]
        rejected = {reject.row for reject in batch.rejects}
        for number, key, shape, digest, row in zip(*known, wire, strict=True):
            if key is None:
                batch.without_key += 1
            elif number in rejected:
                batch.staged.append(Staged(number, key, None, None, None))
            else:
                batch.staged.append(Staged(number, key, shape, digest, orjson.dumps(row)))

    def _make_keys(
        self, wire: Sequence[Row], source_rows: Sequence[Row], first_row: int, batch: Batch
    ) -> list[str | None]:
        names, read_only = self._keys.names, set(self._keys.read_only)
        as_given, written = select_cells(names, source_rows), select_cells(names, wire)
        columns = [
            source_cells if name in read_only else wire_cells
            for name, source_cells, wire_cells in zip(names, as_given, written, strict=True)
        ]
        has_bool = any(bool in set(map(type, column)) for column in as_given)
        if (
            len(columns) == 1
            and not has_bool
            and (column_keys := self._keys.of_column(columns[0])) is not None
        ):
            return list(column_keys)
        bad = {(reject.row, reject.field) for reject in batch.rejects}
        keys: list[str | None] = []
        for row, values in enumerate(zip(*columns, strict=True), first_row):
            try:
                keys.append(self._make_key(values, source_rows[row - first_row]))
            except KeyMisfitError as misfit:
                keys.append(None)
                if (row, misfit.field) not in bad:
                    batch.rejects.append(Reject(row, misfit.field, str(misfit)))
        return keys

    def _make_key(self, values: Sequence[Any], source_row: Row) -> str:
        for name in self._keys.names:
            if isinstance(source_row.get(name), bool):
                raise KeyMisfitError(name, "must be text, a number or a date, since it is a key")
        return self._keys.of_row([cells.convert_to_python(value) for value in values])

    def _make_shapes(self, wire: Sequence[Row], modes: Mapping[str, Sequence[str]]) -> list[str | None]:
        """Return the shape of each row; key fields are not compared."""
        loose = {name: column for name, column in modes.items() if any(column)}
        if not any(len(set(column)) > 1 for column in loose.values()) and len(set(map(tuple, wire))) == 1:
            return [self._make_shape(wire[0], loose, 0)] * len(wire)
        known: dict[tuple[tuple[str, ...], ...], str] = {}
        shapes: list[str | None] = []
        for index, row in enumerate(wire):
            form = tuple(row), tuple(column[index] for column in loose.values())
            if form not in known:
                known[form] = self._make_shape(row, loose, index)
            shapes.append(known[form])
        return shapes

    def _make_shape(self, row: Row, modes: Mapping[str, Sequence[str]], index: int) -> str:
        row_modes = {name: column[index] for name, column in modes.items()}
        names = [name for name in row if name not in self._keys.names]
        return self._layout.make_shape({name: row_modes.get(name, canonical.EXACT) for name in names})


def _encode(rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the JSON of each row; encoding all at once takes a fraction of the time."""
    parts = orjson.dumps(rows)[2:-2].split(b"},{")
    # Each end of a row is found. If there are more, a cell holds what looks like one.
    if len(parts) != len(rows):
        return [orjson.dumps(row) for row in rows]
    return [b"{%b}" % part for part in parts]


def _list_key_forms(key: Any) -> tuple[str, ...]:
    """Return a key of another table's record, in the forms that `KeyBuilder` makes of a text and a number."""
    forms = [str(convert_integral(key))]
    if not isinstance(key, bool) and isinstance(key, int | float | Decimal):
        with suppress(MisfitError):  # It is not finite, and no record has it.
            forms.append(format_number(key))
    return tuple(forms)


def _has_name_and_size(value: Any) -> bool:
    items = [value] if isinstance(value, Mapping) else value
    return (
        isinstance(items, list | tuple)
        and bool(items)
        and all(
            isinstance(attachment, Mapping) and "name" in attachment and type(attachment.get("size")) is int
            for attachment in items
        )
    )


def _keep_names(
    name: str, modes: Sequence[str], wire: Sequence[dict[str, Any]], source_rows: Sequence[Row]
) -> None:
    """Put name and size back into attachments, which are compared by them; they are not sent."""
    for mode, row, source in zip(modes, wire, source_rows, strict=True):
        if mode == canonical.NAMED and row.get(name):
            items = source[name] if isinstance(source[name], list | tuple) else [source[name]]
            row[name] = [
                {
                    "file_token": attachment["file_token"],
                    "name": attachment["name"],
                    "size": attachment["size"],
                }
                for attachment in items
            ]
