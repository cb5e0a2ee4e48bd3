"""A broker and a database that are broken and mended again, by one test after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.topology import CARDS, DEAD
from lark_provider.core.storage import engine as engines
from lark_provider.core.storage import migrate, urls
from tests.callbacks import mq
from tests.callbacks.trouble.crowd import Trial
from tests.services.plugin import _starting
from tests.services.postgres import OwnPostgres
from tests.services.rabbitmq import OwnRabbit

# RabbitMQ notes a quorum queue half a second after it was declared; killed before, it does without the queue.
_NOTED_SECONDS = 1.0


@pytest.fixture(scope="module")
def node() -> Iterator[OwnRabbit]:
    """A RabbitMQ of these tests' own, with queues that are not new."""
    with _starting(OwnRabbit) as start:
        made = start()
        mq.declare(made.url)
        time.sleep(_NOTED_SECONDS)
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    """A PostgreSQL of these tests' own."""
    with _starting(OwnPostgres) as start:
        yield start()


@pytest.fixture
def database(server: OwnPostgres) -> Iterator[URL]:
    """An empty database on it."""
    with server.server.databases() as databases:
        url = urls.parse(databases.make(), "test")
        migrate.upgrade(url)
        yield url
        while engines._engines:
            engines._engines.popitem()[1].dispose()


@pytest.fixture
def trial(node: OwnRabbit, database: URL, say: Callable[[str], None]) -> Iterator[Trial]:
    """Throws clicks, and says in the end what became of them."""
    made = Trial(node, database, say)
    yield made
    assert mq.drain(node.url, CARDS) == []
    assert mq.drain(node.url, DEAD) == []
