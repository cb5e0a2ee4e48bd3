"""The card that replaces a question of Airflow's once it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.api.cards.airflow.limits import MAX_BYTES
from lark_provider.api.cards.airflow.question import (
    format_question_title,
    format_task_name,
    get_rejections,
    render_body,
)
from lark_provider.api.cards.airflow.question_texts import translate
from lark_provider.api.cards.card import Card2, Header, Template
from lark_provider.api.cards.decisions import CLOSINGS, render_decision, render_links
from lark_provider.api.cards.display import note
from lark_provider.api.cards.element import Markdown, escape_markdown
from lark_provider.api.cards.interactive import Button
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.model import End, EndKind, HitlQuestion
from lark_provider.protocol.hitl.params import encode_key, make_form_fields, to_json
from lark_provider.protocol.language import Language
from lark_provider.protocol.moments import format_moment
from lark_provider.support.text import clip, escape_surrogates

SENT_AGAIN = "sent again"
"""The detail of an end that concerns the card alone: a newer card asks the same question."""
_CLOSED: dict[EndKind, str] = {
    "timed_out": "expired", "superseded": "superseded", "withdrawn": "withdrawn",
}  # fmt: skip
_COLORS: dict[EndKind, Template] = {"answered": "green", "defaulted": "yellow", "failed": "red"}
_MAX_VALUES = 30
_MAX_CHARS = 300
_ROOM = ((8_000, _MAX_VALUES), (2_000, _MAX_VALUES), (300, 10), (0, 0))
"""Limits to try in turn: characters of the body, and values of the form. A card that is too large is built
again with the next ones."""


def make_ended_card(
    question: HitlQuestion,
    end: End,
    *,
    language: Language,
    timezone: str = "UTC",
    ask_again_key: str | None = None,
) -> Card2:
    """Build the card that shows how a question ended: who answered what and when, or why nobody can any more.

    Args:
        question: The question that has ended.
        end: The end of the question: its kind, and what was answered, by whom and when.
        language: `zh` or `en`.
        timezone: The time zone in which times are shown: a name such as `Asia/Shanghai`, or an offset such as
            `+08:00`.
        ask_again_key: The card's key, which adds a button *Ask again* if the task failed; None for no button.

    Returns:
        The card, at most 28 KB, without any way to answer.

    Raises:
        InvalidRequestError: `end.open_id` is not an id.
    """
    for body, values in _ROOM[:-1]:
        try:
            return _make_card(question, end, language, timezone, ask_again_key, body, values)
        except InvalidRequestError:
            continue
    return _make_card(question, end, language, timezone, ask_again_key, *_ROOM[-1])


def _make_card(
    question: HitlQuestion,
    end: End,
    language: Language,
    timezone: str,
    ask_again_key: str | None,
    body: int,
    values: int,
) -> Card2:
    lines = [
        *_render_lines(question, end, language, timezone, values),
        *render_links([("Airflow", question.url)]),
    ]
    again: list[Mapping[str, Any]] = []
    if end.kind == "failed" and ask_again_key is not None:
        label = translate(language, "ask_again")
        again = [
            Button(
                label, value=make_button_value(ask_again_key, "ask_again"), type="primary", name="ask_again"
            )
        ]
        lines.append(translate(language, "ask_again_step"))
    elif end.kind == "failed":
        lines.append(translate(language, "clear_step"))
    is_rejection = end.kind == "answered" and bool(get_rejections(question) & set(end.options))
    color: Template = "red" if is_rejection else _COLORS.get(end.kind, "grey")
    return Card2(
        [
            *render_body(question, language, body),
            Markdown("\n".join(lines)),
            *again,
            note(clip(f"{translate(language, 'run')} {escape_surrogates(question.task.run_id)}", 200)),
        ],
        header=Header(
            format_question_title(question), subtitle=format_task_name(question.task), template=color
        ),
        max_bytes=MAX_BYTES,
    )


def describe_end(end: End) -> dict[str, str]:
    """Return the text for a person who clicks on a question that is over, by Lark's locale.

    Args:
        end: The end of the question: its kind, and what was answered and by whom.
    """
    return {"zh_cn": _format_end(end, "zh"), "en_us": _format_end(end, "en")}


def _format_end(end: End, language: Language) -> str:
    if end.kind in _CLOSED:
        return CLOSINGS["superseded" if end.detail == SENT_AGAIN else _CLOSED[end.kind]].describe(language)
    happened = translate(language, end.kind)
    options = ", ".join(escape_surrogates(option) for option in end.options)
    person = f" ({escape_surrogates(end.person)})" if end.person else ""
    return clip(f"{happened}: {options}{person}" if options else happened, _MAX_CHARS)


def _render_lines(
    question: HitlQuestion, end: End, language: Language, timezone: str, values: int
) -> list[str]:
    when = format_moment(end.at, timezone) if end.at is not None else ""
    detail = [escape_markdown(clip(escape_surrogates(end.detail), 500))] if end.detail else []
    if end.kind in _CLOSED:
        is_resent = end.detail == SENT_AGAIN
        closing = CLOSINGS["superseded" if is_resent else _CLOSED[end.kind]]
        happened = " · ".join(filter(None, (f"**{closing.describe(language)}**", when)))
        space = "" if language == "zh" else " "
        why = translate(language, "sent_again") if is_resent else closing.why[language]
        state = [translate(language, "state", state=text) for text in detail if not is_resent]
        return [happened, f"{why}{space}{closing.step[language]}", *state]
    if end.kind == "answered":
        return [
            translate(language, "answered"),
            *_render_decision(question, end, language, when, values),
            *detail,
        ]
    if end.kind == "defaulted":
        decision = _render_decision(question, end, language, when, values)
        return [translate(language, "defaulted"), *decision, translate(language, "nobody"), *detail]
    failed = " · ".join(filter(None, (f"**{translate(language, 'failed')}**", when)))
    answered = _render_decision(question, end, language, "", values) if end.options else []
    return [failed, translate(language, "mismatch"), *detail, *answered]


def _render_decision(
    question: HitlQuestion, end: End, language: Language, when: str, values: int
) -> list[str]:
    label = ", ".join(clip(escape_surrogates(option), _MAX_CHARS) or '""' for option in end.options) or "—"
    person = clip(escape_surrogates(end.person), 60) if end.person else ""
    first, *rest = render_decision(
        label,
        open_id=end.open_id,
        when=" · ".join(filter(None, (escape_markdown(person), when))),
        answers=_format_values(question, end, language, values),
    )
    return [first, *rest]


def _format_values(question: HitlQuestion, end: End, language: Language, limit: int) -> dict[str, str]:
    """Return what was filled in as people read it, by the titles of the fields."""
    fields = {field.name: field for field in make_form_fields(question.params)}
    answers: dict[str, str] = {}
    for name, value in list(end.params.items())[:limit]:
        field = fields.get(name)
        title = clip(escape_surrogates(field.title if field is not None else name), 100) or name
        chosen = {choice.key: choice.label for choice in field.choices} if field is not None else {}
        if isinstance(value, bool):
            text = translate(language, "yes" if value else "no")
        elif isinstance(value, list | tuple) and chosen:
            text = ", ".join(chosen.get(encode_key(option), str(option)) for option in value)
        else:
            text = chosen.get(encode_key(value)) or (value if isinstance(value, str) else to_json(value))
        answers[f"{title} ({name})" if title in answers else title] = clip(
            escape_surrogates(text), _MAX_CHARS
        )
    return answers
