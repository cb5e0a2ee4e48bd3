"""A chat command reaches its table by each way, once, and is not lost to those who consume events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import CARDS, DEAD, EVENTS
from lark_provider.callbacks.http.commands import CommandFilter
from lark_provider.callbacks.http.sinks import NotStoredError
from lark_provider.callbacks.http.stores import BrokerSink, InboxSink
from lark_provider.callbacks.http.writer import InboxWriter
from lark_provider.protocol.callbacks import Event, read
from lark_provider.storage import engine as engines
from lark_provider.storage.bridge_tables import chat_commands
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.test_sink import connect_sink, keep

RULES = "commands:\n  - dag: etl\n    chat: direct\n    app: cli_a\n"


def make_event(
    text: str, *, event_id: str = "e1", app_id: str = "cli_a", kind: str = "im.message.receive_v1"
) -> Event:
    message = {
        "message_id": "om_1", "chat_id": "oc_1", "chat_type": "p2p", "message_type": "text",
        "content": orjson.dumps({"text": text}).decode(), "create_time": "1795694400123",
    }  # fmt: skip
    sender = {"sender_id": {"open_id": "ou_ann"}, "sender_type": "user", "tenant_key": "own"}
    header = {
        "event_id": event_id, "event_type": kind, "app_id": app_id, "tenant_key": "own",
        "create_time": "1795694400123",
    }  # fmt: skip
    delivery = read({"schema": "2.0", "header": header, "event": {"sender": sender, "message": message}})
    assert isinstance(delivery, Event)
    return delivery


@pytest.fixture
def commands(tmp_path: Path) -> CommandFilter:
    file = tmp_path / "lark.yaml"
    file.write_text(RULES)
    return CommandFilter(file)


def read_rows(url: URL) -> list[Any]:
    with engines.get_engine(url).connect() as connection:
        return list(connection.execute(sa.select(chat_commands)).all())


def test_rabbitmq_takes_it_for_both_and_the_pump_stores_it_once(
    rabbitmq: str, database: URL, commands: CommandFilter
) -> None:
    async def run() -> None:
        async with connect_sink(rabbitmq) as plain:
            sink = BrokerSink(plain._publisher, None, commands)
            for event_id in ("e1", "e2"):
                assert await keep([sink], make_event("/run etl", event_id=event_id)) == "rabbitmq"
            await keep([sink], make_event("hello", event_id="e3"))
            await keep([sink], make_event("/run etl", event_id="e4", app_id="cli_b"))

    asyncio.run(run())
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["e1", "e2", "e3", "e4"]
    mq.pump_all(rabbitmq, Inbox(database), 2)
    (row,) = read_rows(database)
    assert (row.app_id, row.message_id, row.text, row.state) == ("cli_a", "om_1", "/run etl", "due")
    assert mq.drain(rabbitmq, DEAD) == []
    # What is not a command has no place there, as before.
    mq.send(rabbitmq, "card.cli_a", make_event("hello").raw)
    mq.pump_all(rabbitmq, Inbox(database), 1)
    assert mq.drain(rabbitmq, CARDS) == []
    assert len(mq.drain(rabbitmq, DEAD)) == 1


def test_a_database_alone_takes_commands_and_leaves_talk_alone(
    database: URL, commands: CommandFilter
) -> None:
    async def run() -> None:
        sink = InboxSink(InboxWriter(Inbox(database)), None, commands)
        for text in ("/run etl", "hello"):
            assert await keep([sink], make_event(text)) == "database"
        for other in (make_event("hello", app_id="cli_b"), make_event("/run etl", kind="im.chat.updated_v1")):
            with pytest.raises(NotStoredError):
                await keep([sink], other)

    asyncio.run(run())
    assert [row.text for row in read_rows(database)] == ["/run etl"]


def test_without_rabbitmq_lark_repeats_it_for_consumers_and_it_is_done_once(
    database: URL, commands: CommandFilter
) -> None:
    async def run() -> None:
        sink = InboxSink(InboxWriter(Inbox(database)), None, commands, has_consumers=True)
        for _ in range(2):
            with pytest.raises(NotStoredError):
                await keep([sink], make_event("/run etl"))

    asyncio.run(run())
    assert len(read_rows(database)) == 1


def test_without_commands_nothing_changes(
    tmp_path: Path, database: URL, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "lark.yaml"
    broken = CommandFilter(file)
    for command_filter in (CommandFilter(None), broken):
        assert not command_filter.is_message(make_event("/run etl"))
    assert not broken.is_command(make_event("/run etl"))
    assert caplog.text.count("Chat commands are off") == 1
    file.write_text(RULES)
    assert broken.is_command(make_event("/run etl"))
    with pytest.raises(StorageError) as caught:
        Inbox(database).store([make_event("hello")])
    assert caught.value.permanent
