"""A thousand clients and many forks: no more connections than the pool has, and none shared with a child."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lark_emulator import Emulator

from tests.failures import work
from tests.failures.conftest import Ask
from tests.failures.crowd import PARENT, Crowd, unwrap_values

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lark_provider'"


@pytest.mark.parametrize("many", [work.many_clients, work.many_async_clients])
def test_a_thousand_clients_open_nothing_again(
    lark: Emulator, fetched: Callable[[], int], ask: Ask, many: Callable[[int], int]
) -> None:
    with Crowd(1) as crowd:
        assert unwrap_values(crowd.all(many, 1000)) == [0]
        assert ask(CONNECTIONS) == [(1,)]
        assert unwrap_values(crowd.all(work.threads)) == [2]  # the main one, and the watchdog of deadlines
    assert fetched() == 1
    assert lark.state(summary=True)["connections"] <= 2


def test_those_who_ask_at_once_share_the_pool(lark: Emulator, fetched: Callable[[], int], ask: Ask) -> None:
    with Crowd(1) as crowd:
        assert unwrap_values(crowd.all(work.call)) == [0]
        outcomes = crowd.all(work.call_without_tokens, 200)
        assert unwrap_values(outcomes) == [200]
        assert outcomes[0].warnings == []
        [[connections]] = ask(CONNECTIONS)
        assert int(str(connections)) <= 10  # what a pool keeps; while they asked there were at most 30
    assert fetched() == 1


def test_a_pool_has_the_size_that_was_set(lark: Emulator, fetched: Callable[[], int], ask: Ask) -> None:
    small = {"LARK_DB_POOL_SIZE": "1", "LARK_DB_MAX_OVERFLOW": "0"}
    with Crowd(1, environ=small) as crowd:
        outcomes = crowd.all(work.call_without_tokens, 50)
        assert unwrap_values(outcomes) == [50]
        assert outcomes[0].warnings == []
        assert ask(CONNECTIONS) == [(1,)]
    assert fetched() == 1


def test_a_child_has_a_connection_of_its_own(lark: Emulator, fetched: Callable[[], int], ask: Ask) -> None:
    with Crowd(8, first=work.call) as crowd:
        parents = crowd.one(PARENT, work.backend_pid).value
        crowd.all(work.forget)
        unwrap_values(crowd.all(work.call))
        children = unwrap_values(crowd.all(work.backend_pid))
        assert len({parents, *children}) == 9
        assert crowd.one(PARENT, work.backend_pid).value == parents
        crowd.leave()
        assert ask(CONNECTIONS) == [(1,)]
        assert crowd.one(PARENT, work.backend_pid).value == parents
        assert crowd.one(PARENT, work.forget).error == ""
        assert crowd.one(PARENT, work.call).value == 0
    assert fetched() == 1
