"""The card of a question that a task of Airflow asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lark_provider.api.cards.airflow.form import MAX_LABEL, render_fields, render_menu
from lark_provider.api.cards.airflow.limits import MAX_BYTES
from lark_provider.api.cards.airflow.markdown import render_card_markdown
from lark_provider.api.cards.airflow.mentions import resolve
from lark_provider.api.cards.airflow.question_texts import translate
from lark_provider.api.cards.card import Card2, Header
from lark_provider.api.cards.containers import Column, ColumnSet, Form
from lark_provider.api.cards.decisions import Option, render_option_row
from lark_provider.api.cards.display import note
from lark_provider.api.cards.element import Element, Markdown, escape_markdown
from lark_provider.api.cards.interactive import Button
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.hitl.answers import OPTIONS, TIMEZONE, make_option_key
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.model import HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.params import has_secrets, make_form_fields
from lark_provider.protocol.language import Language
from lark_provider.protocol.moments import format_moment
from lark_provider.support.text import clip, escape_surrogates

_FORM = "answer"
_APPROVAL = frozenset({"Approve", "Reject"})
_MAX_TITLE = 200
_MAX_ASSIGNEES = 10
_MAX_BUTTONS = 10
# Limits to try in turn, in characters of the body and of each text in the form. A card that is too large is
# built again with the next ones.
_ROOM = ((16_000, 1_000), (7_000, 1_000), (3_000, 1_000), (1_000, 300), (200, 50))


def make_question_card(
    question: HitlQuestion,
    *,
    key: str,
    language: Language,
    mentions: Sequence[str] = (),
    timezone: str = "UTC",
    notice: str = "",
    values: Mapping[str, Any] | None = None,
    notifies: bool = True,
) -> Card2:
    """Build the card on which a question is answered.

    One option is chosen by its button, several in a menu; params are a form. A question that does not fit on
    a card, or asks for a password, gets a card that leads to Airflow's page. A long body is shortened.

    Args:
        question: The question.
        key: The key of the card, which the buttons carry.
        language: `zh` or `en`.
        mentions: Open_ids and e-mail addresses of people to be named, so that Lark notifies them; or `all`.
        timezone: In which times are shown: a name such as `Asia/Shanghai`, or an offset such as `+08:00`.
        notice: Markdown above the options, as `notices` makes it.
        values: What was entered before, as in `form_value`; by default the params' defaults are shown.
        notifies: Whether Lark notifies the people who are mentioned.

    Returns:
        The card, at most 28 KB.
    """
    mentioned = resolve(mentions, (), {})
    people = (mentioned if notifies else mentioned.by_name()).render_markdown()
    why = "secret" if has_secrets(question.params) else "too_large"
    for body, longest in _ROOM if why != "secret" else ():
        try:
            answers = _render_answers(question, key, language, timezone, values, longest)
            return _make_card(question, people, language, timezone, body, notice, answers)
        except InvalidRequestError:
            continue
    elsewhere: list[Mapping[str, Any]] = [Markdown(translate(language, why))]
    for body, _ in _ROOM:
        try:
            return _make_card(question, people, language, timezone, body, notice, elsewhere)
        except InvalidRequestError:
            continue
    return _make_card(question, people, language, timezone, 0, "", elsewhere)


def get_rejections(question: HitlQuestion) -> frozenset[str]:
    """Return the options that reject: `Reject` of an `ApprovalOperator` or of an operator derived from it."""
    return frozenset({"Reject"}) if set(question.options) == _APPROVAL else frozenset()


def format_question_title(question: HitlQuestion) -> str:
    """Return the subject in one line; the task's name if it is empty."""
    return clip(escape_surrogates(question.subject), _MAX_TITLE) or format_task_name(question.task)


def format_task_name(task: TaskInstance) -> str:
    """Return the names of DAG and task, in one line."""
    index = f"[{task.map_index}]" if task.map_index >= 0 else ""
    return clip(escape_surrogates(f"{task.dag_id} · {task.task_id}{index}"), _MAX_TITLE)


def render_body(question: HitlQuestion, language: Language, limit: int) -> list[Mapping[str, Any]]:
    """Return the text above the options: the whole subject, if the title cuts it, and the body.

    Args:
        question: The question.
        language: `zh` or `en`.
        limit: The most characters; 0 for nothing.
    """
    if not limit:
        return []
    subject = " ".join(escape_surrogates(question.subject).split())
    whole_subject = "" if len(subject) <= _MAX_TITLE else escape_markdown(clip(subject, limit))
    body = render_card_markdown(question.body, limit, translate(language, "shortened"))
    return [Markdown(text) for text in (whole_subject, body) if text.strip()]


def _make_card(
    question: HitlQuestion,
    people: str,
    language: Language,
    timezone: str,
    limit: int,
    notice: str,
    answers: Sequence[Mapping[str, Any]],
) -> Card2:
    run = f"{translate(language, 'run')} {escape_surrogates(question.task.run_id)}"
    again = question.task.try_number
    facts = [run, *([translate(language, "try", number=again)] if again > 1 else [])]
    above = [_render_assignees(question, people, language), _render_deadline(question, language, timezone)]
    url = question.url if question.url.startswith(("http://", "https://")) else ""
    return Card2(
        [
            *render_body(question, language, limit),
            *(Markdown(text) for text in above if text),
            *([_notice(notice)] if notice else []),
            *answers,
            note(clip(" · ".join(facts), _MAX_TITLE)),
            *([Button(translate(language, "open"), url=url, type="text")] if url else []),
        ],
        header=Header(
            format_question_title(question), subtitle=format_task_name(question.task), template="blue"
        ),
        max_bytes=MAX_BYTES,
    )


def _render_assignees(question: HitlQuestion, people: str, language: Language) -> str:
    names = [
        escape_markdown(escape_surrogates(clip(assignee.name or assignee.id, 60)))
        for assignee in question.assignees
    ]
    if rest := len(names) - _MAX_ASSIGNEES:
        names = [*names[:_MAX_ASSIGNEES], *([translate(language, "more", count=rest)] if rest > 0 else [])]
    named = f"**{translate(language, 'assigned')}** {', '.join(names)}" if names else ""
    return " ".join(filter(None, (named, people)))


def _render_deadline(question: HitlQuestion, language: Language, timezone: str) -> str:
    if question.deadline is None:
        return ""
    until = translate(language, "until", when=format_moment(question.deadline, timezone))
    if question.defaults is None:
        return f"{until} · {translate(language, 'then_fails')}"
    options = ", ".join(
        escape_markdown(escape_surrogates(clip(option, MAX_LABEL))) for option in question.defaults
    )
    return f"{until} · {translate(language, 'then', options=f'**{options}**')}"


def _notice(text: str) -> Element:
    return ColumnSet([Column([Markdown(text)], weight=1, padding="8px")], background_style="yellow-50")


def _render_answers(
    question: HitlQuestion,
    key: str,
    language: Language,
    timezone: str,
    values: Mapping[str, Any] | None,
    longest: int,
) -> list[Mapping[str, Any]]:
    """Return the options and the form, or refuse what Lark would refuse."""
    places = {option: question.options.index(option) for option in question.options}
    options = list(places)
    texts, listed = _make_labels(options, language)
    fields = render_fields(
        make_form_fields(question.params), language, timezone=timezone, values=values, longest=longest
    )
    if question.multiple or len(options) > _MAX_BUTTONS:
        menu = render_menu(
            OPTIONS,
            dict(zip(map(make_option_key, places.values()), texts, strict=True)),
            (values or {}).get(OPTIONS),
            multiple=question.multiple,
            placeholder=translate(language, "choose_many" if question.multiple else "choose"),
        )
        value = make_button_value(key, "answer", **{TIMEZONE: timezone})
        send = Button(
            translate(language, "submit"),
            value=value,
            type="primary",
            name="submit",
            form_action_type="submit",
        )
        return [*listed, Form(_FORM, [*fields, menu, send])]
    row = render_option_row(
        [
            Option(
                texts[place],
                make_button_value(key, "answer", option=option, **({TIMEZONE: timezone} if fields else {})),
                make_option_key(places[option]),
                is_rejection=option in get_rejections(question),
            )
            for place, option in enumerate(options)
        ],
        submits=bool(fields),
    )
    return [*listed, Form(_FORM, [*fields, row]) if fields else row]


def _make_labels(options: Sequence[str], language: Language) -> tuple[list[str], list[Element]]:
    """Return short labels; options that are too long for a button are listed in full as well."""
    if all(0 < len(option.strip()) <= MAX_LABEL for option in options):
        return [escape_surrogates(option) for option in options], []
    lines = [
        f"{place}. {escape_markdown(escape_surrogates(' '.join(option.split())))}"
        for place, option in enumerate(options, 1)
    ]
    listed = Markdown("\n".join([f"**{translate(language, 'options')}**", *lines]))
    return [
        clip(f"{place}. {escape_surrogates(option)}", MAX_LABEL) for place, option in enumerate(options, 1)
    ], [listed]
