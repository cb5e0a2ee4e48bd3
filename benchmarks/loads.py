"""Loads with a ledger, beside the same requests by hand, and syncs by key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from lark_emulator import Emulator

from benchmarks import flights
from benchmarks.contenders import APP_ID, BASE, SECRET, TABLE
from benchmarks.environments import ONESTEP
from benchmarks.processes import Lab, Process, Series
from benchmarks.table import Goal, Row
from lark_provider import LarkServiceClient
from lark_provider.storage import migrate, urls
from tests.services import postgres

_LOADS, _SYNCS = 3, 3
_SYNCED, _FEW, _CHANGED = 100_000, 1_000, 100
_COMPARED = 2_000
_KB = 1024
_SLOW_REQUESTS = {0.1: 100, 1.0: 20}
"""How many requests a load consists of in which each takes so many seconds."""
_READS = 210
_OTHERS = "ABCDEFGH"

_ROWS = """
from benchmarks import flights
rows = flights.repeat_rows(flights.day(), COUNT)
"""
_LEDGER = f"""
from lark_provider import LarkServiceClient
from lark_provider.storage.ledger import LoadLedger
took, step = [], LoadLedger.record_step

def timed(*arguments):
    start = time.perf_counter()
    try:
        return step(*arguments)
    finally:
        took.append(time.perf_counter() - start)

LoadLedger.record_step = timed
client = LarkServiceClient("{APP_ID}", "{SECRET}", base_url=URL, database_url=DATABASE)
client.messaging.send_text("ou_bench", "hello")
begun = time.monotonic()
client.clouddoc.bitable.bulk_insert("{BASE}", "{TABLE}", rows, idempotency_key=KEY, keep_ids=False)
found = {{"seconds": time.monotonic() - begun, "step": 1000 * sorted(took)[len(took) // 2]}}
"""
_HAND = """
from benchmarks.contenders import ByHand
client = ByHand(URL)
client.send_text("hello")
begun = time.monotonic()
client.insert(rows, convert=True)
found = {"seconds": time.monotonic() - begun}
"""
_HAND_LEDGER = """
import psycopg2
from benchmarks.contenders import ByHand
client = ByHand(URL)
base = psycopg2.connect(DATABASE)
cursor = base.cursor()
cursor.execute("DROP TABLE IF EXISTS by_hand")
cursor.execute("CREATE TABLE by_hand (number int PRIMARY KEY, is_done bool, ids text)")
took = []

def recorded():
    for number, row in enumerate(rows):
        if number % 1000 == 0:
            start = time.perf_counter()
            done = (True, "recXXXXXXXXXXXXXXXXX" * 1000, number // 1000 - 1)
            cursor.execute("UPDATE by_hand SET is_done = %s, ids = %s WHERE number = %s", done)
            cursor.execute("INSERT INTO by_hand VALUES (%s, false, '')", (number // 1000,))
            base.commit()
            took.append(time.perf_counter() - start)
        yield row

client.insert(recorded(), convert=True)
found = {"step": 1000 * sorted(took)[len(took) // 2]}
"""
_SYNC = f"""
import time
from lark_provider import LarkServiceClient
client = LarkServiceClient(APP_ID, SECRET, base_url=URL)

def rows():
    for number in range(COUNT):
        changed = " changed" if number % {_CHANGED} == 0 else ""
        yield {{"No": number, "Name": f"row {{number}}{{changed}}"}} | {{
            name: f"{{name}} {{number}}" for name in "{_OTHERS}"
        }}

list(client.clouddoc.bitable.list_fields(PLACE, TABLE))
cpu = time.process_time()
done = client.clouddoc.bitable.sync(PLACE, TABLE, rows(), key_fields="No")
assert (done.created, done.updated) == (0, COUNT // {_CHANGED}), done
found = {{"cpu": time.process_time() - cpu}}
"""


_ONESTEP = f"""
import asyncio
from onestep import Envelope
from onestep_feishu_bitable import FeishuBitableConnector

async def upsert():
    client = FeishuBitableConnector(app_id=APP_ID, app_secret=SECRET, base_url=URL)
    sink = client.table_sink(app_token=PLACE, table_id=TABLE, mode="upsert", match_fields=["Name"])
    await sink.open()
    for number in range(COUNT):
        changed = " changed" if number % {_CHANGED} == 0 else ""
        row = {{"No": number, "Name": f"row {{number}}"}} | {{
            name: f"{{name}} {{number}}{{changed}}" for name in "{_OTHERS}"
        }}
        await sink.send(Envelope(body=row))
    await sink.close()

asyncio.run(upsert())
found = {{}}
"""


def loads(lab: Lab, url: str) -> Iterator[Row]:
    """Measure a year of flights with a ledger in PostgreSQL, against hand-written code without one."""
    seconds, step = Series(), Series()
    slow = {latency: Series() for latency in _SLOW_REQUESTS}
    with postgres.find(os.environ).server.databases() as databases:
        database = databases.make()
        migrate.upgrade(urls.parse(database, "the benchmark's database"))
        for number in range(-1, _LOADS):
            names = _define_names(url, database, f"load {number}", flights.YEAR)
            ours, hand = lab.cold("ours", names + _LEDGER), lab.cold("hand", names + _HAND)
            recorded = lab.cold("hand, ledger", names + _HAND_LEDGER)
            if number >= 0:
                seconds.add("ours", ours["seconds"])
                seconds.add("hand", hand["seconds"])
                step.add("ours", ours["step"])
                step.add("hand", recorded["step"])
        for latency, requests in _SLOW_REQUESTS.items():
            with Process({**lab.env, "BENCH_LATENCY": str(latency)}, "stub") as stub:
                place = stub.read()
                for number in range(_LOADS):
                    names = _define_names(place, database, f"{latency:g} s, load {number}", 1000 * requests)
                    for contender, code in (("ours", _LEDGER), ("hand", _HAND)):
                        took = lab.cold(contender, names + code)["seconds"]
                        slow[latency].add(contender, took / (requests * latency))
    what = f"{flights.YEAR:,} rows, `convert=True`, ledger in PostgreSQL, s"
    yield Row(what, seconds, [Goal(1.15, "hand")])
    yield Row("… a step of the ledger, median, ms; by hand with psycopg2", step, [Goal(2)])
    goals = {0.1: Goal(1.15, "hand"), 1.0: Goal(1.05)}
    for latency, requests in _SLOW_REQUESTS.items():
        what = f"{1000 * requests:,} of them in requests that take {latency:g} s each"
        yield Row(f"{what}: time, of the requests'", slow[latency], [goals[latency]])


def _define_names(url: str, database: str, key: str, count: int) -> str:
    """Name what the code of a load needs."""
    return f"import time\nURL, DATABASE, KEY, COUNT = {url!r}, {database!r}, {key!r}, {count}\n{_ROWS}"


def syncs(lab: Lab) -> Iterator[Row]:
    """Measure a sync of 100,000 rows of 10 fields against as many, of which one in a hundred has changed."""
    calls, cpu, mb, few = Series(), Series(), Series(), Series()
    settings = {"rate_limits": False, "latency_ms": 0.0, "write_ms": 0.0}
    for _ in range(_SYNCS):
        with Emulator(settings=settings) as lark:
            _, empty = _measure_sync(lab, lark, _FEW)
            requests, cost = _measure_sync(lab, lark, _SYNCED)
        calls.add("ours", requests)
        cpu.add("ours", 1e6 * (cost["cpu"] - empty["cpu"]) / (_SYNCED - _FEW))
        mb.add("ours", (cost["peak"] - empty["peak"]) / _KB)
    with Emulator(settings=settings) as lark:
        few.add("ours", _measure_sync(lab, lark, _COMPARED)[0])
        few.add("community", _measure_sync(lab, lark, _COMPARED, "onestep", _ONESTEP)[0])
    writes = -(-_SYNCED // _CHANGED // 1000)
    yield Row(
        f"sync of {_SYNCED:,} rows against as many, 1 % changed: requests", calls, [Goal(_READS + writes)]
    )
    yield Row("… CPU a row of 10 fields, µs", cpu, [Goal(20)])
    yield Row("… peak memory, MB over a sync of 1,000 rows", mb, [Goal(120)])
    what = f"{_COMPARED:,} rows against as many: requests; the community client is {ONESTEP}"
    yield Row(what, few, [Goal(1 / 300, "community")])


def _measure_sync(
    lab: Lab, lark: Emulator, count: int, contender: str = "ours", code: str = _SYNC
) -> tuple[int, dict[str, float]]:
    """Sync so many rows in a fresh process; return how many requests it made, and what it cost."""
    bitable = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url).clouddoc.bitable
    place = bitable.create_app("Syncs").data["app"]["app_token"]
    names = ("No", "Name", *_OTHERS)
    fields: list[Any] = [{"field_name": name, "type": 2 if name == "No" else 1} for name in names]
    table = bitable.create_table(place, f"{count} rows", fields=fields).data["table_id"]
    template = {name: f"{name} {{n}}" for name in _OTHERS} | {"No": "{n}", "Name": "row {n}"}
    lark.make_rows(place, table, count, template)
    variables = {
        "URL": lark.base_url, "APP_ID": lark.app_id, "SECRET": lark.app_secret, "PLACE": place,
        "TABLE": table, "COUNT": count,
    }  # fmt: skip
    before = _requests(lark)
    cost = lab.cold(contender, "".join(f"{name} = {value!r}\n" for name, value in variables.items()) + code)
    # Its own token and its first list of fields are not the sync's.
    return _requests(lark) - before - 2, cost


def _requests(lark: Emulator) -> int:
    return int(sum(lark.state(summary=True)["by_endpoint"].values()))
