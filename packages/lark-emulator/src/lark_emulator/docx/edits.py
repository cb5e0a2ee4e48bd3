"""`PATCH …/blocks/:block_id` and `…/blocks/batch_update`: changes of what blocks hold."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx import schema, tables
from lark_emulator.docx.opened import EDITS, OpenDocument, edit_document
from lark_emulator.routing import Call, Route
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.world.docx import Block

    Change = Callable[[OpenDocument, Block, dict[str, Any]], None]

MAX_REQUESTS = 200
#: The members of a text's style, as `fields` numbers them.
STYLE_FIELDS = {
    1: "align",
    2: "done",
    3: "folded",
    4: "language",
    5: "wrap",
    6: "background_color",
    7: "indentation_level",
    8: "sequence",
}


def _set_elements(file: OpenDocument, block: Block, spec: dict[str, Any]) -> None:
    block.data["elements"] = schema.read_elements(file.call, spec.get("elements"))


def _set_style(_file: OpenDocument, block: Block, spec: dict[str, Any]) -> None:
    fields, style = spec.get("fields"), spec.get("style")
    if not isinstance(fields, list) or not isinstance(style, dict):
        raise RefusedError(codes.DOCX_PARAM)
    if not all(isinstance(field, int) and field in STYLE_FIELDS for field in fields):
        raise RefusedError(codes.DOCX_PARAM)
    named = {STYLE_FIELDS[field] for field in fields}
    filled = schema.read_style(block.block_type, {name: style.get(name) for name in named})
    block.data["style"] = block.data["style"] | {name: filled[name] for name in named if name in filled}


def _set_text(file: OpenDocument, block: Block, spec: dict[str, Any]) -> None:
    _set_elements(file, block, spec)
    if spec.get("fields"):
        _set_style(file, block, spec)


def _replace_media(*kinds: str) -> Change:
    """Return what gives an image or file block its media, which was uploaded to this very block."""

    def change(file: OpenDocument, block: Block, spec: dict[str, Any]) -> None:
        token = spec.get("token")
        media = file.call.world.drive.medias.get(token) if isinstance(token, str) else None
        if media is None or media.parent_type not in kinds or media.document != file.document.token:
            raise RefusedError(codes.DOCX_RELATION)
        if media.parent_node not in (block.block_id, file.document.token):
            raise RefusedError(codes.DOCX_RELATION)
        block.data["token"] = media.token
        if block.block_type == docx.FILE:
            block.data["name"] = media.name
        for name in ("width", "height", "align", "caption", "scale"):
            if spec.get(name) is not None:
                block.data[name] = spec[name]

    return change


def _set_task(_file: OpenDocument, block: Block, spec: dict[str, Any]) -> None:
    for name in ("task_id", "folded"):
        if spec.get(name) is not None:
            block.data[name] = spec[name]


_TABLE, _GRID = frozenset({docx.TABLE}), frozenset({docx.GRID})
CHANGES: dict[str, tuple[frozenset[int], Change]] = {
    "update_text_elements": (docx.TEXTS, _set_elements),
    "update_text_style": (docx.TEXTS, _set_style),
    "update_text": (docx.TEXTS, _set_text),
    "update_table_property": (_TABLE, tables.change),
    "insert_table_row": (_TABLE, tables.insert_row),
    "insert_table_column": (_TABLE, tables.insert_column),
    "delete_table_rows": (_TABLE, tables.delete_rows),
    "delete_table_columns": (_TABLE, tables.delete_columns),
    "merge_table_cells": (_TABLE, tables.merge),
    "unmerge_table_cells": (_TABLE, tables.unmerge),
    "insert_grid_column": (_GRID, tables.insert_grid_column),
    "delete_grid_column": (_GRID, tables.delete_grid_column),
    "update_grid_column_width_ratio": (_GRID, tables.resize_grid),
    "replace_image": (frozenset({docx.IMAGE}), _replace_media("docx_image")),
    "replace_file": (frozenset({docx.FILE}), _replace_media("docx_file")),
    "update_task": (frozenset({docx.TASK}), _set_task),
}


def _change(file: OpenDocument, block_id: Any, request: Any) -> Block:
    """Perform one change.

    Raises:
        RefusedError: 1770001 (not exactly one change), 1770002 (no such block), 1770025 (the change is not
            for blocks of its type), or what the change raises.
    """
    if not isinstance(request, dict) or not isinstance(block_id, str):
        raise RefusedError(codes.DOCX_PARAM)
    wanted = [name for name, spec in request.items() if name in CHANGES and spec is not None]
    if len(wanted) != 1 or not isinstance(request[wanted[0]], dict):
        raise RefusedError(codes.DOCX_PARAM)
    block = file.find_block(block_id)
    kinds, change = CHANGES[wanted[0]]
    if block.block_type not in kinds:
        raise RefusedError(codes.DOCX_OPERATION_BLOCK)
    change(file, block, request[wanted[0]])
    return block


def patch(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/blocks/:block_id`."""
    return edit_document(
        call,
        lambda file: {"block": _change_all(file, [(call.params["block_id"], file.read_body())])[0].render()},
    )


def batch_update(call: Call) -> dict[str, Any]:
    """Answer `PATCH …/blocks/batch_update`: all changes, or none."""
    return edit_document(call, _apply_batch)


def _apply_batch(file: OpenDocument) -> dict[str, Any]:
    requests = file.read_body().get("requests")
    if not isinstance(requests, list) or not 0 < len(requests) <= MAX_REQUESTS:
        raise RefusedError(codes.DOCX_PARAM)
    if not all(isinstance(request, dict) for request in requests):
        raise RefusedError(codes.DOCX_PARAM)
    blocks = _change_all(file, [(request.get("block_id"), request) for request in requests])
    return {"blocks": [block.render() for block in blocks]}


def _change_all(file: OpenDocument, requests: list[tuple[Any, Any]]) -> list[Block]:
    before = copy.deepcopy(file.docx.blocks)
    try:
        return [_change(file, block_id, request) for block_id, request in requests]
    except RefusedError:
        file.docx.blocks = before
        raise


_PATH = "/open-apis/docx/v1/documents/:document_id/blocks"
_CHANGES = "a media that was not uploaded to the block gets 1770013; merged cells keep their own blocks"

ROUTES = (
    Route("PATCH", f"{_PATH}/:block_id", patch, unconfirmed=(EDITS, _CHANGES)),
    Route("PATCH", f"{_PATH}/batch_update", batch_update, unconfirmed=(EDITS, _CHANGES)),
)
