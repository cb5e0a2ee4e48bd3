"""Pages of the wiki: who may use them, and how they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.drive.access import VIEW, get_owner_id, is_allowed
from lark_emulator.world.documents import OBJ_TYPES, SPACE_ID, WikiNode, WikiSpace
from lark_emulator.world.docx import Docx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lark_emulator.routing import Call
    from lark_emulator.world.world import World


def add(
    world: World,
    obj_type: str,
    obj_token: str,
    title: str,
    shared_with: Iterable[str] | None,
    *,
    space_id: str = "",
    parent: str = "",
) -> WikiNode:
    """Add a page that holds a document.

    Raises:
        ValueError: no such type, space or parent, no token, or no such base; other documents need not be held
            here.
    """
    if obj_type not in OBJ_TYPES:
        raise ValueError(f"'obj_type' must be one of {', '.join(OBJ_TYPES)}, not {obj_type!r}")
    if not obj_token:
        raise ValueError("'obj_token' is required")
    if obj_type == "bitable" and obj_token not in world.bases:
        raise ValueError(f"no base {obj_token!r}; known: {', '.join(world.bases)}")
    above = world.wiki_nodes.get(parent)
    if parent and above is None:
        raise ValueError(f"no wiki page {parent!r}; known: {', '.join(world.wiki_nodes)}")
    space_id = space_id or (SPACE_ID if above is None else above.space_id)
    if space_id not in world.wiki_spaces:
        raise ValueError(f"no wiki space {space_id!r}; known: {', '.join(world.wiki_spaces)}")
    node = WikiNode(
        world.make_id("wikcn", 22),
        obj_type,
        obj_token,
        title,
        int(world.clock.get_time()),
        None if shared_with is None else frozenset(shared_with),
        space_id,
        parent,
    )
    world.wiki_nodes[node.node_token] = node
    return node


def render(world: World, node: WikiNode) -> dict[str, Any]:
    """Return a page for the state."""
    return {
        "node_token": node.node_token,
        "obj_type": node.obj_type,
        "obj_token": node.obj_token,
        "title": get_title(world, node),
        "shared_with": None if node.shared_with is None else sorted(node.shared_with),
        "space_id": node.space_id,
        "parent_node_token": node.parent,
        "origin_node_token": node.origin,
    }


def render_space(space: WikiSpace) -> dict[str, Any]:
    """Return a space for the state."""
    return {
        "space_id": space.space_id,
        "name": space.name,
        "description": space.description,
        "members": None if space.members is None else sorted(":".join(member) for member in space.members),
    }


def get_title(world: World, node: WikiNode) -> str:
    """Return what a page is called: what its document is, if that is a docx that is held here."""
    document = world.drive.documents.get(node.obj_token)
    if node.origin or document is None or not isinstance(document.content, Docx):
        return node.title
    return document.title


def find_space(call: Call, space_id: str) -> WikiSpace:
    """Return a space that the caller may use.

    Raises:
        RefusedError: 131005, 131006.
    """
    space = call.world.wiki_spaces.get(space_id)
    if space is None:
        raise RefusedError(codes.WIKI_NOT_FOUND, "space not found")
    if not is_member(call, space):
        raise RefusedError(codes.WIKI_DENIED, "wiki space permission denied")
    return space


def is_member(call: Call, space: WikiSpace) -> bool:
    """Return whether the caller is a member of a space."""
    return space.members is None or call.who in space.members


def is_readable(call: Call, node: WikiNode) -> bool:
    """Return whether the caller may read a page: as a member of its space, or by its shared document."""
    if call.user is None and node.shared_with is not None and call.app.app_id not in node.shared_with:
        return False
    if is_member(call, call.world.wiki_spaces[node.space_id]):
        return True
    document = call.world.drive.documents.get(node.obj_token)
    return document is not None and is_allowed(call, document, VIEW)


def find_node(call: Call, node_token: Any) -> WikiNode:
    """Return a page that the caller may read.

    Raises:
        RefusedError: 131002 (no token), 131005, 131006.
    """
    if not isinstance(node_token, str) or not node_token:
        raise RefusedError(codes.WIKI_PARAM)
    node = call.world.wiki_nodes.get(node_token)
    if node is None:
        raise RefusedError(codes.WIKI_NOT_FOUND, "node not found")
    if not is_readable(call, node):
        raise RefusedError(codes.WIKI_DENIED, "node permission denied")
    return node


def list_children(world: World, space_id: str, parent: str) -> list[WikiNode]:
    """Return the pages right below one, or the first level of a space."""
    return [node for node in world.wiki_nodes.values() if (node.space_id, node.parent) == (space_id, parent)]


def iterate_descendants(world: World, node: WikiNode) -> Iterator[WikiNode]:
    """Yield all pages below one."""
    waiting = list_children(world, node.space_id, node.node_token)
    while waiting:
        descendant = waiting.pop()
        yield descendant
        waiting += list_children(world, descendant.space_id, descendant.node_token)


def render_answer(call: Call, node: WikiNode) -> dict[str, Any]:
    """Return a page as Lark shows it."""
    document = call.world.drive.documents.get(node.obj_token)
    if document is None:
        owner = next(iter(call.world.users.values())).get_id(call.app, "open_id")
        edited = created = str(node.create_time)
    else:
        owner = get_owner_id(call, document)
        created, edited = str(int(document.created)), str(int(document.modified))
    origin = call.world.wiki_nodes.get(node.origin)
    return {
        "space_id": node.space_id,
        "node_token": node.node_token,
        "obj_token": node.obj_token,
        "obj_type": node.obj_type,
        "parent_node_token": node.parent,
        "node_type": "shortcut" if node.origin else "origin",
        "origin_node_token": node.origin or node.node_token,
        "origin_space_id": node.space_id if origin is None else origin.space_id,
        "has_child": bool(list_children(call.world, node.space_id, node.node_token)),
        "title": get_title(call.world, node),
        "obj_create_time": created,
        "obj_edit_time": edited,
        "node_create_time": str(node.create_time),
        "creator": owner,
        "owner": owner,
        "node_creator": owner,
    }
