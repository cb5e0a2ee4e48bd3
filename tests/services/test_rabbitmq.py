"""RabbitMQ as the tests get it: virtual hosts of their own, and nodes to break."""

from __future__ import annotations

import contextlib

import pika
import pytest
from pika.adapters.utils.connection_workflow import AMQPConnectorStackTimeout
from pika.exceptions import AMQPError

from tests.services.processes import alive, tree
from tests.services.rabbitmq import OwnRabbit, RabbitServer, connect

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def send(url: str, body: bytes) -> None:
    with connect(url) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("q", durable=True)
        channel.basic_publish("", "q", body, PERSISTENT, mandatory=True)


def drain(url: str) -> list[bytes]:
    with connect(url) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        bodies = []
        while (body := channel.basic_get("q", auto_ack=True)[2]) is not None:
            bodies.append(body)
    return bodies


def test_virtual_hosts_are_separate_and_gone_afterwards(rabbitmq: str, rabbitmq_server: RabbitServer) -> None:
    with rabbitmq_server.vhost() as other:
        send(rabbitmq, b"one")
        assert (drain(other), drain(rabbitmq)) == ([], [b"one"])
        forgotten = connect(other)
    with pytest.raises(AMQPError):
        connect(other)
    with pytest.raises(AMQPError):
        forgotten.channel()
    assert drain(rabbitmq) == []


def test_a_failed_test_leaves_no_virtual_host(rabbitmq_server: RabbitServer) -> None:
    with contextlib.suppress(ZeroDivisionError), rabbitmq_server.vhost() as url:
        send(url, b"one")
        _ = 1 / 0
    with pytest.raises(AMQPError):
        connect(url)


def test_an_own_node_keeps_durable_messages_through_stop_kill_and_pause(own_rabbitmq: OwnRabbit) -> None:
    """One test for all, since a node takes seconds to start."""
    url = own_rabbitmq.url
    send(url, b"stopped")
    own_rabbitmq.stop()
    with pytest.raises(AMQPError):
        connect(url)
    own_rabbitmq.start()

    send(url, b"killed")
    processes = tree(own_rabbitmq.pid)
    own_rabbitmq.kill()
    assert not any(alive(pid) for pid in processes)
    with pytest.raises(AMQPError):
        connect(url)
    own_rabbitmq.start()

    own_rabbitmq.pause()
    frozen = pika.URLParameters(url)
    frozen.socket_timeout = frozen.stack_timeout = 0.5
    with pytest.raises(AMQPConnectorStackTimeout):
        pika.BlockingConnection(frozen)
    own_rabbitmq.resume()
    assert drain(url) == [b"stopped", b"killed"]

    processes = tree(own_rabbitmq.pid)
    own_rabbitmq.close()
    assert not any(alive(pid) for pid in processes)
    assert not own_rabbitmq.folder.exists()
