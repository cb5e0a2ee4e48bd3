"""Read a click on a question's card as an answer that Airflow takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.protocol.callbacks import Action
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.hitl.entries import UnreadableValueError, parse
from lark_provider.protocol.hitl.model import HitlAnswer, HitlQuestion
from lark_provider.protocol.hitl.params import make_form_fields, select_constants
from lark_provider.protocol.hitl.schema import find_fault, localize
from lark_provider.protocol.language import LocalizedText

OPTIONS = "_options"
"""The key of errors about the options, and of their field in the form; no param of Airflow has this name."""
TIMEZONE = "timezone"
"""The key in a button's value of the zone in which the card shows date and time."""
_OPTION = "option:"


class InvalidAnswerError(LarkError, ValueError):
    """An answer cannot be sent to Airflow as it was entered.

    Attributes:
        errors: For each param, or `OPTIONS`, what is wrong, in each language (`zh`, `en`).
    """

    def __init__(self, errors: Mapping[str, LocalizedText]) -> None:
        wrong = "; ".join(f"{name}: {reason['en']}" for name, reason in errors.items())
        super().__init__(
            f"The answer must fit the question, got {wrong}. Next: change these entries, and answer again."
        )
        self.errors = dict(errors)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling: the constructor does not take the text, unlike that of other exceptions."""
        return type(self), (self.errors,)


def make_option_key(place: int) -> str:
    """Return the key of an option: its value in a menu, and the name of its button.

    The option is read from the button's name if Lark leaves out the value of a button that submits a form.

    Args:
        place: The place of the option, from 0.
    """
    return f"{_OPTION}{place}"


def read_answer(question: HitlQuestion, action: Action) -> HitlAnswer:
    """Return the answer that a click gives: the options, and a value for each param.

    A field that was left empty gets the param's default. Airflow takes values for all params or for none, so
    a question with params is always answered with all.

    Args:
        question: The question, as it was recorded.
        action: What the user did on its card.

    Raises:
        InvalidAnswerError: An option is unknown, there is none, or several where one is asked for; or a value
            does not fit its schema.
    """
    errors: dict[str, LocalizedText] = {}
    options = _read_options(question, action)
    if wrong := _find_options_fault(question, options):
        errors[OPTIONS] = wrong
    fields = make_form_fields(question.params)
    values = select_constants(question.params)
    if fields and action.form_value is None:
        missing = localize(
            "没有收到表单，请重新打开卡片填写", "was not received; open the card again and fill it in"
        )
        raise InvalidAnswerError({**errors, **{field.name: missing for field in fields}})
    form_value = action.form_value or {}
    for field in fields:
        try:
            value = parse(
                field, form_value.get(field.key), timezone=_read_timezone(action), zone=action.timezone
            )
        except UnreadableValueError as error:
            errors[field.name] = error.words
            continue
        if wrong := find_fault(value, field.schema):
            errors[field.name] = wrong
        values[field.name] = value
    if errors:
        raise InvalidAnswerError(errors)
    return HitlAnswer(options, {name: values[name] for name in question.params})


def _read_options(question: HitlQuestion, action: Action) -> tuple[str, ...]:
    """Return what was chosen: in the form, by a menu, or by a button."""
    chosen = (action.form_value or {}).get(OPTIONS)
    if isinstance(chosen, str) and chosen:
        return (_read_option(question, chosen),)
    if isinstance(chosen, list | tuple) and chosen:
        return tuple(dict.fromkeys(_read_option(question, str(key)) for key in chosen))
    value = action.value if isinstance(action.value, Mapping) else {}
    if isinstance(value.get("option"), str):
        return (value["option"],)
    is_option = action.name is not None and action.name.startswith(_OPTION)
    return (_read_option(question, action.name or ""),) if is_option else ()


def _read_option(question: HitlQuestion, key: str) -> str:
    return {make_option_key(place): option for place, option in enumerate(question.options)}.get(key, key)


def _find_options_fault(question: HitlQuestion, options: tuple[str, ...]) -> LocalizedText | None:
    unknown = [option for option in options if option not in question.options]
    if not options:
        return localize("请至少选择一项", "at least one must be chosen")
    if unknown:
        return localize(f"没有这个选项：{unknown[0][:60]}", f"is not an option: {unknown[0][:60]}")
    if len(options) > 1 and not question.multiple:
        return localize("只能选择一项", "only one must be chosen")
    return None


def _read_timezone(action: Action) -> str:
    timezone = action.value.get(TIMEZONE) if isinstance(action.value, Mapping) else None
    return timezone if isinstance(timezone, str) else ""
