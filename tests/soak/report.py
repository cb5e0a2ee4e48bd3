"""What a run says of itself at its end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.soak.ledger import FAULTS, FREEZES, Latency, Ledger, Violation
from tests.soak.plan import Action

_SHOWN = 20


def render_lines(
    ledger: Ledger, timeline: Sequence[str], more: Sequence[str] = (), *, is_settled: bool = True
) -> Iterator[str]:
    """Yield the lines of the report.

    Args:
        ledger: All that was seen.
        timeline: What was done when.
        more: What else there is to say.
        is_settled: Whether the run came to its end, so that it can be judged.
    """
    yield "What was done:"
    yield from (f"  {line}" for line in timeline)
    yield ""
    yield from _counts(ledger)
    yield ""
    yield from _latencies(ledger)
    yield from more
    yield ""
    if is_settled:
        yield from _verdict(ledger.violations(), ledger.limit)
    else:
        yield "INTERRUPTED: what was in flight is not settled, and the run is not judged."


def _counts(ledger: Ledger) -> Iterator[str]:
    accepted = ledger.list_accepted()
    stored = sum(click.stored is not None or click.event_id in ledger.rows for click in accepted)
    others = Counter(
        click.outcomes[-1] for click in ledger.clicks.values() if click.outcomes and not click.is_accepted
    )
    unsure = sum(click.event_id in ledger.rows for click in ledger.clicks.values() if not click.is_accepted)
    answerable = ledger.answerable()
    delivered = sum(question.decided is not None for question in answerable)
    actions = Counter(fault.step.action for fault in ledger.faults)
    done = ", ".join(f"{count} {action}" for action, count in sorted(actions.items()))
    twice = sum(len(click.outcomes) > 1 for click in ledger.clicks.values())
    answers = ", ".join(f"{count} {outcome}" for outcome, count in sorted(others.items())) or "none"
    yield f"Done:      {done or 'nothing'}"
    yield f"Clicks:    {len(ledger.clicks)} sent, {len(accepted)} accepted, {twice} delivered twice by Lark"
    yield f"Stored:    {stored} of {len(accepted)} accepted; others: {answers} ({unsure} of them stored)"
    yield f"Delivered: {delivered} of {len(answerable)} questions answered, {len(ledger.questions)} asked"


def _latencies(ledger: Ledger) -> Iterator[str]:
    yield f"Seconds from the click to  {'clicks':>24}{'p50':>8}{'p99':>8}{'longest':>9}"
    when: list[tuple[str, tuple[Action, ...]]] = [
        ("outside the freezes", FREEZES),
        ("outside all freezes and kills", FAULTS),
        ("at any time", ()),
    ]
    for words, outside in when:
        yield _render_row(f"stored, {words}", ledger.to_stored(outside))
        yield _render_row(f"delivered, {words}", ledger.to_delivered(outside))
    if late := ledger.late():
        yield f"Stored after {ledger.limit:g} s or more outside the freezes: {_some(late)}"
    if ledger.behind:
        behind = sorted(ledger.behind)
        p99 = behind[len(behind) * 99 // 100]
        load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
        behindhand = f"{p99:.2f} s late (p99), at most {behind[-1]:.2f} s"
        yield f"The machine: load {load}; clicks were sent {behindhand}."


def _render_row(what: str, latency: Latency) -> str:
    figures = "".join(f"{figure:8.2f}" for figure in (latency.p50, latency.p99))
    return f"  {what:<41}{latency.count:8}{figures}{latency.longest:9.2f}"


def _verdict(violations: Sequence[Violation], limit: float) -> Iterator[str]:
    if not violations:
        yield f"OK: accepted = stored = delivered, and p99 is below {limit:g} s outside the freezes."
        return
    yield f"FAILED: {len(violations)} violations"
    for violation in violations:
        yield f"  {violation.what}" + (f": {_some(violation.ids)}" if violation.ids else "")


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:_SHOWN])
    return f"{len(ids)} ({shown}{', …' if len(ids) > _SHOWN else ''})"
