"""Bitable fields: their types, and records from Python's values to what each type takes, and back."""

from __future__ import annotations

import datetime as dt
import difflib
import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Required, TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lark_provider.api.clouddoc import cells, columns
from lark_provider.protocol.errors import InvalidRequestError

TEXT, NUMBER, SINGLE_SELECT, MULTI_SELECT, DATE, CHECKBOX = 1, 2, 3, 4, 5, 7
PERSON, PHONE, URL, ATTACHMENT, LINK, LOOKUP, FORMULA, DUPLEX_LINK = 11, 13, 15, 17, 18, 19, 20, 21
LOCATION, GROUP, STAGE, BUTTON = 22, 23, 24, 3001
CREATED_TIME, MODIFIED_TIME, CREATED_BY, MODIFIED_BY, AUTO_NUMBER = 1001, 1002, 1003, 1004, 1005

_READ_ONLY = frozenset(
    {LOOKUP, FORMULA, STAGE, BUTTON, CREATED_TIME, MODIFIED_TIME, CREATED_BY, MODIFIED_BY, AUTO_NUMBER}
)


class Field(TypedDict, total=False):
    """A field as Lark describes it."""

    field_id: str
    field_name: Required[str]
    type: Required[int]
    ui_type: str
    is_primary: bool
    property: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class BadValue:
    """A value that does not fit. `row` counts from 1."""

    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, field {self.field!r}: {self.reason}"


def zone_of(name: str | dt.tzinfo | None) -> dt.tzinfo | None:
    """Find a time zone.

    Args:
        name: An IANA name such as "Asia/Shanghai", a tzinfo, or None.

    Raises:
        InvalidRequestError: There is no zone of that name.
    """
    if name is None or isinstance(name, dt.tzinfo):
        return name
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, AttributeError, OSError):
        raise InvalidRequestError(
            f"zone is {name!r}. Next: use an IANA name such as 'Asia/Shanghai'."
        ) from None


def names_of(records: Iterable[Any]) -> set[Any]:
    """The field names in use in records."""
    names: set[Any] = set()
    return names.union(*(record for record in records if isinstance(record, _MAPPINGS)))


class Converter:
    """Converts records of one table.

    Args:
        fields: The table's fields, as `list_fields` returns them.
        zone: The time zone of naive datetimes, and of dates; without one, naive datetimes are refused and
            a date is midnight UTC.
    """

    def __init__(self, fields: Iterable[Field], zone: dt.tzinfo | None = None) -> None:
        self._types = {field["field_name"]: field["type"] for field in fields}
        self._zone = zone

    def to_wire(
        self, record: Mapping[str, Any], row: int = 1, *, clear: bool = False
    ) -> tuple[dict[str, Any], list[BadValue]]:
        """Convert one record for writing.

        Args:
            record: Values by field name. None, NaN and NaT leave the cell empty.
            row: The record's number, counting from 1, for the report.
            clear: Keep what is missing as None, which clears a cell when a record is changed.

        Returns:
            The record as Lark takes it, and what does not fit; each cell is one or the other.
        """
        (wire,), bad = self.all_to_wire([record], names_of([record]), row, clear=clear)
        return wire, bad

    def all_to_wire(
        self,
        records: Sequence[Mapping[str, Any]],
        names: Collection[Any],
        first_row: int = 1,
        *,
        clear: bool = False,
    ) -> tuple[list[dict[str, Any]], list[BadValue]]:
        """Convert many records for writing, a column at a time where it can be.

        Args:
            records: As for `to_wire`.
            names: The field names in use.
            first_row: The number of the first record.
            clear: As for `to_wire`.

        Returns:
            The records as Lark takes them, in new dicts, and what does not fit, row by row.
        """
        bad: list[BadValue] = []
        wire = [dict(record) if isinstance(record, _MAPPINGS) else {} for record in records]
        if not all(wire):  # something is empty, or no record
            bad += (
                BadValue(row, "", f"a record is a dict of values by field name, not {cells.show(record)}")
                for row, record in enumerate(records, first_row)
                if not isinstance(record, Mapping)
            )
        if any(type(name) is not str for name in names):  # names of numpy and of enumerations are no JSON
            own = {name: name for name in self._types}
            wire = [{own.get(name, name): value for name, value in record.items()} for record in wire]
        for name in sorted(set(names) - self._types.keys(), key=str):
            reason = self._unknown(str(name))
            for row, record in enumerate(wire, first_row):
                if name in record:
                    del record[name]
                    bad.append(BadValue(row, str(name), reason))
        for name in self._types:
            if name in names:
                bad += self._column(name, wire, first_row, clear=clear)
        bad.sort(key=lambda one: one.row)
        return wire, bad

    def _column(
        self, name: str, wire: list[dict[str, Any]], first_row: int, *, clear: bool
    ) -> list[BadValue]:
        """Convert one field of all records, in place."""
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
        whole = _COLUMNS.get((self._types[name], kinds.pop())) if len(kinds) == 1 else None
        written = whole(filled) if whole else None
        if written is None:
            return self._cells(name, wire, first_row, clear=clear)
        if written is not filled:
            filled_in = [record for record in holders if record[name] is not None] if missing else holders
            for record, value in zip(filled_in, written, strict=True):
                record[name] = value
        if missing and not clear:
            for record, value in zip(holders, values, strict=True):
                if value is None:
                    del record[name]
        return []

    def _cells(self, name: str, wire: list[dict[str, Any]], first_row: int, *, clear: bool) -> list[BadValue]:
        """The same, cell by cell."""
        bad: list[BadValue] = []
        write = self._writer(self._types[name])
        for row, record in enumerate(wire, first_row):
            if name not in record:
                continue
            value = record[name]
            plain = value if type(value) in _BUILTIN else cells.plain(value)
            try:
                if plain is not None:
                    record[name] = write(plain)
                elif clear:
                    record[name] = None
                else:
                    del record[name]
            except cells.MisfitError as misfit:
                del record[name]
                bad.append(BadValue(row, name, f"{cells.show(value)} {misfit}"))
        return bad

    def from_wire(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a record that was read with search or batch_get.

        Args:
            fields: `record["fields"]` as Lark sent it.

        Returns:
            Text as str, dates as aware datetimes (in `zone`, else UTC), links as record ids; people,
            attachments and places as the dicts that Lark sends. Fields that the table does not have any
            more stay as they are.
        """
        return {name: self._read(self._types.get(name), value) for name, value in fields.items()}

    def unknown(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some names that the table has no field for, each with what may have been meant.

        Args:
            names: Field names.
        """
        return {name: self._unknown(name) for name in names if name not in self._types}

    def _unknown(self, name: str) -> str:
        folded = {known.casefold().strip(): known for known in self._types}
        close = [folded[one] for one in difflib.get_close_matches(name.casefold().strip(), folded, n=1)]
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(map(repr, self._types))}"
        return f"the table has no such field; {hint}"

    def _writer(self, field_type: int) -> Callable[[Any], Any]:
        if field_type == DATE:
            return functools.partial(cells.date, zone=self._zone)
        return _WRITERS.get(field_type, lambda value: value)  # a type newer than this table: Lark decides

    def _read(self, field_type: object, value: Any) -> Any:
        if not isinstance(field_type, int):
            return value
        if field_type in {TEXT, AUTO_NUMBER} and isinstance(value, list):
            return "".join(
                str(part.get("text", "")) if isinstance(part, Mapping) else str(part) for part in value
            )
        if field_type in {DATE, CREATED_TIME, MODIFIED_TIME} and isinstance(value, int | float):
            return self._moment(value)
        if field_type in {LINK, DUPLEX_LINK} and isinstance(value, Mapping):
            return list(value.get("link_record_ids") or ())
        if field_type in {FORMULA, LOOKUP} and isinstance(value, Mapping) and "value" in value:
            inner, items = value.get("type"), value["value"]
            if inner == TEXT or not isinstance(items, list):
                return self._read(inner, items)
            return [self._read(inner, item) for item in items]
        return value

    def _moment(self, value: float) -> dt.datetime | float:
        try:
            return (cells.EPOCH + dt.timedelta(milliseconds=value)).astimezone(self._zone or dt.UTC)
        except OverflowError:
            return value  # beyond Python's calendar: the number says more than an error


_NONE = type(None)
_MAPPINGS = (dict, Mapping)  # a dict is told at once, without the slow question
_BUILTIN = frozenset({str, int, bool, list, tuple, dict, dt.datetime, dt.date})
_WRITERS: dict[int, Callable[[Any], Any]] = {
    TEXT: cells.text,
    NUMBER: cells.number,
    SINGLE_SELECT: cells.option,
    MULTI_SELECT: cells.options,
    CHECKBOX: cells.checkbox,
    PERSON: cells.objects("id", "person by id (ou_…)"),
    PHONE: cells.phone,
    URL: cells.url,
    ATTACHMENT: cells.objects("file_token", "uploaded file by file_token"),
    LINK: cells.record_ids,
    DUPLEX_LINK: cells.record_ids,
    LOCATION: cells.location,
    GROUP: cells.objects("id", "group by chat id (oc_…)"),
    **dict.fromkeys(_READ_ONLY, cells.computed),
}
_COLUMNS: dict[tuple[int, type], Callable[[list[Any]], list[Any] | None]] = {
    (TEXT, str): columns.texts,
    (NUMBER, int): columns.numbers,
    (NUMBER, float): columns.floats,
    (SINGLE_SELECT, str): columns.options,
    (DATE, dt.datetime): columns.moments,
}
