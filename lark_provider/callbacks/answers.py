"""What a click is answered with: a few words, a new card, or both.

See https://open.feishu.cn/document/uAjLw4CM/ukzMukzMukzM/feishu-cards/card-callback-communication
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.cards import Card, card_content
from lark_provider.api.cards.text import parse
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import InvalidRequestError

ToastKind: TypeAlias = Literal["info", "success", "error", "warning"]
_KINDS: tuple[str, ...] = get_args(ToastKind)
_LOCALE = re.compile(r"[a-z]{2}_[a-z]{2}")
_BAD_ANSWER, _BAD_CARD = 200672, 200673  # what Lark's client would show

NOTHING = b"{}"
"""Leaves the card as it is, and says nothing."""


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
    """Show a few words to whoever clicked.

    Args:
        kind: Their colour and sign.
        text: The words.
        i18n: The words in other languages by locale, e.g. `{"zh_cn": "…", "en_us": "…"}`.
        card: Also put this card in place of the one that was clicked; see `card_update`.

    Returns:
        The body of the answer.

    Raises:
        InvalidRequestError: Lark would refuse it.
    """
    if kind not in _KINDS:
        raise _refused(f"kind is {kind!r}", f"write one of {', '.join(_KINDS)}")
    if not (isinstance(text, str) and text.strip()):
        raise _refused(f"text is {text!r}", "say something, or return None")
    words: dict[str, Any] = {"type": kind, "content": text}
    if i18n is not None:
        for locale, translated in i18n.items():
            if not (isinstance(locale, str) and _LOCALE.fullmatch(locale) and isinstance(translated, str)):
                raise _refused(f"i18n has {locale!r}: {translated!r}", "use texts by locale, such as 'zh_cn'")
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
        InvalidRequestError: It is no card, is too large, or is a reference to a card entity.
    """
    text = card_content(card)
    content = parse(card)
    if "data" not in content:
        return b'{"card":{"type":"raw","data":' + text.encode() + b"}}"
    if content.get("type") not in {"raw", "template"} or not isinstance(content["data"], Mapping):
        raise InvalidRequestError(
            f"The card refers to a {content.get('type')!r}. Next: answer with card JSON, or with type "
            "'template' and the template's data.",
            code=_BAD_CARD,
        )
    return b'{"card":' + text.encode() + b"}"


def _refused(what: str, step: str) -> InvalidRequestError:
    return InvalidRequestError(f"The toast's {what}. Next: {step}.", code=_BAD_ANSWER)
