"""The services as pytest fixtures. Nothing is looked for, or started, before a test asks for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import pytest

from tests.services import binaries, postgres, rabbitmq
from tests.services.finding import Found, ServiceMissingError, UnavailableError
from tests.services.pgbouncer import PgBouncer
from tests.services.postgres import Databases, OwnPostgres, PostgresServer
from tests.services.processes import OwnServer, clean_up_now
from tests.services.prometheus import OwnPrometheus
from tests.services.rabbitmq import OwnRabbit, RabbitServer

ENVIRONMENT = dict(os.environ)  # before any test changes it
_said: list[str] = []
_FIXTURES = {
    "postgres_server",
    "start_postgres",
    "pgbouncer",
    "rabbitmq_server",
    "start_rabbitmq",
    "start_prometheus",
    "browser",
    "chromium",
}
Shared = TypeVar("Shared")
Own_co = TypeVar("Own_co", bound=OwnServer, covariant=True)


def pytest_configure() -> None:
    """End on SIGTERM as on an interrupt: with all clean-up, so that no server is left running."""
    owner = os.getpid()

    def terminate(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == owner:
            pytest.exit("terminated", returncode=128 + number)
        signal.signal(number, signal.SIG_DFL)  # a child that a test forked
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, terminate)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say before the first test what is not installed, if a test that was collected may need it."""
    used = {fixture for item in session.items for fixture in getattr(item, "fixturenames", ())}
    absent = binaries.missing() if used & _FIXTURES else {}
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if absent and reporter is not None:
        reporter.write_line(
            f"Not installed on this machine: {', '.join(absent)}. Tests that need them fail. Next: "
            f"install them (Debian: sudo apt-get install {' '.join(absent.values())})."
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Stop the servers that tests have shared, once their fixtures have ended."""
    clean_up_now()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once which services the run took, and what else there is to say of them."""
    for line in _said:
        terminalreporter.write_line(line)


def _take(find: Callable[[Mapping[str, str]], Found[Shared]]) -> Shared:
    try:
        service = find(ENVIRONMENT)
    except ServiceMissingError as missing:
        _refuse(missing)
    _said.append(str(service))
    return service.server


def _refuse(missing: Exception) -> NoReturn:
    """Fail a test that needs a missing service, or in CI the whole run; never skip it."""
    if ENVIRONMENT.get("CI") == "true":
        pytest.exit(str(missing), returncode=pytest.ExitCode.INTERRUPTED)  # not repeated by `make test`
    pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def say() -> Callable[[str], None]:
    """Return a function that adds a line to the end of the run's report."""
    return _said.append


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """Return the shared PostgreSQL with a role on it that may make databases and roles."""
    return _take(postgres.find)


@pytest.fixture
def databases(postgres_server: PostgresServer) -> Iterator[Databases]:
    """Yield a factory of databases and roles (`make`, `make_role`) for one test, and drop them after it."""
    with postgres_server.databases() as factory:
        yield factory


@pytest.fixture
def database_url(databases: Databases) -> str:
    """Create an empty database of the test's own, and return its URL."""
    return databases.make()


class StartServer(Protocol[Own_co]):
    """Starts a server with settings as in its own configuration file, and with files beside that."""

    def __call__(self, settings: Mapping[str, str] = ..., files: Mapping[str, str] = ...) -> Own_co:
        """Return the server when it serves."""


@contextmanager
def _starting(
    make: Callable[[Mapping[str, str], Mapping[str, str]], Own_co],
) -> Iterator[StartServer[Own_co]]:
    with ExitStack() as started:

        def start(settings: Mapping[str, str] = {}, files: Mapping[str, str] = {}) -> Own_co:
            try:
                server = make(settings, files)
            except UnavailableError as reason:
                _refuse(reason)
            started.callback(server.close)
            return server.start()

        yield start


@pytest.fixture
def start_postgres() -> Iterator[StartServer[OwnPostgres]]:
    """Yield a function that starts PostgreSQL servers of the test's own, and remove them after it."""
    with _starting(OwnPostgres) as start:
        yield start


@pytest.fixture
def own_postgres(start_postgres: StartServer[OwnPostgres]) -> OwnPostgres:
    """Start a PostgreSQL of the test's own, to stop, kill, pause and start again."""
    return start_postgres()


class StartPgBouncer(Protocol):
    """Puts a PgBouncer before a database."""

    def __call__(self, url: str, pool_size: int = ...) -> str:
        """Return the URL of the database behind PgBouncer."""


@pytest.fixture
def pgbouncer() -> Iterator[StartPgBouncer]:
    """Yield a function that starts PgBouncers in transaction mode, and remove them after the test."""
    with ExitStack() as started:

        def start(url: str, pool_size: int = 2) -> str:
            try:
                bouncer = PgBouncer(url, pool_size)
            except UnavailableError as reason:
                _refuse(reason)
            started.callback(bouncer.close)
            return bouncer.start().url

        yield start


@pytest.fixture(scope="session")
def rabbitmq_server() -> RabbitServer:
    """Return the shared RabbitMQ, on which tests may make virtual hosts."""
    return _take(rabbitmq.find)


@pytest.fixture(name="rabbitmq")
def rabbitmq_url(rabbitmq_server: RabbitServer) -> Iterator[str]:
    """Create an empty virtual host of the test's own, yield its URL, and delete it after the test."""
    with rabbitmq_server.vhost() as url:
        yield url


@pytest.fixture
def start_rabbitmq() -> Iterator[StartServer[OwnRabbit]]:
    """Yield a function that starts RabbitMQ nodes of the test's own, and remove them after it."""
    with _starting(OwnRabbit) as start:
        yield start


@pytest.fixture
def own_rabbitmq(start_rabbitmq: StartServer[OwnRabbit]) -> OwnRabbit:
    """Start a RabbitMQ node of the test's own, to stop, kill, pause and start again."""
    return start_rabbitmq()


@pytest.fixture
def start_prometheus() -> Iterator[StartServer[OwnPrometheus]]:
    """Yield a function that starts Prometheus servers of the test's own, configured by files."""
    with _starting(OwnPrometheus) as start:
        yield start
