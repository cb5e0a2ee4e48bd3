"""Whatever a client sends to spreadsheets and the drive, Lark answers; it does not break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulator.spreadsheet import Book
from tests.emulator.test_whatever_is_sent import ODD, ODD_TEXTS, places, with_odd

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api


def bodies(book: Book) -> list[tuple[str, str, Any]]:
    cells = {"range": book.range("A1:C1"), "values": [["a", 1, {"type": "url", "text": "t", "link": "l"}]]}
    rows = {"sheetId": book.sheet_id, "majorDimension": "ROWS", "startIndex": 1, "endIndex": 2}
    condition = {"filter_type": "number", "compare_type": "less", "expected": ["2"]}
    where = {"range": book.range("A1:B2"), "search_by_regex": True, "match_case": True}
    style = {"font": {"bold": True, "fontSize": "10pt/1.5"}, "hAlign": 1, "backColor": "#ffffff"}
    attrs = [{"operator": "between", "formula": ["1", "2"]}]
    rule = {"ranges": [book.range("A1:A2")], "rule_type": "cellIs", "attrs": attrs, "style": {}}
    offered = {"conditionValues": ["a"], "options": {"multipleValues": True}}
    sheet = {
        "sheetId": book.sheet_id,
        "title": "T",
        "index": 0,
        "frozenRowCount": 1,
        "protect": {"lock": "LOCK"},
    }
    moved = {"major_dimension": "ROWS", "start_index": 0, "end_index": 1}
    return [
        ("PUT", f"{book.v2}/values", {"valueRange": cells}),
        ("POST", f"{book.v2}/values_batch_update", {"valueRanges": [cells]}),
        ("POST", f"{book.v2}/values_append", {"valueRange": cells}),
        ("POST", f"{book.v2}/values_prepend", {"valueRange": cells}),
        ("PUT", f"{book.v2}/style", {"appendStyle": {"range": book.range("A1:B2"), "style": style}}),
        (
            "PUT",
            f"{book.v2}/styles_batch_update",
            {"data": [{"ranges": [book.range("A1:B2")], "style": style}]},
        ),
        ("POST", f"{book.v2}/merge_cells", {"range": book.range("A1:B2"), "mergeType": "MERGE_ALL"}),
        ("POST", f"{book.v2}/unmerge_cells", {"range": book.range("A1:B2")}),
        ("POST", f"{book.v2}/dimension_range", {"dimension": {**rows, "length": 1}}),
        ("PUT", f"{book.v2}/dimension_range", {"dimension": rows, "dimensionProperties": {"fixedSize": 9}}),
        ("DELETE", f"{book.v2}/dimension_range", {"dimension": rows}),
        ("POST", f"{book.v2}/insert_dimension_range", {"dimension": rows, "inheritStyle": "AFTER"}),
        ("POST", f"{book.path}/move_dimension", {"source": moved, "destination_index": 4}),
        ("POST", f"{book.v2}/sheets_batch_update", {"requests": [{"updateSheet": {"properties": sheet}}]}),
        ("POST", f"{book.v2}/sheets_batch_update", {"requests": [{"copySheet": {"source": sheet}}]}),
        ("POST", f"{book.v2}/sheets_batch_update", {"requests": [{"addSheet": {"properties": sheet}}]}),
        ("POST", f"{book.path}/filter", {"range": book.range("A1:B2"), "col": "A", "condition": condition}),
        ("PUT", f"{book.path}/filter", {"col": "B", "condition": condition}),
        ("POST", f"{book.path}/find", {"find": "a", "find_condition": where}),
        ("POST", f"{book.path}/replace", {"find": "a", "replacement": "b", "find_condition": where}),
        (
            "POST",
            f"{book.v2}/condition_formats/batch_create",
            {"sheet_condition_formats": [{"sheet_id": book.sheet_id, "condition_format": rule}]},
        ),
        (
            "POST",
            f"{book.v2}/dataValidation",
            {"range": book.range("A1:A2"), "dataValidationType": "list", "dataValidation": offered},
        ),
        ("DELETE", f"{book.v2}/dataValidation", {"dataValidationRanges": [{"range": book.range("A1:A2")}]}),
        ("POST", "/sheets/v3/spreadsheets", {"title": "T", "folder_token": ""}),
        ("PATCH", book.v3, {"title": "T"}),
        ("POST", "/drive/v1/files/create_folder", {"name": "F", "folder_token": ""}),
        ("POST", f"/drive/v1/files/{book.token}/copy", {"name": "C", "type": "sheet", "folder_token": ""}),
        ("POST", f"/drive/v1/files/{book.token}/move", {"type": "sheet", "folder_token": ""}),
        ("POST", "/drive/v1/metas/batch_query", {"request_docs": [{"doc_token": "t", "doc_type": "sheet"}]}),
        (
            "POST",
            f"/drive/v1/permissions/{book.token}/members?type=sheet",
            {"member_type": "userid", "member_id": "bob", "perm": "view"},
        ),
        (
            "POST",
            f"/drive/v1/permissions/{book.token}/members/batch_create?type=sheet",
            {"members": [{"member_type": "openchat", "member_id": "oc_x", "perm": "view"}]},
        ),
        (
            "PATCH",
            f"/drive/v2/permissions/{book.token}/public?type=sheet",
            {"link_share_entity": "closed", "comment_entity": "anyone_can_view"},
        ),
    ]


def test_odd_values_anywhere_in_a_body(lark: Emulator, api: Api) -> None:
    lark.settings(rate_limits=False, sheet_write_ms=0)
    book = Book(api)
    assert book.put("A1:B3", [["a", 1], ["b", 2], ["c", 3]])["code"] == 0
    for method, path, body in bodies(book):
        for place in places(body):
            for odd in ODD:
                assert api(method, path, with_odd(body, place, odd))["http"] < 500, (path, place, odd)
    assert lark.state(summary=True)["crashes"] == 0
    assert lark.spreadsheet(book.token)["sheets"]


def test_odd_values_in_a_query_and_a_range(lark: Emulator, api: Api) -> None:
    lark.settings(rate_limits=False)
    book = Book(api)
    permissions = f"/drive/v1/permissions/{book.token}/members"
    for path, query in (
        (f"{book.v2}/values_batch_get", {"ranges": book.range("A1:A1"), "valueRenderOption": "ToString"}),
        (f"{book.v2}/metainfo", {"user_id_type": "open_id"}),
        (f"{book.v2}/condition_formats", {"sheet_ids": book.sheet_id}),
        (f"{book.v2}/dataValidation", {"range": book.range("A1:A1"), "dataValidationType": "list"}),
        ("/drive/v1/files", {"page_size": "2", "page_token": "", "order_by": "", "direction": "ASC"}),
        (permissions, {"type": "sheet", "fields": "*"}),
        (f"{permissions}/auth", {"type": "sheet", "action": "view"}),
    ):
        assert api("GET", path, None, **query)["code"] == 0
        for name in query:
            for odd in (*ODD_TEXTS, "!", "!A1", f"{book.sheet_id}!", f"{book.sheet_id}!:", "ZZZZ999999999"):
                assert api("GET", path, None, **{**query, name: odd})["http"] < 500, (path, name, odd)
    for cells in (
        "A",
        "1",
        ":",
        "A:",
        ":B",
        "A1:B",
        "A:B2",
        "1:B",
        "A:2",
        "ZZZZ1:ZZZZ9",
        "A999999999:B",
        "²1:²2",
    ):
        assert api("GET", f"{book.v2}/values/{book.range(cells)}")["http"] < 500, cells
    assert lark.state(summary=True)["crashes"] == 0
