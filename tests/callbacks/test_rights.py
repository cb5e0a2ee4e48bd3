"""RabbitMQ's user has the rights that the documents name, and no others."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.broadcast import Broadcast
from lark_provider.callbacks.broker.topology import DEAD
from lark_provider.cli.__main__ import main
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.commands import gateway, ready
from tests.callbacks.consuming import Seen, consuming, make_event
from tests.callbacks.pumping import pumping, read_stored
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.processes import free_port
from tests.services.rabbitmq import RabbitServer, connect

PAGES = Path(__file__).parents[2] / "docs"


def read_rights(language: str) -> tuple[str, str, str]:
    """Return the patterns for configuring, writing and reading of the documents' command."""
    page = (PAGES / language / "how-to" / "rabbitmq.md").read_text()
    [line] = [line for line in page.splitlines() if line.startswith("rabbitmqctl set_permissions ")]
    return line.split("'")[1], line.split("'")[3], line.split("'")[5]


@pytest.fixture
def limited(rabbitmq_server: RabbitServer, rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a virtual host in which the user has these rights only."""
    rabbitmq_server.vhosts.set_rights(urlsplit(rabbitmq).path[1:], *read_rights("en"))
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    return rabbitmq


def test_both_languages_name_the_same_rights_and_they_are_limited(limited: str) -> None:
    assert read_rights("en") == read_rights("zh")
    with connect(limited) as connection, pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        connection.channel().queue_declare("another")


def test_a_click_and_an_event_arrive_by_all_ways(limited: str, database: URL, tmp_path: Path) -> None:
    woken, handled = threading.Event(), Seen()
    broadcast = Broadcast(mq.at(limited), lambda event: event.type)
    leave = broadcast.listen("im.message.receive_v1", woken.set)
    command = gateway(tmp_path / "log", free_port(), RABBITMQ_URL=limited)
    url = command.start().split()[-1]
    try:
        wait_until(lambda: ready(url) and broadcast.is_connected)
        for content in (sender.card(now=time.time()), sender.make_event(now=time.time())):
            body = sender.seal_body(content)
            signed = sender.make_headers(body, timestamp=str(int(time.time())))
            assert httpx.post(url.format(app_id=sender.APP), content=body, headers=signed).status_code == 200
        with pumping(limited, Inbox(database)), consuming(limited, handled):
            wait_until(lambda: len(read_stored(database)) == 1 and handled.ids != [] and woken.is_set())
    finally:
        leave()
        command.end()


def test_dead_letters_are_listed_requeued_and_purged(
    limited: str, database: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    mq.send(limited, "card.cli_1", make_event("not-a-click"))
    with pumping(limited, Inbox(database)):
        wait_until(lambda: len(mq.peek(limited, DEAD)) == 1)
    for words in (["list"], ["requeue", "--all"]):
        assert main(["callbacks", "dead", *words]) == 0
    with pumping(limited, Inbox(database)):
        wait_until(lambda: len(mq.peek(limited, DEAD)) == 1)
    assert main(["callbacks", "dead", "purge", "--all", "--yes"]) == 0
    assert capsys.readouterr().out.endswith("Purged: 1.\n")
    assert main(["health"]) in {0, 1}
    assert "✓ broker" in capsys.readouterr().out
