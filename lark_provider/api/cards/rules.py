"""Refuse a card that Lark would refuse before it is sent, and name the place.

See https://open.feishu.cn/document/feishu-cards/card-json-v2-breaking-changes-release-notes
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from lark_provider.api.cards import findings
from lark_provider.api.cards.findings import Doubt, join, make_refusal_error
from lark_provider.api.cards.legacy import Reader1
from lark_provider.api.cards.reader import Reader2
from lark_provider.api.cards.text import MAX_CARD_BYTES, check_size, parse
from lark_provider.protocol.calls import encode

# The JSON encoder's own limit, with a margin; no card comes near it.
_DEEPEST = 200
_INTEGERS = range(-(2**63), 2**64)
_VERSIONS = (None, "1.0", "2.0")


def check(card: Mapping[str, Any] | str, *, max_bytes: int = MAX_CARD_BYTES) -> None:
    """Check a card as it is checked before it is sent.

    The check refuses what Lark is known to refuse: tags that 2.0 dropped or 1.0 does not know, properties and
    texts at the wrong place, hex colours, pictures by address, forms without a name or a submit button, forms
    and tables inside others, names and element_ids used twice, too many tables, elements (texts count) or
    bytes; and values that are not JSON.
    What Lark may refuse or ignore, such as a property that this package does not know, passes with a warning
    in the log.

    Args:
        card: Card JSON 1.0 or 2.0, as a dict or as text.
        max_bytes: The most bytes that Lark accepts; its documentation says 30 KB.

    Raises:
        InvalidRequestError: Lark would refuse the card. The code is 230099, or 230025 for its size; the text
            names the place.
    """
    parsed = parse(card)
    _check_json(parsed, "", 0)
    findings.log(review_card(parsed))
    check_size(len(encode(parsed, "the card")), max_bytes)


def review_card(card: Mapping[str, Any]) -> list[Doubt]:
    """Check a card that is known to be JSON, and return the warnings.

    Args:
        card: Card JSON 1.0 or 2.0, or a reference to a template or a card entity, which cannot be checked.

    Returns:
        The parts of the card that Lark may refuse or ignore.

    Raises:
        InvalidRequestError: Lark refuses it; the text names the place.
    """
    if card.get("type") in ("template", "card") and "data" in card:
        return []
    if "msg_type" in card:
        raise make_refusal_error("msg_type", "belongs to a message", "pass the card alone")
    schema = card.get("schema")
    if schema not in _VERSIONS or (schema != "2.0" and "body" in card):
        # Without the schema, Lark ignores a body and shows a blank card.
        state = f"is {schema!r}" if "schema" in card else "is missing, so that Lark reads JSON 1.0"
        raise make_refusal_error("schema", state, 'add "schema": "2.0"')
    reader = Reader2() if schema == "2.0" else Reader1()
    reader.check_card(card)
    return reader.doubts


def _check_json(value: Any, path: str, depth: int) -> None:
    """Refuse the first value that is not a JSON value, e.g. a date, which the encoder would convert."""
    if depth > _DEEPEST:
        raise make_refusal_error(
            path[:80] + "…", "is nested too deeply", "pass a card that does not contain itself"
        )
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise make_refusal_error(
                    join(path, repr(name)), "must be a string", "use strings as property names"
                )
            _check_json(inner, join(path, name), depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _check_json(inner, f"{path}[{index}]", depth + 1)
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise make_refusal_error(
                path, "must be valid Unicode, got a lone surrogate", "decode the text again"
            )
    elif isinstance(value, float) and not isfinite(value):
        raise make_refusal_error(
            path, f"must be finite, got {value}", "pass a finite number, or leave it out"
        )
    elif isinstance(value, int) and value not in _INTEGERS:
        raise make_refusal_error(
            path, "must be an int of at most 64 bits, got a larger one", "pass it as text"
        )
    elif not (value is None or isinstance(value, (int, float))):
        raise make_refusal_error(
            path, f"must be a JSON value, got {type(value).__name__}", "pass it as text or number"
        )
