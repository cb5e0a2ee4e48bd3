"""Random schedules of syncs of one table, drawn from a seed.

They have kills, freezes, failures of Lark, late commits, and people who add, edit and delete rows between two
pages.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.loads.attempts import Attempts
from tests.loads.interruptions import Interruptions
from tests.loads.schedules import (
    FAULTS,
    LATE,
    LEASE,
    REMEMBERED,
    REPLAYS,
    SETTLE,
    WINDOW,
)
from tests.syncs.attempt import make_name

_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
WRITES = ("batch_create", "batch_create", "batch_update", "batch_delete")
DISTURBED, UNDISTURBED = 5, 8


@dataclass
class Run:
    """What came of a schedule."""

    seed: int
    missing: int = 0
    doubled: int = 0
    wrong: int = 0
    lost: int = 0
    errors: list[str] = field(default_factory=list)
    kills: int = 0
    freezes: int = 0
    settled: Counter[str] = field(default_factory=Counter)


def run(seed: int, database_url: str, count: int = 3000) -> Run:
    """Run a schedule, and compare the table with its source, row by row."""
    draw = random.Random(seed)  # noqa: S311 - a test's schedule
    outcome = Run(seed)
    settings = {
        "rate_limits": False,
        "latency_ms": 3.0,
        "write_ms": 0.0,
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
        place = _table(lark, draw, count)
        spec = {
            "module": "tests.syncs.attempt",
            "app_token": place[0],
            "table_id": place[1],
            "rows": count,
            "version": 0,
            "bad": [5, count // 2] if seed % 4 == 0 else [],
            "options": {
                "mode": ("upsert", "mirror")[seed % 2],
                "key_form": ("exact", "exact", "trim")[seed % 3],
                "lease_seconds": LEASE,
                "settle_after": SETTLE,
                "token_window": WINDOW,
                "table_wait": 60.0,
            },
        }
        with Attempts(environ) as attempts:
            _disturb(draw, lark, attempts, spec, outcome)
            _finish(lark, attempts, spec, outcome)
        _compare(lark, place, spec, outcome)
    return outcome


def _table(lark: Emulator, draw: random.Random, count: int) -> tuple[str, str]:
    """Make a table that holds most of the rows, some of them outdated, and rows of people without a key."""
    bitable = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url).clouddoc.bitable
    app_token = bitable.create_app("Syncs").data["app"]["app_token"]
    kinds = (("No", 1), ("Name", 1), ("Size", 2), ("Who", 11), ("Note", 1))
    fields: list[Any] = [{"field_name": name, "type": kind} for name, kind in kinds]
    table_id = bitable.create_table(app_token, "Rows", fields=fields).data["table_id"]
    rows: list[dict[str, Any]] = []
    for number in range(count):
        if draw.random() < 0.6:
            name = make_name(number, 0) if draw.random() < 0.9 else "outdated"
            rows.append({"No": f"N{number}", "Name": name, "Size": number, "Note": f"note {number}"})
    rows += [{"No": f"old-{number}", "Name": "missing in the source"} for number in range(60)]
    rows += [{"Name": "a person's", "Note": f"own {number}"} for number in range(20)]
    draw.shuffle(rows)
    lark.add_rows(app_token, table_id, rows)
    return app_token, table_id


def _disturb(
    draw: random.Random, lark: Emulator, attempts: Attempts, spec: dict[str, Any], outcome: Run
) -> None:
    interruptions = Interruptions(draw, attempts, outcome, lambda ended: _note(ended["said"], outcome), LEASE)
    for number in range(draw.randint(2, DISTURBED)):
        for fault in draw.sample(FAULTS, draw.randint(0, 3)):
            late: dict[str, Any] = {"late_s": draw.uniform(0.05, LATE)} if "late" in fault.values() else {}
            path = f"*/records/{draw.choice(WRITES)}"
            lark.fault("POST", path, skip=draw.randint(0, 2), times=draw.randint(1, 2), **fault, **late)
        edits: list[dict[str, Any]] = [
            {"do": "add", "rows": [{"Name": "a person's", "Note": f"added {number}"}]},
            {"do": "edit", "pick": 3, "fields": {"Note": f"edited {number}"}},
            {"do": "delete", "pick": draw.randint(1, 4), "among": draw.choice(["read", "unread"])},
        ]
        place = {"app_token": spec["app_token"], "table_id": spec["table_id"]}
        lark.plan_page(draw.randint(1, 4), **place, edits=draw.sample(edits, 2), seed=draw.randint(0, 999))
        point = interruptions.point(110, 0.02)
        interruptions.run({**spec, "version": draw.randint(1, 2), **point})
        time.sleep(draw.choice([0.0, 0.0, 0.2, LEASE, WINDOW]))
    interruptions.finish()


def _note(said: dict[str, Any] | None, outcome: Run) -> None:
    if said and "error" in said:
        outcome.errors.append(said["error"])
    elif said:
        outcome.settled[said["settled"]] += 1


def _finish(lark: Emulator, attempts: Attempts, spec: dict[str, Any], outcome: Run) -> None:
    """Sync without disturbances until it is done: that makes no row twice, whatever is still under way."""
    lark.clear_faults()
    lark.clear_pages()
    _sync_undisturbed(attempts, spec, outcome)
    until = time.monotonic() + 30
    while any(not late["performed"] for late in lark.late_requests()):
        assert time.monotonic() < until
        time.sleep(0.05)
    # An update of a killed attempt, whose source was another one, may have come after the last comparison.
    said = _sync_undisturbed(attempts, spec, outcome)
    assert said["created"] == 0, f"seed {outcome.seed}: rows were missing"


def _sync_undisturbed(attempts: Attempts, spec: dict[str, Any], outcome: Run) -> dict[str, Any]:
    """Sync until it is done; on a busy machine a lease of a second may end while a request is under way."""
    for _ in range(UNDISTURBED):
        said = attempts.run(spec)
        _note(said, outcome)
        if "created" in said:
            return said
    raise AssertionError(f"seed {outcome.seed}: not done after all attempts: {outcome.errors}")


def _compare(lark: Emulator, place: tuple[str, str], spec: dict[str, Any], outcome: Run) -> None:
    client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    records = [
        (record["record_id"], record["fields"]) for record in client.clouddoc.bitable.search_records(*place)
    ]
    numbers = Counter(row["No"] for _, row in records if row.get("No", "").startswith("N"))
    outcome.doubled = sum(count - 1 for count in numbers.values())
    wanted = {f"N{number}" for number in range(spec["rows"])}
    rejected = {f"N{number}" for number in spec["bad"]}
    outcome.missing = len(wanted - rejected - numbers.keys())
    for _, row in records:
        if (key := row.get("No", "")) in wanted - rejected:
            number = int(key[1:])
            outcome.wrong += (row.get("Name"), row.get("Size")) != (make_name(number, 0), number)
    if spec["options"]["mode"] == "mirror":
        outcome.wrong += sum(row.get("No", "").startswith("old-") for _, row in records)
    _compare_people(lark, records, outcome)


def _compare_people(lark: Emulator, records: list[tuple[str, dict[str, Any]]], outcome: Run) -> None:
    """Count what people have written and the syncs have lost."""
    rows = dict(records)
    edits = lark.people_edits()
    deleted = {record_id for edit in edits if edit["do"] == "delete" for record_id in edit["record_ids"]}
    for edit in edits:
        if edit["do"] == "add":
            outcome.lost += sum(
                record_id not in rows for record_id in edit["record_ids"] if record_id not in deleted
            )
        elif edit["do"] == "edit":
            outcome.lost += sum(
                record_id in rows and not rows[record_id].get("Note", "").startswith("edited")
                for record_id in edit["record_ids"]
            )
