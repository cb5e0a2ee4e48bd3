"""A Lark with one worksheet that keeps nothing: `python -m benchmarks.sheets_stub`, as `benchmarks.stub`.

A write of values is answered after `LATENCY` seconds. A read is answered with rows of `benchmarks.cells`.
"""

from __future__ import annotations

import asyncio
import functools
import re
import signal
from typing import Any

import orjson

from benchmarks.cells import ROWS, TOKEN, wire
from benchmarks.processes import LIFE_SECONDS
from benchmarks.stub import Stub, main

_GRID = {"row_count": ROWS, "column_count": 200, "frozen_row_count": 0, "frozen_column_count": 0}
_SHEET = {"sheet_id": "Q7PlXT", "title": "Sheet1", "index": 0, "hidden": False, "resource_type": "sheet"}
_RANGE = re.compile(rb"/values/[^!%]+(?:!|%21)[A-Z]+([0-9]+)(?::|%3A)[A-Z]+([0-9]+)")


def _encode_answer(data: Any) -> bytes:
    return orjson.dumps({"code": 0, "msg": "success", "data": data})


@functools.lru_cache(maxsize=16)
def _encode_rows(count: int) -> bytes:
    return orjson.dumps([wire(number) for number in range(count)])


class Sheets(Stub):
    """One connection."""

    slow = b"/values"
    writes = 0
    is_full = False

    def answer(self, method: bytes, url: bytes, body: list[bytes]) -> bytes:
        """Return the answer to a request; count the requests that write values."""
        target = url.partition(b"?")[0]
        if b"/sheets/" not in target:
            return super().answer(method, url, body)
        if target.endswith(b"/sheets/query"):
            return _encode_answer({"sheets": [{**_SHEET, "grid_properties": _GRID}]})
        if target.endswith(b"/metainfo"):
            return _encode_answer({"properties": {"revision": Sheets.writes}})
        if target.endswith(b"/full"):  # of the benchmark: from now on there is something to read
            Sheets.is_full = True
            return _encode_answer({})
        if (match := _RANGE.search(target)) is not None:
            first, last = int(match[1]), int(match[2])
            values = _encode_rows(min(last, ROWS) - first + 1) if Sheets.is_full else b"[]"
            return (
                b'{"code":0,"msg":"success","data":{"revision":%d,"valueRange":{"values":' % Sheets.writes
                + values + b"}}}"
            )  # fmt: skip
        if target.endswith(b"/values"):
            Sheets.writes += 1
        sheet = {"title": "Report", "url": "https://example.com/sheets/" + TOKEN, "token": TOKEN}
        return _encode_answer({"revision": Sheets.writes, "spreadsheet": sheet, "sheet_filter_info": None})


if __name__ == "__main__":
    signal.alarm(LIFE_SECONDS)  # whatever becomes of the run, this ends
    asyncio.run(main(Sheets))
