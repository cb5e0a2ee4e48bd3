"""Convert Python values to cells as Lark takes them, with the format that shows them.

| Python | cell |
|---|---|
| `None`, `""`, `NaT`, `NA` | empty |
| `str` | text, even if it begins with `=`, looks like a number or spells an error such as `#N/A` |
| `bool` | a boolean |
| `int`, `float`, `Decimal` | a number; text with all digits if a double cannot represent it |
| `date`, `datetime`, `time` | a serial number with a date format; text before 1899-12-30 |
| `UUID`, enums | their text or value |
| `Link`, `Mention`, `Formula` | a link, a person, a formula |

A cell has no time zone: aware datetimes are converted to `zone=`, and without one they are written in their
own. Times are cut to the millisecond.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from lark_provider.api.clouddoc.cells import EXACT_INT, MisfitError, convert_to_python, require_unicode, show
from lark_provider.api.clouddoc.dates import WRONG_YEAR
from lark_provider.api.clouddoc.sheets.addressing import Cell
from lark_provider.api.clouddoc.sheets.kinds import Formula, Link, Mention
from lark_provider.api.clouddoc.sheets.serials import EPOCH, EPOCH_DAY, encode_serial
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.support.text import format_decimal

__all__ = ["Formula", "Link", "Mention", "encode_row", "encode_serial", "to_cell"]

MAX_CHARS = 50_000
"""The most characters in one cell."""
MAX_MENTIONS = 50
"""The most mentions in one request."""
TOO_LONG, WRONG_VALUE = 90222, 90202
TEXT, DATE, DATETIME, TIME = "@", "yyyy-MM-dd", "yyyy/MM/dd HH:mm:ss", "HH:mm:ss"
"""Formatters."""
FIRST = Cell(1, 1)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_TYPED = re.compile(
    r"""\s*(?: [-+(]?\s*[$¥€£]?\s*[-+]?[\d.,]*\d[\d.,]*(?:[eE][-+]?\d+)?\s*[%)]?   # a number
        | \d{1,4}[-/.年]\d{1,2}(?:[-/.月]\d{1,4}日?)?(?:[T\s].*)?  # a date
        | \d{1,2}:\d\d(?::\d\d.*)?(?:\s*[aApP][mM])?              # a time
        | (?i:true|false) )\s*""",
    re.VERBOSE | re.DOTALL,
)
"""Text that a sheet would convert when a person edits the cell, unless the cell's format is text."""
_MAX_TYPED_LENGTH = 64
ERROR = r"#(?:[nN]/[aA]|[A-Za-z0-9/_]+[!?])"
"""Matches the spelling of an error, such as `#N/A`: Lark makes an error of such a plain string."""
_ERROR = re.compile(ERROR)
EncodedCell: TypeAlias = tuple[Any, str | None]
"""The cell as Lark takes it, and the formatter that shows it; None if any formatter will do."""


def to_cell(value: Any, zone: dt.tzinfo | None = None) -> EncodedCell:
    """Convert one value.

    Args:
        value: A value of the table above; those of numpy and pandas as well.
        zone: The zone to which aware datetimes are converted.

    Returns:
        The cell as Lark takes it, and the formatter that it needs, if any.

    Raises:
        MisfitError: No cell can hold the value. The text says what a value must be.
    """
    encoder = _ENCODERS.get(type(value))
    if encoder is not None:
        return encoder(value, zone)
    for kind, encoder in _BASES:
        if isinstance(value, kind):
            return encoder(value, zone)
    native = None if _is_missing(value) else _convert_numpy(value)
    if native is None:
        return "", None
    if type(native) is type(value):
        raise MisfitError(
            "must be text, a number, a boolean, a date, a datetime, a time, None, a Link, a Mention or a "
            "Formula"
        )
    return to_cell(native, zone)


def encode_row(
    row: Sequence[Any], number: int, first_column: int = 1, zone: dt.tzinfo | None = None
) -> list[EncodedCell]:
    """Convert one row.

    Args:
        row: The values.
        number: The number of the row in the sheet, for errors.
        first_column: The column of the first value, for errors.
        zone: The time zone to which aware datetimes are converted; if None, they are written in their own.

    Raises:
        InvalidRequestError: A value does not fit; the text names its cell.
    """
    encoded: list[EncodedCell] = []
    add, encoder_of = encoded.append, _ENCODERS.get
    for value in row:
        encoder = encoder_of(type(value))
        try:
            add(encoder(value, zone) if encoder is not None else to_cell(value, zone))
        except MisfitError as error:
            raise _make_misfit_error(Cell(number, first_column + len(encoded)), value, error) from None
    return encoded


def make_ragged_error(width: int, got: int, number: int) -> InvalidRequestError:
    """Return the error for a row of another length.

    Args:
        width: How many values the first row has.
        got: How many values this row has.
        number: The number of this row in the sheet.
    """
    return InvalidRequestError(
        f"All rows must have {width} values as the first one has, got {got} in row {number} of the sheet. "
        "Next: fill what is missing with None.",
        code=WRONG_VALUE,
    )


def iterate_checked(rows: Any) -> Iterable[Sequence[Any]]:
    """Check that each row is a sequence of values, while they are iterated.

    Args:
        rows: What a caller passed as the values of a range.

    Raises:
        InvalidRequestError: It is something else.
    """
    if isinstance(rows, str | bytes | dict) or not isinstance(rows, Iterable):
        raise InvalidRequestError(
            f"The values must be a list of rows, got {show(rows)}. Next: write [[1, 2], [3, 4]]; one cell is "
            f"[[1]].",
            code=WRONG_VALUE,
        )
    for number, row in enumerate(rows, 1):
        if isinstance(row, str | bytes) or not isinstance(row, Sequence):
            raise InvalidRequestError(
                f"Each row must be a list or tuple of values, got {show(row)} as row {number} of the values. "
                "Next: write [[1, 2], [3, 4]]; one cell is [[1]].",
                code=WRONG_VALUE,
            )
        yield row


def _make_misfit_error(cell: Cell, value: Any, error: MisfitError) -> InvalidRequestError:
    code = TOO_LONG if isinstance(value, str) and len(value) > MAX_CHARS else WRONG_VALUE
    text = f"{error}, got {show(value)}"
    return InvalidRequestError(
        f"Cell {cell} {text}. Nothing of these values was sent. Next: change the value for this cell.",
        code=code,
        field_violations=[{"field": str(cell), "value": show(value), "description": str(error)}],
    )


def _encode_text(value: str, _: dt.tzinfo | None) -> EncodedCell:
    if not value.isprintable():
        if (control := _CONTROL.search(value)) is not None:
            raise MisfitError(
                "must have no control characters other than tab and line breaks, and has "
                f"U+{ord(control[0]):04X} at character {control.start() + 1}"
            )
        require_unicode(value)
    if len(value) > MAX_CHARS:
        raise MisfitError(f"must have at most {MAX_CHARS:,} characters and has {len(value):,}")
    if value[:1] == "=" or (value[:1] == "#" and _ERROR.fullmatch(value)):
        # As rich text it cannot become a formula or an error, however Lark interprets a plain string.
        return [{"type": "text", "text": value}], TEXT
    return value, TEXT if is_typed(value) else None


def is_typed(value: str) -> bool:
    """Return whether a sheet would convert a text when a person edits its cell."""
    return _TYPED.fullmatch(value) is not None if len(value) <= _MAX_TYPED_LENGTH else value.isdecimal()


def _encode_integer(value: int, _: dt.tzinfo | None) -> EncodedCell:
    if -EXACT_INT <= value <= EXACT_INT:
        return int(value), None
    if abs(value) >= 10**MAX_CHARS:
        raise MisfitError(f"must have at most {MAX_CHARS:,} digits")
    return str(Decimal(value)), TEXT  # str(int) refuses more than 4,300 digits


def _encode_float(value: float, _: dt.tzinfo | None) -> EncodedCell:
    if not math.isfinite(value):
        raise MisfitError("must be a finite number; None is an empty cell")
    return float(value), None


def _encode_decimal(value: Decimal, _: dt.tzinfo | None) -> EncodedCell:
    if not value.is_finite():
        raise MisfitError("must be a finite number; None is an empty cell")
    double = float(value)
    if math.isfinite(double) and Decimal(repr(double)) == value and abs(double) <= EXACT_INT:
        return (int(value) if double.is_integer() else double), None
    return _encode_text(format_decimal(value), None)[0], TEXT


def _encode_datetime(value: dt.datetime, zone: dt.tzinfo | None) -> EncodedCell:
    if type(value) is not dt.datetime:  # datetimes of pandas and pendulum have other arithmetic
        value = dt.datetime(  # noqa: DTZ001 - the time zone is that of the value
            *value.timetuple()[:6], value.microsecond, value.tzinfo, fold=value.fold
        )
    if zone is not None and value.utcoffset() is not None:
        try:
            value = value.astimezone(zone)
        except OverflowError:
            raise MisfitError("must be within the years 1 to 9999 in the zone of the cells") from None
    value = value.replace(tzinfo=None)
    return (value.isoformat(" "), TEXT) if value < EPOCH else (encode_serial(value), DATETIME)


def _encode_date(value: dt.date, _: dt.tzinfo | None) -> EncodedCell:
    days = value.toordinal() - EPOCH_DAY
    return (dt.date.isoformat(value), TEXT) if days < 0 else (days, DATE)


def _encode_time(value: dt.time, _: dt.tzinfo | None) -> EncodedCell:
    return encode_serial(value), TIME


def _encode_cell(value: Formula | Link | Mention, _: dt.tzinfo | None) -> EncodedCell:
    cell = value.to_cell()
    _encode_text(cell["text"], None)
    return cell, None


_ENCODERS: dict[type, Callable[[Any, dt.tzinfo | None], EncodedCell]] = {
    str: _encode_text,
    int: _encode_integer,
    float: _encode_float,
    bool: lambda value, _: (value, None),
    type(None): lambda _, __: ("", None),
    Decimal: _encode_decimal,
    dt.datetime: _encode_datetime,
    dt.date: _encode_date,
    dt.time: _encode_time,
    Formula: _encode_cell,
    Link: _encode_cell,
    Mention: _encode_cell,
    uuid.UUID: lambda value, _: (str(value), None),
}
_BASES: tuple[tuple[type, Callable[[Any, dt.tzinfo | None], EncodedCell]], ...] = (
    (enum.Enum, lambda value, zone: to_cell(value.value, zone)),
    (str, lambda value, zone: _encode_text(str(value), zone)),
    (int, _encode_integer),
    (dt.datetime, lambda value, zone: ("", None) if _is_missing(value) else _encode_datetime(value, zone)),
    (dt.date, _encode_date),
    (dt.time, _encode_time),
    (Decimal, _encode_decimal),
)
"""Converters for subclasses, in the order in which they are tried: a datetime is also a date."""


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in {"NAType", "NaTType"}


def _convert_numpy(value: Any) -> Any:
    """Return a value of numpy as one of Python; NaN stays NaN, and is refused later."""
    if type(value).__module__ != "numpy":
        return value
    item = (
        value.item()
        if getattr(value, "ndim", 0) == 0 and type(value).__name__.startswith("float")
        else convert_to_python(value)
    )
    if type(item).__name__ == "datetime64":
        raise MisfitError(WRONG_YEAR)
    return value if isinstance(item, list) else item
