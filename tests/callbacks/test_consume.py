"""Events reach a plain function at least once, and as a rule once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks import consumer as consumers
from lark_provider.callbacks import handled
from lark_provider.callbacks.consumer import consume
from lark_provider.callbacks.topology import DEAD, EVENTS
from lark_provider.core.storage import engine as engines
from lark_provider.core.storage import urls
from lark_provider.core.storage.tables import handled_events
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import Event
from tests.callbacks import mq
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import OwnRabbit

ROOT = Path(__file__).parents[2]


def event(event_id: str, kind: str = "drive.file.edit_v1", **content: Any) -> dict[str, Any]:
    made = sender.event()
    made["header"] |= {"event_id": event_id, "event_type": kind}
    del made["header"]["token"]
    made["event"] = content
    return made


def send(url: str, *events: object) -> None:
    mq.send(url, "event.cli_1", *events)


@contextmanager
def consuming(url: str, handler: Callable[[Event], object], **settings: Any) -> Iterator[threading.Thread]:
    """Consume in a thread, and see that it ends well when it is told to."""
    stop, errors = threading.Event(), []

    def work() -> None:
        try:
            consume(
                handler, broker=mq.at(url, heartbeat=settings.pop("heartbeat", None)), stop=stop, **settings
            )
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    running = threading.Thread(target=work)
    running.start()
    try:
        yield running
    finally:
        stop.set()
        running.join(10)
        assert not running.is_alive()
        assert errors == []


class Seen:
    """A handler that takes note, and then does something."""

    def __init__(self, then: Callable[[Event], object] = bool) -> None:
        self.ids: list[str] = []
        self._then = then

    def __call__(self, event: Event) -> None:
        self.ids.append(event.event_id)
        self._then(event)


def fail(*_: object) -> None:
    raise ValueError("app_secret=hunter2 is not liked")


# --- handled ---


def test_each_event_is_handed_over_and_gone(rabbitmq: str) -> None:
    names = [f"e{n}" for n in range(500)]
    send(rabbitmq, *map(event, names), sender.event_1())
    seen = Seen()
    with consuming(rabbitmq, seen):
        mq.works(lambda: len(seen.ids) == 501)
        send(rabbitmq, event("later", "im.chat.updated_v1", chat_id="oc_1"))
        mq.works(lambda: seen.ids[501:] == ["later"])
    assert seen.ids[:500] == names
    assert mq.drain(rabbitmq, EVENTS) == []


def test_what_a_handler_gets_is_typed(rabbitmq: str) -> None:
    got: list[Event] = []
    send(rabbitmq, event("e1", "im.chat.updated_v1", chat_id="oc_1"))
    with consuming(rabbitmq, got.append):
        mq.works(lambda: got)
    assert (got[0].type, got[0].app_id, got[0].event) == (
        "im.chat.updated_v1",
        sender.APP,
        {"chat_id": "oc_1"},
    )


def test_a_repeat_is_known_in_this_process(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handled, "_REMEMBERED", 2)
    send(rabbitmq, *map(event, ["a", "a", "b", "b", "c", "a"]))
    seen = Seen()
    with consuming(rabbitmq, seen):
        mq.works(lambda: seen.ids == ["a", "b", "c", "a"])  # as far as it remembers
    assert mq.drain(rabbitmq, EVENTS) == []


def test_a_message_is_known_by_its_own_id(rabbitmq: str) -> None:
    def message(event_id: str, message_id: object) -> dict[str, Any]:
        return event(event_id, "im.message.receive_v1", message={"message_id": message_id})

    odd = event("e6", "im.message.receive_v1", message="none")
    of_another_type = event("e7", "im.message.read_v1", message={"message_id": "om_1"})
    send(rabbitmq, message("e1", "om_1"), message("e2", "om_1"), message("e3", "om_2"))
    send(rabbitmq, message("e4", None), message("e4", None), message("e5", 5), odd, of_another_type)
    seen = Seen()
    with consuming(rabbitmq, seen):
        mq.works(lambda: seen.ids == ["e1", "e3", "e4", "e5", "e6", "e7"])


@pytest.fixture(params=["postgres", "sqlite"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lark.db"
    url: URL = request.getfixturevalue("database")
    return url.render_as_string(hide_password=False)


def test_a_repeat_is_known_to_the_next_process_through_the_database(rabbitmq: str, either: str) -> None:
    for expected in (["a", "b", "first"], ["second"]):
        send(rabbitmq, *map(event, ["a", "b", "a", expected[-1]]))
        seen = Seen()
        with consuming(rabbitmq, seen, database_url=either):
            mq.works(lambda seen=seen, last=expected[-1:]: seen.ids[-1:] == last)  # type: ignore[misc]  # bound
        assert seen.ids == expected
    assert mq.drain(rabbitmq, EVENTS) == []
    send(rabbitmq, event("a"))
    another = Seen()
    with consuming(rabbitmq, another, database_url=either, consumer="another"):
        mq.works(lambda: another.ids == ["a"])
    with engines.engine(urls.parse(either, "test")).connect() as connection:
        query = sa.select(handled_events.c.consumer, handled_events.c.event_id)
        rows = [(row.consumer, row.event_id) for row in connection.execute(query)]
        of_default = {("default", name) for name in ("a", "b", "first", "second")}
        assert set(rows) == {*of_default, ("another", "a")}


# --- failing ---


def test_a_handler_that_raises_is_called_again_while_others_go_on(rabbitmq: str) -> None:
    send(rabbitmq, *map(event, ["bad", "good", "slow"]))
    tries: Counter[str] = Counter()

    def handle(event: Event) -> None:
        tries[event.event_id] += 1
        if event.event_id == "bad" and tries["bad"] < 3:
            fail()
        done.append(event.event_id)

    done: list[str] = []
    with consuming(rabbitmq, handle, pause=0.2):
        mq.works(lambda: done == ["good", "slow", "bad"])
    assert tries == {"bad": 3, "good": 1, "slow": 1}
    assert mq.drain(rabbitmq, EVENTS) == []
    assert mq.drain(rabbitmq, DEAD) == []


def test_what_never_succeeds_goes_to_the_dead_with_the_reason(
    rabbitmq: str, caplog: pytest.LogCaptureFixture
) -> None:
    send(rabbitmq, *map(event, ["bad", "good"]))
    seen = Seen(lambda event: fail() if event.event_id == "bad" else None)
    with consuming(rabbitmq, seen, tries=3, pause=0.01):
        mq.works(lambda: Counter(seen.ids) == {"bad": 3, "good": 1})
        dead: list[Any] = []
        while not dead:
            dead = mq.drain(rabbitmq, DEAD)
        send(rabbitmq, event("bad"))  # nothing says that it was handled
        mq.works(lambda: seen.ids.count("bad") == 6)
    [(properties, content)] = dead
    assert content == event("bad")
    assert properties.headers == {
        "reason": "The handler has failed 3 times. ValueError: app_secret=*** is not liked"
    }
    assert mq.drain(rabbitmq, EVENTS) == []
    assert "is called again in 0.0 s" in caplog.text


def test_what_is_no_event_goes_to_the_dead(rabbitmq: str) -> None:
    poison = [b"\xff", [1], {"schema": "2.0"}, mq.card("click"), event("e\0"), event("e" * 300)]
    send(rabbitmq, *poison, event("good"))
    seen = Seen()
    with consuming(rabbitmq, seen):
        mq.works(lambda: seen.ids == ["good"])
    reasons = [str((properties.headers or {})["reason"]) for properties, _ in mq.drain(rabbitmq, DEAD)]
    assert [reason.split(".")[0].split(":")[0] for reason in reasons] == [
        "It is no JSON",
        "It is no JSON object",
        "header is no object",
        "It is a click, and no event",
        "header",
        "header",
    ]
    assert mq.drain(rabbitmq, EVENTS) == []


# --- ending ---


def test_it_ends_while_a_retry_is_due_later_and_gives_the_event_back(rabbitmq: str) -> None:
    send(rabbitmq, *map(event, ["bad", "good"]))
    seen = Seen(lambda event: fail() if event.event_id == "bad" else None)
    with consuming(rabbitmq, seen, pause=1000):
        mq.works(lambda: seen.ids == ["bad", "good"])
    assert mq.ids(mq.drain(rabbitmq, EVENTS)) == ["bad"]


def test_a_handler_that_runs_may_finish_and_no_other_begins(rabbitmq: str) -> None:
    send(rabbitmq, *map(event, ["a", "b"]))
    running, release = threading.Event(), threading.Event()

    def handle(_: Event) -> None:
        running.set()
        assert release.wait(mq.LIMIT)

    seen = Seen(handle)
    with consuming(rabbitmq, seen):
        assert running.wait(mq.LIMIT)
        threading.Timer(0.3, release.set).start()
    assert seen.ids == ["a"]
    assert mq.ids(mq.drain(rabbitmq, EVENTS)) == ["b"]


def test_an_exit_of_the_handlers_own_ends_it(rabbitmq: str) -> None:
    send(rabbitmq, event("a"))
    with pytest.raises(SystemExit):
        consume(lambda _: sys.exit(3), broker=mq.at(rabbitmq))
    assert mq.ids(mq.drain(rabbitmq, EVENTS)) == ["a"]


SCRIPT = """
import os, signal, sys, time
from lark_provider.callbacks.consumer import consume

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
    """Somebody's script that consumes."""
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


def lines(running: subprocess.Popen[str], count: int) -> list[str]:
    assert running.stdout is not None
    return [running.stdout.readline().strip() for _ in range(count)]


@pytest.mark.parametrize("busy", [True, False])
def test_sigterm_lets_the_handler_finish_and_ends_well(rabbitmq: str, busy: bool) -> None:
    send(rabbitmq, *map(event, ["a", "b"] if busy else ["a"]))
    with process(rabbitmq, 0.5 if busy else 0) as running:
        assert lines(running, 1) == ["begin a"]
        if not busy:
            assert lines(running, 1) == ["end a"]
            mq.works(lambda: mq.drain(rabbitmq, EVENTS) == [])
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=mq.LIMIT)
    assert out.split() == (["end", "a", "ended"] if busy else ["ended"])
    assert (err, running.returncode) == ("", 0)
    assert mq.ids(mq.drain(rabbitmq, EVENTS)) == (["b"] if busy else [])


def test_killed_while_it_handles_an_event_it_comes_again(rabbitmq: str, database: URL) -> None:
    database_url = database.render_as_string(hide_password=False)
    send(rabbitmq, *map(event, ["a", "deadly", "b"]))
    with process(rabbitmq, 0, mode="deadly", database=database_url) as running:
        out, _ = running.communicate(timeout=mq.LIMIT)
    assert running.returncode == -signal.SIGKILL
    assert out.split("\n")[:3] == ["begin a", "end a", "begin deadly"]
    seen = Seen()
    with consuming(rabbitmq, seen, database_url=database_url):
        mq.works(lambda: sorted(seen.ids) == ["b", "deadly"])
    assert mq.drain(rabbitmq, EVENTS) == []


def test_several_processes_share_the_events(rabbitmq: str) -> None:
    names = [f"e{n}" for n in range(200)]
    both = Seen(lambda _: time.sleep(0.001)), Seen(lambda _: time.sleep(0.001))
    with consuming(rabbitmq, both[0]), consuming(rabbitmq, both[1]):
        send(rabbitmq, *map(event, names))
        mq.works(lambda: len(both[0].ids) + len(both[1].ids) == 200)
    assert sorted(both[0].ids + both[1].ids) == sorted(names)
    assert both[0].ids
    assert both[1].ids


# --- in trouble ---


def test_a_slow_handler_costs_no_connection(rabbitmq: str, caplog: pytest.LogCaptureFixture) -> None:
    send(rabbitmq, *map(event, ["a", "b"]))
    seen = Seen(lambda event: time.sleep(4) if event.event_id == "a" else None)  # the heartbeat is a second
    with caplog.at_level("INFO", "lark_provider"), consuming(rabbitmq, seen, heartbeat=1):
        mq.works(lambda: seen.ids == ["a", "b"])
    assert caplog.text.count("Connected to") == 1
    assert "No connection" not in caplog.text
    assert mq.drain(rabbitmq, EVENTS) == []


def test_a_broker_that_goes_and_comes_back(node: OwnRabbit) -> None:
    url = node.url
    send(url, *map(event, ["a", "b", "c"]))
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
        send(url, event("d"))
        mq.works(lambda: sorted(seen.ids) == ["a", "b", "c", "d"])
    assert mq.drain(url, EVENTS) == []


def test_a_database_that_is_away_is_waited_for(
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

    send(rabbitmq, *map(event, ["a", "b"]))
    seen = Seen(handle)
    with consuming(rabbitmq, seen, database_url=url):
        assert stopped.wait(mq.LIMIT)
        go_on.set()
        mq.works(lambda: "Events are held until the database is back" in caplog.text)
        server.start()
        mq.works(lambda: seen.ids == ["a", "b"])
    assert mq.drain(rabbitmq, EVENTS) == []


def test_it_ends_while_the_database_is_waited_for(rabbitmq: str, caplog: pytest.LogCaptureFixture) -> None:
    send(rabbitmq, event("a"))
    seen = Seen()
    with consuming(rabbitmq, seen, database_url="postgresql://127.0.0.1:1/none"):
        mq.works(lambda: "Events are held until the database is back" in caplog.text)
    assert seen.ids == []
    assert mq.ids(mq.drain(rabbitmq, EVENTS)) == ["a"]


def test_a_connection_that_cannot_be_kept_up_is_an_error_and_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(work: Coroutine[Any, Any, None]) -> None:
        work.close()
        raise OSError("Too many open files")

    monkeypatch.setattr(asyncio, "run", run)
    with pytest.raises(OSError, match="Too many open files"):
        consume(print, broker="amqp://127.0.0.1:1")


# --- settings ---


async def coroutine_function(_: Event) -> None:
    pass


@pytest.mark.parametrize("handler", [coroutine_function, "module.function", None])
def test_a_handler_that_is_no_plain_function_is_refused(handler: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"The handler is .*Next: pass a plain function"):
        consume(handler, broker="amqp://127.0.0.1:1")


def test_settings_that_cannot_be_right_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"consumer is ''. Next: pass a short name"):
        consume(print, broker="amqp://127.0.0.1:1", consumer="")
    with pytest.raises(ConfigurationError, match="No RabbitMQ is configured"):
        consume(print)
    with pytest.raises(ConfigurationError, match="database_url is no URL"):
        consume(print, broker="amqp://127.0.0.1:1", database_url="mysql://x")


def test_an_event_is_what_lark_sent(rabbitmq: str) -> None:
    sent = event("e1", "im.chat.updated_v1", text="你好 \u0000 \U0001f600", number=1.5)
    send(rabbitmq, json.dumps(sent).encode())
    got: list[Event] = []
    with consuming(rabbitmq, got.append):
        mq.works(lambda: got)
    assert got[0].raw == sent
