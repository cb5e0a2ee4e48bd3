"""Clients that share tokens through a database, as processes do: each has a memory of its own."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine import token_provider
from lark_provider.errors import ConfigurationError, LarkAPIError, TokenAcquisitionError
from lark_provider.storage import migrate, tables
from lark_provider.storage.engine import get_engine, hold_transaction
from tests.client.conftest import TOKENS, count
from tests.failures.crowd import ROOT
from tests.failures.waiting import wait_until
from tests.runtimes import own_tokens
from tests.storage.test_token_store import age, list_holders, read_tokens

TOKEN_PATH = "*/tenant_access_token/internal"


@pytest.fixture(autouse=True)
def shared(url: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    """Set the URL of the database in the environment, and return it."""
    monkeypatch.setenv("LARK_DATABASE_URL", url.render_as_string(hide_password=False))
    return url


class Process:
    """A client with a memory of its own."""

    def __init__(self, secret: str | None = None, timeout: float = 30.0) -> None:
        app_id = None if secret is None else "cli_1a2b3c4d5e6f0001"
        self.client = LarkServiceClient(app_id, secret, timeout=timeout)
        own_tokens(self.client)

    def call(self) -> None:
        self.client.call("GET", "/im/v1/chats")

    def age(self, seconds: float) -> None:
        """Let its clock run ahead of everybody's."""
        clock = self.client._session.clock
        self.client._session.clock = lambda: clock() + seconds


def test_what_one_fetched_all_use(lark: Emulator) -> None:
    for _ in range(5):
        Process().call()
    assert count(lark, TOKENS) == 1


def test_a_token_rejected_under_all_is_replaced_once(lark: Emulator, shared: URL) -> None:
    processes = [Process() for _ in range(4)]
    for process in processes:
        process.call()
    lark.revoke_tokens()
    for process in processes:
        process.call()
    assert count(lark, TOKENS) == 2
    assert len(read_tokens(shared)) == 1
    assert list_holders(shared) == []


def test_a_new_secret_brings_a_new_token(lark: Emulator, shared: URL) -> None:
    Process(lark.app_secret).call()
    lark.change_app(secret="changed")
    Process("changed").call()
    assert count(lark, TOKENS) == 2
    assert len(read_tokens(shared)) == 2


def test_one_with_a_wrong_secret_harms_nobody(lark: Emulator, shared: URL) -> None:
    Process(lark.app_secret).call()
    before = read_tokens(shared)
    for wrong in (Process("wrong"), Process("wrong")):
        with pytest.raises(TokenAcquisitionError, match="Failed to get token: 10014"):
            wrong.call()
        assert list_holders(shared) == []  # so that the next one is not kept waiting
    assert read_tokens(shared) == before
    Process(lark.app_secret).call()
    assert count(lark, TOKENS) == 3


def test_a_token_that_others_keep_is_renewed_in_time(lark: Emulator, shared: URL) -> None:
    first, second = Process(), Process()
    first.call()
    second.call()
    passed = 7200 - 600
    lark.advance(passed)
    age(shared, tables.tokens, passed)
    for process in (first, second):
        process.age(passed)
        process.call()
        wait_until(lambda: count(lark, TOKENS) == 2 and not list_holders(shared))
    [row] = read_tokens(shared)
    assert row.expires_at > datetime.now(UTC) + timedelta(hours=1)
    assert list_holders(shared) == []


@pytest.mark.parametrize("failure", [{"status": 502, "body": "<html>"}, {"drop": "before"}, {"code": 10014}])
def test_a_stale_token_of_the_store_does_while_lark_fails(
    lark: Emulator, shared: URL, failure: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    Process().call()
    age(shared, tables.tokens, 7200 - 600)
    lark.fault(path=TOKEN_PATH, times=99, **failure)  # type: ignore[arg-type]  # names and kinds belong together
    cold = Process()
    cold.call()
    wait_until(lambda: any("Failed to renew" in record.message for record in caplog.records))
    for _ in range(3):
        cold.call()
    assert count(lark, TOKENS) == 2  # tried once, and not again for a while
    assert list_holders(shared) == []


def test_without_one_that_can_be_used_the_trouble_is_raised(lark: Emulator, shared: URL) -> None:
    Process().call()
    age(shared, tables.tokens, 7200 - 5)
    lark.fault(path=TOKEN_PATH, status=502, body="<html>", times=99)
    cold = LarkServiceClient(max_retries=0)
    with pytest.raises(LarkAPIError):
        cold.call("GET", "/im/v1/chats")
    assert list_holders(shared) == []


def test_the_better_of_two_tokens_is_used(lark: Emulator, shared: URL) -> None:
    """While another caller renews: what memory has, if what the store has is at its end."""
    process = Process()
    process.call()
    age(shared, tables.tokens, 7200)
    process.age(7200 - 600)
    with hold_transaction(get_engine(shared)) as connection:
        [row] = connection.execute(sa.select(tables.tokens))
        until = datetime.now(UTC) + timedelta(hours=1)
        connection.execute(tables.leases.insert().values(key=row.key, owner="a user", until=until))
    process.call()
    assert count(lark, TOKENS) == 1


def test_who_takes_over_from_one_that_was_cancelled_does_not_wait_for_its_lease(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_provider, "LEASE_SECONDS", 600.0)
    monkeypatch.setattr(token_provider, "_WAIT_SECONDS", 600.0)
    lark.fault(path=TOKEN_PATH, delay_ms=3000)

    async def cancel_first() -> None:
        def client() -> AsyncLarkServiceClient:
            return AsyncLarkServiceClient(timeout=600)

        first = asyncio.create_task(client().call("GET", "/im/v1/chats"))
        while count(lark, TOKENS) == 0:  # noqa: ASYNC110 - the emulator is another thread's
            await asyncio.sleep(0.01)
        others = [asyncio.create_task(client().call("GET", "/im/v1/chats")) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait_for(asyncio.gather(*others), 60)

    asyncio.run(cancel_first())
    assert count(lark, TOKENS) == 2


def test_a_database_without_our_tables_stops_no_message(
    lark: Emulator, postgres: URL, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    migrate.upgrade(postgres)
    migrate.downgrade(postgres, "base")
    monkeypatch.setenv("LARK_DATABASE_URL", postgres.render_as_string(hide_password=False))
    for _ in range(3):
        Process().call()
    [warning] = [vars(record)["error"] for record in caplog.records if record.levelno == logging.WARNING]
    assert "is behind on migrations" in warning
    assert "Next: run `lark-provider db upgrade`" in warning


@pytest.mark.parametrize(
    ("name", "value"), [("POSTGRES_PORT", "no number"), ("LARK_DATABASE_URL", "mysql://u:pw@h/d")]
)
def test_settings_that_are_invalid_are_an_error(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("LARK_DATABASE_URL")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        Process().call()
    assert "pw" not in str(caught.value)
    assert count(lark, TOKENS) == 0


SLOW_IMPORT = """
import importlib.abc, sys, threading, time
from lark_provider import LarkServiceClient

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "sqlalchemy":
            importing.set()
            time.sleep(3)

importing = threading.Event()
sys.meta_path.insert(0, Slow())
def call():
    LarkServiceClient(timeout=3.0).call("GET", "/im/v1/chats")
def call_too():
    importing.wait()
    LarkServiceClient("cli_b", "b-secret", timeout=3.0).call("GET", "/im/v1/chats")
threads = [threading.Thread(target=each) for each in (call, call_too)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_who_comes_while_the_database_code_is_loaded_waits_for_it(lark: Emulator, shared: URL) -> None:
    lark.add_app("cli_b", "b-secret")
    done = subprocess.run(  # noqa: S603 - a fixed command
        [sys.executable, "-c", SLOW_IMPORT], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    assert {row.app_id for row in read_tokens(shared)} == {lark.app_id, "cli_b"}
