"""Blocks made from a request and put into a document, each with the blocks that it cannot be without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx.schema import NEVER_EMPTY, NOT_IN_CELLS, ONLY_IN, PARENTS, BlockContent
from lark_emulator.drive.objects import add_object
from lark_emulator.world import docx
from lark_emulator.world.docx import Block
from lark_emulator.world.drive import BITABLE, SHEET
from lark_emulator.world.sheets import Spreadsheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lark_emulator.docx.opened import OpenDocument
    from lark_emulator.routing import Call


def make_id(call: Call) -> str:
    """Return the id of a new block."""
    return call.world.make_id("doxcn", 22)


def make_empty_text(call: Call) -> Block:
    """Return an empty paragraph."""
    return Block(make_id(call), docx.TEXT, {"elements": [], "style": {"align": 1, "folded": False}})


def check_index(parent: Block, index: Any) -> int:
    """Return where among the children of a block new ones go.

    Args:
        parent: The block whose children the new blocks become.
        index: The index of the child before which they go, from 0; None and -1 = after the last one.

    Raises:
        RefusedError: 1770001 (no such place).
    """
    count = len(parent.children)
    place = -1 if index is None else index
    if not isinstance(place, int) or isinstance(place, bool) or not -1 <= place <= count:
        raise RefusedError(codes.DOCX_PARAM)
    return count if place == -1 else place


def place_blocks(parent: Block, children: Sequence[Block], at: int | None = None) -> None:
    """Put blocks, which are in the document already, among the children of one, at the end if not said."""
    at = len(parent.children) if at is None else at
    parent.children[at:at] = [child.block_id for child in children]
    for child in children:
        child.parent_id = parent.block_id


def check_relation(file: OpenDocument, parent: Block, kind: int) -> None:
    """Check that a block of a type may be inside another.

    Raises:
        RefusedError: 1770028 (it takes no children), 1770030 (not this one).
    """
    if parent.block_type not in PARENTS:
        raise RefusedError(codes.DOCX_NO_CHILDREN)
    alone = parent.block_type in ONLY_IN.values()
    if (alone or kind in ONLY_IN) and ONLY_IN.get(kind) != parent.block_type:
        raise RefusedError(codes.DOCX_BAD_PARENT)
    ancestor: Block | None = parent
    while ancestor is not None and kind in NOT_IN_CELLS:
        if ancestor.block_type == docx.TABLE_CELL:
            raise RefusedError(codes.DOCX_BAD_PARENT)
        ancestor = file.docx.blocks.get(ancestor.parent_id)


def add(
    file: OpenDocument, content: BlockContent, block_id: str | None = None, *, bare: bool = False
) -> Block:
    """Add a block to a document, without a place among other blocks.

    Args:
        file: The document to add the block to.
        content: The type and the content of the block.
        block_id: The block's id; generated if absent.
        bare: Whether to leave out the blocks that it needs, because the request describes them itself.

    Returns:
        The block; for a file its view, which holds it.
    """
    call, data = file.call, content.data
    block = Block(block_id or make_id(call), content.block_type, data)
    file.docx.blocks[block.block_id] = block
    if block.block_type in (docx.SHEET, docx.BITABLE, docx.BOARD):
        block.data = data | {"token": _embed(call, block.block_type, data)}
    if bare:
        return block
    if block.block_type == docx.TABLE:
        looks = data["property"]
        fill_table(file, block, range(looks["row_size"] * looks["column_size"]))
    elif block.block_type == docx.GRID:
        columns = [
            add(file, BlockContent(docx.GRID_COLUMN, {"width_ratio": 100 // data["column_size"]}))
            for _ in range(data["column_size"])
        ]
        place_blocks(block, columns)
    elif block.block_type in NEVER_EMPTY:
        paragraph = make_empty_text(call)
        file.docx.blocks[paragraph.block_id] = paragraph
        place_blocks(block, [paragraph])
    elif block.block_type == docx.FILE:
        view = Block(make_id(call), docx.VIEW, {"view_type": data.get("view_type", 1)})
        file.docx.blocks[view.block_id] = view
        place_blocks(view, [block])
        return view
    return block


def fill_table(file: OpenDocument, table: Block, places: Sequence[int]) -> None:
    """Put an empty cell into a table at each of these places, counted row by row, the least first."""
    for place in places:
        cell = add(file, BlockContent(docx.TABLE_CELL, {}))
        place_blocks(table, [cell], place)
    table.data["cells"] = list(table.children)


def _embed(call: Call, kind: int, data: dict[str, Any]) -> str:
    """Make the base, spreadsheet or board that a block shows, and return its token as the block has it."""
    if kind == docx.BITABLE:
        document = add_object(call, BITABLE, "")
        return f"{document.token}_{next(iter(call.world.bases[document.token].tables))}"
    if kind == docx.SHEET:
        document = add_object(call, SHEET, "")
        book = document.content
        assert isinstance(book, Spreadsheet)  # noqa: S101 - that is what was asked for
        sheet = next(iter(book.sheets.values()))
        rows, columns = data.get("row_size"), data.get("column_size")
        if isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0:
            sheet.grid.row_count, sheet.grid.column_count = rows, columns
        return f"{document.token}_{sheet.sheet_id}"
    return call.world.make_id("bdcn", 22)
