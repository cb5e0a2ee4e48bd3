"""The columns of a table: their order, their titles, and the values of a row in that order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from lark_provider.api.clouddoc.cells import MisfitError, show
from lark_provider.api.clouddoc.sheets.addressing import MAX_COLUMNS
from lark_provider.api.clouddoc.sheets.values import MAX_CHARS, TOO_LONG, WRONG_VALUE, to_cell
from lark_provider.protocol.errors import InvalidRequestError

MISSING = object()


@dataclass(frozen=True, slots=True)
class TableLayout:
    """The columns of a table.

    Attributes:
        names: What they are called in the source; their places as text if its rows are sequences without
            `columns`.
        titles: The texts of the header.
        is_closed: Whether a dict may have no other keys than these: they were taken from the first row.
        is_titled: Whether there are titles to write.
        header: The titles as Lark takes them.
    """

    names: tuple[str, ...]
    titles: tuple[str, ...]
    is_closed: bool
    is_titled: bool
    header: tuple[Any, ...]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.names)

    def find_place(self, name: str, option: str) -> int:
        """Return the place of a column, from 0.

        Args:
            name: Its name in the source, or its title.
            option: The argument that names it, for the error.

        Raises:
            InvalidRequestError: There is no such column.
        """
        for known in (self.names, self.titles):
            if name in known:
                return known.index(name)
        raise InvalidRequestError(
            f"{option} must name columns of the table ({', '.join(self.names[:20])}), got {show(name)}. "
            "Next: write the name exactly as the source or columns= does."
        )

    def order_rows(self, rows: Sequence[Any], number: int) -> Sequence[Sequence[Any]]:
        """Return the values of rows in the order of the columns, all of the same length.

        Args:
            rows: Dicts by name, or sequences.
            number: Of the first row in the source, from 1.

        Raises:
            InvalidRequestError: A row is something else, of another length, or has a key that is not a
                column.
        """
        kinds, width = set(map(type, rows)), len(self.names)
        if kinds <= {tuple, list} and set(map(len, rows)) == {width}:
            return rows
        if kinds == {dict} and width > 1 and (not self.is_closed or set(map(len, rows)) == {width}):
            try:
                return list(map(itemgetter(*self.names), rows))
            except KeyError:
                pass  # what a row lacks is None
        return [self.order_values(row, at) for at, row in enumerate(rows, number)]

    def order_values(self, row: Any, number: int) -> Sequence[Any]:
        """Return the values of a row in the order of the columns.

        Args:
            row: A dict by name, or a sequence.
            number: Of the row in the source, from 1.

        Raises:
            InvalidRequestError: It is something else, too long or too short, or has a key that is not a
                column.
        """
        if isinstance(row, Mapping):
            if self.is_closed and (unknown := set(row).difference(self.names)):
                extra = next(name for name in row if name in unknown)
                raise InvalidRequestError(
                    f"Row {number} of the source has the column {show(extra)}, which the first row has not. "
                    "Next: pass columns= with all names, in their order."
                )
            get = row.get
            return [get(name) for name in self.names]
        if isinstance(row, str | bytes) or not isinstance(row, Sequence):
            raise InvalidRequestError(
                f"Row {number} of the source must be a dict or a sequence of values, got {show(row)}. Next: "
                "make it {'Name': 'Alice'} or ['Alice']."
            )
        if len(row) != len(self.names):
            raise InvalidRequestError(
                f"Row {number} of the source must have {len(self.names)} values, got {len(row)}. Next: fill "
                "what is missing with None."
            )
        return row


def _find_double(names: Iterable[str]) -> str | None:
    """Return the first text that was there before; None if each is there once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def make_layout(columns: Sequence[str] | Mapping[str, str] | None, first: Any) -> TableLayout:
    """Return the columns of a table.

    Args:
        columns: Names in their order, or name to title; None takes the keys of the first row.
        first: The first row of the source; None if it has none.

    Raises:
        InvalidRequestError: The columns are invalid, or cannot be known.
    """
    is_titled, is_closed = True, False
    if columns is None:
        if isinstance(first, Mapping):
            names, is_closed = tuple(first), True
        elif isinstance(first, Sequence) and not isinstance(first, str | bytes):
            names, is_titled = tuple(map(str, range(1, len(first) + 1))), False
        elif first is None:
            raise InvalidRequestError(
                "columns must be given where the source may have no rows, got None and an empty source. "
                "Next: pass columns= with their names."
            )
        else:
            raise InvalidRequestError(
                f"Row 1 of the source must be a dict or a sequence of values, got {show(first)}. Next: make "
                "each row {'Name': 'Alice'} or ['Alice']."
            )
        titles = names
    elif isinstance(columns, Mapping):
        names, titles = tuple(columns), tuple(columns.values())
    elif isinstance(columns, str | bytes) or not isinstance(columns, Sequence):
        raise InvalidRequestError(
            f"columns must be a list of names or a dict of name to title, got {show(columns)}. "
            "Next: pass it as ['id', 'total'] or {'id': 'ID', 'total': 'Total'}."
        )
    else:
        names = titles = tuple(columns)
    wrong = next((name for name in (*names, *titles) if not isinstance(name, str)), MISSING)
    if wrong is not MISSING:
        raise InvalidRequestError(
            f"A column's name must be a str, got {show(wrong)}. Next: convert it with str()."
        )
    double = _find_double(names)
    if double is not None:
        raise InvalidRequestError(
            f"columns must name each column once, got {show(double)} twice. Next: remove or rename one "
            "of the two."
        )
    double = _find_double(title for title in map(str.strip, titles) if title)
    if double is not None:  # The worksheet could not be read by its titles any more.
        raise InvalidRequestError(
            f"columns must give each column a title of its own, got {show(double)} twice. Next: change one "
            "of the two titles."
        )
    if not 1 <= len(names) <= MAX_COLUMNS:
        raise InvalidRequestError(
            f"A table must have 1 to {MAX_COLUMNS:,} columns, got {len(names):,}. Next: split it over sheets."
        )
    return TableLayout(names, titles, is_closed, is_titled, tuple(map(_encode_title, titles)))


def _encode_title(title: str) -> Any:
    """Return a title as Lark takes it: one that begins with `=` stays text."""
    try:
        return to_cell(title)[0]
    except MisfitError as error:
        raise InvalidRequestError(
            f"The title {show(title)} of a column {error}. Next: give the column another title in columns=.",
            code=TOO_LONG if len(title) > MAX_CHARS else WRONG_VALUE,
        ) from None
