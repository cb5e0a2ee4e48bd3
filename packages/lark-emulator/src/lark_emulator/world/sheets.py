"""Spreadsheets and their worksheets."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from lark_emulator.world.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from lark_emulator.world.grid import Rect

FIRST_TITLE = "Sheet1"


@dataclass(slots=True)
class Filter:
    """The filter of a worksheet: its cells, header row included, and the conditions of each column."""

    where: Rect
    conditions: dict[int, list[dict[str, Any]]]

    def move(self, place: Callable[[Rect], Rect | None]) -> Filter | None:
        """Return it where its cells are now; None if they are gone."""
        after = place(self.where)
        if after is None:
            return None
        columns = {
            moved.column: conditions
            for column, conditions in self.conditions.items()
            if (moved := place(self.where._replace(column=column, end_column=column + 1))) is not None
        }
        return Filter(after, columns)


@dataclass(slots=True)
class FilterView:
    """A filter view: a filter with an id and a name; a sheet may have several."""

    view_id: str
    name: str
    filter: Filter


@dataclass(slots=True)
class FloatImage:
    """An image above the cells; `where` is the cell of its upper left corner, `size` is in pixels."""

    image_id: str
    token: str
    where: Rect
    size: dict[str, float]


@dataclass(slots=True)
class Lock:
    """Rows or columns that only some may write to: who locked them, the file's owner and `users`.

    Args:
        lock_id: Lark's `protectId`.
        axis: The direction of what is locked: `ROWS` or `COLUMNS`.
        where: The cells that are locked; they have no end along the other axis.
        creator: Who locked them, as kind (`app` or `user`) and id.
        users: The ids of the users who may write to them.
        info: The note of the lock, Lark's `lockInfo`.
    """

    lock_id: str
    axis: str
    where: Rect
    creator: tuple[str, str]
    users: list[str]
    info: str


@dataclass(slots=True)
class Rule:
    """A conditional format or a dropdown."""

    rule_id: str
    where: list[Rect]
    spec: dict[str, Any]


T = TypeVar("T", FloatImage, Lock)


@dataclass(slots=True)
class Worksheet:
    """A worksheet. `merges` are cells shown as one; `dropdowns`, `formats` and what follows by their ids."""

    sheet_id: str
    title: str
    grid: Grid = field(default_factory=Grid)
    hidden: bool = False
    frozen_rows: int = 0
    frozen_columns: int = 0
    protection: dict[str, Any] | None = None
    merges: list[Rect] = field(default_factory=list)
    filter: Filter | None = None
    dropdowns: dict[str, Rule] = field(default_factory=dict)
    formats: dict[str, Rule] = field(default_factory=dict)
    views: dict[str, FilterView] = field(default_factory=dict)
    images: dict[str, FloatImage] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)

    def insert(self, axis: str, at: int, count: int, copied: int | None = None) -> None:
        """Insert rows or columns, and move all that is tied to cells."""
        self.grid.insert(axis, at, count, copied)
        self._follow(lambda rect: rect.after_insert(axis, at, count))

    def remove(self, axis: str, at: int, count: int) -> None:
        """Remove rows or columns, and move all that is tied to cells."""
        self.grid.remove(axis, at, count)
        self._follow(lambda rect: rect.after_remove(axis, at, count))

    def move(self, axis: str, start: int, count: int, to: int) -> None:
        """Move rows or columns, and all that is tied to cells."""
        self.grid.move(axis, start, count, to)
        self._follow(lambda rect: rect.after_move(axis, start, count, to))

    def copy(self) -> Generator[None, None, Worksheet]:
        """Return a copy with the same id and title; other requests are served while it is made."""
        grid = yield from self.grid.copy()
        kept, self.grid = self.grid, Grid()
        try:
            duplicate = copy.deepcopy(self)
        finally:
            self.grid = kept
        duplicate.grid = grid
        return duplicate

    def _follow(self, place: Callable[[Rect], Rect | None]) -> None:
        self.merges = _move_all(self.merges, place)
        for rules in (self.dropdowns, self.formats):
            for rule in list(rules.values()):
                rule.where = _move_all(rule.where, place)
                if not rule.where:
                    del rules[rule.rule_id]
        _move(self.images, place)
        _move(self.locks, place)
        self.filter = self.filter and self.filter.move(place)
        for view in list(self.views.values()):
            after = view.filter.move(place)
            if after is None:
                del self.views[view.view_id]
            else:
                view.filter = after


def _move(tied: dict[str, T], place: Callable[[Rect], Rect | None]) -> None:
    for name, item in list(tied.items()):
        after = place(item.where)
        if after is None:
            del tied[name]
        else:
            item.where = after


def _move_all(rects: list[Rect], place: Callable[[Rect], Rect | None]) -> list[Rect]:
    return [placed for rect in rects if (placed := place(rect)) is not None]


@dataclass(slots=True)
class Spreadsheet:
    """A file of worksheets, in their order.

    Args:
        styles: The styles of its cells; a cell holds the number of one, and 0 is none.
        held: The write that is going on, or None.
    """

    sheets: dict[str, Worksheet] = field(default_factory=dict)
    revision: int = 0
    styles: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    numbers: dict[bytes, int] = field(default_factory=lambda: {b"{}": 0})
    held: object = None

    def ensure_style(self, style: dict[str, Any]) -> int:
        """Return the number of a style, a new one if need be."""
        key = orjson.dumps(style, option=orjson.OPT_SORT_KEYS)
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.styles)
            self.styles.append(style)
        return number

    def get_style(self, sheet: Worksheet, row: int, column: int) -> dict[str, Any]:
        """Return the style of a cell."""
        rows = sheet.grid.rows
        grid_row = rows[row] if row < len(rows) else None
        return self.styles[grid_row.styles[column]] if grid_row and column < len(grid_row.styles) else {}

    def find_titled(self, title: str) -> Worksheet | None:
        """Return the worksheet of this title."""
        return next((sheet for sheet in self.sheets.values() if sheet.title == title), None)

    def place(self, sheet: Worksheet, index: int) -> None:
        """Put a worksheet, new or not, where it is the one with this number."""
        others = [other for other in self.sheets.values() if other is not sheet]
        others.insert(index, sheet)
        self.sheets = {worksheet.sheet_id: worksheet for worksheet in others}

    def copy(self) -> Generator[None, None, Spreadsheet]:
        """Return a copy with the same ids of worksheets, as a copied file has."""
        duplicate = Spreadsheet(styles=list(self.styles), numbers=dict(self.numbers))
        for sheet in list(self.sheets.values()):
            duplicate.sheets[sheet.sheet_id] = yield from sheet.copy()
        return duplicate
