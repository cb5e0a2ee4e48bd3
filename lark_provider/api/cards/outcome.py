"""The card that replaces a question's card once the question is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.api.cards.approval import make_decided_card
from lark_provider.api.cards.card import Card2, Header
from lark_provider.api.cards.content import card_content
from lark_provider.api.cards.decisions import CLOSINGS, render_links
from lark_provider.api.cards.element import Markdown
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.moments import format_moment
from lark_provider.protocol.questions import TaskQuestion
from lark_provider.protocol.waits import get_decision


def make_outcome_card(
    task_question: TaskQuestion, click: CardClick | None = None, *, newer: str = ""
) -> Card2:
    """Build the card that shows how a question ended: no buttons, but what happened, when, and what to do.

    Args:
        task_question: The question, decided or closed; an open one whose deadline has passed counts as
            expired.
        click: The click that decided it.
        newer: A link to the chat of the question that replaced it.

    Raises:
        InvalidRequestError: Lark would refuse the card.
    """
    question = task_question.question
    if task_question.state == "decided" and click is not None:
        return _build_decided(task_question, click)
    closing = CLOSINGS.get(get_reason(task_question), CLOSINGS["failed"])
    when = (
        task_question.deadline
        if task_question.deadline is not None and get_reason(task_question) == "expired"
        else task_question.updated_at
    )
    lines = [
        f"**{closing.in_both}** · {format_moment(when, question.timezone)}",
        f"{closing.why['en']} {closing.step['en']}",
        *render_links([("新卡片 / New card", newer), ("Airflow", task_question.origin.url)]),
    ]
    text = [Markdown(question.text)] if question.text else []
    return Card2([*text, Markdown("\n".join(lines))], header=Header(question.title, template="grey"))


def _build_decided(task_question: TaskQuestion, click: CardClick) -> Card2:
    question, decision = task_question.question, get_decision(click) or ""

    def make_card(answers: Mapping[str, Any] | None) -> Card2:
        return make_decided_card(
            question.title,
            question.text,
            "rejected" if decision in question.rejections else "approved",
            label=question.options.get(decision, decision),
            open_id=click.operator.open_id,
            when=format_moment(click.created_at, question.timezone),
            answers=answers,
        )

    try:
        full_card = make_card(click.action.form_value)
        card_content(full_card)
    except InvalidRequestError:
        # The card is most likely too large. Without the answers, it still shows the decision, and no buttons.
        return make_card(None)
    return full_card


def get_reason(task_question: TaskQuestion) -> str:
    """Return why a question ended without a decision."""
    return "expired" if task_question.state == "open" else task_question.reason or "failed"


def describe_outcome(task_question: TaskQuestion, click: CardClick | None = None) -> dict[str, str]:
    """Return the text for a user who clicks on a question that is over, by locale.

    Args:
        task_question: The question, decided or closed.
        click: The click that decided it.
    """
    zone = task_question.question.timezone
    if task_question.state == "decided" and click is not None:
        label = task_question.question.options.get(get_decision(click) or "", "")
        when = format_moment(click.created_at, zone)
        return {"zh_cn": f"此问题已于 {when} 处理：{label}", "en_us": f"Already answered at {when}: {label}"}
    if task_question.state == "decided":
        return {"zh_cn": "此问题已处理", "en_us": "Already answered"}
    chinese = {"expired": "已过期", "withdrawn": "已撤回", "superseded": "已有新卡片"}
    english = {"expired": "it has expired", "withdrawn": "it was withdrawn", "superseded": "see the new card"}
    reason = get_reason(task_question)
    return {
        "zh_cn": f"此问题已结束：{chinese.get(reason, '任务已失败')}",
        "en_us": f"This question is over: {english.get(reason, 'its task has failed')}",
    }
