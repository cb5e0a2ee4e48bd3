"""What the official SDK does about spreadsheets: its models for v3, plain requests for v2."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from tests.conformance.conftest import Sdk


class Book:
    """A spreadsheet that was made with the SDK."""

    def __init__(self, sdk: Sdk, client: Any) -> None:
        self.sdk, self.client = sdk, client
        request = sdk.request(sdk.sheets, "CreateSpreadsheet", {"title": "Daily"}, model="Spreadsheet")
        self.token = good(client.sheets.v3.spreadsheet.create(request)).spreadsheet.spreadsheet_token
        listed = self.v3("spreadsheet_sheet.query", "QuerySpreadsheetSheet").sheets
        self.sheet_id = listed[0].sheet_id
        assert listed[0].grid_properties.row_count == 200

    def v3(self, call: str, name: str, body: Any = None, *, model: str = "", **parts: Any) -> Any:
        """Send a request for which the SDK has a model."""
        request = self.sdk.request(
            self.sdk.sheets, name, body, model=model, spreadsheet_token=self.token, **parts
        )
        resource, _, method = call.partition(".")
        return good(getattr(getattr(self.client.sheets.v3, resource), method)(request))

    def v2(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request for which it has none."""
        uri = f"/open-apis/sheets/v2/spreadsheets/{self.token}{path}"
        answer = self.client.request(self.sdk.plain(method, uri, body))
        good(answer)
        return json.loads(answer.raw.content)["data"]

    def range(self, cells: str) -> str:
        return f"{self.sheet_id}!{cells}"


def drive(sdk: Sdk, client: Any) -> None:
    book = Book(sdk, client)
    _check_file(book)
    _check_values(book)
    _check_looks(book)
    _check_rules(book)
    _check_filters(book)
    _check_locks(book)
    _check_views(book)
    _check_pictures(book)


def _check_file(book: Book) -> None:
    book.v3(
        "spreadsheet.patch", "PatchSpreadsheet", {"title": "Daily 2"}, model="UpdateSpreadsheetProperties"
    )
    shown = book.v3("spreadsheet.get", "GetSpreadsheet").spreadsheet
    assert (shown.title, shown.token) == ("Daily 2", book.token)
    sheet = book.v3("spreadsheet_sheet.get", "GetSpreadsheetSheet", sheet_id=book.sheet_id).sheet
    assert (sheet.title, sheet.index) == ("Sheet1", 0)
    added = book.v2(
        "POST", "/sheets_batch_update", {"requests": [{"addSheet": {"properties": {"title": "B"}}}]}
    )
    assert added["replies"][0]["addSheet"]["properties"]["title"] == "B"
    assert book.v2("GET", "/metainfo")["properties"]["sheetCount"] == 2


def _check_values(book: Book) -> None:
    written = {"range": book.range("A1:B2"), "values": [["k", "v"], ["a", 1]]}
    done = book.v2("PUT", "/values", {"valueRange": written})
    assert done["updatedRange"] == book.range("A1:B2")
    more = {"range": book.range("A3:B3"), "values": [["b", 2]]}
    assert (
        book.v2("POST", "/values_batch_update", {"valueRanges": [more]})["responses"][0]["updatedCells"] == 2
    )
    last = {"range": book.range("A1:B1"), "values": [["c", 3]]}
    placed = book.v2("POST", "/values_append", {"valueRange": last})
    assert placed["updates"]["updatedRange"] == book.range("A4:B4")
    book.v2("POST", "/values_prepend", {"valueRange": {"range": book.range("A2:B2"), "values": [["0", 0]]}})
    read = book.v2("GET", f"/values/{book.range('A1:B5')}")["valueRange"]["values"]
    assert read == [["k", "v"], ["0", 0], ["a", 1], ["b", 2], ["c", 3]]
    many = book.v2("GET", f"/values_batch_get?ranges={book.range('A1:A1')},{book.range('B5:B5')}")
    assert [value_range["values"] for value_range in many["valueRanges"]] == [[["k"]], [[3]]]
    condition = {"range": book.range("A1:B5"), "match_entire_cell": True}
    find_result = book.v3(
        "spreadsheet_sheet.find",
        "FindSpreadsheetSheet",
        {"find": "a", "find_condition": condition},
        model="Find",
        sheet_id=book.sheet_id,
    ).find_result
    assert find_result.matched_cells == ["A3"]
    replaced = book.v3(
        "spreadsheet_sheet.replace",
        "ReplaceSpreadsheetSheet",
        {"find": "a", "replacement": "A", "find_condition": condition},
        model="Replace",
        sheet_id=book.sheet_id,
    ).replace_result
    assert (replaced.matched_cells, replaced.rows_count) == (["A3"], 1)


def _check_looks(book: Book) -> None:
    style = {"font": {"bold": True}, "formatter": "0.00"}
    assert book.v2("PUT", "/style", {"appendStyle": {"range": book.range("A1:B1"), "style": style}})[
        "updates"
    ]
    spec = {"ranges": [book.range("B2:B5")], "style": {"formatter": "#,##0"}}
    assert book.v2("PUT", "/styles_batch_update", {"data": [spec]})["totalUpdatedCells"] == 4
    book.v2("POST", "/merge_cells", {"range": book.range("D1:E2"), "mergeType": "MERGE_ALL"})
    book.v2("POST", "/unmerge_cells", {"range": book.range("D1:E2")})
    rows = {"sheetId": book.sheet_id, "majorDimension": "ROWS"}
    assert book.v2("POST", "/dimension_range", {"dimension": {**rows, "length": 5}})["addCount"] == 5
    book.v2("POST", "/insert_dimension_range", {"dimension": {**rows, "startIndex": 9, "endIndex": 10}})
    sized = {"dimension": {**rows, "startIndex": 1, "endIndex": 1}, "dimensionProperties": {"fixedSize": 40}}
    book.v2("PUT", "/dimension_range", sized)
    gone = book.v2("DELETE", "/dimension_range", {"dimension": {**rows, "startIndex": 10, "endIndex": 10}})
    assert gone["delCount"] == 1
    source = {"major_dimension": "ROWS", "start_index": 1, "end_index": 1}
    book.v3(
        "spreadsheet_sheet.move_dimension",
        "MoveDimensionSpreadsheetSheet",
        {"source": source, "destination_index": 5},
        model="MoveDimension",
        sheet_id=book.sheet_id,
    )
    read = book.v2("GET", f"/values/{book.range('A1:A5')}")["valueRange"]["values"]
    assert read == [["k"], ["A"], ["b"], ["c"], ["0"]]


def _check_rules(book: Book) -> None:
    path = "/condition_formats"
    rule = {
        "ranges": [book.range("B2:B5")],
        "rule_type": "cellIs",
        "attrs": [{"operator": "greaterThan", "formula": ["1"]}],
        "style": {"back_color": "#ff0000"},
    }
    spec = {"sheet_condition_formats": [{"sheet_id": book.sheet_id, "condition_format": rule}]}
    (created,) = book.v2("POST", f"{path}/batch_create", spec)["responses"]
    assert created["res_code"] == 0
    spec["sheet_condition_formats"][0]["condition_format"] = {**rule, "cf_id": created["cf_id"]}
    book.v2("POST", f"{path}/batch_update", spec)
    assert book.v2("GET", f"{path}?sheet_ids={book.sheet_id}")["sheet_condition_formats"]
    gone = {"sheet_cf_ids": [{"sheet_id": book.sheet_id, "cf_id": created["cf_id"]}]}
    book.v2("DELETE", f"{path}/batch_delete", gone)
    path, list_of = "/dataValidation", {"conditionValues": ["x", "y"]}
    dropdown = {"range": book.range("C1:C5"), "dataValidationType": "list", "dataValidation": list_of}
    book.v2("POST", path, dropdown)
    query = f"range={book.range('C1:C5')}&dataValidationType=list"
    (shown,) = book.v2("GET", f"{path}?{query}")["dataValidations"]
    changed = {"dataValidationType": "list", "dataValidation": {"conditionValues": ["z"]}}
    book.v2("PUT", f"{path}/{book.sheet_id}/{shown['dataValidationId']}", changed)
    cleared = {"dataValidationRanges": [{"range": book.range("C1:C5")}]}
    assert book.v2("DELETE", path, cleared)["rangeResults"][0]["success"] is True


def _check_filters(book: Book) -> None:
    def call(method: str, name: str, body: Any = None, model: str = "") -> Any:
        name = f"{name}SpreadsheetSheetFilter"
        return book.v3(f"spreadsheet_sheet_filter.{method}", name, body, model=model, sheet_id=book.sheet_id)

    condition = {"filter_type": "number", "compare_type": "less", "expected": ["2"]}
    body = {"range": book.range("A1:B5"), "col": "B", "condition": condition}
    call("create", "Create", body, "CreateSheetFilter")
    info = call("get", "Get").sheet_filter_info
    assert (info.range, info.filtered_out_rows) == (book.range("A1:B5"), [3, 4])
    texts = {"filter_type": "text", "compare_type": "beginsWith", "expected": ["c"]}
    call("update", "Update", {"col": "A", "condition": texts}, "UpdateSheetFilter")
    call("delete", "Delete")


def _check_locks(book: Book) -> None:
    lines = {"sheetId": book.sheet_id, "majorDimension": "COLUMNS", "startIndex": 10, "endIndex": 13}
    spec = {"dimension": lines, "users": ["ou_emulator0001_alice"], "lockInfo": "totals"}
    added = book.v2("POST", "/protected_dimension?user_id_type=open_id", {"addProtectedDimension": [spec]})
    (lock,) = added["addProtectedDimension"]
    assert (lock["dimension"], lock["users"], lock["lockInfo"]) == (lines, spec["users"], "totals")
    path, lock_id = "/protected_range_batch", lock["protectId"]
    (shown,) = book.v2("GET", f"{path}_get?protectIds={lock_id}&memberType=openId")["protectedRanges"]
    alice = {"memberType": "openId", "memberId": "ou_emulator0001_alice"}
    assert (shown["editors"], shown["sheetId"]) == ({"users": [alice]}, book.sheet_id)
    change = {"protectId": lock_id, "editors": {"delEditors": [alice]}, "lockInfo": "sums"}
    (reply,) = book.v2("POST", f"{path}_update", {"requests": [change]})["replies"]
    assert (reply["lockInfo"], reply["editors"]["delEditors"]) == ("sums", [alice])
    listed = book.v2("GET", "/metainfo?extFields=protectedRange")["sheets"]
    assert [locked_range["protectId"] for sheet in listed for locked_range in sheet["protectedRange"]] == [
        lock_id
    ]
    gone = book.v2("DELETE", f"{path}_del", {"protectIds": [lock_id, "1"]})
    assert gone["delProtectIds"] == [lock_id]


def _check_views(book: Book) -> None:
    def call(method: str, name: str, body: Any = None, *, of: str = "", **parts: Any) -> Any:
        name, resource = f"{name}SpreadsheetSheetFilterView{of}", "spreadsheet_sheet_filter_view"
        if of:
            resource = f"{resource}_condition"
        model = f"FilterView{of}"
        return book.v3(f"{resource}.{method}", name, body, model=model, sheet_id=book.sheet_id, **parts)

    spec = {"filter_view_id": "pH9hbVcCXA", "filter_view_name": "Small", "range": book.range("A1:B5")}
    created = call("create", "Create", spec).filter_view
    assert (created.filter_view_id, created.range) == ("pH9hbVcCXA", book.range("A1:B5"))
    view = {"filter_view_id": created.filter_view_id}
    assert call("get", "Get", **view).filter_view.filter_view_name == "Small"
    assert call("patch", "Patch", {"filter_view_name": "Tiny"}, **view).filter_view.filter_view_name == "Tiny"
    assert [filter_view.filter_view_name for filter_view in call("query", "Query").items] == ["Tiny"]
    less = {"condition_id": "B", "filter_type": "number", "compare_type": "less", "expected": ["6"]}
    assert call("create", "Create", less, of="Condition", **view).condition.expected == ["6"]
    column = {**view, "condition_id": "B"}
    changed = {"filter_type": "number", "compare_type": "between", "expected": ["2", "10"]}
    assert call("update", "Update", changed, of="Condition", **column).condition.compare_type == "between"
    assert call("get", "Get", of="Condition", **column).condition.expected == ["2", "10"]
    (listed,) = call("query", "Query", of="Condition", **view).items
    assert (listed.condition_id, listed.filter_type) == ("B", "number")
    call("delete", "Delete", of="Condition", **column)
    call("delete", "Delete", **view)
    assert call("query", "Query").items == []


def _check_pictures(book: Book) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + (30).to_bytes(4) + (40).to_bytes(4)
    image = {"range": book.range("D9:D9"), "image": list(png), "name": "a.PNG"}
    assert book.v2("POST", "/values_image", image)["updatedRange"] == book.range("D9:D9")
    book.v2("POST", "/values_image", {**image, "image": base64.b64encode(png).decode()})
    read = book.v2("GET", f"/values/{book.range('D9:D9')}")["valueRange"]["values"]
    (cell,) = read[0][0]
    assert (cell["type"], cell["width"], cell["height"], cell["text"]) == ("embed-image", 30, 40, "")

    form = {"file_name": "a.png", "parent_type": "sheet_image", "parent_node": book.token, "size": len(png)}
    upload = book.sdk.request(book.sdk.drive, "UploadAllMedia", {**form, "file": io.BytesIO(png)})
    token = good(book.client.drive.v1.media.upload_all(upload)).file_token

    def call(method: str, name: str, body: Any = None, **parts: Any) -> Any:
        name = f"{name}SpreadsheetSheetFloatImage"
        resource = f"spreadsheet_sheet_float_image.{method}"
        return book.v3(resource, name, body, model="FloatImage", sheet_id=book.sheet_id, **parts)

    spec = {"float_image_id": "ye06SS14ph", "float_image_token": token, "range": book.range("C3:C3")}
    created = call("create", "Create", spec).float_image
    assert (created.width, created.height, created.offset_x, created.range) == (
        30,
        40,
        0,
        book.range("C3:C3"),
    )
    ids = {"float_image_id": "ye06SS14ph"}
    moved = call("patch", "Patch", {"offset_y": 20, "width": 100}, **ids).float_image
    assert (moved.offset_y, moved.width, moved.height) == (20, 100, 40)
    assert call("get", "Get", **ids).float_image.float_image_token == token
    assert [float_image.float_image_id for float_image in call("query", "Query").items] == ["ye06SS14ph"]
    call("delete", "Delete", **ids)
    assert call("query", "Query").items == []
