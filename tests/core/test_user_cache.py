"""People in a database: PostgreSQL and SQLite alike."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.core import people
from lark_provider.core.entry import Entry
from lark_provider.core.storage import migrate, urls
from lark_provider.core.storage.engine import engine
from lark_provider.core.storage.errors import StorageError
from lark_provider.core.storage.user_cache import UserCache
from lark_provider.protocol.calls import KnownPeople
from lark_provider.protocol.tokens import App

KIND = "email.open_id"


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An up-to-date database of either kind."""
    if request.param == "sqlite":
        found = urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")
    else:
        found = urls.parse(request.getfixturevalue("database_url"), "test")
    migrate.upgrade(found)
    return found


def entry(data: str, fetched_at: float = 1_000_000.25) -> Entry:
    return Entry(data, fetched_at, fetched_at + 86400)


def test_what_is_kept_is_found_until_it_is_replaced(url: URL) -> None:
    users = UserCache(url, "lark|cli_a")
    asked = {
        "a@example.com": entry('"ou_a"'),
        "b@example.com": entry("null"),
        "王@例子": entry('{"n":"李雷"}'),
    }
    users.keep(KIND, asked)
    assert users.look(KIND, [*asked, "c@example.com"]) == asked
    users.keep(KIND, {"b@example.com": entry('"ou_b"', 2_000_000.5)})
    assert users.look(KIND, ["b@example.com"]) == {"b@example.com": entry('"ou_b"', 2_000_000.5)}
    assert users.look(KIND, ["a@example.com"]) == {"a@example.com": asked["a@example.com"]}


def test_neither_apps_nor_kinds_see_each_other(url: URL) -> None:
    UserCache(url, "lark|cli_a").keep(KIND, {"a@example.com": entry('"ou_a"')})
    assert UserCache(url, "lark|cli_b").look(KIND, ["a@example.com"]) == {}
    assert UserCache(url, "lark|cli_a").look("email.union_id", ["a@example.com"]) == {}


@pytest.mark.parametrize("count", [1, 1000])
def test_many_take_one_statement_each_way(url: URL, count: int) -> None:
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    users = UserCache(url, "lark|cli_a")
    users.look(KIND, ["a"])  # opens the database
    many = {f"u{number}@example.com": entry(f'"ou_{number}"') for number in range(count)}
    sa.event.listen(engine(url), "before_cursor_execute", note)
    users.keep(KIND, many)
    assert users.look(KIND, list(many)) == many
    sa.event.remove(engine(url), "before_cursor_execute", note)
    assert [one for one in statements if one not in {"BEGIN", "SET"}] == ["INSERT", "SELECT"]


def test_who_keep_the_same_people_do_not_lock_each_other_out(url: URL) -> None:
    names = [f"u{number}@example.com" for number in range(300)]

    def keep(turn: int) -> None:
        order = names if turn % 2 else names[::-1]
        UserCache(url, "lark|cli_a").keep(KIND, {one: entry(f'"{turn}"') for one in order})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(keep, range(24)))
    assert set(UserCache(url, "lark|cli_a").look(KIND, names)) == set(names)


def test_a_database_without_our_tables_says_so(database_url: str) -> None:
    users = UserCache(urls.parse(database_url, "test"), "lark|cli_a")
    for work in (lambda: users.look(KIND, ["a"]), lambda: users.keep(KIND, {"a": entry("null")})):
        with pytest.raises(StorageError, match="behind on migrations"):
            work()


def test_a_process_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_ENTRIES", 3)
    memory = people._Memory()
    for name in "abcad":
        memory.keep("app", KIND, {name: entry(f'"{name}"')})
    assert list(memory.look("app", KnownPeople(KIND, list("abcd")))) == ["a", "c", "d"]
    assert memory.look("other", KnownPeople(KIND, list("abcd"))) == {}


def test_a_child_does_not_wait_for_its_parents_threads() -> None:
    with people._memory._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            people._memory.keep("app", KIND, {"a": entry("null")})
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_another_secret_is_the_same_app_and_another_tenant_is_not() -> None:
    apps = [App("https://a.example", "cli_a", "s"), App("https://a.example", "cli_a", "t")]
    assert people._name(apps[0]) == people._name(apps[1])
    others = [
        App("https://b.example", "cli_a", "s"),
        App("https://a.example", "cli_b", "s"),
        App("https://a.example", "cli_a", "s", "tenant"),
    ]
    assert len({people._name(one) for one in (apps[0], *others)}) == 4
