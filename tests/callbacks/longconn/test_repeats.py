"""Events that Lark sends again, hours later or to another process, and what is without a database."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.topology import EVENTS
from lark_provider.callbacks.websocket import dedup
from lark_provider.callbacks.websocket.dedup import StoredEvents
from lark_provider.protocol.callbacks import Event, read
from lark_provider.storage import urls
from lark_provider.storage.inbox import Inbox
from tests.callbacks import mq
from tests.callbacks.longconn.larkside import LarkSide
from tests.callbacks.longconn.listening import IMPATIENT, Listening, until
from tests.callbacks.virtual import run_to_end
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import OwnRabbit


def make_event(number: int = 1, app_id: str = sender.APP) -> dict[str, Any]:
    content = sender.make_event()
    content["header"] |= {"event_id": f"event-{number}", "app_id": app_id}
    content["event"]["message"]["message_id"] = f"om_{number}"
    return content


def read_event(number: int = 1, app_id: str = sender.APP) -> Event:
    delivery = read(make_event(number, app_id))
    assert isinstance(delivery, Event)
    return delivery


def inbox(folder: Path) -> Inbox:
    return Inbox(urls.database(f"sqlite:///{folder}/lark.db"))


LATER = 1000.0


def test_an_event_is_known_to_all_processes_by_app_and_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedup, "_LOOKUP_TIMEOUT_SECONDS", LATER)

    async def scene() -> None:
        first, second = StoredEvents(inbox(tmp_path)), StoredEvents(inbox(tmp_path))
        assert not await first.has(read_event())
        await first.note(read_event(), asyncio.get_running_loop().time() + LATER)
        assert await first.has(read_event())
        assert await second.has(read_event())
        assert not await second.has(read_event(2))
        assert not await second.has(read_event(1, "cli_other"))

    mq.run(scene())


def test_many_at_once_take_few_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries: list[int] = []

    class Counted(Inbox):
        def are_handled(self, consumer: str, event_ids: Any) -> set[str]:
            queries.append(len(event_ids))
            return super().are_handled(consumer, event_ids)

        def note_all_handled(self, consumer: str, event_ids: Any) -> None:
            queries.append(len(event_ids))
            super().note_all_handled(consumer, event_ids)

    monkeypatch.setattr(dedup, "_LOOKUP_TIMEOUT_SECONDS", LATER)

    async def scene() -> None:
        events = [read_event(number) for number in range(200)]
        stored = StoredEvents(Counted(urls.database(f"sqlite:///{tmp_path}/lark.db")))
        assert not any(await asyncio.gather(*map(stored.has, events)))
        until_ = asyncio.get_running_loop().time() + LATER
        await asyncio.gather(*(stored.note(delivery, until_) for delivery in events))
        fresh = StoredEvents(inbox(tmp_path))
        assert all(await asyncio.gather(*map(fresh.has, events)))

    mq.run(scene())
    assert sum(queries) == 400
    assert len(queries) <= 4


def test_without_a_database_the_process_remembers_longer_than_lark_repeats() -> None:
    async def scene() -> list[bool]:
        stored = StoredEvents(None)
        await stored.note(read_event(), 0.0)
        results = []
        for hours in (7.2, 7.9, 8.1):
            await asyncio.sleep(hours * 3600 - asyncio.get_running_loop().time())
            results.append(await stored.has(read_event()))
        return results

    assert run_to_end(scene)[0] == [True, True, False]


def test_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "_MAX_REMEMBERED", 3)

    async def scene() -> None:
        stored = StoredEvents(None)
        for number in range(4):
            await stored.note(read_event(number), 0.0)
        assert [await stored.has(read_event(number)) for number in range(4)] == [False, True, True, True]

    mq.run(scene())


def test_a_database_that_hangs_holds_no_event_back(
    server: OwnPostgres,
    own_database: URL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dedup, "_LOOKUP_TIMEOUT_SECONDS", 0.3)

    async def scene() -> None:
        loop, stored = asyncio.get_running_loop(), StoredEvents(Inbox(own_database))
        server.pause()
        try:
            for number in range(20):  # the first ones wait; those after it do not even ask
                assert not await stored.has(read_event(number))
                await stored.note(read_event(number), loop.time() + 0.3)
            assert await stored.has(read_event(0))  # by memory
        finally:
            server.resume()

    with caplog.at_level(logging.WARNING):
        mq.run(scene())
    message = "Database unavailable; repeated events are not recognized"
    assert caplog.messages.count(message) == 1


def stop_and_drain(listening: Listening, broker: str) -> list[str]:
    assert listening.stop() == 0
    return mq.list_ids(mq.drain(broker, EVENTS))


def test_an_event_that_is_repeated_to_another_process_is_published_once(
    lark: LarkSide, tmp_path: Path, rabbitmq: str
) -> None:
    first = Listening(lark, tmp_path, (*IMPATIENT, "", "", ""), {"RABBITMQ_URL": rabbitmq})
    try:
        link = first.link()
        assert [link.ask(make_event(1)).code for _ in range(2)] == [200, 200]
        first.process.kill()
        first.process.wait()
    finally:
        first.close()
    second = Listening(lark, tmp_path, (*IMPATIENT, "", "", ""), {"RABBITMQ_URL": rabbitmq})
    try:
        link = second.link()
        assert [link.ask(make_event(number)).code for number in (1, 2)] == [200, 200]
        assert sorted(stop_and_drain(second, rabbitmq)) == ["event-1", "event-2"]
        assert "Repeated event ignored" in second.log
    finally:
        second.close()


def test_without_a_database_a_repeat_after_a_restart_is_published_again(
    lark: LarkSide, tmp_path: Path, rabbitmq: str
) -> None:
    """As documented: consumers that note what they have handled recognize it."""
    for _ in range(2):
        listening = Listening(
            lark, tmp_path, (*IMPATIENT, "", "", ""), {"RABBITMQ_URL": rabbitmq, "LARK_DATABASE_URL": ""}
        )
        try:
            link = listening.link()
            assert [link.ask(make_event(1)).code for _ in range(2)] == [200, 200]
            assert listening.stop() == 0
        finally:
            listening.close()
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["event-1"] * 2


def test_an_event_is_answered_only_once_rabbitmq_has_it(
    lark: LarkSide, tmp_path: Path, node: OwnRabbit
) -> None:
    listening = Listening(lark, tmp_path, (*IMPATIENT, "", "", ""), {"RABBITMQ_URL": node.url})
    try:
        link = listening.link()
        assert link.ask(make_event(1)).code == 200
        node.kill()
        assert link.ask(make_event(2)).code == 500  # not stored, and so not accepted: Lark repeats it
        node.start()
        until(lambda: link.ask(make_event(2)).code == 200, "not accepted again")
        assert listening.stop() == 0
        assert sorted(mq.list_ids(mq.drain(node.url, EVENTS))) == ["event-1", "event-2"]
    finally:
        listening.close()
