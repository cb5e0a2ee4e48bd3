"""Blocks as they come out of Markdown and HTML, before they have ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lark_emulator.docx.inline import Image
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Iterator

    Parts = list[dict[str, Any] | Image]


@dataclass(slots=True)
class BlockNode:
    """A block with its children; `url` is where the picture of an image block comes from."""

    block_type: int
    data: dict[str, Any]
    children: list[BlockNode] = field(default_factory=list)
    url: str = ""


def iterate_text_blocks(kind: int, parts: Parts, **style: Any) -> Iterator[BlockNode]:
    """Yield a block of text, and an image block for each picture in it.

    Args:
        kind: The type of the block.
        parts: The text elements and the pictures, in order.
        style: Members of the block's style, such as `done` for a to-do.
    """
    elements: list[dict[str, Any]] = []
    yielded = False
    for part in parts:
        if not isinstance(part, Image):
            elements.append(part)
            continue
        if elements:
            yield _make_block(kind, elements, style)
            elements, yielded = [], True
        yield make_image(part.url)
        yielded = True
    if elements or not yielded:
        yield _make_block(kind, elements, style)


def _make_block(kind: int, elements: list[dict[str, Any]], style: dict[str, Any]) -> BlockNode:
    looks: dict[str, Any] = {"align": 1, "folded": False}
    return BlockNode(kind, {"elements": elements, "style": (looks if kind != docx.CODE else {}) | style})


def make_image(url: str) -> BlockNode:
    """Return an image block, still without its picture."""
    return BlockNode(docx.IMAGE, {"width": 100, "height": 100, "token": ""}, url=url)


def make_plain(content: str) -> Parts:
    """Return text without any mark as one element."""
    style = dict.fromkeys(("bold", "inline_code", "italic", "strikethrough", "underline"), False)
    return [{"text_run": {"content": content, "text_element_style": style}}] if content else []


def make_code(content: str, language: str) -> BlockNode:
    """Return a block of code."""
    return next(
        iterate_text_blocks(
            docx.CODE, make_plain(content), language=LANGUAGES.get(language.lower(), 1), wrap=False
        )
    )


def make_table(rows: list[list[Parts]]) -> BlockNode:
    """Return a table; short rows are filled up with empty cells."""
    columns = max(len(row) for row in rows)
    node = BlockNode(
        docx.TABLE,
        {
            "cells": [],
            "property": {
                "row_size": len(rows),
                "column_size": columns,
                "column_width": [100] * columns,
                "header_row": True,
                "merge_info": [{"row_span": 1, "col_span": 1} for _ in range(len(rows) * columns)],
            },
        },
    )
    for row in rows:
        for parts in [*row, *([[]] * (columns - len(row)))]:
            node.children.append(BlockNode(docx.TABLE_CELL, {}, list(iterate_text_blocks(docx.TEXT, parts))))
    return node


_LANGUAGES = (
    "bash 7 csharp 8 cs 8 cpp 9 c++ 9 c 10 css 12 dart 15 dockerfile 18 go 22 groovy 23 html 24 json 28 "
    "java 29 javascript 30 js 30 kotlin 32 latex 33 lua 36 matlab 37 makefile 38 markdown 39 md 39 nginx "
    "40 php 43 perl 44 powershell 46 protobuf 48 python 49 py 49 r 50 ruby 52 rust 53 rs 53 sql 56 scala "
    "57 shell 60 sh 60 swift 61 thrift 62 typescript 63 ts 63 xml 66 yaml 67 yml 67 cmake 68 diff 69 "
    "graphql 71 toml 75"
)
_PAIRS = _LANGUAGES.split()
#: The numbers of languages of code blocks, by their names in Markdown.
LANGUAGES = dict(zip(_PAIRS[::2], map(int, _PAIRS[1::2]), strict=True))
