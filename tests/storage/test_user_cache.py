"""People in a database: PostgreSQL and SQLite alike."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.engine.runtime import PROCESS
from lark_provider.protocol.cached_user import CachedUser
from lark_provider.protocol.tokens import App
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine
from lark_provider.storage.errors import StorageError
from lark_provider.storage.tables import user_cache
from lark_provider.storage.user_cache import UserCache
from lark_provider.support.bounded_cache import BoundedCache

KIND = "email.open_id"


def entry(data: str, fetched_at: float = 1_000_000.25) -> CachedUser:
    return CachedUser(data, fetched_at, fetched_at + 86400)


def cache(url: URL, app_id: str = "cli_a", app_secret: str = "s") -> UserCache:  # noqa: S107 - a test's
    return UserCache(url, f"lark|{app_id}", app_secret)


def test_what_is_kept_is_found_until_it_is_replaced(url: URL) -> None:
    users = cache(url, "cli_a")
    entries = {
        "a@example.com": entry('"ou_a"'),
        "b@example.com": entry("null"),
        "王@例子": entry('{"n":"李雷"}'),
    }
    users.put(KIND, entries)
    assert users.get(KIND, [*entries, "c@example.com"]) == entries
    users.put(KIND, {"b@example.com": entry('"ou_b"', 2_000_000.5)})
    assert users.get(KIND, ["b@example.com"]) == {"b@example.com": entry('"ou_b"', 2_000_000.5)}
    assert users.get(KIND, ["a@example.com"]) == {"a@example.com": entries["a@example.com"]}


def test_neither_apps_nor_kinds_see_each_other(url: URL) -> None:
    cache(url, "cli_a").put(KIND, {"a@example.com": entry('"ou_a"')})
    assert cache(url, "cli_b").get(KIND, ["a@example.com"]) == {}
    assert cache(url, "cli_a").get("email.union_id", ["a@example.com"]) == {}


PEOPLE = {
    "alice@example.com": '{"open_id":"ou_alice","name":"Alice Appleseed","mobile":"+8613800000001"}',
    "+8613800000001": '"ou_alice"',
    "王@例子": '{"name":"李雷"}',
}


def test_nobody_is_in_the_database_in_clear(url: URL) -> None:
    for kind in (KIND, "mobile.open_id"):
        cache(url).put(kind, {lookup: entry(data) for lookup, data in PEOPLE.items()})
    with get_engine(url).connect() as connection:
        content = repr([tuple(row) for row in connection.execute(sa.select(user_cache))]).encode()
    assert content.count(b"lark|cli_a") == 2 * len(PEOPLE)
    if url.drivername == "sqlite":
        content += Path(str(url.database)).read_bytes()
    for personal in ("alice", "Appleseed", "13800000001", "ou_alice", 'open_id":', "李雷", "王", "例子"):
        assert personal.encode() not in content


def test_what_a_client_keeps_of_people_is_not_in_clear(url: URL, lark: Emulator) -> None:
    where = url.render_as_string(hide_password=False)
    with LarkServiceClient(database_url=where) as client:
        alice = str(client.contact.get_id("alice@example.com"))
        assert client.contact.find_by_mobile(["+8613800000001"]) == {"+8613800000001": alice}
        alices = client.contact.get_user(alice)
        assert alices is not None
    with get_engine(url).connect() as connection:
        rows = connection.execute(sa.select(user_cache)).all()
    assert {row.kind for row in rows} >= {"email.open_id", "mobile.open_id"}
    assert len(rows) >= 3
    content = repr([tuple(row) for row in rows]).encode() + (
        Path(str(url.database)).read_bytes() if url.drivername == "sqlite" else b""
    )
    for personal in ("alice@example.com", "13800000001", alice, str(alices["name"])):
        assert personal.encode() not in content


def test_who_has_not_the_secret_finds_nobody_and_recognises_nobody(url: URL) -> None:
    cache(url).put(KIND, {"alice@example.com": entry('"ou_alice"')})
    assert cache(url, app_secret="another").get(KIND, ["alice@example.com"]) == {}
    cache(url, app_secret="another").put(KIND, {"alice@example.com": entry('"ou_alice"')})
    cache(url, "cli_b").put(KIND, {"alice@example.com": entry('"ou_alice"')})
    cache(url).put("mobile.open_id", {"alice@example.com": entry('"ou_alice"')})
    with get_engine(url).connect() as connection:
        rows = connection.execute(sa.select(user_cache.c.lookup, user_cache.c.data)).all()
    assert len({row.lookup for row in rows}) == len({row.data for row in rows}) == 4


def test_an_entry_that_was_moved_or_damaged_counts_as_absent(url: URL) -> None:
    cache(url).put(KIND, {"a@example.com": entry('"ou_a"'), "b@example.com": entry('"ou_b"')})
    with get_engine(url).begin() as connection:
        rows = connection.execute(sa.select(user_cache)).all()
        for row, other in zip(rows, rows[::-1], strict=True):
            moved = user_cache.update().where(user_cache.c.lookup == row.lookup).values(data=other.data)
            connection.execute(moved)
    assert cache(url).get(KIND, ["a@example.com", "b@example.com"]) == {}
    with get_engine(url).begin() as connection:
        connection.execute(user_cache.update().values(data='"ou_evil"'))  # as version 0.1 kept it
    assert cache(url).get(KIND, ["a@example.com", "b@example.com"]) == {}
    cache(url).put(KIND, {"a@example.com": entry('"ou_a"')})
    assert cache(url).get(KIND, ["a@example.com"]) == {"a@example.com": entry('"ou_a"')}


@pytest.mark.parametrize("count", [1, 1000])
def test_many_take_one_statement_each_way(url: URL, count: int) -> None:
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    users = cache(url, "cli_a")
    users.get(KIND, ["a"])  # opens the database
    many = {f"u{number}@example.com": entry(f'"ou_{number}"') for number in range(count)}
    sa.event.listen(get_engine(url), "before_cursor_execute", note)
    users.put(KIND, many)
    assert users.get(KIND, list(many)) == many
    sa.event.remove(get_engine(url), "before_cursor_execute", note)
    assert [statement for statement in statements if statement not in {"BEGIN", "SET"}] == [
        "INSERT",
        "SELECT",
    ]


def test_thousands_are_stored_by_one_statement(url: URL) -> None:
    """psycopg2 would send one for each, and the others who store the same users would wait for all."""
    users = cache(url, "cli_a")
    users.put(KIND, {"a": entry("0")})
    statements: list[bool] = []

    def note(_: object, __: object, statement: str, *details: object) -> None:
        if statement.startswith("INSERT"):
            statements.append(bool(details[-1]))  # whether it is one of many

    names = [f"u{number}@example.com" for number in range(5_500)]
    sa.event.listen(get_engine(url), "before_cursor_execute", note)
    try:
        for text in ("1", "2"):
            users.put(KIND, {name: entry(text) for name in names})
    finally:
        sa.event.remove(get_engine(url), "before_cursor_execute", note)
    assert statements == 2 * [False, False]
    assert {user.data for user in users.get(KIND, names).values()} == {"2"}


def test_who_keep_the_same_people_do_not_lock_each_other_out(url: URL) -> None:
    names = [f"u{number}@example.com" for number in range(100)]

    def keep(turn: int) -> None:
        order = names if turn % 2 else names[::-1]
        cache(url, "cli_a").put(KIND, {name: entry(f'"{turn}"') for name in order})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(keep, range(24)))
    assert set(cache(url, "cli_a").get(KIND, names)) == set(names)


def test_a_database_without_our_tables_says_so(database_url: str) -> None:
    users = cache(urls.parse(database_url, "test"), "cli_a")
    for work in (lambda: users.get(KIND, ["a"]), lambda: users.put(KIND, {"a": entry("null")})):
        with pytest.raises(StorageError, match="behind on migrations"):
            work()


def test_a_process_keeps_the_newest() -> None:
    memory = BoundedCache[str, int](3)
    for number, name in enumerate("abcad"):
        memory.put(name, number)
    assert [memory.get(name) for name in "abcd"] == [3, None, 2, 4]


def test_a_child_does_not_wait_for_its_parents_threads() -> None:
    with PROCESS.users._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            PROCESS.users.put(("app", KIND, "a"), entry("null"))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_another_secret_is_the_same_app_and_another_tenant_is_not() -> None:
    apps = [App("https://a.example", "cli_a", "s"), App("https://a.example", "cli_a", "t")]
    assert apps[0].name == apps[1].name
    others = [
        App("https://b.example", "cli_a", "s"),
        App("https://a.example", "cli_b", "s"),
        App("https://a.example", "cli_a", "s", "tenant"),
    ]
    assert len({app.name for app in (apps[0], *others)}) == 4
