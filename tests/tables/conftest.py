from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets.tables.procedure import TableResult
from tests.loads.conftest import database  # noqa: F401 - a fixture

VALUES = "GET /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values/:range"
PUT = "PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values"
PUT_PATH = "*/spreadsheets/*/values"


@dataclass
class SheetTable:
    """A spreadsheet, and what is in its first worksheet."""

    lark: Emulator
    token: str

    @property
    def sheets(self) -> Any:
        return LarkServiceClient().clouddoc.sheets

    def write(self, rows: Any, **options: Any) -> TableResult:
        """Write a table into the first worksheet."""
        result: TableResult = self.sheets.write_table(self.token, rows, **options)
        return result

    def read_values(self) -> list[list[Any]]:
        """Return all values, blank cells as ""."""
        sheet_rows: list[list[Any]] = self.lark.sheet(self.token)["values"]
        return [["" if cell is None else cell for cell in row] for row in sheet_rows]

    def look(self) -> dict[str, Any]:
        """Return everything but the revision."""
        return {name: value for name, value in self.lark.sheet(self.token).items() if name != "revision"}

    def type_cells(self, cell: str, *rows: list[Any]) -> None:
        """Let a person type."""
        self.lark.edit_sheet(self.token, [{"do": "type", "cell": cell, "values": list(rows)}])

    def requests(self, endpoint: str = PUT) -> int:
        """Return how often an endpoint was called."""
        return int(self.lark.state(summary=True)["by_endpoint"].get(endpoint, 0))


def make_rows(count: int, start: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Return rows; `changes` by number as `r7="other"`."""
    return [
        {"No": number, "Name": changes.get(f"r{number}", f"row {number}")}
        for number in range(start, start + count)
    ]


def table(count: int, start: int = 0, **changes: Any) -> list[list[Any]]:
    """Return the cells of `rows`."""
    return [[row["No"], row["Name"]] for row in make_rows(count, start, **changes)]


HEADER = ["No", "Name"]


@pytest.fixture
def place(lark: Emulator) -> SheetTable:
    spreadsheet = LarkServiceClient().clouddoc.sheets.create("Report")
    return SheetTable(lark, spreadsheet.token)


@pytest.fixture
def put_fault(lark: Emulator) -> Callable[..., None]:
    """Plan a failure of a request that writes values."""

    def plan(**fault: Any) -> None:
        lark.fault("PUT", PUT_PATH, **fault)

    return plan
