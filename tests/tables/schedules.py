"""Random schedules of a table: kills, freezes, lost requests and answers, and people who type beside it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets.values import encode_row
from tests.loads.attempts import Attempts
from tests.loads.interruptions import Interruptions
from tests.tables.attempt import FORMATS, make_row

LEASE, LATE, SETTLE, LOOK = 1.0, 0.4, 1.5, 0.5
"""Seconds, in the proportions of the real ones: a lease and a late request are over when rows are settled."""
KINDS = ("create", "append", "update")
DISTURBED, UNDISTURBED = 5, 8
SHEETS = "*/sheets/*"
TITLE = "Report"
FAULTS: list[dict[str, Any]] = [
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "late"},
    {"code": 90217, "status": 400},
    {"code": 90235, "status": 400},
    {"code": 1310217, "status": 400},
    {"status": 429, "code": 99991400, "headers": {"x-ogw-ratelimit-reset": "0.1"}},
    {"status": 502, "body": "<html>502 Bad Gateway</html>"},
    {"status": 502, "body": "<html>502 Bad Gateway</html>", "perform": "first"},
    {"status": 504, "body": "<html>504</html>", "perform": "late"},
]


@dataclass
class Run:
    """What came of a schedule."""

    seed: int
    kind: str
    files: int = 0
    missing: int = 0
    doubled: int = 0
    wrong: int = 0
    theirs: int = 0
    errors: list[str] = field(default_factory=list)
    attempts: int = 0
    kills: int = 0
    freezes: int = 0

    @property
    def faults(self) -> tuple[int, ...]:
        """Return the counts of extra spreadsheets, of missing, double and wrong rows, and of lost cells."""
        return (self.files, self.missing, self.doubled, self.wrong, self.theirs)


def run(seed: int, database_url: str, count: int = 200, columns: int = 10, chunk: int = 30) -> Run:
    """Run a schedule, and compare the worksheet with its source, cell by cell."""
    draw = random.Random(seed)  # noqa: S311 - a test's schedule
    kind = KINDS[seed % len(KINDS)]
    outcome = Run(seed, kind)
    settings = {
        "rate_limits": False,
        "latency_ms": 2.0,
        "sheet_write_ms": 1.0,
        "list_lag_s": 0.3,
        "grid_growth": draw.choice(["data", "range", "refused"]),
    }
    with Emulator(settings=settings) as lark:
        environ = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            "LARK_DATABASE_URL": database_url,
            "LARK_PACING": "0",
        }
        options = {
            "max_rows": chunk,
            "lease_seconds": LEASE,
            "lease_wait": 60.0,
            "settle_after": SETTLE,
            "look_after": LOOK,
            "freeze": (1, 0),
            "filter": True,
        }
        base = {"module": "tests.tables.attempt", "rows": count, "columns": columns}
        token = None if kind == "create" else _spreadsheet(lark)
        specs = _specs(kind, token, {**base, "options": options}, seed)
        with Attempts(environ) as attempts, _Person(lark, token, seed, columns) as person:
            if kind == "update":
                # What is written before, and is to be updated and completed.
                first = {**specs[0], "rows": count // 2, "version": 1, "key": "before"}
                said = attempts.run(first)
                assert "rows_written" in said, said
            _disturb(draw, lark, attempts, specs, outcome)
            results = [_finish(lark, attempts, spec, outcome) for spec in specs]
        token = results[0]["spreadsheet_token"]
        _compare(lark, token, specs, outcome, columns, person)
    return outcome


def _specs(kind: str, token: str | None, base: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    key = f"table of seed {seed}"
    if kind == "create":
        return [{**base, "key": key, "title": TITLE}]
    if kind == "append":
        options = {**base["options"], "mode": "append"}
        half = base["rows"] // 2
        both = [{"first": 0, "rows": half}, {"first": half, "rows": base["rows"] - half}]
        return [
            {**base, **part, "key": f"{key}, {number}", "target": token, "options": options}
            for number, part in enumerate(both)
        ]
    options = {**base["options"], "mode": "update_by_key", "key_fields": ["No"]}
    return [{**base, "key": key, "version": 2, "target": token, "options": options}]


def _spreadsheet(lark: Emulator) -> str:
    client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    spreadsheet = client.call("POST", "/sheets/v3/spreadsheets", json={"title": TITLE}).data["spreadsheet"]
    token: str = spreadsheet["spreadsheet_token"]
    return token


def _disturb(
    draw: random.Random,
    lark: Emulator,
    attempts: Attempts,
    specs: list[dict[str, Any]],
    outcome: Run,
) -> None:
    interruptions = Interruptions(draw, attempts, outcome, lambda ended: _note(ended, outcome), LEASE)
    for number in range(draw.randint(2, DISTURBED)):
        for fault in draw.sample(FAULTS, draw.randint(0, 3)):
            late: dict[str, Any] = {"late_s": draw.uniform(0.05, LATE)} if "late" in fault.values() else {}
            method = draw.choice(["PUT", "POST", "*"])
            lark.fault(method, SHEETS, skip=draw.randint(0, 6), times=draw.randint(1, 2), **fault, **late)
        point = interruptions.point(90, 0.01)
        outcome.attempts += 1
        interruptions.run({**specs[number % len(specs)], **point})
        time.sleep(draw.choice([0.0, 0.0, 0.2, LEASE]))
    interruptions.finish()


def _note(ended: dict[str, Any], outcome: Run) -> None:
    if error := (ended["said"] or {}).get("error"):
        outcome.errors.append(error)


def _finish(lark: Emulator, attempts: Attempts, spec: dict[str, Any], outcome: Run) -> dict[str, Any]:
    """Retry without disturbances until everything is written."""
    lark.clear_faults()
    for _ in range(UNDISTURBED):
        said = attempts.run(spec)
        outcome.attempts += 1
        if "rows_written" in said:
            assert said["rows_written"] == spec["rows"]
            break
        outcome.errors.append(said.get("error", "killed"))
    else:
        raise AssertionError(f"seed {outcome.seed}: not done after all attempts: {outcome.errors}")
    until = time.monotonic() + 30
    while any(not late["performed"] for late in lark.late_requests()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return said


def _compare(
    lark: Emulator,
    token: str,
    specs: list[dict[str, Any]],
    outcome: Run,
    columns: int,
    person: _Person,
) -> None:
    sheet = lark.sheet(token)
    wanted: dict[int, list[Any]] = {}
    for spec in specs:
        first = spec.get("first", 0)
        for number in range(first, first + spec["rows"]):
            values = list(make_row(number, spec.get("version", 0), columns).values())
            wanted[number] = [cell for cell, _ in encode_row(values, 1)]
    titles = list(make_row(0, 0, columns))
    values = [line[:columns] for line in sheet["values"]]
    assert values[0] == titles
    counts: Counter[int] = Counter()
    for at, line in enumerate(values[1:], 2):
        if all(cell in (None, "") for cell in line):
            continue
        number = line[0]
        counts[number] += 1
        formats = [sheet["formats"].get(f"{letter}{at}", {}).get("formatter") for letter in ("C", "D", "E")]
        is_right = line == wanted.get(number) and formats == ["yyyy-MM-dd", FORMATS["Amount"], "@"]
        outcome.wrong += not is_right
    outcome.missing = len(wanted.keys() - counts.keys())
    outcome.doubled = sum(count - 1 for count in counts.values())
    if outcome.kind != "append":
        outcome.wrong += [line[0] for line in values[1:] if line[0] not in (None, "")] != sorted(wanted)
    outcome.wrong += sheet["frozen_rows"] != 1
    outcome.wrong += sheet["filter"] is None
    outcome.wrong += not sheet["formats"].get("A1", {}).get("font", {}).get("bold")
    spreadsheets = [
        document for document in lark.documents() if document["type"] == "sheet" and not document["deleted"]
    ]
    outcome.files = len(spreadsheets) - 1 + sum(spreadsheet["title"] != TITLE for spreadsheet in spreadsheets)
    outcome.theirs = person.count_lost(sheet["values"])


class _Person:
    """Someone who types beside the table all the time."""

    def __init__(self, lark: Emulator, token: str | None, seed: int, columns: int) -> None:
        self._lark, self._token, self._place = lark, token, columns + 1
        self._draw = random.Random(-seed)  # noqa: S311 - a test's schedule
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._type_notes, daemon=True)
        self._typed: dict[int, str] = {}

    def _type_notes(self) -> None:
        letter = chr(ord("A") + self._place)
        while not self._over.wait(0.05):
            at, text = self._draw.randint(1, 150), f"note {self._draw.random()}"
            edit = {"do": "type", "cell": f"{letter}{at}", "values": [[text]]}
            self._lark.edit_sheet(self._token or "", [edit])
            self._typed[at] = text

    def count_lost(self, values: list[list[Any]]) -> int:
        """Return how many of their cells are not what they have typed."""
        return sum(
            at > len(values) or self._place >= len(values[at - 1]) or values[at - 1][self._place] != text
            for at, text in self._typed.items()
        )

    def __enter__(self) -> Self:
        if self._token is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._token is not None:
            self._thread.join(30)
