"""Which service the tests take: the order as pure functions, and whole runs where nothing is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.failures.waiting import wait_until
from tests.services import binaries, postgres, rabbitmq
from tests.services.finding import Candidate, ServiceMissingError, UnavailableError, first
from tests.services.postgres import PostgresServer
from tests.services.processes import alive

ROOT = Path(__file__).parents[2]
LayOut = Callable[[str, str], list[str]]
RUNNING, STARTED, COMPOSED = "default port", "started for this run", "Docker Compose"


def test_the_first_candidate_that_can_be_had_is_taken_and_later_ones_are_not_touched() -> None:
    touched = []

    def take(name: str, *, refuse: bool = False) -> Candidate[str]:
        def take() -> str:
            touched.append(name)
            if refuse:
                raise UnavailableError(f"no {name}")
            return name.upper()

        return Candidate(name, take)

    service = first("Service", [take("a", refuse=True), take("b"), take("c")], "install it.")
    assert (service.server, service.how, service.refused) == ("B", "b", ("a: no a",))
    assert str(service) == "B (b; a: no a)"
    assert touched == ["a", "b"]
    with pytest.raises(ServiceMissingError) as missing:
        first("Service", [take("a", refuse=True), take("b", refuse=True)], "install it.")
    assert str(missing.value) == "No Service for the tests (a: no a; b: no b). Next: install it."


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, {}),
        ({"POSTGRES_HOST": ""}, {}),
        ({"POSTGRES_PASSWORD": "p"}, {"POSTGRES_PASSWORD": ("localhost", 5432, "lark", "p", "lark_service")}),
        (
            {"POSTGRES_HOST": "h", "POSTGRES_PORT": "1", "POSTGRES_USER": "u", "POSTGRES_DB": "d"},
            {"POSTGRES_HOST": ("h", 1, "u", "", "d")},
        ),
        (
            {"POSTGRES_HOST": "h", "LARK_TEST_DATABASE_URL": "postgresql://u%40:p%2F@[::1]:2/d%20"},
            {
                "LARK_TEST_DATABASE_URL": ("::1", 2, "u@", "p/", "d "),
                "POSTGRES_HOST": ("h", 5432, "lark", "", "lark_service"),
            },
        ),
    ],
)
def test_postgres_is_looked_for_where_the_environment_says_and_then_elsewhere(
    environ: dict[str, str], named: dict[str, tuple[str, int, str, str, str]]
) -> None:
    servers = {name: PostgresServer(*parts) for name, parts in named.items()}
    assert postgres.servers_named_by(environ) == servers
    assert [candidate.how for candidate in postgres.candidates(environ, 5432)] == [
        *named,
        STARTED,
        RUNNING,
        COMPOSED,
    ]


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, {}),
        ({"RABBITMQ_USER": "u"}, {"RABBITMQ_USER": "amqp://u:guest@localhost:5672/%2F"}),
        (
            {
                "RABBITMQ_HOST": "h",
                "RABBITMQ_PASSWORD": "@/",
                "RABBITMQ_VHOST": "v/w",
                "RABBITMQ_TLS": "true",
            },
            {"RABBITMQ_HOST": "amqps://guest:%40%2F@h:5671/v%2Fw"},
        ),
        (
            {"RABBITMQ_PORT": "1", "RABBITMQ_TLS": "0", "RABBITMQ_URL": "amqp://x"},
            {"RABBITMQ_URL": "amqp://x", "RABBITMQ_PORT": "amqp://guest:guest@localhost:1/%2F"},
        ),
    ],
)
def test_rabbitmq_is_looked_for_where_the_environment_says_and_then_elsewhere(
    environ: dict[str, str], named: dict[str, str]
) -> None:
    assert rabbitmq.urls_named_by(environ) == named
    assert [candidate.how for candidate in rabbitmq.candidates(environ, 5672)] == [
        *named,
        RUNNING,
        STARTED,
        COMPOSED,
    ]


def test_a_server_on_which_the_tests_may_not_make_databases_is_refused(
    postgres_server: PostgresServer,
) -> None:
    with postgres_server.databases() as databases:
        role = databases.make_role()
        url = postgres_server.build_url(role=role)
        named, *_ = postgres.candidates({"LARK_TEST_DATABASE_URL": url}, 1)
        with pytest.raises(UnavailableError, match=f"{role.name} may not make databases and roles"):
            named.take()


def test_a_program_that_is_nowhere_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "install", lambda _: None)
    with pytest.raises(
        UnavailableError, match=r"no-such-server is not installed .*apt-get install no-such-pa"
    ):
        binaries.program("no-such-server", package="no-such-package")


@pytest.fixture
def inner(tmp_path: Path) -> LayOut:
    """Return a function that writes a test run without servers at default ports, and returns its command."""

    def lay_out(conftest: str, tests: str) -> list[str]:
        nowhere = "from tests.services import binaries, postgres, rabbitmq\n"
        nowhere += "postgres.DEFAULT_PORT = rabbitmq.DEFAULT_PORT = 1\n"
        plugins = 'pytest_plugins = ["tests.services.plugin"]\n'
        (tmp_path / "conftest.py").write_text(nowhere + plugins + textwrap.dedent(conftest))
        (tmp_path / "test_inner.py").write_text(textwrap.dedent(tests))
        (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
        return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]

    return lay_out


def run(command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("POSTGRES", "RABBITMQ"))
    }
    return subprocess.run(  # noqa: S603 - our own interpreter
        command, env={**ours, "CI": "", **environ}, capture_output=True, text=True, check=False
    )


def test_where_nothing_is_there_servers_are_started_named_and_ended(inner: LayOut, tmp_path: Path) -> None:
    tests = f"""
        import os, psycopg2
        from pathlib import Path
        from tests.services.processes import tree
        from tests.services.rabbitmq import connect

        def test_both(database_url, rabbitmq):
            psycopg2.connect(database_url).close()
            connect(rabbitmq).close()
            Path({str(tmp_path)!r}, "pids").write_text(" ".join(map(str, tree(os.getpid())[1:])))
    """
    done = run(inner("", tests), POSTGRES_HOST="127.0.0.1", POSTGRES_PORT="1", RABBITMQ_PORT="1")
    assert done.returncode == 0, done.stdout + done.stderr
    postgres_line, rabbitmq_line = (line for line in done.stdout.splitlines() if " at 127.0.0.1:" in line)
    assert postgres_line.startswith("PostgreSQL 1")
    assert "(started for this run; POSTGRES_HOST: connection to server at" in postgres_line
    assert rabbitmq_line.startswith("RabbitMQ ")
    assert "(started for this run; RABBITMQ_PORT: no login" in rabbitmq_line
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) > 2
    assert not any(alive(pid) for pid in pids)


NOTHING = """
    binaries._look = lambda name, folders: None
    binaries.install = lambda package: None
"""
NEEDY = """
    def test_plain(): pass
    def test_shared_postgres(database_url): pass
    def test_shared_rabbitmq(rabbitmq): pass
    def test_own_postgres(start_postgres): start_postgres()
    def test_pgbouncer(pgbouncer): pgbouncer("postgresql://u@h/d")
"""


def test_where_nothing_can_be_had_tests_fail_and_say_what_to_install(inner: LayOut) -> None:
    done = run(inner(NOTHING, NEEDY), PATH="/nowhere")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 1 passed, 2 errors" in done.stdout
    for sentence in (
        "No PostgreSQL for the tests (started for this run: initdb is not installed (Debian, Ubuntu: apt-get",
        "default port: connection",
        "Docker Compose: docker-compose is not installed",
        "Next: install PostgreSQL 15 or later (Debian, Ubuntu: apt-get install postgresql)",
        "Next: install RabbitMQ (Debian, Ubuntu: apt-get install rabbitmq-server)",
        "pgbouncer is not installed (Debian, Ubuntu: apt-get install pgbouncer)",
    ):
        assert sentence in done.stdout


def test_what_is_not_installed_is_said_before_the_first_test(inner: LayOut) -> None:
    done = run(inner(NOTHING, NEEDY), PATH="/nowhere")
    first_line = done.stdout.splitlines()[0]
    assert first_line == (
        "Not installed on this machine: PostgreSQL, RabbitMQ, PgBouncer, Prometheus, Chromium. Tests that "
        "need them fail. Next: install them (Debian: sudo apt-get install postgresql rabbitmq-server "
        "pgbouncer prometheus chromium)."
    )
    assert "Not installed" not in run(inner(NOTHING, "def test_plain(): pass"), PATH="/nowhere").stdout
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert "sudo apt-get install postgresql rabbitmq-server pgbouncer prometheus chromium`" in readme
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "--no-install-recommends postgresql rabbitmq-server pgbouncer prometheus\n" in ci
    container = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    assert "--no-install-recommends postgresql rabbitmq-server pgbouncer prometheus chromium &&" in container


def test_in_ci_a_missing_service_ends_the_run(inner: LayOut) -> None:
    done = run(inner(NOTHING, NEEDY), PATH="/nowhere", CI="true")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Exit: No PostgreSQL for the tests (started for this run: initdb" in done.stdout
    assert "1 passed in" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_server_and_no_database(
    inner: LayOut, tmp_path: Path, postgres_server: PostgresServer, number: signal.Signals
) -> None:
    tests = f"""
        import os, time
        from pathlib import Path
        from tests.services.postgres import _initialise
        from tests.services.processes import tree

        def test_long(database_url, own_postgres):
            written = Path({str(tmp_path)!r}, "written")
            folders = own_postgres.folder, _initialise().parent
            lines = database_url, " ".join(map(str, folders)), *map(str, tree(own_postgres.pid))
            written.write_text("\\n".join(lines))
            written.rename(written.with_name("ready"))
            time.sleep(60)
    """
    command = inner("", tests)
    environ = {**os.environ, "LARK_TEST_DATABASE_URL": postgres_server.build_url()}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own interpreter
    with process:
        while not (tmp_path / "ready").exists():
            with pytest.raises(subprocess.TimeoutExpired):  # it does not end on its own
                process.wait(0.05)
        url, line, *pids = (tmp_path / "ready").read_text().splitlines()
        folders = [Path(folder) for folder in line.split()]
        process.send_signal(number)
        printed, _ = process.communicate()
    if number == signal.SIGKILL:  # What it had no time for is done a moment later, by another process.
        wait_until(lambda: not any(alive(int(pid)) for pid in pids) and not any(map(Path.exists, folders)))
        return
    assert process.returncode == 128 + signal.SIGTERM, printed
    assert not any(alive(int(pid)) for pid in pids)
    assert not any(map(Path.exists, folders))
    with pytest.raises(psycopg2.OperationalError, match="does not exist"), closing(psycopg2.connect(url)):
        pass
