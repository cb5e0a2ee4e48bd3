"""Rows that were rejected, and the CSV file that lists them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, TypeAlias

import orjson

from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError

OnBadRow: TypeAlias = Literal["fail", "skip"]
HEADER = ("row", "field", "key", "code", "reason")
VALUE_CODES = frozenset({1254015, *range(1254060, 1254075), 1254105, 1254106, 1254130})
"""Codes by which Lark refuses a batch because of a value in it. After any other code, no row is to blame."""
_ROW = re.compile(r"[1-9][0-9]{0,14}")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NAMED_FIELD = re.compile(r"fields\.([^'.]+)")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not written.

    Attributes:
        row: The row's number in the source, from 1.
        field: The field whose value does not fit; empty if the row as a whole does not fit, or if the field
            is not known.
        reason: Why the row was not written, as a text for people.
        key: The row's key; empty if it has none.
        code: Lark's code, or the one that Lark would answer.
    """

    row: int
    field: str
    reason: str
    key: str = ""
    code: int = 1254015

    def __str__(self) -> str:
        return f"row {self.row}{f', field {self.field!r}' if self.field else ''}: {self.reason}"


def make_reject(row: int, key: str, error: LarkAPIError) -> Reject:
    """Return the reject for a row that Lark has refused.

    Args:
        row: The row's number in the source, from 1.
        key: The row's key; empty if it has none.
        error: The error that Lark answered.
    """
    named = [violation.get("field", "") for violation in error.field_violations]
    match = _NAMED_FIELD.search(str(error))
    field = named[0] if named else match[1] if match else ""
    return Reject(row, field.removeprefix("fields."), f"Lark refused it: {error.msg}", key, error.code)


def encode_reject(reject: Reject) -> str:
    """Return a reject as the ledger records it: field, code and reason."""
    return orjson.dumps([reject.field, reject.code, reject.reason]).decode()


def read(row: int, key: str, text: str | None) -> Reject | None:
    """Return a reject that was recorded.

    Args:
        row: The row's number in the source, from 1.
        key: The row's key; empty if it has none.
        text: The text that `encode_reject` returned, or another reason.

    Returns:
        The reject; None if the text is another reason, since the row was then not refused for a value.
    """
    try:
        field, code, reason = orjson.loads(text or "")
    except (ValueError, TypeError):
        return None
    return Reject(row, str(field), str(reason), key, int(code))


def count_rows(rejects: Iterable[Reject]) -> int:
    """Return how many rows are rejected; a row may be listed several times, once for each of its cells.

    Args:
        rejects: The rejects.
    """
    return len({reject.row for reject in rejects})


def to_csv(rejects: Iterable[Reject]) -> str:
    """Return the CSV file that names rejects, in the order of their rows.

    A cell that a spreadsheet would take for a formula is preceded by an apostrophe.

    Args:
        rejects: The rejects.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(HEADER)
    for reject in sorted(rejects, key=attrgetter("row")):
        writer.writerow(
            [reject.row, _escape(reject.field), _escape(reject.key), reject.code, _escape(reject.reason)]
        )
    return file.getvalue()


def parse_row_numbers(text: str) -> frozenset[int]:
    """Return the numbers of the rows that a CSV file of rejects names.

    Args:
        text: The file's content.

    Raises:
        InvalidRequestError: It is not such a file.
    """
    try:
        lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        raise InvalidRequestError(
            f"A file of rejects must be CSV as an earlier run has written it: {error}. Next: save it as CSV "
            "in UTF-8, or name the file as it was."
        ) from None
    if not lines or lines[0][:1] != [HEADER[0]]:
        raise InvalidRequestError(
            f"retry_rejects must name a file of rejects, whose first column is {HEADER[0]!r}. Next: pass the "
            "file that an earlier run has written."
        )
    if wrong := [line[0] for line in lines[1:] if line and not _ROW.fullmatch(line[0])]:
        raise InvalidRequestError(
            "A file of rejects must have the number of a row, from 1, in its first column, got "
            f"{wrong[0]!r:.80}. Next: restore the number that was written there, or delete the line."
        )
    return frozenset(int(line[0]) for line in lines[1:] if line)


def check_rows(rows: object) -> frozenset[int] | None:
    """Return `retry_rows` as a set.

    Args:
        rows: What the caller passed; None for all rows.

    Raises:
        InvalidRequestError: It contains something other than row numbers.
    """
    if rows is None:
        return None
    numbers: list[Any] = list(rows) if isinstance(rows, Iterable) else [rows]
    if not isinstance(rows, Iterable) or not all(type(number) is int and number >= 1 for number in numbers):
        raise InvalidRequestError(
            f"retry_rows must be numbers of rows, from 1, got {numbers!r:.200}. Next: pass those of the "
            "rejects."
        )
    return frozenset(numbers)


def check_within(rows: frozenset[int] | None, total: int) -> None:
    """Refuse `retry_rows` beyond the end of the source, since they must belong to another source.

    Args:
        rows: The numbers of the rows; None for all rows.
        total: How many rows the source has.

    Raises:
        InvalidRequestError: The source has fewer rows.
    """
    if rows and (last := max(rows)) > total:
        raise InvalidRequestError(
            f"retry_rejects (retry_rows) must list rows of this source, got row {last} of {total}. Next: "
            "pass the list that an import of the same source has written."
        )


def check_limit(max_rejects: object) -> None:
    """Refuse a `max_rejects` that does not count rows.

    Args:
        max_rejects: What the caller passed.

    Raises:
        InvalidRequestError: It is not an int of 0 or more.
    """
    if type(max_rejects) is not int or max_rejects < 0:
        raise InvalidRequestError(
            f"max_rejects must be an int of 0 or more, got {max_rejects!r}. Next: pass a number such as 100, "
            "or 0 to allow none."
        )


def make_rejects_error(rejects: list[Reject], total: int) -> InvalidRequestError:
    """Return the error that names rejects.

    Args:
        rejects: The first rejects, at least one, for the error's text and its violations.
        total: How many rows were rejected.
    """
    unnamed = total - count_rows(rejects[:_SHOWN])
    more = f"; and {unnamed} more row(s)" if unnamed else ""
    return InvalidRequestError(
        f"{total} row(s) do not fit the table: {_show(rejects)}{more}. Nothing was written. Next: correct "
        "the source or the table's fields, or skip such rows with on_bad_row='skip'.",
        code=rejects[0].code,
        field_violations=_list_violations(rejects),
    )


def make_too_many_error(rejects: list[Reject], max_rejects: int) -> InvalidRequestError:
    """Return the error for more rejects than are allowed.

    Args:
        rejects: The rejects so far, at least one, for the error's text and its violations.
        max_rejects: How many rejected rows are allowed.
    """
    return InvalidRequestError(
        f"More than max_rejects={max_rejects} rows were rejected, the first of them: {_show(rejects)}. Next: "
        "correct the source, or allow more.",
        code=rejects[0].code,
        field_violations=_list_violations(rejects),
    )


def _show(rejects: list[Reject]) -> str:
    return "; ".join(map(str, rejects[:_SHOWN]))


def _list_violations(rejects: list[Reject]) -> list[dict[str, str]]:
    return [
        {"field": reject.field, "value": f"row {reject.row}", "description": reject.reason}
        for reject in rejects
    ]


def _escape(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
