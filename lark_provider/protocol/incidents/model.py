"""The incident of a DAG run: its failures so far, which share one card until all have recovered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lark_provider.support.members import select_members

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
        error: The error of the task, in one line.
        log_url: The address of the task's log; may be empty.
        recovered: Whether the task has succeeded since.
        ti_id: Airflow's id of that try, a uuid; empty if only Airflow's table reports the failure.
        task_id: The id of the task; empty where `ti_id` is.
        map_index: The index of a mapped task, else -1.
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
        open_id: The open_id of the person, for the app.
        name: The name of the person in Airflow, or their open_id if they are not linked.
        at: When they claimed it, in ISO 8601.
    """

    open_id: str
    name: str
    at: str


@dataclass(frozen=True, slots=True)
class Mute:
    """A task whose failures are not reported for a while.

    Attributes:
        task_id: The id of the task.
        name: The name in Airflow of the person who muted it, or their open_id if they are not linked.
        until: When it ends, in ISO 8601.
    """

    task_id: str
    name: str
    until: str


@dataclass(frozen=True, slots=True)
class CardAction:
    """The result of a click on the card of an incident.

    Attributes:
        text: A sentence in the card's language, with who did it; texts of Airflow in it are not escaped.
        at: When, in ISO 8601.
        event_id: The click's, by which it is recorded once.
    """

    text: str
    at: str
    event_id: str


@dataclass(frozen=True, slots=True)
class EscalationRecord:
    """A step of the incident's escalation, as its card shows it.

    Attributes:
        number: The number of the step, from 1.
        urgent: How the card rang: `app`, `sms` or `phone`.
        name: The name of the person whom the card notified; empty if that is not known.
        at: When the step was taken, in ISO 8601.
        outcome: The outcome of the step: `done`, `failed`, `unknown` or `skipped`.
        detail: Why the step failed: a word of ours, or Lark's text.
    """

    number: int
    urgent: str
    name: str
    at: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """The failures of one DAG run.

    Attributes:
        cards: Messages that show them. One, unless two tasks failed at the same moment.
        count: How many failures there were, retried ones included.
        failures: The tasks, in the order of their first failure.
        run_failed: Whether the DAG run has failed.
        over: Whether all have recovered.
        claim: The person who takes care of it; None if no person has claimed it.
        mutes: Tasks that were muted from its card.
        version: The version of what it holds; each change adds one. 0 if it is not recorded in a database.
        has_actions: Whether its card has buttons, as a bridge delivers clicks on them.
        timezone: An IANA name, in which the card shows times.
        deeds: The outcome of the latest clicks on the card.
        more: The last failed try of each task that is not in `failures`, since those are `MAX_FAILURES`, by a
            digest of its label: so that none is counted twice, whatever reports it.
        more_recovered: Those of `more` that have succeeded since.
        run_ended: When the run failed without a failed task, as it was reported last: the same end is
            reported once.
        run_attempt: The attempt of the run whose failure was reported last, see `RunEvent.run_attempt`.
        not_before: The time until which its first card waits for the end of quiet hours, in ISO 8601; else
            empty.
        urged: The steps of its escalation so far.
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
    deeds: tuple[CardAction, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)
    more_recovered: tuple[str, ...] = ()
    run_ended: str = ""
    run_attempt: str = ""
    not_before: str = ""
    urged: tuple[EscalationRecord, ...] = ()

    @property
    def total(self) -> int:
        """How many tasks have failed."""
        return len(self.failures) + len(self.more)

    @property
    def unlisted(self) -> int:
        """How many tasks of `more` have not recovered."""
        return len(self.more) - len(self.more_recovered)

    def is_counted(self, label: str, try_number: int) -> bool:
        """Return whether a failed try is counted in `more`.

        Args:
            label: The task instance.
            try_number: The try.
        """
        return self.more.get(digest_label(label)) == try_number

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Incident:
        """Return the incident that `to_json` wrote, also that of an earlier or a newer version.

        Raises:
            TypeError: A value has another type.
            KeyError: A value is missing.
        """
        return cls(
            cards=tuple(content["cards"]),
            count=int(content["count"]),
            failures=tuple(
                Failure(**select_members({"recovered": failure.get("mended", False)} | failure, Failure))
                for failure in content["failures"]
            ),
            run_failed=bool(content["run_failed"]),
            over=bool(content.get("over")),
            claim=Claim(**select_members(content["claim"], Claim)) if content.get("claim") else None,
            mutes=tuple(Mute(**select_members(mute, Mute)) for mute in content.get("mutes", ())),
            version=int(content.get("version", 0)),
            has_actions=bool(content.get("has_actions")),
            timezone=str(content.get("timezone", "UTC")),
            deeds=tuple(CardAction(**select_members(deed, CardAction)) for deed in content.get("deeds", ())),
            more={str(name): int(number) for name, number in content.get("more", {}).items()},
            more_recovered=tuple(content.get("more_recovered", ())),
            run_ended=str(content.get("run_ended", "")),
            run_attempt=str(content.get("run_attempt", "")),
            not_before=str(content.get("not_before", "")),
            urged=tuple(
                EscalationRecord(**select_members(step, EscalationRecord))
                for step in content.get("urged", ())
            ),
        )

    def with_deed(self, deed: CardAction) -> Incident:
        """Return the same incident after a click, which is recorded once."""
        if any(earlier.event_id == deed.event_id for earlier in self.deeds):
            return self
        return replace(self, deeds=(*self.deeds, deed)[-_MAX_DEEDS:])

    def with_mute(self, mute: Mute) -> Incident:
        """Return the same incident with a task muted, replacing the mute of that task before."""
        others = tuple(other for other in self.mutes if other.task_id != mute.task_id)
        return replace(self, mutes=(*others, mute)[-_MAX_MUTES:])

    def with_urged(self, urged: EscalationRecord) -> Incident:
        """Return the same incident with a step of its escalation, in place of its earlier record."""
        others = [other for other in self.urged if other.number != urged.number]
        return replace(self, urged=tuple(sorted([*others, urged], key=lambda step: step.number)))

    def with_cards(self, *cards: str) -> Incident:
        """Return the same incident, shown by these cards."""
        return replace(self, cards=tuple(dict.fromkeys(cards))[:_MAX_CARDS])


def digest_label(label: str) -> str:
    """Return the key of a task instance in `Incident.more`, whatever the length of its name."""
    return hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:16]
