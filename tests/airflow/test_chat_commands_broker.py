"""A chat command's way through RabbitMQ: gateway, pump, bridge, plugin, and the answer in the thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lark_provider.callbacks.broker.topology import CARDS, DEAD
from tests.airflow.api_server import ApiServer
from tests.airflow.test_chat_commands import SECONDS, Place
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.services.processes import free_port

APP, KEY, TOKEN = "cli_commands_mq", "the app's key", "the app's token"


@pytest.fixture
def place(api_server: ApiServer, rabbitmq: str, tmp_path: Path) -> Iterator[Place]:
    lark = api_server.lark
    assert lark is not None
    settings = {
        "RABBITMQ_URL": rabbitmq,
        "LARK_EVENT_ENCRYPT_KEY": KEY,
        "LARK_EVENT_VERIFICATION_TOKEN": TOKEN,
    }
    place = Place(api_server, lark, tmp_path, APP, settings)
    place.link("alice", "alice")
    port = free_port()
    try:
        place.start("callbacks", "serve", "--port", str(port))
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}/readyz"), SECONDS)
        url = f"http://127.0.0.1:{port}/lark/callbacks/{APP}"
        lark.set_callback(url, encrypt_key=KEY, verification_token=TOKEN, app_id=APP)
        yield place
    finally:
        place.close()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def test_a_command_goes_through_the_broker_and_is_done_once_whatever_is_down(
    place: Place, rabbitmq: str
) -> None:
    # Nothing takes commands from the broker yet; each is delivered more than once.
    first = place.say('/run etl "2026-02-03" count=3', copies=3)
    pump = place.start("callbacks", "pump")
    wait_until(lambda: place.read_row(first["message_id"]) is not None, SECONDS)
    place.bridge()
    assert "etl was started by the Airflow user alice" in place.answer(first)
    assert place.run(first["message_id"])["conf"] == {"day": "2026-02-03", "count": 3}
    place.end(first["message_id"])
    assert "etl has succeeded" in place.answer(first, 2)

    place.server.kill()
    try:
        second, status = place.say("/run etl 2026-02-04", copies=2), place.say("/status etl")
        both = [second["message_id"], status["message_id"]]
        wait_until(
            lambda: all(
                (row := place.read_row(message_id)) is not None and row.attempts for message_id in both
            ),
            SECONDS,
        )
        pump.kill()
        pump.wait()
        place.start("callbacks", "pump")
        assert [place.read_row(message_id).state for message_id in both] == ["due", "due"]
        assert [place.answers(message_id) for message_id in both] == [[], []]
    finally:
        place.server.start()
        place.server.wait()
    assert "etl was started by the Airflow user alice" in place.answer(second)
    assert place.run(second["message_id"])["conf"]["day"] == "2026-02-04"
    place.answer(status)
    place.end(second["message_id"])
    assert "etl has succeeded" in place.answer(second, 2)

    wait_until(lambda: place.read_row(second["message_id"]).state == "done", SECONDS)
    assert [len(place.answers(command["message_id"])) for command in (first, second, status)] == [2, 2, 1]
    assert mq.drain(rabbitmq, CARDS) == []
    assert mq.drain(rabbitmq, DEAD) == []
