"""Services that are stopped under load finish what is in flight: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS
from lark_provider.callbacks.http.endpoint import RECEIVED
from tests.callbacks import mq
from tests.callbacks.commands import ROOT, Command, gateway
from tests.callbacks.consuming import make_event, send
from tests.callbacks.pumping import NAMES, cards, read_stored
from tests.callbacks.test_probes import render_url
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.processes import HOST, free_port

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])


def pump(tmp_path: Path, broker: str, database: URL) -> Command:
    settings = {"RABBITMQ_URL": broker, "LARK_DATABASE_URL": render_url(database)}
    return Command(tmp_path / "pump.log", "pump", settings=settings)


# --- the pump ---


@SIGNALS
def test_a_pump_stores_what_is_in_flight_and_returns_the_rest(
    tmp_path: Path, rabbitmq: str, database: URL, number: signal.Signals
) -> None:
    """Each click is in the table or in the queue, and never in both: what was committed was acknowledged."""
    mq.send(rabbitmq, "card.cli_1", *cards(3000))
    rounds = 0
    while not rounds or (rounds < 8 and len(read_stored(database)) < 3000):
        before, rounds = len(read_stored(database)), rounds + 1
        command = pump(tmp_path, rabbitmq, database)
        command.start()
        wait_until(lambda b=before: len(read_stored(database)) > b)  # type: ignore[misc]
        assert command.end(number) == 0, command.log.read_text()
        assert command.log.read_text().count("Pump drained") == rounds
        in_table, in_queue = read_stored(database), mq.list_ids(mq.peek(rabbitmq, CARDS))
        assert sorted([*in_table, *in_queue]) == NAMES[:3000]
    assert mq.drain(rabbitmq, DEAD) == []


def test_the_second_signal_ends_a_pump_at_once_and_loses_nothing(
    tmp_path: Path, rabbitmq: str, database: URL
) -> None:
    command = pump(tmp_path, rabbitmq, database)
    command.start()
    wait_until(lambda: "Connected to RabbitMQ" in command.log.read_text())
    # Not by an engine of ours, whose transactions may idle for four seconds only.
    plain = sa.create_engine(database)
    with plain.begin() as holding:
        holding.execute(sa.text("LOCK TABLE card_callbacks IN EXCLUSIVE MODE"))
        mq.send(rabbitmq, "card.cli_1", *cards(10))
        # A pump that was kept waiting too long returns them, and takes them again later.
        wait_until(lambda: count_waiting(plain) == 1, seconds=120)
        assert command.process is not None
        command.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            command.process.wait(0.5)  # it waits for the batch
        assert command.end() == -signal.SIGTERM
    plain.dispose()
    command = pump(tmp_path, rabbitmq, database)
    command.start()
    wait_until(lambda: len(read_stored(database)) == 10)
    assert command.end() == 0
    assert read_stored(database) == NAMES[:10]


# --- the gateway ---


def click(url: str, client: httpx.Client) -> str | None:
    """Click once; return the event id if the answer says that it is stored, None if nothing answers."""
    name = f"{random.getrandbits(64):016x}"
    content = sender.card(now=time.time())
    content["header"]["event_id"] = name
    body = sender.seal_body(content)
    try:
        answer = client.post(
            url, content=body, headers=sender.make_headers(body, timestamp=str(int(time.time())))
        )
    except httpx.TransportError:
        return None
    assert (answer.status_code, answer.content) == (200, RECEIVED)
    return name


@SIGNALS
@pytest.mark.parametrize("place", ["database", "rabbitmq"])
def test_a_gateway_answers_what_is_in_flight(
    tmp_path: Path, rabbitmq: str, database: URL, number: signal.Signals, place: str
) -> None:
    settings = {
        "database": {"LARK_DATABASE_URL": render_url(database)},
        "rabbitmq": {"RABBITMQ_URL": rabbitmq},
    }
    command = gateway(tmp_path / "log", port := free_port(), **settings[place])
    command.start()
    url = f"http://{HOST}:{port}/lark/callbacks/{sender.APP}"
    wait_until(lambda: httpx.get(f"http://{HOST}:{port}/readyz").status_code == 200)
    answered: list[str] = []

    def clicker(_: int) -> None:
        with httpx.Client() as client:
            while (name := click(url, client)) is not None:
                answered.append(name)

    with ThreadPoolExecutor(8) as pool:
        clicking = pool.map(clicker, range(8))
        wait_until(lambda: len(answered) > 100)
        assert command.end(number) == 0, command.log.read_text()
        list(clicking)
    kept = read_stored(database) if place == "database" else mq.list_ids(mq.drain(rabbitmq, CARDS))
    assert set(answered) <= set(kept)
    assert len(kept) == len(set(kept))
    assert "Gateway stopped" in command.log.read_text()
    assert "Traceback" not in command.log.read_text()


def test_the_second_signal_ends_a_gateway_at_once(tmp_path: Path, database: URL) -> None:
    command = gateway(tmp_path / "log", port := free_port(), LARK_DATABASE_URL=render_url(database))
    command.start()
    with socket.create_connection((HOST, port)) as client:
        client.sendall(
            f"POST /lark/callbacks/{sender.APP} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n".encode()
        )
        assert httpx.get(f"http://{HOST}:{port}/healthz").status_code == 200  # it has read the other request
        assert command.process is not None
        command.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not listens(port))
        assert command.process.poll() is None
        assert command.end(signal.SIGINT) == -signal.SIGINT


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


# --- the consumer ---

CONSUMER = """
import sys, time
from lark_provider.callbacks.broker.consumer import consume

def handle(event):
    with open(sys.argv[1], "a") as file:
        file.write(event.event_id + "\\n")
    time.sleep(float(sys.argv[2]))

consume(handle)
"""


def consumer(tmp_path: Path, broker: str, seconds: float) -> subprocess.Popen[str]:
    environ = {"RABBITMQ_URL": broker, "PYTHONPATH": ROOT, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", CONSUMER, str(tmp_path / "handled"), str(seconds)]
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ours


def read_handled(tmp_path: Path) -> list[str]:
    path = tmp_path / "handled"
    return path.read_text().split() if path.exists() else []


@SIGNALS
def test_consumers_that_are_stopped_in_turn_handle_each_event_once(
    tmp_path: Path, rabbitmq: str, number: signal.Signals
) -> None:
    names = [f"e{n:03}" for n in range(200)]
    send(rabbitmq, *map(make_event, names))
    while len(read_handled(tmp_path)) < len(names):
        before = len(read_handled(tmp_path))
        with consumer(tmp_path, rabbitmq, 0.002) as running:
            wait_until(lambda b=before: len(read_handled(tmp_path)) >= min(b + 50, len(names)))  # type: ignore[misc]
            running.send_signal(number)
            _, said = running.communicate(timeout=mq.LIMIT)
        assert running.returncode == 0, said
    assert sorted(read_handled(tmp_path)) == names
    assert mq.drain(rabbitmq, EVENTS) == []


def test_the_second_signal_ends_a_consumer_at_once_and_its_event_comes_again(
    tmp_path: Path, rabbitmq: str
) -> None:
    send(rabbitmq, make_event("slow"))
    with consumer(tmp_path, rabbitmq, 3600) as running:
        wait_until(lambda: read_handled(tmp_path) == ["slow"])
        running.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.5)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=mq.LIMIT)
        assert running.returncode == -signal.SIGTERM
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["slow"]


def test_in_another_thread_signals_stay_as_they_are(rabbitmq: str) -> None:
    from tests.callbacks.consuming import Seen, consuming

    before = signal.getsignal(signal.SIGTERM)
    with consuming(rabbitmq, Seen()) as running:
        assert running is not threading.main_thread()
        assert signal.getsignal(signal.SIGTERM) is before
