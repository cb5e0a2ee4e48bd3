"""Workbooks of Excel: what a cell holds, read back by openpyxl."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]  # it has no type hints
import pytest

from lark_provider.files.workbooks import MAX_CHARS, WorkbookResult, write_workbook

EMOJI = "\N{BAR CHART}"
"""One character, which is two in UTF-16."""


def write(path: Path, text: str) -> tuple[WorkbookResult, str]:
    """Write one text into a workbook; return the result, and the text that the workbook holds."""
    written = write_workbook(path, ["note"], [{"note": text}])
    book = openpyxl.load_workbook(path, read_only=True)
    try:
        return written, book.active["A2"].value
    finally:
        book.close()


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a" * MAX_CHARS, "a" * MAX_CHARS),
        ("a" * (MAX_CHARS + 1), "a" * MAX_CHARS),
        ("a" + EMOJI * (MAX_CHARS // 2), "a" + EMOJI * (MAX_CHARS // 2)),
        (EMOJI * (MAX_CHARS // 2 + 1), EMOJI * (MAX_CHARS // 2)),
        (EMOJI * MAX_CHARS, EMOJI * (MAX_CHARS // 2)),
    ],
    ids=["fits", "one too many", "fits in UTF-16", "half a character", "twice as long"],
)
def test_a_cell_holds_as_many_characters_as_excel_counts(tmp_path: Path, text: str, held: str) -> None:
    written, read = write(tmp_path / "book.xlsx", text)
    assert read == held
    assert written == WorkbookResult(1, "" if text == held else "row 1, column 'note'")


def test_a_character_that_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    _, read = write(tmp_path / "book.xlsx", "a\x00b\ud83dc\udcca=d\uffff")
    assert read == "a\ufffdb\ufffdc\ufffd=d\ufffd"


def test_text_that_looks_like_an_escaped_character_stays_as_it_is(tmp_path: Path) -> None:
    # Read from the XML, since openpyxl shows the text of a cell without reading escaped characters.
    path = tmp_path / "book.xlsx"
    write_workbook(path, ["note"], [{"note": "_x0041_, _x_ and x0041"}])
    with zipfile.ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<t>_x005F_x0041_, _x_ and x0041</t>" in sheet
