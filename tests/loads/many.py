"""Many random schedules of loads and syncs: `.venv/bin/python -m tests.loads.many 200 [FIRST [ROWS]]`.

Each seed is a load and a sync of so many rows, 1,200 and 3,000 by default.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lark_provider.storage import migrate, urls
from tests.loads import schedules
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say
from tests.syncs import schedules as syncs

TOGETHER = 4


def main(count: int, first: int = 0, rows: int = 0) -> int:
    """Run schedules, a line each; return how many of them did not end with a table equal to its source."""
    with tempfile.TemporaryDirectory() as folder:
        places = {seed: f"sqlite:///{Path(folder) / str(seed)}.db" for seed in range(first, first + count)}
        for place in places.values():
            migrate.upgrade(urls.parse(place, "many"))

        def run(seed: int) -> bool:
            is_exact = True
            for kind, work in (("load", _load), ("sync", _sync)):
                try:
                    outcome, lost = work(seed, places[seed], rows)
                except AssertionError as error:
                    say(f"seed {seed}, {kind}: FAILED: {error}")
                    is_exact = False
                    continue
                is_same = not (outcome.missing or outcome.doubled or outcome.wrong or lost)
                say(
                    f"seed {seed}, {kind}: {'exact' if is_same else 'WRONG'}, {outcome.kills} kills, "
                    f"{outcome.freezes} freezes; missing {outcome.missing}, doubled {outcome.doubled}, wrong "
                    f"{outcome.wrong}, lost of people {lost}"
                )
                is_exact = is_exact and is_same
            return is_exact

        with ThreadPoolExecutor(TOGETHER) as pool:
            exact = list(pool.map(run, places))
    say(f"{sum(exact)} of {len(exact)} schedules ended with a table equal to its source")
    return exact.count(False)


def _load(seed: int, place: str, rows: int) -> tuple[schedules.Run, int]:
    size = {"count": rows, "chunk_size": min(1000, max(1, rows // 12))} if rows else {}
    return schedules.run(seed, place, **size), 0


def _sync(seed: int, place: str, rows: int) -> tuple[syncs.Run, int]:
    outcome = syncs.run(seed, place, **({"count": rows} if rows else {}))
    return outcome, outcome.lost


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(min(1, main(*map(int, sys.argv[1:4]))))
