"""Convert the Markdown of a DAG's author for a card, which supports less of it than Airflow's page."""

from __future__ import annotations

import re

from lark_provider.api.cards.values import MARKDOWN_TABLE
from lark_provider.support.text import escape_surrogates

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_CODE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)|\Z)|(?P<ticks>`+)[^`]+?(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
_AUTOLINK = re.compile(r"<(https?://[^\s<>]+)>")
_TAG = re.compile(r"<(?=[/!?a-zA-Z])")
_PICTURE = re.compile(r"!(?=\[)")
_MAX_TABLES = 4
"""The most tables in one component."""


def render_card_markdown(text: str, limit: int, shortened: str) -> str:
    """Return Markdown that is valid on a card and cannot mention anybody.

    Tags are shown literally, since Lark would act on its own, such as `<at id=all>`, and may refuse others.
    Pictures become links, since cards show uploaded pictures only. A text that is too long, or has too many
    tables, is cut.

    Args:
        text: Markdown, as Airflow's page shows it.
        limit: The most characters of the text.
        shortened: The line that replaces the rest.
    """
    kept, cut = _cut(escape_surrogates(text).replace("\r\n", "\n").strip("\n"), limit)
    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(kept):
        # Lark shows entities literally in code; an invisible character breaks up tags and pictures instead,
        # which also holds where Lark sees no code.
        parts += [
            _neutralize(kept[end : code.start()]),
            _PICTURE.sub("!\u200b", _TAG.sub("<\u200b", code[0])),
        ]
        end = code.end()
    shown = "".join([*parts, _neutralize(kept[end:])])
    return f"{shown}{_find_closing_fence(shown)}\n\n{shortened}" if cut else shown


def _neutralize(text: str) -> str:
    return _PICTURE.sub("", _TAG.sub("&#60;", _AUTOLINK.sub(r"[\1](\1)", text)))


def _cut(text: str, limit: int) -> tuple[str, bool]:
    """Return the beginning of a text, if possible whole lines, and whether something is missing."""
    tables = [match.start() for match in MARKDOWN_TABLE.finditer(text)]
    end = tables[_MAX_TABLES] if len(tables) > _MAX_TABLES else len(text)
    if end > limit:
        line = text.rfind("\n", limit // 2, limit)
        end = limit if line < 0 else line
    return text[:end].rstrip() if end < len(text) else text, end < len(text)


def _find_closing_fence(text: str) -> str:
    """Return the fence that closes a code block that was cut."""
    open_fence = ""
    for match in _FENCE.finditer(text):
        if not open_fence:
            open_fence = match[1]
        elif match[1].startswith(open_fence):
            open_fence = ""
    return f"\n{open_fence}" if open_fence else ""
