"""Cards of several questions: what becomes of one changes no other, and a locked one is not waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.hitl.model import End
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import hitl_cards
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.hitl_cards import QuestionCards
from lark_provider.storage.hitl_questions import Questions
from tests.bridge.builders import execute
from tests.bridge.test_storage import ANSWERED, open_question


@pytest.fixture(name="bystander")
def _bystander(url: URL, questions: Questions, cards: QuestionCards) -> Iterator[str]:
    """Yield the key of an open question's sent card; assert at the end that the card has not changed."""
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    cards.record_sent(due.key, "om_bystander", "oc_1", "asked")
    rows = "SELECT * FROM hitl_cards WHERE key = :key"
    before = execute(url, rows, key=due.key)
    yield due.key
    assert execute(url, rows, key=due.key) == before
    assert questions.read_states([ti_id]) == {ti_id: "open"}


@pytest.mark.usefixtures("bystander")
def test_a_question_that_ends_has_its_own_card_closed(
    questions: Questions,
    cards: QuestionCards,
) -> None:
    ti_id = open_question(questions)
    (due,) = cards.claim_due(10)
    cards.postpone(due.key, 0.0, "unavailable")
    cards.record_sent(due.key, "om_1", None, "asked")
    assert cards.claim_due(10) == []
    assert cards.claim_open(due.key)
    cards.record_shown(due.key, "noticed")
    questions.end({ti_id: ANSWERED})
    assert not cards.claim_open(due.key)
    assert [claimed.key for claimed in cards.claim_due(10)] == [due.key]
    cards.record_closed(due.key, "answered", ANSWERED)
    failed = End("failed", detail="state mismatch")
    assert questions.record_failed(ti_id, failed)
    assert [(claimed.key, claimed.end) for claimed in cards.claim_due(10)] == [(due.key, failed)]
    cards.record_closed(due.key, "failed", failed)
    assert cards.claim_due(10) == []
    assert list(questions.list_answered(60)) == []
    assert cards.read(["no such card"]) == []


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_card_that_is_lost_is_replaced_or_given_up_alone(
    questions: Questions,
    cards: QuestionCards,
    bystander: str,
    is_replaced: bool,
) -> None:
    open_question(questions)
    (due,) = cards.claim_due(10)
    cards.record_sent(due.key, "om_1", None, "asked")
    if is_replaced:
        for _ in range(2):
            cards.replace(due.key, "recalled")
        (new,) = cards.claim_due(10)
        assert new.card == replace(due.card, round=1)
    else:
        cards.give_up(due.key, "recalled")
        assert cards.claim_due(10) == []
    states = {card.key: card.state for card in cards.read([due.key, bystander])}
    assert states == {due.key: "given_up", bystander: "sent"}


@pytest.mark.usefixtures("bystander")
def test_only_cards_of_open_questions_that_are_old_are_sent_again(
    url: URL,
    questions: Questions,
    cards: QuestionCards,
) -> None:
    over, *left = [open_question(questions) for _ in range(3)]
    for number, due in enumerate(cards.claim_due(10)):
        cards.record_sent(due.key, f"om_{number}", None, "asked")
    questions.end({over: ANSWERED})
    for ti_id in (over, *left):
        old = str(datetime.now(UTC) - timedelta(days=14))
        execute(url, "UPDATE hitl_cards SET sent_at = :old WHERE ti_id = :ti_id", old=old, ti_id=ti_id)
    assert [cards.send_again(timedelta(days=13)) for _ in range(2)] == [2, 0]
    assert {claimed.card.ti_id for claimed in cards.claim_due(10) if claimed.state == "due"} == set(left)


def test_the_oldest_cards_are_claimed_first(
    url: URL,
    questions: Questions,
    cards: QuestionCards,
) -> None:
    some = [open_question(questions) for _ in range(3)]
    now = datetime.now(UTC)
    for hours, ti_id in zip((1, 3, 2), some, strict=True):
        with hold_transaction(migrate.prepare_engine(url)) as connection:
            mine = hitl_cards.c.ti_id == ti_id
            connection.execute(
                hitl_cards.update().where(mine).values(created_at=now - timedelta(hours=hours))
            )
    first = cards.claim_due(2)
    assert [claimed.card.ti_id for claimed in first] == [some[1], some[2]]
    assert 3 * 3600 <= first[0].age < 3 * 3600 + 1000
    assert [claimed.card.ti_id for claimed in cards.claim_due(9)] == [some[0]]


def test_a_card_that_another_process_has_locked_is_not_waited_for(postgres: URL) -> None:
    questions, cards = Questions(postgres), QuestionCards(postgres)
    locked, free = open_question(questions), open_question(questions)
    with hold_transaction(migrate.prepare_engine(postgres)) as connection:
        connection.execute(sa.select(hitl_cards).where(hitl_cards.c.ti_id == locked).with_for_update())
        assert [claimed.card.ti_id for claimed in cards.claim_due(10)] == [free]
