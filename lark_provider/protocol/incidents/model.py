"""The incident of a DAG run: its failures so far, which share one card until all have recovered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.support.text import clip

FAILURES = frozenset({"failure", "retry", "dag_failure"})
MAX_FAILURES = 100
_MAX_CARDS = 4
_MAX_DEEDS = 5
_MAX_MUTES = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed.

    Attributes:
        label: The task instance, as in Airflow's table of task states.
        try_number: The last try that failed; 0 if only Airflow's table reports the failure.
        error: Its error in one line.
        log_url: Its log.
        recovered: Whether it has succeeded since.
        ti_id: Airflow's id of that try, a uuid; empty if only Airflow's table reports the failure.
        task_id: The task; empty where `ti_id` is.
        map_index: Of a mapped task, else -1.
    """

    label: str
    try_number: int = 0
    error: str = ""
    log_url: str = ""
    recovered: bool = False
    ti_id: str = ""
    task_id: str = ""
    map_index: int = -1


@dataclass(frozen=True, slots=True)
class Claim:
    """Who takes care of an incident.

    Attributes:
        open_id: The person, as the app knows them.
        name: Their name.
        at: When they claimed it, in ISO 8601.
    """

    open_id: str
    name: str
    at: str


@dataclass(frozen=True, slots=True)
class Mute:
    """A task whose failures are not reported for a while.

    Attributes:
        task_id: The task.
        name: Who muted it.
        until: When it ends, in ISO 8601.
    """

    task_id: str
    name: str
    until: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What became of a click on the card of an incident.

    Attributes:
        text: A sentence in the card's language, with who did it; texts of Airflow in it are not escaped.
        at: When, in ISO 8601.
        event_id: The click's, by which it is recorded once.
    """

    text: str
    at: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Incident:
    """The failures of one DAG run.

    Attributes:
        cards: Messages that show them. One, unless two tasks failed at the same moment.
        count: How many failures there were, retried ones included.
        failures: The tasks, in the order of their first failure.
        run_failed: Whether the DAG run has failed.
        over: Whether all have recovered.
        claim: Who takes care of it; None if nobody has said so.
        mutes: Tasks that were muted from its card.
        version: Of what it holds; each change adds one. 0 if it is not recorded in a database.
        has_actions: Whether its card has buttons, as a bridge delivers clicks on them.
        timezone: An IANA name, in which the card shows times.
        deeds: What became of the latest clicks on the card.
    """

    cards: tuple[str, ...] = ()
    count: int = 0
    failures: tuple[Failure, ...] = ()
    run_failed: bool = False
    over: bool = False
    claim: Claim | None = None
    mutes: tuple[Mute, ...] = ()
    version: int = 0
    has_actions: bool = False
    timezone: str = "UTC"
    deeds: tuple[Deed, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Incident:
        """Return the incident that `to_json` wrote, also that of an earlier version.

        Raises:
            TypeError: A value has another type.
            KeyError: A value is missing.
        """
        return cls(
            cards=tuple(found["cards"]),
            count=int(found["count"]),
            failures=tuple(
                Failure(**{"recovered" if name == "mended" else name: value for name, value in one.items()})
                for one in found["failures"]
            ),
            run_failed=bool(found["run_failed"]),
            over=bool(found.get("over")),
            claim=Claim(**found["claim"]) if found.get("claim") else None,
            mutes=tuple(Mute(**one) for one in found.get("mutes", ())),
            version=int(found.get("version", 0)),
            has_actions=bool(found.get("has_actions")),
            timezone=str(found.get("timezone", "UTC")),
            deeds=tuple(Deed(**one) for one in found.get("deeds", ())),
        )

    def with_deed(self, deed: Deed) -> Incident:
        """Return the same incident after a click, which is recorded once."""
        if any(one.event_id == deed.event_id for one in self.deeds):
            return self
        return replace(self, deeds=(*self.deeds, deed)[-_MAX_DEEDS:])

    def with_mute(self, mute: Mute) -> Incident:
        """Return the same incident with a task muted, instead of what was said of the task before."""
        others = tuple(one for one in self.mutes if one.task_id != mute.task_id)
        return replace(self, mutes=(*others, mute)[-_MAX_MUTES:])

    def with_cards(self, *cards: str) -> Incident:
        """Return the same incident, shown by these cards."""
        return replace(self, cards=tuple(dict.fromkeys(cards))[:_MAX_CARDS])


def after(
    before: Incident | None,
    event: RunEvent,
    states: Mapping[str, str],
    errors: Mapping[str, str] = MappingProxyType({}),
) -> Incident | None:
    """Return the incident after one more event.

    Args:
        before: The incident recorded so far.
        event: The event.
        states: Airflow's states of the run's task instances; empty if unknown.
        errors: Errors of failed task instances that sent no notification.

    Returns:
        The incident now; None if the event belongs to none.
    """
    known = {one.label: one for one in before.failures} if before else {}
    before = before or Incident()
    if event.kind in FAILURES:
        known, new = _with_states(known, states), False
        if event.kind != "dag_failure":
            old, now = known.get(event.label), _failure(event)
            new = old is None or old.try_number != now.try_number  # Airflow can call twice for one try
            known[event.label] = now
        for label, error in errors.items():
            old = known.get(label) or Failure(label, log_url=event.log_url if label == event.label else "")
            if not (old.error or old.recovered):
                known[label] = replace(old, error=clip(error, 160))
        count = max(before.count + new, len(known))
        run_failed = before.run_failed or event.kind == "dag_failure"
        return replace(before, count=count, failures=_bounded(known), run_failed=run_failed, over=False)
    is_recorded = bool(before.cards or before.version)
    if event.kind == "dag_success" and is_recorded:
        recovered = tuple(replace(one, recovered=True) for one in known.values())
        return replace(before, failures=recovered, run_failed=False, over=True)
    if event.kind == "success" and is_recorded and event.label in known:
        known = _with_states(known, states)
        known[event.label] = replace(known[event.label], recovered=True)
        over = all(one.recovered for one in known.values())
        return replace(before, failures=_bounded(known), run_failed=False, over=over)
    return None


def merged(mine: Incident, other: Incident, before: Incident) -> Incident:
    """Merge what two processes made of the same incident at the same time.

    Args:
        mine: This process's.
        other: Another process's, recorded meanwhile.
        before: What `mine` was made from.
    """
    old = {one.label: one for one in before.failures}
    known = {one.label: one for one in mine.failures}
    for one in other.failures:
        mine_too = known.get(one.label)
        # A failure with try 0 is only derived from Airflow's table; a task's own report has more details.
        newer = mine_too is None or mine_too == old.get(one.label) or mine_too.try_number == 0
        if one != old.get(one.label) and newer:
            known[one.label] = one
    failures = _bounded(known)
    count = max(mine.count + max(0, other.count - before.count), len(failures))
    run_failed = mine.run_failed or (other.run_failed and not before.run_failed)
    new = (card for card in other.cards if card not in before.cards)
    return replace(mine, count=count, failures=failures, run_failed=run_failed).with_cards(*mine.cards, *new)


def _failure(event: RunEvent) -> Failure:
    error = ": ".join(filter(None, (event.error_type, clip(event.error, 160))))
    return Failure(
        event.label,
        event.try_number,
        error,
        event.log_url,
        ti_id=event.ti_id,
        task_id=event.task_id,
        map_index=event.map_index,
    )


def _with_states(known: Mapping[str, Failure], states: Mapping[str, str]) -> dict[str, Failure]:
    found = dict(known)
    for label, state in states.items():
        if state == "failed":
            found[label] = replace(found.get(label) or Failure(label), recovered=False)
        elif state == "success" and label in found:
            found[label] = replace(found[label], recovered=True)
    return found


def _bounded(known: Mapping[str, Failure]) -> tuple[Failure, ...]:
    # If there are more than can be recorded, those that have not recovered stay.
    ranked = (
        sorted(known.values(), key=lambda one: one.recovered) if len(known) > MAX_FAILURES else known.values()
    )
    return tuple(ranked)[:MAX_FAILURES]
