"""PgBouncer in transaction mode: many clients, few connections."""

from __future__ import annotations

from contextlib import ExitStack, closing

import psycopg2

from tests.services.plugin import StartPgBouncer
from tests.services.postgres import OwnPostgres

CLIENTS = 20
POOL = 2


def test_clients_share_the_connections_of_the_pool(database_url: str, pgbouncer: StartPgBouncer) -> None:
    url = pgbouncer(database_url, pool_size=POOL)
    backends = set()
    with ExitStack() as open_clients:
        clients = [open_clients.enter_context(closing(psycopg2.connect(url))) for _ in range(CLIENTS)]
        for _ in range(3):
            for client in clients:
                with client, client.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    backends.update(cursor.fetchall())
        assert len(clients) == CLIENTS
    with closing(psycopg2.connect(database_url)) as direct, direct.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        seen = set(cursor.fetchall()) - {(direct.info.backend_pid,)}
    assert backends <= seen
    assert 1 <= len(seen) <= POOL


def test_a_lock_of_a_session_outlives_its_transaction_on_a_shared_connection(
    database_url: str, pgbouncer: StartPgBouncer
) -> None:
    """What makes transaction mode worth testing with: a session is not a client's own."""
    url = pgbouncer(database_url, pool_size=1)
    with closing(psycopg2.connect(url)) as first, closing(psycopg2.connect(url)) as other:
        locked = []
        for client in (first, other):
            with client, client.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(1)")
                locked += cursor.fetchall()
    assert locked == [(True,), (True,)]


def test_it_logs_in_with_the_password_of_the_url(
    own_postgres: OwnPostgres, pgbouncer: StartPgBouncer
) -> None:
    with own_postgres.server.databases() as databases:
        role = databases.make_role()
        url = pgbouncer(own_postgres.server.build_url(role=role))
        with closing(psycopg2.connect(url)) as client, client.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchall() == [(role.name,)]
