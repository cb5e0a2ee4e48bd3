"""Documents that come into being inside others: in the wiki, in a docx, or by an import."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lark_emulator.drive.access import get_apps
from lark_emulator.world.bases import ATTACHMENT, TEXT, Base, Field, Table
from lark_emulator.world.docx import PAGE, Block, Docx
from lark_emulator.world.drive import BITABLE, DOCX, SHEET, Document
from lark_emulator.world.media import Media
from lark_emulator.world.sheets import FIRST_TITLE, Spreadsheet, Worksheet

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.routing import Call

#: Records whose attachments are copied between two turns of other clients.
_TURN = 1000
PREFIXES = {DOCX: "doxcn", SHEET: "shtcn", BITABLE: "bascn"}
FIRST_TABLE = "Table 1"
DEFAULT_ZONE = "Asia/Shanghai"


def add_object(call: Call, kind: str, title: str, parent: str = "") -> Document:
    """Make an empty document that belongs to the calling app.

    Args:
        call: The request whose app or user becomes the owner.
        kind: The type of the document: `docx`, `sheet`, `bitable`, or another type, whose content is not
            held.
        title: The title of the document.
        parent: The token of its folder; empty = it is in none, but in the wiki or in another document.
    """
    token = call.world.make_id(PREFIXES.get(kind, "boxcn"), 22)
    content: Any = None
    if kind == DOCX:
        content = make_docx(token, title)
    elif kind == SHEET:
        sheet = Worksheet(call.world.make_id("", 6), FIRST_TITLE)
        content = Spreadsheet({sheet.sheet_id: sheet})
    elif kind == BITABLE:
        content = Base(token, title, parent, DEFAULT_ZONE, get_apps(call))
        table = Table(call.world.make_id("tbl", 13), FIRST_TABLE, call.world.make_id("vew", 10), "Grid")
        table.add_field(Field(call.world.make_id("fld", 10), "Text", TEXT, "Text"))
        content.tables[table.table_id] = table
        call.world.bases[token] = content
    document = Document(token, kind, call.who, parent, call.world.clock.get_time(), content, title)
    return call.world.drive.add(document)


def make_docx(document_id: str, title: str) -> Docx:
    """Return an empty document."""
    page = Block(document_id, PAGE, {"elements": [], "style": {"align": 1, "folded": False}})
    docx = Docx(document_id, {document_id: page})
    docx.retitle(title)
    return docx


def copy_object(
    call: Call, source: Document, title: str, parent: str = "", *, limit: int | None = None
) -> Generator[None, None, Document]:
    """Copy a document for the calling app; other requests are served meanwhile.

    Args:
        call: The request whose app or user becomes the owner of the copy.
        source: The document to copy.
        title: The title of the copy.
        parent: The token of the copy's folder; empty = it is in none.
        limit: The largest number of records that are copied with a table of a base; a table with more is
            copied without records; None = all records are copied.
    """
    token = call.world.make_id(PREFIXES.get(source.type, "boxcn"), 22)
    content: Any = source.content
    if isinstance(content, Base):
        content = yield from content.copy(limit)
        content.name, content.app_token, content.folder_token = title, token, parent
        content.replays, content.shared_with = {}, get_apps(call)
        yield from _copy_attachments(call, content)
        call.world.bases[token] = content
    elif isinstance(content, Spreadsheet):
        content = yield from content.copy()
        _copy_pictures(call, content, token)
    elif isinstance(content, Docx):
        content = content.copy(token)
        content.retitle(title)
        for block in content.blocks.values():
            media = call.world.drive.medias.get(block.data.get("token") or "")
            if media is not None:
                block.data["token"] = _copy_media(call, media, token, block.block_id)
    elif isinstance(content, Media):
        content = dataclasses.replace(content, token=token, name=title)
    now = call.world.clock.get_time()
    document = Document(token, source.type, call.who, parent, now, content, title)
    return call.world.drive.add(document)


def _copy_attachments(call: Call, base: Base) -> Generator[None, None, None]:
    """Give a copied base attachments of its own: the tokens of another base hold for that one alone."""
    drive = call.world.drive
    for table in base.tables.values():
        columns = [column.field_id for column in table.fields.values() if column.type == ATTACHMENT]
        for number, record in enumerate(table.records.take_snapshot() if columns else (), 1):
            if number % _TURN == 0:
                yield
            cells = {
                field_id: [
                    _copy_media(call, drive.medias[file_token], base.app_token, base.app_token)
                    for file_token in record.cells[field_id]
                ]
                for field_id in columns
                if record.cells.get(field_id)
            }
            if cells:
                table.records.set_cells(record.record_id, cells)


def _copy_pictures(call: Call, book: Spreadsheet, document: str) -> None:
    """Give a copied spreadsheet floating images of its own."""
    medias, tokens = call.world.drive.medias, dict[str, str]()
    for image in (image for sheet in book.sheets.values() for image in sheet.images.values()):
        if image.token not in tokens:
            tokens[image.token] = _copy_media(call, medias[image.token], document, document)
        image.token = tokens[image.token]


def _copy_media(call: Call, media: Media, document: str, node: str) -> str:
    token = call.world.make_id("boxcn", 22)
    copied = dataclasses.replace(media, token=token, document=document, parent_node=node)
    call.world.drive.medias[token] = copied
    return token
