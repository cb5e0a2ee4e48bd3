"""A sync and a load of many rows over HTTP, and what memory they take: `python -m tests.loads.large 1000000`.

Each runs in a process of its own, against an emulator in this one. What is told is the peak over that of the
same work on few rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.services.processes import end_on_sigterm

FEW, MAX_MB = 1_000, 120
FIELDS = ("No", "Name", "A", "B", "C", "D", "E", "F", "G", "H")
ROOT = Path(__file__).parents[2]
_WORK = """
import json, sys, time
from lark_provider import LarkServiceClient
what, app_token, table_id, count = sys.argv[1:4] + [int(sys.argv[4])]
bitable = LarkServiceClient().clouddoc.bitable
others = "ABCDEFGH"

def rows():
    for number in range(count):
        changed = " changed" if number % 100 == 0 else ""
        row = {"No": number, "Name": f"row {number}{changed}"}
        yield row | {name: f"{name} {number}" for name in others}

begun, cpu = time.monotonic(), time.process_time()
if what == "sync":
    done = bitable.sync(app_token, table_id, rows(), key_fields="No")
    assert (done.created, done.updated) == (0, (count + 99) // 100), done
else:
    done = bitable.bulk_insert(app_token, table_id, rows(), idempotency_key="large", keep_ids=False)
    assert done.written == count
peak = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"peak": peak, "wall": time.monotonic() - begun, "cpu": time.process_time() - cpu}))
"""


def measure(lark: Emulator, what: str, count: int, database_url: str) -> dict[str, Any]:
    """Sync or load so many rows, and return peak memory in MB, seconds, CPU seconds and requests."""
    bitable = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url).clouddoc.bitable
    app_token = bitable.create_app("Large").data["app"]["app_token"]
    fields: list[Any] = [{"field_name": name, "type": 2 if name == "No" else 1} for name in FIELDS]
    table_id = bitable.create_table(app_token, f"{what} {count}", fields=fields).data["table_id"]
    if what == "sync":
        template = {name: f"{name} {{n}}" for name in FIELDS[2:]} | {"No": "{n}", "Name": "row {n}"}
        lark.make_rows(app_token, table_id, count, template)
    before = sum(lark.state(summary=True)["by_endpoint"].values())
    environ = {
        "PATH": "", "LARK_APP_ID": lark.app_id, "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url, "LARK_DATABASE_URL": database_url, "LARK_PACING": "0",
    }  # fmt: skip
    command = [sys.executable, "-c", _WORK, what, app_token, table_id, str(count)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise AssertionError(f"{what} of {count} rows failed: {done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "requests": sum(lark.state(summary=True)["by_endpoint"].values()) - before}


def main(count: int) -> int:
    """Measure, say so, and return whether more memory was taken than is allowed."""
    is_over = False
    settings = {"rate_limits": False, "latency_ms": 0.0, "write_ms": 0.0}
    with tempfile.TemporaryDirectory() as folder, Emulator(settings=settings) as lark:
        for what in ("sync", "load"):
            url = f"sqlite:///{folder}/{what}.db"
            empty = measure(lark, what, FEW, url)
            full = measure(lark, what, count, url)
            over = full["peak"] - empty["peak"]
            is_over = is_over or over > MAX_MB
            sys.stdout.write(
                f"{what} of {count:,} rows: {over:.0f} MB over {FEW:,} rows (at most {MAX_MB}), "
                f"{full['requests']:,} requests, {full['wall']:.0f} s, "
                f"{1e6 * full['cpu'] / count:.0f} µs of CPU a row\n"
            )
            sys.stdout.flush()
    return int(is_over)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
