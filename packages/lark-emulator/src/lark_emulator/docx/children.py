"""`…/blocks/:block_id/children` and `…/descendant`: new blocks, one level of them or a tree; deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx.making import add, check_index, check_relation, make_id, place_blocks
from lark_emulator.docx.opened import EDITS, OpenDocument, edit_document
from lark_emulator.docx.schema import NEVER_EMPTY, check_resources, read_content
from lark_emulator.docx.tree import Tree
from lark_emulator.routing import Call, Route
from lark_emulator.world import docx

if TYPE_CHECKING:
    from lark_emulator.world.docx import Block

MAX_CHILDREN = 50
_WITH_COLUMNS = frozenset({docx.TABLE, docx.GRID})


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/children`; tables, grids and callouts get the empty blocks that they hold."""
    return edit_document(call, _create)


def _create(file: OpenDocument) -> dict[str, Any]:
    body, parent = file.read_body(), file.find_block(file.call.params["block_id"])
    specs = body.get("children")
    if not isinstance(specs, list) or not 0 < len(specs) <= MAX_CHILDREN:
        raise RefusedError(codes.DOCX_PARAM)
    if any(isinstance(spec, dict) and spec.get("children") for spec in specs):
        raise RefusedError(codes.DOCX_SCHEMA)
    contents = [read_content(file.call, spec) for spec in specs]
    for content in contents:
        check_relation(file, parent, content.block_type)
    check_resources(contents)
    at = check_index(parent, body.get("index"))
    blocks = [add(file, content) for content in contents]
    place_blocks(parent, blocks, at)
    return {"children": [block.render() for block in blocks]}


def create_tree(call: Call) -> dict[str, Any]:
    """Answer `POST …/descendant`: blocks with all below them, under ids that the request makes up."""
    return edit_document(call, _create_tree)


def _create_tree(file: OpenDocument) -> dict[str, Any]:
    body, parent = file.read_body(), file.find_block(file.call.params["block_id"])
    tree = Tree(file.call, body)
    for name in tree.first:
        check_relation(file, parent, tree.contents[name].block_type)
    tree.check(file, parent)
    at = check_index(parent, body.get("index"))
    ids = {name: make_id(file.call) for name in tree.contents}
    blocks = {name: add(file, content, ids[name], bare=True) for name, content in tree.contents.items()}
    for name, block in blocks.items():
        place_blocks(block, [blocks[child] for child in tree.children[name]])
        if block.block_type == docx.TABLE:
            block.data["cells"] = list(block.children)
    place_blocks(parent, [blocks[name] for name in tree.first], at)
    shown = [blocks[name] for name in tree.first]
    if file.call.settings.docx_inserted == "all":
        shown = [descendant for block in shown for descendant in file.docx.walk(block)]
    return {
        "children": [block.render() for block in shown],
        "block_id_relations": [
            {"temporary_block_id": name, "block_id": block_id} for name, block_id in ids.items()
        ],
    }


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/children/batch_delete`: the children from `start_index` up to `end_index`."""
    return edit_document(call, _delete)


def _delete(file: OpenDocument) -> dict[str, Any]:
    body, parent = file.read_body(), file.find_block(file.call.params["block_id"])
    start, end = body.get("start_index"), body.get("end_index")
    if not all(isinstance(index, int) and not isinstance(index, bool) for index in (start, end)):
        raise RefusedError(codes.DOCX_PARAM)
    assert isinstance(start, int) and isinstance(end, int)  # noqa: S101, PT018 - checked above
    if not 0 <= start < end <= len(parent.children):
        raise RefusedError(codes.DOCX_PARAM)
    whole = end - start == len(parent.children)
    if parent.block_type in _WITH_COLUMNS or (parent.block_type in NEVER_EMPTY and whole):
        raise RefusedError(codes.DOCX_NO_DELETION)
    gone: list[Block] = [file.docx.blocks[child] for child in parent.children[start:end]]
    del parent.children[start:end]
    for block in gone:
        file.docx.remove(block)
    return {}


_PATH = "/open-apis/docx/v1/documents/:document_id/blocks/:block_id"

ROUTES = (
    Route(
        "POST",
        f"{_PATH}/children",
        create,
        unconfirmed=(
            EDITS,
            "more than 5 spreadsheets, 20 images, 200 files, mentions or chat cards get 1770035",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/descendant",
        create_tree,
        unconfirmed=(
            EDITS,
            "which of the new blocks `children` shows (settable, `docx_inserted`)",
            "a table with `merge_info` gets 1770006, ids that do not fit 1770006, 1770014 or 1770019",
        ),
    ),
    Route("DELETE", f"{_PATH}/children/batch_delete", delete, unconfirmed=(EDITS,)),
)
