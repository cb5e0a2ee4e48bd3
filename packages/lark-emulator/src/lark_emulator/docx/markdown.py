"""Markdown as blocks: headings, lists, to-dos, quotes, code, tables, pictures, paragraphs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lark_emulator.docx import inline, nodes
from lark_emulator.docx.nodes import BlockNode
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)")
_HEADING = re.compile(r" {0,3}(?P<level>#{1,9})[ \t]+(?P<text>.*)")
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_ITEM = re.compile(
    r"(?P<indent>[ \t]*)(?P<mark>[-*+]|\d{1,9}[.)])[ \t]+(?P<box>\[[ xX]\][ \t]+)?(?P<text>.*)"
)
_DELIMITERS = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_TAB = 4
#: Lists deeper than this go on at this level.
DEEPEST = 50


def iterate_blocks(content: str) -> Iterator[BlockNode]:
    """Yield the first level of blocks of a text, one after the other."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    place = 0
    while place < len(lines):
        line = lines[place]
        if not line.strip():
            place += 1
            continue
        block_nodes, place = _parse_block(lines, place)
        yield from block_nodes


def _parse_block(lines: list[str], place: int) -> tuple[list[BlockNode], int]:
    """Return the blocks that begin at a line, and where the next ones begin."""
    line = lines[place]
    fence = _FENCE.match(line)
    if fence is not None:
        return _parse_code(lines, place, fence["fence"], fence["language"])
    heading = _HEADING.fullmatch(line)
    if heading is not None:
        kind = docx.HEADING1 + len(heading["level"]) - 1
        words = re.sub(r"(?:^|[ \t]+)#+[ \t]*$", "", heading["text"])
        return list(nodes.iterate_text_blocks(kind, inline.parse(words.strip()))), place + 1
    if _RULE.fullmatch(line):
        return [BlockNode(docx.DIVIDER, {})], place + 1
    if _QUOTE.match(line):
        return _parse_quote(lines, place)
    if _ITEM.fullmatch(line):
        return _parse_list(lines, place)
    if _begins_table(lines, place):
        return _parse_table(lines, place)
    end = place + 1
    while end < len(lines) and not _begins(lines, end):
        end += 1
    words = "\n".join(text_line.strip() for text_line in lines[place:end])
    return list(nodes.iterate_text_blocks(docx.TEXT, inline.parse(words))), end


def _begins(lines: list[str], place: int) -> bool:
    """Return whether a line ends the paragraph before it."""
    line = lines[place]
    starts = (_FENCE.match(line), _HEADING.fullmatch(line), _RULE.fullmatch(line), _QUOTE.match(line))
    return not line.strip() or any(starts) or _ITEM.fullmatch(line) is not None


def _parse_code(lines: list[str], place: int, fence: str, language: str) -> tuple[list[BlockNode], int]:
    end = place + 1
    while end < len(lines) and not _closes(lines[end], fence):
        end += 1
    return [nodes.make_code("\n".join(lines[place + 1 : end]), language)], end + 1


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and set(bare) == {fence[0]}


def _parse_quote(lines: list[str], place: int) -> tuple[list[BlockNode], int]:
    end = place
    inside = []
    while end < len(lines) and (mark := _QUOTE.match(lines[end])):
        inside.append(lines[end][mark.end() :].strip())
        end += 1
    return list(nodes.iterate_text_blocks(docx.QUOTE, inline.parse("\n".join(inside)))), end


def _parse_list(lines: list[str], place: int) -> tuple[list[BlockNode], int]:
    """Return the items of a list, those that are indented further below those before them."""
    first: list[BlockNode] = []
    above: list[tuple[int, BlockNode]] = []
    while place < len(lines):
        item = _ITEM.fullmatch(lines[place])
        if item is None:
            following = lines[place]
            if not above or not following.strip() or _begins(lines, place) or not following[0].isspace():
                break
            _continue(above[-1][1], following.strip())
            place += 1
            continue
        indent = len(item["indent"].expandtabs(_TAB))
        while above and (above[-1][0] >= indent or len(above) >= DEEPEST):
            above.pop()
        among = above[-1][1].children if above else first
        item_nodes = list(_parse_item(item))
        among.extend(item_nodes)
        above.append((indent, item_nodes[0]))
        place += 1
        if place + 1 < len(lines) and not lines[place].strip() and _ITEM.fullmatch(lines[place + 1]):
            place += 1  # a blank line between two items
    return first, place


def _parse_item(item: re.Match[str]) -> Iterator[BlockNode]:
    parts = inline.parse(item["text"].strip())
    if item["box"]:
        return nodes.iterate_text_blocks(docx.TODO, parts, done=item["box"][1] in "xX")
    return nodes.iterate_text_blocks(docx.ORDERED if item["mark"][0].isdigit() else docx.BULLET, parts)


def _continue(node: BlockNode, words: str) -> None:
    if "elements" in node.data:
        more = [part for part in inline.parse("\n" + words) if isinstance(part, dict)]
        node.data["elements"].extend(more)


def _begins_table(lines: list[str], place: int) -> bool:
    following = lines[place + 1] if place + 1 < len(lines) else ""
    return "|" in lines[place] and "-" in following and _DELIMITERS.fullmatch(following) is not None


def _parse_table(lines: list[str], place: int) -> tuple[list[BlockNode], int]:
    end = place + 2
    while end < len(lines) and "|" in lines[end]:
        end += 1
    rows = [_split_cells(lines[place]), *map(_split_cells, lines[place + 2 : end])]
    columns = len(rows[0])
    return [nodes.make_table([[inline.parse(cell) for cell in row[:columns]] for row in rows])], end


def _split_cells(line: str) -> list[str]:
    bare = line.strip()
    bare = bare.removeprefix("|")
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [cell.replace("\\|", "|").strip() for cell in re.split(r"(?<!\\)\|", bare)]
