"""The one that fetches for all dies or freezes while it holds the lease."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from lark_emulator import Emulator

from tests.failures import work
from tests.failures.conftest import TOKEN_PATH, Ask
from tests.failures.crowd import Crowd, unwrap_values
from tests.failures.waiting import is_stopped, wait_until

PASSED = 7200 - 900
"""Seconds after which a token is stale."""


def fail_while_fetching(lark: Emulator, fetched: Callable[[], int], crowd: Crowd, how: signal.Signals) -> int:
    """Send a signal to the first process of a crowd while it requests a token; return its pid."""
    lark.fault(path=TOKEN_PATH, delay_ms=2000)  # its own request alone
    victim = crowd.pids[0]
    crowd.begin(work.call, who=victim)
    wait_until(lambda: fetched() == 1)
    os.kill(victim, how)
    return victim


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_next_caller_gets_a_token_within_its_timeout(
    lark: Emulator, fetched: Callable[[], int], ask: Ask, how: signal.Signals
) -> None:
    with Crowd(2) as crowd:
        victim = fail_while_fetching(lark, fetched, crowd, how)
        assert ask("SELECT count(*) FROM leases") == [(1,)]
        assert crowd.one(crowd.pids[1], work.call, 6.0).error == ""
        assert fetched() == 2
        os.kill(victim, signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_of_many_who_waited_for_it_one_fetches(
    lark: Emulator, fetched: Callable[[], int], ask: Ask, how: signal.Signals
) -> None:
    with Crowd(9) as crowd:
        victim = fail_while_fetching(lark, fetched, crowd, how)
        others = [pid for pid in crowd.pids if pid != victim]
        for pid in others:
            crowd.begin(work.call, who=pid)
        unwrap_values(crowd.outcomes(len(others)))
        assert fetched() == 2
        if how is signal.SIGSTOP:
            [[ends]] = ask("SELECT expires_at FROM tokens")
            assert is_stopped(victim)
            os.kill(victim, signal.SIGCONT)
            assert [outcome.error for outcome in crowd.outcomes(1)] == [""]
            assert ask(f"SELECT count(*) FROM tokens WHERE expires_at >= '{ends}'") == [(1,)]  # noqa: S608 - a time
            assert fetched() == 2
            lark.revoke_tokens()
            unwrap_values(crowd.all(work.call))
            assert fetched() == 3
        assert ask("SELECT count(*) FROM leases") == [(0,)]


def test_one_that_froze_inside_a_transaction_does_not_lock_the_others_out(
    lark: Emulator, fetched: Callable[[], int], ask: Ask
) -> None:
    with Crowd(2) as crowd:
        frozen, other = crowd.pids
        crowd.begin(work.freeze_inside_a_claim, who=frozen)
        wait_until(lambda: is_stopped(frozen))
        outcome = crowd.one(other, work.call)
        assert (outcome.error, outcome.warnings) == ("", [])
        assert ask("SELECT count(*) FROM tokens") == [(1,)]
        assert ask("SELECT count(*) FROM leases") == [(0,)]
        os.kill(frozen, signal.SIGCONT)
        [thawed] = crowd.outcomes(1)
        assert thawed.error.startswith("StorageError: ")
    assert fetched() == 1


def test_a_stale_token_is_renewed_by_one_while_the_others_use_it(
    lark: Emulator, fetched: Callable[[], int], ask: Ask
) -> None:
    with Crowd(16) as crowd:
        unwrap_values(crowd.all(work.call))
        lark.advance(PASSED)
        for column in ("fetched_at", "expires_at"):
            ask(f"UPDATE tokens SET {column} = {column} - interval '{PASSED} s'")  # noqa: S608 - constants
        [[old]] = ask("SELECT value FROM tokens")
        lark.fault(path=TOKEN_PATH, delay_ms=4000)
        crowd.begin(work.call_later, PASSED)
        used = unwrap_values(
            crowd.outcomes(16)
        )  # all are done while one of them still fetches in the background
        assert len(set(used)) == 1
        assert ask("SELECT value FROM tokens") == [(old,)]
        wait_until(lambda: ask("SELECT value FROM tokens") != [(old,)])
        assert fetched() == 2
        wait_until(lambda: ask("SELECT count(*) FROM leases") == [(0,)])
