"""Random schedules of one load: kills, freezes, failures of Lark and late commits, drawn from a seed."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.loads.attempts import Attempts
from tests.loads.interruptions import Interruptions

CREATE = "*/records/batch_create"
LEASE, LATE, SETTLE, WINDOW, REMEMBERED = 1.0, 0.5, 2.0, 3.0, 6.0
"""Seconds, in the proportions of the real ones: a lease and a late commit are over when a chunk is looked
for, and Lark remembers a token for longer than it is relied upon."""
MODES: list[dict[str, Any]] = [{}, {"key_fields": ["No"]}, {"marker_field": "Mark"}]
REPLAYS = ("same", "1254608", "1255006")
DISTURBED, UNDISTURBED = 6, 6
FAULTS: list[dict[str, Any]] = [
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "late"},
    {"code": 1254291},
    {"code": 1254290},
    {"code": 1254607},
    {"code": 1255040, "status": 504},
    {"code": 1255040, "status": 504, "perform": "first"},
    {"code": 1255040, "status": 504, "perform": "late"},
    {"status": 429, "code": 99991400, "headers": {"x-ogw-ratelimit-reset": "0.1"}},
    {"status": 502, "body": "<html>502 Bad Gateway</html>"},
    {"status": 502, "body": "<html>502 Bad Gateway</html>", "perform": "first"},
]


@dataclass
class Run:
    """What came of a schedule."""

    seed: int
    missing: int = 0
    doubled: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    attempts: int = 0
    kills: int = 0
    freezes: int = 0
    requests: int = 0


def run(seed: int, database_url: str, count: int = 1200, chunk_size: int = 100) -> Run:
    """Run a schedule, and compare the table with its source, row by row."""
    draw = random.Random(seed)  # noqa: S311 - a test's schedule
    outcome = Run(seed)
    settings = {
        "rate_limits": False,
        "latency_ms": 3.0,
        "client_token_replay": REPLAYS[seed % 3],
        "client_token_window": REMEMBERED,
    }
    with Emulator(settings=settings) as lark:
        environ = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            "LARK_DATABASE_URL": database_url,
        }
        app_token, table_id = _table(lark)
        spec = {
            "app_token": app_token,
            "table_id": table_id,
            "rows": count,
            "key": f"load of seed {seed}",
            "bad": [7, count // 2, count // 2 + 1] if seed % 4 == 0 else [],
            "options": {
                "on_bad_row": "skip" if seed % 4 == 0 else "fail",
                "chunk_size": chunk_size,
                "lease_seconds": LEASE,
                "settle_after": SETTLE,
                "token_window": WINDOW,
                "table_wait": 60.0,
                **MODES[seed // 3 % 3],
            },
        }
        with Attempts(environ) as attempts, _Neighbours(lark, app_token, table_id, seed):
            _disturb(draw, lark, attempts, spec, outcome)
            _finish(lark, attempts, spec, outcome)
        outcome.requests = lark.state(summary=True)["by_endpoint"][f"POST {_PATH}/batch_create"]
        _compare(lark, app_token, table_id, spec, outcome)
    return outcome


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"


def _table(lark: Emulator) -> tuple[str, str]:
    client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    bitable = client.clouddoc.bitable
    app_token = bitable.create_app("Loads").data["app"]["app_token"]
    fields: list[Any] = [
        {"field_name": "Name", "type": 1},
        {"field_name": "No", "type": 2},
        {"field_name": "Mark", "type": 1},
        {"field_name": "Who", "type": 11},
    ]
    return app_token, bitable.create_table(app_token, "Rows", fields=fields).data["table_id"]


def _disturb(
    draw: random.Random, lark: Emulator, attempts: Attempts, spec: dict[str, Any], outcome: Run
) -> None:
    interruptions = Interruptions(draw, attempts, outcome, lambda ended: _note(ended, outcome), LEASE)
    for _ in range(draw.randint(2, DISTURBED)):
        for fault in draw.sample(FAULTS, draw.randint(0, 3)):
            late: dict[str, Any] = {"late_s": draw.uniform(0.05, LATE)} if "late" in fault.values() else {}
            lark.fault("POST", CREATE, skip=draw.randint(0, 6), times=draw.randint(1, 2), **fault, **late)
        # An attempt has some three effects a chunk.
        point = interruptions.point(60, 0.01)
        outcome.attempts += 1
        interruptions.run({**spec, **point})
        time.sleep(draw.choice([0.0, 0.0, 0.2, LEASE, WINDOW]))
    interruptions.finish()


def _note(ended: dict[str, Any], outcome: Run) -> None:
    if error := (ended["said"] or {}).get("error"):
        outcome.errors.append(error)


def _finish(lark: Emulator, attempts: Attempts, spec: dict[str, Any], outcome: Run) -> None:
    """Retry without disturbances until the load says that it is done."""
    lark.clear_faults()
    for _ in range(UNDISTURBED):
        said = attempts.run(spec)
        outcome.attempts += 1
        if "written" in said:
            assert said["written"] == spec["rows"] - len(spec["bad"])
            assert said["rejected"] == spec["bad"]
            break
        outcome.errors.append(said.get("error", "killed"))
    else:
        raise AssertionError(f"seed {outcome.seed}: not done after all attempts: {outcome.errors}")
    until = time.monotonic() + 30
    while any(not late["performed"] for late in lark.late_requests()):
        assert time.monotonic() < until
        time.sleep(0.05)


def _compare(lark: Emulator, app_token: str, table_id: str, spec: dict[str, Any], outcome: Run) -> None:
    client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    rows = [record["fields"] for record in client.clouddoc.bitable.search_records(app_token, table_id)]
    ours = [row for row in rows if row.get("No", -1) >= 0]
    numbers = Counter(row["No"] for row in ours)
    outcome.doubled = sum(count - 1 for count in numbers.values())
    outcome.missing = spec["rows"] - len(spec["bad"]) - len(numbers)
    outcome.wrong = sum(numbers[bad] for bad in spec["bad"])
    outcome.wrong += sum(row["Name"] != f"row {row['No']:g}" for row in ours)


class _Neighbours:
    """Another app that adds and deletes rows of its own in the same table."""

    def __init__(self, lark: Emulator, app_token: str, table_id: str, seed: int) -> None:
        other = lark.add_app()
        lark.share_base(app_token, other["app_id"])
        self._client = LarkServiceClient(other["app_id"], other["app_secret"], base_url=lark.base_url)
        self._place = (app_token, table_id)
        self._draw = random.Random(-seed)  # noqa: S311 - a test's schedule
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        bitable, mine = self._client.clouddoc.bitable, list[str]()
        while not self._over.wait(0.05):
            if mine and self._draw.random() < 0.5:
                bitable.delete_record(*self._place, mine.pop())
            else:
                response = bitable.create_record(*self._place, {"No": -1, "Name": "a neighbour's"})
                mine.append(response.data["record"]["record_id"])

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30)
