from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from lark_provider.errors import ConfigurationError
from lark_provider.storage.engine import POOL_SETTINGS
from lark_provider.storage.errors import StorageError
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.services.postgres import Databases, OwnPostgres

PASSWORD = "p@ss/w:rd%#1"


@pytest.fixture
def configured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the guide's variables in the environment, strings only, and return the database's URL."""
    url = make_url(database_url)
    parts = {"HOST": url.host, "PORT": url.port, "DB": url.database, "USER": url.username}
    for name, value in parts.items():
        monkeypatch.setenv(f"POSTGRES_{name}", str(value))
    monkeypatch.setenv("POSTGRES_PASSWORD", str(url.password or ""))
    return database_url


def test_plain_sql_without_arguments(configured: str) -> None:
    storage = PostgresStorage()
    assert storage.execute("SELECT 1")
    (row,) = storage.execute("SELECT :text AS text, '12:30'::time AS at", {"text": "it's :fine"})
    assert (row.text, str(row.at)) == ("it's :fine", "12:30:00")


def test_what_a_statement_writes_stays_and_what_fails_does_not(configured: str) -> None:
    storage = PostgresStorage()
    assert storage.execute("CREATE TABLE numbers (n int UNIQUE)") == []
    assert storage.execute("INSERT INTO numbers VALUES (1), (2)") == []
    with pytest.raises(StorageError, match="duplicate key"):
        storage.execute("INSERT INTO numbers VALUES (3), (1)")
    assert [row.n for row in PostgresStorage().execute("SELECT n FROM numbers ORDER BY n")] == [1, 2]


def test_a_password_with_special_characters(
    own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_postgres.server.execute(f"CREATE ROLE lark LOGIN PASSWORD '{PASSWORD}'")
    own_postgres.server.execute("CREATE DATABASE lark_service OWNER lark")
    monkeypatch.setenv("POSTGRES_PORT", str(own_postgres.port))  # the rest as the guide has it by default
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD)
    assert PostgresStorage().execute("SELECT current_user, current_database()") == [("lark", "lark_service")]
    monkeypatch.setenv("POSTGRES_PASSWORD", PASSWORD + "!")
    with pytest.raises(StorageError, match="password authentication failed") as wrong:
        PostgresStorage().execute("SELECT 1")
    assert PASSWORD not in repr(wrong.value) + str(wrong.value) + repr(wrong.value.__cause__)


def test_a_database_that_is_down_is_an_operational_error_without_password(
    own_postgres: OwnPostgres,
) -> None:
    own_postgres.stop()
    storage = PostgresStorage(own_postgres.url.replace("postgres@", "postgres:hunter2@"))
    with pytest.raises(sa.exc.OperationalError, match=r"(?i)connection refused.*Next: check") as down:
        storage.execute("SELECT 1")
    assert isinstance(down.value, StorageError)
    assert down.value.retryable
    assert "hunter2" not in repr(down.value) + str(down.value) + repr(storage)
    own_postgres.start()
    assert storage.execute("SELECT 1") == [(1,)]


def test_what_cannot_be_executed_says_what_to_look_at(configured: str) -> None:
    for statement, advice in (
        ("SELEC 1", "check that it is the database meant for Lark"),
        ("SELECT :n", "check its parameters"),
    ):
        with pytest.raises(StorageError, match=rf"Next: {advice}") as refused:
            PostgresStorage().execute(statement)
        assert "sqlalche.me" not in str(refused.value)
        assert not refused.value.retryable


def test_a_pool_that_is_used_up_does_not_count_as_an_unavailable_database(configured: str) -> None:
    with PostgresStorage(pool_size=1, max_overflow=0, pool_timeout=0) as storage:
        with (
            storage._get_engine().connect(),
            pytest.raises(StorageError, match="LARK_DB_POOL_SIZE") as refused,
        ):
            storage.execute("SELECT 1")
        assert refused.value.retryable
        assert storage.execute("SELECT 1") == [(1,)]


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="No database is configured"):
        PostgresStorage()
    monkeypatch.setenv("POSTGRES_PORT", "fivefourthreetwo")
    with pytest.raises(
        ConfigurationError, match=r"POSTGRES_PORT must be a port number, got 'fivefourthreetwo'\. Next: "
    ):
        PostgresStorage()


def test_the_pool_is_the_guides_by_default_shared_and_can_be_set(
    configured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dict(POOL_SETTINGS.values()) == {
        "pool_size": 10,
        "max_overflow": 20,
        "pool_timeout": 30,
        "pool_recycle": 3600,
    }
    shared = [PostgresStorage()._get_engine() for _ in range(1000)]
    assert len({id(engine) for engine in shared}) == 1
    monkeypatch.setenv("LARK_DB_MAX_OVERFLOW", "0")
    with PostgresStorage(pool_size=2, pool_timeout=20) as storage:
        with ThreadPoolExecutor(8) as threads:
            backend_pids = list(
                threads.map(
                    lambda _: storage.execute("SELECT pg_backend_pid(), pg_sleep(0.01)")[0][0], range(40)
                )
            )
        assert len(set(backend_pids)) == 2
    assert storage._own is not None
    assert storage._own[1].pool.checkedin() == 0  # type: ignore[attr-defined] # a QueuePool
    assert storage.execute("SELECT 1") == [(1,)]


def test_a_forked_child_opens_connections_of_its_own(databases: Databases) -> None:
    storage = PostgresStorage(databases.make(), pool_size=1)
    ours = storage.execute("SELECT pg_backend_pid()")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(storage.execute("SELECT pg_backend_pid()")[0][0]).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert int(os.read(reading, 100)) != ours[0][0]
    assert storage.execute("SELECT pg_backend_pid()") == ours
    for end in (reading, writing):
        os.close(end)
    storage.close()
