"""A consumer that is stopped, killed, or loses its broker or its database: every event is handled."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import consumer as consumers
from lark_provider.callbacks.broker.consumer import consume
from lark_provider.callbacks.broker.dedup import HandledEvents
from lark_provider.callbacks.broker.topology import EVENTS
from lark_provider.errors import StorageError
from lark_provider.protocol.callbacks import Event
from lark_provider.storage import deadlines
from lark_provider.storage.deadlines import Deadlines
from lark_provider.storage.engine import get_engine
from lark_provider.support.throttle import Throttle
from tests.callbacks import mq
from tests.callbacks.consuming import Seen, consuming, fail, make_event, send
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.postgres import Databases, OwnPostgres
from tests.services.rabbitmq import OwnRabbit

ROOT = Path(__file__).parents[2]


# --- ending ---


def test_it_ends_while_a_retry_is_due_later_and_gives_the_event_back(rabbitmq: str) -> None:
    send(rabbitmq, *map(make_event, ["bad", "good"]))
    seen = Seen(lambda event: fail() if event.event_id == "bad" else None)
    with consuming(rabbitmq, seen, pause=1000):
        wait_until(lambda: seen.ids == ["bad", "good"])
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["bad"]


def test_a_handler_that_runs_may_finish_and_no_other_begins(rabbitmq: str) -> None:
    send(rabbitmq, *map(make_event, ["a", "b"]))
    running, release = threading.Event(), threading.Event()

    def handle(_: Event) -> None:
        running.set()
        assert release.wait(mq.LIMIT)

    seen = Seen(handle)
    with consuming(rabbitmq, seen):
        assert running.wait(mq.LIMIT)
        threading.Timer(0.3, release.set).start()
    assert seen.ids == ["a"]
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["b"]


def test_an_exit_of_the_handlers_own_ends_it(rabbitmq: str) -> None:
    send(rabbitmq, make_event("a"))
    with pytest.raises(SystemExit):
        consume(lambda _: sys.exit(3), broker=mq.at(rabbitmq))
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["a"]


SCRIPT = """
import os, signal, sys, time
from lark_provider.callbacks.broker.consumer import consume

def handle(event):
    print("begin", event.event_id, flush=True)
    if event.event_id == "deadly" and sys.argv[2] == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(sys.argv[1]))
    print("end", event.event_id, flush=True)

consume(handle)
print("ended", flush=True)
"""


@contextmanager
def process(
    url: str, seconds: float, *, mode: str = "", database: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """Run a user's script that consumes, as a process."""
    environ = {"RABBITMQ_URL": url, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    if database:
        environ["LARK_DATABASE_URL"] = database
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", SCRIPT, str(seconds), mode],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def read_lines(running: subprocess.Popen[str], count: int) -> list[str]:
    assert running.stdout is not None
    return [running.stdout.readline().strip() for _ in range(count)]


@pytest.mark.parametrize("busy", [True, False])
def test_sigterm_lets_the_handler_finish_and_ends_well(rabbitmq: str, busy: bool) -> None:
    send(rabbitmq, *map(make_event, ["a", "b"] if busy else ["a"]))
    with process(rabbitmq, 0.5 if busy else 0) as running:
        assert read_lines(running, 1) == ["begin a"]
        if not busy:
            assert read_lines(running, 1) == ["end a"]
            wait_until(lambda: mq.drain(rabbitmq, EVENTS) == [])
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=mq.LIMIT)
    assert out.split() == (["end", "a", "ended"] if busy else ["ended"])
    assert running.returncode == 0
    (line,) = err.splitlines()  # a service says where it is connected, and has nothing to complain of
    assert " INFO lark_provider.callbacks.broker.link: Connected to RabbitMQ" in line
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == (["b"] if busy else [])


def test_killed_while_it_handles_an_event_it_comes_again(rabbitmq: str, database: URL) -> None:
    database_url = database.render_as_string(hide_password=False)
    send(rabbitmq, *map(make_event, ["a", "deadly", "b"]))
    with process(rabbitmq, 0, mode="deadly", database=database_url) as running:
        out, _ = running.communicate(timeout=mq.LIMIT)
    assert running.returncode == -signal.SIGKILL
    assert out.split("\n")[:3] == ["begin a", "end a", "begin deadly"]
    seen = Seen()
    with consuming(rabbitmq, seen, database_url=database_url):
        wait_until(lambda: sorted(seen.ids) == ["b", "deadly"])
    assert mq.drain(rabbitmq, EVENTS) == []


def test_several_processes_share_the_events(rabbitmq: str) -> None:
    names = [f"e{n}" for n in range(200)]
    both = Seen(lambda _: time.sleep(0.001)), Seen(lambda _: time.sleep(0.001))
    with consuming(rabbitmq, both[0]), consuming(rabbitmq, both[1]):
        send(rabbitmq, *map(make_event, names))
        wait_until(lambda: len(both[0].ids) + len(both[1].ids) == 200)
    assert sorted(both[0].ids + both[1].ids) == sorted(names)
    assert both[0].ids
    assert both[1].ids


# --- under failure ---


def test_a_slow_handler_costs_no_connection(rabbitmq: str, caplog: pytest.LogCaptureFixture) -> None:
    send(rabbitmq, *map(make_event, ["a", "b"]))
    seen = Seen(lambda event: time.sleep(4) if event.event_id == "a" else None)  # the heartbeat is a second
    with caplog.at_level("INFO", "lark_provider"), consuming(rabbitmq, seen, heartbeat=1):
        wait_until(lambda: seen.ids == ["a", "b"])
    assert caplog.text.count("Connected to") == 1
    assert "connection failed" not in caplog.text
    assert mq.drain(rabbitmq, EVENTS) == []


def test_a_broker_that_goes_and_comes_back(node: OwnRabbit) -> None:
    url = node.url
    send(url, *map(make_event, ["a", "b", "c"]))
    begun, release = threading.Event(), threading.Event()

    def handle(event: Event) -> None:
        if event.event_id == "a":
            begun.set()
            assert release.wait(2 * mq.LIMIT)

    seen = Seen(handle)
    with consuming(url, seen):
        assert begun.wait(mq.LIMIT)
        node.stop()
        release.set()  # handled, but nobody can be told
        node.start()
        send(url, make_event("d"))
        wait_until(lambda: sorted(seen.ids) == ["a", "b", "c", "d"])
    assert mq.drain(url, EVENTS) == []


def test_a_database_that_is_unavailable_is_waited_for(
    rabbitmq: str,
    server: OwnPostgres,
    own_database: URL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumers, "_LAST_PAUSE", 0.5)
    url = own_database.render_as_string(hide_password=False)
    stopped, go_on = threading.Event(), threading.Event()

    def handle(event: Event) -> None:
        if event.event_id == "a":  # it is handled, and then cannot be noted
            server.stop()
            stopped.set()
            assert go_on.wait(mq.LIMIT)

    send(rabbitmq, *map(make_event, ["a", "b"]))
    seen = Seen(handle)
    with consuming(rabbitmq, seen, database_url=url):
        assert stopped.wait(mq.LIMIT)
        go_on.set()
        wait_until(lambda: "Database unavailable; holding events" in caplog.text)
        server.start()
        wait_until(lambda: seen.ids == ["a", "b"])
    assert mq.drain(rabbitmq, EVENTS) == []


def test_an_event_whose_delivery_was_lost_while_the_database_was_waited_for_is_not_handled(
    node: OwnRabbit, database: URL, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is redelivered, perhaps to another consumer, and would be handled by both."""
    monkeypatch.setattr(deadlines, "STATEMENT", Deadlines(1.0, 0.5, 1.0, 2.0))
    monkeypatch.setattr(consumers, "_LAST_PAUSE", 0.5)
    url, is_lost, handled_while_lost = node.url, threading.Event(), list[str]()

    def handle(event: Event) -> None:
        if is_lost.is_set():
            handled_while_lost.append(event.event_id)

    caplog.set_level("INFO", "lark_provider")
    send(url, make_event("a"))
    seen = Seen(handle)
    with consuming(url, seen, database_url=database.render_as_string(hide_password=False)):
        wait_until(lambda: seen.ids == ["a"])
        plain = database.set(drivername="postgresql").render_as_string(hide_password=False)
        with closing(psycopg2.connect(plain)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE handled_events")
            send(url, make_event("b"))
            wait_until(lambda: "Database unavailable; holding events" in caplog.text)
            node.stop()
            is_lost.set()
            wait_until(lambda: "RabbitMQ connection failed" in caplog.text)
        wait_until(lambda: "Database available again; handling events" in caplog.text)
        node.start()
        is_lost.clear()
        wait_until(lambda: "b" in seen.ids)
    assert handled_while_lost == []
    assert seen.ids == ["a", "b"]
    assert mq.drain(url, EVENTS) == []


def test_it_ends_while_the_database_is_waited_for(rabbitmq: str, caplog: pytest.LogCaptureFixture) -> None:
    send(rabbitmq, make_event("a"))
    seen = Seen()
    with consuming(rabbitmq, seen, database_url="postgresql://127.0.0.1:1/none"):
        wait_until(lambda: "Database unavailable; holding events" in caplog.text)
    assert seen.ids == []
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["a"]


def test_an_outage_is_logged_once_a_minute_and_so_is_its_end(
    rabbitmq: str,
    server: OwnPostgres,
    own_database: URL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumers, "_LAST_PAUSE", 0.1)
    monkeypatch.setattr(consumers, "Throttle", lambda: Throttle(seconds=1))
    url, seen = own_database.render_as_string(hide_password=False), Seen()

    def list_suppressed() -> list[int]:
        text = "Database unavailable; holding events"
        return [vars(record)["suppressed"] for record in caplog.records if record.message == text]

    with caplog.at_level("INFO", "lark_provider"), consuming(rabbitmq, seen, database_url=url):
        wait_until(lambda: "Connected to RabbitMQ" in caplog.text)
        server.stop()
        send(rabbitmq, make_event("a"))
        wait_until(lambda: len(list_suppressed()) == 3)
        server.start()
        wait_until(lambda: seen.ids == ["a"])
    assert list_suppressed()[0] == 0
    assert all(list_suppressed()[1:])
    assert caplog.text.count("Database available again; handling events") == 1


def test_a_database_that_is_behind_on_migrations_ends_it_before_it_takes_an_event(
    rabbitmq: str, database_url: str
) -> None:
    send(rabbitmq, make_event("a"))
    with pytest.raises(StorageError, match="is behind on migrations"):
        consume(print, broker=mq.at(rabbitmq), database_url=database_url)
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["a"]


def test_a_permission_that_is_missing_ends_it_and_loses_no_event(
    rabbitmq: str, database: URL, databases: Databases
) -> None:
    reader = databases.make_role()
    with get_engine(database).begin() as connection:
        connection.exec_driver_sql(f"GRANT SELECT ON handled_events TO {reader.name}")
    send(rabbitmq, make_event("a"))
    seen, url = Seen(), database.set(username=reader.name, password=reader.password)
    with pytest.raises(StorageError, match="permission denied for table handled_events"):
        consume(seen, broker=mq.at(rabbitmq), database_url=url.render_as_string(hide_password=False))
    assert seen.ids == ["a"]
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["a"]


def count_busy(database: URL) -> int:
    """Return how many other connections to a database are in a statement or transaction."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
    with get_engine(database).connect() as connection:
        return int(connection.exec_driver_sql(f"{query} AND pid <> pg_backend_pid()").scalar_one())


def test_sigterm_waits_for_no_statement_of_a_frozen_database(
    rabbitmq: str, server: OwnPostgres, own_database: URL
) -> None:
    send(rabbitmq, make_event("a"))
    url = own_database.render_as_string(hide_password=False)
    with process(rabbitmq, 0, database=url) as running:
        assert read_lines(running, 2) == ["begin a", "end a"]
        wait_until(lambda: HandledEvents("default", url).is_handled(f"{sender.APP}:a"))
        wait_until(lambda: count_busy(own_database) == 0)  # It has been told so, too.
        server.pause()
        send(rabbitmq, make_event("b"))
        # The consumer has it, and its statement hangs.
        wait_until(lambda: mq.peek(rabbitmq, EVENTS) == [])
        running.send_signal(signal.SIGTERM)
        out, said = running.communicate(timeout=mq.LIMIT)
        server.resume()
    assert (out.split(), running.returncode) == (["ended"], 0)
    assert "Database unavailable" not in said, "it waited until the statement met its deadline"
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["b"]


def test_an_event_that_was_handled_is_noted_though_it_is_time_to_end(rabbitmq: str, database: URL) -> None:
    send(rabbitmq, *map(make_event, ["a", "b"]))
    url, stop = database.render_as_string(hide_password=False), threading.Event()
    seen = Seen(lambda _: stop.set())
    consume(seen, broker=mq.at(rabbitmq), database_url=url, stop=stop)
    (first,) = seen.ids
    assert HandledEvents("default", url).is_handled(f"{sender.APP}:{first}")
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["b"]


def test_a_connection_that_cannot_be_kept_up_is_an_error_and_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(work: Coroutine[Any, Any, None]) -> None:
        work.close()
        raise OSError("Too many open files")

    monkeypatch.setattr(asyncio, "run", run)
    with pytest.raises(OSError, match="Too many open files"):
        consume(print, broker="amqp://127.0.0.1:1")
