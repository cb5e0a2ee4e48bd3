"""Many random schedules of tables: `.venv/bin/python -m tests.tables.many 200 [FIRST]`."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lark_provider.storage import migrate, urls
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say
from tests.tables import schedules

TOGETHER = 4
ROWS, COLUMNS, CHUNK = 2000, 20, 300


def main(count: int, first: int = 0, rows: int = ROWS) -> int:
    """Run schedules, a line each; return how many of them did not end as they must."""
    with tempfile.TemporaryDirectory() as folder:
        places = {seed: f"sqlite:///{Path(folder) / str(seed)}.db" for seed in range(first, first + count)}
        for place in places.values():
            migrate.upgrade(urls.parse(place, "many"))

        def run(seed: int) -> bool:
            try:
                outcome = schedules.run(seed, places[seed], rows, COLUMNS, max(10, rows * CHUNK // ROWS))
            except AssertionError as error:
                say(f"seed {seed}: FAILED: {error}")
                return False
            say(
                f"seed {seed} ({outcome.kind}): {'WRONG' if any(outcome.faults) else 'exact'}, "
                f"{outcome.attempts} attempts, {outcome.kills} kills, {outcome.freezes} freezes; "
                f"files, missing, doubled, wrong, theirs: {outcome.faults}"
            )
            return not any(outcome.faults)

        with ThreadPoolExecutor(TOGETHER) as pool:
            exact = list(pool.map(run, places))
    say(f"{sum(exact)} of {len(exact)} schedules ended with a worksheet equal to its source")
    return exact.count(False)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(min(1, main(*map(int, sys.argv[1:4]))))
