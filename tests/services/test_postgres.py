"""PostgreSQL as the tests get it: databases of their own, and servers to break."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests.services.plugin import StartServer
from tests.services.postgres import Databases, OwnPostgres, PostgresServer
from tests.services.processes import alive, tree


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()
        return cursor.fetchall() if cursor.description else []


def query_names(server: PostgresServer, statement: str) -> set[object]:
    return {row[0] for row in ask(server.build_url(), statement)}


def test_databases_are_separate(database_url: str, databases: Databases) -> None:
    other = databases.make()
    ask(database_url, "CREATE TABLE t (n int)")
    ask(other, "CREATE TABLE t (n int)")
    ask(database_url, "INSERT INTO t VALUES (1)")
    assert (ask(database_url, "SELECT * FROM t"), ask(other, "SELECT * FROM t")) == ([(1,)], [])


def test_a_database_can_be_a_copy_of_another(database_url: str, databases: Databases) -> None:
    ask(database_url, "CREATE TABLE t AS SELECT 7 AS n")
    copy = databases.make(template=urlsplit(database_url).path[1:])
    assert ask(copy, "SELECT n FROM t") == [(7,)]


def test_nothing_is_left_of_a_test_that_fails_with_open_connections(postgres_server: PostgresServer) -> None:
    with suppress(ZeroDivisionError), postgres_server.databases() as databases:
        url, role = databases.make(), databases.make_role()
        ask(url, f'CREATE SCHEMA s AUTHORIZATION "{role.name}"')
        open_connection = psycopg2.connect(url)
        _ = 1 / 0
    assert urlsplit(url).path[1:] not in query_names(postgres_server, "SELECT datname FROM pg_database")
    assert role.name not in query_names(postgres_server, "SELECT rolname FROM pg_roles")
    with pytest.raises(psycopg2.OperationalError), open_connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_role_of_a_test_may_only_what_it_was_granted(database_url: str, databases: Databases) -> None:
    role = databases.make_role()
    ask(database_url, "CREATE TABLE t AS SELECT 1 AS n")
    as_role = databases.server.build_url(urlsplit(database_url).path[1:], role)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(as_role, "SELECT * FROM t")
    ask(database_url, f'GRANT SELECT ON t TO "{role.name}"')
    assert ask(as_role, "SELECT * FROM t") == [(1,)]


def test_a_killed_server_comes_back_with_what_was_committed(own_postgres: OwnPostgres) -> None:
    ask(own_postgres.url, "CREATE TABLE t AS SELECT 1 AS n")
    before = tree(own_postgres.pid)
    with closing(psycopg2.connect(own_postgres.url)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (2)")  # not committed
        own_postgres.kill()
        assert not any(alive(pid) for pid in before)
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        ask(own_postgres.url, "SELECT 1")
    own_postgres.start()
    assert ask(own_postgres.url, "SELECT n FROM t") == [(1,)]


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
def test_a_stopped_server_comes_back(own_postgres: OwnPostgres, mode: str) -> None:
    ask(own_postgres.url, "CREATE TABLE t AS SELECT 1 AS n")
    own_postgres.stop(mode)  # type: ignore[arg-type]  # pytest knows no literals
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        ask(own_postgres.url, "SELECT 1")
    own_postgres.start()
    assert ask(own_postgres.url, "SELECT n FROM t") == [(1,)]


def test_a_paused_server_does_not_answer_and_then_does(own_postgres: OwnPostgres) -> None:
    answers: list[object] = []
    with closing(psycopg2.connect(own_postgres.url)) as connection, connection.cursor() as cursor:

        def query() -> None:
            cursor.execute("SELECT 1")
            answers.append(cursor.fetchone())

        own_postgres.pause()
        waiting = threading.Thread(target=query)
        waiting.start()
        waiting.join(0.3)
        with pytest.raises(psycopg2.OperationalError, match="timeout"):
            psycopg2.connect(own_postgres.url, connect_timeout=2)
        assert (waiting.is_alive(), answers) == (True, [])
        own_postgres.resume()
        waiting.join(10)
        assert answers == [(1,)]
    assert ask(own_postgres.url, "SELECT 2") == [(2,)]


def test_own_servers_ask_roles_for_their_password_and_take_settings_and_files(
    start_postgres: StartServer[OwnPostgres],
) -> None:
    server = start_postgres({"max_connections": "17", "event_source": "it's"}, {"note.txt": "given"}).server
    assert ask(server.build_url(), "SHOW max_connections") == [("17",)]
    assert ask(server.build_url(), "SHOW event_source") == [("it's",)]
    assert ask(server.build_url(), "SELECT pg_read_file('note.txt')") == [("given",)]
    with server.databases() as databases:
        role = databases.make_role()
        assert ask(server.build_url(role=role), "SELECT current_user") == [(role.name,)]
        wrong = server.build_url(role=type(role)(role.name, "wrong"))
        with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
            ask(wrong, "SELECT 1")


def test_a_closed_server_leaves_no_process_and_no_file(start_postgres: StartServer[OwnPostgres]) -> None:
    for paused in (False, True):
        server = start_postgres()
        processes = tree(server.pid)
        if paused:
            server.pause()
        server.close()
        assert len(processes) > 4
        assert not any(alive(pid) for pid in processes)
        assert not server.folder.exists()


def test_a_killed_server_leaves_no_shared_memory(start_postgres: StartServer[OwnPostgres]) -> None:
    server = start_postgres()
    segment = (server.folder / "data/postmaster.pid").read_text().splitlines()[6].split()[1]
    assert segment in segments()
    server.kill()
    assert segment in segments()
    server.close()
    assert segment not in segments()


def segments() -> set[str]:
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_a_server_that_cannot_start_says_why(start_postgres: StartServer[OwnPostgres]) -> None:
    with pytest.raises(RuntimeError, match='unrecognized configuration parameter "no_such"'):
        start_postgres({"no_such": "setting"})
