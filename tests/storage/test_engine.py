"""What a transaction costs on the wire, and what it sees."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from lark_provider.core.storage import urls
from lark_provider.core.storage.engine import create, transaction
from lark_provider.core.storage.errors import StorageError
from tests.services.plugin import StartServer
from tests.services.postgres import OwnPostgres


def test_reading_is_a_ping_and_a_statement(start_postgres: StartServer[OwnPostgres]) -> None:
    server = start_postgres({"log_statement": "all", "logging_collector": "on", "log_line_prefix": ""})
    url = urls.parse(server.url, "test")
    on, looking = create(url), create(url)
    for reading in (False, True, False, True):
        with transaction(on, reading=reading) as connection:
            connection.exec_driver_sql(f"SELECT 'here {reading}'")
    with transaction(looking) as connection:
        log = connection.exec_driver_sql("SELECT pg_read_file(pg_current_logfile())").scalar_one()
    lines = [line.removeprefix("LOG:  statement: ") for line in log.splitlines()]
    assert lines[lines.index("SELECT 'here True'") + 1 :][:7] == [
        "SELECT 1",
        "BEGIN",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SELECT 'here False'",
        "COMMIT",
        "SELECT 1",
        "SELECT 'here True'",
    ]
    on.dispose()
    looking.dispose()


@pytest.mark.parametrize("reading", [True, False])
def test_a_connection_that_breaks_is_told_and_replaced(database_url: str, *, reading: bool) -> None:
    on, other = (create(urls.parse(database_url, "test")) for _ in range(2))
    pids = []

    def breaks() -> None:
        with transaction(on, reading=reading) as connection:
            pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            with transaction(other) as ending:
                ending.execute(sa.select(sa.func.pg_terminate_backend(pids[0], 5000)))
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(StorageError, match="Next: check that it runs"):
        breaks()
    with transaction(on, reading=reading) as connection:
        assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() not in pids
    on.dispose()
    other.dispose()
