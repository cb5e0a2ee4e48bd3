"""Loads under failure: after any schedule of kills, freezes and failures the table equals its source."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lark_provider.storage import urls
from tests.loads import schedules
from tests.services.postgres import Databases
from tests.storage import prepared

TOGETHER, GROUPS = 5, 4


@pytest.mark.parametrize("group", range(GROUPS))
def test_after_any_schedule_the_table_equals_its_source(
    group: int, databases: Databases, tmp_path: Path
) -> None:
    seeds = range(group * TOGETHER, (group + 1) * TOGETHER)
    places = {}
    for seed in seeds:
        places[seed] = databases.make() if seed % 2 else f"sqlite:///{tmp_path}/{seed}.db"
        prepared.upgrade(urls.parse(places[seed], "test"))
    with ThreadPoolExecutor(TOGETHER) as pool:
        runs = list(pool.map(lambda seed: schedules.run(seed, places[seed]), seeds))
    assert [(run.seed, run.missing, run.doubled, run.wrong) for run in runs] == [
        (seed, 0, 0, 0) for seed in seeds
    ]
    assert sum(run.kills + run.freezes for run in runs) > 0
