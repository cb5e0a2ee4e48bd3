"""Search of wiki pages: `POST /wiki/v1/nodes/search`."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, parse_whole_number, read_json_object
from lark_emulator.wiki import pages

MAX_PER_PAGE = 50
MAX_QUERY_LENGTH = 50
#: Numbers of the types of documents, as this endpoint has them.
OBJ_TYPES = {"doc": 1, "sheet": 2, "bitable": 3, "mindnote": 4, "file": 5, "docx": 8, "slides": 11}


def search(call: Call) -> dict[str, Any]:
    """Answer with the pages that the caller may read and whose title holds the query."""
    body = read_json_object(call, codes.WIKI_SEARCH_PARAM)
    query, space_id, below = (body.get(name) or "" for name in ("query", "space_id", "node_id"))
    if not all(isinstance(value, str) for value in (query, space_id, below)):
        raise RefusedError(codes.WIKI_SEARCH_PARAM)
    if not 0 < len(query) <= MAX_QUERY_LENGTH or (below and not space_id):
        raise RefusedError(codes.WIKI_SEARCH_PARAM)
    size = parse_whole_number(call.query.get("page_size") or "20")
    if size is None or not 1 <= size <= MAX_PER_PAGE:
        raise RefusedError(codes.WIKI_SEARCH_PARAM)
    nodes = list(call.world.wiki_nodes.values())
    if below:
        top = call.world.wiki_nodes.get(below)
        nodes = [] if top is None else [top, *pages.iterate_descendants(call.world, top)]
    wanted = query.casefold()
    matches = [
        node
        for node in nodes
        if (not space_id or node.space_id == space_id)
        and wanted in pages.get_title(call.world, node).casefold()
        and pages.is_readable(call, node)
    ]
    cut, more = cut_page(matches, call, size, codes.WIKI_SEARCH_PARAM)
    items = [
        {
            "node_id": node.node_token,
            "space_id": node.space_id,
            "obj_type": OBJ_TYPES[node.obj_type],
            "obj_token": node.obj_token,
            "parent_id": "",
            "sort_id": number,
            "title": pages.get_title(call.world, node),
            "url": f"https://emulator.invalid/wiki/{node.node_token}",
        }
        for number, node in enumerate(cut, 1)
    ]
    return {"items": items, **more}


ROUTES = (
    Route(
        "POST",
        "/open-apis/wiki/v1/nodes/search",
        search,
        unconfirmed=("titles alone are searched, for the query as it is, in any case",),
    ),
)
