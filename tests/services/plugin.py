"""The services as pytest fixtures. Nothing is looked for, or started, before a test asks for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import pytest

from tests.services import postgres
from tests.services.finding import Found, ServiceMissingError, UnavailableError
from tests.services.postgres import Databases, OwnPostgres, PostgresServer

ENVIRONMENT = dict(os.environ)  # before any test changes it
_taken: list[str] = []
_Server = TypeVar("_Server")


def pytest_configure() -> None:
    """End on SIGTERM as on an interrupt: with all clean-up, so that no server is left running."""
    owner = os.getpid()

    def terminated(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == owner:
            pytest.exit("terminated", returncode=128 + number)
        signal.signal(number, signal.SIG_DFL)  # a child that a test forked
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, terminated)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once which services the run took."""
    for line in _taken:
        terminalreporter.write_line(line)


def _take(find: Callable[[Mapping[str, str]], Found[_Server]]) -> _Server:
    try:
        found = find(ENVIRONMENT)
    except ServiceMissingError as missing:
        _refuse(missing)
    _taken.append(str(found))
    return found.server


def _refuse(missing: Exception) -> NoReturn:
    """A missing service fails the tests that need it, and in CI the run at once. It never skips."""
    if ENVIRONMENT.get("CI") == "true":
        pytest.exit(str(missing), returncode=pytest.ExitCode.TESTS_FAILED)
    pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The shared PostgreSQL and a role on it that may make databases and roles."""
    return _take(postgres.find)


@pytest.fixture
def databases(postgres_server: PostgresServer) -> Iterator[Databases]:
    """Makes databases and roles for one test (`make`, `make_role`) and drops them after it."""
    with postgres_server.databases() as made:
        yield made


@pytest.fixture
def database_url(databases: Databases) -> str:
    """The URL of an empty database of the test's own."""
    return databases.make()


class StartPostgres(Protocol):
    """Starts a server with settings of postgresql.conf and files in its data folder."""

    def __call__(self, settings: Mapping[str, str] = ..., files: Mapping[str, str] = ...) -> OwnPostgres: ...


@pytest.fixture
def start_postgres() -> Iterator[StartPostgres]:
    """Starts PostgreSQL servers of the test's own, which are gone after it."""
    started: list[OwnPostgres] = []

    def start(settings: Mapping[str, str] = {}, files: Mapping[str, str] = {}) -> OwnPostgres:
        try:
            server = OwnPostgres(settings, files)
        except UnavailableError as reason:
            _refuse(reason)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def own_postgres(start_postgres: StartPostgres) -> OwnPostgres:
    """A running PostgreSQL of the test's own, to stop, kill, pause and start again."""
    return start_postgres()
