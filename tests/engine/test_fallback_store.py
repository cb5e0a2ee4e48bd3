"""Queries of databases: what the failure of one says to others, and how often it is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.engine import fallback_store
from lark_provider.engine.runtime import Runtime
from lark_provider.errors import LarkError
from lark_provider.storage import urls
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.support.throttle import Throttle
from tests.clock import Clock


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


@pytest.fixture
def locate(database_url: str) -> Callable[[], URL]:
    return lambda: urls.parse(database_url, "test")


def be_slow(url: URL) -> str:
    """Query a database for 0.7 seconds."""
    with hold_transaction(get_engine(url), reading=True) as connection:
        connection.execute(sa.text("SELECT pg_sleep(0.7)"))
    return "done"


def query(
    runtime: Runtime, timeout: float, locate: Callable[[], URL], kind: str = "database"
) -> tuple[str] | LarkError:
    client = LarkServiceClient("cli_a", "s", timeout=timeout)
    client._session.runtime = runtime
    return client.perform(fallback_store.query(client._session, (kind, None), locate, be_slow))


def test_a_client_with_a_short_timeout_does_not_turn_the_database_off_for_the_others(
    runtime: Runtime, locate: Callable[[], URL]
) -> None:
    assert "does not answer. Next: " in str(query(runtime, 1.0, locate))
    assert query(runtime, 30.0, locate) == ("done",)
    assert query(runtime, 30.0, locate, "ledger") == ("done",)


def test_clients_that_wait_no_longer_leave_a_slow_database_alone(
    runtime: Runtime, locate: Callable[[], URL], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(query(runtime, 1.0, locate), LarkError)
    monkeypatch.setitem(globals(), "be_slow", lambda _: pytest.fail("the database was queried"))
    for kind in ("database", "ledger"):
        assert isinstance(query(runtime, 0.8, locate, kind), LarkError)


def test_a_warning_is_logged_once_a_minute_and_says_how_many_were_suppressed(
    runtime: Runtime, locate: Callable[[], URL], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    runtime.databases.throttle = Throttle(clock=clock)
    for _ in range(3):
        query(runtime, 1.0, locate)
    clock.now += 60
    query(runtime, 1.0, locate)
    warnings = [vars(record) for record in caplog.records if record.levelno == logging.WARNING]
    assert [warning["suppressed"] for warning in warnings] == [0, 2]
    assert warnings[0]["database"] == urls.display(locate())


def test_a_database_whose_url_cannot_be_read_is_described(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    def locate() -> URL:
        raise FileNotFoundError("the current folder was deleted")

    query(runtime, 30.0, locate)
    [warning] = [vars(record) for record in caplog.records if record.levelno == logging.WARNING]
    assert warning["database"] == "(configured)"
