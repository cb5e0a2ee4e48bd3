"""Word files (.docx): their paragraphs read as Markdown, and documents written as one."""

from __future__ import annotations

import html
import io
import re
import zipfile
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lark_emulator.conversions.unreadable import UnreadableError
from lark_emulator.docx import nodes
from lark_emulator.docx.nodes import BlockNode
from lark_emulator.world import docx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.world.docx import Docx

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MAX_BYTES = 64 * 1024 * 1024
_HEADING = re.compile(r"[Hh]eading ?([1-9])")


def read(content: bytes) -> Iterator[BlockNode]:
    """Yield the headings and paragraphs of a Word file as blocks; its tables row by row.

    Raises:
        UnreadableError: it is not a Word file, or it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            if package.getinfo("word/document.xml").file_size > _MAX_BYTES:
                raise UnreadableError("the document is too large")
            raw = package.read("word/document.xml")
        if b"<!DOCTYPE" in raw[:1024] or b"<!ENTITY" in raw:
            raise UnreadableError("the document declares entities")
        root = ET.fromstring(raw)  # noqa: S314 - without declarations there is nothing to expand
    except (zipfile.BadZipFile, KeyError, ET.ParseError, OSError) as error:
        raise UnreadableError(str(error)) from error
    for paragraph in root.iter(f"{_WORD}p"):
        style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
        heading = None if style is None else _HEADING.fullmatch(style.get(f"{_WORD}val") or "")
        kind = docx.TEXT if heading is None else docx.HEADING1 + int(heading[1]) - 1
        words = "".join(part.text or "" for part in paragraph.iter(f"{_WORD}t"))
        yield from nodes.iterate_text_blocks(kind, nodes.make_plain(words))


def write(document: Docx) -> bytes:
    """Return a document as a Word file: its headings and its text."""
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    lines = []
    for block in document.walk(document.root):
        if "elements" in block.data:
            level = block.block_type - docx.HEADING1 + 1
            style = f'<w:pPr><w:pStyle w:val="Heading{level}"/></w:pPr>' if 1 <= level <= 9 else ""  # noqa: PLR2004
            words = html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", block.text))
            lines.append(f'<w:p>{style}<w:r><w:t xml:space="preserve">{words}</w:t></w:r></w:p>')
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'{head}<Types xmlns="{package}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'{head}<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
            f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
        )
        word = _WORD.strip("{}")
        archive.writestr(
            "word/document.xml",
            f'{head}<w:document xmlns:w="{word}"><w:body>{"".join(lines)}</w:body></w:document>',
        )
    return to.getvalue()
