"""Tables under failure: after any schedule of kills, freezes and failures the worksheet equals its source."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.storage import urls
from tests.failures.waiting import is_stopped, wait_until
from tests.loads.attempts import Attempts
from tests.loads.interruptions import continue_process
from tests.services.postgres import Databases
from tests.storage import prepared
from tests.tables import schedules
from tests.tables.attempt import make_row
from tests.tables.conftest import PUT, SheetTable

TOGETHER, GROUPS = 5, 4


@pytest.mark.parametrize("group", range(GROUPS))
def test_after_any_schedule_the_worksheet_equals_its_source(
    group: int, databases: Databases, tmp_path: Path
) -> None:
    seeds = range(group * TOGETHER, (group + 1) * TOGETHER)
    places = {}
    for seed in seeds:
        places[seed] = databases.make() if seed % 2 else f"sqlite:///{tmp_path}/{seed}.db"
        prepared.upgrade(urls.parse(places[seed], "test"))
    with ThreadPoolExecutor(TOGETHER) as pool:
        runs = list(pool.map(lambda seed: schedules.run(seed, places[seed]), seeds))
    assert [(run.seed, run.faults) for run in runs] == [(seed, (0, 0, 0, 0, 0)) for seed in seeds]
    assert sum(run.kills + run.freezes for run in runs) > 0


@pytest.mark.parametrize("effect", [14, 24, 31])
def test_the_rows_of_an_appender_that_freezes_past_its_lease_stand_beside_those_of_another(
    lark: Emulator, place: SheetTable, database: str, effect: int
) -> None:
    options = {
        "mode": "append",
        "max_rows": 10,
        "lease_seconds": 1.0,
        "settle_after": 0.5,
        "freeze": (1, 0),
    }
    spec: dict[str, Any] = {
        "module": "tests.tables.attempt",
        "target": place.token,
        "columns": 6,
        "rows": 50,
        "options": options,
    }
    environ = {
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url,
        "LARK_DATABASE_URL": database,
        "LARK_PACING": "0",
    }
    with Attempts(environ) as attempts:
        frozen = attempts.start({**spec, "key": "frozen", "at": effect, "signal": int(signal.SIGSTOP)})
        wait_until(lambda: is_stopped(frozen))
        other = attempts.run({**spec, "key": "other", "first": 1000})
        assert other["rows_written"] == 50
        continue_process(frozen)
        ended = attempts.wait_until_ended(frozen)
    assert ended is not None
    assert ended["said"]["rows_written"] == 50, ended
    assert place.requests(PUT) >= 10
    values = [line for line in place.read_values()[1:] if any(cell != "" for cell in line)]
    wanted = [make_row(number, 0, 6) for number in [*range(50), *range(1000, 1050)]]
    assert sorted(line[0] for line in values) == [record["No"] for record in wanted]
    assert {line[0]: line[5] for line in values} == {record["No"]: record["C5"] for record in wanted}
