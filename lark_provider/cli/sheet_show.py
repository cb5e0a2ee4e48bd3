"""`lark-provider sheet show`: the worksheets of a spreadsheet, and the first rows of one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from itertools import islice
from typing import Any

from lark_provider.api.clouddoc.sheets.targets import SheetRef
from lark_provider.cli import output
from lark_provider.cli.sheet_export import convert_cell
from lark_provider.client import LarkServiceClient
from lark_provider.support.text import cut

_CELL = 40


def run(arguments: argparse.Namespace) -> int:
    """Print the worksheets and the first rows."""
    with LarkServiceClient(arguments.app_id, tenant_key=arguments.tenant_key) as client:
        sheets = client.clouddoc.sheets
        spreadsheet = sheets.get(arguments.url)
        worksheets = sheets.list_sheets(arguments.url)
        sheet_rows = sheets.read_rows(SheetRef(arguments.url, arguments.worksheet), arguments.range)
        read = [[convert_cell(cell) for cell in row] for row in islice(sheet_rows, arguments.rows)]
    width = max((place for row in read for place, cell in enumerate(row, 1) if cell is not None), default=0)
    rows = [row[:width] for row in read] if width else []
    if arguments.json:
        shown = [
            {**asdict(worksheet), "merges": [merge.a1 for merge in worksheet.merges]}
            for worksheet in worksheets
        ]
        output.print_json(
            {"title": spreadsheet.title, "token": spreadsheet.token, "url": spreadsheet.url,
             "worksheets": shown, "rows": rows}
        )  # fmt: skip
        return 0
    print(f"{spreadsheet.title}\n{spreadsheet.url}")
    listed = [
        (worksheet.title, worksheet.sheet_id, str(worksheet.rows), str(worksheet.columns))
        for worksheet in worksheets
    ]
    print(output.render_table(("worksheet", "id", "rows", "columns"), listed))
    if rows:
        head, *rest = [[_format_cell(cell) for cell in row] for row in rows]
        print(output.render_table(head, rest))
    return 0


def _format_cell(value: Any) -> str:
    shown = "" if value is None else str(value)
    return cut(shown, _CELL)
