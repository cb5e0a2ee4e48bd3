"""Make foreign text fit for a card: shortened, and unable to act as markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MARKUP = re.compile(r"[&<>*~`\[\]()!#\\]")
_TAG = re.compile(r"<(?=[/a-zA-Z])")
_FENCE = re.compile(r"`{3,}")


def clip(text: str, limit: int) -> str:
    """A text in one line of at most `limit` characters."""
    line = " ".join(text[: 8 * limit].split())
    return line if len(line) <= limit and len(text) <= 8 * limit else line[: limit - 1] + "…"


def escape(text: str) -> str:
    """A text that Lark's Markdown shows as it stands: an exception's words must not mention everybody."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)


def untagged(text: str) -> str:
    """A text that holds no tag where entities would be shown as they are written.

    An invisible character takes each apart, so that `<at …>` mentions nobody.
    """
    return _TAG.sub("<\u200b", text)


def whole(text: str) -> str:
    """A text without halves of surrogate pairs, which JSON cannot hold.

    They stand for bytes that are no text, as in names of files, and are written out as Python writes them.
    """
    return text.encode(errors="backslashreplace").decode()


def sendable(value: Any) -> Any:
    """Content whose texts are all `whole`."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, Mapping):
        return {name: sendable(one) for name, one in value.items()}
    return [sendable(one) for one in value] if isinstance(value, list | tuple) else value


def link(label: str, url: str) -> str:
    """A Markdown link."""
    return f"[{escape(label)}]({url.replace('(', '%28').replace(')', '%29').replace(' ', '%20')})"


def fence(text: str) -> str:
    """A code block whose text can neither end it nor hold a tag."""
    return "```\n" + untagged(_FENCE.sub("'''", text)) + "\n```"


def shorten(text: str, limit: int, left_out: str) -> str:
    """Keep the head and the larger tail of a text: where it began, and what went wrong in the end.

    Args:
        text: A traceback.
        limit: Characters to keep, about.
        left_out: What stands for the rest; `{lines}` is the number of lines left out.

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
