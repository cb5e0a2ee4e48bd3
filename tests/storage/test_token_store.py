"""The token store: who fetches, who uses, and what is never overwritten. On both databases."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import URL

from lark_provider.protocol.tokens import App, Freshness, Token
from lark_provider.storage import token_store
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.tables import leases, tokens
from lark_provider.storage.token_store import TokenStore

NOW = 1_000_000.0
LIFE = 7200.0


class Host:
    """A process with a clock of its own."""

    names = itertools.count()

    def __init__(self, url: URL, ahead: float = 0.0, secret: str = "secret") -> None:  # noqa: S107 - made up
        self.store = TokenStore(url, "cli_a", secret)
        self.now = NOW + ahead
        self.owner = f"host-{next(self.names)}"

    def claim(
        self, key: str = "k", rejected: str | None = None, lease: float = 60.0
    ) -> token_store.TokenClaim:
        return self.store.claim(key, now=self.now, owner=self.owner, lease_seconds=lease, rejected=rejected)

    def keep(self, value: str, left: float = LIFE, key: str = "k", life: float = LIFE) -> None:
        token = Token(value, self.now + left - life, self.now + left)
        self.store.put(key, token, clock=lambda: self.now, owner=self.owner)

    def look(self, key: str = "k") -> Token | None:
        return self.store.get(key, now=self.now)

    def seconds_left(self, key: str = "k") -> float:
        token = self.look(key)
        assert token is not None
        return token.expires_at - self.now


@pytest.fixture
def one(url: URL) -> Host:
    return Host(url)


@pytest.fixture
def other(url: URL) -> Host:
    return Host(url)


def age(url: URL, table: sa.Table, seconds: float) -> None:
    """Let time pass for what a table holds."""
    with hold_transaction(get_engine(url)) as connection:
        for row in connection.execute(sa.select(table)).mappings():
            moved = {
                name: value - timedelta(seconds=seconds)
                for name, value in row.items()
                if isinstance(value, datetime)
            }
            connection.execute(table.update().where(table.c.key == row["key"]).values(**moved))


def list_holders(url: URL) -> list[str]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        return list(connection.scalars(sa.select(leases.c.owner)))


def read_tokens(url: URL) -> list[Any]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        return list(connection.execute(sa.select(tokens).order_by(tokens.c.key)))


def test_one_fetches_and_all_use(url: URL, one: Host, other: Host) -> None:
    assert one.claim() == token_store.TokenClaim(None, won=True)
    assert other.claim() == token_store.TokenClaim(None, won=False)
    assert one.claim().won  # asked again, still the one
    one.keep("t-1")
    assert list_holders(url) == []
    for host in (one, other):
        claim = host.claim()
        assert claim.token is not None
        assert (claim.token.value, claim.won) == ("t-1", False)
        assert claim.token.compute_freshness(host.now) is Freshness.FRESH
    assert list_holders(url) == []  # who finds a fresh one leaves no lease behind


def test_a_lease_given_back_is_the_next_ones(url: URL, one: Host, other: Host) -> None:
    one.claim()
    other.store.release("k", owner=other.owner)  # not its own
    assert list_holders(url) == [one.owner]
    one.store.release("k", owner=one.owner)
    assert other.claim().won


def test_a_lease_lapses_by_the_clock_of_the_database(url: URL) -> None:
    for ahead in (0.0, 86400.0, -86400.0):
        first, second = Host(url), Host(url, ahead)
        assert first.claim(lease=60).won
        assert not second.claim().won
        age(url, leases, 61)
        assert second.claim().won
        assert not first.claim().won
        first.store.release("k", owner=first.owner)  # thawed too late: not its own any more
        assert list_holders(url) == [second.owner]
        second.store.release("k", owner=second.owner)


def test_leases_of_different_tokens_do_not_meet(url: URL, one: Host, other: Host) -> None:
    assert one.claim("k").won
    assert other.claim("k2").won
    assert one.claim("k3").won
    one.store.release("k3", owner=one.owner)
    assert sorted(list_holders(url)) == sorted([one.owner, other.owner])


def test_a_stale_token_is_renewed_by_one(url: URL, one: Host, other: Host) -> None:
    one.keep("t-1", left=600)
    claims = [one.claim(), other.claim(), Host(url).claim()]
    assert [claim.token.value for claim in claims if claim.token is not None] == ["t-1"] * 3
    assert [claim.won for claim in claims] == [True, False, False]
    one.keep("t-2")
    renewed = other.claim()
    assert renewed.token is not None
    assert (renewed.token.value, renewed.won) == ("t-2", False)


def test_a_rejected_token_is_dropped_if_it_is_the_one(url: URL, one: Host, other: Host) -> None:
    one.keep("t-1")
    assert one.claim(rejected="t-1") == token_store.TokenClaim(None, won=True)
    assert read_tokens(url) == []
    assert other.claim(rejected="t-1") == token_store.TokenClaim(None, won=False)
    one.keep("t-2")
    claim = other.claim(rejected="t-1")
    assert claim.token is not None
    assert (claim.token.value, claim.won) == ("t-2", False)


def test_of_many_who_were_rejected_one_fetches(url: URL, one: Host) -> None:
    one.keep("t-1")
    assert [Host(url).claim(rejected="t-1").won for _ in range(5)] == [True] + 4 * [False]


@pytest.mark.parametrize("left", [LIFE - 1, 60.0, -1.0])
def test_a_longer_lived_token_is_not_overwritten(one: Host, other: Host, left: float) -> None:
    one.keep("t-long")
    other.keep("t-short", left=left)
    token = one.look()
    assert token is not None
    assert token.value == "t-long"


def test_who_was_too_late_takes_no_lease_from_others(url: URL, one: Host, other: Host) -> None:
    one.claim(lease=60)
    age(url, leases, 61)
    other.claim()
    one.keep("t-late")
    assert list_holders(url) == [other.owner]
    claim = other.claim()
    assert claim.token is not None
    assert (claim.token.value, claim.won) == ("t-late", False)


def test_the_time_for_which_a_process_was_frozen_does_not_lengthen_a_token(url: URL, one: Host) -> None:
    token = Token("t-1", NOW, NOW + LIFE)
    thawed = iter([NOW + 3600])
    one.store.put("k", token, clock=lambda: next(thawed), owner=one.owner)
    assert one.seconds_left() == pytest.approx(LIFE - 3600, abs=100)


@pytest.mark.parametrize("damage", ["", "x", "gAAAAAB" + "A" * 100, "密"])
def test_a_damaged_row_counts_as_absent(url: URL, one: Host, other: Host, damage: str) -> None:
    one.keep("t-1")
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(tokens.update().values(value=damage))
    assert one.look() is None
    assert other.claim() == token_store.TokenClaim(None, won=True)
    other.keep("t-2", left=600)  # shorter-lived than what was damaged
    token = one.look()
    assert token is not None
    assert token.value == "t-2"


def test_a_row_moved_to_another_key_is_not_believed(url: URL, one: Host) -> None:
    one.keep("t-1", key="theirs")
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(tokens.update().values(key="k"))
    assert one.look() is None


def test_hosts_with_another_secret_have_rows_of_their_own(url: URL) -> None:
    old, new = (App("https://lark", "cli_a", secret) for secret in ("secret-1", "secret-2"))
    first, second = Host(url, secret=old.app_secret), Host(url, secret=new.app_secret)
    first.keep("t-old", key=old.token_key)
    assert second.claim(new.token_key) == token_store.TokenClaim(None, won=True)
    second.keep("t-new", key=new.token_key)
    assert [row.app_id for row in read_tokens(url)] == ["cli_a", "cli_a"]
    for host, app, value in ((first, old, "t-old"), (second, new, "t-new")):
        token = host.look(app.token_key)
        assert token is not None
        assert token.value == value
    assert token_store.forget(url, "cli_b") == 0
    assert token_store.forget(url, "cli_a") == 2


def test_hosts_whose_clocks_differ_agree_on_what_is_left(url: URL) -> None:
    hosts = [Host(url, ahead) for ahead in (-7 * 3600.0, 0.0, 300.0, 86400.0)]
    hosts[0].keep("t-1", left=1000)
    for host in hosts:
        assert host.seconds_left() == pytest.approx(1000, abs=100)
        claim = host.claim()
        assert claim.token is not None
        assert claim.token.compute_freshness(host.now) is Freshness.STALE
    hosts[3].keep("t-2", left=7000)
    hosts[1].keep("t-3", left=6000)
    for host in hosts:
        token = host.look()
        assert token is not None
        assert token.value == "t-2"


def test_nothing_readable_is_stored_and_nothing_shown(url: URL, one: Host) -> None:
    one.keep("t-very-secret")
    shown = f"{read_tokens(url)}{one.claim()!r}{one.store!r}{one.look()!r}"
    assert "t-very-secret" not in shown
    assert "'secret'" not in shown


@pytest.fixture
def a_file(tmp_path_factory: pytest.TempPathFactory) -> URL:
    return sa.make_url(f"sqlite:///{tmp_path_factory.mktemp('store')}/lark.db")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.lists(st.tuples(st.integers(-1, 10), st.floats(-1e6, 1e6)), min_size=1, max_size=6))
def test_what_stays_is_what_lives_longest(a_file: URL, kept: list[tuple[int, float]]) -> None:
    """Whoever keeps it, in whatever order and by whatever clock."""
    key = f"k-{next(Host.names)}"
    for quarters, ahead in kept:
        Host(a_file, ahead).keep(str(quarters), left=900 * quarters, key=key)
    token = Host(a_file).look(key)
    assert token is not None
    longest = max(quarters for quarters, _ in kept)
    assert token.value == str(longest)
    assert token.expires_at - NOW == pytest.approx(900 * longest, abs=100)


def test_sqlites_clock_is_ours(sqlite: URL) -> None:
    host = Host(sqlite)
    host.keep("t-1")
    [row] = read_tokens(sqlite)
    assert abs(row.fetched_at - datetime.now(UTC)) < timedelta(minutes=1)
