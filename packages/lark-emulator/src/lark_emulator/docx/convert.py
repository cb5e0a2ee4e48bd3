"""`POST /docx/v1/documents/blocks/convert`: Markdown or HTML as blocks, to be put in with `descendant`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.docx import markdown
from lark_emulator.docx.making import make_id
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object, read_user_id_type
from lark_emulator.world import docx
from lark_emulator.world.docx import Block

if TYPE_CHECKING:
    from lark_emulator.docx.nodes import BlockNode
    from lark_emulator.routing import Slices

MAX_CONTENT_LENGTH = 10_485_760
_SLICE = 10


def convert(call: Call) -> Slices:
    """Answer with blocks under ids that hold for nothing else; other requests are served meanwhile."""
    read_user_id_type(call)
    body = read_json_object(call, codes.DOCX_PARAM)
    content, kind = body.get("content"), body.get("content_type")
    if not isinstance(content, str) or not content or kind not in ("markdown", "html"):
        raise RefusedError(codes.DOCX_PARAM)
    if len(content) > MAX_CONTENT_LENGTH:
        raise RefusedError(codes.DOCX_CONTENT_SIZE)
    first: list[str] = []
    blocks: list[Block] = []
    urls: list[dict[str, str]] = []
    if kind == "html":
        from lark_emulator.docx import html  # takes tens of milliseconds to load

        nodes = html.iterate_blocks(content)
    else:
        nodes = markdown.iterate_blocks(content)
    for n, node in enumerate(nodes):
        first.append(_add_block(call, node, blocks, urls))
        if n % _SLICE == 0:
            yield
    if call.settings.convert_order == "shuffled":
        blocks.sort(key=lambda block: block.block_id)  # the ids are hashes
    return {
        "first_level_block_ids": first,
        "blocks": [block.render() for block in blocks],
        "block_id_to_image_urls": urls,
    }


def _add_block(
    call: Call, node: BlockNode, blocks: list[Block], urls: list[dict[str, str]], parent: str = ""
) -> str:
    """Add a block and all below it to `blocks`, and their images to `urls`; return its id."""
    block = Block(make_id(call), node.block_type, node.data, parent)
    blocks.append(block)
    if node.url:
        urls.append({"block_id": block.block_id, "image_url": node.url})
    block.children = [_add_block(call, child, blocks, urls, block.block_id) for child in node.children]
    if node.block_type == docx.TABLE:
        block.data["cells"] = list(block.children)
    return block.block_id


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/open-apis/docx/v1/documents/blocks/convert",
        convert,
        unconfirmed=(
            "order of `blocks` (settable, `convert_order`)",
            (
                "lines of one paragraph are joined by a line break; a rule becomes a divider; what "
                "else HTML and Markdown know becomes text"
            ),
        ),
    ),
)
