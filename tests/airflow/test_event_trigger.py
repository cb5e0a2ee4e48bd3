"""Events of Lark become asset events: LarkEventTrigger, run by Airflow's own runner of triggers."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import TriggerEvent

from lark_provider.callbacks.broker.topology import DEAD, EVENTS
from lark_provider.errors import ConfigurationError
from lark_provider.triggers import LarkEventTrigger, events
from tests.airflow.conftest import AirflowHome
from tests.airflow.event_runner import Runner, running
from tests.airflow.triggerer import Triggerer
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender

MESSAGE, EDIT = "im.message.receive_v1", "drive.file.edit_v1"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_GATHER_SECONDS", 0)


@pytest.fixture
def url(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the broker in Airflow's configuration, which overrides an unusable RABBITMQ_URL; return its URL."""
    monkeypatch.setenv("AIRFLOW__LARK__RABBITMQ_URL", rabbitmq)
    monkeypatch.setenv("RABBITMQ_URL", "amqp://nobody@127.0.0.1:1/")
    return rabbitmq


def make_event(event_id: str, kind: str = EDIT, app_id: str = "cli_1", **content: Any) -> dict[str, Any]:
    body = sender.make_event()
    body["header"] |= {"event_id": event_id, "event_type": kind, "app_id": app_id}
    del body["header"]["token"]
    body["event"] = content
    return body


def send(url: str, *bodies: object) -> None:
    mq.send(url, "event.cli_1", *bodies)


def drain_events(url: str) -> list[str]:
    return sorted(mq.list_ids(mq.drain(url, EVENTS)))


def test_an_event_is_acknowledged_when_it_is_stored(url: str) -> None:
    send(url, make_event("e1", file_token="f1"), make_event("e2"))

    async def work() -> None:
        async with running(LarkEventTrigger()) as runner:
            (_, payload), _ = await runner.wait_for_events(2)
            assert json.loads(json.dumps(payload)) == payload
            assert payload.pop("created_at").startswith("2026-10-0")
            assert payload == {
                "event_id": "e1",
                "type": EDIT,
                "app_id": "cli_1",
                "tenant_key": "2df73991750a0001",
                "event": {"file_token": "f1"},
            }
            runner.store("e1")

    mq.run(work())
    assert drain_events(url) == ["e2"]
    assert mq.drain(url, DEAD) == []


def test_each_trigger_gets_what_it_wants_and_the_rest_is_dead_lettered(url: str) -> None:
    send(
        url,
        make_event("e1", MESSAGE, message={"message_id": "om_1"}),
        make_event("e2", EDIT, "cli_2"),
        make_event("e3", "app_ticket", app_ticket="secret-ticket", token="secret-token"),
        make_event("e4", EDIT),
        make_event("e5", "contact.user.created_v3"),
        sender.card(),
    )
    triggers = [
        LarkEventTrigger(MESSAGE),
        LarkEventTrigger(["app_ticket", EDIT], app_id="cli_1"),
    ]

    async def work() -> tuple[list[tuple[int, Any]], dict[str, Any]]:
        dead: dict[str, Any] = {}
        async with running(*triggers) as runner:
            fired = await runner.wait_for_events(3)
            runner.store("e1", "e3", "e4")
            while len(dead) < 3:
                for properties, content in await asyncio.to_thread(mq.drain, url, DEAD):
                    dead[content["header"]["event_id"]] = properties.headers
        return fired, dead

    fired, dead = mq.run(work())
    assert [(number, payload["event_id"]) for number, payload in fired] == [(0, "e1"), (1, "e3"), (1, "e4")]
    assert "secret" not in str(fired)
    assert sorted(dead) == ["e2", "e5", sender.card()["header"]["event_id"]]
    assert "matched the event" in dead["e5"]["reason"]
    assert drain_events(url) == []


def test_an_event_waits_for_all_who_want_it(url: str) -> None:
    send(url, make_event("e1"), make_event("e2"))

    async def work() -> None:
        async with running(LarkEventTrigger(), LarkEventTrigger(EDIT)) as runner:
            await runner.wait_for_events(4)
            runner.store("e1", "e2", trigger_id=0)
            runner.store("e2", trigger_id=1)

    mq.run(work())
    assert drain_events(url) == ["e1"]


def test_what_is_not_stored_in_time_comes_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__TRIGGERER__SHARED_STREAM_ACK_TIMEOUT", "0.5")
    send(url, make_event("e1"))

    async def work() -> None:
        runner = Runner()
        task = runner.begin(LarkEventTrigger())
        with pytest.raises(Exception, match="did not finish processing event"):
            await task
        await runner._shared_streams.stop_all()

    mq.run(work())
    wait_until(lambda: drain_events(url) == ["e1"])


def test_an_event_that_comes_twice_is_stored_once(url: str) -> None:
    send(url, make_event("e1"), make_event("e1"))

    async def work() -> None:
        async with running(LarkEventTrigger()) as runner:
            await runner.wait_for_events(1)
            runner.store("e1")
            send(url, make_event("e1"), make_event("e2"))
            assert [payload["event_id"] for _, payload in await runner.wait_for_events(2)] == ["e1", "e2"]

    mq.run(work())
    assert drain_events(url) == ["e2"]


class SlowToRecord(LarkEventTrigger):
    """A trigger beside which something else is recorded once an event is stored, as a watcher of a base does.

    Args:
        record: What is done then.
    """

    def __init__(self, record: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.record = record

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[events.Offer]
    ) -> AsyncIterator[TriggerEvent]:
        async for offer in shared_stream:
            assert offer.event is not None
            offer.is_matched = True
            if offer.event.event_id == "e1":
                offer.stored.append(self.record)
            yield TriggerEvent({"event_id": offer.event.event_id})  # type: ignore[no-untyped-call]  # Airflow leaves it untyped


def test_an_event_that_comes_again_while_the_first_is_recorded_is_stored_once(url: str) -> None:
    send(url, make_event("e1"))

    async def work() -> None:
        recorded = asyncio.Event()

        async def redeliver() -> None:
            await asyncio.to_thread(send, url, make_event("e1"), make_event("e2"))
            await runner.wait_for_events(2)
            recorded.set()

        async with running(SlowToRecord(redeliver)) as runner:
            await runner.wait_for_events(1)
            runner.store("e1")
            await recorded.wait()
            assert [payload["event_id"] for _, payload in await runner.wait_for_events(2)] == ["e1", "e2"]

    mq.run(work())
    assert drain_events(url) == ["e2"]


@asynccontextmanager
async def detour(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Start a proxy to the broker; yield its URL, and a function that closes all its connections."""
    broker, open_now = urlsplit(url), set[asyncio.StreamWriter]()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, back = await asyncio.open_connection(broker.hostname, broker.port)
        open_now.update({writer, back})
        await asyncio.gather(pass_on(reader, back), pass_on(from_broker, writer))

    def cut() -> None:
        while open_now:
            open_now.pop().close()

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield broker._replace(netloc=f"{broker.netloc.rpartition(':')[0]}:{port}").geturl(), cut
        cut()


def test_a_connection_that_is_lost_brings_no_event_twice(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    send(url, make_event("e1"), make_event("e2"), make_event("e3", MESSAGE, message={"message_id": "om_1"}))

    async def work() -> list[Any]:
        async with detour(url) as (address, cut):
            monkeypatch.setenv("AIRFLOW__LARK__RABBITMQ_URL", address)
            async with running(LarkEventTrigger(EDIT)) as runner:
                await runner.wait_for_events(2)
                dead = await asyncio.to_thread(mq.drain, url, DEAD)
                cut()
                runner.store("e1")  # while nobody can be told
                await asyncio.to_thread(send, url, make_event("e4"))
                assert [payload["event_id"] for _, payload in await runner.wait_for_events(3)] == [
                    "e1",
                    "e2",
                    "e4",
                ]
                runner.store("e2")
        return dead

    dead = mq.run(work())
    assert drain_events(url) == ["e4"]
    assert {*mq.list_ids(dead), *mq.list_ids(mq.drain(url, DEAD))} == {"e3"}


def test_nothing_is_taken_when_nobody_wants_it_any_more(url: str) -> None:
    send(url, make_event("e1"))

    async def work() -> None:
        async with running(LarkEventTrigger()) as runner:
            await runner.wait_for_events(1)
            runner.triggers[0]["task"].cancel()
            await mq.wait_until_async(runner.triggers[0]["task"].done)

    mq.run(work())
    assert drain_events(url) == ["e1"]


def test_a_missing_broker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        runner = Runner()
        with pytest.raises(ConfigurationError, match="RabbitMQ must be configured"):
            await runner.begin(LarkEventTrigger())

    mq.run(work())


def test_an_asset_watcher_takes_it_and_the_same_filter_is_the_same_trigger() -> None:
    trigger, other = LarkEventTrigger([MESSAGE, EDIT], "cli_1"), LarkEventTrigger({EDIT, MESSAGE}, "cli_1")
    assert trigger.serialize() == other.serialize()
    name, kwargs = trigger.serialize()
    assert name == "lark_provider.triggers.events.LarkEventTrigger"
    assert LarkEventTrigger(**json.loads(json.dumps(kwargs))).serialize() == trigger.serialize()
    asset = Asset("messages", watchers=[AssetWatcher(name="lark", trigger=trigger)])
    assert asset.watchers[0].trigger is trigger


def test_it_does_not_run_alone() -> None:
    async def work() -> None:
        async for _ in LarkEventTrigger().run():
            raise AssertionError

    with pytest.raises(ConfigurationError, match="AssetWatcher"):
        mq.run(work())


QUEUE = """
import pendulum
from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger
from airflow.sdk import DAG, Asset, AssetWatcher

trigger = MessageQueueTrigger(scheme="lark", event_types=["im.message.receive_v1"])
messages = Asset("messages_of_the_queue", watchers=[AssetWatcher(name="lark", trigger=trigger)])
with DAG("answers_messages", schedule=[messages], start_date=pendulum.datetime(2026, 1, 1)):
    pass
"""


def test_an_event_reaches_an_asset_through_airflows_message_queue_trigger(
    url: str, airflow_home: AirflowHome, tmp_path: Path
) -> None:
    triggerer = Triggerer(airflow_home, tmp_path / "airflow", {"AIRFLOW__LARK__RABBITMQ_URL": url})
    triggerer.parse(QUEUE)
    assert "lark_provider.triggers.events.LarkEventTrigger" in triggerer.watchers()
    send(url, make_event("e1", MESSAGE, message={"message_id": "om_1"}))
    triggerer.start()
    try:
        wait_until(triggerer.read_events, 90)
        [stored] = triggerer.read_events()
        wait_until(lambda: drain_events(url) == [], 30)  # acknowledged, since Airflow has stored it
    finally:
        triggerer.kill()
    assert stored["event_id"] == "e1"
    assert stored["event"] == {"message": {"message_id": "om_1"}}
    assert mq.drain(url, DEAD) == []


def test_the_queues_module_loads_no_trigger_broker_or_client() -> None:
    code = """
        import sys
        import airflow.sdk
        from airflow.providers.common.messaging.providers import base_provider
        before = set(sys.modules)
        import lark_provider.queues
        print(*sorted(set(sys.modules) - before))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded == {"lark_provider.queues"}  # Airflow has loaded the package for its description


@pytest.fixture
def _airflow_3_2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "airflow.triggers.shared_stream", None)
    monkeypatch.delitem(sys.modules, "lark_provider.triggers.events")
    yield
    monkeypatch.undo()


def test_an_airflow_without_shared_streams_is_told_in_one_sentence(_airflow_3_2: None) -> None:  # noqa: PT019 - it prepares
    with pytest.raises(ConfigurationError, match=r"needs Apache Airflow 3\.3 or later"):
        importlib.import_module("lark_provider.triggers.events")
