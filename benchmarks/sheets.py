"""A table of a million cells, written and read, beside `json.dumps` and httpx2 by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.cells import COLUMNS, ROWS
from benchmarks.contenders import APP_ID, SECRET
from benchmarks.processes import Lab, Process, Series
from benchmarks.table import Goal, Row

_ROUNDS, _LATENCY, _KB = 5, 1.0, 1024
_WIDE_ROWS, _WIDE_COLUMNS, _BYTES = 10_000, 100, 2_000_000
_BEGIN = f"""
import time
from lark_provider import LarkServiceClient
from benchmarks import cells
client = LarkServiceClient("{APP_ID}", "{SECRET}", base_url=URL)
client.clouddoc.sheets.write_table(cells.TOKEN, cells.make_rows(1), columns=cells.NAMES)

def revision():
    return client.call("GET", "/sheets/v2/spreadsheets/x/metainfo").data["properties"]["revision"]

for _ in cells.make_rows(): pass
cpu = time.process_time()
for _ in cells.make_rows(): pass
alone, before = time.process_time() - cpu, revision()
"""
_WRITE = """
cpu, begun = time.process_time(), time.monotonic()
done = client.clouddoc.sheets.write_table(cells.TOKEN, cells.make_rows(), columns=cells.NAMES)
found = {"cpu": time.process_time() - cpu - alone, "seconds": time.monotonic() - begun,
         "calls": revision() - before}
assert done.rows_written == cells.ROWS - 1, done
"""
_HAND = """
import time
from benchmarks import cells
for _ in cells.make_rows(): pass
cpu = time.process_time()
for _ in cells.make_rows(): pass
alone = time.process_time() - cpu
cpu = time.process_time()
calls = cells.by_hand(URL)
found = {"cpu": time.process_time() - cpu - alone, "calls": calls}
"""
_WIDE = f"""
import orjson
rows = lambda: cells.wide({_WIDE_ROWS}, {_WIDE_COLUMNS})
size = sum(len(orjson.dumps(row)) + 1 for row in rows())
client.clouddoc.sheets.write_table(cells.TOKEN, rows(), header=False)
found = {{"calls": revision() - before, "size": size}}
"""
_READ = """
count = sum(1 for _ in client.clouddoc.sheets.read_rows(cells.TOKEN))
assert count == cells.ROWS, count
found = {}
"""


def sheets(lab: Lab) -> Iterator[Row]:
    """Measure writing and reading tables of a million cells."""
    cpu, calls, mb, wide, read, seconds = (Series() for _ in range(6))
    with Process(lab.env, "sheets_stub") as stub:
        url = f"URL = {stub.read()!r}\n"
        for number in range(-1, _ROUNDS):
            ours, hand = lab.cold("ours", url + _BEGIN + _WRITE), lab.cold("hand", url + _HAND)
            if number >= 0:
                cpu.add("ours", 1e9 * ours["cpu"] / (ROWS * COLUMNS))
                cpu.add("hand", 1e9 * hand["cpu"] / (ROWS * COLUMNS))
                calls.add("ours", ours["calls"])
                calls.add("hand", hand["calls"])
        empty = lab.cold("ours", url + _BEGIN + "found = {}")
        mb.add("ours", (ours["peak"] - empty["peak"]) / _KB)
        cost = lab.cold("ours", url + _BEGIN + _WIDE)
        wide.add("ours", cost["calls"])
        full = 'client.call("GET", "/sheets/v2/spreadsheets/x/full")\n'
        empty = lab.cold("ours", url + _BEGIN + full + "found = {}")
        read.add("ours", (lab.cold("ours", url + _BEGIN + full + _READ)["peak"] - empty["peak"]) / _KB)
    with Process({**lab.env, "BENCH_LATENCY": str(_LATENCY)}, "sheets_stub") as stub:
        took: dict[str, Any] = lab.cold("ours", f"URL = {stub.read()!r}\n" + _BEGIN + _WRITE)
        seconds.add("ours", took["seconds"] / (took["calls"] * _LATENCY))
    what = f"{ROWS:,} rows of {COLUMNS} cells into a worksheet"
    yield Row(f"{what}: requests with values", calls, [Goal(-(-ROWS // 5000))])
    yield Row("… CPU a cell besides making the rows, ns; by hand with `json`", cpu, [Goal(0.5, "hand")])
    yield Row("… peak memory, MB over a table of one row", mb, [Goal(40)])
    yield Row(f"… time, of requests that take {_LATENCY:g} s each", seconds, [Goal(1.05)])
    least = max(-(-int(cost["size"]) // _BYTES), -(-_WIDE_ROWS // 5000))
    size = f"{cost['size'] / 1e6:.0f} MB"
    yield Row(f"{_WIDE_ROWS:,} rows of {_WIDE_COLUMNS} texts, {size}: requests", wide, [Goal(least)])
    yield Row(f"{ROWS:,} rows of {COLUMNS} cells read: peak memory, MB over a read of none", read, [Goal(40)])
