"""Components that people press and fill in.

`value` is what the card's callback returns in `event.action.value`: a dict of JSON values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from lark_provider.api.cards.element import Element, Text, make_text_object, within, without_none

ButtonType: TypeAlias = Literal[
    "default", "primary", "danger", "text", "primary_text", "danger_text", "primary_filled", "danger_filled",
    "laser",
]  # fmt: skip
MAX_INPUT_CHARS = 1000


class Confirm(dict[str, Any]):
    """A question before the click counts.

    Args:
        title: The question.
        text: The text below it: what to know before answering.
    """

    def __init__(self, title: Text, text: Text = "") -> None:
        super().__init__(title=make_text_object(title), text=make_text_object(text))


class Button(Element):
    """A button: it calls back, opens a page, or sends or resets a form.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/button

    Args:
        text: The label of the button.
        value: The value that a click sends in the callback; None for no callback.
        url: The address of the page that a click opens; None for none.
        type: The style of the button, such as `primary` or `danger`.
        confirm: A `Confirm` dialog that is shown before the click counts; None for none.
        name: The name of the button; needed inside a form.
        form_action_type: Whether a click submits or resets the form around it; None for neither.
        **properties: `size`, `width`, `icon`, `disabled`, …
    """

    def __init__(
        self,
        text: Text,
        *,
        value: Mapping[str, Any] | None = None,
        url: str | None = None,
        type: ButtonType = "default",  # noqa: A002 - Lark's name
        confirm: Mapping[str, Any] | None = None,
        name: str | None = None,
        form_action_type: Literal["submit", "reset"] | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(
            "button",
            text=make_text_object(text),
            type=type,
            behaviors=_make_behaviors(value, url),
            confirm=confirm,
            name=name,
            form_action_type=form_action_type,
            **properties,
        )


class Input(Element):
    """A text field.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/input

    Args:
        name: The name of the text in the callback's `form_value`; unique in the card.
        label: The label before it.
        placeholder: The text that is shown while it is empty.
        required: Whether the form cannot be submitted without it.
        input_type: One line, several, or hidden.
        max_length: The most characters, at most 1000.
        value: The value that is sent in the callback, outside a form.
        **properties: `default_value`, `rows`, `width`, …

    Raises:
        InvalidRequestError: `max_length` is out of range.
    """

    def __init__(
        self,
        name: str,
        *,
        label: Text | None = None,
        placeholder: Text | None = None,
        required: bool | None = None,
        input_type: Literal["text", "multiline_text", "password"] | None = None,
        max_length: int | None = None,
        value: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(
            "input",
            name=name,
            label=make_text_object(label),
            placeholder=make_text_object(placeholder),
            required=required,
            input_type=input_type,
            max_length=within("max_length", max_length, 1, MAX_INPUT_CHARS),
            behaviors=_make_behaviors(value),
            **properties,
        )


class SelectStatic(Element):
    """A menu of which one option is picked.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/single-select-dropdown-menu

    Args:
        name: The name of the choice in the callback's `form_value`; unique in the card.
        options: The values, or each value with its text.
        placeholder: The text that is shown before a choice.
        required: Whether the form cannot be submitted without it.
        initial_option: The value that is picked at first.
        value: The value that is sent in the callback, outside a form.
        **properties: `type`, `width`, `confirm`, …
    """

    def __init__(
        self,
        name: str,
        options: Sequence[str] | Mapping[str, str],
        *,
        placeholder: Text | None = None,
        required: bool | None = None,
        initial_option: str | None = None,
        value: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        texts = options if isinstance(options, Mapping) else {option: option for option in options}
        super().__init__(
            "select_static",
            name=name,
            options=[{"text": make_text_object(text), "value": option} for option, text in texts.items()],
            placeholder=make_text_object(placeholder),
            required=required,
            initial_option=initial_option,
            behaviors=_make_behaviors(value),
            **properties,
        )


class DatePicker(Element):
    """A calendar in which one day is picked. The callback brings it as "2024-04-01 +0800".

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/interactive-components/date-picker

    Args:
        name: The name of the day in the callback's `form_value`; unique in the card.
        placeholder: The text that is shown before a choice.
        required: Whether the form cannot be submitted without it.
        initial_date: The day picked at first, "2024-04-01".
        value: The value that is sent in the callback, outside a form.
        **properties: `width`, `confirm`, …
    """

    def __init__(
        self,
        name: str,
        *,
        placeholder: Text | None = None,
        required: bool | None = None,
        initial_date: str | None = None,
        value: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(
            "date_picker",
            name=name,
            placeholder=make_text_object(placeholder),
            required=required,
            initial_date=initial_date,
            behaviors=_make_behaviors(value),
            **properties,
        )


def _make_behaviors(value: Mapping[str, Any] | None, url: str | None = None) -> list[dict[str, Any]] | None:
    callback = None if value is None else {"type": "callback", "value": value}
    page = None if url is None else {"type": "open_url", "default_url": url}
    return list(without_none(callback=callback, page=page).values()) or None
