"""Documents, files and the wiki as the control plane shows them, and spaces that it adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control.documents import parse_who
from lark_emulator.control.specs import read_names, read_text, refuse_unknown, require_known
from lark_emulator.docx.documents import render_text
from lark_emulator.wiki import pages
from lark_emulator.world.documents import WikiSpace
from lark_emulator.world.docx import Docx

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.media import Media


def get_content(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return what a document (`token`) holds.

    Returns:
        `token`, `title`, `revision`, `text` (as `raw_content` has it) and `blocks` in the order in which they
        are read.
    """
    refuse_unknown(spec, "token")
    token = read_text(spec, "token")
    document = require_known(lark.world.drive.documents, "document", token).content
    if not isinstance(document, Docx):
        raise ValueError(f"{token!r} is not a docx")  # noqa: TRY004 - one kind of error for bad input
    return {
        "token": token,
        "title": document.title,
        "revision": document.revision,
        "text": render_text(document),
        "blocks": [block.render() for block in document.walk(document.root)],
    }


def list_medias(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the images and attachments that documents hold, without their bytes."""
    return {"medias": [_render_media(media) for media in lark.world.drive.medias.values()]}


def _render_media(media: Media) -> dict[str, Any]:
    return {
        "token": media.token,
        "name": media.name,
        "size": len(media.content),
        "type": media.content_type,
        "parent_type": media.parent_type,
        "parent_node": media.parent_node,
        "document": media.document,
        "app_id": media.app_id,
        "created": media.created,
    }


def add_space(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a wiki space, and return it as the state shows it.

    Args:
        lark: The emulator to add the space to.
        spec: Arguments by name: `name`, `description`, and `members`, a list such as
            `["app:cli_1a2b3c4d5e6f0001", "user:alice"]`; absent = everybody.
    """
    refuse_unknown(spec, "name", "description", "members")
    member_names = read_names(spec, "members")
    members = None if member_names is None else {parse_who(lark, member) for member in member_names}
    space_id = str(7 * 10**18 + int(lark.world.make_id("", 14), 16))
    name = read_text(spec, "name") or "Wiki"
    space = WikiSpace(space_id, name, read_text(spec, "description"), members=members)
    lark.world.wiki_spaces[space_id] = space
    return pages.render_space(space)


def list_spaces(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the spaces of the wiki, each with its pages."""
    world = lark.world
    return {
        "spaces": [
            pages.render_space(space)
            | {
                "pages": [
                    pages.render(world, node)
                    for node in world.wiki_nodes.values()
                    if node.space_id == space.space_id
                ]
            }
            for space in world.wiki_spaces.values()
        ]
    }
