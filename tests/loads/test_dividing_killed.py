"""A load with rows that only Lark refuses, killed at any point while these are looked for."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.loads.attempts import Attempts

POINTS = range(4, 64, 4)
"""Effects of an attempt; the last of them is beyond its end."""
BAD, ROWS = [2, 17], 20


@pytest.mark.parametrize("replay", ["same", "1254608"])
def test_killed_at_any_point_each_row_is_written_once(lark: Emulator, database: str, replay: str) -> None:
    lark.settings(rate_limits=False, client_token_replay=replay)
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Killed").data["app"]["app_token"]
    fields: list[Any] = [
        {"field_name": name, "type": kind} for name, kind in (("Name", 1), ("No", 2), ("Who", 11))
    ]
    environ = {
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url,
        "LARK_DATABASE_URL": database,
    }

    def run(attempts: Attempts, at: int) -> tuple[int, list[int], list[int]]:
        table_id = bitable.create_table(app_token, f"Killed at {at}", fields=fields).data["table_id"]
        spec = {
            "app_token": app_token,
            "table_id": table_id,
            "rows": ROWS,
            "bad": BAD,
            "key": "load",
            "options": {
                "on_bad_row": "skip", "chunk_size": 10, "lease_seconds": 1.0, "settle_after": 2.0,
                "token_window": 3.0, "table_wait": 60.0,
            },
        }  # fmt: skip
        begun = attempts.start({**spec, "at": at, "signal": int(signal.SIGKILL)})
        killed = attempts.wait_until_ended(begun)
        assert killed is not None
        said = attempts.run(spec)
        records = bitable.search_records(app_token, table_id)
        numbers = sorted(int(record["fields"]["No"]) for record in records)
        assert said.get("written") == ROWS - len(BAD), (at, said)
        return killed["status"], said["rejected"], numbers

    with Attempts(environ) as attempts, ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda at: run(attempts, at), POINTS))
    expected = [number for number in range(ROWS) if number not in BAD]
    assert [(rejected, numbers) for _, rejected, numbers in runs] == [(BAD, expected)] * len(POINTS)
    assert sum(status == signal.SIGKILL for status, _, _ in runs) > len(POINTS) // 2
