"""What became of every click and of every question, and what of it must not be. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tests.soak.plan import Action, Step

P99_SECONDS = 5.0
FREEZES: tuple[Action, ...] = ("freeze",)
FAULTS: tuple[Action, ...] = ("freeze", "kill")

Outcome: TypeAlias = Literal["accepted", "failed", "rejected", "unanswered", "other"]
"""How a delivery of a click was answered: "received"; "not recorded", or 503; as one that is not genuine; not
within the three seconds that Lark waits; or in another way."""


@dataclass(slots=True)
class Click:
    """A click, and what became of it. Times are monotonic seconds.

    Attributes:
        event_id: Lark's id of it.
        message_id: The card.
        operator: Who clicked: an open_id.
        sent: When.
        outcomes: The answers to all its deliveries.
        stored: When it was first seen in the table.
    """

    event_id: str
    message_id: str
    operator: str
    sent: float
    outcomes: list[Outcome] = field(default_factory=list)
    stored: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Return whether the person who clicked was told that the click is received."""
        return "accepted" in self.outcomes


@dataclass(slots=True)
class Question:
    """A wait, and what became of it.

    Attributes:
        key: Names the wait.
        message_id: The card.
        operator: Who may answer: an open_id.
        decided: When its answer was delivered; monotonic seconds.
        answers: The event ids of each answer that was delivered: of one click, and always the same.
    """

    key: str
    message_id: str
    operator: str
    decided: float | None = None
    answers: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fault:
    """A step as it was done. Times are monotonic seconds."""

    step: Step
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, in seconds."""

    count: int
    p50: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Violation:
    """What must not be.

    Attributes:
        what: In words.
        ids: The event ids, or keys of questions, that it concerns.
    """

    what: str
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Ledger:
    """All that was seen during a run.

    Attributes:
        limit: Seconds; p99 has to be below it.
        clicks: By their event ids.
        questions: By their keys.
        faults: What was done.
        observed: What must not be, and was seen elsewhere.
        rows: At the end: how often each event id stands in the table.
        behind: The seconds by which each click was sent later than it was due: the machine was too busy.
    """

    limit: float = P99_SECONDS
    clicks: dict[str, Click] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    observed: list[Violation] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    behind: list[float] = field(default_factory=list)

    def list_accepted(self) -> list[Click]:
        """Return the clicks that were accepted."""
        return [click for click in self.clicks.values() if click.is_accepted]

    def answerable(self) -> list[Question]:
        """Return the questions that are answered by an accepted click."""
        right = {(click.message_id, click.operator) for click in self.list_accepted()}
        return [
            question
            for question in self.questions.values()
            if (question.message_id, question.operator) in right
        ]

    def count_unsettled(self) -> int:
        """Return how many accepted clicks are not stored yet, plus how many answers are not delivered yet."""
        not_stored = sum(click.stored is None for click in self.list_accepted())
        return not_stored + sum(question.decided is None for question in self.answerable())

    def to_stored(self, outside: Collection[Action] = FREEZES) -> Latency:
        """Return the latency from accepted clicks to their rows, without clicks that met some faults."""
        ways = [(click.sent, click.stored) for click in self.list_accepted() if click.stored is not None]
        return self._latency(ways, outside)

    def to_delivered(self, outside: Collection[Action] = FREEZES) -> Latency:
        """Return the latency from deciding clicks to their delivery, without clicks that met some faults."""
        ways = [
            (self.clicks[question.answers[0][0]].sent, question.decided)
            for question in self.questions.values()
            if question.decided is not None and question.answers[0] and question.answers[0][0] in self.clicks
        ]
        return self._latency(ways, outside)

    def late(self) -> tuple[str, ...]:
        """Return the ids of clicks that were stored too late, though nothing was frozen."""
        spans = self._spans(FREEZES)
        return tuple(
            click.event_id
            for click in self.list_accepted()
            if click.stored is not None
            and click.stored - click.sent >= self.limit
            and not self._meets(click.sent, click.stored, spans)
        )

    def violations(self) -> list[Violation]:
        """Return all violations that were observed or that follow from what was recorded."""
        return [*self.observed, *self._of_clicks(), *self._of_questions(), *self._too_slow()]

    def _of_clicks(self) -> Iterable[Violation]:
        yield from _if_any(
            "accepted and not stored",
            (c.event_id for c in self.list_accepted() if c.event_id not in self.rows),
        )
        yield from _if_any("stored more than once", (name for name, count in self.rows.items() if count > 1))
        yield from _if_any("stored and never sent", self.rows.keys() - self.clicks.keys())
        rejected = {c.event_id for c in self.clicks.values() if "rejected" in c.outcomes}
        yield from _if_any("genuine and rejected", rejected)
        forged = {name for name in rejected if set(self.clicks[name].outcomes) == {"rejected"}}
        yield from _if_any("rejected and stored all the same", forged & self.rows.keys())

    def _of_questions(self) -> Iterable[Violation]:
        undecided = (answered.key for answered in self.answerable() if answered.decided is None)
        yield from _if_any("answered and not delivered", undecided)
        for question in self.questions.values():
            if len(set(question.answers)) > 1:
                yield Violation(
                    f"{question.key} was decided in different ways", sum(set(question.answers), ())
                )
            for answer in set(question.answers):
                clicks = [self.clicks.get(event_id) for event_id in answer]
                if [c and (c.message_id, c.operator) for c in clicks] != [
                    (question.message_id, question.operator)
                ]:
                    yield Violation(f"{question.key} was decided by what does not count", answer)
                elif not self.rows.keys() >= set(answer):
                    yield Violation(f"{question.key} was decided by what is not stored", answer)

    def _too_slow(self) -> Iterable[Violation]:
        for what, latency in (("stored", self.to_stored()), ("delivered", self.to_delivered())):
            if latency.p99 >= self.limit:
                said = f"p99 from click to {what} outside the freezes is {latency.p99:.2f} s"
                yield Violation(said, self.late())

    def _latency(self, ways: Sequence[tuple[float, float]], outside: Collection[Action]) -> Latency:
        spans = self._spans(outside)
        took = sorted(end - begin for begin, end in ways if not self._meets(begin, end, spans))
        if not took:
            return Latency(0, 0.0, 0.0, 0.0)
        return Latency(len(took), took[len(took) // 2], took[len(took) * 99 // 100], took[-1])

    def _spans(self, actions: Collection[Action]) -> list[tuple[float, float]]:
        return [(fault.begin, fault.end) for fault in self.faults if fault.step.action in actions]

    def _meets(self, begin: float, end: float, spans: Iterable[tuple[float, float]]) -> bool:
        """Return whether a click met a fault; one that began after the click was late does not count."""
        end = min(end, begin + self.limit)
        return any(begin < over and began < end for began, over in spans)


def _if_any(what: str, ids: Iterable[str]) -> Iterable[Violation]:
    ordered = tuple(sorted(ids))
    return [Violation(what, ordered)] if ordered else []
