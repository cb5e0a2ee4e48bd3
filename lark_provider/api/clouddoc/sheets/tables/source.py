"""The rows of a table, converted and cut into chunks while they are read."""

from __future__ import annotations

import functools
import unicodedata
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from lark_provider.api.clouddoc.cells import EXACT_INT, MisfitError, show
from lark_provider.api.clouddoc.sheets.blocks import BLOCK, CellKind, ConvertedColumn, Formats, encode_column
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk
from lark_provider.api.clouddoc.sheets.tables.cutting import Cutter
from lark_provider.api.clouddoc.sheets.tables.encoding import Blocks
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.options import Format, TableOptions
from lark_provider.api.clouddoc.sheets.values import MAX_CHARS, TEXT, TOO_LONG, WRONG_VALUE, to_cell
from lark_provider.protocol.effects import Stream, Take
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, take

ConvertedRows: TypeAlias = tuple[Sequence[Sequence[Any]], list[ConvertedColumn]]
"""Some rows: their values, and the columns of cells that were made of them."""
_KEPT_CELLS = 1_000_000
"""Cells of a list that are kept converted between its check and its sending; more are converted twice.

They take some 13 bytes each, since texts and integers are those of the list itself; doubles take 33. Objects
of their own, such as links, count as several."""
_OBJECT = 8
STYLE = "\0"
"""What a format begins with that is a style and no formatter."""
_WIDE = frozenset("WF")
_MEASURED, _EVERY = 2000, 10
"""How many rows count for the widths of columns, and every which one after them."""
_SHOWN = 24
"""Characters of a value that count for the width of its column, where it is not a string."""


def format_text(spec: Format, name: object) -> str:
    """Return a format as one text, by which runs of equal formats are found.

    Args:
        spec: A formatter, or a style.
        name: The column or type that the format is for, for the error.

    Raises:
        InvalidRequestError: It is something else.
    """
    if isinstance(spec, str):
        return spec
    if isinstance(spec, Mapping):
        return STYLE + orjson.dumps(dict(spec), option=orjson.OPT_SORT_KEYS).decode()
    raise InvalidRequestError(
        f"formats[{name!r}] must be a formatter such as '#,##0.00' or a dict of Lark's style, got "
        f"{show(spec)}. Next: pass {{{name!r}: '#,##0.00'}}."
    )


@functools.lru_cache(maxsize=256)
def with_formatter(text: str, needed: str | None) -> str:
    """Return a format that also has the formatter that a value needs, unless it names one itself.

    Args:
        text: What `format_text` returned.
        needed: The formatter that the value needs, such as that of a date; None for none.
    """
    if needed is None or text[:1] != STYLE or "formatter" in parse_style(text):
        return text
    return format_text({**parse_style(text), "formatter": needed}, needed)


def parse_style(text: str) -> dict[str, Any]:
    """Return the style of a format."""
    style: dict[str, Any] = orjson.loads(text[len(STYLE) :]) if text[:1] == STYLE else {"formatter": text}
    return style


class TableSource:
    """The chunks of a table.

    Args:
        stream: The stream from which the rows are read.
        head: Rows that were taken from it before.
        layout: The columns of the table.
        blocks: The blocks of columns, as the worksheet has them.
        order: The place in the layout of each column, in the order of the worksheet.
        options: The options of the table.
        with_header: Whether the first row of the first chunk is the header.
        converted: What `check` returned for these rows.
    """

    def __init__(
        self,
        stream: Stream[Any],
        head: Sequence[Any],
        layout: TableLayout,
        blocks: Blocks,
        order: Sequence[int],
        options: TableOptions,
        *,
        with_header: bool,
        converted: deque[ConvertedRows] | None = None,
    ) -> None:
        self._stream, self._head, self._layout, self._options = stream, head, layout, options
        self._order = None if list(order) == list(range(layout.width)) else list(order)
        self._cutter = Cutter(blocks, options.max_rows, options.max_bytes)
        self._ready: deque[TableChunk] = deque()
        self._before = deque[ConvertedRows]() if converted is None else converted
        self._number, self._is_over = 0, False
        self._is_measured = options.widths == "content"
        self.widths = [0] * layout.width
        formats = options.formats or {}
        self._by_type = {
            kind: format_text(spec, kind) for kind, spec in formats.items() if isinstance(kind, type)
        }
        self._by_column = {
            layout.find_place(name, "formats"): format_text(spec, name)
            for name, spec in formats.items()
            if not isinstance(name, type)
        }
        if with_header or options.header:
            self._measure([[title] for title in layout.titles])
        if with_header:
            titles = [(layout.header[place],) for place in order]
            mixed_columns = frozenset(at for at, (title,) in enumerate(titles) if type(title) is not str)
            self._ready += self._cutter.add(titles, (), mixed_columns, is_header=True)

    def take_chunk(self) -> Procedure[TableChunk | None]:
        """Return the next chunk; None at the end.

        Raises:
            InvalidRequestError: A value does not fit; the text names its row and column.
        """
        while not self._ready and not self._is_over:
            rows = self._head or (yield from take(Take(self._stream, BLOCK)))
            self._head = ()
            if rows:
                self._add(rows)
            else:
                self._is_over = True
                if (rest := self._cutter.take_rest()) is not None:
                    self._ready.append(rest)
        return self._ready.popleft() if self._ready else None

    def check(self, rows: Sequence[Any]) -> deque[ConvertedRows]:
        """Check rows before any is sent.

        Args:
            rows: The first rows of the source, or all.

        Returns:
            The first of them, converted: as many as may be kept in memory.
        """
        kept, left = deque[ConvertedRows](), _KEPT_CELLS
        for start in range(0, len(rows), BLOCK):
            values = self._layout.order_rows(rows[start : start + BLOCK], start + 1)
            columns = self._convert(values, start + 1)
            if left > 0:
                kept.append((values, columns))
                weights = (_OBJECT if column.kind is CellKind.OTHER else 1 for column in columns)
                left -= sum(weights) * len(values)
        return kept

    def _add(self, rows: Sequence[Any]) -> None:
        number = self._number + 1
        self._number += len(rows)
        if self._before:
            values, columns = self._before.popleft()
        else:
            values = self._layout.order_rows(rows, number)
            columns = self._convert(values, number)
        if self._is_measured:
            is_top = number <= _MEASURED
            sample = slice(None) if is_top else slice(-number % _EVERY, None, _EVERY)
            self._measure([column.cells[sample] for column in columns])
        mixed_columns = frozenset(
            place for place, column in enumerate(columns) if column.kind is CellKind.OTHER
        )
        columns = [
            column._replace(cells=normalize_numbers(column.cells))
            if column.kind is CellKind.NUMBER
            else column
            for column in columns
        ]
        formats = self._choose_formats(values, [column.formats for column in columns])
        if self._order is not None:
            columns, formats = (
                [columns[place] for place in self._order],
                [formats[place] for place in self._order],
            )
            mixed_columns = frozenset(at for at, place in enumerate(self._order) if place in mixed_columns)
        formats = [
            merge_formats(spec, column.cells) if isinstance(spec, list) else spec
            for spec, column in zip(formats, columns, strict=True)
        ]
        self._ready += self._cutter.add([column.cells for column in columns], formats, mixed_columns)

    def _choose_formats(self, values: Sequence[Sequence[Any]], needed: list[Formats]) -> list[Formats]:
        """Return the formats of columns, where the caller has given some."""
        if self._by_type:
            for place, column in enumerate(zip(*values, strict=True)):
                chosen = [self._by_type.get(type(value)) for value in column]
                if any(chosen):
                    needed[place] = [
                        formatter if choice is None else with_formatter(choice, formatter)
                        for choice, formatter in zip(
                            chosen, _spread_formats(needed[place], len(column)), strict=True
                        )
                    ]
        for place, spec in self._by_column.items():
            needed[place] = (
                [with_formatter(spec, formatter) for formatter in formats]
                if isinstance(formats := needed[place], list)
                else with_formatter(spec, formats)
            )
        return needed

    def _convert(self, values: Sequence[Sequence[Any]], number: int) -> list[ConvertedColumn]:
        zone = self._options.zone
        try:
            return [encode_column(column, zone) for column in zip(*values, strict=True)]
        except MisfitError:
            for at, row in enumerate(values, number):
                for name, value in zip(self._layout.names, row, strict=True):
                    try:
                        to_cell(value, zone)
                    except MisfitError as error:
                        raise self._make_misfit_error(at, name, value, error) from None
            raise

    def _make_misfit_error(
        self, number: int, name: str, value: Any, error: MisfitError
    ) -> InvalidRequestError:
        code = TOO_LONG if isinstance(value, str) and len(value) > MAX_CHARS else WRONG_VALUE
        return InvalidRequestError(
            f"Row {number} of the source, column {name!r}: the value {error}, got {show(value)}. "
            "Nothing of its chunk was sent. Next: change the value in this row of the source.",
            code=code,
            field_violations=[{"field": name, "value": show(value), "description": str(error)}],
        )

    def _measure(self, columns: Sequence[Sequence[Any]]) -> None:
        """Note how wide the columns have to be."""
        for place, cells in enumerate(columns):
            width = self.widths[place]
            kinds = set(map(type, cells))
            if str in kinds:
                texts = cells if len(kinds) == 1 else [cell for cell in cells if type(cell) is str]
                longest = max(map(len, texts))
                if longest > width / 2 and not "".join(texts).isascii():  # Chinese characters count twice
                    longest = max(map(_compute_width, texts))
                width = max(width, longest)
            if kinds != {str} and width < _SHOWN:
                sample = [cell for cell in cells[::_EVERY] if type(cell) is not str]
                width = max(width, min(_SHOWN, max(map(len, map(_get_cell_text, sample)), default=0)))
            self.widths[place] = width


def _get_cell_text(cell: Any) -> str:
    return str(cell.get("text", "") if isinstance(cell, dict) else cell)


def _compute_width(text: str) -> int:
    """Return how wide a text is, in characters; Chinese ones count twice."""
    if text.isascii():
        return len(text)
    return len(text) + sum(unicodedata.east_asian_width(char) in _WIDE for char in text[:100])


def normalize_numbers(cells: Sequence[Any]) -> Sequence[Any]:
    """Return numbers as they are compared: those without a fraction as integers, as Lark may answer them.

    Args:
        cells: The cells: numbers and `""`.
    """
    try:
        are_whole = list(map(float.is_integer, cells))
    except TypeError:  # there are integers or empty cells among them
        return [
            int(cell) if type(cell) is float and cell.is_integer() and abs(cell) <= EXACT_INT else cell
            for cell in cells
        ]
    if not any(are_whole):
        return cells
    return [
        int(cell) if is_whole and abs(cell) <= EXACT_INT else cell
        for cell, is_whole in zip(cells, are_whole, strict=True)
    ]


def _spread_formats(formats: Formats, count: int) -> list[str | None]:
    return formats if isinstance(formats, list) else [formats] * count


def merge_formats(formats: Sequence[str | None], cells: Sequence[Any]) -> Formats:
    """Return the formats of a column in few runs: one alone if all cells may have it.

    An empty cell takes the format of the cell above it, and other text that of text.

    Args:
        formats: The format that each cell needs; None for a cell that needs none.
        cells: The cells, as Lark takes them.
    """
    merged: list[str | None] = []
    before: str | None = None
    for cell, formatter in zip(cells, formats, strict=True):
        if formatter != before and not (
            cell == "" or (formatter is None and before == TEXT and type(cell) is str)
        ):
            before = formatter
        merged.append(before)
    return before if merged.count(before) == len(merged) else merged
