"""The tree of blocks that `descendant` is given, with ids that its request made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx.schema import (
    NEVER_EMPTY,
    NOT_IN_CELLS,
    ONLY_IN,
    PARENTS,
    BlockContent,
    check_resources,
    read_content,
)
from lark_emulator.world import docx

if TYPE_CHECKING:
    from lark_emulator.docx.opened import OpenDocument
    from lark_emulator.routing import Call
    from lark_emulator.world.docx import Block

MAX_DESCENDANTS = 1000


class Tree:
    """Blocks by the ids that a request gave them.

    Args:
        call: The request that contains the blocks.
        body: The request's JSON body, with `children_id` and `descendants`.

    Raises:
        RefusedError: 1770001 (a list is missing, empty or too long), 1770019 (an id comes twice), 1770006 or
            1770014 (an id leads nowhere, or a block is not among the children of exactly one), or what
            `read_content` raises.
    """

    def __init__(self, call: Call, body: dict[str, Any]) -> None:
        self.first = _read_ids(body.get("children_id"))
        specs = body.get("descendants")
        if not self.first or not isinstance(specs, list) or not 0 < len(specs) <= MAX_DESCENDANTS:
            raise RefusedError(codes.DOCX_PARAM)
        self.contents: dict[str, BlockContent] = {}
        self.children: dict[str, list[str]] = {}
        for spec in specs:
            content = read_content(call, spec)
            name = spec.get("block_id")
            if not isinstance(name, str) or not name:
                raise RefusedError(codes.DOCX_PARAM)
            if name in self.contents:
                raise RefusedError(codes.DOCX_REPEATED_ID)
            self.contents[name] = content
            self.children[name] = _read_ids(spec.get("children"))
            if content.block_type == docx.FILE:
                raise RefusedError(codes.DOCX_NOT_CREATED)
        check_resources(self.contents.values())
        self._check_family()

    def _check_family(self) -> None:
        named = [*self.first, *(child for children in self.children.values() for child in children)]
        if len(set(self.first)) < len(self.first):
            raise RefusedError(codes.DOCX_REPEATED_ID)
        if len(set(named)) < len(named):
            raise RefusedError(codes.DOCX_SCHEMA)
        if not self.contents.keys() >= set(named):
            raise RefusedError(codes.DOCX_PARENT)
        reached, waiting = 0, list(self.first)
        while waiting:
            reached += 1
            waiting += self.children[waiting.pop()]
        if reached < len(self.contents):  # some are in a circle, or the children of none
            raise RefusedError(codes.DOCX_PARENT)

    def check(self, file: OpenDocument, parent: Block) -> None:
        """Check that each block is allowed in its parent.

        Args:
            file: The document that the blocks are added to.
            parent: The block whose children the first level becomes.

        Raises:
            RefusedError: 1770028, 1770030 (a block in one that does not take it), 1770006 (a cell, column or
                callout without a block, a table without a cell for each place).
        """
        above: Block | None = parent
        in_cell = False
        while above is not None:
            in_cell = in_cell or above.block_type == docx.TABLE_CELL
            above = file.docx.blocks.get(above.parent_id)
        waiting = [(name, in_cell) for name in self.first]
        while waiting:
            name, inside = waiting.pop()
            kind, children = self.contents[name].block_type, self.children[name]
            if inside and kind in NOT_IN_CELLS:
                raise RefusedError(codes.DOCX_BAD_PARENT)
            if children and kind not in PARENTS:
                raise RefusedError(codes.DOCX_NO_CHILDREN)
            if not children and kind in NEVER_EMPTY:
                raise RefusedError(codes.DOCX_SCHEMA)
            if len(children) != _count_places(self.contents[name], len(children)):
                raise RefusedError(codes.DOCX_SCHEMA)
            alone = kind in ONLY_IN.values()
            for child in children:
                child_kind = self.contents[child].block_type
                if (alone or child_kind in ONLY_IN) and ONLY_IN.get(child_kind) != kind:
                    raise RefusedError(codes.DOCX_BAD_PARENT)
                waiting.append((child, inside or kind == docx.TABLE_CELL))


def _count_places(content: BlockContent, count: int) -> int:
    """Return how many children a block must have; those that it has, if it may have any number."""
    if content.block_type == docx.TABLE:
        looks = content.data["property"]
        return int(looks["row_size"] * looks["column_size"])
    return int(content.data["column_size"]) if content.block_type == docx.GRID else count


def _read_ids(raw: Any) -> list[str]:
    if raw is None:
        return []
    if not isinstance(raw, list) or len(raw) > MAX_DESCENDANTS:
        raise RefusedError(codes.DOCX_PARAM)
    if not all(isinstance(block_id, str) and block_id for block_id in raw):
        raise RefusedError(codes.DOCX_PARAM)
    return list(raw)
