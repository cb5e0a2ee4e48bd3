"""Tables in files: CSV and XLSX, read into rows of values, and written from them."""

from __future__ import annotations

import csv
import html
import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

from lark_emulator.conversions.unreadable import UnreadableError
from lark_emulator.sheets.ranges import format_column, parse_column

Rows = list[list[Any]]
"""Each value is text, a number, a bool, or None for an empty cell."""

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")
_CELL = re.compile(r"([A-Z]+)(\d+)")
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_MAX_PART_BYTES = 64 * 1024 * 1024
_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384
#: Cells, empty ones included: a small file can claim a great many.
_MAX_CELLS = 5_000_000


def read_csv(content: bytes) -> Rows:
    """Return the rows of a CSV file in UTF-8; what looks like a number is one.

    Raises:
        UnreadableError: another encoding, or no CSV.
    """
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        return [[_read_value(value) for value in line] for line in lines]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableError(str(error)) from error


def _read_value(value: str) -> Any:
    if not value:
        return None
    if not _NUMBER.fullmatch(value):
        return value
    return float(value) if "." in value else int(value)


def write_csv(rows: Rows) -> bytes:
    """Return rows as a CSV file, with the byte order mark that Excel wants."""
    to = io.StringIO(newline="")
    csv.writer(to).writerows([["" if value is None else value for value in row] for row in rows])
    return to.getvalue().encode("utf-8-sig")


def read_xlsx(content: bytes) -> list[tuple[str, Rows]]:
    """Return the worksheets of an XLSX file: their titles and rows.

    Raises:
        UnreadableError: it is not an XLSX file, or it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            titles = [
                sheet.get("name") or "" for sheet in _read_part(book, "xl/workbook.xml").iter(f"{_MAIN}sheet")
            ]
            names = {member.filename for member in book.infolist()}
            shared = _read_shared_strings(book) if "xl/sharedStrings.xml" in names else []
            sheets = []
            for number, title in enumerate(titles, 1):
                name = f"xl/worksheets/sheet{number}.xml"
                sheets.append((title, _read_rows(_read_part(book, name), shared) if name in names else []))
            return sheets
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, ET.ParseError, OSError) as error:
        raise UnreadableError(str(error)) from error


def _read_part(book: zipfile.ZipFile, name: str) -> ET.Element:
    if book.getinfo(name).file_size > _MAX_PART_BYTES:
        raise UnreadableError(f"{name} is too large")
    content = book.read(name)
    if b"<!DOCTYPE" in content[:1024] or b"<!ENTITY" in content:
        raise UnreadableError(f"{name} declares entities")
    return ET.fromstring(content)  # noqa: S314 - without declarations there is nothing to expand


def _read_shared_strings(book: zipfile.ZipFile) -> list[str]:
    items = _read_part(book, "xl/sharedStrings.xml").iter(f"{_MAIN}si")
    return ["".join(part.text or "" for part in item.iter(f"{_MAIN}t")) for item in items]


def _read_rows(sheet: ET.Element, shared: list[str]) -> Rows:
    rows: Rows = []
    cells = 0
    for line in sheet.iter(f"{_MAIN}row"):
        number = int(line.get("r") or len(rows) + 1)
        if not len(rows) < number <= _MAX_ROWS:
            raise UnreadableError(f"row {number} is out of order")
        rows.extend([] for _ in range(number - len(rows)))
        row = rows[-1]
        for cell in line.iter(f"{_MAIN}c"):
            place = _CELL.fullmatch(cell.get("r") or "")
            column = len(row) if place is None else parse_column(place[1])
            if column >= _MAX_COLUMNS:
                raise UnreadableError(f"column {column} is beyond the last one")
            row.extend([None] * (column + 1 - len(row)))
            row[column] = _read_cell(cell, shared)
        cells += len(row) + 1
        if cells > _MAX_CELLS:
            raise UnreadableError("too many cells")
    return rows


def _read_cell(cell: ET.Element, shared: list[str]) -> Any:
    kind, held = cell.get("t") or "n", cell.findtext(f"{_MAIN}v")
    if kind == "inlineStr":
        return "".join(part.text or "" for part in cell.iter(f"{_MAIN}t")) or None
    if not held:
        return None
    if kind == "s":
        return shared[int(held)]
    if kind == "b":
        return held == "1"
    if kind in ("str", "e", "d"):
        return held
    number = float(held)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def write_xlsx(sheets: list[tuple[str, Rows]]) -> bytes:
    """Return worksheets, given as title and rows, as an XLSX file."""
    to = io.BytesIO()
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = _MAIN.strip("{}")
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, len(sheets) + 1)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as book:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kinds}.worksheet+xml"/>'
            for n in numbers
        )
        book.writestr(
            "[Content_Types].xml",
            f'{head}<Types xmlns="{package}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>{parts}</Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'{head}<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
            f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        names = "".join(
            f'<sheet name="{html.escape(title)}" sheetId="{n}" r:id="rId{n}"/>'
            for n, (title, _) in zip(numbers, sheets, strict=True)
        )
        book.writestr(
            "xl/workbook.xml",
            f'{head}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>',
        )
        links = "".join(
            f'<Relationship Id="rId{n}" Type="{office}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{head}<Relationships xmlns="{package}/relationships">{links}</Relationships>',
        )
        for n, (_, rows) in zip(numbers, sheets, strict=True):
            lines = "".join(_format_line(number, row) for number, row in enumerate(rows, 1))
            body = f'{head}<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
            book.writestr(f"xl/worksheets/sheet{n}.xml", body)
    return to.getvalue()


def _format_line(number: int, row: list[Any]) -> str:
    cells = "".join(
        _format_cell(f"{format_column(n)}{number}", value) for n, value in enumerate(row) if value is not None
    )
    return f'<row r="{number}">{cells}</row>'


def _format_cell(place: str, value: Any) -> str:
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, (int, float)):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    words = html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", str(value)))
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{words}</t></is></c>'
