"""What went wrong in one DAG run so far: the one card that failures share until they are mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lark_provider.notifications.excerpt import clip
from lark_provider.notifications.facts import Facts

FAILURES = frozenset({"failure", "retry", "dag_failure"})
MOST_FAILURES = 50
_MOST_CARDS = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed.

    Attributes:
        label: The task instance, as Airflow's table of states names it.
        try_number: The last try that failed; 0 if Airflow's table only says that it did.
        error: Its error in one line.
        log_url: Its log.
        mended: Whether it has succeeded since.
    """

    label: str
    try_number: int = 0
    error: str = ""
    log_url: str = ""
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """The failures of one DAG run.

    Attributes:
        cards: Messages that show them. One, unless two tasks failed at the same moment.
        count: How many failures there were, retried ones included.
        failures: The tasks, in the order of their first failure.
        run_failed: Whether Airflow gave the run up.
        over: Whether everything is mended.
    """

    cards: tuple[str, ...] = ()
    count: int = 0
    failures: tuple[Failure, ...] = ()
    run_failed: bool = False
    over: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Incident:
        """The reverse.

        Raises:
            TypeError: It is something else.
            KeyError: It is something else.
        """
        return cls(
            cards=tuple(found["cards"]),
            count=int(found["count"]),
            failures=tuple(Failure(**one) for one in found["failures"]),
            run_failed=bool(found["run_failed"]),
        )

    def with_cards(self, *cards: str) -> Incident:
        """The same, shown by these cards."""
        return replace(self, cards=tuple(dict.fromkeys(cards))[:_MOST_CARDS])


def after(before: Incident | None, facts: Facts, states: Mapping[str, str]) -> Incident | None:
    """Take one more event into account.

    Args:
        before: What was remembered.
        facts: The event.
        states: Airflow's own table of the run, task instance to state; empty if it cannot be had.

    Returns:
        The incident now; None if the event has nothing to do with one.
    """
    known = {one.label: one for one in before.failures} if before else {}
    before = before or Incident()
    if facts.event in FAILURES:
        known, new = _with_states(known, states), False
        if facts.event != "dag_failure":
            error = ": ".join(filter(None, (facts.error_type, clip(facts.error, 160))))
            old, now = known.get(facts.label), Failure(facts.label, facts.try_number, error, facts.log_url)
            new = old is None or old.try_number != now.try_number  # Airflow can call twice for one try
            known[facts.label] = now
        count = max(before.count + new, len(known))
        run_failed = before.run_failed or facts.event == "dag_failure"
        return replace(before, count=count, failures=_bounded(known), run_failed=run_failed, over=False)
    if facts.event == "dag_success" and before.cards:
        mended = tuple(replace(one, mended=True) for one in known.values())
        return replace(before, failures=mended, run_failed=False, over=True)
    if facts.event == "success" and before.cards and facts.label in known:
        known = _with_states(known, states)
        known[facts.label] = replace(known[facts.label], mended=True)
        over = all(one.mended for one in known.values())
        return replace(before, failures=_bounded(known), run_failed=False, over=over)
    return None


def merged(mine: Incident, other: Incident, before: Incident) -> Incident:
    """Bring together what two processes made of the same incident at the same time.

    Args:
        mine: One.
        other: The other, remembered meanwhile.
        before: What mine was made from.
    """
    old = {one.label: one for one in before.failures}
    known = {one.label: one for one in mine.failures}
    for one in other.failures:
        if one != old.get(one.label) and known.get(one.label) in (
            old.get(one.label),
            None,
            Failure(one.label),
        ):
            known[one.label] = one
    failures = _bounded(known)
    count = max(mine.count + max(0, other.count - before.count), len(failures))
    run_failed = mine.run_failed or (other.run_failed and not before.run_failed)
    new = (card for card in other.cards if card not in before.cards)
    return replace(mine, count=count, failures=failures, run_failed=run_failed).with_cards(*mine.cards, *new)


def _with_states(known: Mapping[str, Failure], states: Mapping[str, str]) -> dict[str, Failure]:
    found = dict(known)
    for label, state in states.items():
        if state == "failed":
            found[label] = replace(found.get(label) or Failure(label), mended=False)
        elif state == "success" and label in found:
            found[label] = replace(found[label], mended=True)
    return found


def _bounded(known: Mapping[str, Failure]) -> tuple[Failure, ...]:
    # Those that still fail come first when there are more than can be remembered.
    ranked = (
        sorted(known.values(), key=lambda one: one.mended) if len(known) > MOST_FAILURES else known.values()
    )
    return tuple(ranked)[:MOST_FAILURES]
