"""`GET /wiki/v2/spaces/get_node`: which document a wiki page holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.world.documents import OBJ_TYPES, WikiNode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.world.world import World

SPACE_ID = "7000000000000000001"


def add(
    world: World, obj_type: str, obj_token: str, title: str, shared_with: Iterable[str] | None
) -> WikiNode:
    """Add a page that holds a document.

    Raises:
        ValueError: no such type, no token, or no such base; other documents are not held here.
    """
    if obj_type not in OBJ_TYPES:
        raise ValueError(f"'obj_type' must be one of {', '.join(OBJ_TYPES)}, not {obj_type!r}")
    if not obj_token:
        raise ValueError("'obj_token' is required")
    if obj_type == "bitable" and obj_token not in world.bases:
        raise ValueError(f"no base {obj_token!r}; known: {', '.join(world.bases)}")
    node = WikiNode(
        world.new_id("wikcn", 22),
        obj_type,
        obj_token,
        title,
        int(world.clock.now()),
        None if shared_with is None else frozenset(shared_with),
    )
    world.wiki_nodes[node.node_token] = node
    return node


def shown(node: WikiNode) -> dict[str, Any]:
    """Return a page for the state."""
    return {
        "node_token": node.node_token,
        "obj_type": node.obj_type,
        "obj_token": node.obj_token,
        "title": node.title,
        "shared_with": None if node.shared_with is None else sorted(node.shared_with),
    }


def get_node(call: Call) -> dict[str, Any]:
    """Answer by the token of the page, or by that of the document if `obj_type` says so."""
    token, obj_type = call.query.get("token", ""), call.query.get("obj_type") or "wiki"
    if not token or obj_type not in ("wiki", *OBJ_TYPES):
        raise RefusedError(codes.WIKI_PARAM)
    nodes = call.world.wiki_nodes
    if obj_type == "wiki":
        node = nodes.get(token)
    else:
        same = (each for each in nodes.values() if (each.obj_type, each.obj_token) == (obj_type, token))
        node = next(same, None)
    if node is None:
        raise RefusedError(codes.WIKI_NOT_FOUND)
    if call.user is None and node.shared_with is not None and call.app.app_id not in node.shared_with:
        raise RefusedError(codes.WIKI_DENIED)
    owner = next(iter(call.world.users.values())).id_for(call.app, "open_id")
    created = str(node.create_time)
    return {
        "node": {
            "space_id": SPACE_ID,
            "node_token": node.node_token,
            "obj_token": node.obj_token,
            "obj_type": node.obj_type,
            "parent_node_token": "",
            "node_type": "origin",
            "origin_node_token": node.node_token,
            "origin_space_id": SPACE_ID,
            "has_child": False,
            "title": node.title,
            "obj_create_time": created,
            "obj_edit_time": created,
            "node_create_time": created,
            "creator": owner,
            "owner": owner,
            "node_creator": owner,
        }
    }


ROUTES = (
    Route(
        "GET",
        "/open-apis/wiki/v2/spaces/get_node",
        get_node,
        unconfirmed=(
            "pages are added by the control plane (`wiki/nodes`), all in one space, without children",
            "users see every page",
            "a missing token and an unknown `obj_type` get 131002",
        ),
    ),
)
