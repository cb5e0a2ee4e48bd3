"""A ticket of a store app is stored as that app's, and the newest one is used, whatever came last."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks.broker.publisher import Publisher
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.endpoint import Endpoint
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.keys import KeyRing, by_app
from lark_provider.callbacks.http.sinks import NotStoredError, Sink, store_first
from lark_provider.callbacks.http.stores import BrokerSink, InboxSink
from lark_provider.callbacks.http.writer import InboxWriter
from lark_provider.callbacks.websocket.intake import parse
from lark_provider.engine import tickets
from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.session import Session
from lark_provider.errors import TransportError
from lark_provider.protocol.callbacks import CallbackKeys, Event, read
from lark_provider.protocol.tokens import App
from lark_provider.storage import urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.token_store import TokenStore
from tests.callbacks import mq
from tests.callbacks.serving import serve
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import TOKEN, dump
from tests.services.processes import free_port

LARK = "https://lark.example.com"
HOUR = 3600.0


@pytest.fixture
def database(tmp_path: Path) -> URL:
    return urls.parse(f"sqlite:///{tmp_path}/lark.db", "test")


@pytest.fixture
def store_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Make a store app the default app of this process, and return its id, which no other test uses."""
    app_id = f"cli_{tmp_path.name}"
    for name, value in {"APP_ID": app_id, "APP_SECRET": "secret", "BASE_URL": LARK}.items():
        monkeypatch.setenv(f"LARK_{name}", value)
    return app_id


def read_ticket(database: URL, app_id: str) -> str | None:
    """Return the ticket of an app that the database has for other processes."""
    key = App(LARK, app_id, "secret").make_cache_key("ticket")
    token = TokenStore(database, app_id, "secret").get(key, now=time.time())
    return None if token is None else token.value


def push(ticket: str, pushed_at: float, app_id: str = "") -> Event:
    """Return the event of a ticket; without an app if none is given."""
    raw = sender.make_event_1(pushed_at, type="app_ticket", app_ticket=ticket, app_id=app_id)
    delivery = read(raw)
    assert isinstance(delivery, Event)
    return delivery


def test_a_ticket_without_an_app_is_that_of_the_app_whose_keys_prove_it(
    database: URL, store_app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not of the default app: who has the keys of one app must not replace the ticket of another."""
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "applications.db"))
    ApplicationManager().create_application("cli_other", "secret", base_url=LARK)
    place = database.render_as_string(hide_password=False)
    session = Session(app_id=store_app, database_url=place)
    drive(tickets.put(session, "genuine", time.time() - HOUR), session)
    keys = by_app(
        CallbackKeys("cli_other", verification_token="theirs"),
        CallbackKeys(store_app, verification_token=TOKEN),
    )
    sink = InboxSink(InboxWriter(Inbox(database)), place)
    app = application(Gateway(KeyRing(lambda: keys), [sink], endpoint=Endpoint()))
    with serve(app) as url:
        for app_id in (None, ""):
            event = sender.make_event_1(time.time(), type="app_ticket", app_ticket="junk", app_id=app_id)
            content = dump(event | {"token": "theirs"})
            answer = httpx.post(f"{url}/lark/callbacks/cli_other", content=content)
            assert read_ticket(database, store_app) == "genuine"
            assert answer.status_code == 200
        assert read_ticket(database, "cli_other") == "junk"
        assert drive(tickets.obtain_ticket(session, None), session) == "genuine"


def test_a_ticket_of_no_app_is_not_stored(database: URL, store_app: str) -> None:
    place = database.render_as_string(hide_password=False)
    sinks: list[Sink] = [InboxSink(InboxWriter(Inbox(database)), place)]

    async def work() -> None:
        deadline = asyncio.get_running_loop().time() + mq.LIMIT
        with pytest.raises(NotStoredError, match=r"must name its app, got no app_id\. Next: "):
            await store_first(sinks, push("junk", time.time()), sink_timeout=1.0, deadline=deadline)

    mq.run(work())
    assert read_ticket(database, store_app) is None


@pytest.mark.parametrize("app_id", [None, ""])
def test_a_long_connection_says_whose_an_event_is(app_id: str | None) -> None:
    delivery = parse("cli_a", dump(sender.make_event_1(app_id=app_id)))
    assert delivery.app_id == "cli_a"
    assert read(delivery.raw) == delivery


@pytest.mark.parametrize("is_shared", [True, False])
def test_an_older_ticket_that_lark_repeats_does_not_replace_the_newest(
    database: URL, store_app: str, is_shared: bool
) -> None:
    place = database.render_as_string(hide_password=False) if is_shared else None
    now = time.time()
    pushed = [push("second", now - HOUR, store_app), push("first", now - 2 * HOUR, store_app)]

    async def work() -> None:
        sink = BrokerSink(Publisher(mq.at("amqp://127.0.0.1:1")), place)
        for event in pushed:
            await sink.store(event)

    mq.run(work())
    session = Session(app_id=store_app, database_url=place)
    assert drive(tickets.obtain_ticket(session, None), session) == "second"
    assert read_ticket(database, store_app) == ("second" if is_shared else None)
    # The clock stands still, since on a busy machine storing one takes longer than is between the two.
    steady = Session(app_id=store_app, database_url=place, clock=lambda: now)
    drive(tickets.put(steady, "ahead", now + HOUR), steady)  # by a clock that is ahead
    drive(tickets.put(steady, "third"), steady)
    assert drive(tickets.obtain_ticket(session, None), session) == "third"


def test_a_ticket_that_the_database_does_not_take_is_not_stored(store_app: str) -> None:
    place = f"postgresql://lark:lark@127.0.0.1:{free_port()}/lark"
    sink = BrokerSink(Publisher(mq.at("amqp://127.0.0.1:1")), place)
    with pytest.raises(TransportError, match=r"must take the app_ticket of .* Next: ") as caught:
        mq.run(sink.store(push("first", time.time(), store_app)))
    assert caught.value.retryable
