"""Components that hold others: columns, a collapsible panel, a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lark_provider.api.cards.element import Element, Text, make_text_object, within
from lark_provider.api.cards.interactive import Button

MAX_WEIGHT = 5


class Column(Element):
    """A column of a `ColumnSet`.

    Args:
        elements: Its components; no table and no form.
        weight: Its share of the width, 1 to 5.
        width: "auto", "weighted" or pixels; "weighted" if a weight is given.
        **properties: `vertical_align`, `padding`, `background_style`, …

    Raises:
        InvalidRequestError: `weight` is out of range.
    """

    def __init__(
        self,
        elements: Sequence[Mapping[str, Any]],
        *,
        weight: int | None = None,
        width: str | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(
            "column",
            elements=list(elements),
            weight=within("weight", weight, 1, MAX_WEIGHT),
            width=width or (None if weight is None else "weighted"),
            **properties,
        )


class ColumnSet(Element):
    """Columns side by side.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/containers/column-set

    Args:
        columns: The columns, each a `Column`, from left to right.
        flex_mode: How the columns are arranged on narrow screens.
        **properties: `horizontal_spacing`, `background_style`, `action`, …
    """

    def __init__(
        self,
        columns: Sequence[Mapping[str, Any]],
        *,
        flex_mode: Literal["none", "stretch", "flow", "bisect", "trisect"] | None = None,
        **properties: Any,
    ) -> None:
        super().__init__("column_set", columns=list(columns), flex_mode=flex_mode, **properties)


class CollapsiblePanel(Element):
    """A panel that opens on a click, for what few people read.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/containers/collapsible-panel

    Args:
        title: The title of the panel, which a click opens.
        elements: The components inside; no form and no table.
        expanded: Whether it is open at first.
        **properties: `border`, `background_color`, `padding`, …
    """

    def __init__(
        self, title: Text, elements: Sequence[Mapping[str, Any]], *, expanded: bool = False, **properties: Any
    ) -> None:
        super().__init__(
            "collapsible_panel",
            header={"title": make_text_object(title)},
            elements=list(elements),
            expanded=expanded,
            **properties,
        )


class Form(Element):
    """Fields that are sent together; only at the body's root.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/containers/form-container

    Args:
        name: The name of the form in the callback; unique in the card, as are the names of its fields.
        elements: Its fields and other components; no table and no form.
        submit: The text of a submit button, named `<name>_submit`, that is added at the end. "" if `elements`
            already has one (`form_action_type="submit"`); a form without a submit button cannot be sent.
        **properties: `direction`, `padding`, …
    """

    def __init__(
        self, name: str, elements: Sequence[Mapping[str, Any]], *, submit: Text = "", **properties: Any
    ) -> None:
        parts = list(elements)
        if submit:
            parts.append(
                Button(submit, type="primary", name=f"{name}_submit", form_action_type="submit"),
            )
        super().__init__("form", name=name, elements=parts, **properties)
