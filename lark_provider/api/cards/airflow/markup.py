"""Escape untrusted text for a card, so that it cannot act as markup."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"[&<>*~`\[\]()!#\\]|(?<!\w)_+|_+(?!\w)")
"""Underscores inside of a word are shown; those around one make it bold or slanted."""
_TAG = re.compile(r"<(?=[/a-zA-Z])")
_FENCE = re.compile(r"`{3,}")


def escape(text: str) -> str:
    """Return Markdown that Lark shows as the text itself: an error's text must not mention a whole chat."""
    return _MARKUP.sub(lambda match: "".join(f"&#{ord(sign)};" for sign in match[0]), text)


def strip_tags(text: str) -> str:
    """Return a text without tags, for places where Lark shows entities literally.

    An invisible character breaks up each tag, so that `<at …>` mentions no user.
    """
    return _TAG.sub("<\u200b", text)


def render_link(label: str, url: str) -> str:
    """Return a Markdown link."""
    return f"[{escape(label)}]({url.replace('(', '%28').replace(')', '%29').replace(' ', '%20')})"


def fence(text: str) -> str:
    """Return a code block whose text can neither end it nor hold a tag."""
    return "```\n" + strip_tags(_FENCE.sub("'''", text)) + "\n```"
