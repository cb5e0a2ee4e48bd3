"""`/readyz` says ready only where a click could be stored, and finds out without leaving anything behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS, EXCHANGE
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.endpoint import RECEIVED, Endpoint
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.stores import configured_sinks
from lark_provider.callbacks.probes.readiness import Readiness
from lark_provider.storage import engine as engines
from lark_provider.storage.tables import card_callbacks
from tests.callbacks import mq
from tests.callbacks.commands import KEYS as SETTINGS
from tests.callbacks.commands import Command, gateway
from tests.callbacks.logs import format_lines, read_lines
from tests.callbacks.parts import KEYS, FakeSink, KnownKeys, request
from tests.callbacks.serving import serve
from tests.callbacks.virtual import never, run_to_end
from tests.failures.waiting import wait_until
from tests.protocol.callbacks.sender import NOW
from tests.services.postgres import OwnPostgres
from tests.services.processes import HOST, free_port
from tests.services.rabbitmq import connect

DEAD_DATABASE = "postgresql://127.0.0.1:1/none"
DEAD_BROKER = "amqp://127.0.0.1:1"


def render_url(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def serving(broker: str | None = None, database: str | None = None) -> Iterator[str]:
    """Serve a gateway on real sinks, and yield its URL."""
    sinks, background = configured_sinks(broker, database)
    over = Gateway(KnownKeys(KEYS), sinks, endpoint=Endpoint(clock=lambda: NOW))
    with serve(application(over, background=background)) as url:
        yield url


def status(url: str) -> int:
    return httpx.get(url + "/readyz").status_code


def sinks(url: str) -> dict[str, bool]:
    readiness: dict[str, bool] = httpx.get(url + "/readyz").json()["sinks"]
    return readiness


def click(url: str) -> bytes:
    app_id, headers, body = request()
    return httpx.post(f"{url}/lark/callbacks/{app_id}", headers=headers, content=body).content


# --- what is proved, and for how long ---


class Probed(FakeSink):
    """A sink whose probes do what is due."""

    def __init__(self, *results: object) -> None:
        super().__init__("queue")
        self.results, self.probes = list(results), 0

    async def probe(self) -> None:
        self.probes += 1
        due = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(due, Exception):
            raise due
        if due is never:
            await never()


def over_time(place: FakeSink, at: Sequence[float]) -> list[bool]:
    """Probe a sink, and return whether it is ready at some moments, in seconds by the loop's clock."""

    async def work() -> list[bool]:
        readiness, states = Readiness([place]), []
        running = asyncio.ensure_future(readiness.run())
        loop = asyncio.get_running_loop()
        for moment in at:
            await asyncio.sleep(moment - loop.time())
            states.append(readiness.get_readiness()["queue"])
        running.cancel()
        await asyncio.wait({running})
        return states

    return run_to_end(work)[0]


def test_nothing_is_ready_before_it_is_proved_nor_after_it_failed() -> None:
    lost = ConnectionError("lost")
    assert over_time(Probed(lost), [0, 0.5, 100]) == [False] * 3
    assert over_time(Probed(lost, None), [0.5, 1.5, 100]) == [False, True, True]
    assert over_time(Probed(None, None, lost), [0.5, 5.5, 10.5]) == [True, True, False]
    assert over_time(Probed(None, never, None), [0.5, 9.5, 10.5, 11.5]) == [True, True, False, True]


def test_it_is_probed_every_five_seconds() -> None:
    place = Probed(None)
    over_time(place, [99.5])
    assert place.probes == 20


def test_what_is_known_to_be_down_is_not_ready_whatever_was_proved() -> None:
    place = Probed(None)

    async def work() -> None:
        readiness = Readiness([place])
        readiness.note_proof("queue")
        assert readiness.get_readiness() == {"queue": True}
        place.is_up = False
        assert readiness.get_readiness() == {"queue": False}

    run_to_end(work)


def test_a_stored_click_is_a_proof_for_fifteen_seconds() -> None:
    place = FakeSink("queue")
    over = Gateway(KnownKeys(KEYS), [place], endpoint=Endpoint(clock=lambda: NOW))

    async def work() -> list[bool]:
        states = [over.ready()["queue"]]
        await over.answer(*request())
        for seconds in (0, 14.9, 0.2):
            await asyncio.sleep(seconds)
            states.append(over.ready()["queue"])
        return states

    assert run_to_end(work)[0] == [False, True, True, False]


def test_a_sink_that_stays_down_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lark_provider")
    over_time(Probed(*[ConnectionError("lost")] * 50, None), [100])
    assert format_lines(caplog) == [
        "WARNING lark_provider.callbacks.probes.readiness: Sink not ready sink=queue suppressed=0 error=lost",
        "INFO lark_provider.callbacks.probes.readiness: Sink ready sink=queue",
    ]


def test_a_connection_that_is_still_being_made_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lark_provider")
    over_time(Probed(ConnectionError("not yet"), None, ConnectionError("lost"), None), [100])
    assert [line.split()[0] for line in format_lines(caplog)] == ["INFO", "WARNING", "INFO"]


# --- real sinks ---


@pytest.mark.parametrize(
    ("broker", "database"), [(None, DEAD_DATABASE), (DEAD_BROKER, None), (DEAD_BROKER, DEAD_DATABASE)]
)
def test_a_port_that_is_dead_from_the_start(
    broker: str | None, database: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(broker, database) as url:
        assert status(url) == 503
        wait_until(lambda: read_lines(caplog).count("Sink not ready") == bool(broker) + bool(database))
        assert status(url) == 503


def test_a_database_without_our_tables(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(database=database_url) as url:
        wait_until(lambda: "is behind on migrations" in read_lines(caplog))
        assert status(url) == 503


def test_a_database_that_freezes_without_traffic(server: OwnPostgres, own_database: URL) -> None:
    with serving(database=render_url(own_database)) as url:
        wait_until(lambda: status(url) == 200)
        server.pause()
        wait_until(lambda: status(url) == 503)
        server.resume()
        wait_until(lambda: status(url) == 200)
        assert click(url) == RECEIVED


def test_one_sink_that_works_is_enough(rabbitmq: str) -> None:
    with serving(rabbitmq, DEAD_DATABASE) as url:
        wait_until(lambda: status(url) == 200)
        assert sinks(url) == {"rabbitmq": True, "database": False}
        assert click(url) == RECEIVED


def is_declared(url: str) -> bool:
    """Return whether the queue of clicks exists."""
    with connect(url) as connection:
        try:
            connection.channel().queue_declare(CARDS.name, passive=True)
        except ChannelClosedByBroker:
            return False
        return True


def delete(url: str) -> None:
    with connect(url) as connection:
        connection.channel().queue_delete(CARDS.name)


def test_a_deleted_queue_is_declared_again_without_a_click(rabbitmq: str) -> None:
    with serving(rabbitmq) as url:
        wait_until(lambda: status(url) == 200)
        delete(rabbitmq)
        assert not is_declared(rabbitmq)
        wait_until(lambda: is_declared(rabbitmq))
        wait_until(lambda: status(url) == 200)
        assert click(url) == RECEIVED
    assert len(mq.drain(rabbitmq, CARDS)) == 1


def test_a_click_that_finds_its_queue_deleted_is_stored_all_the_same(rabbitmq: str) -> None:
    with serving(rabbitmq) as url:
        wait_until(lambda: status(url) == 200)
        delete(rabbitmq)
        assert click(url) == RECEIVED
    assert len(mq.drain(rabbitmq, CARDS)) == 1


def test_probes_leave_neither_row_nor_message(rabbitmq: str, database: URL) -> None:
    """Nor in a queue that someone has bound to everything."""
    mq.declare(rabbitmq)
    with connect(rabbitmq) as connection:
        channel = connection.channel()
        channel.queue_declare("tap", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind("tap", EXCHANGE, "#")
    configured, _ = configured_sinks(rabbitmq, render_url(database))

    async def work() -> None:
        sinks, background = configured_sinks(rabbitmq, render_url(database))
        running = [asyncio.ensure_future(run()) for run in background]
        await mq.wait_until_async(lambda: all(sink.is_up for sink in sinks))
        for _ in range(10):
            for sink in sinks:
                await sink.probe()
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    mq.run(work())
    assert [sink.name for sink in configured] == ["rabbitmq", "database"]
    for queue in (CARDS, EVENTS, DEAD):
        assert mq.drain(rabbitmq, queue) == []
    with connect(rabbitmq) as connection:
        assert connection.channel().basic_get("tap") == (None, None, None)
    with engines.get_engine(database).connect() as looking:
        assert looking.scalar(sa.select(sa.func.count()).select_from(card_callbacks)) == 0


# --- the command ---


def read_refusal(*words: str, **settings: str) -> str:
    """Run a command that refuses to start, and return what it writes to the standard error."""
    command = Command(Path("/dev/null"), *words, settings=settings)
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "lark_provider.cli", "callbacks", *words],
        env=command._env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_serve_refuses_a_database_without_our_tables_as_pump_does(rabbitmq: str, database_url: str) -> None:
    settings = {"LARK_DATABASE_URL": database_url, "RABBITMQ_URL": rabbitmq}
    said = read_refusal("serve", "--port", str(free_port()), **SETTINGS, **settings)
    assert said == read_refusal("pump", **settings)
    assert "is behind on migrations" in said
    assert "Next: run `lark-provider db upgrade`" in said


@pytest.mark.parametrize("with_broker", [True, False])
def test_serve_starts_though_its_database_is_unavailable(
    rabbitmq: str, tmp_path: Path, with_broker: bool
) -> None:
    settings = {"LARK_DATABASE_URL": DEAD_DATABASE} | ({"RABBITMQ_URL": rabbitmq} if with_broker else {})
    command = gateway(tmp_path / "log", port := free_port(), **settings)
    command.start()
    try:
        url = f"http://{HOST}:{port}"
        if with_broker:
            wait_until(lambda: status(url) == 200)
        wait_until(lambda: "Sink not ready sink=database" in command.log.read_text())
        assert status(url) == (200 if with_broker else 503)
        assert "Database unavailable; starting without it" in command.log.read_text()
    finally:
        command.end()
