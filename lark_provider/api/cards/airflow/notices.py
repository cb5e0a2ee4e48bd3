"""Notices on a question's card that is still open: Markdown for `make_question_card(notice=…)`.

Everyone who sees the card can read them, so each notice names the person whom it concerns.
"""

from __future__ import annotations

from collections.abc import Mapping

from lark_provider.api.cards.airflow.question_texts import translate
from lark_provider.api.cards.element import escape_markdown, mention
from lark_provider.protocol.hitl.answers import OPTIONS
from lark_provider.protocol.hitl.model import HitlQuestion
from lark_provider.protocol.hitl.params import make_form_fields
from lark_provider.protocol.language import Language
from lark_provider.support.text import clip, escape_surrogates

_MAX_ERRORS = 20
_MAX_CHARS = 300


def describe_invalid(
    question: HitlQuestion, open_id: str, errors: Mapping[str, Mapping[str, str] | str], language: Language
) -> str:
    """Say what is wrong with an answer, a line for each field.

    Args:
        question: The question, which has the fields' titles.
        open_id: The open_id of the person who clicked.
        errors: The errors of `InvalidAnswerError`: for each param, or `OPTIONS`, a text in each language or a
            plain one.
        language: `zh` or `en`.

    Raises:
        InvalidRequestError: `open_id` is not an id.
    """
    titles = {field.name: field.title for field in make_form_fields(question.params)}
    titles[OPTIONS] = translate(language, "options")
    lines = [
        f"- **{_escape_text(titles.get(name, name))}** {_escape_text(_in_language(reason, language))}"
        for name, reason in list(errors.items())[:_MAX_ERRORS]
    ]
    return "\n".join([translate(language, "invalid", who=mention(open_id)), *lines])


def describe_refusal(open_id: str, why: Mapping[str, str] | str, language: Language) -> str:
    """Say why an answer was not accepted.

    Args:
        open_id: The open_id of the person who clicked.
        why: The reason, in each language or as a plain text.
        language: `zh` or `en`.

    Raises:
        InvalidRequestError: `open_id` is not an id.
    """
    return translate(language, "refused", who=mention(open_id), why=_escape_text(_in_language(why, language)))


def describe_repeat(language: Language) -> str:
    """Say that the task asks its question again after it was over.

    Args:
        language: `zh` or `en`.
    """
    return translate(language, "asked_again")


def _in_language(text: Mapping[str, str] | str, language: Language) -> str:
    return text if isinstance(text, str) else text.get(language) or text.get("en") or ""


def _escape_text(text: str) -> str:
    return escape_markdown(clip(escape_surrogates(text), _MAX_CHARS))
