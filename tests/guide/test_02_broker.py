"""The guide's section 2.2: what RabbitMQ is for, how it is configured, and what survives its restart."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.broker.topology import CARDS, EVENTS
from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.errors import BrokerError
from lark_provider.health import check_rabbitmq
from lark_provider.storage import urls
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.commands import Command, gateway
from tests.callbacks.pumping import NAMES, cards, pumping, read_stored
from tests.failures.waiting import wait_until
from tests.guide.arrived import open_id, read_texts
from tests.guide.reader import Database, Reader
from tests.protocol.callbacks import sender
from tests.services.processes import HOST, free_port
from tests.services.rabbitmq import OwnRabbit, connect

WITHOUT_BROKER = """
import sys

sys.modules["pika"] = None  # whatever needs it fails

from lark_provider import LarkServiceClient

with LarkServiceClient(app_id="cli_your_app_id") as client:
    client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello")
    base = client.clouddoc.bitable.create_app("Base").data["app"]["app_token"]
    table = client.clouddoc.bitable.create_table(base, "Rows", [{"field_name": "Name", "type": 1}])
    client.clouddoc.bitable.create_record(
        app_token=base, table_id=table.data["table_id"], fields={"Name": "甲"}
    )
    assert client.contact.get_user("ou_xxxxxxxx")["name"]
"""


def click(base: str, event_id: str) -> bytes:
    """Post a click on a card as Lark does, and return the response."""
    card = sender.card(now=time.time())
    card["header"]["event_id"] = event_id
    body = sender.seal_body(card)
    headers = sender.make_headers(body, timestamp=str(int(time.time())))
    return httpx.post(f"{base}/lark/callbacks/{sender.APP}", content=body, headers=headers).content


def own_url(database: Database) -> URL:
    """Return the URL of the guide's database."""
    return urls.parse(database.server.build_url("lark_service"), "test")


@pytest.mark.parametrize("broker", [True, False], ids=["rabbitmq", "none"])
def test_guide_11_a_click_reaches_the_database_with_a_broker_and_without(
    broker: bool, rabbitmq: str, upgraded: Database, tmp_path: Path
) -> None:
    settings = {"LARK_DATABASE_URL": upgraded.server.build_url("lark_service")}
    settings |= {"RABBITMQ_URL": rabbitmq} if broker else {}
    command = gateway(tmp_path / "gateway.log", port := free_port(), **settings)
    command.start()
    base = f"http://{HOST}:{port}"
    try:
        wait_until(lambda: all(httpx.get(f"{base}/readyz").json()["sinks"].values()))
        assert click(base, "e1") == RECEIVED
    finally:
        assert command.end() == 0
    if broker:
        pump = Command(tmp_path / "pump.log", "pump", settings=settings)
        pump.start()
        wait_until(lambda: read_stored(own_url(upgraded)) == ["e1"])
        assert pump.end() == 0
    assert read_stored(own_url(upgraded)) == ["e1"]


def test_guide_11_everything_else_needs_no_broker(
    lark: Emulator, apps: object, upgraded: Database, reader: Reader
) -> None:
    reader.python(WITHOUT_BROKER.replace("ou_xxxxxxxx", open_id(lark)))
    assert read_texts(lark) == ["Hello"]
    health = reader.run("python -m lark_provider.cli health").stdout
    assert "RABBITMQ" in next(line for line in health.splitlines() if "broker" in line)


@pytest.fixture
def parts(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables of section 4.1 for a broker that is running, and return them."""
    url = urlsplit(rabbitmq)
    environ = {
        "RABBITMQ_HOST": url.hostname or "",
        "RABBITMQ_PORT": str(url.port),
        "RABBITMQ_USER": unquote(url.username or ""),
        "RABBITMQ_PASSWORD": unquote(url.password or ""),
        "RABBITMQ_VHOST": unquote(url.path[1:]),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


WRONG = {
    "RABBITMQ_HOST": ("no-such-host.invalid", "gaierror"),
    "RABBITMQ_PORT": ("1", "refused"),
    "RABBITMQ_USER": ("another", "Login was refused"),
    "RABBITMQ_PASSWORD": ("another-password", "Login was refused"),
    "RABBITMQ_VHOST": ("another", "another"),
    "RABBITMQ_TLS": ("true", "SSL"),
}


def test_guide_13_the_environment_steers_the_connection(
    parts: dict[str, str], rabbitmq: str, upgraded: Database
) -> None:
    """What is published where the parts say is in this virtual host, and is pumped from there."""
    mq.send(rabbitmq, "card.cli_1", mq.card("e1"))
    assert Pump(amqp.read_broker(), Inbox(own_url(upgraded))).run_once(seconds=mq.LIMIT) == 1
    assert read_stored(own_url(upgraded)) == ["e1"]


@pytest.mark.parametrize("name", WRONG)
def test_guide_13_each_part_counts(name: str, parts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_rabbitmq() == {"status": "healthy", "rabbitmq": "connected"}
    value, why = WRONG[name]
    monkeypatch.setenv(name, value)
    report = check_rabbitmq()
    assert report["status"] == "unhealthy"
    assert why in report["error"]
    assert "another-password" not in report["error"]
    with pytest.raises(BrokerError, match=r"Next: check "):
        amqp.ping(amqp.read_broker())


def test_guide_14_queues_and_messages_survive_a_restart_and_clients_reconnect(
    own_rabbitmq: OwnRabbit, upgraded: Database
) -> None:
    """Two restarts: one with messages in the queues and no client, one under a pump that stays."""
    url, inbox = own_rabbitmq.url, Inbox(own_url(upgraded))
    with connect(url) as connection:
        version = connection._impl.server_properties["version"]  # type: ignore[attr-defined]
    assert tuple(map(int, version.split(".")[:2])) >= (3, 11)
    mq.send(url, "card.cli_1", *cards(100))
    mq.send(url, "event.cli_1", sender.make_event())
    own_rabbitmq.stop()
    own_rabbitmq.start()
    assert mq.list_ids(mq.peek(url, CARDS)) == NAMES[:100]
    assert len(mq.peek(url, EVENTS)) == 1
    with pumping(url, inbox):
        wait_until(lambda: len(read_stored(own_url(upgraded))) == 100)
        own_rabbitmq.stop()
        own_rabbitmq.start()
        mq.send(url, "card.cli_1", mq.card("after"))
        # Sorted: what `peek` returned to its queue, RabbitMQ delivers in any order.
        wait_until(lambda: sorted(read_stored(own_url(upgraded))) == sorted([*NAMES[:100], "after"]))
    with connect(url) as connection:  # raises unless it is a quorum queue, which a cluster replicates
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "lark.events.dead"}
        connection.channel().queue_declare(CARDS.name, durable=True, arguments=arguments | dead)
