"""`/wiki/v2/spaces`: spaces, and which page holds a document."""

from __future__ import annotations

from typing import Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import cut_page, parse_whole_number, read_json_object
from lark_emulator.wiki import pages
from lark_emulator.world.documents import OBJ_TYPES, WikiSpace

MAX_PER_PAGE = 50


def read_page_size(call: Call) -> int:
    """Return the page size of a list of the wiki.

    Raises:
        RefusedError: 131002.
    """
    size = parse_whole_number(call.query.get("page_size") or "20")
    if size is None or not 1 <= size <= MAX_PER_PAGE:
        raise RefusedError(codes.WIKI_PARAM)
    return size


def _render_answer(space: WikiSpace) -> dict[str, Any]:
    everybody = space.members is None
    return {
        "name": space.name,
        "description": space.description,
        "space_id": space.space_id,
        "space_type": "team",
        "visibility": "public" if everybody else "private",
        "open_sharing": space.open_sharing,
    }


def list_spaces(call: Call) -> dict[str, Any]:
    """Answer `GET /wiki/v2/spaces`: those that the caller is a member of."""
    size = read_page_size(call)
    own = [space for space in call.world.wiki_spaces.values() if pages.is_member(call, space)]
    items, more = cut_page(own, call, size, codes.WIKI_PARAM)
    return {"items": [_render_answer(space) for space in items], **more}


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /wiki/v2/spaces`; who makes it is its only member."""
    body = read_json_object(call, codes.WIKI_PARAM)
    name, description = body.get("name") or "", body.get("description") or ""
    sharing = body.get("open_sharing") or "closed"
    if not isinstance(name, str) or not isinstance(description, str) or sharing not in ("open", "closed"):
        raise RefusedError(codes.WIKI_PARAM)
    space_id = str(7 * 10**18 + int(call.world.make_id("", 14), 16))
    space = WikiSpace(space_id, name, description, sharing, {call.who})
    call.world.wiki_spaces[space_id] = space
    return {"space": _render_answer(space)}


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /wiki/v2/spaces/:space_id`."""
    return {"space": _render_answer(pages.find_space(call, call.params["space_id"]))}


def get_node(call: Call) -> dict[str, Any]:
    """Answer by the token of the page, or by that of the document if `obj_type` says so."""
    token, obj_type = call.query.get("token", ""), call.query.get("obj_type") or "wiki"
    if not token or obj_type not in ("wiki", *OBJ_TYPES):
        raise RefusedError(codes.WIKI_PARAM)
    nodes = call.world.wiki_nodes
    if obj_type == "wiki":
        node = nodes.get(token)
    else:
        same = (
            candidate
            for candidate in nodes.values()
            if (candidate.obj_type, candidate.obj_token) == (obj_type, token)
        )
        node = next(same, None)
    if node is None:
        raise RefusedError(codes.WIKI_NOT_FOUND)
    return {"node": pages.render_answer(call, pages.find_node(call, node.node_token))}


_PATH = "/open-apis/wiki/v2/spaces"
MEMBERS = (
    "the space that is there from the start is open to every app; others have the members that the control "
    "plane gives them (`wiki/spaces`), and a member may read and write all pages"
)

ROUTES = (
    Route("GET", _PATH, list_spaces, unconfirmed=(MEMBERS,)),
    Route("POST", _PATH, create, unconfirmed=("anyone who makes a space is its only member",)),
    Route("GET", f"{_PATH}/:space_id", get, unconfirmed=(MEMBERS, "`my_library` is not emulated: 131005")),
    Route(
        "GET",
        f"{_PATH}/get_node",
        get_node,
        unconfirmed=(
            (
                "a missing token and an unknown `obj_type` get 131002; the owner of a document that is not "
                "held here is the first user"
            ),
        ),
    ),
)
