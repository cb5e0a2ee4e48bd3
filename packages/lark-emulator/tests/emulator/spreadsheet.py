"""A spreadsheet for a test, as an app sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.emulator.conftest import Api


class Book:
    """A spreadsheet that an app has made."""

    def __init__(self, api: Api, **spec: Any) -> None:
        self.api = api
        created = api.data("POST", "/sheets/v3/spreadsheets", {"title": "Report", **spec})
        self.token: str = created["spreadsheet"]["spreadsheet_token"]
        self.v2 = f"/sheets/v2/spreadsheets/{self.token}"
        self.v3 = f"/sheets/v3/spreadsheets/{self.token}"
        self.sheet_id: str = self.sheets()[0]["sheet_id"]
        self.path = f"{self.v3}/sheets/{self.sheet_id}"

    def sheets(self) -> Any:
        return self.api.data("GET", f"{self.v3}/sheets/query")["sheets"]

    def range(self, cells: str) -> str:
        return f"{self.sheet_id}!{cells}"

    def make_body(self, cells: str, values: Any) -> dict[str, Any]:
        return {"valueRange": {"range": self.range(cells), "values": values}}

    def put(self, cells: str, values: Any) -> Any:
        return self.api("PUT", f"{self.v2}/values", self.make_body(cells, values))

    def read(self, cells: str, **query: Any) -> Any:
        data = self.api.data("GET", f"{self.v2}/values/{self.range(cells)}", **query)
        return data["valueRange"]["values"]

    def append(self, cells: str, values: Any, **query: Any) -> Any:
        return self.api("POST", f"{self.v2}/values_append", self.make_body(cells, values), **query)

    def style(self, cells: str, style: Any) -> Any:
        body = {"appendStyle": {"range": self.range(cells), "style": style}}
        return self.api("PUT", f"{self.v2}/style", body)

    def change(self, *requests: Any) -> Any:
        return self.api("POST", f"{self.v2}/sheets_batch_update", {"requests": list(requests)})

    def revision(self) -> int:
        revision = self.api.data("GET", f"{self.v2}/metainfo")["properties"]["revision"]
        return int(revision)
