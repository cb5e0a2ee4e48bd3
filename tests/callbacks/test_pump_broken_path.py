"""A pump whose path to its database is broken keeps no click from the pumps that work."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks import hub as hubs
from lark_provider.callbacks.broker import batches
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, DEAD
from lark_provider.callbacks.hub import Hub
from lark_provider.protocol.waits import Wait
from lark_provider.storage import engine as engines
from lark_provider.storage import urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.commands import ROOT, Command
from tests.callbacks.pumping import NAMES, cards, pumping, read_stored
from tests.callbacks.test_probes import render_url
from tests.failures.waiting import wait_until
from tests.outbox import work
from tests.services.postgres import Databases, OwnPostgres
from tests.services.processes import HOST, free_port

TABLES = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"


# Name resolution hangs until the test opens the other end of the pipe that TEST_NAMES names.
NAMES_HANG = """
import os, socket, sys
from lark_provider.cli import callbacks
callbacks._DRAIN_SECONDS = 1.0
resolve = socket.getaddrinfo
def hang(host, *args, **options):
    if ".invalid" in str(host):  # text or bytes
        print("Resolving", file=sys.stderr, flush=True)
        open(os.environ["TEST_NAMES"]).close()
    return resolve(host, *args, **options)
socket.getaddrinfo = hang
"""


@pytest.fixture
def role(databases: Databases, database: URL) -> URL:
    """Return the URL of the database for a role that may do everything but insert clicks."""
    login = databases.make_role()
    with engines.get_engine(database).begin() as connection:
        connection.execute(sa.text(f'GRANT {TABLES} TO "{login.name}"'))
        connection.execute(sa.text(f'REVOKE INSERT ON card_callbacks FROM "{login.name}"'))
    return database.set(username=login.name, password=login.password)


def allow(database: URL, role: URL, *, do: str = "GRANT") -> None:
    """Let a role insert clicks, or forbid it."""
    direction = "TO" if do == "GRANT" else "FROM"
    with engines.get_engine(database).begin() as connection:
        connection.execute(sa.text(f'{do} INSERT ON card_callbacks {direction} "{role.username}"'))


class Running:
    """A pump in a thread, which may end by itself.

    Args:
        url: Of the broker.
        inbox: Where the clicks go.
    """

    def __init__(self, url: str, inbox: Inbox) -> None:
        self.stop, self.error = threading.Event(), list[StorageError]()
        self.pump = Pump(mq.at(url), inbox)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.pump.run(self.stop)
        except StorageError as error:
            self.error.append(error)

    def close(self) -> None:
        """End it."""
        self.stop.set()
        self.thread.join(mq.LIMIT)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running(url: str, inbox: Inbox) -> Iterator[Running]:
    """Run a pump that is expected to fail."""
    pump = Running(url, inbox)
    try:
        yield pump
    finally:
        pump.close()


def all_arrive(rabbitmq: str, database: URL) -> None:
    """Check that clicks all arrive in the database through another pump."""
    mq.send(rabbitmq, "card.cli_1", *cards(1500))
    with pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: len(read_stored(database)) == 1500)
    assert sorted(read_stored(database)) == NAMES[:1500]


def test_a_pump_before_a_dead_port_takes_nothing(rabbitmq: str, database: URL) -> None:
    dead = Inbox(urls.parse(f"postgresql://{HOST}:{free_port()}/none", "test"))
    mq.send(rabbitmq, "card.cli_1", *cards(20))
    with running(rabbitmq, dead) as broken:
        wait_until(lambda: broken.pump._is_out)
        assert mq.list_ids(mq.peek(rabbitmq, CARDS)) == NAMES[:20]
        all_arrive(rabbitmq, database)
        assert broken.pump.returned == 0
    assert mq.drain(rabbitmq, CARDS) == []


def test_a_pump_whose_server_freezes_returns_what_it_holds(
    rabbitmq: str, database: URL, server: OwnPostgres, own_database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_STORE_SECONDS", 1.0)
    with running(rabbitmq, Inbox(own_database)) as broken:
        mq.send(rabbitmq, "card.cli_1", mq.card("before"))
        wait_until(lambda: read_stored(own_database) == ["before"])
        server.pause()
        mq.send(rabbitmq, "card.cli_1", *cards(1500))
        wait_until(lambda: broken.pump.returned)  # it has taken what it may, and returned it
        with pumping(rabbitmq, Inbox(database)):
            wait_until(lambda: len(read_stored(database)) == 1500)
        server.resume()
        mq.send(rabbitmq, "card.cli_1", mq.card("after"))  # and it works again
        wait_until(lambda: "after" in read_stored(own_database))
    assert mq.drain(rabbitmq, CARDS) == []
    assert mq.drain(rabbitmq, DEAD) == []


def test_a_pump_that_loses_its_permission_ends_and_holds_nothing(
    rabbitmq: str, database: URL, role: URL
) -> None:
    allow(database, role)
    with running(rabbitmq, Inbox(role)) as broken:
        mq.send(rabbitmq, "card.cli_1", mq.card("before"))
        wait_until(lambda: read_stored(database) == ["before"])
        allow(database, role, do="REVOKE")
        mq.send(rabbitmq, "card.cli_1", *cards(1500))
        wait_until(lambda: broken.error)
        assert "permission denied" in str(broken.error[0])
        assert "Next: grant this user" in str(broken.error[0])
        assert broken.pump.returned > 0
        with pumping(rabbitmq, Inbox(database)):
            wait_until(lambda: len(read_stored(database)) == 1501)
    assert mq.drain(rabbitmq, DEAD) == []


def test_poison_beside_clicks_that_are_returned_is_dead_lettered_once(
    rabbitmq: str, database: URL, role: URL
) -> None:
    allow(database, role)
    with running(rabbitmq, Inbox(role)) as broken:
        mq.send(rabbitmq, "card.cli_1", mq.card("before"))
        wait_until(lambda: read_stored(database) == ["before"])
        allow(database, role, do="REVOKE")
        mq.send(rabbitmq, "card.cli_1", *cards(5), b"[]", *cards(10)[5:])
        wait_until(lambda: broken.error)
    with pumping(rabbitmq, Inbox(database)):
        wait_until(lambda: len(read_stored(database)) == 11)
    assert len(mq.drain(rabbitmq, DEAD)) == 1


# --- the command ---


@pytest.mark.parametrize("when", ["from the start", "later"])
def test_the_command_ends_with_1_when_it_may_not_insert(
    rabbitmq: str, database: URL, role: URL, tmp_path: Path, when: str
) -> None:
    if when == "later":
        allow(database, role)
    text = role.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = {"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": text}
    pump = Command(tmp_path / "log", "pump", settings=settings)
    pump.start()
    if when == "later":
        mq.send(rabbitmq, "card.cli_1", mq.card("before"))
        wait_until(lambda: read_stored(database) == ["before"])
        allow(database, role, do="REVOKE")
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    assert pump.process is not None
    assert pump.process.wait(mq.LIMIT) == 1
    pump.end()
    said = pump.log.read_text()
    assert "lark-provider: Database " in said
    assert "permission denied for table card_callbacks. Next: grant this user" in said
    assert "Traceback" not in said
    assert sorted(mq.list_ids(mq.drain(rabbitmq, CARDS))) == NAMES[:3]  # a quorum queue requeues at its end


def test_the_command_ends_with_1_when_its_table_is_gone(rabbitmq: str, database: URL, tmp_path: Path) -> None:
    text = database.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = {"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": text}
    pump = Command(tmp_path / "log", "pump", settings=settings)
    pump.start()
    mq.send(rabbitmq, "card.cli_1", mq.card("before"))
    wait_until(lambda: read_stored(database) == ["before"])
    with engines.get_engine(database).begin() as connection:
        connection.execute(sa.text("DROP TABLE card_callbacks"))
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    assert pump.process is not None
    assert pump.process.wait(mq.LIMIT) == 1
    pump.end()
    assert "is behind on migrations" in pump.log.read_text()
    assert sorted(mq.list_ids(mq.drain(rabbitmq, CARDS))) == NAMES[:3]  # a quorum queue requeues at its end


@pytest.fixture
def hanging(
    tmp_path: Path, rabbitmq: str, role: URL, database: URL, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Start a pump that delivers a message to a Lark whose name is not resolved."""
    allow(database, role)
    settings = {
        "RABBITMQ_URL": rabbitmq,
        "LARK_APP_ID": "cli_1",
        "LARK_APP_SECRET": "secret",
        "LARK_BASE_URL": "https://lark.invalid",
    }
    for name, value in {**settings, "LARK_DATABASE_URL": render_url(database)}.items():
        monkeypatch.setenv(name, value)
    work.record_text("hello")
    (tmp_path / "sitecustomize.py").write_text(NAMES_HANG)
    os.mkfifo(tmp_path / "names")
    command = Command(
        tmp_path / "pump.log",
        "pump",
        settings={
            **settings,
            "LARK_DATABASE_URL": render_url(role),
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            "TEST_NAMES": str(tmp_path / "names"),
        },
    )
    command.start()
    wait_until(lambda: "Resolving" in command.log.read_text())
    return command


def test_a_pump_that_drains_too_slowly_says_what_it_leaves(hanging: Command, tmp_path: Path) -> None:
    assert hanging.process is not None
    hanging.process.terminate()
    wait_until(lambda: "Pump drained" in hanging.log.read_text())
    (tmp_path / "names").write_text("")
    assert hanging.process.wait(mq.LIMIT) == 0
    hanging.end()
    said = hanging.log.read_text()
    assert said.count("Outbox not drained in time; other processes take over its messages in flight") == 1
    assert "lark-provider: " not in said


def test_a_slow_drain_does_not_hide_why_a_pump_has_ended(
    hanging: Command, tmp_path: Path, rabbitmq: str, database: URL, role: URL
) -> None:
    assert hanging.process is not None
    allow(database, role, do="REVOKE")
    mq.send(rabbitmq, "card.cli_1", *cards(3))
    wait_until(lambda: "lark-provider: " in hanging.log.read_text())
    (tmp_path / "names").write_text("")
    assert hanging.process.wait(mq.LIMIT) == 1
    hanging.end()
    said = hanging.log.read_text()
    assert "permission denied for table card_callbacks. Next: grant this user" in said
    assert "Outbox not drained in time" in said


# --- in a triggerer ---


def test_a_pump_of_a_triggerer_stops_says_so_and_goes_on_once_it_may(
    rabbitmq: str, database: URL, role: URL, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "_WARN_SECONDS", 0.2)
    hub = Hub(role.set(drivername="postgresql").render_as_string(hide_password=False), rabbitmq)
    waits = [Wait(f"key-{name}", (name,)) for name in ("om_1", "om_2")]
    futures = [hub.wait(wait) for wait in waits]
    wait_until(lambda: caplog.text.count("Pump stopped") > 1)
    mq.send(rabbitmq, "card.cli_1", mq.card("c1", message_id="om_1"))
    with pumping(rabbitmq, Inbox(database)):
        assert [click.event_id for click in futures[0].result(mq.LIMIT)] == ["c1"]
    allow(database, role)
    mq.send(rabbitmq, "card.cli_1", mq.card("c2", message_id="om_2"))
    assert [click.event_id for click in futures[1].result(mq.LIMIT)] == ["c2"]
    [first, *_] = [record for record in caplog.records if record.getMessage().startswith("Pump stopped")]
    assert "permission denied" in vars(first)["error"]
