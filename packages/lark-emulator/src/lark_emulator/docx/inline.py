"""Text with marks, as elements of a block: the inline part of Markdown. Takes time linear in its length."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

PLAIN = ("bold", "inline_code", "italic", "strikethrough", "underline")
_TOKENS = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|!\[(?P<alt>[^\[\]]*)\]\((?P<image>[^()\s]+)(?:\s+\"[^\"]*\")?\)"
    r"|\[(?P<label>[^\[\]]*)\]\((?P<link>[^()\s]+)(?:\s+\"[^\"]*\")?\)"
    r"|<(?P<address>https?://[^<>\s]+)>"
    r"|(?P<mark>\*\*|__|~~|\*|_)"
)
_MARKS = {"**": "bold", "__": "bold", "*": "italic", "_": "italic", "~~": "strikethrough"}
#: What `quote` leaves as it is in the address of a link, which Lark wants encoded.
_SAFE = ""


@dataclass(slots=True)
class Image:
    """A picture between texts, by its address."""

    url: str


@dataclass(slots=True)
class Runs:
    """Elements that grow: runs of the same look become one; pictures stand between them."""

    parts: list[dict[str, Any] | Image] = field(default_factory=list)
    _look: dict[str, Any] | None = None
    _text: list[str] = field(default_factory=list)

    def add(self, text: str, **look: Any) -> None:
        """Append text; `link` is an address, all else a style that it has."""
        if not text:
            return
        style: dict[str, Any] = dict.fromkeys(PLAIN, False) | {name: True for name in PLAIN if look.get(name)}
        if look.get("link"):
            style["link"] = {"url": quote(look["link"], safe=_SAFE)}
        if style != self._look:
            self.close()
            self._look = style
        self._text.append(text)

    @property
    def is_open(self) -> bool:
        """Whether there is anything in it."""
        return bool(self._text or self.parts)

    def add_picture(self, url: str) -> None:
        """Append a picture."""
        self.close()
        self.parts.append(Image(url))

    def close(self) -> None:
        """End the run that is being written."""
        if self._text:
            run = {"content": "".join(self._text), "text_element_style": self._look}
            self.parts.append({"text_run": run})
        self._look, self._text = None, []


def parse(text: str, **look: Any) -> list[dict[str, Any] | Image]:
    """Return the elements and pictures of a line of Markdown.

    Args:
        text: The line of Markdown.
        look: Styles that the whole line has, such as `bold=True`.
    """
    runs, tokens = Runs(), list(_TOKENS.finditer(text))
    left = Counter(token["mark"] for token in tokens if token["mark"])
    ticks: dict[int, list[int]] = defaultdict(list)
    for token in tokens:
        if token["ticks"]:
            ticks[len(token["ticks"])].append(token.start())
    state, place = dict(look), 0
    for token in tokens:
        if token.start() < place:  # inside a code span
            if token["mark"]:
                left[token["mark"]] -= 1
            continue
        runs.add(text[place : token.start()], **state)
        place = token.end()
        if token["escaped"]:
            runs.add(token["escaped"], **state)
        elif token["ticks"]:
            place = _add_code(runs, text, token, ticks[len(token["ticks"])], state)
        elif token["image"]:
            runs.add_picture(token["image"])
        elif token["link"]:
            runs.add(token["label"], **state, link=token["link"])
        elif token["address"]:
            runs.add(token["address"], **state, link=token["address"])
        else:
            mark = token["mark"]
            left[mark] -= 1
            if not _turn(text, token, state, left[mark]):
                runs.add(mark, **state)
    runs.add(text[place:], **state)
    runs.close()
    return runs.parts


def _add_code(runs: Runs, text: str, token: re.Match[str], same: list[int], state: dict[str, Any]) -> int:
    """Append a code span, or the ticks themselves if none ends it, and return where the text goes on."""
    end = bisect_right(same, token.start())
    if end == len(same):
        runs.add(token["ticks"], **state)
        return token.end()
    code = text[token.end() : same[end]]
    if len(code) > 2 and code[0] == code[-1] == " " and code.strip():  # noqa: PLR2004 - one at each end
        code = code[1:-1]
    runs.add(code, **{**state, "inline_code": True})
    return same[end] + len(token["ticks"])


def _turn(text: str, token: re.Match[str], state: dict[str, Any], left: int) -> bool:
    """Begin or end what a mark marks; say whether it was one."""
    mark, name = token["mark"], _MARKS[token["mark"]]
    before = text[token.start() - 1] if token.start() else " "
    after = text[token.end()] if token.end() < len(text) else " "
    if state.get(name) == mark:
        if before.isspace() or (mark[0] == "_" and after.isalnum()):
            return False
        del state[name]
        return True
    if state.get(name) or not left or after.isspace() or (mark[0] == "_" and before.isalnum()):
        return False
    state[name] = mark
    return True
