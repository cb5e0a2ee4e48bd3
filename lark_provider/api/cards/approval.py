"""A card that asks for a decision, and the card that shows it once it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lark_provider.api.cards.card import Card2, Header, Template
from lark_provider.api.cards.containers import Form
from lark_provider.api.cards.decisions import Option, render_decision, render_option_row
from lark_provider.api.cards.element import Markdown
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.waits import mark

ApprovalOutcome = Literal["approved", "rejected", "expired"]
_COLORS: dict[ApprovalOutcome, Template] = {"approved": "green", "rejected": "red", "expired": "grey"}
_FORM = "approval"


def make_approval_card(
    title: str,
    text: str,
    options: Mapping[str, str],
    *,
    correlation: str,
    approvers: Sequence[str] = (),
    rejections: Sequence[str] = (),
    fields: Sequence[Mapping[str, Any]] = (),
) -> Card2:
    """Build a card with a button for each option.

    Args:
        title: What is asked.
        text: What to know before answering, in Markdown.
        options: The buttons: each decision with the label of its button.
        correlation: The id of the wait that a click answers.
        approvers: The ids of those who may answer; empty for everybody who sees the card.
        rejections: The decisions whose buttons are red.
        fields: Inputs, menus and date pickers to be filled in; sent with whichever button is pressed.

    Raises:
        InvalidRequestError: There is no option, or Lark would refuse the card.
    """
    if not options:
        raise InvalidRequestError(
            "options must not be empty. Next: pass at least one, such as {'approve': 'Approve'}."
        )
    buttons = [
        Option(
            label,
            mark({"action": decision}, correlation, approvers),
            f"decision_{place}",
            is_rejection=decision in rejections,
        )
        for place, (decision, label) in enumerate(options.items())
    ]
    row = render_option_row(buttons, submits=bool(fields))
    below: list[Mapping[str, Any]] = [Form(_FORM, [*fields, row])] if fields else [row]
    return Card2([*_render_text(text), *below], header=Header(title, template="blue"))


def make_decided_card(
    title: str, text: str, outcome: ApprovalOutcome, *, label: str, open_id: str | None = None,
    when: str = "", answers: Mapping[str, Any] | None = None,
) -> Card2:  # fmt: skip
    """Build the card that replaces the question: no buttons, but the decision, by whom and when.

    Args:
        title: The question's title.
        text: The question's text.
        outcome: Decides the colour.
        label: The label of the button clicked.
        open_id: The user who decided; Lark shows the name.
        when: The time, formatted.
        answers: What was filled in, by field.

    Raises:
        InvalidRequestError: Lark would refuse the card.
    """
    lines = render_decision(label, open_id=open_id, when=when, answers=answers)
    return Card2(
        [*_render_text(text), Markdown("\n".join(lines))], header=Header(title, template=_COLORS[outcome])
    )


def _render_text(text: str) -> list[Mapping[str, Any]]:
    return [Markdown(text)] if text else []
