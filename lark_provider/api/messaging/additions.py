"""Add to a message: a line to a card, or the mark of a redirected message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def mark_redirected(content: Any, msg_type: str, instead_of: str, mentions: Sequence[str] = ()) -> Any:
    """Return a redirected message that names the intended receiver, and notifies no other user.

    Args:
        content: The content of the message: text; for `post` Markdown or Lark's own form; for `interactive` a
            card; for other types their content object.
        msg_type: Lark's name for the type of the message.
        instead_of: The intended receiver.
        mentions: The intended mentions, which are named without a notification.

    Returns:
        The content with a mark; unchanged if its type holds no text, or the card is made from a template.
    """
    mark = f"[→ {' '.join([instead_of, *(f'@{who}' for who in mentions)])}]"
    if msg_type == "interactive":
        return with_element(content, _escape(mark), first=True)
    if msg_type == "text" and isinstance(content, str):
        return f"{mark} {content}"
    if msg_type == "post":
        if isinstance(content, str):
            return f"{_escape(mark)} {content}"
        line = [{"tag": "text", "text": mark}]
        return {
            language: {**post, "content": [line, *post["content"]]}
            if isinstance(post, Mapping) and isinstance(post.get("content"), list)
            else post
            for language, post in content.items()
        }
    return content


def with_element(card: Any, text: str, *, first: bool = False) -> Any:
    """Return a card with an additional Markdown element.

    Args:
        card: Card JSON, as a dict or as text.
        text: The element's content.
        first: Whether the element is placed first instead of last.

    Returns:
        The new card; the old one if it has no elements of its own, or is not a card.
    """
    parsed = _parse_card(card)
    if parsed is None:
        return card
    element = {"tag": "markdown", "content": text}
    body = parsed.get("body")
    holder = body if isinstance(body, Mapping) else parsed
    elements = holder.get("elements", [] if holder is body else None)
    if not isinstance(elements, list):
        return card
    longer = {**holder, "elements": [element, *elements] if first else [*elements, element]}
    return {**parsed, "body": longer} if holder is body else longer


def _parse_card(card: Any) -> Mapping[str, Any] | None:
    """Return a card's JSON as a dict; None if it is not a card: the client has a better error for that."""
    try:
        parsed = json.loads(card) if isinstance(card, str) else card
    except ValueError:
        return None
    return parsed if isinstance(parsed, Mapping) else None


def _escape(text: str) -> str:
    return "".join(f"&#{ord(char)};" if char in "<>*`&~" else char for char in text)
