"""A card as JSON text: how it is read, and how large it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson

from lark_provider.protocol.errors import InvalidRequestError

Card: TypeAlias = Mapping[str, Any] | str
MAX_CARD_BYTES = 30 * 1024


def check_size(size: int, max_bytes: int) -> None:
    """Refuse a card that has too many bytes.

    Args:
        size: Its bytes as JSON.
        max_bytes: What Lark takes.

    Raises:
        InvalidRequestError: It is larger.
    """
    if size > max_bytes:
        raise InvalidRequestError(
            f"The card has {size} bytes; Lark takes {max_bytes}. Next: shorten its texts or tables, or send "
            "the details in a second message.",
            code=230025,
        )


def parse(card: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Read a card that may be text.

    Args:
        card: A dict, or its JSON.

    Returns:
        The card's object.

    Raises:
        InvalidRequestError: It is no JSON object, or an empty one.
    """
    if isinstance(card, str):
        try:
            parsed = orjson.loads(card)
        except orjson.JSONDecodeError as error:
            raise InvalidRequestError(
                f"The card is not JSON: {error}. Next: pass a dict, or text that json.loads accepts.",
                code=230099,
            ) from None
    else:
        parsed = card
    if not isinstance(parsed, Mapping) or not parsed:
        raise InvalidRequestError(
            f"The card is a {type(parsed).__name__}, not a JSON object with content. Next: pass card JSON as "
            "Lark's card builder exports it.",
            code=230099,
        )
    return parsed
