"""Deliverers that die, a Lark that is unavailable, messages that cannot be delivered, and the pace of all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.errors import ConfigurationError
from lark_provider.outbox.apps import OutboxApps
from lark_provider.outbox.delivering import REPLACE_VARIABLE, Deliverer
from lark_provider.outbox.outgoing import Outgoing
from lark_provider.outbox.runner import OutboxRunner
from lark_provider.storage.bridge_tables import outbox
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.outbox import Outbox
from tests.callbacks import mq
from tests.failures.crowd import Crowd
from tests.failures.waiting import wait_until
from tests.outbox import work
from tests.services.processes import HOST

MESSAGES = "/open-apis/im/v1/messages"


def messages(lark: Emulator) -> list[dict[str, Any]]:
    return [message for chat in lark.state()["chats"] for message in chat["messages"]]


def read_cards(lark: Emulator) -> list[str]:
    """Return the cards in the chat, as text."""
    return [json.dumps(message["content"], ensure_ascii=False) for message in messages(lark)]


def requests(lark: Emulator, method: str) -> list[dict[str, Any]]:
    return [
        request for request in lark.requests() if request["method"] == method and MESSAGES in request["path"]
    ]


def change(url: URL, **values: Any) -> None:
    """Change all rows, as the passing of time would."""
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(outbox.update().values(**values))


def expire(url: URL) -> None:
    """Let all leases end and all pauses be over."""
    with hold_transaction(get_engine(url)) as connection:
        rows = connection.execute(sa.select(outbox.c.id, outbox.c.created_at)).all()
        for row in rows:
            connection.execute(
                outbox.update()
                .where(outbox.c.id == row.id)
                .values(owned_until=row.created_at, next_at=row.created_at)
            )


@pytest.mark.parametrize("drop", ["before", "after"])
def test_after_a_killed_deliverer_there_is_one_card_with_the_last_version(
    app: Emulator, url: URL, drop: str
) -> None:
    app.fault("POST", MESSAGES, delay_ms=60_000, drop=drop)
    work.record("first")
    with Crowd(1) as crowd:
        crowd.begin(work.deliver)
        wait_until(lambda: requests(app, "POST"))
        (pid,) = crowd.pids
        os.kill(pid, signal.SIGKILL)
        crowd.pids = []
    assert work.deliver() == 0  # the lease of the killed one has not ended
    work.record("second")
    app.clear_faults()
    expire(url)
    assert work.deliver() == 2  # what may have been sent under the same key, then the newer version
    (card,) = read_cards(app)
    assert "2 failures" in card


def test_a_killed_update_is_repeated_with_the_newest_version(app: Emulator, url: URL) -> None:
    work.record("first")
    assert work.deliver() == 1
    app.fault("PATCH", MESSAGES + "/*", delay_ms=60_000, drop="before")
    work.record("second")
    with Crowd(1) as crowd:
        crowd.begin(work.deliver)
        wait_until(lambda: requests(app, "PATCH"))
        (pid,) = crowd.pids
        os.kill(pid, signal.SIGKILL)
        crowd.pids = []
    work.record("third")
    assert Outbox(url).measure_backlog()[0] == 2
    app.clear_faults()
    expire(url)
    assert work.deliver() == 1  # the second version is obsolete
    (card,) = read_cards(app)
    assert "3 failures" in card


def test_two_deliverers_show_versions_in_their_order(app: Emulator, url: URL) -> None:
    app.settings(rate_limits=False)
    stop, runners = threading.Event(), [OutboxRunner(idle_seconds=0.01) for _ in range(2)]
    threads = [threading.Thread(target=runner.run, args=(stop,), daemon=True) for runner in runners]
    for thread in threads:
        thread.start()
    for number in range(25):
        work.fail(number)
        if number % 5 == 0:
            wait_until(lambda: Outbox(url).measure_backlog()[0] == 0)
    wait_until(lambda: Outbox(url).measure_backlog()[0] == 0)
    stop.set()
    for thread in threads:
        thread.join(20)
    (card,) = read_cards(app)
    assert "25 failures" in card
    with hold_transaction(get_engine(url)) as connection:
        delivered = sa.select(outbox.c.version).where(outbox.c.state == "delivered")
        versions = list(connection.scalars(delivered.order_by(outbox.c.updated_at)))
    assert versions == sorted(versions)
    assert versions[-1] == 25
    assert len(requests(app, "POST")) == 1
    assert len(requests(app, "PATCH")) == len(versions) - 1 >= 4


def test_what_lark_does_not_take_now_is_delivered_when_it_is_back(app: Emulator, url: URL) -> None:
    app.fault("POST", MESSAGES, times=6, status=503, body="<html>")
    work.record("first")
    rows = [work.record_text(f"text {number}") for number in range(3)]
    stop = threading.Event()
    thread = threading.Thread(target=OutboxRunner(idle_seconds=0.05).run, args=(stop,), daemon=True)
    thread.start()
    wait_until(lambda: Outbox(url).measure_backlog()[0] == 0, 60)
    stop.set()
    thread.join(20)
    assert len(messages(app)) == 4
    assert {Outbox(url).read_state(row) for row in rows} == {
        ("delivered", (Outbox(url).read_state(row) or ("", None))[1], None) for row in rows
    }


@pytest.mark.parametrize("status", [302, 403, 404])
@pytest.mark.parametrize("path", [MESSAGES, "*/tenant_access_token/internal"])
def test_what_a_proxy_answers_in_place_of_lark_gives_no_message_up(
    app: Emulator, url: URL, path: str, status: int
) -> None:
    row = work.record_text("while the ingress has no backend")
    app.fault(path=path, status=status, body="<html>default backend</html>")
    work.deliver()
    assert (Outbox(url).read_state(row) or ("",))[0] == "due"
    expire(url)
    work.deliver()
    assert (Outbox(url).read_state(row) or ("",))[0] == "delivered"
    assert len(messages(app)) == 1


def test_a_receiver_of_another_app_is_given_up(app: Emulator, url: URL) -> None:
    row = work.record_text("to whom this app does not know", chat="ou_of_another_app")
    app.fault(path=MESSAGES, status=400, body='{"code": 99992361, "msg": "open_id cross app"}')
    work.deliver()
    state = Outbox(url).read_state(row)
    assert state is not None
    assert state.state == "given_up"
    assert "99992361" in (state.reason or "")


def test_what_a_newer_version_recorded_is_delivered_by_an_older_one(app: Emulator, url: URL) -> None:
    """Versions run side by side during an upgrade."""
    content = json.loads(Outgoing(work.CHAT, "", "text", "from the future").to_json())
    row = work.record_payload(json.dumps(content | {"a_new_member": 1}))
    assert work.deliver() == 1
    assert (Outbox(url).read_state(row) or ("",))[0] == "delivered"
    assert "from the future" in read_cards(app)[0]


def test_a_runner_goes_on_after_a_row_that_it_cannot_read(
    app: Emulator, url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    """In the pump it is a thread: if it ended, no message would be delivered, and nothing would say so."""
    unreadable = work.record_payload('{"content": "without a receiver"}')
    stop = threading.Event()
    thread = threading.Thread(target=OutboxRunner(idle_seconds=0.05).run, args=(stop,), daemon=True)
    thread.start()
    wait_until(lambda: "Outbox failed unexpectedly; retrying" in caplog.messages)
    row = work.record_text("later")
    wait_until(lambda: (Outbox(url).read_state(row) or ("",))[0] == "delivered")
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert (Outbox(url).read_state(unreadable) or ("",))[0] == "due"
    assert len(messages(app)) == 1


def test_a_recalled_card_is_given_up_with_the_reason(app: Emulator, url: URL) -> None:
    work.record("first")
    work.deliver()
    (message,) = messages(app)
    with LarkServiceClient() as client:
        client.messaging.recall(message["message_id"])
    row = work.record("second").row
    work.deliver()
    assert row is not None
    state = Outbox(url).read_state(row)
    assert state is not None
    assert state[0] == "given_up"
    assert "recalled" in str(state[2])
    assert len(messages(app)) == 1


def test_one_new_card_replaces_a_recalled_one_if_it_is_set(
    app: Emulator, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REPLACE_VARIABLE, "1")
    work.record("first")
    work.deliver()
    with LarkServiceClient() as client:
        client.messaging.recall(messages(app)[0]["message_id"])
    work.record("second")
    work.deliver()
    work.record("third")
    work.deliver()
    assert len(messages(app)) == 2
    assert "3 failures" in read_cards(app)[1]
    incident = work.recorder().open(work.place())
    assert incident is not None
    assert incident.message_id == messages(app)[1]["message_id"]


def test_a_misspelt_setting_is_an_error_and_gives_no_card_up(
    app: Emulator, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.record("first")
    work.deliver()
    with LarkServiceClient() as client:
        client.messaging.recall(messages(app)[0]["message_id"])
    row = work.record("second").row
    monkeypatch.setenv(REPLACE_VARIABLE, "ture")
    expected = f"{REPLACE_VARIABLE} must be 1 or 0, got 'ture'. Next: "
    with pytest.raises(ConfigurationError, match=expected):
        OutboxRunner()
    with pytest.raises(ConfigurationError, match=expected):
        work.deliver()
    assert row is not None
    assert (Outbox(url).read_state(row) or ("",))[0] == "due"
    monkeypatch.setenv(REPLACE_VARIABLE, "off")
    OutboxRunner()


def test_a_chat_without_the_bot_is_given_up(app: Emulator, url: URL) -> None:
    row = work.record_text("lost", chat=app.add_chat("no bot", bots=[])["chat_id"])
    work.deliver()
    state = Outbox(url).read_state(row)
    assert state is not None
    assert state[0] == "given_up"
    assert messages(app) == []


def test_an_app_that_is_not_known_here_is_left_to_others(
    app: Emulator,
    url: URL,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    monkeypatch.chdir(tmp_path)  # where there is no registry
    row = work.record_text("waits")
    monkeypatch.setenv("LARK_APP_ID", "cli_other")
    work.deliver()
    work.deliver()
    assert (Outbox(url).read_state(row) or ("",))[0] == "due"
    assert 1 <= len([record for record in caplog.records if "No credentials for app" in record.message]) <= 2
    monkeypatch.setenv("LARK_APP_ID", app.app_id)
    assert work.deliver() == 1
    assert len(messages(app)) == 1


def test_an_app_whose_lark_is_frozen_delays_no_other(app: Emulator, url: URL) -> None:
    async def deliver() -> None:
        with socket.create_server((HOST, 0)) as server:  # which accepts nobody
            address = f"http://{HOST}:{server.getsockname()[1]}"
            frozen = AsyncLarkServiceClient(
                "cli_frozen", "secret", base_url=address, timeout=300, deadline=300
            )
            clients = [await frozen.resolve(), await AsyncLarkServiceClient().resolve()]
            outbox = Outbox(url)
            texts = [Outgoing(work.CHAT, "", "text", f"frozen {n}") for n in range(outbox.batch_size)]
            rows = [work.record_payload(text.to_json(), frozen) for text in texts]
            row = work.record_text("on time")
            deliverer = Deliverer(outbox, OutboxApps(clients=clients, only_these=True), seconds=300)
            assert await deliverer.begin_due() == len(rows)
            assert await deliverer.begin_due() == 1
            await mq.wait_until_async(lambda: (outbox.read_state(row) or ("",))[0] == "delivered")
            assert [outbox.read_state(name) for name in rows] == [("due", None, None)] * len(rows)
            deliverer.cancel()
            await deliverer.finish()

    asyncio.run(deliver())
    assert len(messages(app)) == 1


def test_another_base_url_gets_nothing(app: Emulator, url: URL) -> None:
    """Whoever can write the table cannot have messages, or the secret, sent elsewhere."""
    with Emulator() as other:
        row = work.record_text("bound")
        change(url, base_url=other.base_url)
        work.deliver()
        assert other.requests() == []
    assert (Outbox(url).read_state(row) or ("",))[0] == "due"


@pytest.mark.parametrize("url", ["postgres"], indirect=True)  # processes share a pace by PostgreSQL
def test_a_chat_gets_five_messages_a_second_and_a_card_five_updates(
    app: Emulator, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_PACING", "0.8")
    for number in range(12):
        work.record_text(f"text {number}")

    async def both() -> None:
        await asyncio.gather(work.adeliver(seconds=20), work.adeliver(seconds=20))

    began = {"POST": time.time()}
    asyncio.run(both())
    work.record("a")
    work.deliver()
    began["PATCH"] = time.time()
    for number in range(8):
        work.fail(number)
        work.deliver()
    for method, count in (("POST", 13), ("PATCH", 8)):
        times = [request["time"] - began[method] for request in requests(app, method)]
        assert len(times) >= count
        # None is early. A busy machine may be late with some, and so send them close to the next ones.
        assert all(at >= (number - 1) / 4 - 0.01 for number, at in enumerate(times)), times
