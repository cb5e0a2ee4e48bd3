"""Ready-made cards: a notice, and rows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, islice
from math import isfinite
from typing import Any, Literal, TypeAlias

import orjson

from lark_provider.api.cards.card import Card2, Header, Template, TextTag
from lark_provider.api.cards.containers import Column, ColumnSet
from lark_provider.api.cards.display import MAX_ROWS_A_PAGE, Table, TableColumn, note
from lark_provider.api.cards.element import Element, Markdown, escape_markdown
from lark_provider.api.cards.interactive import Button
from lark_provider.api.cards.shapes import MAX_TABLE_COLUMNS
from lark_provider.api.cards.text import MAX_CARD_BYTES
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.support.text import cut, format_decimal

Level: TypeAlias = Literal["info", "success", "warning", "error"]
#: Buttons that open pages: one address, or each label with its address.
Links: TypeAlias = str | Mapping[str, str]

_TEMPLATES: dict[Level, Template] = {
    "info": "blue", "success": "green", "warning": "orange", "error": "red",
}  # fmt: skip
# Clients read numbers as doubles: beyond this they would show other digits.
_EXACT = 2**53
# Bytes left free for mentions, which a sender may add.
_ROOM = 1024
# A cell shows a few words; a longer text would only displace other rows.
_MAX_CELL_CHARS = 500
# How floats, pandas and decimals print a missing value.
_MISSING = frozenset({"nan", "NaN", "NaT", "<NA>"})


def notice_card(
    title: str,
    text: str = "",
    *,
    level: Level = "info",
    fields: Mapping[str, object] | None = None,
    link: Links | None = None,
    subtitle: str | None = None,
    text_tag_list: Sequence[str | TextTag] = (),
    footnote: str | None = None,
) -> Card2:
    """Build a card that reports something.

    Args:
        title: The title of the card: what happened.
        text: More about it, in Markdown. Escape untrusted text, such as that of an exception, with
            `escape_markdown`.
        level: Decides the colour: blue, green, orange or red.
        fields: Facts, one a line; the values are shown as they are, and an address becomes a link.
        link: Where to look: an address, or buttons' labels with their addresses.
        subtitle: A line under the title.
        text_tag_list: Up to three tags after the title.
        footnote: Small grey text at the end.

    Returns:
        The card, for `send_card` or any other function that takes a card.

    Raises:
        InvalidRequestError: Lark would refuse it, for example because it is larger than 30 KB.
    """
    _require(
        fields is None or isinstance(fields, Mapping),
        "fields",
        fields,
        "a dict of names and values",
        "{'Rows': 120}",
    )
    elements: list[Mapping[str, Any]] = [Markdown(text)] if text else []
    if fields:
        elements.append(Markdown("\n".join(_render_line(name, value) for name, value in fields.items())))
    elements += _render_buttons(link)
    if footnote:
        elements.append(note(footnote))
    return Card2(elements, header=_make_header(title, level, subtitle=subtitle, text_tag_list=text_tag_list))


def table_card(
    title: str,
    rows: Iterable[Mapping[Any, Any]],
    *,
    columns: Sequence[str | TableColumn] | None = None,
    text: str = "",
    level: Level = "info",
    link: Links | None = None,
    page_size: int = MAX_ROWS_A_PAGE,
    max_rows: int = 100,
    max_bytes: int = MAX_CARD_BYTES,
    more: str = "… and {count:,} more rows",
) -> Card2:
    """Build a card that shows rows as a table; what does not fit is counted in a line below.

    Columns of numbers become number columns. Everything else is shown as text of at most 500 characters; a
    cell without a value is empty. The rows are read once, and only those that are shown are kept in memory.
    Lark shows at most 50 columns.

    Args:
        title: The title of the card: what the rows are.
        rows: The rows, each a dict of values by column.
        columns: The columns to show, in order; by default those of the first row. The values of a
            `TableColumn` are sent unchanged, and must fit its `data_type`.
        text: A text before the table, in Markdown.
        level: Decides the colour.
        link: Where to find all of the rows: an address, or buttons' labels with their addresses.
        page_size: Rows on a page, 1 to 10.
        max_rows: The most rows that are shown.
        max_bytes: The most bytes that Lark accepts; its documentation says 30 KB. 1 KB of them is left free
            for mentions.
        more: The line for the rest, with `{count}`.

    Returns:
        The card.

    Raises:
        InvalidRequestError: Lark would refuse it, or it is too large even without rows.
    """
    _require(
        isinstance(rows, Iterable), "rows", rows, "dicts by column", "[{'Table': 'orders', 'Rows': 120}]"
    )
    _require(
        columns is None or isinstance(columns, list | tuple),
        "columns",
        columns,
        "a list of names",
        "['Table', 'Rows']",
    )
    _require(isinstance(max_rows, int), "max_rows", max_rows, "a whole number", "10")
    source = iter(rows)
    first = list(islice(source, 1))
    names = columns if columns is not None else list(_require_row(first[0], 0)) if first else ()
    shown = [
        column if isinstance(column, TableColumn) else str(column) for column in names[:MAX_TABLE_COLUMNS]
    ]

    def build(kept: Sequence[Mapping[str, Any]], dropped: int) -> Card2:
        elements: list[Mapping[str, Any]] = [Markdown(text)] if text else []
        if shown:
            elements.append(Table(*_type_columns(shown, kept), page_size=page_size))
        if dropped:
            elements.append(note(more.format(count=dropped)))
        return Card2(
            [*elements, *_render_buttons(link)], header=_make_header(title, level), max_bytes=max_bytes
        )

    # Measured with the longest possible line for the rest, so that a row that fits now also fits at the end.
    left = max_bytes - _ROOM - len(orjson.dumps(build((), 10**12)))
    kept: list[dict[str, Any]] = []
    total = 0
    for row in chain(first, source):
        if shown and len(kept) == total < max_rows:
            cells = _convert_cells(row, shown, total)
            left -= _compute_size(cells)
            if left >= 0:
                kept.append(cells)
        total += 1
    return build(kept, total - len(kept))


def _convert_cells(
    row: Mapping[Any, Any], columns: Sequence[str | TableColumn], index: int
) -> dict[str, Any]:
    """Return the cells of a row that are shown: numbers, which may become text later, and texts."""
    by_name = {str(name): value for name, value in _require_row(row, index).items()}
    cells = {}
    for column in columns:
        if isinstance(column, TableColumn):
            cell = by_name.get(column["name"])
            name = column["name"]
        else:
            cell = _convert_cell(by_name.get(column))
            name = column
        if cell is not None:
            cells[name] = cell
    return cells


def _require_row(row: Any, index: int) -> Mapping[Any, Any]:
    if not isinstance(row, Mapping):
        raise InvalidRequestError(
            f"rows[{index}] must be a dict by column, got {type(row).__name__}. Next: pass it as "
            "{'Table': 'orders', 'Rows': 120}.",
            code=230099,
        )
    return row


def _convert_cell(value: Any) -> int | float | str | None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, float) and isfinite(value):
        return float(value)
    if value is None or (not isinstance(value, str) and str(value) in _MISSING):
        return None
    shown = format_decimal(value) if isinstance(value, Decimal) else str(value)
    shown = shown.encode("utf-8", "replace").decode()
    return cut(shown, _MAX_CELL_CHARS)


def _type_columns(
    columns: Sequence[str | TableColumn], rows: Sequence[Mapping[str, Any]]
) -> tuple[list[TableColumn], list[dict[str, Any]]]:
    """Decide which columns hold numbers only, and turn the cells of the others into text."""
    cell_kinds: dict[str, set[bool]] = {column: set() for column in columns if isinstance(column, str)}
    for row in rows:
        for name, cell in row.items():
            if name in cell_kinds:
                cell_kinds[name].add(isinstance(cell, str))
    numbers = {name for name, kinds in cell_kinds.items() if kinds == {False}}
    texts = cell_kinds.keys() - numbers
    typed = [
        TableColumn(column, data_type="number" if column in numbers else "text")
        if isinstance(column, str)
        else column
        for column in columns
    ]
    return typed, [{name: str(cell) if name in texts else cell for name, cell in row.items()} for row in rows]


def _compute_size(cells: Mapping[str, Any]) -> int:
    """Count the bytes that a row takes at most, whether its numbers stay numbers or become text.

    A number is counted with quotes that it does not need, which outweighs its column's longer data type.
    """
    return 1 + len(orjson.dumps(cells, default=str)) + 2 * len(cells)


def _make_header(title: str, level: Level, **properties: Any) -> Header:
    check_choice("level", level, _TEMPLATES, 230099)
    return Header(title, template=_TEMPLATES[level], **properties)


def _render_line(name: str, value: object) -> str:
    return f"**{escape_markdown(name)}:** {escape_markdown(value)}"


def _render_buttons(link: Links | None) -> list[Element]:
    links = {"Open": link} if isinstance(link, str) and link else link or {}
    _require(
        isinstance(links, Mapping),
        "link",
        link,
        "an address, or a dict of labels and addresses",
        "{'Logs': 'https://…'}",
    )
    buttons = [Button(label, url=url) for label, url in links.items()]
    if len(buttons) <= 1:
        return [*buttons]
    return [ColumnSet([Column([button], width="auto") for button in buttons], flex_mode="flow")]


def _require(is_valid: bool, name: str, value: object, what: str, example: str) -> None:
    if not is_valid:
        raise InvalidRequestError(
            f"{name} must be {what}, got {str(value)[:80]!r}. Next: pass such as {example}.", code=230099
        )
