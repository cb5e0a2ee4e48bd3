"""A broker and a database of these tests, which one test after the other breaks and recovers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy.engine import URL

from lark_provider.storage import urls
from tests.callbacks import mq
from tests.services.plugin import _starting
from tests.services.postgres import OwnPostgres
from tests.services.processes import OwnServer
from tests.services.rabbitmq import OwnRabbit
from tests.storage import prepared
from tests.storage.conftest import _closed_engines

__all__ = ["_closed_engines"]  # a fixture of other tests, too
# RabbitMQ persists a quorum queue half a second after it was declared; killed before, it loses the queue.
_PERSISTED_SECONDS = 1.0


@pytest.fixture
def database(database_url: str) -> URL:
    """A PostgreSQL database with our tables."""
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    return url


@pytest.fixture(scope="session")
def one_node() -> Iterator[OwnRabbit]:
    """The node, with queues that are not new."""
    with _starting(OwnRabbit) as start:
        rabbit = start()
        mq.declare(rabbit.url)
        time.sleep(_PERSISTED_SECONDS)
        yield rabbit


@pytest.fixture
def node(one_node: OwnRabbit) -> Iterator[OwnRabbit]:
    """A RabbitMQ of these tests' own, with nothing in its queues."""
    mq.purge(one_node.url)
    yield one_node
    _recover(one_node)


@pytest.fixture(scope="session")
def one_server() -> Iterator[OwnPostgres]:
    """The server."""
    with _starting(OwnPostgres) as start:
        yield start()


@pytest.fixture
def server(one_server: OwnPostgres) -> Iterator[OwnPostgres]:
    """A PostgreSQL of these tests' own."""
    yield one_server
    _recover(one_server)


@pytest.fixture
def own_database(server: OwnPostgres, _closed_engines: None) -> Iterator[URL]:
    """A database with our tables on that server."""
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
