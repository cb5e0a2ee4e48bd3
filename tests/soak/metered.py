"""What the services counted of themselves, over all their lives, beside what was seen from outside.

The counters are in files that survive a SIGKILL (`prometheus_client`'s multiprocess mode). A process that is
killed between an effect and its count loses that count, and nothing else may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.soak.ledger import Ledger, Violation
from tests.soak.plan import GATEWAYS, PUMPS, WAITER

LOST_BY_A_KILL = 100
"""How many counts one kill may lose: what a gateway has in flight, or a batch of a pump."""


def make_folder(site: Path, name: str) -> Path:
    """Return where a process keeps its counters."""
    folder = site / "metrics" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def total(site: Path, names: tuple[str, ...], metric: str, **labels: str) -> int:
    """Return the sum of a counter over processes, and over their labels that are not given."""
    counted = 0.0
    for name in names:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(make_folder(site, name)))  # type: ignore[no-untyped-call]
        for family in registry.collect():
            for sample in family.samples:
                if sample.name == metric and labels.items() <= sample.labels.items():
                    counted += sample.value
    return int(counted)


def compare(site: Path, ledger: Ledger, kills: Mapping[str, int]) -> Iterator[str | Violation]:
    """Compare counts at the end of a run.

    Args:
        site: The folder of the run.
        ledger: What was seen from outside.
        kills: How often each process was killed.

    Yields:
        A line for each count, and what must not be.
    """
    accepted = sum(click.outcomes.count("accepted") for click in ledger.clicks.values())
    unsure = sum(len(click.outcomes) for click in ledger.clicks.values()) - accepted
    taken = total(site, GATEWAYS, "lark_deliveries_stored_total", kind="click")
    taken += total(site, GATEWAYS, "lark_duplicates_total", where="gateway")
    yield from _within("deliveries stored by gateways", taken, accepted, accepted + unsure, kills, GATEWAYS)
    writers = (*GATEWAYS, *PUMPS, WAITER)
    new = total(site, writers, "lark_database_clicks_total", outcome="new")
    rows = len(ledger.rows)
    yield from _within("clicks new in the database", new, rows, rows, kills, writers)
    rejected = total(site, GATEWAYS, "lark_deliveries_rejected_total", reason="signature")
    seen = sum(click.outcomes.count("rejected") for click in ledger.clicks.values())
    yield from _within("deliveries rejected for their signature", rejected, seen, seen, kills, GATEWAYS)


def _within(
    what: str, counted: int, least: int, most: int, kills: Mapping[str, int], names: tuple[str, ...]
) -> Iterator[str | Violation]:
    lost = LOST_BY_A_KILL * sum(kills.get(name, 0) for name in names)
    seen = f"{least}" if least == most else f"{least} to {most}"
    yield f"Metrics:   {counted} {what}; from outside {seen}"
    if not least - lost <= counted <= most:
        yield Violation(f"metrics have {counted} {what}, from outside there are {seen}")
