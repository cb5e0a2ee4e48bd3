"""Transactions of PostgreSQL that meet at the same rows: none decides by what another one is changing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.ledger import Claimant, LoadChunk
from lark_provider.protocol.tokens import App
from lark_provider.storage import tables
from lark_provider.storage.bridge_tables import link_codes
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.ledger import LoadLedger
from lark_provider.storage.link_codes import LinkCodes
from lark_provider.storage.people import Account, People, Person
from lark_provider.storage.purging import purge
from lark_provider.storage.waits import Waits
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.storage import prepared
from tests.storage.test_waits import draft

BOB = Person("cli_a", "tenant", "ou_bob")
ACCOUNT = Account("simple.SimpleAuthManager", "bob", "Bob", {"sub": "bob"})


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_link_that_is_being_made_is_revoked_as_well(postgres: URL, key: str, is_linked: bool) -> None:
    prepared.upgrade(postgres)
    people = People(postgres)
    LinkCodes(people).create(BOB)
    if is_linked:
        people.link_person(BOB, ACCOUNT)
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:  # as `LinkCodes.link_person` does
            connection.execute(sa.update(link_codes).values(used_at=datetime.now(UTC)))
            revoking = threads.submit(people.revoke, "ou_bob")
            wait_until(lambda: count_waiting(postgres))
            people.link_in(connection, BOB, ACCOUNT)
        assert [link.person for link in revoking.result()] == [BOB]
    assert people.list_links() == []


def open_load(url: URL) -> tuple[LoadLedger, str]:
    """Record a load with a chunk."""
    prepared.upgrade(url)
    ledger = LoadLedger(url, App("https://open.example.com", "cli_a", "secret"))
    load = ledger.open("base/tbl", "key", 500, 0).id
    chunk = LoadChunk(0, 1, 1, "digest", b"\0\1\2\3", {"N": "f"}, None, "token")
    ledger.record_step(load, Claimant("base/tbl", "me", "load 1", 30.0), None, chunk)
    return ledger, load


def set_all(connection: sa.Connection, column: sa.Column[datetime], ago: timedelta) -> None:
    connection.execute(column.table.update().values({column.name: datetime.now(UTC) - ago}))


def test_a_purge_takes_no_chunks_from_a_load_that_is_being_opened(postgres: URL) -> None:
    ledger, _ = open_load(postgres)
    updated_at = tables.ledger.c.updated_at
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            set_all(connection, updated_at, timedelta(days=91))
        with hold_transaction(get_engine(postgres)) as connection:  # as `LoadLedger.open` does
            set_all(connection, updated_at, timedelta(0))
            purging = threads.submit(purge, postgres)
            wait_until(lambda: count_waiting(postgres))
        counts = purging.result()
    assert (counts["ledger"], counts["ledger_chunks"]) == (0, 0)
    assert ledger.open("base/tbl", "key", 500, 0).chunks == 1


def test_a_purge_and_a_load_that_takes_its_old_lease_do_not_wait_for_each_other(postgres: URL) -> None:
    open_load(postgres)
    until, updated_at = tables.table_leases.c.until, tables.ledger.c.updated_at
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            set_all(connection, until, timedelta(days=91))
            set_all(connection, updated_at, timedelta(days=91))
        with hold_transaction(get_engine(postgres)) as connection:  # as `claim_for_load` does
            set_all(connection, until, timedelta(0))
            purging = threads.submit(purge, postgres)
            wait_until(lambda: count_waiting(postgres))
            connection.execute(sa.select(tables.ledger.c.detail).with_for_update()).one()
        assert purging.result()["table_leases"] == 0


def test_two_cards_of_one_question_are_both_recorded(postgres: URL) -> None:
    prepared.upgrade(postgres)
    waits = Waits(postgres)
    question = waits.claim(draft()).question
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:  # as another attempt's `record_sent` does
            connection.execute(tables.waits.update().values(message_ids='["om_1"]'))
            sending = threads.submit(waits.record_sent, question.id, "om_2")
            wait_until(lambda: count_waiting(postgres))
        sent = sending.result()
    assert sent is not None
    assert sent.message_ids == ("om_1", "om_2")
