"""Check a card, built or hand-written, and serialise it as a message carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lark_provider.api.cards.text import MAX_CARD_BYTES, Card, check_size, parse
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import InvalidRequestError


class BuiltCard(dict[str, Any]):
    """A card built by this package; checked in full before it is sent."""


def card_content(card: Card, *, mentions: Sequence[str] = (), max_bytes: int = MAX_CARD_BYTES) -> str:
    """Serialise a card.

    Built and hand-written cards are checked alike: what Lark is known to refuse raises an error here, and
    properties that this package does not know are sent with a warning in the log. JSON text is sent byte for
    byte.

    Args:
        card: Card JSON, 1.0 or 2.0, as a dict or as text; or a template or card-entity reference.
        mentions: Open_ids, or "all", of people to be named at the card's end.
        max_bytes: The most bytes that Lark accepts; its documentation says 30 KB.

    Returns:
        The text for `content`.

    Raises:
        InvalidRequestError: The card is not a JSON object, is too large, has no place for mentions, or would
            be refused by Lark.
    """
    # Loaded on first use: every task imports this package, and few send cards.
    from lark_provider.api.cards import findings, rules

    parsed = parse(card)
    if mentions:
        parsed = _with_mentions(parsed, mentions)
    if isinstance(card, BuiltCard):
        rules.check(parsed, max_bytes=max_bytes)
    text = card if isinstance(card, str) and not mentions else encode(parsed, "the card").decode()
    if not isinstance(card, BuiltCard):
        findings.log(rules.review_card(parsed))
    check_size(len(text.encode()), max_bytes)
    return text


def _with_mentions(card: Mapping[str, Any], mentions: Sequence[str]) -> Mapping[str, Any]:
    element = {"tag": "markdown", "content": " ".join(f"<at id={who}></at>" for who in mention_ids(mentions))}
    if card.get("schema") == "2.0" and isinstance(card.get("body"), Mapping):
        body = card["body"]
        return {**card, "body": {**body, "elements": [*body.get("elements", ()), element]}}
    if isinstance(card.get("elements"), Sequence):
        return {**card, "elements": [*card["elements"], element]}
    raise InvalidRequestError(
        "A card with mentions must have elements of its own, got none. Next: put <at id=…></at> into the "
        "template instead.",
        code=230099,
    )


def mention_ids(mentions: Sequence[str]) -> list[str]:
    """Check and return the ids of people to mention, since they become part of markup.

    Args:
        mentions: Open_ids or user_ids, or "all".

    Raises:
        InvalidRequestError: It is not a list, or an item is not an id.
    """
    if isinstance(mentions, str) or not isinstance(mentions, Sequence):
        raise InvalidRequestError(
            f"mentions must be a list, got {mentions!r}. Next: pass one, such as ['all'].", code=230001
        )
    return [mention_id(who) for who in mentions]


def mention_id(who: str) -> str:
    """Check and return the id of a person to mention, since it becomes part of markup.

    Args:
        who: An open_id, a user_id, or "all".

    Returns:
        The same id.

    Raises:
        InvalidRequestError: It is not an id.
    """
    if not (isinstance(who, str) and who.replace("_", "").replace("-", "").isalnum()):
        raise InvalidRequestError(
            f"mentions must hold ids, got {who!r}. Next: name people by open_id (ou_…), or write 'all'.",
            code=230001,
        )
    return who
