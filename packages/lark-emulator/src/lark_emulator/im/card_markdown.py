"""What the emulator reads in the Markdown of a card: tables, mentions, pictures."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_AT = re.compile(r"<at\s+(?:id|ids|user_id|email)\s*=\s*[\"']?([^\"'\s>]+)")
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_MARKS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|~~|__|</?(?:font|at|text_tag)\b[^>]*>")
_PICTURE = re.compile(r"!\[[^\]\n]*\]\(\s*([^)\s]+)")


def _without_fences(text: str) -> str:
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        match = _FENCE.match(line)
        if fence:
            closes = match is not None and match[1].startswith(fence) and not line.strip(f"{fence[0]} ")
            fence = "" if closes else fence
        elif match:
            fence = match[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def remove_code(text: str) -> str:
    """Return a text without its code, in which markup means nothing."""
    return _CODE.sub("", _without_fences(text)) if "`" in text or "~~~" in text else text


def count_tables(text: str, *, fenced: bool) -> int:
    """Count the tables: a line with a pipe over a line of hyphens and pipes.

    Args:
        text: The Markdown text of a card.
        fenced: Whether tables in code fences count as well.
    """
    lines = (text if fenced else _without_fences(text)).split("\n")
    return sum(
        "|" in head and "|" in rule and _RULE.fullmatch(rule) is not None for head, rule in pairwise(lines)
    )


def iterate_mentions(text: str) -> Iterator[str]:
    """Iterate over the ids and addresses in `<at …>`."""
    for ids in _AT.findall(text):
        yield from filter(None, ids.split(","))


def remove_marks(text: str) -> str:
    """Return a text without the marks of Markdown: what is bold, a link or coloured is plain then."""
    return _MARKS.sub("", _LINK.sub(r"\1", text))


def iterate_pictures(text: str) -> Iterator[str]:
    """Iterate over the keys in `![…](…)`."""
    yield from _PICTURE.findall(text)
