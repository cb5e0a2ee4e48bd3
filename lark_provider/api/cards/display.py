"""Components that show something: text, line, picture, table. `Markdown` is in `element`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from lark_provider.api.cards.element import Element, Markdown, Text, make_text_object, within, without_none

__all__ = ["Div", "Hr", "Img", "Markdown", "Table", "TableColumn", "note"]

DataType: TypeAlias = Literal["text", "lark_md", "markdown", "number", "options", "persons", "date"]
MAX_ROWS_A_PAGE = 10


class Div(Element):
    """Plain text: nothing in it is markup.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/plain-text

    Args:
        text: The text, or a text object.
        text_size: "normal", "notation", "heading", …
        text_color: Lark's name of a colour.
        lines: The most lines that are shown.
        **properties: Any other property on Lark's page.
    """

    def __init__(
        self,
        text: Text,
        *,
        text_size: str | None = None,
        text_color: str | None = None,
        lines: int | None = None,
        **properties: Any,
    ) -> None:
        shown = make_text_object(text, text_size=text_size, text_color=text_color, lines=lines)
        super().__init__("div", text=shown, **properties)


def note(text: Text, **properties: Any) -> Div:
    """Make small grey text, which takes the place of the tag `note` of 1.0.

    Args:
        text: The text, or a text object.
        **properties: Further keyword arguments of `Div`, except `text_size` and `text_color`.
    """
    return Div(text, text_size="notation", text_color="grey", **properties)


class Hr(Element):
    """A line across the card.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/divider

    Args:
        **properties: `margin`, `element_id`.
    """

    def __init__(self, **properties: Any) -> None:
        super().__init__("hr", **properties)


class Img(Element):
    """A picture.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/image

    Args:
        img_key: The key that the upload of the picture returned.
        alt: The text that is shown when the pointer is over the picture.
        title: The text above it.
        **properties: `scale_type`, `size`, `preview`, …
    """

    def __init__(self, img_key: str, *, alt: Text = "", title: Text | None = None, **properties: Any) -> None:
        super().__init__(
            "img", img_key=img_key, alt=make_text_object(alt), title=make_text_object(title), **properties
        )


class TableColumn(dict[str, Any]):
    """A column of a `Table`.

    Args:
        name: The key of its cells in each row.
        display_name: The heading; the name if None.
        data_type: What the cells hold: text for "text", "lark_md" and "markdown"; numbers for "number";
            `[{"text", "color"}]` for "options"; open_ids for "persons"; milliseconds for "date".
        **properties: `width`, `horizontal_align`, `format`, `date_format`, …
    """

    def __init__(
        self, name: str, display_name: str | None = None, *, data_type: DataType = "text", **properties: Any
    ) -> None:
        shown = name if display_name is None else display_name
        super().__init__(without_none(name=name, display_name=shown, data_type=data_type, **properties))


class Table(Element):
    """A table; only at the body's root, and at most five in a card.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/table

    Args:
        columns: `TableColumn`s, or names of text columns. Lark shows at most 50.
        rows: The rows, each a dict of cells by column name.
        page_size: Rows on a page, at most 10.
        **properties: `row_height`, `header_style`, `freeze_first_column`, …

    Raises:
        InvalidRequestError: `page_size` is out of range.
    """

    def __init__(
        self,
        columns: Sequence[str | Mapping[str, Any]],
        rows: Sequence[Mapping[str, Any]],
        *,
        page_size: int | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(
            "table",
            columns=[TableColumn(column) if isinstance(column, str) else column for column in columns],
            rows=list(rows),
            page_size=within("page_size", page_size, 1, MAX_ROWS_A_PAGE),
            **properties,
        )
