"""TLS with an authority of one's own, as a company's broker has it."""

from __future__ import annotations

import asyncio
import random
import subprocess
from pathlib import Path

import pytest

from lark_provider.callbacks.broker.amqp import Broker, ping, read_broker
from lark_provider.callbacks.broker.link import open_channel
from lark_provider.callbacks.broker.publisher import Publisher
from lark_provider.callbacks.broker.topology import CARDS
from lark_provider.errors import BrokerError
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.services.plugin import StartServer
from tests.services.processes import HOST, free_port, listens
from tests.services.rabbitmq import OwnRabbit

SELF_SIGNED = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=mq -addext subjectAltName=IP:127.0.0.1"


async def enter(where: Broker) -> None:
    async with open_channel(where):
        pass


async def publish(where: Broker) -> None:
    publisher = Publisher(where)
    running = asyncio.ensure_future(publisher.run())
    await mq.wait_until_async(lambda: publisher.is_up)
    await publisher.publish("card.cli_1", "e1", b'{"header":{"event_id":"e1"}}')
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def give_up_often(where: Broker) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    for _ in range(40):
        task = asyncio.ensure_future(enter(where))
        await asyncio.sleep(chance.uniform(0, 0.02))
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or task.exception() is None


def test_an_authority_of_ones_own_is_trusted_when_it_is_named(
    start_rabbitmq: StartServer[OwnRabbit], tmp_path: Path
) -> None:
    certificate, key, port = tmp_path / "mq.crt", tmp_path / "mq.key", free_port()
    subprocess.run(  # noqa: S603 - a fixed command
        ["openssl", *SELF_SIGNED.split(), "-keyout", key, "-out", certificate],  # noqa: S607 - wherever it is
        check=True,
        capture_output=True,
    )
    settings = {
        "listeners.ssl.default": f"{HOST}:{port}",
        "ssl_options.certfile": "mq.crt",
        "ssl_options.keyfile": "mq.key",
    }
    node = start_rabbitmq(settings, {path.name: path.read_text() for path in (certificate, key)})
    wait_until(lambda: listens(port))  # its plain port comes first

    parts = {"RABBITMQ_HOST": HOST, "RABBITMQ_PORT": str(port), "RABBITMQ_TLS": "true"}
    url = f"amqps://guest:guest@{HOST}:{port}/%2F"
    for unknown in (read_broker(None, parts), read_broker(url, {})):
        with pytest.raises(
            BrokerError, match=r"certificate verify failed.*RABBITMQ_CA for an authority of your"
        ):
            mq.run(enter(unknown))

    trusted = {"RABBITMQ_CA": str(certificate)}
    mq.run(publish(read_broker(None, parts | trusted)))
    mq.run(publish(read_broker(url, trusted)))
    ping(read_broker(url, trusted))
    mq.run(give_up_often(read_broker(url, trusted)))
    assert mq.list_ids(mq.drain(node.url, CARDS)) == ["e1", "e1"]

    another_name = read_broker(f"amqps://guest:guest@localhost:{port}/%2F", trusted)
    with pytest.raises(BrokerError, match=r"Hostname mismatch|not valid for 'localhost'"):
        mq.run(enter(another_name))
