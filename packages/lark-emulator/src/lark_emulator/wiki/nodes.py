"""`/wiki/v2/spaces/:space_id/nodes`: list, create, copy, move and rename pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.objects import add_object, copy_object
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, read_json_object
from lark_emulator.wiki import pages
from lark_emulator.wiki.spaces import MEMBERS, read_page_size
from lark_emulator.world.documents import OBJ_TYPES, WikiNode
from lark_emulator.world.docx import Docx

if TYPE_CHECKING:
    from lark_emulator.routing import Slices

MAX_SIBLINGS = 2000
MAX_DEPTH = 50
MAX_TITLE_LENGTH = 800
#: Types whose pages can be made, copied or renamed through the API.
MADE = ("docx", "sheet", "bitable", "mindnote", "slides")
COPIED = ("docx", "sheet", "bitable")
RENAMED = ("doc", "docx")


def list_nodes(call: Call) -> dict[str, Any]:
    """Answer `GET …/nodes`: the pages right below one, or the first level."""
    size = read_page_size(call)
    parent = call.query.get("parent_node_token", "")
    if parent:
        if pages.find_node(call, parent).space_id != call.params["space_id"]:
            raise RefusedError(codes.WIKI_NOT_FOUND, "node not found")
    else:
        pages.find_space(call, call.params["space_id"])
    below = pages.list_children(call.world, call.params["space_id"], parent)
    seen = [node for node in below if pages.is_readable(call, node)]
    items, more = cut_page(seen, call, size, codes.WIKI_PARAM)
    return {"items": [pages.render_answer(call, node) for node in items], **more}


def _read_text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RefusedError(codes.WIKI_PARAM)
    return value


def find_target_space(call: Call, space_id: str, parent: str) -> str:
    """Return the space in which a page goes below another, or to the first level.

    Raises:
        RefusedError: 131005, 131006, 131003 (too many siblings, or too deep).
    """
    if parent:
        above = pages.find_node(call, parent)
        if space_id and above.space_id != space_id:
            raise RefusedError(codes.WIKI_NOT_FOUND, "node not found")
        space_id = above.space_id
    pages.find_space(call, space_id)
    if len(pages.list_children(call.world, space_id, parent)) >= MAX_SIBLINGS:
        raise RefusedError(codes.WIKI_LIMIT)
    depth, token = 0, parent
    while token:
        depth, token = depth + 1, call.world.wiki_nodes[token].parent
    if depth >= MAX_DEPTH:
        raise RefusedError(codes.WIKI_LIMIT)
    return space_id


def add_page(call: Call, kind: str, token: str, title: str, space_id: str, parent: str) -> WikiNode:
    """Add a page for a document."""
    now = int(call.world.clock.get_time())
    node_token = call.world.make_id("wikcn", 22)
    node = WikiNode(node_token, kind, token, title, now, None, space_id, parent)
    call.world.wiki_nodes[node_token] = node
    return node


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/nodes`: an empty document with a page, or a shortcut to a page."""
    body = read_json_object(call, codes.WIKI_PARAM)
    kind, node_type = _read_text(body, "obj_type"), _read_text(body, "node_type")
    title, parent = _read_text(body, "title"), _read_text(body, "parent_node_token")
    if kind == "doc":
        raise RefusedError(codes.WIKI_DOC_TYPE)
    if kind not in OBJ_TYPES or node_type not in ("origin", "shortcut") or len(title) > MAX_TITLE_LENGTH:
        raise RefusedError(codes.WIKI_PARAM)
    space_id = find_target_space(call, call.params["space_id"], parent)
    if node_type == "shortcut":
        origin = pages.find_node(call, body.get("origin_node_token"))
        title = title or pages.get_title(call.world, origin)
        node = add_page(call, origin.obj_type, origin.obj_token, title, space_id, parent)
        node.origin = origin.node_token
    else:
        if kind not in MADE:
            raise RefusedError(codes.WIKI_PARAM)
        document = add_object(call, kind, title)
        node = add_page(call, kind, document.token, title, space_id, parent)
    return {"node": pages.render_answer(call, node)}


def _find_node(call: Call) -> WikiNode:
    """Return the page of the path.

    Raises:
        RefusedError: 131005, 131006.
    """
    node = pages.find_node(call, call.params["node_token"])
    if node.space_id != call.params["space_id"]:
        raise RefusedError(codes.WIKI_NOT_FOUND, "node not found")
    return node


def copy(call: Call) -> Slices:
    """Answer `POST …/nodes/:node_token/copy`: the page and its document, without the pages below."""
    node, body = _find_node(call), read_json_object(call, codes.WIKI_PARAM)
    parent, space_id = _read_text(body, "target_parent_token"), _read_text(body, "target_space_id")
    if not parent and not space_id:
        raise RefusedError(codes.WIKI_PARAM)
    title = pages.get_title(call.world, node) if body.get("title") is None else _read_text(body, "title")
    document = call.world.drive.documents.get(node.obj_token)
    if node.obj_type not in COPIED or document is None:
        raise RefusedError(codes.WIKI_PARAM)
    space_id = find_target_space(call, space_id, parent)
    duplicate = yield from copy_object(call, document, title)
    return {
        "node": pages.render_answer(
            call, add_page(call, node.obj_type, duplicate.token, title, space_id, parent)
        )
    }


def move(call: Call) -> dict[str, Any]:
    """Answer `POST …/nodes/:node_token/move`: the page goes with all below it."""
    node, body = _find_node(call), read_json_object(call, codes.WIKI_PARAM)
    parent, space_id = _read_text(body, "target_parent_token"), _read_text(body, "target_space_id")
    if not parent and not space_id:
        raise RefusedError(codes.WIKI_PARAM)
    pages.find_space(call, node.space_id)
    moved_nodes = [node, *pages.iterate_descendants(call.world, node)]
    if any(moved.node_token == parent for moved in moved_nodes):
        raise RefusedError(codes.WIKI_PARAM)
    if len(moved_nodes) > MAX_SIBLINGS:
        raise RefusedError(codes.WIKI_LIMIT)
    space_id = find_target_space(call, space_id, parent)
    node.parent = parent
    for moved in moved_nodes:
        moved.space_id = space_id
    return {"node": pages.render_answer(call, node)}


def update_title(call: Call) -> dict[str, Any]:
    """Answer `POST …/nodes/:node_token/update_title`: of documents and shortcuts."""
    node, body = _find_node(call), read_json_object(call, codes.WIKI_PARAM)
    title = body.get("title")
    if not isinstance(title, str) or len(title) > MAX_TITLE_LENGTH:
        raise RefusedError(codes.WIKI_PARAM)
    if not node.origin and node.obj_type not in RENAMED:
        raise RefusedError(codes.WIKI_PARAM)
    pages.find_space(call, node.space_id)
    node.title = title
    document = call.world.drive.documents.get(node.obj_token)
    if not node.origin and document is not None and isinstance(document.content, Docx):
        document.content.retitle(title)
        document.content.revision += 1
        document.note(call.world.clock.get_time())
    return {}


_PATH = "/open-apis/wiki/v2/spaces/:space_id/nodes"

ROUTES = (
    Route("GET", _PATH, list_nodes, unconfirmed=(MEMBERS, "pages are listed in the order they were made")),
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            "mind notes and slides have no content; of a docx alone the title is that of its document",
        ),
    ),
    Route(
        "POST",
        f"{_PATH}/:node_token/copy",
        copy,
        unconfirmed=("documents, spreadsheets and bases only; without the pages below",),
    ),
    Route("POST", f"{_PATH}/:node_token/move", move, unconfirmed=("a page below itself gets 131002",)),
    Route("POST", f"{_PATH}/:node_token/update_title", update_title),
)
