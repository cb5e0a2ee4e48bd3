"""What cards that ask for a decision have in common, and the cards that show how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lark_provider.api.cards.containers import Column, ColumnSet
from lark_provider.api.cards.element import escape_markdown
from lark_provider.api.cards.interactive import Button, ButtonType

# Characters that would end an address in Markdown.
_ENCODED = {ord(char): f"%{ord(char):02X}" for char in " ()<>\n"}


class Closing(NamedTuple):
    """The words for a question that nobody answered.

    Attributes:
        zh: What happened, in Chinese.
        en: The same in English.
        why: The reason, by language.
        step: The next step for people, by language.
    """

    zh: str
    en: str
    why: Mapping[str, str]
    step: Mapping[str, str]

    def describe(self, language: str) -> str:
        """Return what happened, in `zh` or `en`."""
        return self.zh if language == "zh" else self.en

    @property
    def in_both(self) -> str:
        """What happened, in both languages."""
        return f"{self.zh} / {self.en}"


CLOSINGS: dict[str, Closing] = {
    "expired": Closing(
        "⌛ 已过期",
        "Expired",
        {"zh": "没有人按时回答。", "en": "Nobody answered in time."},
        {
            "zh": "如需再次提问，请在 Airflow 中清除该任务。",
            "en": "To be asked again, clear the task in Airflow.",
        },
    ),
    "withdrawn": Closing(
        "已撤回",
        "Withdrawn",
        {
            "zh": "任务已在 Airflow 中被清除、标记或停止。",
            "en": "The task was cleared, marked or stopped in Airflow.",
        },
        {
            "zh": "如果任务再次提问，请在新卡片上答复；否则无需处理。",
            "en": "If it asks again, answer the new card; else there is nothing to do.",
        },
    ),
    "superseded": Closing(
        "已被取代",
        "Superseded",
        {"zh": "任务已重新运行，并再次提问。", "en": "The task was run again, and asks again."},
        {"zh": "请在新卡片上答复。", "en": "Answer the new card."},
    ),
    "failed": Closing(
        "已关闭",
        "Closed",
        {"zh": "任务已失败，不再等待。", "en": "The task has failed and waits no longer."},
        {
            "zh": "请在 Airflow 中查看日志；如需再次提问，请清除该任务。",
            "en": "Look into its log in Airflow, and clear it to be asked again.",
        },
    ),
}


class Option(NamedTuple):
    """A button for a decision.

    Attributes:
        label: The label of the button.
        value: The value that a click sends in the callback.
        name: The name of the button on the card.
        is_rejection: Whether it rejects, and is red.
    """

    label: str
    value: Mapping[str, Any]
    name: str
    is_rejection: bool = False


def render_option_row(options: Sequence[Option], *, submits: bool) -> ColumnSet:
    """Return a row of buttons: rejections are red, and the first button is highlighted unless it rejects.

    Args:
        options: The options of the buttons, from left to right.
        submits: Whether the buttons are inside a form and submit it.
    """
    buttons = [
        Button(
            option.label,
            value=option.value,
            type=_choose_button_type(option, place),
            name=option.name,
            form_action_type="submit" if submits else None,
        )
        for place, option in enumerate(options)
    ]
    return ColumnSet([Column([button], width="auto") for button in buttons], flex_mode="flow")


def _choose_button_type(option: Option, place: int) -> ButtonType:
    if option.is_rejection:
        return "danger"
    return "primary" if place == 0 else "default"


def render_decision(
    label: str, *, open_id: str | None = None, when: str = "", answers: Mapping[str, Any] | None = None
) -> list[str]:
    """Return who decided what and when, and what was filled in, as lines of Markdown.

    Args:
        label: The decision.
        open_id: The user who decided; Lark shows the name.
        when: The time, formatted.
        answers: What was filled in, by field.
    """
    who = f" · <at id={open_id}></at>" if open_id else ""
    return [
        f"**{escape_markdown(label)}**{who}{f' · {when}' if when else ''}",
        *(
            f"**{escape_markdown(name)}:** {escape_markdown(value)}"
            for name, value in (answers or {}).items()
        ),
    ]


def render_links(links: Iterable[tuple[str, str]]) -> list[str]:
    """Return links as one line of Markdown; an empty list if no address is one of http(s).

    Args:
        links: Labels with addresses.
    """
    shown = [
        f"[{label}]({url.translate(_ENCODED)})"
        for label, url in links
        if url.startswith(("http://", "https://"))
    ]
    return [" · ".join(shown)] if shown else []
