"""The fields of a question's form on a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lark_provider.api.cards.airflow.question_texts import translate
from lark_provider.api.cards.element import Element, Markdown, escape_markdown
from lark_provider.api.cards.interactive import MAX_INPUT_CHARS, DatePicker, Input, SelectStatic
from lark_provider.protocol import moments
from lark_provider.protocol.hitl.entries import to_entry
from lark_provider.protocol.hitl.params import FormField
from lark_provider.protocol.language import Language
from lark_provider.support.text import clip, escape_surrogates

MAX_LABEL = 100
"""The most characters of a label, a placeholder or an option."""
_MAX_TITLE = 200
_MAX_DESCRIPTION = 400


def render_fields(
    fields: Sequence[FormField],
    language: Language,
    *,
    timezone: str,
    values: Mapping[str, Any] | None = None,
    longest: int = MAX_INPUT_CHARS,
) -> list[Element]:
    """Return labels and components, to be put into a form.

    Args:
        fields: The fields of the form.
        language: `zh` or `en`.
        timezone: The time zone in which date and time are shown.
        values: What was entered before, as in `form_value`; by default the params' defaults are shown.
        longest: The most characters of a text with which a field is filled in beforehand. A longer text is
            left out: if it were cut, a person could submit the cut text as the answer.
    """
    elements: list[Element] = []
    for field in fields:
        default = to_entry(field, field.default, timezone)
        value = default if values is None else values.get(field.key, default)
        elements += [
            _render_label(field, language, timezone),
            _render_component(field, language, value, _format_placeholder(field, language, default), longest),
        ]
    return elements


def _render_label(field: FormField, language: Language, timezone: str) -> Markdown:
    hints = [clip(field.description, _MAX_DESCRIPTION), *_list_hints(field, language, timezone)]
    hint = " · ".join(filter(None, hints))
    required = " <font color='red'>*</font>" if field.required else ""
    below = f"\n<font color='grey'>{escape_markdown(escape_surrogates(hint))}</font>" if hint else ""
    return Markdown(
        f"**{escape_markdown(escape_surrogates(clip(field.title, _MAX_TITLE)))}**{required}{below}"
    )


def _list_hints(field: FormField, language: Language, timezone: str) -> list[str]:
    if field.kind in {"list", "json"}:
        return [translate(language, "a_line_each" if field.kind == "list" else "json")]
    if field.kind == "datetime":
        return [timezone]
    low, high = field.schema.get("minimum"), field.schema.get("maximum")
    if field.kind not in {"integer", "number"} or (low is None and high is None):
        return []
    key = "between" if None not in (low, high) else "at_least" if high is None else "at_most"
    return [translate(language, key, low=low, high=high)]


def _format_placeholder(field: FormField, language: Language, default: str | list[str]) -> str:
    """Return the placeholder of an empty field: the value that counts if it stays empty."""
    if isinstance(default, list) or field.kind in {"choice", "boolean"}:
        shown = ", ".join(list_labels(field, default if isinstance(default, list) else [default], language))
    else:
        shown = default
    if shown and len(shown) > MAX_INPUT_CHARS:
        return translate(language, "default_long", count=len(shown))
    if shown:
        return clip(translate(language, "default", value=escape_surrogates(shown)), MAX_LABEL)
    if field.examples:
        return clip(
            translate(language, "examples", value=escape_surrogates(", ".join(field.examples))), MAX_LABEL
        )
    return (
        translate(language, "choose_many" if field.kind == "choices" else "choose") if field.choices else " "
    )


def list_labels(field: FormField, keys: Sequence[str], language: Language) -> list[str]:
    """Return the labels of options of a field.

    Args:
        field: The field that has the options.
        keys: The keys of the options, as `to_entry` returns them.
        language: `zh` or `en`.
    """
    return [label for key, label in _get_options(field, language).items() if key in keys]


def _get_options(field: FormField, language: Language) -> dict[str, str]:
    if field.kind == "boolean":
        return {"true": translate(language, "yes"), "false": translate(language, "no")}
    return {choice.key: _format_option(choice.label) for choice in field.choices}


def _format_option(label: str) -> str:
    return clip(escape_surrogates(label), MAX_LABEL) or '""'


def _render_component(
    field: FormField, language: Language, value: Any, placeholder: str, longest: int
) -> Element:
    name, required = field.key, field.required
    if field.kind in {"choice", "choices", "boolean"}:
        return render_menu(
            name,
            _get_options(field, language),
            value,
            multiple=field.kind == "choices",
            placeholder=placeholder,
            required=required,
        )
    text = value if isinstance(value, str) else ""
    if field.kind in {"date", "time", "datetime"}:
        return _render_picker(field, moments.without_zone(text), placeholder)
    many = field.kind in {"lines", "list", "json"}
    size: dict[str, Any] = {"rows": 3, "auto_resize": True, "max_rows": 8} if many else {}
    return Input(
        name,
        placeholder=placeholder,
        required=required,
        input_type="multiline_text" if many else None,
        default_value=escape_surrogates(text)
        if text and len(text) <= min(longest, MAX_INPUT_CHARS)
        else None,
        width="fill",
        **size,
    )


def _render_picker(field: FormField, shown: str, placeholder: str) -> Element:
    name, required = field.key, field.required
    if field.kind == "date":
        initial = shown if moments.is_date(shown) else None
        return DatePicker(
            name, placeholder=placeholder, required=required, initial_date=initial, width="fill"
        )
    is_time = field.kind == "time"
    is_shown = moments.is_time(shown) if is_time else moments.is_wall_time(shown)
    return Element(
        "picker_time" if is_time else "picker_datetime",
        name=name,
        placeholder={"tag": "plain_text", "content": placeholder},
        required=required,
        width="fill",
        **({"initial_time" if is_time else "initial_datetime": shown} if is_shown else {}),
    )


def render_menu(
    name: str,
    options: Mapping[str, str],
    value: Any,
    *,
    multiple: bool,
    placeholder: str,
    required: bool = True,
) -> Element:
    """Return a menu of options.

    Args:
        name: The name of the choice in the callback's `form_value`.
        options: Each value with its text.
        value: What is chosen at first: a value or a list of them. Those that are not options are left out.
        multiple: Whether several options can be chosen.
        placeholder: The text that is shown before a choice.
        required: Whether the form cannot be submitted without it.
    """
    values = value if isinstance(value, list | tuple) else [value]
    chosen = [option for option in values if option in options]
    if not multiple:
        return SelectStatic(
            name,
            options,
            placeholder=placeholder,
            required=required,
            initial_option=chosen[0] if chosen else None,
            width="fill",
        )
    return Element(
        "multi_select_static",
        name=name,
        options=[
            {"text": {"tag": "plain_text", "content": text}, "value": option}
            for option, text in options.items()
        ],
        placeholder={"tag": "plain_text", "content": placeholder},
        required=required,
        selected_values=chosen or None,
        width="fill",
    )
