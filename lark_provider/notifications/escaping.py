"""Shorten and escape untrusted text for a card, so that it cannot act as markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MARKUP = re.compile(r"[&<>*~`\[\]()!#\\]")
_TAG = re.compile(r"<(?=[/a-zA-Z])")
_FENCE = re.compile(r"`{3,}")


def clip(text: str, limit: int) -> str:
    """Return a text in one line of at most `limit` characters."""
    line = " ".join(text[: 8 * limit].split())
    return line if len(line) <= limit and len(text) <= 8 * limit else line[: limit - 1] + "…"


def escape(text: str) -> str:
    """Return Markdown that Lark shows as the text itself: an error's text must not mention a whole chat."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)


def untagged(text: str) -> str:
    """Return a text without tags, for places where Lark shows entities literally.

    An invisible character breaks up each tag, so that `<at …>` mentions no user.
    """
    return _TAG.sub("<\u200b", text)


def whole(text: str) -> str:
    """Return a text without lone surrogates, which JSON cannot hold.

    They stand for undecodable bytes, as in names of files, and are replaced by Python's escapes.
    """
    return text.encode(errors="backslashreplace").decode()


def sendable(value: Any) -> Any:
    """Return content with `whole` applied to each text in it."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {name: sendable(one) for name, one in value.items()}
    return [sendable(one) for one in value] if isinstance(value, list | tuple) else value


def link(label: str, url: str) -> str:
    """Return a Markdown link."""
    return f"[{escape(label)}]({url.replace('(', '%28').replace(')', '%29').replace(' ', '%20')})"


def fence(text: str) -> str:
    """Return a code block whose text can neither end it nor hold a tag."""
    return "```\n" + untagged(_FENCE.sub("'''", text)) + "\n```"


def shorten(text: str, limit: int, left_out: str) -> str:
    """Return the head and the larger tail of a text, which have a traceback's entry point and error.

    Args:
        text: A traceback.
        limit: Characters to keep, approximately.
        left_out: What replaces the rest; `{lines}` is the number of lines left out.

    Returns:
        The text itself if it is short enough.
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 3], text[-(limit - limit // 3) :]
    # Whole lines read better, unless one line is most of what is kept.
    if (end := head.rfind("\n")) > len(head) // 2:
        head = head[:end]
    if 0 <= (start := tail.find("\n")) < len(tail) // 2:
        tail = tail[start + 1 :]
    lines = text.count("\n") - head.count("\n") - tail.count("\n") - 1
    return f"{head}\n{left_out.format(lines=max(1, lines))}\n{tail}"
