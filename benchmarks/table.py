"""The table: a row for each measurement, a column for each contender."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.environments import COMMUNITY, COMMUNITY_VERSION
from benchmarks.processes import Series

COLUMNS = {
    "ours": "lark_provider",
    "typed": "lark-oapi, typed models",
    "plain": "lark-oapi, BaseRequest + dict",
    "hand": "httpx2 + orjson by hand",
    "community": f"{COMMUNITY} {COMMUNITY_VERSION}",
}
_SHORT = {"typed": "lark-oapi", "hand": "by hand", "community": "the community client"}
_PACKAGES = ("lark-oapi", "httpx2", "httpx", "orjson", "uvicorn", "httptools", "apache-airflow")
_FEW, _SOME = 10, 100


@dataclass(frozen=True)
class Goal:
    """What is to be reached: a bound, of the value itself or of its ratio to another contender's."""

    bound: float
    other: str | None = None
    at_least: bool = False

    def render(self) -> str:
        """Return the goal as the table shows it."""
        sign = "≥ " if self.at_least else "≤ " if self.bound else ""
        return sign + (_format_number(self.bound) if self.other is None else self._ratio(self.bound))

    def compare_with_goal(self, series: Series) -> str:
        """Return the value that was reached, with a mark that says whether it meets the goal."""
        value = series.median("ours") if self.other is None else series.ratio("ours", self.other)
        enough = value >= self.bound if self.at_least else value <= self.bound
        shown = _format_number(value) if self.other is None else self._ratio(value)
        return f"{'✓' if enough else '✗'} {shown}"

    def _ratio(self, value: float) -> str:
        name = _SHORT[self.other or ""]
        return f"{value:.3g} times {name}" if value > 1 / 2 else f"1/{1 / value:.3g} of {name}"


@dataclass(frozen=True)
class Row:
    """One measurement of all contenders."""

    what: str
    series: Series
    goals: Sequence[Goal] = ()

    def render_cells(self) -> list[str]:
        """Return the row's cells."""
        shown = [self._render_cell(contender) for contender in COLUMNS]
        goals = "; ".join(goal.render() for goal in self.goals)
        return [
            self.what,
            *shown,
            goals,
            "; ".join(goal.compare_with_goal(self.series) for goal in self.goals),
        ]

    def _render_cell(self, contender: str) -> str:
        values = self.series.values.get(contender)
        if not values:
            return "-"
        lowest, highest = _format_number(min(values)), _format_number(max(values))
        spread = f" ({lowest} to {highest})" if lowest != highest else ""
        return _format_number(self.series.median(contender)) + spread


def _format_number(value: float) -> str:
    """Return a number as text, rounded to about three digits."""
    if value >= _SOME:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= _FEW else f"{value:.2f}".removesuffix(".00")


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table with aligned columns."""
    lines = [["", *COLUMNS.values(), "goal", "reached"], *(row.render_cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def machine() -> str:
    """Return one line about the machine, the interpreter and the packages that were measured."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    cores, day = len(os.sched_getaffinity(0)), f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{day}, {cores} cores, {memory:.0f} GB of memory, {system}; {packages}."


def write(place: Path, heading: str, table: str, noise: str) -> None:
    """Write the document.

    Args:
        place: Where.
        heading: What is written above the table.
        table: The table.
        noise: How quiet the machine was.
    """
    place.write_text(f"{heading.strip()}\n\n{machine()} {noise}\n\n{table}\n", encoding="utf-8")
