"""The rows of a table, converted and cut into chunks while they are read."""

from __future__ import annotations

import functools
import unicodedata
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lark_provider.api.clouddoc.cells import MisfitError, show
from lark_provider.api.clouddoc.sheets.tables.chunks import Blocks, Chunk, Cutter
from lark_provider.api.clouddoc.sheets.tables.layout import Layout
from lark_provider.api.clouddoc.sheets.tables.options import Format, Options
from lark_provider.api.clouddoc.sheets.values import encode_row, to_cell
from lark_provider.protocol.effects import Stream, Take
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, take

_AT_ONCE = 200
"""Rows that are taken from the source at a time."""
STYLE = "\0"
"""What a format begins with that is a style and no formatter."""
_WIDE = frozenset("WF")
_MEASURED, _EVERY = 2000, 10
"""How many rows count for the widths of columns, and every which one after them."""
_SHOWN = 24
"""Characters of a value that count for the width of its column, where it is not a string."""


def format_text(given: Format, name: object) -> str:
    """Return a format as one text, by which runs of equal formats are found.

    Args:
        given: A formatter, or a style.
        name: What it is for, for the error.

    Raises:
        InvalidRequestError: It is something else.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, Mapping):
        return STYLE + orjson.dumps(dict(given), option=orjson.OPT_SORT_KEYS).decode()
    raise InvalidRequestError(
        f"formats[{name!r}] must be a formatter such as '#,##0.00' or a dict of Lark's style, got "
        f"{show(given)}. Next: pass one."
    )


@functools.lru_cache(maxsize=256)
def with_formatter(text: str, needed: str | None) -> str:
    """Return a format that also has the formatter that a value needs, unless it names one itself.

    Args:
        text: What `format_text` returned.
        needed: The formatter that the value needs, such as that of a date; None for none.
    """
    if needed is None or text[:1] != STYLE or "formatter" in style_of(text):
        return text
    return format_text({**style_of(text), "formatter": needed}, needed)


def style_of(text: str) -> dict[str, Any]:
    """Return the style of a format."""
    found: dict[str, Any] = orjson.loads(text[len(STYLE) :]) if text[:1] == STYLE else {"formatter": text}
    return found


class Source:
    """The chunks of a table.

    Args:
        stream: The rows.
        head: Rows that were taken from it before.
        layout: The columns.
        blocks: Of columns, as the worksheet has them.
        order: The place in the layout of each column, in the order of the worksheet.
        options: How it is written.
        with_header: Whether the first row of the first chunk is the header.
    """

    def __init__(
        self,
        stream: Stream[Any],
        head: Sequence[Any],
        layout: Layout,
        blocks: Blocks,
        order: Sequence[int],
        options: Options,
        *,
        with_header: bool,
    ) -> None:
        self._stream, self._head, self._layout, self._options = stream, head, layout, options
        self._order = None if list(order) == list(range(layout.width)) else list(order)
        self._cutter = Cutter(blocks, options.max_rows, options.max_bytes)
        self._ready: deque[Chunk] = deque()
        self._number, self._is_over = 0, False
        self._is_measured = options.widths == "content"
        # Few rows differ in their formats, so that each combination is kept once.
        self._formats: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
        self.widths = [0] * layout.width
        given = options.formats or {}
        self._by_type = {
            kind: format_text(one, kind) for kind, one in given.items() if isinstance(kind, type)
        }
        self._by_column = {
            layout.place(name, "formats"): format_text(one, name)
            for name, one in given.items()
            if not isinstance(name, type)
        }
        if with_header or options.header:
            self._measure(layout.titles)
        if with_header:
            titles = [layout.titles[place] for place in order]
            self._cutter.add(titles, [None] * len(titles), is_header=True)

    def chunk(self) -> Procedure[Chunk | None]:
        """Return the next chunk; None at the end.

        Raises:
            InvalidRequestError: A value does not fit; the text names its row and column.
        """
        while not self._ready and not self._is_over:
            rows = self._head or (yield from take(Take(self._stream, _AT_ONCE)))
            self._head = ()
            for row in rows:
                if (made := self._add(row)) is not None:
                    self._ready.append(made)
            if not rows:
                self._is_over = True
                if (made := self._cutter.rest()) is not None:
                    self._ready.append(made)
        return self._ready.popleft() if self._ready else None

    def check(self, rows: Sequence[Any]) -> None:
        """Check rows before any is sent.

        Args:
            rows: All rows of the source.
        """
        for number, row in enumerate(rows, 1):
            self._converted(self._layout.values(row, number), number)

    def _add(self, row: Any) -> Chunk | None:
        self._number += 1
        values = self._layout.values(row, self._number)
        encoded = self._converted(values, self._number)
        cells, formats = [one for one, _ in encoded], [one for _, one in encoded]
        if self._is_measured and (self._number <= _MEASURED or self._number % _EVERY == 0):
            self._measure(cells)
        if self._by_type:
            for place, value in enumerate(values):
                if (found := self._by_type.get(type(value))) is not None:
                    formats[place] = with_formatter(found, formats[place])
        for place, found in self._by_column.items():
            formats[place] = with_formatter(found, formats[place])
        if self._order is not None:
            cells, formats = [cells[one] for one in self._order], [formats[one] for one in self._order]
        key = tuple(formats)
        return self._cutter.add(cells, self._formats.setdefault(key, key))

    def _converted(self, values: Sequence[Any], number: int) -> list[tuple[Any, str | None]]:
        try:
            return encode_row(values, number, 1, self._options.zone)
        except InvalidRequestError as refused:
            for name, value in zip(self._layout.names, values, strict=True):
                try:
                    to_cell(value, self._options.zone)
                except MisfitError as error:
                    raise InvalidRequestError(
                        f"Row {number} of the source, column {name!r}: the value {error}, got {show(value)}. "
                        "Nothing of its chunk was sent. Next: correct the value.",
                        code=refused.code,
                        field_violations=refused.field_violations,
                    ) from None
            raise

    def _measure(self, cells: Sequence[Any]) -> None:
        """Note how wide the columns have to be."""
        widths = self.widths
        for place, cell in enumerate(cells):
            if isinstance(cell, str):
                length = len(cell)
                if length > widths[place]:
                    if not cell.isascii():
                        length += sum(unicodedata.east_asian_width(one) in _WIDE for one in cell[:100])
                    widths[place] = max(widths[place], length)
            elif widths[place] < _SHOWN:
                length = len(str(cell.get("text", "") if isinstance(cell, dict) else cell))
                widths[place] = max(widths[place], min(length, _SHOWN))
