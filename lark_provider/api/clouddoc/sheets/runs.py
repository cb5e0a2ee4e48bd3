"""Ranges of cells with the same formatter, each of which can be formatted at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import Range
from lark_provider.api.clouddoc.sheets.values import TEXT, EncodedCell


class Runs:
    """Gathers ranges of cells with the same formatter while rows are added.

    To keep the ranges few, an empty cell takes the formatter of the cell above it, and so does a text without
    a formatter below one that is formatted as text.

    Args:
        first_column: The column of the rows' first cells, from 1.
    """

    def __init__(self, first_column: int = 1) -> None:
        self._first = first_column
        self._open: list[tuple[str | None, int]] = []
        self._last = 0
        self._ranges: dict[str, list[Range]] = {}

    def add(self, number: int, encoded: Sequence[EncodedCell]) -> None:
        """Add a row.

        Args:
            number: The number of the row, which must follow that of the last row.
            encoded: The cells of the row, each with its formatter.
        """
        if not self._open:
            self._open = [(spec, number) for _, spec in encoded]
        for place, (wire, formatter) in enumerate(encoded):
            before, start = self._open[place]
            if before != formatter and not (
                wire == "" or (formatter is None and before == TEXT and type(wire) is str)
            ):
                self._close(place, before, start)
                self._open[place] = (formatter, number)
        self._last = number

    def add_block(
        self, number: int, height: int, formats: Sequence[str | list[str | None] | None], rows: Sequence[Any]
    ) -> None:
        """Add rows that were converted at once.

        Args:
            number: The number of the first row.
            height: How many rows there are.
            formats: For each column one formatter, a list of them, or None.
            rows: The rows with their cells, as Lark takes them.
        """
        if any(isinstance(spec, list) for spec in formats):
            columns = [spec if isinstance(spec, list) else [spec] * height for spec in formats]
            for offset, row in enumerate(zip(*columns, strict=True)):
                self.add(number + offset, list(zip(rows[offset], row, strict=True)))
            return
        self.add(number, [(0, spec) for spec in formats if not isinstance(spec, list)])
        self._last = number + height - 1

    def _close(self, place: int, formatter: str | None, start: int) -> None:
        if formatter is not None and start <= self._last:
            column = self._first + place
            self._ranges.setdefault(formatter, []).append(Range(start, column, self._last, column))

    def close(self) -> dict[str, list[Range]]:
        """Return the ranges by formatter, and reset the runs."""
        for place, (formatter, start) in enumerate(self._open):
            self._close(place, formatter, start)
        ranges, self._open, self._ranges = self._ranges, [], {}
        return ranges
