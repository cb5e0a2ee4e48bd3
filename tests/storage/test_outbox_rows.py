"""Messages in the outbox without a card: who has a row for how long, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage.bridge_tables import outbox
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.outbox_rows import ClaimedRow, OutboxEntry, open_payload
from tests.storage.test_outbox import APP, end_leases, record, states

HOUR = timedelta(hours=1)


def add(url: URL, *names: str, app: str = "cli_a") -> Outbox:
    rows = Outbox(url)
    for name in names:
        assert rows.add(replace(APP, app_id=app), OutboxEntry(name, "oc_1", f"text {name}"))
    return rows


def move(url: URL, name: str, **columns: timedelta) -> None:
    with hold_transaction(get_engine(url)) as connection:
        now = datetime.now(UTC)
        values = {column: now + by for column, by in columns.items()}
        connection.execute(outbox.update().where(outbox.c.id == name).values(**values))


def list_ids(rows: list[ClaimedRow]) -> list[str]:
    return [row.id for row in rows]


def test_a_row_is_recorded_once(url: URL) -> None:
    rows = add(url, "a")
    assert rows.add(APP, OutboxEntry("a", "oc_1", "another text")) is False
    [row] = rows.claim("one", 60, limit=9)
    assert open_payload(row, APP) == "text a"
    assert (row.card, row.message_id, row.attempts, row.was_sent, row.sent_seconds) == (
        None,
        None,
        0,
        False,
        0,
    )


def test_rows_are_claimed_in_the_order_in_which_they_are_due(url: URL) -> None:
    rows = add(url, "a", "b", "c")
    add(url, "x", app="cli_b")
    for name, by in (("c", -3), ("a", -2), ("x", -1), ("b", 0)):
        move(url, name, next_at=by * HOUR)
    assert list_ids(rows.claim("one", 60, limit=1, without=["cli_b"])) == ["c"]
    assert list_ids(rows.claim("one", 60, limit=1, only="b")) == ["b"]
    assert rows.measure_backlog()[0] == 4
    assert list_ids(rows.claim("one", 60, limit=9)) == ["a", "x"]
    assert rows.claim("one", 60, limit=9, without=["cli_b"]) == []


def test_a_row_waits_for_its_time(url: URL) -> None:
    rows = Outbox(url)
    rows.add(APP, OutboxEntry("later", "oc_1", "text", not_before=datetime.now(UTC) + HOUR))
    rows.add(APP, OutboxEntry("past", "oc_1", "text", not_before=datetime.now(UTC) - HOUR))
    assert list_ids(rows.claim("one", 60, limit=9)) == ["past"]
    assert rows.claim("one", 60, limit=9, only="later") == []
    move(url, "later", next_at=-HOUR, created_at=-HOUR)
    count, age = rows.measure_backlog()
    assert (count, 3600 <= age < 4000) == (2, True)
    assert list_ids(rows.claim("one", 60, limit=9)) == ["later"]


def test_what_has_expired_is_given_up_unless_a_process_delivers_it(url: URL) -> None:
    rows = add(url, "delivering", "left", "late", "in time")
    rows.claim("one", 60, limit=1, only="delivering")
    for name in ("delivering", "left", "late"):
        move(url, name, expires_at=-HOUR)
    move(url, "in time", expires_at=HOUR)
    assert list_ids(rows.claim("two", 60, limit=9)) == ["in time"]
    given_up = ("given_up", None, "It expired before Lark took it.")
    assert [rows.read_state(name) for name in ("late", "left")] == [given_up] * 2
    assert rows.read_state("delivering") == ("due", None, None)
    end_leases(url)
    rows.claim("two", 60, limit=9)
    assert rows.read_state("delivering") == given_up


def test_a_row_belongs_to_who_has_claimed_it_until_the_lease_ends(url: URL) -> None:
    rows = add(url, "a", "b")
    [mine] = rows.claim("one", 60, limit=1, only="a")
    assert rows.claim("two", 60, limit=9, only="a") == []
    end_leases(url)
    [theirs] = rows.claim("two", 60, limit=9, only="a")
    assert theirs.was_sent  # the first process may have sent it before it froze
    rows.postpone(mine, "one", "late", 0, may_be_sent=False)
    rows.release(mine, "one")
    rows.give_up(mine, "one", "late")
    rows.record_delivered(mine, "one", "om_late")
    assert rows.read_state("a") == ("due", None, None)
    assert rows.claim("three", 60, limit=9, only="a") == []
    rows.record_delivered(theirs, "two", "om_1")
    assert rows.read_state("a") == ("delivered", "om_1", None)
    assert rows.read_state("b") == ("due", None, None)
    rows.give_up(theirs, "two", "late")
    assert rows.read_state("a") == ("delivered", "om_1", None)


@pytest.mark.parametrize("may_be_sent", [True, False])
def test_a_row_is_tried_again_later(url: URL, may_be_sent: bool) -> None:
    rows = add(url, "a", "b")
    [row] = rows.claim("one", 60, limit=1, only="a")
    rows.postpone(row, "one", "busy " * 200, 3600, may_be_sent=may_be_sent)
    assert list_ids(rows.claim("two", 60, limit=9)) == ["b"]
    state = rows.read_state("a")
    assert state is not None
    assert state[2] is not None
    assert state[2].startswith("busy busy")
    move(url, "a", next_at=-HOUR)
    [again] = rows.claim("two", 60, limit=9)
    assert (again.attempts, again.was_sent) == (1, may_be_sent)
    rows.postpone(again, "two", "busy", 0, may_be_sent=False)
    [third] = rows.claim("two", 60, limit=9)
    assert (third.attempts, third.was_sent) == (2, may_be_sent)  # what may have been sent stays so
    if may_be_sent:
        move(url, "a", first_sent_at=-HOUR)
        end_leases(url)
        [fourth] = rows.claim("two", 60, limit=9, only="a")
        assert 3600 <= fourth.sent_seconds < 4000


def test_a_row_that_is_released_is_as_it_was(url: URL) -> None:
    rows = add(url, "a")
    for _ in range(2):
        [row] = rows.claim("one", 60, limit=9)
        assert (row.attempts, row.was_sent) == (0, False)
        rows.release(row, "one")
    [row] = rows.claim("one", 60, limit=9)
    end_leases(url)
    [again] = rows.claim("two", 60, limit=9)
    rows.release(again, "two")
    [third] = rows.claim("one", 60, limit=9)
    assert third.was_sent
    rows.give_up(third, "one", "no such chat")
    assert rows.read_state("a") == ("given_up", None, "no such chat")
    assert rows.read_state("b") is None


def test_cards_of_different_tables_do_not_replace_each_other(url: URL) -> None:
    rows = add(url, "a")
    key = record(url, "t1")
    [first] = rows.claim("one", 60, limit=9, only=key)
    rows.record_delivered(first, "one", "om_1")
    record(url, "t2")
    [second] = rows.claim("one", 60, limit=9, only=key)
    assert (second.version, second.message_id) == (2, "om_1")
    rows.replace(second, "one")  # the message cannot be updated any more
    [new] = rows.claim("two", 60, limit=9, only=key)
    assert (new.id, new.message_id, new.was_sent) == (second.id, None, False)
    rows.record_delivered(new, "two", "om_2")
    record(url, "t3")
    [third] = rows.claim("two", 60, limit=9, only=key)
    assert third.message_id == "om_2"
    assert rows.read_state("a") == ("due", None, None)


def test_a_version_is_superseded_unless_a_process_delivers_it(url: URL) -> None:
    rows = add(url, "a")
    assert rows.batch_size == (16 if url.drivername.startswith("postgresql") else 4)
    key = record(url, "t1")
    [first] = rows.claim("one", 60, limit=9, only=key)
    rows.record_delivered(first, "one", "om_1")
    record(url, "t2")
    [second] = rows.claim("one", 60, limit=9, only=key)
    record(url, "t3")
    assert states(url)[-3:] == [(1, "delivered"), (2, "due"), (3, "due")]
    assert rows.claim("two", 60, limit=9, only=key) == []  # the second is being delivered
    end_leases(url)
    [third] = rows.claim("two", 60, limit=9, only=key)
    assert third.version == 3
    assert states(url)[-3:] == [(1, "delivered"), (2, "superseded"), (3, "due")]
    assert rows.read_state("a") == ("due", None, None)
    rows.record_delivered(second, "one", "om_1")  # it was frozen
    rows.record_delivered(third, "two", "om_1")
    record(url, "t4")
    [fourth] = rows.claim("two", 60, limit=9, only=key)
    record(url, "t5")
    end_leases(url)
    record(url, "t6")
    assert states(url)[-4:] == [(3, "delivered"), (4, "superseded"), (5, "superseded"), (6, "due")]
    assert fourth.version == 4
