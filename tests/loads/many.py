"""Many random schedules of a load: `.venv/bin/python -m tests.loads.many 200 [FIRST]`."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lark_provider.storage import migrate, urls
from tests.loads import schedules

TOGETHER = 4


def main(count: int, first: int = 0) -> int:
    """Run schedules, a line each; return how many of them did not end with a table equal to its source."""
    with tempfile.TemporaryDirectory() as folder:
        places = {seed: f"sqlite:///{Path(folder) / str(seed)}.db" for seed in range(first, first + count)}
        for place in places.values():
            migrate.upgrade(urls.parse(place, "many"))

        def run(seed: int) -> bool:
            try:
                one = schedules.run(seed, places[seed])
            except AssertionError as error:
                _say(f"seed {seed}: FAILED: {error}")
                return False
            is_exact = not (one.missing or one.doubled or one.wrong)
            _say(
                f"seed {seed}: {'exact' if is_exact else 'WRONG'}, {one.attempts} attempts, {one.kills} kills"
                f", {one.freezes} freezes, {one.requests} requests; missing {one.missing}, doubled "
                f"{one.doubled}, wrong {one.wrong}"
            )
            return is_exact

        with ThreadPoolExecutor(TOGETHER) as pool:
            exact = list(pool.map(run, places))
    _say(f"{sum(exact)} of {len(exact)} schedules ended with a table equal to its source")
    return exact.count(False)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:3]))))
