"""Clients and the registry: who may act, and what happens when nobody can say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import ConfigurationError, DecryptionError, StorageError
from lark_provider.storage import migrate, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.support.throttle import Throttle
from tests.client.conftest import TOKENS, count
from tests.clock import Clock
from tests.services.postgres import OwnPostgres

HOLDS = 30.0
"""Seconds after which every client has heard that an app is disabled."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def apps(key: str) -> ApplicationManager:
    return ApplicationManager()


@pytest.fixture
def registered(
    lark: Emulator, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> ApplicationManager:
    """Move the emulator's app from the environment into the registry, and return the registry."""
    for name in ("LARK_APP_ID", "LARK_APP_SECRET", "LARK_BASE_URL"):
        monkeypatch.delenv(name)
    apps.create_application(lark.app_id, lark.app_secret, base_url=lark.base_url)
    return apps


def make_client(clock: Clock, app_id: str | None = None, secret: str | None = None) -> LarkServiceClient:
    client = LarkServiceClient(app_id, secret)
    client._session.clock = clock
    return client


def call(client: LarkServiceClient) -> None:
    client.call("GET", "/im/v1/chats")


def acall(client: LarkServiceClient) -> None:
    """List the chats with the client for asyncio, on the session of a client."""
    other = AsyncLarkServiceClient()
    other._session = client._session
    asyncio.run(call_async(other))


async def call_async(client: AsyncLarkServiceClient) -> None:
    await client.call("GET", "/im/v1/chats")


@pytest.mark.parametrize("do", [call, acall])
def test_an_app_of_the_registry_is_enough(
    lark: Emulator, registered: ApplicationManager, clock: Clock, do: Callable[[LarkServiceClient], None]
) -> None:
    client = make_client(clock)
    do(client)
    assert (client.app_id, client.base_url) == (lark.app_id, lark.base_url)


@pytest.mark.parametrize("source", ["registry", "arguments", "environment"])
@pytest.mark.parametrize("do", [call, acall])
def test_a_disabled_app_is_refused_with_a_token_in_hand(
    lark: Emulator,
    apps: ApplicationManager,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    do: Callable[[LarkServiceClient], None],
) -> None:
    apps.create_application(lark.app_id, lark.app_secret)
    if source != "environment":
        monkeypatch.delenv("LARK_APP_ID")
        monkeypatch.delenv("LARK_APP_SECRET")
    credentials = (lark.app_id, lark.app_secret) if source == "arguments" else (None, None)
    client, other = make_client(clock, *credentials), make_client(clock, *credentials)
    do(client)
    apps.disable_application(lark.app_id)
    clock.now += HOLDS / 3
    do(other)  # what this process heard of the registry still holds
    clock.now += HOLDS - HOLDS / 3
    for caller in (client, other, make_client(clock, *credentials)):
        with pytest.raises(
            ConfigurationError, match=rf"'{lark.app_id}' is disabled .*app enable {lark.app_id}"
        ):
            do(caller)
    assert count(lark, TOKENS) == 1
    apps.enable_application(lark.app_id)
    for caller in (client, other):  # and at once, for who was refused asks again
        do(caller)


def test_a_disabled_app_is_refused_after_the_clock_was_set_back(
    lark: Emulator, registered: ApplicationManager, clock: Clock
) -> None:
    """As on a machine that starts with local time in its hardware clock: eight hours ahead, in China."""
    client = make_client(clock)
    call(client)
    registered.disable_application(lark.app_id)
    clock.now -= 8 * 3600.0
    with pytest.raises(ConfigurationError, match="is disabled"):
        call(client)


def test_a_registry_that_was_unavailable_is_tried_after_the_clock_was_set_back(
    lark: Emulator,
    registered: ApplicationManager,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    path, client = tmp_path / "broken.db", make_client(clock)
    path.write_text("not a database" * 100)
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(path))
    with pytest.raises(StorageError):
        call(client)
    path.unlink()
    ApplicationManager().create_application(lark.app_id, lark.app_secret, base_url=lark.base_url)
    clock.now -= 8 * 3600.0
    call(client)


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("do", [call, acall])
def test_a_registry_file_that_is_missing_for_a_while_stops_no_process_that_has_read_it(
    lark: Emulator,
    key: str,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    is_named: bool,
    do: Callable[[LarkServiceClient], None],
) -> None:
    for name in ("LARK_APP_ID", "LARK_APP_SECRET", "LARK_BASE_URL"):
        monkeypatch.delenv(name)
    if not is_named:
        monkeypatch.delenv("LARK_REGISTRY_PATH")
        monkeypatch.chdir(tmp_path)
    ApplicationManager().create_application(lark.app_id, lark.app_secret, base_url=lark.base_url)
    client = make_client(clock)
    do(client)
    file, elsewhere = tmp_path / "config" / "applications.db", tmp_path / "elsewhere"
    file.rename(elsewhere)
    clock.now += HOLDS
    for caller in (client, make_client(clock)):
        do(caller)
    # One that has not read it can be helped by waiting where the file is known to be missing.
    expected = StorageError if is_named else ConfigurationError
    with pytest.raises(expected, match="got no file" if is_named else "there is no registry at") as caught:
        do(make_client(clock, "cli_other"))
    assert caught.value.retryable == is_named
    elsewhere.rename(file)
    clock.now += HOLDS
    do(client)
    with pytest.raises(ConfigurationError, match="'cli_other' is not in registry"):
        do(make_client(clock, "cli_other"))


def test_an_app_that_was_missing_is_found_as_soon_as_it_is_added(
    lark: Emulator, registered: ApplicationManager, clock: Clock
) -> None:
    lark.add_app("cli_new", "new-secret")
    client = make_client(clock, "cli_new")
    with pytest.raises(ConfigurationError, match="'cli_new' is not in registry"):
        call(client)
    registered.create_application("cli_new", "new-secret", base_url=lark.base_url)
    call(client)


def test_with_several_apps_one_has_to_be_named(
    lark: Emulator, registered: ApplicationManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered.create_application("cli_other", "other-secret")
    with pytest.raises(ConfigurationError, match="several active apps"):
        call(make_client(clock))
    monkeypatch.setenv("LARK_DEFAULT_APP_ID", lark.app_id)
    call(make_client(clock))
    monkeypatch.setenv("LARK_DEFAULT_APP_ID", "cli_other")
    assert make_client(clock).app_id == "cli_other"
    call(make_client(clock, lark.app_id))


def test_a_secret_that_was_changed_is_used_when_what_was_heard_is_old(
    lark: Emulator, registered: ApplicationManager, clock: Clock
) -> None:
    client = make_client(clock)
    call(client)
    lark.change_app(secret="changed")
    lark.revoke_tokens()
    registered.update_application(lark.app_id, app_secret="changed")
    clock.now += HOLDS
    call(client)


def test_another_key_is_a_clear_error(
    registered: ApplicationManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    with pytest.raises(DecryptionError, match=KEY_VARIABLE):
        call(make_client(clock))
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigurationError, match=f"{KEY_VARIABLE} is not set"):
        call(make_client(clock))


def test_a_key_is_not_needed_to_learn_that_an_app_may_act(
    lark: Emulator, apps: ApplicationManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps.create_application(lark.app_id, "another secret than the one in use".replace(" ", "-"))
    monkeypatch.delenv(KEY_VARIABLE)
    call(make_client(clock))


@pytest.mark.parametrize("place", ["postgresql://u:pw@h:port/db", "mysql://u:pw@h/db"])
def test_a_registry_that_is_invalid_is_an_error(
    lark: Emulator, clock: Clock, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Also for those whose secret is known: nobody could tell them that they are disabled."""
    monkeypatch.setenv("LARK_REGISTRY_PATH", place)
    with pytest.raises(ConfigurationError, match=r"LARK_REGISTRY_PATH must be the URL") as caught:
        call(make_client(clock))
    assert "pw" not in str(caught.value)


def test_who_is_known_goes_on_while_the_registry_is_away(
    lark: Emulator,
    key: str,
    clock: Clock,
    own_postgres: OwnPostgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    PROCESS.databases.throttle = Throttle(clock=clock)
    monkeypatch.setenv("LARK_REGISTRY_PATH", own_postgres.url)
    migrate.upgrade(urls.registry())
    apps = ApplicationManager()
    apps.create_application(lark.app_id, lark.app_secret)
    lark.add_app("cli_b", "b-secret")
    apps.create_application("cli_b", "b-secret", base_url=lark.base_url)
    lark.add_app("cli_off", "off-secret")
    apps.create_application("cli_off", "off-secret", base_url=lark.base_url)
    apps.disable_application("cli_off")
    configured, looked_up, disabled = (
        make_client(clock),
        make_client(clock, "cli_b"),
        make_client(clock, "cli_off", "off-secret"),
    )
    call(configured)
    call(looked_up)
    with pytest.raises(ConfigurationError, match="is disabled"):
        call(disabled)
    own_postgres.stop()
    for _ in range(3):
        clock.now += HOLDS
        call(configured)
        call(looked_up)
        with pytest.raises(ConfigurationError, match="is disabled"):
            call(disabled)  # as it was when the registry was last reached
        with pytest.raises(StorageError, match="cannot be used"):
            call(make_client(clock, "cli_c"))
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 2  # in 90 s
    own_postgres.start()
    apps.disable_application("cli_b")
    clock.now += HOLDS
    with pytest.raises(ConfigurationError, match="is disabled"):
        call(looked_up)
    call(configured)


def test_a_registry_file_that_is_broken_stops_nobody_who_has_a_secret(
    lark: Emulator,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who goes on warns; who fails raises, and does not say that it goes on."""
    broken = tmp_path / "apps.db"
    broken.write_text("nonsense " * 1000)
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(broken))
    for _ in range(2):
        with pytest.raises(StorageError, match="is not a SQLite database"):
            call(make_client(clock, "cli_b"))
    assert caplog.records == []
    for _ in range(2):
        call(make_client(clock))
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.getMessage() == "Shared database unavailable; falling back to in-memory cache"
    assert vars(warning)["error"].startswith(f"Database {broken} is not a SQLite")


def test_a_crowd_of_clients_asks_the_registry_once(
    lark: Emulator, registered: ApplicationManager, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One looks again while the others go on with what was heard before."""
    lark.settings(rate_limits=False)
    unsealed: list[str] = []
    unseal = EncryptionKeys.unseal

    def count_unseal(self: EncryptionKeys, sealed: str, place: Sequence[str], what: str, altered: str) -> str:
        unsealed.append(what)
        return unseal(self, sealed, place, what, altered)

    monkeypatch.setattr(EncryptionKeys, "unseal", count_unseal)
    call(make_client(clock))
    assert len(unsealed) == 1
    clock.now += HOLDS

    async def crowd() -> None:
        clients = [AsyncLarkServiceClient() for _ in range(50)]
        for client in clients:
            client._session.clock = clock
        await asyncio.gather(*(call_async(client) for client in clients))

    asyncio.run(crowd())
    assert len(unsealed) == 2


def test_the_app_of_an_async_client_is_looked_up_without_blocking_the_loop(
    lark: Emulator, registered: ApplicationManager
) -> None:
    async def resolve_async() -> tuple[str, str]:
        client = AsyncLarkServiceClient(lark.app_id)
        with pytest.raises(ConfigurationError, match=r"Next: `await client.resolve\(\)`"):
            _ = client.app_id
        resolved = await client.resolve()
        return resolved.app_id, resolved.base_url

    assert asyncio.run(resolve_async()) == (lark.app_id, lark.base_url)
