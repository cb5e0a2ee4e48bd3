"""Convert the records of a table for writing, and after reading."""

from __future__ import annotations

import copy
import datetime as dt
import difflib
import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from lark_provider.api.clouddoc import cells, columns, dates
from lark_provider.api.clouddoc.field_types import (
    ATTACHMENT,
    CHECKBOX,
    DATE,
    DUPLEX_LINK,
    GROUP,
    LINK,
    LOCATION,
    MULTI_SELECT,
    NUMBER,
    PERSON,
    PHONE,
    READ_ONLY,
    SINGLE_SELECT,
    TEXT,
    URL,
)
from lark_provider.api.clouddoc.fields import MAPPINGS, BadValue, Field, collect_names
from lark_provider.api.clouddoc.reading import read


class Converter:
    """Converts records of one table.

    Args:
        fields: The table's fields, as `list_fields` returns them.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it; without one, naive datetimes are refused.
        days: The time zone of days without `zone`; None if it is not known yet, and then the first day raises
            `dates.DayWithoutZoneError`.
        empty_as_none: Whether an empty str is taken as None in every field that is not text, as in rows of a
            CSV file; if False, it is refused there.

    Attributes:
        types: Lark's numbers for the fields' types, by name.
        ids: The fields' ids, by name.
        days: The time zone of days, as the argument sets it.
    """

    def __init__(
        self,
        fields: Iterable[Field],
        zone: dt.tzinfo | None = None,
        *,
        days: dt.tzinfo | None = dt.UTC,
        empty_as_none: bool = False,
    ) -> None:
        known = list(fields)
        self.types = {field["field_name"]: field["type"] for field in known}
        self.ids = {field["field_name"]: field.get("field_id", "") for field in known}
        self._zone, self.days = zone, days
        self._empty_as_none = empty_as_none

    def with_days(self, days: dt.tzinfo | None) -> Converter:
        """Return a converter of the same fields with another time zone of days.

        Args:
            days: The time zone of days without `zone`; None if it is not known yet, as for the class.
        """
        converter = copy.copy(self)
        converter.days = days
        return converter

    def to_wire(
        self, record: Mapping[str, Any], row: int = 1, *, clear: bool = False
    ) -> tuple[dict[str, Any], list[BadValue]]:
        """Convert one record for writing.

        Args:
            record: Values by field name. None, NaN and NaT leave the cell empty.
            row: The record's number, counting from 1, for the report.
            clear: Whether a missing value is sent as None, which clears the cell, instead of being left out.

        Returns:
            The record as Lark takes it, and the values that do not fit, which are not in it.
        """
        (wire,), bad = self.convert_all_to_wire([record], collect_names([record]), row, clear=clear)
        return wire, bad

    def convert_all_to_wire(
        self,
        records: Sequence[Mapping[str, Any]],
        names: Collection[Any],
        first_row: int = 1,
        *,
        clear: bool = False,
    ) -> tuple[list[dict[str, Any]], list[BadValue]]:
        """Convert many records for writing, a column at a time where possible.

        Args:
            records: The records, each a dict of values by field name. None, NaN and NaT leave the cell empty.
            names: The names of all fields that the records have.
            first_row: The number of the first record, from 1, for the report.
            clear: Whether a missing value is sent as None, which clears the cell, instead of being left out.

        Returns:
            The records as Lark takes them, in new dicts, and the values that do not fit, by row.
        """
        bad: list[BadValue] = []
        wire = [dict(record) if isinstance(record, MAPPINGS) else {} for record in records]
        if not all(wire):  # a record is empty, or not a dict
            bad += (
                BadValue(row, "", f"must be a dict of values by field name, got {cells.show(record)}")
                for row, record in enumerate(records, first_row)
                if not isinstance(record, Mapping)
            )
        if any(type(name) is not str for name in names):  # JSON keys must be plain str, not numpy's or enums
            own = {name: name for name in self.types}
            wire = [{own.get(name, name): value for name, value in record.items()} for record in wire]
        for name in sorted(set(names) - self.types.keys(), key=str):
            reason = self._suggest_field(str(name))
            for row, record in enumerate(wire, first_row):
                if name in record:
                    del record[name]
                    bad.append(BadValue(row, str(name), reason))
        for name in self.types:
            if name in names:
                bad += self._convert_column(name, wire, first_row, clear=clear)
        bad.sort(key=attrgetter("row"))
        return wire, bad

    def _convert_column(
        self, name: str, wire: list[dict[str, Any]], first_row: int, *, clear: bool
    ) -> list[BadValue]:
        """Convert one field of all records as a column, if all values have one type; else cell by cell."""
        holders = wire
        try:
            values = list(map(itemgetter(name), wire))
        except KeyError:
            holders = [record for record in wire if name in record]
            values = [record[name] for record in holders]
        kinds, filled = set(map(type, values)), values
        if missing := _NONE in kinds:
            kinds.remove(_NONE)
            filled = [value for value in values if value is not None]
        whole = _COLUMNS.get((self.types[name], kinds.pop())) if len(kinds) == 1 else None
        written = whole(filled) if whole else None
        if written is None:
            return self._convert_cells(name, wire, first_row, clear=clear)
        if written is not filled:
            filled_in = [record for record in holders if record[name] is not None] if missing else holders
            for record, value in zip(filled_in, written, strict=True):
                record[name] = value
        if missing and not clear:
            for record, value in zip(holders, values, strict=True):
                if value is None:
                    del record[name]
        return []

    def _convert_cells(
        self, name: str, wire: list[dict[str, Any]], first_row: int, *, clear: bool
    ) -> list[BadValue]:
        """Convert one field of all records, cell by cell, in place."""
        bad: list[BadValue] = []
        write = self._choose_writer(self.types[name])
        for row, record in enumerate(wire, first_row):
            if name not in record:
                continue
            value = record[name]
            plain = value if type(value) in _BUILTIN else cells.convert_to_python(value)
            empty = self.types[name] != TEXT and isinstance(plain, str) and not plain
            if empty and self._empty_as_none:
                plain = None
            try:
                if plain is not None:
                    record[name] = write(plain)
                elif clear:
                    record[name] = None
                else:
                    del record[name]
            except cells.MisfitError as misfit:
                del record[name]
                hint = "; for an empty cell pass None, or empty_as_none=True" if empty else ""
                bad.append(BadValue(row, name, f"{misfit}, got {cells.show(value)}{hint}"))
        return bad

    def from_wire(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a record that was read with search or batch_get.

        Args:
            fields: `record["fields"]` as Lark sent it.

        Returns:
            Text as str, dates as aware datetimes (in `zone`, else UTC), links as record ids; people,
            attachments and places as the dicts that Lark sends. A lookup is always a list, even of one value
            or none; a formula is one value of the type of its result, None if it has none, and a list only if
            that type holds several values. Fields that the table no longer has are left unchanged.
        """
        return {name: read(self.types.get(name), value, self._zone) for name, value in fields.items()}

    def describe_unknown(self, names: Iterable[str]) -> dict[str, str]:
        """Return the names that are not fields of the table, each with a suggestion.

        Args:
            names: Field names.
        """
        return {name: self._suggest_field(name) for name in names if name not in self.types}

    def _suggest_field(self, name: str) -> str:
        folded = {known.casefold().strip(): known for known in self.types}
        close = [folded[match] for match in difflib.get_close_matches(name.casefold().strip(), folded, n=1)]
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, self.types))}"
        return f"the table has no such field; {hint}"

    def _choose_writer(self, field_type: int) -> Callable[[Any], Any]:
        if field_type == DATE:
            return functools.partial(dates.encode_date, zone=self._zone, days=self.days)
        return _WRITERS.get(field_type, cells.encode_unknown)


_NONE = type(None)
_BUILTIN = frozenset({str, int, bool, list, tuple, dict, dt.datetime, dt.date})
_WRITERS: dict[int, Callable[[Any], Any]] = {
    TEXT: cells.encode_text,
    NUMBER: cells.encode_number,
    SINGLE_SELECT: cells.encode_option,
    MULTI_SELECT: cells.encode_options,
    CHECKBOX: cells.encode_checkbox,
    PERSON: cells.make_object_encoder("id", "person by id (ou_…)", cells.MAX_PEOPLE),
    PHONE: cells.encode_phone,
    URL: cells.encode_url,
    ATTACHMENT: cells.make_object_encoder("file_token", "uploaded file by file_token", cells.MAX_ATTACHMENTS),
    LINK: cells.encode_record_ids,
    DUPLEX_LINK: cells.encode_record_ids,
    LOCATION: cells.encode_location,
    GROUP: cells.make_object_encoder("id", "group by chat id (oc_…)", cells.MAX_GROUPS),
    **dict.fromkeys(READ_ONLY, cells.refuse_computed),
}
_COLUMNS: dict[tuple[int, type], Callable[[list[Any]], list[Any] | None]] = {
    (TEXT, str): columns.accept_texts,
    (NUMBER, int): columns.accept_numbers,
    (NUMBER, float): columns.accept_floats,
    (SINGLE_SELECT, str): columns.accept_options,
    (MULTI_SELECT, list): columns.accept_option_lists,
    (CHECKBOX, bool): columns.accept_booleans,
    (DATE, dt.datetime): columns.convert_moments,
    (DATE, int): columns.accept_milliseconds,
}
