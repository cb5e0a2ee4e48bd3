"""HTML as blocks: headings, lists, quotes, code, tables, pictures, paragraphs."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from lark_emulator.docx import nodes
from lark_emulator.docx.inline import Runs
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.docx.nodes import BlockNode, Parts

_LOOKS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "del": "strikethrough",
    "strike": "strikethrough",
    "code": "inline_code",
}
_BREAKS = frozenset(
    {"p", "div", "section", "article", "ul", "ol", "table", "blockquote", "pre", "hr", "body"}
)
#: Lists deeper than this go on at this level.
_DEEPEST = 50
#: Characters that are read at once.
_PIECE = 4096
_SILENT = frozenset({"script", "style", "head", "title"})


def iterate_blocks(content: str) -> Iterator[BlockNode]:
    """Yield the first level of blocks of a text, one after the other."""
    reader = _Reader()
    for start in range(0, len(content), _PIECE):
        reader.feed(content[start : start + _PIECE])
        yield from reader.made[:-1]
        del reader.made[:-1]  # the last one may still get children
    reader.close()
    reader.end_text()
    yield from reader.made


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.made: list[BlockNode] = []
        self._lists: list[tuple[str, list[BlockNode]]] = []
        self._runs = Runs()
        self._kind = docx.TEXT
        self._looks: list[tuple[str, dict[str, Any]]] = []
        self._silent = 0
        self._code: list[str] | None = None
        self._language = ""
        self._rows: list[list[Parts]] | None = None

    @property
    def _among(self) -> list[BlockNode]:
        return self._lists[-1][1] if self._lists else self.made

    def end_text(self) -> None:
        """Put the text that was read so far into a block."""
        self._runs.close()
        parts, self._runs = self._runs.parts, Runs()
        if parts and isinstance(parts[-1], dict):
            parts[-1]["text_run"]["content"] = parts[-1]["text_run"]["content"].rstrip(" ")
            if not parts[-1]["text_run"]["content"]:
                parts.pop()
        if self._rows is not None:
            if self._rows and self._rows[-1] and parts:
                self._rows[-1][-1] += parts
            return
        if parts:
            text_blocks = list(nodes.iterate_text_blocks(self._kind, parts))
            self._among.extend(text_blocks)
        self._kind = docx.QUOTE if self._kind == docx.QUOTE else docx.TEXT

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        elif self._code is not None:
            if tag == "code" and attributes.get("class", "").startswith("language-"):
                self._language = attributes["class"].removeprefix("language-")
        elif tag in _LOOKS:
            self._looks.append((tag, {_LOOKS[tag]: True}))
        elif tag == "a":
            self._looks.append((tag, {"link": attributes.get("href", "")}))
        elif tag == "br":
            self._write("\n")
        elif tag == "img" and attributes.get("src"):
            self._runs.add_picture(attributes["src"])
        else:
            self._begin(tag)

    def _begin(self, tag: str) -> None:
        if tag in _BREAKS or _get_level(tag) or tag == "li":
            self.end_text()
        if _get_level(tag):
            self._kind = docx.HEADING1 + _get_level(tag) - 1
        elif tag == "blockquote":
            self._kind = docx.QUOTE
        elif tag == "pre":
            self._code, self._language = [], ""
        elif tag == "hr":
            self._among.append(nodes.BlockNode(docx.DIVIDER, {}))
        elif tag in ("ul", "ol"):
            below = self._among
            deeper = bool(self._lists and below) and len(self._lists) < _DEEPEST
            inside = below[-1].children if deeper else below
            self._lists.append((tag, inside))
        elif tag == "li":
            self._kind = docx.ORDERED if self._lists and self._lists[-1][0] == "ol" else docx.BULLET
        elif tag == "table":
            self._rows = []
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append([])

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "pre" and self._code is not None:
            self._among.append(nodes.make_code("".join(self._code).strip("\n"), self._language))
            self._code = None
        elif any(tag == name for name, _ in self._looks):
            place = max(n for n, (name, _) in enumerate(self._looks) if name == tag)
            del self._looks[place]
        elif tag in ("td", "th"):
            self.end_text()
        elif tag == "table" and self._rows is not None:
            self.end_text()
            rows, self._rows = [row for row in self._rows if row], None
            if rows:
                self._among.append(nodes.make_table(rows))
        elif tag in _BREAKS or _get_level(tag) or tag == "li":
            self.end_text()
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()
            elif tag == "blockquote":
                self._kind = docx.TEXT

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._code is not None:
            self._code.append(data)
            return
        words = " ".join(data.split())
        before = " " if data[:1].isspace() and self._runs.is_open else ""
        after = " " if words and data[-1:].isspace() else ""
        self._write(f"{before}{words}{after}")

    def _write(self, words: str) -> None:
        look: dict[str, Any] = {}
        for _, style in self._looks:
            look |= style
        self._runs.add(words, **look)


def _get_level(tag: str) -> int:
    return int(tag[1]) if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456789" else 0  # noqa: PLR2004
