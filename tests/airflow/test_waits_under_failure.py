"""Waits and what can happen to them: databases that become unavailable, forks, triggerers that die."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import sqlalchemy as sa

from lark_provider.callbacks import hub as hubs
from lark_provider.callbacks import waiting
from lark_provider.callbacks.broker.topology import EVENTS
from lark_provider.callbacks.hub import Hub
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.waits import Wait
from lark_provider.sensors import LarkCardCallbackSensor
from lark_provider.storage import engine as engines
from lark_provider.storage import tables, urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.triggers import LarkCardCallbackTrigger
from tests.airflow.conftest import AirflowHome
from tests.airflow.test_event_trigger import make_event
from tests.airflow.triggerer import Triggerer
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import connect
from tests.storage import prepared


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    wait_until(lambda: not threads())
    while engines._engines:
        engines._engines.popitem()[1].dispose()


@pytest.fixture
def inbox(database_url: str) -> Inbox:
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    return Inbox(url)


@pytest.fixture
def server(own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> OwnPostgres:
    """Start a PostgreSQL server that can be stopped, and let waits check it every 50 milliseconds."""
    prepared.upgrade(urls.parse(own_postgres.url, "test"))
    monkeypatch.setattr(hubs, "POLL_INTERVAL_SECONDS", 0.05)
    return own_postgres


def threads() -> list[str]:
    """Return the names of the running threads that serve waits."""
    return sorted(
        thread.name for thread in threading.enumerate() if thread.name in {"lark-waits", "lark-pump"}
    )


def wait(number: int) -> Wait:
    return Wait(f"k{number}", (f"om_{number}",))


def read_answers(future: Future[list[CardClick]]) -> list[str]:
    return [click.event_id for click in future.result(30)]


def test_all_waits_of_a_process_share_one_query_a_second(
    database_url: str, inbox: Inbox, rabbitmq: str
) -> None:
    sent: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):  # the pump's proof that it can store clicks is no look
            sent.append(statement)

    on = engines.get_engine(urls.parse(database_url, "test"))
    hub, here = Hub(database_url, rabbitmq), inbox.read_database_id()
    sa.event.listen(on, "before_cursor_execute", note)
    began = time.monotonic()
    futures = [hub.wait(wait(number), here) for number in range(500)]
    wait_until(lambda: len(sent) > 3)
    first_is_who_this_is = 1
    assert len(sent) <= first_is_who_this_is + 1 + (time.monotonic() - began) / hubs.POLL_INTERVAL_SECONDS
    assert threads() == ["lark-pump", "lark-waits"]
    with on.connect() as connection:
        ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        assert connection.exec_driver_sql(ours).scalar_one() <= 2  # the hub's connection and this one
    sa.event.remove(on, "before_cursor_execute", note)
    mq.send(rabbitmq, "card.cli_1", mq.card("e7", message_id="om_7"))
    assert read_answers(futures[7]) == ["e7"]
    assert not any(future.done() for future in futures if future is not futures[7])
    for future in futures:
        future.cancel()


def test_who_waits_no_more_is_forgotten_and_the_threads_end(server: OwnPostgres) -> None:
    hub = Hub(server.url)
    first, second, again = hub.wait(wait(1)), hub.wait(wait(2)), hub.wait(wait(2))
    first.cancel()
    wait_until(lambda: list(hub._pending) == [("k2", None)])
    second.cancel()
    Inbox(urls.parse(server.url, "test")).store([mq.click("e2", message_id="om_2")])
    assert read_answers(again) == ["e2"]
    wait_until(lambda: not threads())
    assert read_answers(hub.wait(wait(2))) == ["e2"]


def test_a_trigger_that_is_cancelled_leaves_nothing_behind(
    server: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", server.url)

    async def cancelled_after(steps: int) -> None:
        task = asyncio.ensure_future(anext(aiter(LarkCardCallbackTrigger(asdict(wait(steps))).run())))
        for _ in range(steps):
            await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    async def work() -> None:
        await asyncio.gather(*(cancelled_after(steps) for steps in range(30)))

    mq.run(work())
    wait_until(lambda: not threads())


def test_a_database_that_becomes_unavailable_is_waited_for(
    server: OwnPostgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, hubs.__name__)
    inbox = Inbox(urls.parse(server.url, "test"))
    hub = Hub(server.url)
    futures = [hub.wait(wait(1), inbox.read_database_id())]
    wait_until(lambda: hub._database_id is not None)
    looks, look = [], hub._check_waits

    def count_look(waits: Any) -> None:
        looks.append(len(waits))
        look(waits)

    monkeypatch.setattr(hub, "_check_waits", count_look)
    server.stop()
    seen = len(looks)
    wait_until(lambda: len(looks) > seen + 4)
    futures.append(hub.wait(wait(2), "another-database"))
    assert not futures[0].done()
    server.start()
    with pytest.raises(ConfigurationError, match="not the database where the wait began"):
        futures[1].result(30)
    inbox.store([mq.click("e1", message_id="om_1")])
    assert read_answers(futures[0]) == ["e1"]
    [warning] = [record for record in caplog.records if record.name == hubs.__name__]
    assert warning.getMessage() == "Database unavailable; waits continue"
    assert (vars(warning)["waits"], vars(warning)["failures"]) == (1, 1)
    assert "Next: check that it runs" in vars(warning)["error"]


def test_a_database_that_was_replaced_is_another(server: OwnPostgres) -> None:
    url = urls.parse(server.url, "test")
    hub, before = Hub(server.url), Inbox(url).read_database_id()
    old = hub.wait(wait(1), before)
    wait_until(lambda: hub._database_id == before)
    with engines.get_engine(url).begin() as connection:
        connection.execute(sa.update(tables.meta).values(value="restored"))
    new = hub.wait(wait(2), "restored")
    with pytest.raises(ConfigurationError, match="not the database where the wait began"):
        old.result(30)
    Inbox(url).store([mq.click("e2", message_id="om_2")])
    assert read_answers(new) == ["e2"]


def test_a_database_that_is_frozen_holds_no_loop(
    server: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", server.url)
    waiting.get_hub(server.url).wait(wait(0)).cancel()  # what takes time at first is done
    wait_until(lambda: not threads())
    server.pause()
    thaw = threading.Timer(30, server.resume)  # else a loop that is held would be held indefinitely
    thaw.start()

    async def work() -> None:
        first = asyncio.ensure_future(anext(aiter(LarkCardCallbackTrigger(asdict(wait(1))).run())))
        second = asyncio.ensure_future(anext(aiter(LarkCardCallbackTrigger(asdict(wait(2))).run())))
        await mq.wait_until_async(threads)
        first.cancel()
        await asyncio.wait({first})
        assert thaw.is_alive()
        server.resume()
        Inbox(urls.parse(server.url, "test")).store([mq.click("e2", message_id="om_2")])
        assert (await second).payload["status"] == "answered"

    mq.run(work())
    thaw.cancel()


def test_a_forked_child_waits_for_itself(server: OwnPostgres) -> None:
    hub = waiting.get_hub(server.url)
    future = hub.wait(wait(1))
    child = os.fork()
    if child == 0:
        try:
            assert waiting.get_hub(server.url) is not hub
            assert read_answers(waiting.get_hub(server.url).wait(wait(2))) == ["e2"]
        except BaseException:  # noqa: BLE001 - a child must not run the parent's tests
            os._exit(1)
        os._exit(0)
    Inbox(urls.parse(server.url, "test")).store([mq.click("e2", message_id="om_2")])
    assert os.waitpid(child, 0)[1] == 0
    future.cancel()


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_database_that_is_frozen_holds_no_task(
    server: OwnPostgres,
    context: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    deferrable: bool,
) -> None:
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", server.url)
    assert waiting.ASK_SECONDS <= 12
    monkeypatch.setenv("LARK_DATABASE_URL", server.url)
    monkeypatch.setattr(waiting, "ASK_SECONDS", 0.5)
    sensor = LarkCardCallbackSensor(task_id="t", message_id="om_1", app_id=sender.APP, deferrable=deferrable)
    task_context = context()
    task_context["ti"].get_first_reschedule_date = lambda _: None
    server.pause()
    thaw = threading.Timer(30, server.resume)  # else a task that is held would be held indefinitely
    thaw.start()
    for ask in (lambda: sensor.execute(task_context), lambda: waiting.read_database_id(server.url)):
        with pytest.raises(StorageError, match=r"did not answer within 0.5 s. Next: check") as raised:
            ask()
        assert raised.value.retryable
    assert thaw.is_alive()
    thaw.cancel()
    server.resume()
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", server.url)
    Inbox(urls.parse(server.url, "test")).store([mq.click("e1", message_id="om_1")])
    assert sensor.execute(task_context)["event_id"] == "e1"


def test_what_nobody_expects_ends_the_waits_and_is_told(
    server: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(server.url)
    monkeypatch.setattr(hub._inbox, "decide_answers", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hub.wait(wait(1)).result(30)


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_triggers_wait_in_one_process(
    database_url: str,
    inbox: Inbox,
    rabbitmq: str,
    monkeypatch: pytest.MonkeyPatch,
    say: Callable[[str], None],
) -> None:
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database_url)
    monkeypatch.setenv("AIRFLOW__LARK__RABBITMQ_URL", rabbitmq)
    many, clicked, here = 10_000, range(0, 10_000, 25), inbox.read_database_id()
    hub = waiting.get_hub(database_url, rabbitmq)
    looks, ask = list[float](), hub._inbox.decide_answers

    def time_look(waits: Sequence[Wait]) -> dict[str, list[CardClick]]:
        began = time.monotonic()
        answers = ask(waits)
        looks.append(time.monotonic() - began)
        return answers

    monkeypatch.setattr(hub._inbox, "decide_answers", time_look)

    async def time_trigger(number: int) -> float:
        event = await anext(aiter(LarkCardCallbackTrigger(asdict(wait(number)), here).run()))
        assert event.payload["status"] == "answered"
        return time.monotonic()

    def click() -> dict[int, float]:
        sent: dict[int, float] = {}
        for some in (clicked[place : place + 20] for place in range(0, len(clicked), 20)):
            mq.send(rabbitmq, "card.cli_1", *(mq.card(f"e{n}", message_id=f"om_{n}") for n in some))
            sent |= dict.fromkeys(some, time.monotonic())
        return sent

    async def work() -> str:
        memory, began = resident(), time.monotonic()
        tasks = [asyncio.ensure_future(time_trigger(number)) for number in range(many)]
        await mq.wait_until_async(lambda: len(hub._pending) == many, 60)
        await mq.wait_until_async(lambda: len(looks) > 1)  # one of them was for all
        memory = (resident() - memory) // many
        sent = await asyncio.to_thread(click)
        ends = await asyncio.gather(*(tasks[number] for number in clicked))
        assert threads() == ["lark-pump", "lark-waits"]
        assert len(looks) <= 1 + (time.monotonic() - began) / hubs.POLL_INTERVAL_SECONDS
        assert sum(task.done() for task in tasks) == len(clicked)
        for task in tasks:
            task.cancel()
        took = sorted(end - sent[number] for number, end in zip(clicked, ends, strict=True))
        return (
            f"{many} waiting triggers: {memory} bytes each, {1000 * median(looks):.0f} ms for a look at all, "
            f"click to event p50 {median(took):.2f} s, p99 {took[len(took) * 99 // 100]:.2f} s"
        )

    say(mq.run(work()))


@pytest.fixture
def triggerer(
    airflow_home: AirflowHome, tmp_path: Path, database_url: str, rabbitmq: str
) -> Iterator[Triggerer]:
    settings = {"AIRFLOW__LARK__DATABASE_URL": database_url, "AIRFLOW__LARK__RABBITMQ_URL": rabbitmq}
    own_triggerer = Triggerer(airflow_home, tmp_path / "airflow", settings)
    yield own_triggerer
    own_triggerer.kill()


def ready(url: str) -> int:
    """Return how many events in the queue have not been delivered to a consumer."""
    with connect(url) as connection:
        return connection.channel().queue_declare(EVENTS.name, passive=True).method.message_count


def test_a_triggerer_that_is_killed_loses_no_event_and_no_wait(
    triggerer: Triggerer, inbox: Inbox, rabbitmq: str
) -> None:
    def list_fired() -> list[str]:
        return [payload["event_id"] for payload in triggerer.read_events()]

    def happens(event_id: str, **content: Any) -> None:
        mq.send(rabbitmq, "event.cli_1", make_event(event_id, **content))

    nested: object = "\x00 你好 \U0001f600"
    for _ in range(200):
        nested = [nested]
    happens("e1", nasty=nested, big=2**63)
    triggerer.defer([Wait("k", ("om_1",))], inbox.read_database_id())
    triggerer.start()
    wait_until(lambda: list_fired() == ["e1"], 60)
    assert triggerer.read_events()[0]["event"] == {"nasty": nested, "big": 2**63}
    happens("e2")
    wait_until(lambda: "e2" in list_fired())  # by now the triggerer knows that the first one is stored
    assert triggerer.task()[0] == "deferred"

    triggerer.freeze()
    happens("e3")
    wait_until(lambda: ready(rabbitmq) == 0)  # the part that runs triggers has it; nobody will store it
    triggerer.kill()
    assert "e3" not in list_fired()

    mq.send(rabbitmq, "card.cli_1", mq.card("c1"))
    triggerer.start()
    wait_until(lambda: "e3" in list_fired(), 60)
    wait_until(lambda: triggerer.task()[0] == "scheduled")
    assert "answered" in str(triggerer.task()[1])
    assert [click.event_id for click in inbox.decide_answers([Wait("k", ("om_1",))])["k"]] == ["c1"]
    happens("e4")
    wait_until(lambda: "e4" in list_fired())
    triggerer.kill()
    assert list_fired().count("e1") == 1
    assert set(mq.list_ids(mq.drain(rabbitmq, EVENTS))) <= {"e4"}
