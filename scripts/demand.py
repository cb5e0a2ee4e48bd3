"""Say how much of the measured use of Lark's endpoints the emulator covers, and what to add next.

    .venv/bin/python -m scripts.demand [RANKING.tsv]

The ranking has the columns packages, without_wrappers and endpoint; without an argument it is
`packages/lark-emulator/tests/demand.tsv`. Uses that it does not list, because one package alone makes
them, count as not covered.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lark_emulator.routes import ROUTES

RANKING = Path("packages/lark-emulator/tests/demand.tsv")
#: All uses, and those without the SDKs that wrap the whole platform; the ranking lists the most frequent.
ALL, WITHOUT_WRAPPERS = 1165, 508
#: Parts that the ranking leaves out of a path.
_LEFT_OUT = {"sheets/v2/…": "sheets/v2/spreadsheets/:token"}
_NOTE = re.compile(r"\s*(\*|\([^)]*\))$")


class Use(NamedTuple):
    """How many packages call an endpoint, and whether the emulator has it."""

    packages: int
    without_wrappers: int
    endpoint: str
    covered: bool


def shape(path: str) -> str:
    """Return a path with its parameters reduced to a colon."""
    parts = path.removeprefix("/open-apis").strip("/").split("/")
    return "/".join(":" if part.startswith(":") else part for part in parts)


def list_emulated() -> set[tuple[str, str]]:
    """Return method and shape of each endpoint that the emulator has."""
    return {(route.method, shape(route.path)) for route in ROUTES}


def read(lines: Iterable[str], known: set[tuple[str, str]]) -> list[Use]:
    """Return the uses that a ranking lists.

    Args:
        lines: the ranking, with comments and a line of column names.
        known: method and shape of the endpoints that the emulator has.

    Raises:
        ValueError: a line has not three columns, or a count is not a number.
    """
    uses = []
    for line in lines:
        columns = line.rstrip("\n").split("\t")
        if line.startswith("#") or columns[0] == "packages":
            continue
        if len(columns) != len(("packages", "without_wrappers", "endpoint")):
            raise ValueError(f"{line!r} must have three columns. Next: separate them by tabs.")
        packages, without, endpoint = columns
        uses.append(Use(int(packages), int(without), endpoint, is_covered(endpoint, known)))
    return uses


def is_covered(endpoint: str, known: set[tuple[str, str]]) -> bool:
    """Say whether the emulator has an endpoint such as `PUT|POST sheets/v2/…/values` or `* a/b`."""
    methods, _, path = endpoint.partition(" ")
    path = _NOTE.sub("", path)
    for short, whole in _LEFT_OUT.items():
        path = path.replace(short, whole)
    wanted = shape(path)
    return any(
        known_path == wanted and (methods == "*" or method in methods.split("|"))
        for method, known_path in known
    )


def report(uses: list[Use]) -> str:
    """Return the covered shares, and below them what is missing, the most wanted first."""
    covered = [use for use in uses if use.covered]
    whole = sum(use.packages for use in covered)
    narrow = sum(use.without_wrappers for use in covered)
    missing = sorted((use for use in uses if not use.covered), reverse=True)
    lines = [
        f"without wrappers: {narrow} of {WITHOUT_WRAPPERS} uses, {100 * narrow / WITHOUT_WRAPPERS:.1f} %",
        f"all: {whole} of {ALL} uses, {100 * whole / ALL:.1f} %",
        f"not covered, of {len(uses)} endpoints listed: {len(missing)}",
        *(f"{use.packages:5} {use.without_wrappers:5}  {use.endpoint}" for use in missing),
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print the report."""
    ranking = Path(arguments[0]) if arguments else RANKING
    sys.stdout.write(report(read(ranking.read_text("utf-8").splitlines(), list_emulated())) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
