"""The grid of a worksheet: sparse rows of values and styles, and rectangles that move with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

ROWS, COLUMNS = "ROWS", "COLUMNS"
#: Rows that are copied between two turns of others.
_TURN = 2000


@dataclass(slots=True)
class Formula:
    """A formula with the result that it was given; what can be computed is, when it is read."""

    text: str
    result: Any = None


@dataclass(slots=True)
class Rich:
    """A cell that holds segments: links, mentions, formatted text; or an error (no segments)."""

    segments: list[dict[str, Any]]

    @property
    def text(self) -> str:
        """What it shows."""
        return "".join(str(segment.get("text", "")) for segment in self.segments)


@dataclass(slots=True)
class GridRow:
    """A row: values and numbers of styles by column, both as long as they need to be.

    Args:
        rich: Whether one of the values may be a `Formula` or a `Rich`.
    """

    values: list[Any] = field(default_factory=list)
    styles: list[int] = field(default_factory=list)
    rich: bool = False


class Rect(NamedTuple):
    """Cells of a grid, from 0, the ends not included."""

    row: int
    column: int
    end_row: int
    end_column: int

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.end_row - self.row

    @property
    def columns(self) -> int:
        """How many columns."""
        return self.end_column - self.column

    def meets(self, other: Rect) -> bool:
        """Return whether they share a cell."""
        return (
            self.row < other.end_row
            and other.row < self.end_row
            and self.column < other.end_column
            and other.column < self.end_column
        )

    def holds(self, row: int, column: int) -> bool:
        """Return whether a cell is in it."""
        return self.row <= row < self.end_row and self.column <= column < self.end_column

    def get_span(self, axis: str) -> tuple[int, int]:
        """Return start and end along one axis."""
        return (self.row, self.end_row) if axis == ROWS else (self.column, self.end_column)

    def replace_span(self, axis: str, start: int, end: int) -> Rect:
        """Return it with another start and end along one axis."""
        if axis == ROWS:
            return self._replace(row=start, end_row=end)
        return self._replace(column=start, end_column=end)

    def after_insert(self, axis: str, at: int, count: int) -> Rect:
        """Return where it is after rows or columns were inserted; it grows if they are within it."""
        start, end = self.get_span(axis)
        return self.replace_span(axis, start + count * (start >= at), end + count * (end > at))

    def after_remove(self, axis: str, at: int, count: int) -> Rect | None:
        """Return what is left of it after rows or columns were removed."""
        start, end = (_after_removal(edge, at, count) for edge in self.get_span(axis))
        return self.replace_span(axis, start, end) if start < end else None

    def after_move(self, axis: str, start: int, count: int, to: int) -> Rect:
        """Return where it is after rows or columns were moved: with them if it lies among them."""
        first, last = self.get_span(axis)
        if start <= first and last <= start + count:
            return self.replace_span(axis, first + to - start, last + to - start)
        left = self.after_remove(axis, start, count)
        return self if left is None else left.after_insert(axis, to, count)


def _after_removal(edge: int, at: int, count: int) -> int:
    return edge if edge <= at else max(at, edge - count)


@dataclass(slots=True)
class Size:
    """Height or width in pixels (None = the default), and whether it is hidden."""

    pixels: int | None = None
    hidden: bool = False


@dataclass(slots=True)
class Grid:
    """Cells: rows that were never touched are None, and those at the end are left out."""

    row_count: int = 200
    column_count: int = 20
    rows: list[GridRow | None] = field(default_factory=list)
    sizes: dict[str, dict[int, Size]] = field(default_factory=lambda: {ROWS: {}, COLUMNS: {}})

    def ensure_row(self, number: int) -> GridRow:
        """Return a row to write to."""
        if number >= len(self.rows):
            self.rows.extend(repeat(None, number + 1 - len(self.rows)))
        row = self.rows[number]
        if row is None:
            row = self.rows[number] = GridRow()
        return row

    def look_at(self, start: int, end: int) -> Iterator[GridRow | None]:
        """Yield rows to read; one that holds nothing is None."""
        yield from self.rows[start:end]
        yield from repeat(None, end - max(start, len(self.rows)))

    def get_value(self, row: int, column: int) -> Any:
        """Return what a cell holds; None = nothing."""
        if row >= len(self.rows):
            return None
        grid_row = self.rows[row]
        return grid_row.values[column] if grid_row is not None and column < len(grid_row.values) else None

    def put(self, row: int, column: int, values: list[Any], *, rich: bool, reset: bool = False) -> None:
        """Write a piece of a row.

        Args:
            row: The index of the row, from 0.
            column: The index, from 0, of the first column to write.
            values: The values to write; None empties a cell.
            rich: Whether one of the values is a `Formula` or a `Rich`.
            reset: Whether the cells lose their styles.
        """
        if row >= len(self.rows) and values.count(None) == len(values):
            return
        to = self.ensure_row(row)
        if column > len(to.values):
            to.values.extend(repeat(None, column - len(to.values)))
        to.values[column : column + len(values)] = values
        to.rich = to.rich or rich
        if reset:
            kept = to.styles[column : column + len(values)]
            to.styles[column : column + len(values)] = [0] * len(kept)

    def restyle(self, where: Rect, change: Callable[[int], int]) -> None:
        """Change the style of each cell.

        Args:
            where: The cells to change.
            change: The function that returns the new style for an old one, both as numbers.
        """
        width = where.columns
        for number in range(where.row, where.end_row):
            styles = self.ensure_row(number).styles
            missing = where.end_column - len(styles)
            if missing > 0:
                styles.extend(repeat(0, missing))
            old = styles[where.column : where.end_column]
            if old.count(old[0]) == width:
                styles[where.column : where.end_column] = [change(old[0])] * width
            else:
                styles[where.column : where.end_column] = map(change, old)

    def insert(self, axis: str, at: int, count: int, copied: int | None) -> None:
        """Insert empty rows or columns.

        Args:
            axis: The direction: `ROWS` or `COLUMNS`.
            at: The index, from 0, before which they are inserted.
            count: How many rows or columns to insert.
            copied: The index of the row or column whose styles and sizes they get; None = none.
        """
        if axis == ROWS:
            self.row_count += count
            if at < len(self.rows):
                self.rows[at:at] = [None] * count
            if copied is not None:
                self._copy_styles(copied + count * (copied >= at), at, count)
        else:
            self.column_count += count
            for row in filter(None, self.rows):
                style = row.styles[copied] if copied is not None and copied < len(row.styles) else 0
                if at < len(row.values):
                    row.values[at:at] = [None] * count
                if at < len(row.styles) or style:
                    row.styles.extend(repeat(0, at - len(row.styles)))
                    row.styles[at:at] = [style] * count
        sizes = self.sizes[axis]
        model = None if copied is None else sizes.get(copied)
        self.sizes[axis] = {n + count * (n >= at): size for n, size in sizes.items()}
        if model is not None:
            self.sizes[axis] |= {n: Size(model.pixels) for n in range(at, at + count)}

    def _copy_styles(self, number: int, at: int, count: int) -> None:
        source = self.rows[number] if number < len(self.rows) else None
        if source is not None and any(source.styles):
            for n in range(at, at + count):
                self.ensure_row(n).styles = list(source.styles)

    def remove(self, axis: str, at: int, count: int) -> None:
        """Remove rows or columns."""
        if axis == ROWS:
            self.row_count -= count
            del self.rows[at : at + count]
        else:
            self.column_count -= count
            for row in filter(None, self.rows):
                del row.values[at : at + count]
                del row.styles[at : at + count]
        self.sizes[axis] = {
            _after_removal(n, at, count): size
            for n, size in self.sizes[axis].items()
            if not at <= n < at + count
        }

    def move(self, axis: str, start: int, count: int, to: int) -> None:
        """Move rows or columns to where they begin at `to`."""
        if axis == ROWS:
            self.ensure_row(max(start + count, to + count) - 1)
            taken = self.rows[start : start + count]
            del self.rows[start : start + count]
            self.rows[to:to] = taken
        else:
            for row in filter(None, self.rows):
                _shift(row.values, None, start, count, to)
                _shift(row.styles, 0, start, count, to)
        sizes = self.sizes[axis]
        order = list(range(max([start + count, to + count, *(n + 1 for n in sizes)])))
        taken_order = order[start : start + count]
        del order[start : start + count]
        order[to:to] = taken_order
        self.sizes[axis] = {new: sizes[old] for new, old in enumerate(order) if old in sizes}

    def copy(self) -> Generator[None, None, Grid]:
        """Return a copy; other requests are served while it is made."""
        duplicate = Grid(self.row_count, self.column_count)
        duplicate.sizes = {
            axis: {n: replace(size) for n, size in sizes.items()} for axis, sizes in self.sizes.items()
        }
        for number, row in enumerate(self.rows):
            duplicate.rows.append(
                None if row is None else GridRow(list(row.values), list(row.styles), row.rich)
            )
            if number % _TURN == 0:
                yield
        return duplicate

    def end_of_data(self) -> int:
        """Return the number of the row after the last one that holds a value."""
        for number in range(len(self.rows), 0, -1):
            row = self.rows[number - 1]
            if row is not None and row.values.count(None) < len(row.values):
                return number
        return 0


def _shift(cells: list[Any], blank: Any, start: int, count: int, to: int) -> None:
    cells.extend(repeat(blank, max(start, to) + count - len(cells)))
    piece = cells[start : start + count]
    del cells[start : start + count]
    cells[to:to] = piece
