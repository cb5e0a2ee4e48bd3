"""Store apps: a ticket that Lark pushes to one process buys tokens for all, one for each tenant."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.engine import tickets
from lark_provider.errors import ConfigurationError, InvalidRequestError, TokenAcquisitionError
from lark_provider.storage.engine import get_engine
from tests.client.conftest import count
from tests.failures import work
from tests.failures.crowd import Crowd, unwrap_values
from tests.runtimes import own_tokens
from tests.storage.test_token_store import read_tokens

AUTH = "POST /open-apis/auth/v3"
APP_TOKENS, TENANT_TOKENS = f"{AUTH}/app_access_token", f"{AUTH}/tenant_access_token"
RESENDS = f"{AUTH}/app_ticket/resend"


class StoreApp:
    """A store app in two tenants, and processes that act for it."""

    def __init__(self, lark: Emulator) -> None:
        self.lark = lark
        store_app = lark.add_app("cli_store", store=True, tenant_keys=["a", "b"])
        self.credentials = store_app["app_id"], store_app["app_secret"]

    def process(self, tenant_key: str | None = None, timeout: float = 30.0) -> LarkServiceClient:
        """Return a client with a token cache of its own, as another process has."""
        client = LarkServiceClient(*self.credentials, tenant_key=tenant_key, timeout=timeout)
        own_tokens(client)
        return client

    def push(self) -> None:
        """Have Lark make a new ticket, which this hears of before anybody."""
        self.lark.advance(3600)

    @property
    def ticket(self) -> str | None:
        app_ticket: str | None = self.lark.state(summary=True)["apps"][-1]["app_ticket"]
        return app_ticket

    def hand_over(self) -> None:
        """Store the newest ticket with a client of its own, as a gateway does."""
        self.process().store_app.keep_ticket(self.ticket or "")

    def outdate(self, process: LarkServiceClient) -> None:
        """Leave a ticket with a process, and a newer one with another."""
        self.push()
        process.store_app.keep_ticket(str(self.ticket))
        self.push()
        self.hand_over()

    @contextmanager
    def gateway(self) -> Iterator[None]:
        """Run a thread that hands over each ticket as it comes."""
        ended = threading.Event()

        def listen() -> None:
            heard = self.ticket
            while not ended.wait(0.02):
                if self.ticket != heard:
                    heard = self.ticket
                    self.hand_over()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def counts(self) -> tuple[int, int, int]:
        """Return how often Lark was asked for a ticket, an app token and a tenant's token."""
        requests = [count(self.lark, endpoint) for endpoint in (RESENDS, APP_TOKENS, TENANT_TOKENS)]
        return requests[0], requests[1], requests[2]


@pytest.fixture
def app(lark: Emulator, url: URL, monkeypatch: pytest.MonkeyPatch) -> StoreApp:
    monkeypatch.setenv("LARK_DATABASE_URL", url.render_as_string(hide_password=False))
    return StoreApp(lark)


def bot(client: LarkServiceClient) -> Any:
    return client.call("GET", "/bot/v3/info").data


def test_tokens_of_each_tenant_are_shared(app: StoreApp, url: URL) -> None:
    app.push()
    app.hand_over()
    for _ in range(2):
        for tenant in "ab":
            bot(app.process(tenant))
    assert app.counts() == (0, 1, 2)
    assert len(read_tokens(url)) == 4  # the ticket, the app's token and one for each tenant
    shown = str(read_tokens(url))
    assert str(app.ticket) not in shown


def test_a_ticket_is_asked_for_where_there_is_none(app: StoreApp) -> None:
    with app.gateway():
        bot(app.process("a"))
    assert app.counts() == (1, 1, 1)
    bot(app.process("b"))
    assert app.counts() == (1, 1, 2)


def test_a_ticket_that_was_replaced_is_asked_for_again(app: StoreApp) -> None:
    app.push()
    app.hand_over()
    app.push()  # and nobody was listening
    with app.gateway():
        bot(app.process("a"))
    assert app.counts() == (1, 2, 1)


def test_the_newest_ticket_counts_wherever_it_came(app: StoreApp) -> None:
    process = app.process("a")
    app.outdate(process)
    bot(process)
    assert app.counts() == (0, 1, 1)


def test_a_database_that_answers_late_makes_its_ticket_no_older(app: StoreApp) -> None:
    process = app.process("a")
    app.outdate(process)

    def read_early() -> float:
        """Return the time as a process reads it that waits before the database reads its own clock."""
        now = time.time()
        time.sleep(0.3)
        return now

    process._session.clock = read_early
    bot(process)
    assert app.counts() == (0, 1, 1)


def test_a_rejected_ticket_gives_way_to_one_that_the_database_missed(app: StoreApp, url: URL) -> None:
    process = app.process("a")
    app.push()
    app.hand_over()
    app.push()
    with get_engine(url).begin() as connection:
        connection.execute(sa.text("ALTER TABLE tokens RENAME TO moved"))
    process.store_app.keep_ticket(str(app.ticket))
    with get_engine(url).begin() as connection:
        connection.execute(sa.text("ALTER TABLE moved RENAME TO tokens"))
    process._session.runtime.databases.queries.clear()
    bot(process)
    assert app.counts() == (0, 2, 1)  # the older one, from the database, is rejected first


def test_without_a_ticket_there_is_no_token(app: StoreApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "_POLL_SECONDS", 0.01)
    with pytest.raises(TokenAcquisitionError, match=r"no app_ticket of store app 'cli_store'.*keep_ticket"):
        bot(app.process("a", timeout=0.5))
    assert app.counts() == (1, 0, 0)


def test_all_tokens_revoked_under_it(app: StoreApp) -> None:
    app.push()
    app.hand_over()
    first, other = app.process("a"), app.process("a")
    bot(first)
    bot(other)
    app.lark.revoke_tokens("cli_store")
    bot(first)
    bot(other)
    assert app.counts() == (0, 2, 3)  # the app's token is rejected first


def test_a_tenant_that_has_not_installed_it(app: StoreApp) -> None:
    app.push()
    app.hand_over()
    with pytest.raises(TokenAcquisitionError, match=r"10013.*tenant 'c' has installed it"):
        bot(app.process("c"))
    bot(app.process("a"))


def test_a_custom_app_is_none(app: StoreApp, lark: Emulator) -> None:
    client = LarkServiceClient(lark.app_id, lark.app_secret, tenant_key="a")
    with pytest.raises(
        TokenAcquisitionError, match=r"10016 .* Next: leave tenant_key= out.*; or check app id"
    ):
        bot(client)
    with pytest.raises(InvalidRequestError, match="app_ticket must be a non-empty string"):
        client.store_app.keep_ticket(" ")


def test_a_ticket_needs_an_app(app: StoreApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LARK_APP_ID")
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    monkeypatch.chdir(tmp_path)  # where there is no registry
    with pytest.raises(ConfigurationError, match="No Lark credentials"):
        LarkServiceClient().store_app.keep_ticket("t")


def test_processes_share_what_one_was_given(app: StoreApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app.push()
    environ = dict(zip(("LARK_APP_ID", "LARK_APP_SECRET"), app.credentials, strict=True))
    with Crowd(1, environ=environ) as listener, Crowd(4, environ=environ) as senders:
        unwrap_values(listener.all(work.keep_ticket, app.ticket))
        unwrap_values(senders.all(work.call_for, "a"))
        assert app.counts() == (0, 1, 1)
        app.push()
        unwrap_values(listener.all(work.keep_ticket, app.ticket))
        app.lark.revoke_tokens("cli_store")
        unwrap_values(senders.all(work.call_for, "a"))
    resends, app_tokens, tenant_tokens = app.counts()
    assert resends == 0
    assert app_tokens == 2
    assert tenant_tokens == 3


def test_a_ticket_that_comes_after_a_wait_in_vain_helps_at_once(lark: Emulator) -> None:
    app = StoreApp(lark)
    process = app.process("a", timeout=0.5)
    with pytest.raises(TokenAcquisitionError, match="no app_ticket"):
        process.bot.info()
    app.push()
    process.store_app.keep_ticket(app.ticket or "")
    assert process.bot.info().code == 0
