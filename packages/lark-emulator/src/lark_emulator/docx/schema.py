"""What a block may hold: its content checked, and filled up as Lark shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.routing import Call

MAX_TEXT_LENGTH = 100_000
MAX_TABLE_CELLS = 2000
MAX_TABLE_COLUMNS = 100
GRID_COLUMNS = range(2, 6)

#: Types that may have children.
PARENTS = frozenset(
    {
        *(docx.PAGE, *range(docx.TEXT, docx.ORDERED + 1), docx.TODO, docx.CALLOUT, docx.GRID),
        *(docx.GRID_COLUMN, docx.TABLE, docx.TABLE_CELL, docx.QUOTE_CONTAINER, docx.TASK, docx.VIEW),
    }
)
#: Types that cannot be made: roots, what people alone make, and what can only be read.
NOT_CREATED = frozenset({docx.PAGE, 29, docx.VIEW, *range(36, 40), 42, *range(45, 48), 49, 50, 52, 999})
#: Types that stand in one kind of block only.
ONLY_IN = {docx.TABLE_CELL: docx.TABLE, docx.GRID_COLUMN: docx.GRID}
#: Types that cannot stand anywhere in a cell of a table.
NOT_IN_CELLS = frozenset({docx.TABLE, docx.SHEET, docx.BITABLE, docx.GRID})
#: Types that hold at least one block.
NEVER_EMPTY = frozenset({docx.TABLE_CELL, docx.GRID_COLUMN, docx.CALLOUT})

_STYLES = ("bold", "inline_code", "italic", "strikethrough", "underline")
_ELEMENTS = (
    *("text_run", "mention_user", "mention_doc", "reminder", "file"),
    *("inline_block", "equation", "link_preview"),
)


class BlockContent(NamedTuple):
    """The content of a block."""

    block_type: int
    data: dict[str, Any]


def read_content(call: Call, spec: Any) -> BlockContent:
    """Return type and content of a block that a request describes.

    Raises:
        RefusedError: 1770001 (no such type, or another than its content), 1770029 (a type that cannot be
            made), 1770006 (members that only Lark sets), or what the content's own check raises.
    """
    kind = spec.get("block_type") if isinstance(spec, dict) else None
    if not isinstance(kind, int) or isinstance(kind, bool) or kind not in docx.NAMES:
        raise RefusedError(codes.DOCX_PARAM)
    if kind in NOT_CREATED:
        raise RefusedError(codes.DOCX_NOT_CREATED)
    raw = spec.get(docx.NAMES[kind])
    if raw is None and kind not in docx.TEXTS:
        raw = {}
    if not isinstance(raw, dict):
        raise RefusedError(codes.DOCX_PARAM)
    if kind in docx.TEXTS:
        return BlockContent(kind, read_text(call, kind, raw))
    if kind == docx.TABLE:
        return BlockContent(kind, _read_table(raw))
    if kind == docx.GRID:
        size = raw.get("column_size")
        if not isinstance(size, int) or size not in GRID_COLUMNS:
            raise RefusedError(codes.DOCX_GRID_COLUMNS)
        return BlockContent(kind, {"column_size": size})
    if kind in (docx.IMAGE, docx.FILE) and raw.get("token"):
        raise RefusedError(codes.DOCX_RELATION)
    if kind == docx.CHAT_CARD:
        chat_id = raw.get("chat_id")
        chat = call.world.chats.get(chat_id) if isinstance(chat_id, str) else None
        if chat is None or call.app.app_id not in chat.bots:
            raise RefusedError(codes.DOCX_FORBIDDEN)
    return BlockContent(kind, dict(raw))


def read_text(call: Call, kind: int, raw: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a block of text.

    Raises:
        RefusedError: 1770001, or what `read_elements` and `style` raise.
    """
    return {"elements": read_elements(call, raw.get("elements")), "style": read_style(kind, raw.get("style"))}


def read_style(kind: int, raw: Any) -> dict[str, Any]:
    """Return the style of a block of text.

    Raises:
        RefusedError: 1770001.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict) or raw.get("align", 1) not in (1, 2, 3):
        raise RefusedError(codes.DOCX_PARAM)
    filled: dict[str, Any] = {"align": 1, "folded": False}
    if kind == docx.CODE:
        filled = {"language": 1, "wrap": False}
    if kind == docx.TODO:
        filled["done"] = False
    return filled | {name: value for name, value in raw.items() if value is not None}


def read_elements(call: Call, raw: Any) -> list[dict[str, Any]]:
    """Return the elements of a text, with their styles filled up.

    Raises:
        RefusedError: 1770001, 1770024 (a link where none may be), 1770032 (a person who is not there),
            1770033 (too long).
    """
    if not isinstance(raw, list):
        raise RefusedError(codes.DOCX_PARAM)
    filled = [_read_element(call, element) for element in raw]
    if sum(len(element.get("text_run", {}).get("content", "")) for element in filled) > MAX_TEXT_LENGTH:
        raise RefusedError(codes.DOCX_CONTENT_SIZE)
    return filled


def _read_element(call: Call, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise RefusedError(codes.DOCX_PARAM)
    names = [name for name, value in raw.items() if value is not None]
    if names == ["undefined"]:
        raise RefusedError(codes.DOCX_OPERATION)
    if len(names) != 1 or names[0] not in _ELEMENTS or not isinstance(raw[names[0]], dict):
        raise RefusedError(codes.DOCX_PARAM)
    name, value = names[0], dict(raw[names[0]])
    looks = value.get("text_element_style")
    looks = {} if looks is None else looks
    if not isinstance(looks, dict):
        raise RefusedError(codes.DOCX_PARAM)
    if looks.get("link") is not None and name != "text_run":
        raise RefusedError(codes.DOCX_OPERATION)
    if name in ("text_run", "equation") and not isinstance(value.get("content"), str):
        raise RefusedError(codes.DOCX_PARAM)
    if name == "mention_user":
        _check_person(call, value.get("user_id"))
    if name == "mention_doc" and not isinstance(value.get("token"), str):
        raise RefusedError(codes.DOCX_PARAM)
    styled = dict.fromkeys(_STYLES, False) | {k: v for k, v in looks.items() if v is not None}
    return {name: value | {"text_element_style": styled}}


def _check_person(call: Call, user_id: Any) -> None:
    id_type = call.query.get("user_id_type") or "open_id"
    try:
        user = call.world.find_user(call.app, id_type, user_id) if isinstance(user_id, str) else None
    except RefusedError:
        user = None
    if user is None:
        raise RefusedError(codes.DOCX_FORBIDDEN)


def _read_table(raw: dict[str, Any]) -> dict[str, Any]:
    looks = raw.get("property")
    if not isinstance(looks, dict):
        raise RefusedError(codes.DOCX_PARAM)
    if looks.get("merge_info"):
        raise RefusedError(codes.DOCX_SCHEMA)
    rows, columns = looks.get("row_size"), looks.get("column_size")
    for size in (rows, columns):
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise RefusedError(codes.DOCX_PARAM)
    assert isinstance(rows, int) and isinstance(columns, int)  # noqa: S101, PT018 - checked above
    if columns > MAX_TABLE_COLUMNS:
        raise RefusedError(codes.DOCX_COLUMNS)
    if rows * columns > MAX_TABLE_CELLS:
        raise RefusedError(codes.DOCX_CELLS)
    widths = looks.get("column_width") or [100] * columns
    if not isinstance(widths, list) or len(widths) != columns:
        raise RefusedError(codes.DOCX_PARAM)
    return {
        "cells": [],
        "property": {
            "row_size": rows,
            "column_size": columns,
            "column_width": list(widths),
            "header_row": looks.get("header_row") is True,
            "header_column": looks.get("header_column") is True,
            "merge_info": [{"row_span": 1, "col_span": 1} for _ in range(rows * columns)],
        },
    }


#: What one request may hold at most, by type of block.
_MAX_BLOCKS = {docx.IMAGE: 20, docx.FILE: 200, docx.CHAT_CARD: 200, docx.SHEET: 5}
_MAX_MENTIONS = 200


def check_resources(contents: Iterable[BlockContent]) -> None:
    """Check that a request does not hold too many images, files and the like.

    Raises:
        RefusedError: 1770035.
    """
    counts = dict.fromkeys(_MAX_BLOCKS, 0)
    mentions = 0
    for content in contents:
        if content.block_type in counts:
            counts[content.block_type] += 1
        for element in content.data.get("elements", ()):
            mentions += "mention_user" in element or "mention_doc" in element
    if mentions > _MAX_MENTIONS or any(counts[kind] > most for kind, most in _MAX_BLOCKS.items()):
        raise RefusedError(codes.DOCX_RESOURCES)
