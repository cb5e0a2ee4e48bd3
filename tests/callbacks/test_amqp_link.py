"""What is declared, and how a connection begins, is lost, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import socket
from typing import Any

import pytest

from lark_provider.callbacks.broker.amqp import Broker, read_broker
from lark_provider.callbacks.broker.link import Deliveries, keep_connected, open_channel
from lark_provider.callbacks.broker.topology import CARDS, DEAD, DELIVERY_LIMIT, EVENTS, EXCHANGE
from lark_provider.errors import BrokerError
from lark_provider.support.backoff import Backoff
from tests.callbacks import mq
from tests.callbacks.logs import read_lines
from tests.services.processes import HOST
from tests.services.rabbitmq import OwnRabbit, connect


async def enter(where: Broker) -> None:
    async with open_channel(where):
        pass


def test_what_is_given_up_at_any_moment_leaves_no_socket_open_when_its_loop_ends(rabbitmq: str) -> None:
    """Which garbage collection would find, and pytest tell of."""

    async def give_up(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await enter(mq.at(rabbitmq))

    mq.freeze_existing()
    for step in range(150):
        asyncio.run(give_up(0.0005 + step * 0.00002))
        gc.collect()


async def stay(where: Broker, inside: asyncio.Event) -> None:
    async with open_channel(where):
        inside.set()
        await asyncio.get_running_loop().create_future()


def test_everything_is_declared_and_that_twice(rabbitmq: str) -> None:
    for _ in range(2):
        mq.run(enter(mq.at(rabbitmq)))
    mq.send(rabbitmq, "card.cli_1", mq.card("c"))
    mq.send(rabbitmq, "event.cli_1", mq.card("e"))
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["c"]
    assert mq.list_ids(mq.drain(rabbitmq, EVENTS)) == ["e"]
    assert mq.drain(rabbitmq, DEAD) == []


def test_what_the_broker_rejects_finally_is_dead_lettered(rabbitmq: str) -> None:
    mq.send(rabbitmq, "card.cli_1", mq.card("c"))
    with connect(rabbitmq) as connection:
        channel = connection.channel()
        method = channel.basic_get(CARDS.name)[0]
        assert method is not None
        channel.basic_reject(method.delivery_tag or 0, requeue=False)
    [(properties, content)] = mq.drain(rabbitmq, DEAD)
    assert content["header"]["event_id"] == "c"
    assert properties.headers is not None
    assert properties.headers["x-first-death-reason"] == "rejected"


@pytest.mark.parametrize("queue", [CARDS, EVENTS, DEAD])
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("x-queue-type", "classic", r"x-queue-type = 'classic', not 'quorum'"),
        ("x-delivery-limit", 20, rf"x-delivery-limit = .*20.*, not .*{DELIVERY_LIMIT}"),
    ],
)
def test_a_queue_with_other_arguments_is_an_error_that_names_both(
    rabbitmq: str, queue: Any, name: str, value: Any, shown: str
) -> None:
    arguments = queue.make_arguments("quorum") | {name: value}
    if value == "classic":
        del arguments["x-delivery-limit"]
    with connect(rabbitmq) as connection:
        connection.channel().queue_declare(queue.name, durable=True, arguments=arguments)
    with pytest.raises(BrokerError, match=rf"queue '{queue.name}' has {shown}.* Next: delete it"):
        mq.run(enter(mq.at(rabbitmq)))


def test_an_exchange_of_another_type_is_an_error_that_names_both(rabbitmq: str) -> None:
    with connect(rabbitmq) as connection:
        connection.channel().exchange_declare(EXCHANGE, "fanout", durable=True)
    with pytest.raises(BrokerError, match=r"exchange 'lark.events' has type = 'fanout', not 'topic'"):
        mq.run(enter(mq.at(rabbitmq)))


def test_classic_queues_where_they_are_wanted(rabbitmq: str) -> None:
    mq.run(enter(read_broker(rabbitmq, {"RABBITMQ_QUEUE_TYPE": "classic"})))
    with pytest.raises(BrokerError, match=r"= .*, not 'quorum'\. Next: .* set RABBITMQ_QUEUE_TYPE"):
        mq.run(enter(mq.at(rabbitmq)))


def test_a_message_survives_more_failed_deliveries_than_the_broker_would_bear_by_itself(
    rabbitmq: str,
) -> None:
    mq.send(rabbitmq, "card.cli_1", mq.card("c"))
    with connect(rabbitmq) as connection:
        channel = connection.channel()
        deliveries = channel.consume(CARDS.name, inactivity_timeout=5)
        for _ in range(25):
            method = next(deliveries)[0]
            assert method is not None
            channel.basic_nack(method.delivery_tag or 0, requeue=True)
    assert mq.list_ids(mq.drain(rabbitmq, CARDS)) == ["c"]


def test_what_runs_inside_is_cancelled_when_the_connection_is_lost(rabbitmq: str) -> None:
    async def work() -> None:
        async with open_channel(mq.at(rabbitmq)) as channel:
            channel.exchange_declare("amq.none", passive=True)  # the broker closes the channel
            await asyncio.get_running_loop().create_future()

    with pytest.raises(BrokerError, match="NOT_FOUND"):
        mq.run(work())


def test_a_consumer_whose_queue_is_deleted_loses_its_channel(rabbitmq: str) -> None:
    async def work() -> None:
        async with open_channel(mq.at(rabbitmq)) as channel:
            arrived = Deliveries(channel, CARDS, 1).arrived
            channel.queue_delete(CARDS.name)
            await arrived.get()

    with pytest.raises(BrokerError, match=r"queue lark.card_callbacks is gone"):
        mq.run(work())


def test_errors_and_time_outs_of_what_runs_inside_stay_what_they_are(rabbitmq: str) -> None:
    async def raising(error: Exception) -> None:
        async with open_channel(mq.at(rabbitmq)):
            raise error

    for error in (TimeoutError("mine"), ZeroDivisionError("mine")):
        with pytest.raises(type(error), match="mine"):
            mq.run(raising(error))


def test_a_connection_can_be_given_up_at_any_time(rabbitmq: str) -> None:
    """Nothing is left of it: no socket, no task, no exception that nobody has seen."""
    chance = random.Random(7)  # noqa: S311 - no secret

    async def work() -> None:
        for _ in range(60):
            inside = asyncio.Event()
            task = asyncio.ensure_future(stay(mq.at(rabbitmq), inside))
            await asyncio.sleep(chance.uniform(0, 0.02))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    mq.run(work())


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as silent:
        where = mq.at(f"amqp://{HOST}:{silent.getsockname()[1]}")
        where.parameters.socket_timeout = where.parameters.stack_timeout = 0.2
        with pytest.raises(BrokerError, match="Timeout while setting up AMQP"):
            mq.run(enter(where))
        monkeypatch.setattr("lark_provider.callbacks.broker.link._OPEN_SECONDS", 0.1)
        with pytest.raises(BrokerError, match="TimeoutError: no answer"):
            mq.run(enter(where))


def test_a_frozen_broker_is_left_without_its_goodbye(node: OwnRabbit) -> None:
    async def work() -> None:
        async with open_channel(mq.at(node.url)):
            node.pause()

    mq.run(work())
    node.resume()


def test_a_killed_broker_is_come_back_to(node: OwnRabbit, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        times = asyncio.Queue[int]()

        async def use(_: object) -> None:
            times.put_nowait(1)
            await asyncio.get_running_loop().create_future()

        task = asyncio.ensure_future(keep_connected(mq.at(node.url), use, role="pump"))
        await times.get()
        await asyncio.to_thread(node.kill)
        await mq.wait_until_async(lambda: "ConnectionRefusedError" in read_lines(caplog))
        await asyncio.to_thread(node.start)
        await times.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with caplog.at_level(logging.INFO, "lark_provider"):
        mq.run(work())
    assert not [record for record in caplog.records if record.name.startswith("pika")]


def test_a_fault_of_ours_is_logged_and_not_the_end(rabbitmq: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        times = 0

        async def use(_: object) -> None:
            nonlocal times
            times += 1
            if times == 1:
                raise ZeroDivisionError
            done.set()

        done = asyncio.Event()
        task = asyncio.ensure_future(keep_connected(mq.at(rabbitmq), use, role="pump"))
        await done.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    mq.run(work())
    assert "ZeroDivisionError" in caplog.text


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Backoff(1, 5)
    for expected in (1, 2, 4, 5, 5):
        assert 0.5 * expected <= pauses.draw_pause() <= 1.5 * expected
