"""From a card, built or hand-written, to what a message carries; refused early where Lark would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lark_provider.api.cards.text import MAX_CARD_BYTES, Card, check_size, parse
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import InvalidRequestError


class BuiltCard(dict[str, Any]):
    """A card of this package's making, which Lark's rules are applied to before it is sent."""


def card_content(card: Card, *, mentions: Sequence[str] = (), max_bytes: int = MAX_CARD_BYTES) -> str:
    """Serialise a card.

    A `Card2` is checked once more, since its lists may have changed after it was built. Hand-written cards
    go out as they are: they may use what is newer than our table of properties.

    Args:
        card: Card JSON, 1.0 or 2.0, as a dict or as text; or a template or card-entity reference.
        mentions: Open_ids, or "all", of people to be named at the card's end.
        max_bytes: What Lark takes. Documented are 30 KB.

    Returns:
        The text for `content`.

    Raises:
        InvalidRequestError: It is no JSON object, too large, or has no place for mentions.
    """
    parsed = parse(card)
    if mentions:
        parsed = _with_mentions(parsed, mentions)
    if isinstance(card, BuiltCard):
        # Loaded already, since the card was built; who sends hand-written cards need not load it.
        from lark_provider.api.cards.rules import check  # noqa: PLC0415

        check(parsed, max_bytes=max_bytes)
    text = card if isinstance(card, str) and not mentions else encode(parsed, "the card").decode()
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
        "mentions need a card with elements of its own. Next: put <at id=…></at> into the template instead.",
        code=230099,
    )


def mention_ids(mentions: Sequence[str]) -> list[str]:
    """Check whom to mention, since the ids become part of markup.

    Args:
        mentions: Open_ids or user_ids, or "all".

    Raises:
        InvalidRequestError: It is no list, or one cannot be an id.
    """
    if isinstance(mentions, str) or not isinstance(mentions, Sequence):
        raise InvalidRequestError(
            f"mentions is {mentions!r}. Next: pass a list, such as ['all'].", code=230001
        )
    return [mention_id(who) for who in mentions]


def mention_id(who: str) -> str:
    """Check whom to mention, since the id becomes part of markup.

    Args:
        who: An open_id, a user_id, or "all".

    Returns:
        The same id.

    Raises:
        InvalidRequestError: It cannot be an id.
    """
    if not (isinstance(who, str) and who.replace("_", "").replace("-", "").isalnum()):
        raise InvalidRequestError(
            f"mentions has {who!r}. Next: name people by open_id (ou_…), or write 'all'.", code=230001
        )
    return who
