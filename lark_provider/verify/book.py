"""A worksheet for one probe of spreadsheets."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import Any

from lark_provider.verify.probe import (
    TITLE,
    CannotProbeError,
    MadeObject,
    ProbeTarget,
    Reply,
    Request,
    require,
)

RANGE = 90202


def undo_file(kind: str, *path: str) -> Any:
    """Return what deletes a document, given the reply that made it.

    Args:
        kind: Its type at the drive, such as `sheet`.
        path: The members of the reply's data under which its token is.
    """

    def undo(reply: Reply) -> Request:
        data: Any = reply.data
        token = functools.reduce(operator.getitem, path, data)
        return Request("DELETE", f"/drive/v1/files/{token}", params={"type": kind})

    return undo


@dataclass(frozen=True, slots=True)
class Book:
    """A worksheet.

    Attributes:
        token: The spreadsheet's token.
        sheet_id: The worksheet's id.
    """

    token: str
    sheet_id: str

    @property
    def v2(self) -> str:
        """Path of the spreadsheet in v2."""
        return f"/sheets/v2/spreadsheets/{self.token}"

    @property
    def v3(self) -> str:
        """Path of the worksheet in v3."""
        return f"/sheets/v3/spreadsheets/{self.token}/sheets/{self.sheet_id}"

    def get_range(self, cells: str) -> str:
        """Return a range of the worksheet."""
        return f"{self.sheet_id}!{cells}"

    def put(self, cells: str, values: list[list[Any]]) -> Request:
        """Return the request that writes values."""
        body = {"valueRange": {"range": self.get_range(cells), "values": values}}
        return Request("PUT", f"{self.v2}/values", body)

    def set_style(self, cells: str, style: dict[str, Any]) -> Request:
        """Return the request that sets a style."""
        return Request(
            "PUT", f"{self.v2}/style", {"appendStyle": {"range": self.get_range(cells), "style": style}}
        )

    def merge(self, cells: str) -> Request:
        """Return the request that merges cells."""
        body = {"range": self.get_range(cells), "mergeType": "MERGE_ALL"}
        return Request("POST", f"{self.v2}/merge_cells", body)

    def find(self, text: str, cells: str, **condition: bool) -> tuple[str, dict[str, Any]]:
        """Return path and body of a request that looks for a text."""
        where = {"range": self.get_range(cells), **condition}
        return f"{self.v3}/find", {"find": text, "find_condition": where}

    def read(self, cells: str, **params: str) -> MadeObject:
        """Read values."""
        request = Request("GET", f"{self.v2}/values/{self.get_range(cells)}", params=params)
        return (yield from require(request))["valueRange"]["values"]

    def read_cell(self, cells: str, **params: str) -> MadeObject:
        """Read the first cell of a range; None if it is empty, and so left out."""
        rows = yield from self.read(cells, **params)
        return rows[0][0] if rows and rows[0] else None

    def read_worksheets(self) -> MadeObject:
        """Read the properties of all worksheets."""
        return (yield from require(Request("GET", f"{self.v2}/metainfo")))["sheets"]

    def read_properties(self) -> MadeObject:
        """Read the properties of this worksheet."""
        sheets = [sheet for sheet in (yield from self.read_worksheets()) if sheet["sheetId"] == self.sheet_id]
        if not sheets:
            raise CannotProbeError("the worksheet is not listed")
        return sheets[0]


def open_book(target: ProbeTarget, *, alone: bool = False) -> MadeObject:
    """Make a worksheet.

    Args:
        target: Where probes may write, and what they share.
        alone: Whether it is the only worksheet of a spreadsheet of its own; else it is added to the one that
            probes share.
    """
    if alone:
        return (yield from _make_spreadsheet(target))
    book = yield from target.make_once("spreadsheet", lambda: _make_spreadsheet(target))
    number = target.shared["worksheets"] = target.shared.get("worksheets", 0) + 1
    body = {"requests": [{"addSheet": {"properties": {"title": f"probe {number}"}}}]}
    data = yield from require(Request("POST", f"{book.v2}/sheets_batch_update", body))
    return Book(book.token, data["replies"][0]["addSheet"]["properties"]["sheetId"])


def _make_spreadsheet(target: ProbeTarget) -> MadeObject:
    body = {"title": TITLE}
    if target.folder is not None:
        body["folder_token"] = target.folder
    undo = undo_file("sheet", "spreadsheet", "spreadsheet_token")
    makes = target.describe_document("spreadsheet")
    data = yield from require(Request("POST", "/sheets/v3/spreadsheets", body, undo=undo, makes=makes))
    token = data["spreadsheet"]["spreadsheet_token"]
    listing = yield from require(Request("GET", f"/sheets/v3/spreadsheets/{token}/sheets/query"))
    return Book(token, listing["sheets"][0]["sheet_id"])
