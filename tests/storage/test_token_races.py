"""The token store while another process is in the middle of a transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate
from lark_provider.storage.engine import engine, transaction
from lark_provider.storage.tables import leases, tokens
from tests.failures.waiting import wait_until
from tests.storage.test_registry import somebody_waits
from tests.storage.test_token_store import Host, age, held


def test_a_lease_that_is_free_because_its_holder_is_done_is_not_taken(postgres: URL) -> None:
    """While a caller bids for a lease that has lapsed, its holder keeps a token after all."""
    migrate.upgrade(postgres)
    holder, late = Host(postgres), Host(postgres)
    holder.keep("t-1")
    with transaction(engine(postgres), reading=True) as connection:
        [done] = connection.execute(sa.select(tokens)).mappings()
    with transaction(engine(postgres)) as connection:
        connection.execute(tokens.delete())
    holder.claim(lease=60)
    age(postgres, leases, 61)
    with ThreadPoolExecutor(1) as threads:
        with transaction(engine(postgres)) as connection:
            connection.execute(tokens.insert().values(**done))
            connection.execute(leases.delete())
            claiming = threads.submit(late.claim)
            wait_until(lambda: somebody_waits(postgres))
        claim = claiming.result()
    assert claim.token is not None
    assert (claim.token.value, claim.won) == ("t-1", False)
    assert held(postgres) == []


def test_a_lease_that_another_process_takes_meanwhile_is_not_won(postgres: URL) -> None:
    migrate.upgrade(postgres)
    first, late = Host(postgres), Host(postgres)
    first.keep("t-1", left=600)
    first.claim()
    with transaction(engine(postgres), reading=True) as connection:
        [taken] = connection.execute(sa.select(leases)).mappings()
    first.store.release("k", owner=first.owner)
    with ThreadPoolExecutor(1) as threads:
        with transaction(engine(postgres)) as connection:
            connection.execute(leases.insert().values(**taken))
            claiming = threads.submit(late.claim)
            wait_until(lambda: somebody_waits(postgres))
        claim = claiming.result()
    assert claim.token is not None
    assert (claim.token.value, claim.won) == ("t-1", False)
    assert held(postgres) == [first.owner]


def test_a_token_that_replaces_a_rejected_one_meanwhile_stays(postgres: URL) -> None:
    migrate.upgrade(postgres)
    holder, late = Host(postgres), Host(postgres)
    holder.keep("t-2")
    with transaction(engine(postgres), reading=True) as connection:
        [newer] = connection.execute(sa.select(tokens)).mappings()
    with transaction(engine(postgres)) as connection:
        connection.execute(tokens.delete())
    holder.keep("t-1", left=600)
    with ThreadPoolExecutor(1) as threads:
        with transaction(engine(postgres)) as connection:
            connection.execute(tokens.update().values(**newer))
            claiming = threads.submit(late.claim, rejected="t-1")
            wait_until(lambda: somebody_waits(postgres))
        assert claiming.result().won
    found = late.look()
    assert found is not None
    assert found.value == "t-2"


def test_a_fresh_token_needs_no_lock(url: URL) -> None:
    """While another process writes, to the lease as well, nobody who finds a fresh token waits for it."""
    Host(url).keep("t-1")
    with transaction(engine(url)) as connection:
        row = {"key": "k", "owner": "writer", "until": datetime.now(UTC)}
        connection.execute(leases.insert().values(**row))
        for token in (Host(url).claim().token, Host(url).look()):
            assert token is not None
            assert token.value == "t-1"
