"""What a transaction costs on the wire, and what it sees."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from lark_provider.storage import urls, watched
from lark_provider.storage.engine import create, hold_transaction
from lark_provider.storage.errors import StorageError
from tests.failures.waiting import wait_until
from tests.services.plugin import StartServer
from tests.services.postgres import OwnPostgres

LIMITS = "SET LOCAL statement_timeout = 8000;SET LOCAL lock_timeout = 4000;"


@pytest.mark.parametrize("fresh", [5.0, 0.0])
def test_reading_is_a_statement_and_a_connection_that_was_just_used_needs_no_ping(
    fresh: float, start_postgres: StartServer[OwnPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "FRESH_SECONDS", fresh)
    ping = [] if fresh else ["SELECT 1"]
    server = start_postgres({"log_statement": "all", "logging_collector": "on", "log_line_prefix": ""})
    url = urls.parse(server.url, "test")
    on, looking = create(url), create(url)
    for reading in (False, True, False, True):
        with hold_transaction(on, reading=reading) as connection:
            connection.exec_driver_sql(f"SELECT 'here {reading}'")
    lines: list[str] = []

    def are_logged() -> bool:  # By another process of the server.
        with hold_transaction(looking) as connection:
            log: str = connection.exec_driver_sql("SELECT pg_read_file(pg_current_logfile())").scalar_one()
        lines[:] = [line.removeprefix("LOG:  statement: ") for line in log.splitlines()]
        return lines.count("\tSELECT 'here True'") == 2

    wait_until(are_logged)
    assert lines[lines.index("\tSELECT 'here True'") + 1 :][: 5 + 2 * len(ping)] == [
        *ping,
        f"BEGIN ISOLATION LEVEL READ COMMITTED;{LIMITS}SET LOCAL idle_in_transaction_session_timeout = 30000",
        "SELECT 'here False'",
        "COMMIT",
        *ping,
        f"SET LOCAL transaction_isolation = 'read committed';{LIMITS}",
        "\tSELECT 'here True'",
    ]
    on.dispose()
    looking.dispose()


def test_a_connection_that_was_just_used_and_ended_by_the_server_is_replaced(database_url: str) -> None:
    on, other = (create(urls.parse(database_url, "test")) for _ in range(2))
    ask = sa.text("SELECT pg_backend_pid()")
    with hold_transaction(on) as connection:
        pid = connection.execute(ask).scalar_one()
    with hold_transaction(other) as ending:
        ending.execute(sa.select(sa.func.pg_terminate_backend(pid, 5000)))
    with hold_transaction(on) as connection:
        assert connection.execute(ask).scalar_one() != pid
    on.dispose()
    other.dispose()


@pytest.mark.parametrize("reading", [True, False])
def test_a_connection_that_breaks_is_told_and_replaced(database_url: str, *, reading: bool) -> None:
    on, other = (create(urls.parse(database_url, "test")) for _ in range(2))
    pids = []

    def breaks() -> None:
        with hold_transaction(on, reading=reading) as connection:
            pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            with hold_transaction(other) as ending:
                ending.execute(sa.select(sa.func.pg_terminate_backend(pids[0], 5000)))
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(StorageError, match="Next: check that it runs"):
        breaks()
    with hold_transaction(on, reading=reading) as connection:
        assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() not in pids
    on.dispose()
    other.dispose()


def test_a_database_that_is_read_only_no_longer_takes_writes_at_once(database_url: str) -> None:
    """Sessions keep the default that they began with, and the pool keeps sessions for an hour."""
    url = urls.parse(database_url, "test")
    operator, on = create(url), create(url, pool_size=2)

    def write() -> None:
        with hold_transaction(on) as connection, hold_transaction(on) as other:
            connection.exec_driver_sql("CREATE TABLE by_one (id int)")
            other.exec_driver_sql("CREATE TABLE by_other (id int)")

    def change(setting: str) -> None:
        with hold_transaction(operator) as connection:
            connection.exec_driver_sql("SET LOCAL transaction_read_only = off")
            connection.exec_driver_sql(f'ALTER DATABASE "{url.database}" {setting}')

    change("SET default_transaction_read_only = on")
    with hold_transaction(on, reading=True) as first, hold_transaction(on, reading=True) as other:
        assert [connection.exec_driver_sql("SELECT 1").scalar() for connection in (first, other)] == [1, 1]
    with pytest.raises(StorageError, match="is read-only: cannot execute CREATE TABLE") as raised:
        write()
    assert raised.value.retryable
    with hold_transaction(on, reading=True) as first, hold_transaction(on, reading=True) as other:
        assert [connection.exec_driver_sql("SELECT 1").scalar() for connection in (first, other)] == [1, 1]
    change("RESET default_transaction_read_only")
    with pytest.raises(StorageError, match="is read-only"):
        write()
    write()
    on.dispose()
    operator.dispose()
