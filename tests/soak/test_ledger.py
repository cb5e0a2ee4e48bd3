"""A run that must fail does, and names what was lost or doubled."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak import report
from tests.soak.ledger import P99_SECONDS, Click, Fault, Ledger, Question
from tests.soak.plan import Step

CLICKS = 200


def clean() -> Ledger:
    """Return a ledger of clicks that were all stored after half a second; the first answers a question."""
    ledger = Ledger()
    for number in range(CLICKS):
        name = f"click-{number}"
        sent = float(number)
        ledger.clicks[name] = Click(name, f"om_{number}", "ou_1", sent, ["accepted"], sent + 0.5)
        ledger.rows[name] = 1
    ledger.questions["q"] = Question("q", "om_0", "ou_1", 1.0, [("click-0",)])
    return ledger


def lose_click(ledger: Ledger) -> None:
    del ledger.rows["click-7"]


def double_click(ledger: Ledger) -> None:
    ledger.rows["click-7"] = 2


def add_unknown(ledger: Ledger) -> None:
    ledger.rows["click-x"] = 1


def reject_click(ledger: Ledger) -> None:
    ledger.clicks["click-7"].outcomes[:] = ["rejected"]
    del ledger.rows["click-7"]


def rejected_and_stored(ledger: Ledger) -> None:
    ledger.clicks["click-7"].outcomes[:] = ["rejected"]


def leave_undelivered(ledger: Ledger) -> None:
    ledger.questions["q"] = Question("q", "om_0", "ou_1")


def decided_twice(ledger: Ledger) -> None:
    ledger.clicks["click-1"].message_id = "om_0"
    ledger.questions["q"].answers.append(("click-1",))


def decided_by_another_card(ledger: Ledger) -> None:
    ledger.questions["q"].answers[:] = [("click-1",)]


def decided_by_a_stranger(ledger: Ledger) -> None:
    ledger.clicks["click-0"].operator = "ou_2"


def decided_by_nothing(ledger: Ledger) -> None:
    ledger.questions["q"].answers[:] = [()]


def slow(ledger: Ledger) -> None:
    for number in range(CLICKS // 100 + 1):
        ledger.clicks[f"click-{number}"].stored = number + P99_SECONDS


WRONG: list[tuple[Callable[[Ledger], None], str]] = [
    (lose_click, "accepted and not stored: 1 (click-7)"),
    (double_click, "stored more than once: 1 (click-7)"),
    (add_unknown, "stored and never sent: 1 (click-x)"),
    (reject_click, "genuine and rejected: 1 (click-7)"),
    (rejected_and_stored, "rejected and stored all the same: 1 (click-7)"),
    (leave_undelivered, "answered and not delivered: 1 (q)"),
    (decided_twice, "q was decided in different ways: 2"),
    (decided_by_another_card, "q was decided by what does not count: 1 (click-1)"),
    (decided_by_a_stranger, "q was decided by what does not count: 1 (click-0)"),
    (decided_by_nothing, "q was decided by what does not count"),
    (slow, "p99 from click to stored outside the freezes is 5.00 s: 3 (click-0, click-1, click-2)"),
]


@pytest.mark.parametrize(("spoil", "said"), WRONG, ids=[spoil.__name__ for spoil, _ in WRONG])
def test_what_must_not_be_is_named(spoil: Callable[[Ledger], None], said: str) -> None:
    ledger = clean()
    spoil(ledger)
    assert said in "\n".join(report.render_lines(ledger, []))


def test_a_clean_run_is_one() -> None:
    assert clean().violations() == []
    assert "OK: accepted = stored = delivered" in "\n".join(report.render_lines(clean(), []))


def test_what_was_not_accepted_may_be_stored_or_not() -> None:
    ledger = clean()
    ledger.clicks["click-7"].outcomes[:] = ["unanswered"]
    ledger.clicks["click-8"].outcomes[:] = ["failed"]
    del ledger.rows["click-8"]
    ledger.clicks["click-8"].stored = None
    assert ledger.violations() == []


def make_freeze(begin: float, end: float) -> Fault:
    return Fault(Step(begin, "freeze", "postgres", end - begin), begin, end)


def test_a_freeze_excuses_what_was_on_its_way() -> None:
    ledger = clean()
    slow(ledger)
    ledger.faults.append(make_freeze(2.5, 5.0))
    assert ledger.violations() == []
    assert ledger.to_stored(()).longest == P99_SECONDS


def test_a_freeze_excuses_nothing_that_was_late_before() -> None:
    ledger = clean()
    for number in range(3):
        ledger.clicks[f"click-{number}"].stored = 20.0
    ledger.faults.append(make_freeze(10.0, 15.0))
    assert ledger.late() == ("click-0", "click-1", "click-2")
    [violation] = ledger.violations()
    assert "p99 from click to stored" in violation.what


def test_no_other_fault_is_an_excuse() -> None:
    ledger = clean()
    slow(ledger)
    ledger.faults.append(Fault(Step(0.0, "cut", "pump-0", 9.0), 0.0, 9.0))
    ledger.faults.append(Fault(Step(0.0, "kill", "rabbitmq"), 0.0, 9.0))
    assert len(ledger.violations()) == 1
