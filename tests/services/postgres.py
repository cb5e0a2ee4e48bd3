"""PostgreSQL for the tests: one shared server with a database for each test, and servers of a test's own."""

from __future__ import annotations

import ctypes
import functools
import os
import pwd
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import psycopg2
from psycopg2 import extensions

from tests.services import compose
from tests.services.binaries import POSTGRES_FOLDERS, program
from tests.services.finding import Candidate, Found, UnavailableError, first
from tests.services.processes import (
    HOST,
    OwnServer,
    find_unprivileged,
    free_port,
    give,
    private_folder,
    run_as,
)

DEFAULT_PORT = 5432
NEXT_STEP = (
    "install PostgreSQL 15 or later (Debian, Ubuntu: apt-get install postgresql), or set "
    "LARK_TEST_DATABASE_URL to a server on which the tests may make databases and roles."
)
OLDEST = 150000
# Fast to start; commits outlive SIGKILL, not a power cut. Shared memory in files goes with the folder.
_SETTINGS = {
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "max_wal_size": "64MB",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
}
_LOGINS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_SHARED_MEMORY_LINE = 6  # of postmaster.pid: key and id
_REMOVE = 0  # IPC_RMID
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


@dataclass(frozen=True)
class Role:
    """A login role that a test made."""

    name: str
    password: str


@dataclass(frozen=True)
class PostgresServer:
    """A server and a role on it that may make databases and roles."""

    host: str
    port: int
    user: str
    password: str = ""
    maintenance: str = "postgres"

    def __str__(self) -> str:
        with closing(self.connect()) as connection:
            version = connection.server_version
        return f"PostgreSQL {version // 10000}.{version % 10000} at {self.host}:{self.port}"

    def build_url(self, database: str | None = None, role: Role | None = None) -> str:
        """Return the URL of a database, by default the maintenance database, as `user` or a role."""
        user, password = (self.user, self.password) if role is None else (role.name, role.password)
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database or self.maintenance, safe='')}"

    def connect(self, database: str | None = None) -> extensions.connection:
        """Connect, committing each statement at once."""
        connection = psycopg2.connect(self.build_url(database), connect_timeout=5)
        connection.autocommit = True
        return connection

    def execute(self, statement: str, database: str | None = None) -> None:
        """Run one statement outside a transaction."""
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    @contextmanager
    def databases(self) -> Iterator[Databases]:
        """Make databases and roles for one test, and drop them afterwards."""
        databases = Databases(self)
        try:
            yield databases
        finally:
            databases.drop()


class Databases:
    """Databases and roles of one test."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._databases: list[str] = []
        self._roles: list[str] = []

    def make(self, template: str = "template0") -> str:
        """Create an empty database, or a copy of one that has no connections, and return its URL."""
        name = f"lark_test_{secrets.token_hex(8)}"
        self.server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._databases.append(name)
        return self.server.build_url(name)

    def make_role(self, attributes: str = "LOGIN") -> Role:
        """Create a role with a password. Where the server trusts local users, any password opens it."""
        role = Role(f"lark_test_{secrets.token_hex(8)}", secrets.token_urlsafe())
        self.server.execute(f"""CREATE ROLE "{role.name}" {attributes} PASSWORD '{role.password}'""")
        self._roles.append(role.name)
        return role

    def drop(self) -> None:
        """Drop all of them, closing their connections; databases first, since they depend on roles."""
        for name in self._databases:
            self.server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for name in self._roles:
            self.server.execute(f'DROP ROLE IF EXISTS "{name}"')


class OwnPostgres(OwnServer):
    """A server of a test's own, on loopback. Its superuser needs no password, every other role does."""

    name = "PostgreSQL"

    def __init__(self, settings: Mapping[str, str] = {}, files: Mapping[str, str] = {}) -> None:
        user = find_unprivileged("postgres")
        super().__init__(private_folder("postgres", user), free_port(), user)
        self.server = PostgresServer(HOST, self.port, "postgres")
        self.url = self.server.build_url()
        self._settings = settings
        self._data = self.folder / "data"
        run_as(user, ["cp", "-a", _initialise(), self._data])
        give(self._data, files, user)

    def command(self) -> list[str | Path]:
        """Return the command that runs `postgres`, with settings on its command line."""
        ours = {"port": str(self.port), "listen_addresses": HOST}
        settings = {**_SETTINGS, "unix_socket_directories": "", **self._settings, **ours}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [_binaries() / "postgres", "-D", self._data, *words]

    def ready(self) -> bool:
        """Return whether it accepts a connection."""
        try:
            self.server.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop it as pg_ctl does: smart waits for clients, fast ends them, immediate is a crash."""
        self.end(_SIGNALS[mode])

    def close(self) -> None:
        """Kill it, and remove its folder and the shared memory that it would have found at its next start."""
        with suppress(FileNotFoundError):  # it was stopped in good order
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            if len(lines) > _SHARED_MEMORY_LINE:
                segment = int(lines[_SHARED_MEMORY_LINE].split()[1])
                self._kill_if_running()
                ctypes.CDLL(None).shmctl(segment, _REMOVE, None)
        super().close()


def find(environ: Mapping[str, str]) -> Found[PostgresServer]:
    """Find the PostgreSQL of this test run."""
    return first("PostgreSQL", candidates(environ, DEFAULT_PORT), NEXT_STEP)


def candidates(environ: Mapping[str, str], port: int) -> list[Candidate[PostgresServer]]:
    """Return the ways to PostgreSQL in their order.

    One that is started for this run comes before one that runs already: it need not write to the disk before
    it answers, so that a test has its database in a fifth of the time.
    """
    named = [Candidate(name, partial(_usable, server)) for name, server in servers_named_by(environ).items()]
    return [
        *named,
        Candidate("started for this run", lambda: OwnPostgres().start().server),
        Candidate("default port", partial(_on_default_port, port)),
        Candidate("Docker Compose", _start_composed),
    ]


def servers_named_by(environ: Mapping[str, str]) -> dict[str, PostgresServer]:
    """Return the servers that the environment names, by the variable that does."""
    servers = {}
    if url := environ.get("LARK_TEST_DATABASE_URL"):
        parts = urlsplit(url)
        servers["LARK_TEST_DATABASE_URL"] = PostgresServer(
            parts.hostname or HOST,
            parts.port or DEFAULT_PORT,
            unquote(parts.username or _own_name()),
            unquote(parts.password or ""),
            unquote(parts.path.removeprefix("/")) or "postgres",
        )
    names = [name for name in ("HOST", "PORT", "DB", "USER", "PASSWORD") if environ.get(f"POSTGRES_{name}")]
    if names:
        settings = {name: environ[f"POSTGRES_{name}"] for name in names}
        servers[f"POSTGRES_{names[0]}"] = PostgresServer(
            settings.get("HOST", "localhost"),
            int(settings.get("PORT", DEFAULT_PORT)),
            settings.get("USER", "lark"),
            settings.get("PASSWORD", ""),
            settings.get("DB", "lark_service"),
        )
    return servers


def _on_default_port(port: int) -> PostgresServer:
    try:
        return _usable(PostgresServer(HOST, port, _own_name()))
    except UnavailableError:
        return _usable(PostgresServer(HOST, port, "postgres"))


def _usable(server: PostgresServer) -> PostgresServer:
    try:
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper OR rolcreatedb AND rolcreaterole FROM pg_roles WHERE rolname = current_user"
            )
            allowed = cursor.fetchall() == [(True,)]
            version = connection.server_version
    except psycopg2.OperationalError as error:
        raise UnavailableError(str(error).splitlines()[0]) from None
    if version < OLDEST:
        raise UnavailableError(f"version {version // 10000} is older than {OLDEST // 10000}")
    if not allowed:
        raise UnavailableError(f"{server.user} may not make databases and roles")
    return server


def _start_composed() -> PostgresServer:
    compose.up("postgres")
    port = compose.port("postgres", 5432)
    return PostgresServer(HOST, port, compose.USER, compose.PASSWORD, "lark_service")


def _own_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _binaries() -> Path:
    return program("initdb", package="postgresql", folders=POSTGRES_FOLDERS).resolve().parent


@functools.cache
def _initialise() -> Path:
    """Make a data folder once, to be copied for each server: six times as fast."""
    user = find_unprivileged("postgres")
    data = private_folder("initdb", user) / "data"
    words = ["--no-sync", "--wal-segsize=1", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
    run_as(user, [_binaries() / "initdb", *words, "-D", data])
    (data / "pg_hba.conf").write_text(_LOGINS)
    return data
