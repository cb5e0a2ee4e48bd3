"""`…/documents/:document_id/blocks`: all blocks of a document, one, and the children of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx.opened import open_document
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, parse_whole_number, read_flag, read_user_id_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lark_emulator.world.docx import Block

MAX_PER_PAGE = 500


def _make_page(call: Call, blocks: Sequence[Block]) -> dict[str, Any]:
    read_user_id_type(call)
    size = parse_whole_number(call.query.get("page_size") or str(MAX_PER_PAGE))
    if size is None or not 1 <= size <= MAX_PER_PAGE:
        raise RefusedError(codes.DOCX_PARAM)
    items, more = cut_page(blocks, call, size, codes.DOCX_PAGE_TOKEN)
    if not more["has_more"]:
        del more["page_token"]
    return {"items": [block.render() for block in items], **more}


def list_blocks(call: Call) -> dict[str, Any]:
    """Answer `GET …/blocks`: in the order in which the document is read."""
    docx = open_document(call).docx
    return _make_page(call, list(docx.walk(docx.root)))


def get(call: Call) -> dict[str, Any]:
    """Answer `GET …/blocks/:block_id`."""
    return {"block": open_document(call).find_block(call.params["block_id"]).render()}


def list_children(call: Call) -> dict[str, Any]:
    """Answer `GET …/blocks/:block_id/children`."""
    file = open_document(call)
    block = file.find_block(call.params["block_id"])
    if read_flag(call.query, "with_descendants"):
        return _make_page(call, list(file.docx.walk(block))[1:])
    return _make_page(call, [file.docx.blocks[child] for child in block.children])


_PATH = "/open-apis/docx/v1/documents/:document_id/blocks"
_OLD = "an older `document_revision_id` is checked, and shows the newest version"

ROUTES = (
    Route("GET", _PATH, list_blocks, unconfirmed=(_OLD,)),
    Route("GET", f"{_PATH}/:block_id", get, unconfirmed=(_OLD,)),
    Route("GET", f"{_PATH}/:block_id/children", list_children, unconfirmed=(_OLD,)),
)
