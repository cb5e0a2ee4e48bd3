"""No statement is waited for indefinitely: not by the server, and not on the socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from lark_provider.engine import fallback_store
from lark_provider.errors import ConfigurationError
from lark_provider.storage import deadlines, migrate, urls, watched
from lark_provider.storage.deadlines import Deadlines, Socket, watchdog
from lark_provider.storage.engine import create, get_engine, hold_transaction
from lark_provider.storage.errors import StorageError
from lark_provider.storage.postgres_storage import PostgresStorage
from lark_provider.storage.token_store import TokenStore
from lark_provider.support import threads
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.services.plugin import StartPgBouncer, StartServer
from tests.services.postgres import OwnPostgres
from tests.services.proxy import Proxy

SHORT = Deadlines(statement=0.6, lock=0.3, idle=0.5, transaction=1.0)
CERTIFICATE = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the deadlines, so that a test can wait for them; each is still enforced by the same code."""
    monkeypatch.setattr(deadlines, "STATEMENT", SHORT)
    monkeypatch.setattr(deadlines, "_GRACE_SECONDS", 0.4)
    monkeypatch.setattr(watched, "PING_SECONDS", 0.5)
    monkeypatch.setattr(deadlines, "_STEP_SECONDS", 0.05)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the key and the certificate of a server that speaks TLS, by the names of their files."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "server.key", folder / "server.crt"
    subprocess.run(  # noqa: S603 - a fixed command
        ["openssl", *CERTIFICATE.split(), "-keyout", files[0], "-out", files[1]],  # noqa: S607 - on PATH
        check=True,
        capture_output=True,
    )
    return {file.name: file.read_text() for file in files}


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, start_postgres: StartServer[OwnPostgres]) -> OwnPostgres:
    """Start a server of the test's own, without TLS and with it in turn."""
    if request.param == "plain":
        return start_postgres()
    return start_postgres({"ssl": "on"}, request.getfixturevalue("tls"))


@pytest.fixture
def on(postgres: URL) -> Iterator[Engine]:
    own_engine = create(postgres)
    yield own_engine
    own_engine.dispose()


@pytest.fixture
def locked(postgres: URL) -> Iterator[None]:
    """Lock a table in another session for as long as the test lasts."""
    with closing(psycopg2.connect(plain(postgres))) as other, other.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS t (n int)")
        other.commit()
        cursor.execute("LOCK TABLE t")
        yield


def plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def ask(on: Engine, statement: str, *, reading: bool = False) -> object:
    with hold_transaction(on, reading=reading) as connection:
        return connection.exec_driver_sql(statement).scalar()


# --- on the server ---


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.usefixtures("short", "locked")
def test_a_locked_table_ends_the_statement_and_not_the_connection(
    on: Engine, postgres: URL, *, reading: bool
) -> None:
    before = ask(on, "SELECT pg_backend_pid()", reading=reading)
    with pytest.raises(StorageError, match=r"lock timeout\. Next: look in pg_stat_activity") as refused:
        ask(on, "SELECT n FROM t", reading=reading)
    assert refused.value.retryable
    assert count_waiting(postgres) == 0
    assert ask(on, "SELECT pg_backend_pid()", reading=reading) == before


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.usefixtures("short")
def test_a_slow_statement_is_ended_by_the_server(on: Engine, *, reading: bool) -> None:
    before = ask(on, "SELECT pg_backend_pid()", reading=reading)
    with pytest.raises(StorageError, match="statement timeout") as refused:
        ask(on, "SELECT pg_sleep(60)", reading=reading)
    assert refused.value.retryable
    assert ask(on, "SELECT pg_backend_pid()", reading=reading) == before


@pytest.mark.usefixtures("short")
def test_a_client_that_stops_inside_a_transaction_holds_its_rows_for_a_limited_time(
    on: Engine, postgres: URL
) -> None:
    def stops() -> None:
        with hold_transaction(on) as connection:
            connection.exec_driver_sql("CREATE TABLE t (n int)")
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with closing(psycopg2.connect(plain(postgres))) as other, other.cursor() as cursor:
                other.autocommit = True

                def is_gone() -> bool:
                    cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid])
                    return cursor.fetchone() is None

                wait_until(is_gone)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(
        StorageError, match=r"was idle for up to \d\.\d s, and the server has ended it\. Next: "
    ) as refused:
        stops()
    assert refused.value.retryable
    assert ask(on, "SELECT to_regclass('t')") is None


@pytest.mark.usefixtures("short")
def test_many_statements_do_not_make_a_transaction_endless(on: Engine) -> None:
    def goes_on() -> None:
        with hold_transaction(on) as connection:
            connection.exec_driver_sql("CREATE TABLE t (n int)")
            began = time.monotonic()
            while time.monotonic() < began + 10:
                connection.exec_driver_sql("SELECT pg_sleep(0.1)")

    with pytest.raises(StorageError, match="transaction has lasted for too long") as refused:
        goes_on()
    assert refused.value.retryable
    assert ask(on, "SELECT to_regclass('t')") is None


@pytest.mark.usefixtures("short", "locked")
def test_behind_pgbouncer_the_limits_hold_and_stay_with_their_transaction(
    postgres: URL, pgbouncer: StartPgBouncer
) -> None:
    behind = urls.parse(pgbouncer(plain(postgres), 1), "test")
    on = create(behind)
    for reading in (True, False):
        with pytest.raises(StorageError, match="lock timeout"):
            ask(on, "SELECT n FROM t", reading=reading)
        assert ask(on, "SELECT 1", reading=reading) == 1
        with closing(psycopg2.connect(plain(behind))) as other, other.cursor() as cursor:
            other.autocommit = True  # over the one connection to the server that we used as well
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute(f"SHOW {name}")
                assert cursor.fetchall() == [("0",)]
    on.dispose()


@pytest.mark.usefixtures("short")
def test_a_locked_table_keeps_no_thread_and_no_backend(postgres: URL) -> None:
    migrate.upgrade(postgres)
    with closing(psycopg2.connect(plain(postgres))) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE tokens")
        store = TokenStore(postgres, "cli_1", "secret")
        futures = [threads.start(lambda: store.get("k", now=0.0)) for _ in range(20)]
        for future in futures:
            assert isinstance(future.exception(30), StorageError)
        assert count_waiting(postgres) == 0
    assert store.get("k", now=0.0) is None


def test_the_database_of_clients_is_given_up_after_the_server_gave_up() -> None:
    assert deadlines.STATEMENT.lock < fallback_store.QUERY_SECONDS


@pytest.mark.usefixtures("short")
def test_a_migration_waits_longer(postgres: URL) -> None:
    migrate.upgrade(postgres, "0002")
    with closing(psycopg2.connect(plain(postgres))) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE card_callbacks")
        migrating = threads.start(lambda: migrate.upgrade(postgres))
        wait_until(lambda: count_waiting(postgres) == 1)
        with pytest.raises(StorageError, match="lock timeout"):
            ask(get_engine(postgres), "SELECT 1 FROM card_callbacks")
        with pytest.raises(TimeoutError):
            migrating.result(2 * SHORT.socket)
        other.rollback()
    migrating.result(30)
    assert migrate.find_differences(postgres) == []


@pytest.mark.usefixtures("short", "locked")
def test_plain_sql_of_the_guide_has_deadlines_that_can_be_set(postgres: URL) -> None:
    with pytest.raises(StorageError, match="lock timeout"):
        PostgresStorage(plain(postgres)).execute("SELECT n FROM t")
    with pytest.raises(StorageError, match="statement timeout"):
        PostgresStorage(plain(postgres)).execute("SELECT pg_sleep(60)")
    patient = PostgresStorage(plain(postgres), statement_timeout=30)
    assert patient.execute("SELECT 1 FROM pg_sleep(1.5)") == [(1,)]
    with pytest.raises(ConfigurationError, match=r"statement_timeout must be above 0 .*, got 0\. Next: "):
        PostgresStorage(plain(postgres), statement_timeout=0)


# --- on the socket ---


def freeze(pid: object) -> Callable[[], None]:
    """Freeze a backend; return what thaws it."""
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, Future[object]]:
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            future.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, future


def ends_in_time(thread: threading.Thread, future: Future[object]) -> None:
    """Check that the waiting thread ends in time, with the error that says what happened."""
    thread.join(20)
    assert not thread.is_alive()
    error = future.exception(0)
    assert isinstance(error, StorageError)
    assert "no answer within" in str(error)
    assert error.retryable


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.usefixtures("short")
def test_a_backend_that_freezes_in_a_statement(server: OwnPostgres, *, reading: bool) -> None:
    on, begun = create(urls.parse(server.url, "test")), threading.Event()
    pids: list[object] = []

    def work() -> None:
        with hold_transaction(on, reading=reading) as connection:
            pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            thaw.append(freeze(pids[0]))
            begun.set()
            connection.exec_driver_sql("SELECT 1")

    thaw: list[Callable[[], None]] = []
    waits = in_thread(work)
    assert begun.wait(20)
    try:
        ends_in_time(*waits)
        assert ask(on, "SELECT pg_backend_pid()", reading=reading) not in pids
    finally:
        thaw[0]()
    on.dispose()


@pytest.mark.usefixtures("short")
def test_a_backend_that_freezes_at_the_commit(server: OwnPostgres) -> None:
    on = create(urls.parse(server.url, "test"))
    thaw: list[Callable[[], None]] = []

    def work() -> None:
        with hold_transaction(on) as connection:
            thaw.append(freeze(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))

    waits = in_thread(work)
    try:
        ends_in_time(*waits)
    finally:
        thaw[0]()
    on.dispose()


@pytest.mark.usefixtures("short")
def test_a_pooled_connection_that_froze_is_replaced_by_the_ping(
    server: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "FRESH_SECONDS", 0.0)
    on = create(urls.parse(server.url, "test"))
    pid = ask(on, "SELECT pg_backend_pid()")
    thaw = freeze(pid)
    thread, future = in_thread(lambda: ask(on, "SELECT pg_backend_pid()"))
    thread.join(20)
    thaw()
    assert future.result(0) not in {pid, None}
    on.dispose()


@pytest.mark.usefixtures("short")
def test_a_pooled_connection_is_pinged_with_the_deadline_of_a_ping_after_a_long_transaction(
    on: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold_transaction(on, limits=deadlines.MAINTENANCE):
        pass
    seconds: list[float] = []
    begin = watchdog.begin

    def begin_timed(connection: deadlines.Cuttable, due: float) -> None:
        seconds.append(due - time.monotonic())
        begin(connection, due)

    monkeypatch.setattr(watched, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(watchdog, "begin", begin_timed)
    on.connect().close()
    assert seconds, "it was pinged"
    assert seconds[0] <= deadlines.PING_SECONDS


def test_a_server_that_freezes_is_used_again_when_it_goes_on(server: OwnPostgres) -> None:
    url = urls.parse(server.url, "test").update_query_dict({"connect_timeout": "2"})
    on = create(url)
    assert ask(on, "SELECT 1") == 1
    server.pause()
    for _ in range(3):
        thread, future = in_thread(lambda: ask(on, "SELECT 1"))
        thread.join(20)
        assert isinstance(future.exception(0), StorageError)
    server.resume()
    wait_until(lambda: in_thread(lambda: ask(on, "SELECT 1"))[1].exception(20) is None)
    on.dispose()


@pytest.mark.usefixtures("short")
def test_a_proxy_that_swallows_data(server: OwnPostgres) -> None:
    with Proxy(server.port) as proxy:
        url = urls.parse(server.url, "test").set(port=proxy.port)
        on = create(url.update_query_dict({"connect_timeout": "2"}))
        swallowed = threading.Event()

        def work() -> None:
            with hold_transaction(on) as connection:
                connection.exec_driver_sql("SELECT 1")
                proxy.swallows = True
                swallowed.set()
                connection.exec_driver_sql("SELECT 1")

        waits = in_thread(work)
        assert swallowed.wait(20)
        ends_in_time(*waits)
        thread, future = in_thread(lambda: ask(on, "SELECT 1"))  # a new connection gets no further either
        thread.join(20)
        assert isinstance(future.exception(0), StorageError)
        proxy.swallows = False
        assert ask(on, "SELECT 1") == 1
        on.dispose()


@pytest.mark.usefixtures("short")
def test_more_than_the_server_reads_is_not_sent_indefinitely(server: OwnPostgres) -> None:
    on = create(urls.parse(server.url, "test"))
    thaw: list[Callable[[], None]] = []

    def work() -> None:
        with hold_transaction(on) as connection:
            thaw.append(freeze(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))
            connection.exec_driver_sql(f"SELECT '{'x' * 50_000_000}'")

    waits = in_thread(work)
    try:
        ends_in_time(*waits)
    finally:
        thaw[0]()
    on.dispose()


# --- the watchdog ---


def test_the_watchdog_ends_when_nothing_is_asked(on: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_STEP_SECONDS", 0.01)
    monkeypatch.setattr(deadlines, "_IDLE_STEPS", 3)

    def dogs() -> int:
        return sum(thread.name == "lark-deadlines" for thread in threading.enumerate())

    for _ in range(2):
        wait_until(lambda: dogs() == 0)
        assert ask(on, "SELECT 1") == 1
        assert dogs() == 1
    wait_until(lambda: dogs() == 0)


def test_without_room_for_a_thread_statements_go_on(on: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(deadlines, "watchdog", deadlines.Watchdog())
    monkeypatch.setattr(watched, "watchdog", deadlines.watchdog)
    monkeypatch.setattr(threading.Thread, "start", fails)
    assert ask(on, "SELECT 1") == 1
    assert not deadlines.watchdog._calls


def test_a_descriptor_that_is_another_file_by_now_is_left_alone(tmp_path: Path) -> None:
    (first, other), (again, peer) = socket.socketpair(), socket.socketpair()
    watched_socket, number = Socket(first.fileno()), first.fileno()
    first.close()
    watched_socket.shut_down()  # it is nothing now
    os.dup2(again.fileno(), number)  # as if another thread had opened it
    watched_socket.shut_down()
    peer.sendall(b"x")
    assert again.recv(1) == b"x"
    with (tmp_path / "file").open("w") as file:
        os.dup2(file.fileno(), number)
        watched_socket.shut_down()
    os.close(number)
    for sock in (other, again, peer):
        sock.close()


def test_a_forked_child_has_a_watchdog_of_its_own(postgres: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    on = create(postgres)
    assert ask(on, "SELECT 1") == 1
    monkeypatch.setattr(deadlines, "STATEMENT", SHORT)
    monkeypatch.setattr(deadlines, "_GRACE_SECONDS", -0.4)  # the socket's deadline comes first
    with watchdog._lock:  # as if another thread were beginning a call at that moment
        child = os.fork()
    if child == 0:
        try:
            with pytest.raises(StorageError, match="no answer within"):
                ask(create(postgres), "SELECT pg_sleep(60)")
        except BaseException:  # noqa: BLE001 - a child must not run the parent's tests
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(on, "SELECT 1") == 1
    on.dispose()


def test_a_file_that_is_written_elsewhere_is_waited_for_in_bounded_time(
    sqlite: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lark_provider.storage import engine as engines

    migrate.upgrade(sqlite)
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.2)
    on = create(sqlite)
    with hold_transaction(get_engine(sqlite)) as writing:
        writing.execute(sa.text("SELECT 1"))
        with pytest.raises(StorageError, match="written by another process") as refused:
            ask(on, "SELECT 1")
    assert refused.value.retryable
