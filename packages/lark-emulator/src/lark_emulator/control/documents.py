"""Folders and files of people, whom they are shared with, and who can open them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import read_choice, read_text, refuse_unknown, require_known
from lark_emulator.drive.access import find_openers
from lark_emulator.drive.objects import PREFIXES, make_docx
from lark_emulator.sheets.spreadsheets import make_worksheet
from lark_emulator.world.drive import DOCX, FOLDER, PERMS, SHEET, Document
from lark_emulator.world.sheets import FIRST_TITLE, Spreadsheet

if TYPE_CHECKING:
    from lark_emulator.lark import Lark
    from lark_emulator.world.docx import Docx
    from lark_emulator.world.drive import Who

_KINDS = ("user", "app", "chat")


def add(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Add a folder, a spreadsheet, a docx or another file of a person, or of an app.

    Args:
        lark: The emulator to add the document to.
        spec: Arguments by name: `type` (`folder`, `sheet`, `docx`, or another type, whose content is not
            held), `title`, `owner` (such as `user:alice` or `app:cli_1a2b3c4d5e6f0001`; absent = the first
            user), `folder_token`.

    Returns:
        What `get_access` does.
    """
    refuse_unknown(spec, "type", "title", "owner", "folder_token")
    kind, title = read_text(spec, "type") or SHEET, read_text(spec, "title")
    world = lark.world
    owner = parse_who(lark, read_text(spec, "owner") or f"user:{next(iter(world.users))}")
    parent = read_text(spec, "folder_token")
    if parent and require_known(world.drive.documents, "folder", parent).type != FOLDER:
        raise ValueError(f"{parent!r} is not a folder")
    content: Spreadsheet | Docx | None = None
    prefix = {FOLDER: "fldcn", **PREFIXES}.get(kind, "boxcn")
    token = world.make_id(prefix, 22)
    if kind == DOCX:
        content = make_docx(token, title)
    elif kind == SHEET:
        sheet = make_worksheet(world, FIRST_TITLE)
        content = Spreadsheet({sheet.sheet_id: sheet})
    world.drive.add(Document(token, kind, owner, parent, lark.clock.get_time(), content, title))
    return get_access(lark, {"token": token})


def share(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Share a document (`token`) as its owner would, `with` (`user:…`, `app:…`, `chat:…`).

    Args:
        lark: The emulator that holds the document.
        spec: Arguments by name: `token`, `with`, and `perm`: `view`, `edit`, `full_access`, or `none`, which
            removes it.
    """
    refuse_unknown(spec, "token", "with", "perm")
    document = require_known(lark.world.drive.documents, "document", read_text(spec, "token"))
    name, perm = parse_who(lark, read_text(spec, "with")), read_choice(spec, "perm", (*PERMS, "none"))
    if perm == "none":
        document.members.pop(name, None)
    else:
        document.members[name] = perm
    return get_access(lark, {"token": document.token})


def get_access(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a document (`token`): whose it is, its collaborators, and who can open it.

    Returns:
        `token`, `type`, `title`, `owner`, `folder_token`, `url`, `deleted`, `members` and `openers` (the most
        that each may do, by `user:alice` and the like), and `public`, the settings of its link.
    """
    refuse_unknown(spec, "token")
    document = require_known(lark.world.drive.documents, "document", read_text(spec, "token"))
    opens = {} if document.deleted else find_openers(lark.world, lark.settings, document)
    return {
        "token": document.token,
        "type": document.type,
        "title": document.title,
        "owner": ":".join(document.owner),
        "folder_token": document.parent,
        "url": document.url,
        "deleted": document.deleted,
        "members": {":".join(name): perm for name, perm in document.members.items()},
        "openers": {":".join(name): most for name, most in opens.items()},
        "public": dict(document.public),
    }


def list_all(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return all documents, deleted ones included, as `documents/access` does."""
    return {"documents": [get_access(lark, {"token": token}) for token in lark.world.drive.documents]}


def parse_who(lark: Lark, name: str) -> Who:
    """Return a user, an app or a chat by a name such as `user:alice`."""
    kind, _, identifier = name.partition(":")
    if kind not in _KINDS:
        raise ValueError(f"{name!r} must begin with one of {', '.join(f'{kind}:' for kind in _KINDS)}")
    world = lark.world
    everybody: dict[str, dict[str, Any]] = {
        "user": {**world.users},
        "app": {**world.apps},
        "chat": {**world.chats},
    }
    require_known(everybody[kind], kind, identifier)
    return kind, identifier
