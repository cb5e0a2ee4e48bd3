"""The token store while another process is in the middle of a transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.tables import leases, tokens
from lark_provider.storage.token_store import TokenClaim
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.storage import prepared
from tests.storage.test_token_store import Host, age, list_holders


def claimed_during(postgres: URL, late: Host, *changes: sa.Executable, **claim: Any) -> TokenClaim:
    """Return the result of a claim that waits for a transaction with some changes."""
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            for change in changes:
                connection.execute(change)
            claiming = threads.submit(late.claim, **claim)
            wait_until(lambda: count_waiting(postgres))
        return claiming.result()


def test_a_lease_that_is_free_because_its_holder_is_done_is_not_taken(postgres: URL) -> None:
    """While a caller bids for a lease that has lapsed, its holder keeps a token after all."""
    prepared.upgrade(postgres)
    holder, late = Host(postgres), Host(postgres)
    holder.keep("t-1")
    with hold_transaction(get_engine(postgres), reading=True) as connection:
        [done] = connection.execute(sa.select(tokens)).mappings()
    with hold_transaction(get_engine(postgres)) as connection:
        connection.execute(tokens.delete())
    holder.claim(lease=60)
    age(postgres, leases, 61)
    claim = claimed_during(postgres, late, tokens.insert().values(**done), leases.delete())
    assert claim.token is not None
    assert (claim.token.value, claim.won) == ("t-1", False)
    assert list_holders(postgres) == []


def test_a_lease_that_another_process_takes_meanwhile_is_not_won(postgres: URL) -> None:
    prepared.upgrade(postgres)
    first, late = Host(postgres), Host(postgres)
    first.keep("t-1", left=600)
    first.claim()
    with hold_transaction(get_engine(postgres), reading=True) as connection:
        [taken] = connection.execute(sa.select(leases)).mappings()
    first.store.release("k", owner=first.owner)
    claim = claimed_during(postgres, late, leases.insert().values(**taken))
    assert claim.token is not None
    assert (claim.token.value, claim.won) == ("t-1", False)
    assert list_holders(postgres) == [first.owner]


def test_a_token_that_replaces_a_rejected_one_meanwhile_stays(postgres: URL) -> None:
    prepared.upgrade(postgres)
    holder, late = Host(postgres), Host(postgres)
    holder.keep("t-2")
    with hold_transaction(get_engine(postgres), reading=True) as connection:
        [newer] = connection.execute(sa.select(tokens)).mappings()
    with hold_transaction(get_engine(postgres)) as connection:
        connection.execute(tokens.delete())
    holder.keep("t-1", left=600)
    assert claimed_during(postgres, late, tokens.update().values(**newer), rejected="t-1").won
    token = late.look()
    assert token is not None
    assert token.value == "t-2"


def test_a_fresh_token_needs_no_lock(url: URL) -> None:
    """While another process writes, to the lease as well, nobody who finds a fresh token waits for it."""
    Host(url).keep("t-1")
    with hold_transaction(get_engine(url)) as connection:
        row = {"key": "k", "owner": "writer", "until": datetime.now(UTC)}
        connection.execute(leases.insert().values(**row))
        for token in (Host(url).claim().token, Host(url).look()):
            assert token is not None
            assert token.value == "t-1"
