"""Who may do what with a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.world.bases import Base
from lark_emulator.world.drive import FOLDER, PERMS, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.codes import Code
    from lark_emulator.routing import Actor, Call
    from lark_emulator.settings import Settings
    from lark_emulator.world.drive import Who
    from lark_emulator.world.world import World

VIEW, EDIT, FULL = PERMS
OWNER = "owner"
WIKI = "wiki"
MAX_DEPTH = 15


def compute_level(world: World, settings: Settings, who: Who, document: Document) -> str | None:
    """Return the most that an app or person may do: `view`, `edit`, `full_access` or `owner`; None = nothing.

    Args:
        world: The emulated tenant, with its documents and chats.
        settings: The emulator's settings, which say whether folders pass their collaborators on.
        who: An app, a user or a chat, as kind and id.
        document: The folder or file to be accessed.
    """
    best = -1
    content = document.content
    if isinstance(content, Base) and who[0] == "app" and who[1] in content.shared_with:
        best = PERMS.index(FULL)
    for source in _iterate_permission_sources(world, settings, document):
        if source.owner == who:
            if source is document:
                return OWNER
            best = PERMS.index(FULL)
        perms = [source.members.get(grantee) for grantee in _iterate_grantees(world, who)]
        best = max(best, *(PERMS.index(perm) for perm in perms if perm), -1)
    link = document.public["link_share_entity"]
    if link != "closed" and _inside(world, who, link):
        best = max(best, PERMS.index(EDIT if link.endswith("editable") else VIEW))
    return None if best < 0 else PERMS[best]


def is_allowed(actor: Actor, document: Document, need: str) -> bool:
    """Return whether the one who acts may view, edit or fully manage a document."""
    granted = compute_level(actor.world, actor.settings, actor.who, document)
    return granted == OWNER or (granted is not None and PERMS.index(granted) >= PERMS.index(need))


def get_apps(actor: Actor) -> set[str]:
    """Return the apps that a new base is shared with: the one that makes it, unless a user does."""
    return {actor.app.app_id} if actor.user is None else set()


def find_openers(world: World, settings: Settings, document: Document) -> dict[Who, str]:
    """Return everybody in the tenant who can open a document, and the most that each may do."""
    everybody: list[Who] = [("app", app_id) for app_id in world.apps]
    everybody += [("user", user_id) for user_id in world.users]
    levels = ((who, compute_level(world, settings, who, document)) for who in everybody)
    return {who: perm for who, perm in levels if perm is not None}


def _iterate_permission_sources(world: World, settings: Settings, document: Document) -> Iterator[Document]:
    """Yield a document and the folders that it inherits from."""
    yield document
    while settings.folder_inheritance == "inherited" and document.parent:
        document = world.drive.documents[document.parent]
        if not document.root:
            yield document


def _iterate_grantees(world: World, who: Who) -> Iterator[Who]:
    """Yield whom a permission may name for them to have it: themselves, or a chat that they are in."""
    yield who
    kind, name = who
    for chat in world.chats.values():
        if (kind == "user" and name in chat.users) or (kind == "app" and name in chat.bots):
            yield "chat", chat.chat_id


def _inside(world: World, who: Who, link: str) -> bool:
    kind, name = who
    if link.startswith("anyone"):
        return True
    return kind != "user" or not world.users[name].is_external


def find_document(call: Call, token: str, kind: str, absent: Code, deleted: Code) -> Document:
    """Return a document that is there and has this type.

    Raises:
        RefusedError: `absent` (none, or of another type), `deleted`.
    """
    document = call.world.drive.documents.get(token)
    if document is None or document.type != kind:
        raise RefusedError(absent)
    if document.deleted:
        raise RefusedError(deleted)
    return document


def find_wiki_or_document(world: World, token: str, kind: str) -> Document | None:
    """Return the document that a token and a type name; `wiki` names the page that holds it."""
    if kind == WIKI:
        node = world.wiki_nodes.get(token)
        return None if node is None else world.drive.documents.get(node.obj_token)
    document = world.drive.documents.get(token)
    return document if document is not None and document.type == kind else None


def find_folder(call: Call, token: str) -> Document:
    """Return the folder of a new document, the caller's own root folder if none is named.

    Raises:
        RefusedError: 1061003, 1061007, 1061004 (the app may not write to it), 1062507 (full), 1062506 (too
            deep).
    """
    if not token:
        folder = call.world.drive.ensure_root(call.who)
    else:
        folder = find_document(call, token, FOLDER, codes.FILE_NOT_FOUND, codes.FILE_DELETED)
    if not is_allowed(call, folder, EDIT):
        raise RefusedError(codes.FILE_DENIED)
    if len(call.world.drive.list_children(folder.token)) >= call.settings.folder_children:
        raise RefusedError(codes.FOLDER_CHILDREN)
    depth, above = 1, folder
    while above.parent:
        depth, above = depth + 1, call.world.drive.documents[above.parent]
    if depth > MAX_DEPTH:
        raise RefusedError(codes.FOLDER_DEPTH)
    return folder


def get_owner_id(call: Call, document: Document, id_type: str = "open_id") -> str:
    """Return the owner's id as the calling app sees it; that of an app is its bot's open_id."""
    kind, name = document.owner
    if kind == "user":
        return call.world.users[name].get_id(call.app, id_type)
    return call.world.apps[name].bot_open_id
