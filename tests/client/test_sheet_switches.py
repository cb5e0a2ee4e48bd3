"""What nobody knows of Lark's spreadsheets makes no difference to those who use them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets import Formula, Link, Mention, Style
from lark_provider.client.sheets import Sheet, Spreadsheet
from lark_provider.errors import ConflictError, InvalidRequestError, LarkAPIError, PermissionDeniedError

ROW = [
    "text",
    "00123",
    "=1+1",
    "a@b.example",
    "https://a.example/b",
    5,
    1.25,
    None,
    dt.date(2026, 1, 31),
    dt.time(23, 59, 58),
    dt.datetime(2026, 1, 31, 1, 2, 3),  # noqa: DTZ001
    Link("Lark", "https://larksuite.com"),
    Mention("ou_emulator0001_alice"),
]


@pytest.fixture
def book(lark: Emulator) -> Spreadsheet[Any]:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    sheets = LarkServiceClient().clouddoc.sheets
    return sheets.open(sheets.create("Daily").token)


@pytest.mark.parametrize(
    ("switch", "answer"),
    [
        ("url_strings", "text"),
        ("email_strings", "text"),
        ("equals_strings", "formula"),
        ("trailing_rows", "cut"),
        ("value_write_formats", "reset"),
        ("grid_growth", "range"),
        ("grid_growth", "refused"),
        ("sheet_error_status", "200"),
        ("single_cells", "taken"),
        ("sheets_replies", "merged"),
        ("sheets_batch", "whole"),
        ("read_outside", "empty"),
        ("max_style_rows", 2000),
    ],
)
def test_cells_come_back(lark: Emulator, book: Spreadsheet[Any], switch: str, answer: Any) -> None:
    lark.settings(**{switch: answer})
    sheet = book["Sheet1"]
    sheet.write("A199", [[*ROW, Formula("=SUM(F199:G199)")]] * 4)
    assert sheet.read("A199:N202") == [[*ROW, 6.25]] + [[*ROW, 6.25]] * 3
    sheet.write("A199", [[None] * 14] * 4)
    assert sheet.read() == []
    book.add_sheet("More")
    book.rename_sheet("More", "Other")
    assert [worksheet.title for worksheet in book.list_sheets()] == ["Sheet1", "Other"]
    sheet.style("A1:T3000" if switch == "max_style_rows" else "A1:B2", Style(bold=True))


def test_a_bool_may_be_kept_as_text(lark: Emulator, book: Spreadsheet[Any]) -> None:
    lark.settings(bool_cells="text")
    book["Sheet1"].write("A1", [[True]])
    assert book["Sheet1"].read("A1") == [["TRUE"]]
    lark.settings(bool_cells="refused")
    with pytest.raises(LarkAPIError) as error:
        book["Sheet1"].write("A1", [[True]])
    assert error.value.code == 90204


def test_an_error_is_judged_by_its_code(lark: Emulator, book: Spreadsheet[Any]) -> None:
    for status in (200, 400):
        lark.fault("PUT", "*/values", code=90218, status=status)
        with pytest.raises(PermissionDeniedError, match="let the owner of the protected cells"):
            book["Sheet1"].write("A1", [[1]])
    for denied in ("91403", "90213"):
        lark.settings(sheet_denied=denied)
        token = lark.add_document("Theirs", type="sheet")
        with pytest.raises(PermissionDeniedError, match="Next: share the document with the app"):
            book.runner.clouddoc.sheets.list_sheets(token)


@pytest.mark.parametrize("last", ["refused", "deleted"])
def test_the_last_worksheet_is_never_deleted(lark: Emulator, book: Spreadsheet[Any], last: str) -> None:
    lark.settings(last_worksheet=last)
    with pytest.raises(ConflictError, match="is the only one of the spreadsheet"):
        book.delete_sheet(0)
    assert len(book.list_sheets()) == 1


@pytest.mark.parametrize("again", ["taken", "refused"])
def test_merging_again_is_harmless(lark: Emulator, book: Spreadsheet[Any], again: str) -> None:
    lark.settings(remerge=again)
    sheet: Sheet[Any] = book["Sheet1"]
    for _ in range(2):
        sheet.merge("A1:C2")
    with pytest.raises(InvalidRequestError, match="overlaps merged cells: A1:C2"):
        sheet.merge("B2:D4")


def test_a_folder_of_a_person_must_be_shared(lark: Emulator, book: Spreadsheet[Any]) -> None:
    folder = lark.add_document("Theirs", type="folder", owner="user:alice")
    sheets = book.runner.clouddoc.sheets
    with pytest.raises(PermissionDeniedError, match="Next: share the document with the app"):
        sheets.create("Daily", folder=f"https://x.feishu.cn/drive/folder/{folder}")
    lark.share_document(folder, f"app:{lark.app_id}", "edit")
    assert sheets.create("Daily", folder=folder).folder_token == folder
