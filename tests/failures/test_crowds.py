"""64 processes, one app, one database: one of them asks Lark, and the others hold nothing while they wait."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider.storage import urls
from tests.client.conftest import count
from tests.failures import work
from tests.failures.conftest import TOKEN_PATH, Ask
from tests.failures.crowd import Crowd, unwrap_values
from tests.failures.waiting import wait_until
from tests.services.plugin import StartPgBouncer
from tests.services.postgres import OwnPostgres
from tests.storage import prepared

MANY, FEW = 64, 8
CHATS = "GET /open-apis/im/v1/chats"
BUSY = "count(*) FILTER (WHERE state <> 'idle'), count(*) FILTER (WHERE state LIKE 'idle in%')"
OURS = "FROM pg_stat_activity WHERE application_name = 'lark_provider'"


def test_a_crowd_that_starts_cold_asks_once(lark: Emulator, fetched: Callable[[], int], ask: Ask) -> None:
    with Crowd(MANY) as crowd:
        outcomes = crowd.all(work.call_without_haste)
    assert unwrap_values(outcomes) == [0] * MANY
    assert [outcome.warnings for outcome in outcomes if outcome.warnings] == []
    assert fetched() == 1
    assert ask("SELECT count(*) FROM leases") == [(0,)]


def asks_once_a_token(crowd: Crowd, lark: Emulator, fetched: Callable[[], int]) -> None:
    """Assert that all processes together request one token, and one more once that is revoked."""
    for turn in (1, 2):
        outcomes = crowd.all(work.call_without_haste)
        unwrap_values(outcomes)
        assert [outcome.warnings for outcome in outcomes if outcome.warnings] == []
        assert fetched() == turn
        lark.revoke_tokens()


def test_a_crowd_at_a_file(
    lark: Emulator, fetched: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")
    prepared.upgrade(urls.database())
    with Crowd(MANY) as crowd:
        asks_once_a_token(crowd, lark, fetched)


def test_a_database_whose_transactions_are_serializable(
    lark: Emulator, fetched: Callable[[], int], ask: Ask
) -> None:
    ask("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'")
    with Crowd(16) as crowd:
        asks_once_a_token(crowd, lark, fetched)


def test_nobody_holds_a_connection_while_waiting(
    lark: Emulator, fetched: Callable[[], int], ask: Ask
) -> None:
    lark.fault(path=TOKEN_PATH, delay_ms=3000)
    with Crowd(MANY) as crowd:
        assert len(set(unwrap_values(crowd.all(work.backend_pid)))) == MANY
        crowd.begin(work.call_without_haste)
        wait_until(fetched)
        busy, inside = [], []
        while count(lark, CHATS) == 0:
            [row] = ask(f"SELECT {BUSY} {OURS}")
            busy.append(int(str(row[0])))
            inside.append(int(str(row[1])))
        unwrap_values(crowd.outcomes())
    assert fetched() == 1
    # Not one look but many: each of them may meet a user who is just asking.
    assert statistics.median(busy) <= FEW
    assert statistics.median(inside) == 0


def test_a_token_rejected_under_a_crowd_is_replaced_once(
    lark: Emulator, fetched: Callable[[], int], ask: Ask
) -> None:
    with Crowd(MANY) as crowd:
        for turn in (1, 2, 3):
            unwrap_values(crowd.all(work.call_without_haste))
            assert fetched() == turn
            lark.revoke_tokens()
    assert ask("SELECT count(*) FROM tokens") == [(1,)]
    assert ask("SELECT count(*) FROM leases") == [(0,)]


def test_a_crowd_behind_pgbouncer(
    lark: Emulator, fetched: Callable[[], int], ask: Ask, server: OwnPostgres, pgbouncer: StartPgBouncer
) -> None:
    url = pgbouncer(server.url, pool_size=2)
    with Crowd(20, environ={"LARK_DATABASE_URL": url}) as crowd:
        for turn in (1, 2, 3):
            outcomes = crowd.all(work.call_without_haste)
            unwrap_values(outcomes)
            assert [outcome.warnings for outcome in outcomes if outcome.warnings] == []
            assert fetched() == turn
            lark.revoke_tokens()
        [[connections]] = ask(f"SELECT count(*) {OURS}")
        assert int(str(connections)) <= 2
