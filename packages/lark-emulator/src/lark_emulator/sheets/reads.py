"""`/sheets/v2/spreadsheets/:token/values/:range` and `values_batch_get`: reading cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.routing import Call, Route
from lark_emulator.sheets.opened import open_spreadsheet
from lark_emulator.sheets.reading import DATES, RENDERS, CellReader

if TYPE_CHECKING:
    from collections.abc import Generator

    from lark_emulator.routing import Slices


def _make_reader(call: Call) -> CellReader:
    file = open_spreadsheet(call)
    render, dates = call.query.get("valueRenderOption", ""), call.query.get("dateTimeRenderOption", "")
    if render not in RENDERS or dates not in DATES:
        raise file.make_refusal(codes.SHEET_URL_PARAM)
    return CellReader(file, render, bool(dates), call.settings.max_sheet_answer_bytes)


def _read_value_range(reader: CellReader, text: str) -> Generator[None, None, tuple[dict[str, Any], int]]:
    name, rows, count = yield from reader.read_values(text)
    revision = reader.file.book.revision
    return {"majorDimension": "ROWS", "range": name, "revision": revision, "values": rows}, count


def get(call: Call) -> Slices:
    """Answer `GET …/values/:range`."""
    reader = _make_reader(call)
    value_range, _ = yield from _read_value_range(reader, call.params["range"])
    file = reader.file
    return {"revision": file.book.revision, "spreadsheetToken": file.token, "valueRange": value_range}


def batch_get(call: Call) -> Slices:
    """Answer `GET …/values_batch_get`."""
    reader = _make_reader(call)
    results = []
    for text in call.query.get("ranges", "").split(","):
        result = yield from _read_value_range(reader, text)
        results.append(result)
    return {
        "revision": reader.file.book.revision,
        "spreadsheetToken": reader.file.token,
        "totalCells": sum(count for _, count in results),
        "valueRanges": [value_range for value_range, _ in results],
    }


_PATH = "/open-apis/sheets/v2/spreadsheets/:spreadsheetToken"

ROUTES = (
    Route(
        "GET",
        f"{_PATH}/values/:range",
        get,
        unconfirmed=(
            (
                "a range that begins outside the grid (settable, `read_outside`), empty rows at the end "
                "(`trailing_rows`); formulas are not computed, but for SUM, AVERAGE, COUNT, MIN and MAX "
                "of one range"
            ),
        ),
    ),
    Route("GET", f"{_PATH}/values_batch_get", batch_get),
)
