"""PgBouncer in transaction mode, as many sites put it before PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tests.services.binaries import program
from tests.services.processes import (
    HOST,
    OwnServer,
    find_unprivileged,
    free_port,
    give,
    listens,
    private_folder,
)

_MAX_CLIENTS = 500


class PgBouncer(OwnServer):
    """Clients of `url` share at most `pool_size` connections to the database, one transaction at a time.

    It logs into the database as the role of the URL that it was given, whoever its clients say they are.
    """

    name = "PgBouncer"

    def __init__(self, database_url: str, pool_size: int) -> None:
        self._program = program("pgbouncer", package="pgbouncer")
        user = find_unprivileged("postgres")
        super().__init__(private_folder("pgbouncer", user), free_port(), user)
        behind = urlsplit(database_url)
        login = unquote(behind.username or "")
        self.url = f"postgresql://{quote(login, safe='')}@{HOST}:{self.port}/{behind.path[1:]}"
        target: dict[str, object] = {
            "host": behind.hostname,
            "port": behind.port or 5432,
            "dbname": unquote(behind.path[1:]),
            "user": login,
            "password": unquote(behind.password or ""),
        }
        words = (f"{name}={_quote(value)}" for name, value in target.items() if value)
        settings: dict[str, object] = {
            "listen_addr": HOST,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": pool_size,
            "max_client_conn": _MAX_CLIENTS,
            "max_prepared_statements": 0,  # as before version 1.21: clients must not rely on them
        }
        lines = ["[databases]", f"* = {' '.join(words)}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        give(self.folder, {"pgbouncer.ini": "\n".join(lines)}, user)

    def command(self) -> list[str | Path]:
        """Return the command that runs PgBouncer in the foreground."""
        return [self._program, self.folder / "pgbouncer.ini"]

    def ready(self) -> bool:
        """Return whether it accepts clients; it connects to the database at their first request."""
        return listens(self.port)


def _quote(value: object) -> str:
    return "'{}'".format(str(value).replace("'", "''"))
