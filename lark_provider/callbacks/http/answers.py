"""The answers to a click: a toast, a new card, or both.

See https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import orjson

from lark_provider.api.cards import Card, card_content
from lark_provider.api.cards.text import parse
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import InvalidRequestError

ToastKind: TypeAlias = Literal["info", "success", "error", "warning"]
_KINDS: tuple[str, ...] = get_args(ToastKind)
_LOCALE = re.compile(r"[a-z]{2}_[a-z]{2}")
_BAD_ANSWER, _BAD_CARD = 200672, 200673  # The codes that Lark's client would show.

NOTHING = b"{}"
"""Leaves the card as it is, and shows nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer to Lark.

    Attributes:
        status: The HTTP status.
        body: JSON, for the content type `application/json`.
    """

    status: int
    body: bytes = NOTHING


def toast(
    kind: ToastKind, text: str, i18n: Mapping[str, str] | None = None, *, card: Card | None = None
) -> bytes:
    """Show a toast to the user who clicked.

    Args:
        kind: The colour and the icon.
        text: The text.
        i18n: The text in other languages by locale, e.g. `{"zh_cn": "…", "en_us": "…"}`.
        card: Also put this card in place of the one that was clicked; see `card_update`.

    Returns:
        The body of the answer.

    Raises:
        InvalidRequestError: Lark would refuse it.
    """
    if kind not in _KINDS:
        raise _answer_error(f"kind must be one of {', '.join(_KINDS)}, got {kind!r}", "write one of them")
    if not (isinstance(text, str) and text.strip()):
        raise _answer_error(
            f"text must be a str that is not empty, got {text!r}", "pass a text, or return None"
        )
    words: dict[str, Any] = {"type": kind, "content": text}
    if i18n is not None:
        for locale, translated in i18n.items():
            if not (isinstance(locale, str) and _LOCALE.fullmatch(locale) and isinstance(translated, str)):
                raise _answer_error(
                    f"i18n must have a str for each locale, got {locale!r}: {translated!r}",
                    "write locales as 'zh_cn'",
                )
        words["i18n"] = dict(i18n)
    said = b'{"toast":' + encode(words, "the toast")
    return said + (b"}" if card is None else b"," + card_update(card)[1:])


def card_update(card: Card) -> bytes:
    """Put another card in place of the one that was clicked, for everybody who sees it.

    A card of JSON 2.0 can only be followed by one of JSON 2.0 (200830).

    Args:
        card: Card JSON, or `{"type": "template", "data": {"template_id": …}}`.

    Returns:
        The body of the answer.

    Raises:
        InvalidRequestError: It is not a card, is too large, or is a reference to a card entity.
    """
    text = card_content(card)
    content = parse(card)
    if "data" not in content:
        return b'{"card":{"type":"raw","data":' + text.encode() + b"}}"
    if content.get("type") not in {"raw", "template"} or not isinstance(content["data"], Mapping):
        raise InvalidRequestError(
            f"The card must be card JSON or a template with its data, got type {content.get('type')!r}. "
            "Next: answer with card JSON, or with type 'template' and the template's data.",
            code=_BAD_CARD,
        )
    return b'{"card":' + text.encode() + b"}"


def convert_to_old(body: bytes) -> bytes:
    """Convert an answer to that of `card.action.trigger_v1`: the card itself, as it shows no toast.

    Args:
        body: What `toast` or `card_update` returned; or a card already, which stays as it is.

    Returns:
        The card, or `NOTHING` without one.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if not isinstance(answer, dict) or answer.keys().isdisjoint({"card", "toast"}):
        return body
    card = answer.get("card")
    if not isinstance(card, dict):
        return NOTHING
    return encode(card["data"] if card.get("type") == "raw" and "data" in card else card, "the card")


def _answer_error(what: str, step: str) -> InvalidRequestError:
    return InvalidRequestError(f"The toast's {what}. Next: {step}.", code=_BAD_ANSWER)
