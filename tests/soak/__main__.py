"""`python -m tests.soak`: people click while everything behind the gateway is killed and frozen at random."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys

from tests.soak.ledger import P99_SECONDS
from tests.soak.run import Run, Settings


def main() -> int:
    """Run, print the report, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="for how long people click (600)")
    parser.add_argument("--seed", type=int, help="repeats a run's plan (a new one)")
    parser.add_argument("--rate", type=float, default=50.0, help="clicks a second (50)")
    parser.add_argument("--p99", type=float, default=P99_SECONDS, help="what p99 has to be below, in s (5)")
    parser.add_argument("--no-rotate", action="store_true", help="leave callback keys as they are")
    parser.add_argument("--no-cut", action="store_true", help="cut no pump off from its database")
    parser.add_argument("--no-airflow", action="store_true", help="leave out the phase that edits DAG files")
    args = parser.parse_args()
    settings = Settings(
        seconds=args.seconds,
        seed=secrets.randbelow(10**6) if args.seed is None else args.seed,
        rate=args.rate,
        limit=args.p99,
        rotate=not args.no_rotate,
        cut=not args.no_cut,
        airflow=not args.no_airflow,
    )

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    return asyncio.run(Run(settings, say).run())


if __name__ == "__main__":
    sys.exit(main())
