"""A broker and a database of these tests, which one test after the other breaks and recovers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import urls
from tests.callbacks import commands, mq
from tests.services.plugin import _starting
from tests.services.postgres import OwnPostgres
from tests.services.processes import OwnServer
from tests.services.rabbitmq import OwnRabbit
from tests.storage import prepared
from tests.storage.conftest import _closed_engines

__all__ = ["_closed_engines"]  # a fixture of other tests, too
# RabbitMQ persists a quorum queue half a second after it was declared; killed before, it loses the queue.
_PERSISTED_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _no_command_outlives_its_test() -> Iterator[None]:
    """Kill what a failed test has started and left running, before it disturbs the next one."""
    before = set(commands.RUNNING)  # of fixtures that several tests share
    yield
    for command in commands.RUNNING - before:
        command.kill()


@pytest.fixture
def database(database_url: str) -> URL:
    """Return the URL of a PostgreSQL database with our tables."""
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    return url


@pytest.fixture(scope="session")
def one_node() -> Iterator[OwnRabbit]:
    """Start a RabbitMQ node, and yield it once its queues are persisted."""
    with _starting(OwnRabbit) as start:
        rabbit = start()
        mq.declare(rabbit.url)
        time.sleep(_PERSISTED_SECONDS)
        yield rabbit


@pytest.fixture
def node(one_node: OwnRabbit) -> Iterator[OwnRabbit]:
    """Yield a RabbitMQ node of these tests' own, with empty queues, and recover it after the test."""
    mq.purge(one_node.url)
    yield one_node
    _recover(one_node)


@pytest.fixture(scope="session")
def one_server() -> Iterator[OwnPostgres]:
    """Start a PostgreSQL server for all tests, and yield it."""
    with _starting(OwnPostgres) as start:
        yield start()


@pytest.fixture
def server(one_server: OwnPostgres) -> Iterator[OwnPostgres]:
    """Yield a PostgreSQL server of these tests' own, and recover it after the test."""
    yield one_server
    _recover(one_server)


@pytest.fixture
def own_database(server: OwnPostgres, _closed_engines: None) -> Iterator[URL]:
    """Yield the URL of a database with our tables, on the server of these tests' own."""
    with server.server.databases() as databases:
        url = urls.parse(databases.make(), "test")
        prepared.upgrade(url)
        yield url
        _recover(server)


def _recover(broken: OwnServer) -> None:
    """Resume or start a server that a failed test has left frozen or stopped."""
    try:
        broken.resume()
    except RuntimeError:
        with suppress(RuntimeError):
            broken.start()
