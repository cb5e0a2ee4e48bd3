"""How far one of each service reaches, and what a company of a given size needs: the arithmetic.

`python -m benchmarks.capacity` prints the tables of the page about capacity, and `--write` renews them.
What was measured comes from the table of the benchmarks, which says by which command.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import chinese
from lark_provider.protocol.pacing import MESSAGES_TO_ONE, list_limits

DOCS = Path(__file__).parents[1] / "docs"
BENCHMARKS = DOCS / "en" / "reference" / "benchmarks.md"
_HOUR, _DAY = 3600, 24
_TOKEN_MINUTES = 100
"""A token lives for two hours, and is renewed 20 minutes ahead of its end."""
PUMP_A_SECOND = 1_000
"""Clicks that a pump stores, rounded down: `python -m benchmarks --only pump`."""
_BRIDGE_QUESTIONS, _BRIDGE_API_CPU, _BRIDGE_POSTGRES_CPU = 10_000, 1.0, 3.9
"""Open questions that a bridge follows, and seconds of CPU a minute for that: `make soak-polling`."""


@dataclass(frozen=True)
class Load:
    """What a company does.

    Attributes:
        apps: Apps of Lark.
        workers: Processes that call Lark: Airflow's workers, web servers, programs.
        messages: Messages an hour, of all apps.
        per_question: One message in so many is a question that is clicked on.
        peak: How many times the average the busiest minute is.
        waits: Questions that are open at the same time.
    """

    apps: int = 50
    workers: int = 1_000
    messages: int = 100_000
    per_question: int = 10
    peak: int = 10
    waits: int = 10_000


@dataclass(frozen=True)
class Measured:
    """Figures of the benchmarks, the median of each."""

    messages: float
    gateway: float
    gateway_database: float
    token_ms: float
    queries: float
    wait_kb: float


def read_figures(page: str | None = None) -> Measured:
    """Read the figures.

    Args:
        page: The document of the benchmarks; the one of this checkout if None.
    """
    text = BENCHMARKS.read_text("utf-8") if page is None else page
    rows = re.findall(r"^\| ([^|]+?) +\| ([\d,.]+)", text, re.MULTILINE)
    figures = {label: float(value.replace(",", "")) for label, value in reversed(rows)}
    return Measured(
        messages=figures["messages a second, one after another"],
        gateway=figures["clicks a second, gateway → RabbitMQ, 64 at a time"],
        gateway_database=figures["clicks a second, gateway → PostgreSQL, 64 at a time"],
        token_ms=figures["a token from PostgreSQL, ms"],
        queries=figures["10,000 triggers wait in one process: queries a second"],
        wait_kb=figures["… memory a wait, KB"],
    )


def a_second(method: str, path: str) -> float:
    """Return how many requests a second an app sends to an endpoint in the long run, below Lark's limits."""
    return min(1 / limit.interval for limit in list_limits(method, path))


def needs(load: Load, measured: Measured) -> Iterator[tuple[str, str]]:
    """Yield what a load needs: what, and the calculation with its result."""
    sends = a_second("POST", "/open-apis/im/v1/messages")
    an_hour = sends * _HOUR
    clicks = load.messages / load.per_question / _HOUR
    peak = clicks * load.peak
    per_app = load.messages / load.apps
    yield (
        "messages an hour that one app may send",
        f"{sends:.3g} / s * {_HOUR:,} s = {an_hour:,.0f}",
    )
    yield (
        "apps that the messages need at least",
        f"{load.messages:,} / {an_hour:,.0f} → {math.ceil(load.messages / an_hour)}",
    )
    yield (
        "share of its limit that each of the apps uses",
        f"{load.messages:,} / {load.apps} / {an_hour:,.0f} = {per_app / an_hour:.1%}",
    )
    yield (
        "messages an hour that one chat or person may get",
        f"{MESSAGES_TO_ONE.requests} / s * 0.8 * {_HOUR:,} s = {MESSAGES_TO_ONE.requests * 0.8 * _HOUR:,.0f}",
    )
    yield (
        "processor time of clients for the messages of an hour",
        f"{load.messages:,} / {measured.messages:,.0f} per s = {load.messages / measured.messages:.0f} s",
    )
    yield (
        "tokens fetched from Lark an hour, with a shared database",
        f"{load.apps} * 60 / {_TOKEN_MINUTES} min = {load.apps * 60 / _TOKEN_MINUTES:.0f}",
    )
    busy = load.workers * load.apps / (_TOKEN_MINUTES * 60) * measured.token_ms / 1000
    yield (
        "tokens read from the database, if each worker acts for each app",
        f"{load.workers:,} * {load.apps} / {_TOKEN_MINUTES} min * {measured.token_ms:g} ms = {busy:.2%}",
    )
    yield (
        "clicks a second in the busiest minute",
        f"{load.messages:,} / {load.per_question} / {_HOUR:,} s * {load.peak} = {peak:.0f}",
    )
    yield (
        "share of one gateway, into RabbitMQ",
        f"{peak:.0f} / {measured.gateway:,.0f} = {peak / measured.gateway:.1%}",
    )
    yield (
        "share of one gateway, into PostgreSQL",
        f"{peak:.0f} / {measured.gateway_database:,.0f} = {peak / measured.gateway_database:.1%}",
    )
    yield (
        "share of one pump",
        f"{peak:.0f} / {PUMP_A_SECOND:,} = {peak / PUMP_A_SECOND:.1%}",
    )
    yield (
        "memory of one triggerer for the open questions",
        f"{load.waits:,} * {measured.wait_kb:g} KB = {load.waits * measured.wait_kb / 1000:.0f} MB",
    )
    yield (
        "queries a second of that triggerer",
        f"{load.waits:,} / 10,000 * {measured.queries:g} = {load.waits / 10_000 * measured.queries:.1f}",
    )
    share = load.waits / _BRIDGE_QUESTIONS
    for where, cpu in (("the API server", _BRIDGE_API_CPU), ("PostgreSQL", _BRIDGE_POSTGRES_CPU)):
        yield (
            f"processors of {where} that a bridge keeps busy",
            f"{share:g} * {cpu:g} s / min = {share * cpu / 60:.1%}",
        )
    for days in (90, 7):
        rows = load.messages * _DAY * days
        yield (
            f"rows of the ledger, messages with a key kept for {days} days",
            f"{load.messages:,} * {_DAY} * {days} = {rows / 1e6:,.1f} M",
        )


def table(language: str, load: Load | None = None, measured: Measured | None = None) -> str:
    """Return the table of a page.

    Args:
        language: `en` or `zh`.
        load: What a company does; 50 apps, 1,000 workers and 100,000 messages an hour if None.
        measured: The figures; those of the benchmarks if None.
    """
    head = "| What | Calculation |" if language == "en" else "| 项目 | 计算 |"
    rows = needs(load or Load(), measured or read_figures())
    lines = [f"| {what if language == 'en' else chinese.label(what)} | `{value}` |" for what, value in rows]
    return "\n".join([head, "|---|---|", *lines])


def renew_page(page: str, language: str) -> str:
    """Return a page of capacity with the table as it is now.

    Args:
        page: The page's text.
        language: `en` or `zh`.
    """
    rendered = table(language)
    head = re.escape(rendered.partition("\n")[0])
    return re.sub(rf"^{head}\n(?:\|.*\n)+", lambda _: f"{rendered}\n", page, flags=re.MULTILINE)


def renew() -> list[Path]:
    """Write the tables into both pages; return the Chinese one, whose English twin has changed."""
    pages = [DOCS / language / "explanation" / "capacity.md" for language in ("en", "zh")]
    for page, language in zip(pages, ("en", "zh"), strict=True):
        page.write_text(renew_page(page.read_text("utf-8"), language), encoding="utf-8")
    return pages[1:]


def main() -> None:
    """Print both tables; with `--write`, write them into the pages."""
    if sys.argv[1:] == ["--write"]:
        renew()
    sys.stdout.write("\n\n".join(map(table, ("en", "zh"))) + "\n")


if __name__ == "__main__":
    main()
