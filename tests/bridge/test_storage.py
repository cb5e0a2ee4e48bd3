"""Questions, their cards and clicks on them: each is recorded once, whichever bridge comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from lark_provider.protocol.hitl.model import End
from lark_provider.storage import migrate
from lark_provider.storage.applied_clicks import AppliedClicks
from lark_provider.storage.bridge_leases import BridgeLease
from lark_provider.storage.errors import StorageError
from lark_provider.storage.hitl_cards import RESENT, QuestionCards
from lark_provider.storage.hitl_questions import _CHUNK, Questions
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.purging import purge
from lark_provider.storage.retention import Retention
from tests.bridge.builders import NOW, card, click, execute, question

ANSWERED = End("answered", ("Approve",), person="bob", at=NOW)


def open_question(questions: Questions, receivers: tuple[str, ...] = ("ou_bob",)) -> str:
    hitl_question = question()
    questions.record({hitl_question.task.ti_id: NOW}, [hitl_question])
    questions.open(
        {hitl_question.task.ti_id: [card(hitl_question.task.ti_id, receiver) for receiver in receivers]}
    )
    return hitl_question.task.ti_id


def test_a_question_is_recorded_once(questions: Questions) -> None:
    some = [question() for _ in range(5)]
    parked = {hitl_question.task.ti_id: NOW for hitl_question in some}
    assert questions.record(parked, some) == 5
    assert questions.record(parked, [question(some[0].task.ti_id, body="changed")]) == 0
    recorded = questions.list_held(NOW)
    assert {ti_id: held.question for ti_id, held in recorded.items()} == {
        hitl_question.task.ti_id: hitl_question for hitl_question in some
    }
    assert questions.list_live() == dict.fromkeys(parked, "held") == questions.read_states([*parked, "other"])
    assert questions.count_by_state() == {"held": 5, "open": 0}


def test_a_team_lists_its_own_questions_and_those_from_before_there_were_teams(url: URL) -> None:
    blue, red, before = Questions(url, "blue"), Questions(url, "red"), Questions(url)
    held = {}
    for store in (blue, red, before):
        hitl_question = question()
        held[store] = hitl_question.task.ti_id
        store.record({hitl_question.task.ti_id: NOW}, [hitl_question])
    own = {held[blue], held[before]}
    assert blue.list_live().keys() == own == blue.list_held(NOW).keys()
    blue.open({ti_id: [] for ti_id in held.values()})
    later = Questions(url, "green")  # The team has another name now.
    later.adopt({held[red], "unknown"}, 60)
    assert later.list_live().keys() == {held[before]}, "the other team may still be there"
    later.adopt({held[red], "unknown"}, -60)
    assert later.list_live().keys() == {held[red], held[before]}
    red.adopt({held[red]}, -60)
    assert blue.list_without_cards().keys() == own
    assert red.list_without_cards().keys() == {held[red], held[before]}
    assert before.list_live().keys() == set(held.values())


def test_a_question_is_held_until_its_task_has_been_parked_for_long_enough(questions: Questions) -> None:
    early, late = question(), question()
    later = NOW + timedelta(seconds=10)
    questions.record({early.task.ti_id: NOW, late.task.ti_id: later}, [early, late])
    assert list(questions.list_held(NOW + timedelta(seconds=9))) == [early.task.ti_id]
    assert list(questions.list_held(later)) == [early.task.ti_id, late.task.ti_id]


def test_the_first_end_counts(questions: Questions) -> None:
    ti_id = open_question(questions)
    assert questions.end({ti_id: ANSWERED, "unknown": ANSWERED}) == {ti_id: ANSWERED}
    assert questions.end({ti_id: End("withdrawn")}) == {ti_id: ANSWERED}
    assert questions.list_live() == {}
    assert list(questions.list_answered(60)) == [ti_id]


def test_many_ends_are_recorded_with_one_statement(questions: Questions, url: URL) -> None:
    ends = {open_question(questions): replace(ANSWERED, person=f"person {number}") for number in range(20)}
    updates = []

    def note(_c: object, _cursor: object, statement: str, _p: object, _x: object, many: bool) -> None:
        if statement.startswith("UPDATE"):
            updates.append(many)

    engine = migrate.prepare_engine(url)
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        assert questions.end(ends) == ends
        assert questions.end({}) == {}
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert updates == [True]


def test_ends_that_were_recorded_stay_although_the_database_fails(questions: Questions, url: URL) -> None:
    some = [question() for _ in range(_CHUNK + 1)]
    questions.record({hitl_question.task.ti_id: NOW for hitl_question in some}, some)
    updates = []

    def fail(_c: object, _cursor: object, statement: str, _p: object, _x: object, _many: bool) -> None:
        updates.append(statement.startswith("UPDATE"))
        if sum(updates) > 1:
            raise OperationalError(statement, {}, TimeoutError("no answer"))

    engine, ends = migrate.prepare_engine(url), {hitl_question.task.ti_id: ANSWERED for hitl_question in some}
    sa.event.listen(engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(StorageError):
            questions.end(ends)
    finally:
        sa.event.remove(engine, "before_cursor_execute", fail)
    assert list(questions.list_live()) == [max(ends)]
    assert questions.end(ends) == ends


def test_a_question_that_is_over_gets_no_card(questions: Questions, cards: QuestionCards) -> None:
    ti_id = open_question(questions, ())
    assert list(questions.list_without_cards()) == [ti_id]
    questions.end({ti_id: ANSWERED})
    assert questions.open({ti_id: [card(ti_id)]}) == 0
    assert cards.claim_due(10) == []


def test_a_damaged_question_stops_no_other(
    url: URL, questions: Questions, cards: QuestionCards, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, whole = question(), question()
    parked = {damaged.task.ti_id: NOW, whole.task.ti_id: NOW + timedelta(seconds=1)}
    questions.record(parked, [damaged, whole])
    execute(url, "UPDATE hitl_questions SET content = '{' WHERE ti_id = :id", id=damaged.task.ti_id)
    for _ in range(2):
        assert list(questions.list_held(NOW + timedelta(seconds=9))) == [whole.task.ti_id]
    questions.open({ti_id: [] for ti_id in parked})
    assert list(questions.list_without_cards()) == [whole.task.ti_id]
    questions.open({ti_id: [card(ti_id)] for ti_id in parked})
    assert [claimed.card.ti_id for claimed in cards.claim_due(10)] == [whole.task.ti_id]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.__dict__["ti_id"] == damaged.task.ti_id


def test_a_damaged_end_stops_no_other(url: URL, questions: Questions, cards: QuestionCards) -> None:
    damaged, whole = open_question(questions), open_question(questions)
    for due in cards.claim_due(10):
        cards.record_sent(due.key, f"om_{due.card.ti_id}", None, "asked")
    questions.end({damaged: ANSWERED})
    execute(url, "UPDATE hitl_questions SET outcome = '[]' WHERE ti_id = :id", id=damaged)
    assert questions.end({damaged: ANSWERED, whole: ANSWERED}) == {whole: ANSWERED}
    assert list(questions.list_answered(60)) == [whole]
    assert [claimed.card.ti_id for claimed in cards.claim_due(10)] == [whole]


def test_a_damaged_card_stops_no_other_from_being_sent_again(
    url: URL, questions: Questions, cards: QuestionCards
) -> None:
    damaged, whole = open_question(questions), open_question(questions)
    for due in cards.claim_due(10):
        cards.record_sent(due.key, f"om_{due.card.ti_id}", None, "asked")
    execute(url, "UPDATE hitl_cards SET mentions = '[' WHERE ti_id = :id", id=damaged)
    assert cards.send_again(timedelta(0)) == 1
    assert {(claimed.card.ti_id, claimed.card.round) for claimed in cards.claim_due(10)} == {
        (whole, 0),
        (whole, 1),
    }


def test_a_card_is_claimed_by_one_of_many(questions: Questions, cards: QuestionCards) -> None:
    for _ in range(30):
        open_question(questions, ("ou_bob", "ou_eve"))
    with ThreadPoolExecutor(4) as threads:
        batches = threads.map(lambda _: cards.claim_due(10), range(12))
        taken = [claimed for batch in batches for claimed in batch]
    assert len(taken) == len({claimed.key for claimed in taken}) == 60
    assert cards.claim_due(10) == []
    assert cards.count_due() == 60


def test_a_claim_ends_by_the_databases_clock(url: URL, questions: Questions, cards: QuestionCards) -> None:
    open_question(questions)
    (first,) = cards.claim_due(10)
    assert cards.claim_due(10) == []
    execute(url, "UPDATE hitl_cards SET next_at = :past", past="2020-01-01 00:00:00+00:00")
    (second,) = cards.claim_due(10)
    assert first.key == second.key


def test_a_card_ends_with_what_is_recorded(questions: Questions, cards: QuestionCards) -> None:
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    cards.record_sent(due.key, "om_1", "oc_1", "asked")
    cards.record_sent(due.key, "om_2", "oc_1", "again")
    assert cards.claim_due(10) == []
    questions.end({ti_id: ANSWERED})
    (closing,) = cards.claim_due(10)
    assert (closing.message_id, closing.shown, closing.end) == ("om_1", "asked", ANSWERED)
    failed = End("failed", ("Approve",), person="bob", at=NOW, detail="state mismatch")
    assert questions.record_failed(ti_id, failed)
    assert not questions.record_failed(ti_id, failed)
    # The end has changed meanwhile: the card shows an old one, and is updated again.
    cards.record_closed(closing.key, "answered", ANSWERED)
    (again,) = cards.claim_due(10)
    assert (again.shown, again.end) == ("answered", failed)
    cards.record_closed(again.key, "failed", failed)
    assert cards.claim_due(10) == []


def test_a_closed_card_is_updated_when_the_task_fails_later(
    questions: Questions, cards: QuestionCards
) -> None:
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    cards.record_sent(due.key, "om_1", None, "asked")
    questions.end({ti_id: ANSWERED})
    cards.record_closed(due.key, "answered", ANSWERED)
    failed = End("failed", detail="state mismatch")
    assert questions.record_failed(ti_id, failed)
    assert [claimed.end for claimed in cards.claim_due(10)] == [failed]


def test_a_card_is_not_closed_while_something_else_is_shown_on_it(
    questions: Questions, cards: QuestionCards
) -> None:
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    assert not cards.claim_open(due.key)  # It is not sent yet.
    cards.record_sent(due.key, "om_1", None, "asked")
    assert cards.claim_open(due.key)
    assert not cards.claim_open(due.key)
    questions.end({ti_id: ANSWERED})
    assert cards.claim_due(10) == []
    cards.record_shown(due.key, "noticed")
    assert [claimed.shown for claimed in cards.claim_due(10)] == ["noticed"]
    assert not cards.claim_open(due.key)
    cards.record_closed(due.key, "answered", ANSWERED)
    assert cards.claim_due(10) == []


def test_what_a_frozen_process_shows_late_is_replaced_by_the_end(
    questions: Questions, cards: QuestionCards
) -> None:
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    cards.record_sent(due.key, "om_1", None, "asked")
    questions.end({ti_id: ANSWERED})
    cards.record_closed(due.key, "answered", ANSWERED)
    cards.record_shown(due.key, "noticed")  # It had taken the card before.
    assert [claimed.shown for claimed in cards.claim_due(10)] == ["noticed"]
    cards.record_closed(due.key, "answered", ANSWERED)
    failed = End("failed", detail="state mismatch")
    assert questions.record_failed(ti_id, failed)
    cards.record_closed(due.key, "failed", failed)
    cards.record_closed(due.key, "answered", ANSWERED)  # It had read the earlier end.
    assert [(claimed.shown, claimed.end) for claimed in cards.claim_due(10)] == [("answered", failed)]


def test_an_attempt_that_failed_is_put_off(url: URL, questions: Questions, cards: QuestionCards) -> None:
    open_question(questions)
    (due,) = cards.claim_due(10)
    assert cards.postpone(due.key, 0.0, "unavailable") == 2.0
    assert cards.postpone(due.key, 1000.0, "unavailable") == 60.0
    assert cards.claim_due(10) == []
    cards.give_up(due.key, "recalled")
    execute(url, "UPDATE hitl_cards SET next_at = NULL")
    assert cards.claim_due(10) == []
    assert [stored.reason for stored in cards.read([due.key])] == ["recalled"]


def test_a_card_of_thirteen_days_is_sent_again(url: URL, questions: Questions, cards: QuestionCards) -> None:
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    cards.record_sent(due.key, "om_1", None, "asked")
    assert cards.send_again(timedelta(days=13)) == 0
    old = datetime.now(UTC) - timedelta(days=14)
    execute(url, "UPDATE hitl_cards SET sent_at = :old", old=str(old))
    assert cards.send_again(timedelta(days=13)) == 1
    assert cards.send_again(timedelta(days=13)) == 0
    closing, again = sorted(cards.claim_due(10), key=lambda claimed: claimed.card.round)
    assert (closing.key, closing.state, closing.reason) == (due.key, "sent", RESENT)
    assert (again.key, again.state) == (card(ti_id, round=1).key, "due")
    cards.record_closed(closing.key, "closed", None)
    assert [claimed.key for claimed in cards.claim_due(10)] == []


def test_clicks_are_found_once_and_only_those_on_our_cards(url: URL) -> None:
    key = card("ti").key
    inbox, clicks = Inbox(url), AppliedClicks(url)
    assert clicks.find() == 0
    inbox.store([click(key, "e1"), click(key, "e2")])
    other = click(key, "e3")
    other.action.value["lark_wait"] = "a-wait"
    inbox.store([other])
    assert (clicks.find(), clicks.find(), AppliedClicks(url).find()) == (2, 0, 0)
    taken = clicks.claim(10, 60)
    assert [(claimed.event_id, claimed.card, claimed.attempts) for claimed in taken] == [
        ("e1", key, 1),
        ("e2", key, 1),
    ]
    assert clicks.claim(10, 60) == []
    assert clicks.count_due() == 2


def test_a_click_behind_a_thousand_damaged_rows_is_found(url: URL) -> None:
    inbox, clicks = Inbox(url), AppliedClicks(url)
    inbox.store([click(card("ti").key, f"e{number}") for number in range(1001)])
    execute(url, "UPDATE card_callbacks SET payload = '{' WHERE event_id <> 'e1000'")
    assert (clicks.find(), clicks.find()) == (1, 0)
    (taken,) = clicks.claim(2000, 60)
    assert taken.event_id == "e1000"


def test_an_old_click_is_not_delivered_again_after_its_row_was_purged(url: URL) -> None:
    Inbox(url).store([click(card("ti").key, "e1")])
    execute(url, "UPDATE card_callbacks SET stored_at = '2020-01-01 00:00:00.000000'")
    assert AppliedClicks(url).find() == 0


@pytest.mark.parametrize("days", [7, 16])
def test_a_click_is_not_applied_again_once_its_question_was_purged(url: URL, days: int) -> None:
    """The click itself is kept for longer: it was found as new, and a retry of last week was done again."""
    Inbox(url).store([click(card("ti").key, "e1")])
    clicks = AppliedClicks(url)
    assert clicks.find() == len(clicks.claim(1, 60)) == 1
    assert clicks.finish("cli_a", "e1", 200, {"outcome": "answered"})
    then = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d %H:%M:%S.%f}"
    execute(url, "UPDATE card_callbacks SET stored_at = :then", then=then)
    execute(url, "UPDATE applied_clicks SET created_at = :then", then=then)
    assert purge(url, Retention(questions=timedelta(hours=1)))["applied_clicks"] == (days > 15)
    assert AppliedClicks(url).find() == 0


@pytest.mark.parametrize("is_found", [False, True])
def test_a_click_keeps_its_input_until_it_is_delivered(url: URL, is_found: bool) -> None:
    """Airflow took the form's defaults for the person's answer when the bridge came back after an outage."""
    Inbox(url).store([click(card("ti").key, "e1", amount="7")])
    clicks = AppliedClicks(url)
    assert not is_found or clicks.find() == 1
    short = Retention(form_inputs=timedelta(hours=1), card_callbacks=timedelta(hours=2))
    set_age(url, timedelta(days=13))
    counts = purge(url, short)
    assert (counts["form_inputs"], counts["card_callbacks"]) == (0, 0)
    assert AppliedClicks(url).find() == (not is_found)
    (taken,) = clicks.claim(1, 60)
    assert taken.click.action.form_value == {"amount": "7"}
    assert clicks.finish("cli_a", "e1", 200, {"outcome": "answered"})
    assert purge(url, Retention(form_inputs=timedelta(hours=1)))["form_inputs"] == 1
    assert purge(url, short)["card_callbacks"] == 1


def test_a_click_that_no_bridge_can_deliver_any_more_keeps_no_input(url: URL) -> None:
    Inbox(url).store([click(card("ti").key, "e1", amount="7"), click(card("ti").key, "e2", amount="8")])
    AppliedClicks(url).find()
    execute(url, "DELETE FROM applied_clicks WHERE event_id = 'e2'")
    set_age(url, timedelta(days=16))
    assert purge(url, Retention(form_inputs=timedelta(hours=1)))["form_inputs"] == 2


def set_age(url: URL, age: timedelta) -> None:
    then = f"{datetime.now(UTC) - age:%Y-%m-%d %H:%M:%S.%f}"
    execute(url, "UPDATE card_callbacks SET stored_at = :then", then=then)


def test_a_click_with_a_small_id_that_is_committed_late_is_found(url: URL) -> None:
    inbox, clicks = Inbox(url), AppliedClicks(url)
    inbox.store([click(card("ti").key, f"e{n}") for n in range(3)])
    execute(url, "DELETE FROM card_callbacks WHERE event_id = 'e1'")
    assert clicks.find() == 2
    execute(
        url,
        "INSERT INTO card_callbacks "  # noqa: S608 - of constants
        "(id, event_id, app_id, correlation, payload, clicked_at, stored_at) "
        f"{'OVERRIDING SYSTEM VALUE ' if url.drivername.startswith('postgresql') else ''}"
        "SELECT 2, 'late', app_id, correlation, payload, clicked_at, stored_at FROM card_callbacks "
        "WHERE event_id = 'e0'",
    )
    assert clicks.find() == 1


def test_the_first_result_of_a_click_counts(url: URL) -> None:
    inbox, clicks = Inbox(url), AppliedClicks(url)
    inbox.store([click(card("ti").key, "e1")])
    clicks.find()
    (taken,) = clicks.claim(1, 60)
    assert clicks.claim_unshown(10, 60) == []
    assert clicks.finish("cli_a", "e1", 200, {"outcome": "answered"})
    assert not clicks.finish("cli_a", "e1", 409, {"outcome": "already_answered"})
    (shown,) = clicks.claim_unshown(10, 60)
    assert (shown.result, shown.open_id) == ({"outcome": "answered"}, "ou_bob")
    assert clicks.claim_unshown(10, 60) == []
    clicks.record_shown("cli_a", "e1")
    execute(url, "UPDATE applied_clicks SET next_at = :past", past="2020-01-01 00:00:00+00:00")
    assert clicks.claim_unshown(10, 60) == []
    assert clicks.claim(10, 60) == []
    assert taken.click == clicks.find_click("cli_a", "e1")


def test_a_lease_is_one_processs(url: URL) -> None:
    first, second = BridgeLease(url, "poll"), BridgeLease(url, "poll")
    assert (first.take(), second.take(), first.take()) == (True, False, True)
    execute(url, "UPDATE leases SET until = :past", past="2020-01-01 00:00:00+00:00")
    assert (second.take(), first.take()) == (True, False)
    second.release()
    assert first.take()


def test_a_card_that_waits_for_the_morning_is_sent_then_or_never(
    url: URL, questions: Questions, cards: QuestionCards
) -> None:
    ids = []
    for _ in range(2):
        hitl_question = question()
        questions.record({hitl_question.task.ti_id: NOW}, [hitl_question])
        later = datetime.now(UTC) + timedelta(hours=8)
        questions.open({hitl_question.task.ti_id: [card(hitl_question.task.ti_id, not_before=later)]})
        ids.append(hitl_question.task.ti_id)
    assert cards.claim_due(10) == []
    questions.end({ids[0]: End("withdrawn")})
    execute(url, "UPDATE hitl_cards SET next_at = :past", past="2020-01-01 00:00:00+00:00")
    claimed = {due.question.task.ti_id: due for due in cards.claim_due(10)}
    assert not claimed[ids[0]].is_tried  # so that no card is sent for a question that is over
    assert claimed[ids[0]].end is not None
    assert claimed[ids[1]].end is None
    execute(url, "UPDATE hitl_cards SET next_at = :past", past="2020-01-01 00:00:00+00:00")
    assert all(due.is_tried for due in cards.claim_due(10))  # the process that took them was killed
