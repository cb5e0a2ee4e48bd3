"""Clicks thrown, and the account of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.topology import CARDS, DEAD
from tests.callbacks import mq
from tests.callbacks.trouble.crowd import Trial
from tests.services.rabbitmq import OwnRabbit


@pytest.fixture
def trial(node: OwnRabbit, own_database: URL, say: Callable[[str], None]) -> Iterator[Trial]:
    """Throws clicks, and says in the end what became of them."""
    yield Trial(node, own_database, say)
    assert mq.drain(node.url, CARDS) == []
    assert mq.drain(node.url, DEAD) == []
