"""Keys, by which a row of the source and a record of the table are matched."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from lark_provider.api.clouddoc import cells, dates
from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.cells import MisfitError
from lark_provider.api.clouddoc.reading import read
from lark_provider.api.clouddoc.sync import canonical
from lark_provider.api.clouddoc.sync.layout import select_cells
from lark_provider.protocol.errors import InvalidRequestError, make_unknown_choice_error

KeyForm: TypeAlias = Literal["exact", "trim", "casefold", "nfkc"]

EMPTY: Final = ""
"""The key of a record that has an empty key field."""

_FORMS: dict[str, Callable[[str], str]] = {
    "exact": str,
    "trim": str.strip,
    "casefold": lambda text: text.strip().casefold(),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text).strip().casefold(),
}
_COMPUTED = frozenset({types.FORMULA, types.LOOKUP})
_FOUND_BY_FILTER = frozenset({types.TEXT, types.NUMBER, types.PHONE, types.SINGLE_SELECT, types.AUTO_NUMBER})
_INTEGERS, _STRINGS = {int}, {str}
_ALLOWED = _FOUND_BY_FILTER | _COMPUTED | {types.DATE}


class KeyField(NamedTuple):
    """A field of the key, and Lark's number for its type."""

    name: str
    type: int


class KeyBuilder:
    """Makes the keys of rows and records. A key is text; that of several fields is a JSON list of texts.

    Args:
        names: The key fields.
        field_types: The types of the table's fields by name.
        form: How texts are compared; each form includes those before it.
        zone: The base's time zone, for keys that are calendar days.

    Raises:
        InvalidRequestError: A name is not that of a field that can be a key.
    """

    def __init__(
        self, names: Sequence[str], field_types: Mapping[str, int], form: KeyForm, zone: dt.tzinfo
    ) -> None:
        if not isinstance(form, str) or form not in _FORMS:
            raise make_unknown_choice_error("key_form", form, _FORMS)
        self.fields = [KeyField(name, _check(name, field_types)) for name in names]
        self.names = [field.name for field in self.fields]
        self._form = _FORMS[form]
        self._is_exact = form == "exact"
        self._zone = zone
        self.by_day: set[str] = set()
        """Names of date fields in which all keys of the source are calendar days."""

    @property
    def has_filter(self) -> bool:
        """Whether records can be searched for by key, instead of being found by a scan."""
        return self._is_exact and len(self.fields) == 1 and self.fields[0].type in _FOUND_BY_FILTER

    @property
    def read_only(self) -> list[str]:
        """Names of key fields that Lark computes, so that records with a new key cannot be created."""
        return [field.name for field in self.fields if field.type in types.READ_ONLY]

    def of_table(self, records: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Return the keys of records; `EMPTY` if a key field is empty, None if one cannot be read.

        Args:
            records: The fields of each, as search and batch_get return them.
        """
        if len(self.fields) == 1:
            return self._read_column(self.fields[0], records)
        columns = [self._read_column(field, records) for field in self.fields]
        return [_join(parts) for parts in zip(*columns, strict=True)]

    def _read_column(self, field: KeyField, records: Sequence[Mapping[str, Any]]) -> list[str | None]:
        (column,) = select_cells([field.name], records)
        if field.type == types.TEXT:
            read_texts = canonical.of_table(types.TEXT, canonical.EXACT, column, self._zone)
            return [self._form(text) if text is not None else EMPTY for text in read_texts]
        if field.type == types.NUMBER and set(map(type, column)) == _INTEGERS:
            return list(map(str, column))
        return [self._read(field, cell) for cell in column]

    def _read(self, field: KeyField, cell: Any) -> str | None:
        if cell is None or cell == "":
            return EMPTY
        try:
            if field.type in _COMPUTED:
                value = read(field.type, cell, self._zone)
                if isinstance(value, list):
                    if len(value) > 1:
                        return None
                    value = value[0] if value else None
                return EMPTY if value is None or value == "" else self._make_part(field, value)
            return self._make_part(field, cell)
        except MisfitError:
            return None

    def of_row(self, values: Sequence[Any]) -> str:
        """Return the key of a row of the source.

        Args:
            values: The values of the key fields, in their order, as the source has them or as they are
                written.

        Raises:
            MisfitError: One is empty or cannot be a key; the text begins with its field.
        """
        parts = []
        for field, value in zip(self.fields, values, strict=True):
            try:
                part = EMPTY if value is None else self._make_part(field, value)
            except MisfitError as misfit:
                raise KeyMisfitError(field.name, str(misfit)) from None
            if part == EMPTY:
                raise KeyMisfitError(field.name, "must not be empty, since it is a key")
            parts.append(part)
        return parts[0] if len(parts) == 1 else _encode_json(parts)

    def of_column(self, values: Sequence[Any]) -> list[str] | None:
        """Return the keys of rows with one key field, all at once; None if they are to be made one by one.

        Args:
            values: The values of the field, as they are written.
        """
        kinds = set(map(type, values))
        (field,) = self.fields
        if field.type == types.NUMBER and kinds == _INTEGERS:
            return list(map(str, values))
        if field.type != types.TEXT or kinds != _STRINGS:
            return None
        keys = list(values) if self._is_exact else [self._form(value) for value in values]
        return keys if all(keys) else None

    def _make_part(self, field: KeyField, value: Any) -> str:
        if isinstance(value, bool):
            raise MisfitError("must be text, a number or a date, since it is a key")
        if field.type == types.DATE or (field.type in _COMPUTED and isinstance(value, dt.date)):
            # A number is a cell, as Lark has it: it may be of early 1970.
            moment = value if isinstance(value, int) else dates.encode_date(value, self._zone)
            if field.name in self.by_day:
                moment = canonical.compute_midnight(moment, self._zone)
            return str(moment)
        if isinstance(value, int | float | Decimal):
            return format_number(value)
        if field.type == types.NUMBER and isinstance(value, str):
            return format_number(cells.encode_number(value))
        if not isinstance(value, str):
            raise MisfitError("must be text, a number or a date, since it is a key")
        return self._form(value)


class KeyMisfitError(MisfitError):
    """A value that cannot be a key. `.field` names the field."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def format_number(value: float | Decimal) -> str:
    """Return a number as it is in a key: an integral one without a fraction.

    Args:
        value: An int, a float or a Decimal.

    Raises:
        MisfitError: It is not finite.
    """
    if isinstance(value, int):
        return str(value)
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        raise MisfitError("must be a finite number, since it is a key")
    return str(int(value)) if value == int(value) else repr(float(value))


def check_names(names: object) -> list[str]:
    """Return the names of key fields as a list.

    Args:
        names: What the caller passed as `key_fields`.

    Raises:
        InvalidRequestError: It is not a name or a list of different names.
    """
    key_names = [names] if isinstance(names, str) else list(names) if isinstance(names, Sequence) else []
    if (
        not key_names
        or not all(isinstance(name, str) and name for name in key_names)
        or len(set(key_names)) < len(key_names)
    ):
        raise InvalidRequestError(
            f"key_fields must be a field name or a list of different ones, got {names!r}. Next: name the "
            "field by which rows are recognized."
        )
    return key_names


def _check(name: str, field_types: Mapping[str, int]) -> int:
    kind = field_types.get(name)
    if kind not in _ALLOWED:
        problem = "is not a field of the table" if kind is None else f"has type {kind}"
        raise InvalidRequestError(
            f"key_fields must name fields of text, numbers, phones, single selects, auto numbers, dates, "
            f"formulas or lookups; {name!r} {problem}. Next: choose another key."
        )
    return kind


def _join(parts: Sequence[str | None]) -> str | None:
    if None in parts:
        return None
    return EMPTY if EMPTY in parts else _encode_json(parts)


def _encode_json(parts: Sequence[str | None]) -> str:
    return orjson.dumps(parts).decode()
