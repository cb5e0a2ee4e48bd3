"""Parse the JSON text of a card, and check its size."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeAlias

import orjson

from lark_provider.protocol.errors import InvalidRequestError

Card: TypeAlias = Mapping[str, Any] | str
MAX_CARD_BYTES = 30 * 1024


def check_size(size: int, max_bytes: int) -> None:
    """Refuse a card that has too many bytes.

    Args:
        size: Its bytes as JSON.
        max_bytes: The most bytes that Lark accepts.

    Raises:
        InvalidRequestError: It is larger; or `max_bytes` is not a number.
    """
    if not isinstance(max_bytes, Real):
        raise InvalidRequestError(
            f"max_bytes must be a number, got {max_bytes!r:.80}. Next: leave it out for what Lark takes."
        )
    if size > max_bytes:
        raise InvalidRequestError(
            f"The card must have at most {max_bytes} bytes, got {size}. Next: shorten its texts or tables, "
            "or send the details in a second message.",
            code=230025,
        )


def parse(card: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Read a card that may be text.

    Args:
        card: A dict, or its JSON.

    Returns:
        The card's object.

    Raises:
        InvalidRequestError: It is not a JSON object.
    """
    if isinstance(card, str):
        try:
            parsed = orjson.loads(card)
        except orjson.JSONDecodeError as error:
            raise InvalidRequestError(
                f"The card must be JSON: {error}. Next: pass a dict, or text that json.loads accepts.",
                code=230099,
            ) from None
    else:
        parsed = card
    if not isinstance(parsed, Mapping):
        raise InvalidRequestError(
            f"The card must be a JSON object, got {type(parsed).__name__}. Next: pass card JSON as "
            "Lark's card builder exports it.",
            code=230099,
        )
    return parsed
