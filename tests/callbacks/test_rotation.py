"""Keys are replaced, and apps disabled, under a gateway that runs."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from lark_provider.callbacks.http import keys
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.endpoint import RECEIVED
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.keys import KeyRing, KeysByApp
from lark_provider.errors import ConfigurationError, DecryptionError
from lark_provider.storage import engine, migrate, registry, tables, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.storage.errors import StorageError
from lark_provider.support.throttle import Throttle
from tests.callbacks.commands import Command
from tests.callbacks.parts import FakeSink
from tests.callbacks.serving import serve
from tests.clock import Clock
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP
from tests.services.processes import HOST, free_port

KEY, TOKEN = "encrypt-0", "token-0"
CLICKERS, ROTATIONS = 4, 6
NUMBERS = itertools.count()


@pytest.fixture
def apps(database_url: str, monkeypatch: pytest.MonkeyPatch) -> ApplicationManager:
    """Return a registry in PostgreSQL with one app."""
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", database_url)
    migrate.upgrade(urls.registry())
    manager = ApplicationManager()
    manager.create_application(APP, "s", encrypt_key=KEY, verification_token=TOKEN)
    return manager


@pytest.fixture
def serving(apps: ApplicationManager, database_url: str, tmp_path: Path) -> Iterator[str]:
    """Run `callbacks serve` as a process with the keys of the registry, and yield its callback URL."""
    port = free_port()
    settings = {
        "LARK_REGISTRY_PATH": database_url,
        "LARK_DATABASE_URL": database_url,
        KEY_VARIABLE: os.environ[KEY_VARIABLE],
    }
    command = Command(tmp_path / "serve.log", "serve", "--port", str(port), settings=settings)
    command.start()
    url = f"http://{HOST}:{port}/lark/callbacks/{APP}"
    wait_until(lambda: _is_open(url))
    yield url
    command.end()


def _is_open(url: str) -> bool:
    try:
        return httpx.get(url.partition("/lark")[0] + "/healthz").status_code == 200
    except httpx.TransportError:
        return False


def click(key: str, token: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a new click, as Lark sends it under these keys."""
    content = sender.card(token=token, now=time.time())
    content["header"]["event_id"] = f"click-{next(NUMBERS)}"
    body = sender.seal_body(content, key)
    return body, sender.make_headers(body, key=key, timestamp=str(int(time.time())))


def test_no_click_is_refused_while_keys_are_replaced(apps: ApplicationManager, serving: str) -> None:
    """The registry first, then the console; and Lark still sends some clicks under the keys before."""
    pairs, answers = [(KEY, TOKEN)], Counter[Any]()
    old_and_new = itertools.cycle((-1, -2))

    def has_answers(count: int) -> bool:
        return answers.total() >= count

    async def clicks(client: httpx.AsyncClient, done: asyncio.Event) -> None:
        while not done.is_set():
            key, token = pairs[max(next(old_and_new), -len(pairs))]
            body, headers = click(key, token)
            answer = await client.post(serving, content=body, headers=headers)
            answers[answer.status_code, answer.content == RECEIVED] += 1

    async def work() -> None:
        done = asyncio.Event()
        async with httpx.AsyncClient(timeout=10) as client:
            clickers = [asyncio.ensure_future(clicks(client, done)) for _ in range(CLICKERS)]
            for number in range(1, ROTATIONS + 1):
                key, token = f"encrypt-{number}", f"token-{number}"
                await asyncio.to_thread(
                    apps.update_application, APP, encrypt_key=key, verification_token=token
                )
                pairs.append((key, token))  # now: the gateway has read nothing of it
                await asyncio.to_thread(wait_until, partial(has_answers, answers.total() + 40))
            done.set()
            await asyncio.gather(*clickers)

    asyncio.run(work())
    assert set(answers) == {(200, True)}
    assert answers.total() >= ROTATIONS * 40


def test_untrusted_clients_are_rejected_within_the_deadline_and_cost_one_load_a_second(
    apps: ApplicationManager,
) -> None:
    loads = list[float]()

    def load() -> KeysByApp:
        loads.append(time.monotonic())
        return keys.from_registry()

    async def work(url: str) -> None:
        async with httpx.AsyncClient(timeout=10) as client:

            async def stranger(number: int) -> int:
                body, headers = click("guess", TOKEN)
                where = f"{url}/lark/callbacks/{APP if number % 2 else f'cli_{number}'}"
                return (await client.post(where, content=body, headers=headers)).status_code

            answers = Counter(await asyncio.gather(*(stranger(n) for n in range(60))))
            assert answers == {401: 30, 404: 30}
            body, headers = click(KEY, TOKEN)
            answer = await client.post(f"{url}/lark/callbacks/{APP}", content=body, headers=headers)
            assert answer.content == RECEIVED

    with serve(application(Gateway(KeyRing(load, seconds=3600), [FakeSink()]))) as url:
        asyncio.run(work(url))
    assert len(loads) < 10, "and not one for each of 60"
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(loads[1:]))


def test_an_app_that_was_disabled_while_nothing_came_is_refused_at_its_first_click(
    apps: ApplicationManager,
) -> None:
    loads: list[KeysByApp] = []

    def load() -> KeysByApp:
        loads.append(keys.load_configured())  # which are none then, and that is no failure
        return loads[-1]

    place = FakeSink()
    with serve(application(Gateway(KeyRing(load, seconds=0.05), [place]))) as url:
        wait_until(lambda: bool(loads))
        apps.disable_application(APP)
        wait_until(lambda: not loads[-1])
        seen = len(loads)
        wait_until(lambda: len(loads) > seen)  # what was loaded is in use
        body, headers = click(KEY, TOKEN)
        for _ in range(2):
            answer = httpx.post(f"{url}/lark/callbacks/{APP}", content=body, headers=headers)
            assert answer.status_code == 404
        apps.enable_application(APP)
        answer = httpx.post(f"{url}/lark/callbacks/{APP}", content=body, headers=headers)
        assert answer.content == RECEIVED, "and at once when it is enabled"
    assert len(place.stored) == 1


def test_a_disabled_app_is_refused_although_its_keys_are_in_the_environment(
    apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_APP_ID", APP)
    monkeypatch.setenv("LARK_EVENT_ENCRYPT_KEY", "own")
    assert keys.load_configured()[APP].encrypt_key == "own"
    apps.disable_application(APP)
    assert keys.load_configured() == {}
    with pytest.raises(ConfigurationError, match=r"is disabled in the registry\. Next: "):
        keys.check()
    monkeypatch.setenv("LARK_APP_ID", "cli_own")
    assert set(keys.load_configured()) == {"cli_own"}, "the registry does not know it"
    keys.check()


def test_an_app_whose_row_was_altered_is_refused(
    apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    apps.create_application("cli_b", "s", encrypt_key="b")
    clock = Clock()
    monkeypatch.setattr(keys, "_throttle", Throttle(clock=clock))
    assert set(keys.from_registry()) == {APP, "cli_b"}
    with engine.hold_transaction(engine.get_engine(urls.registry())) as connection:
        rows = tables.applications
        theirs = rows.update().where(rows.c.app_id == "cli_b")
        connection.execute(theirs.values(base_url="https://evil.example"))
    for _ in range(3):
        assert set(keys.from_registry()) == {APP}
    keys.check()
    clock.now += 60
    keys.from_registry()
    logged = [vars(record) for record in caplog.records]
    assert [(fields["app_id"], fields["suppressed"]) for fields in logged] == [("cli_b", 0), ("cli_b", 3)]
    assert "not as it was sealed" in logged[0]["error"]


def test_a_gateway_does_not_start_where_it_can_take_nothing(
    apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.check()
    with engine.hold_transaction(engine.get_engine(urls.registry())) as connection:
        connection.execute(tables.applications.update().values(sealed=None))
    with pytest.raises(
        DecryptionError, match=r"is not sealed.*Next: run `lark-provider db upgrade --registry"
    ):
        keys.check()
    apps.disable_application(APP)
    with pytest.raises(ConfigurationError, match="The callback keys must be"):
        keys.check()
    assert keys.load_configured() == {}, "a gateway that runs goes on, and refuses what comes"
    monkeypatch.setenv("LARK_REGISTRY_PATH", "nowhere.db")
    with pytest.raises(ConfigurationError, match="The callback keys must be"):
        keys.load_configured()


def test_a_registry_whose_file_is_gone_or_copied_back_takes_no_keys_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "applications.db"
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(file))
    monkeypatch.setenv("LARK_APP_ID", "cli_own")
    monkeypatch.setenv("LARK_EVENT_ENCRYPT_KEY", "own")
    assert set(keys.load_configured()) == {"cli_own"}
    monkeypatch.setenv("LARK_REGISTRY_PATH", f"sqlite:///{tmp_path}/not%20yet.db")
    assert not keys.has_registry()
    assert set(keys.load_configured(needs_registry=keys.has_registry())) == {"cli_own"}
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(file))
    ApplicationManager().create_application(APP, "s", encrypt_key=KEY)
    assert set(keys.load_configured(needs_registry=True)) == {"cli_own", APP}
    stored = file.read_bytes()
    file.unlink()
    with pytest.raises(StorageError, match="got no file"):
        keys.load_configured(needs_registry=True)
    with pytest.raises(StorageError, match="got no file"):
        keys.from_registry()
    file.write_bytes(b"")  # As `cp` leaves it for a moment.
    for where in (str(file), f"sqlite:///{file}"):
        monkeypatch.setenv("LARK_REGISTRY_PATH", where)
        for needs_registry in (False, True):
            with pytest.raises(StorageError, match="got an empty file"):
                keys.load_configured(needs_registry=needs_registry)
        with pytest.raises(StorageError, match="got an empty file"):
            registry.find(urls.registry(), APP)
    assert file.stat().st_size == 0, "no reader makes it a registry without apps"
    file.write_bytes(stored)
    assert set(keys.load_configured(needs_registry=True)) == {"cli_own", APP}
