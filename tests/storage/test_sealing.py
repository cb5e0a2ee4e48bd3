"""Whoever can write the registry, and has no key, changes nothing of what an app does with its secret."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.errors import ConfigurationError
from lark_provider.storage import migrate, sealing, tables
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.sealing import AppSecrets
from tests.client.conftest import TOKENS, count

SECRETS = {"app_secret": "secret-AAA", "encrypt_key": "encrypt-BBB", "verification_token": "verify-CCC"}
ROWS = tables.applications


@pytest.fixture
def apps(url: URL, key: str) -> ApplicationManager:
    return ApplicationManager(url.render_as_string(hide_password=False))


def write(url: URL, app: str, **values: Any) -> None:
    """Write to the registry as a user who has no key."""
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(ROWS.update().where(ROWS.c.app_id == app).values(**values))


def read_row(url: URL, app_id: str) -> sa.Row[Any]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        return connection.execute(sa.select(ROWS).where(ROWS.c.app_id == app_id)).one()


def as_version_0_1_left_it(url: URL) -> None:
    migrate.downgrade(url, "0002")


def swap(url: URL) -> None:
    first, second = (read_row(url, app_id) for app_id in ("cli_a", "cli_b"))
    write(url, "cli_a", sealed=second.sealed)
    write(url, "cli_b", sealed=first.sealed)


ATTACKS: dict[str, Callable[[URL], None]] = {
    "another base URL": lambda url: write(url, "cli_a", base_url="https://evil.example.com"),
    "no base URL": lambda url: write(url, "cli_a", base_url=""),
    "another app's secret": swap,
    "a truncated seal": lambda url: write(url, "cli_a", sealed=read_row(url, "cli_a").sealed[:-9]),
    "half a seal": lambda url: write(url, "cli_a", sealed=read_row(url, "cli_a").sealed[:8]),
    "an empty seal": lambda url: write(url, "cli_a", sealed=""),
    "the secret of version 0.1": lambda url: write(url, "cli_a", sealed=read_row(url, "cli_a").app_secret),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_row_that_was_changed_by_hand_is_refused(
    attack: str, apps: ApplicationManager, url: URL, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps.create_application("cli_a", **SECRETS, base_url=lark.base_url)
    apps.create_application("cli_b", "secret-of-b", base_url=lark.base_url)
    ATTACKS[attack](url)
    with pytest.raises(
        DecryptionError, match=r"App 'cli_a' is not as it was sealed.*Next: find out"
    ) as caught:
        apps.decrypt_secrets("cli_a")
    assert not any(secret in str(caught.value) for secret in SECRETS.values())
    for change in (lambda: apps.update_application("cli_a", name="x"), apps.reseal):
        with pytest.raises(DecryptionError, match="'cli_a' is not as it was sealed"):
            change()
    monkeypatch.setenv("LARK_REGISTRY_PATH", url.render_as_string(hide_password=False))
    with pytest.raises(DecryptionError, match="'cli_a' is not as it was sealed"):
        LarkServiceClient(app_id="cli_a").bot.info()
    assert count(lark, TOKENS) == 0, "the secret went nowhere"
    apps.delete_application("cli_a")
    apps.create_application("cli_a", "new")
    assert apps.decrypt_secrets("cli_a").app_secret == "new"


@pytest.mark.parametrize("column", ["sealed", "base_url"])
def test_bytes_in_a_row_of_sqlite_disable_that_app_alone(column: str, sqlite: URL, key: str) -> None:
    apps = ApplicationManager(str(sqlite))
    apps.create_application("cli_a", "a")
    apps.create_application("cli_b", "b")
    with hold_transaction(get_engine(sqlite)) as connection:
        connection.execute(sa.text(f"UPDATE applications SET {column} = x'00ff' WHERE id = 1"))  # noqa: S608 - of this test
    with pytest.raises(DecryptionError, match="App 'cli_a' is not as it was sealed"):
        apps.decrypt_secrets("cli_a")
    assert apps.decrypt_secrets("cli_b").app_secret == "b"


def test_a_row_under_another_id_is_refused(apps: ApplicationManager, url: URL) -> None:
    apps.create_application("cli_a", "s")
    write(url, "cli_a", app_id="cli_x")
    with pytest.raises(DecryptionError, match="App 'cli_x' is not as it was sealed"):
        apps.decrypt_secrets("cli_x")


def test_only_the_seal_is_read(apps: ApplicationManager, url: URL, key: str) -> None:
    """And the other columns are written, for processes of the version before."""
    apps.create_application("cli_a", **SECRETS)
    apps.update_application("cli_a", app_secret="new", encrypt_key="encrypt-2", verification_token="")
    left = read_row(url, "cli_a")
    assert EncryptionKeys(key).decrypt(left.app_secret, "it") == "new"
    assert EncryptionKeys(key).decrypt(left.encrypt_key, "it") == "encrypt-2"
    assert left.verification_token is None
    write(
        url,
        "cli_a",
        app_secret=EncryptionKeys(key).encrypt_for_0_1("theirs"),
        encrypt_key="rubbish",
        verification_token="x",
    )
    secrets = apps.decrypt_secrets("cli_a")
    assert (secrets.app_secret, secrets.encrypt_key, secrets.verification_token) == ("new", "encrypt-2", None)
    new = generate_key()
    assert (
        len(
            ApplicationManager(
                apps._url.render_as_string(False), keys=EncryptionKeys(f"{new},{key}")
            ).reseal()
        )
        == 1
    )
    assert EncryptionKeys(new).decrypt(read_row(url, "cli_a").app_secret, "it") == "new"


def test_a_row_without_a_seal_is_refused_until_it_is_sealed(apps: ApplicationManager, url: URL) -> None:
    apps.create_application("cli_a", **SECRETS)
    write(url, "cli_a", sealed=None)
    for attempt in (
        lambda: apps.decrypt_secrets("cli_a"),
        lambda: apps.update_application("cli_a", base_url="lark"),
    ):
        with pytest.raises(
            DecryptionError,
            match=r"'cli_a' is not sealed.*db upgrade --registry` or .*key rotate",
        ):
            attempt()
    assert isinstance(apps.decrypt_active_secrets()["cli_a"], DecryptionError)
    assert not apps.disable_application("cli_a").active, "which sends no secret anywhere"
    assert apps.enable_application("cli_a").active
    assert [app.app_id for app in apps.reseal()] == ["cli_a"]
    secrets = apps.decrypt_secrets("cli_a")
    assert {name: getattr(secrets, name) for name in SECRETS} == SECRETS


def test_a_seal_that_was_taken_off_is_not_made_for_another_place(
    apps: ApplicationManager, url: URL, key: str
) -> None:
    """A deployment runs `db upgrade`, and nobody reads to which URL it seals."""
    apps.create_application("cli_a", **SECRETS, base_url="lark")
    apps.create_application("cli_b", **SECRETS)
    other = read_row(url, "cli_b")._mapping
    taken = {name: read_row(url, "cli_a")._mapping[name] for name in ("base_url", *SECRETS)}
    attacks: list[dict[str, Any]] = [{"base_url": "https://evil.example.com"}, {"base_url": ""}]
    attacks += [{name: other[name]} for name in SECRETS] + [{"encrypt_key": taken["app_secret"]}]
    for attack in attacks:
        write(url, "cli_a", sealed=None, **(taken | attack))
        with (
            hold_transaction(get_engine(url)) as connection,
            pytest.raises(DecryptionError, match="not as it was sealed"),
        ):
            sealing.seal_all(connection)
        with pytest.raises(DecryptionError, match="not as it was sealed"):
            apps.reseal()
    write(url, "cli_a", sealed=None, **taken)
    place, new = url.render_as_string(hide_password=False), generate_key()
    assert len(ApplicationManager(place, keys=EncryptionKeys(f"{new},{key}")).reseal()) == 2
    assert apps.decrypt_active_secrets().keys() == {"cli_a", "cli_b"}


def test_all_rows_are_sealed_or_none(
    url: URL, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps.create_application("cli_a", **SECRETS, base_url="lark")
    apps.create_application("cli_b", "b")
    as_version_0_1_left_it(url)
    write_old = sa.text("UPDATE applications SET app_secret = 'damaged' WHERE app_id = 'cli_b'")
    with hold_transaction(get_engine(url)) as connection:
        kept = connection.scalar(sa.text("SELECT app_secret FROM applications WHERE app_id = 'cli_b'"))
        connection.execute(write_old)

    def upgrade(keys: EncryptionKeys | None = None) -> None:
        def seal(connection: sa.Connection) -> None:
            sealing.seal_all(connection, keys)

        migrate.upgrade(url, then=seal)

    with pytest.raises(DecryptionError, match=f"app_secret of app 'cli_b'.*{KEY_VARIABLE}"):
        upgrade()
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(ConfigurationError, match=f"{KEY_VARIABLE} is not set"):
        upgrade()
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    with pytest.raises(DecryptionError, match="'cli_a' was encrypted with another key"):
        upgrade()
    assert migrate.read_version(get_engine(url)) == "0002", "nothing was changed at all"
    with hold_transaction(get_engine(url)) as connection:
        statement = sa.text("UPDATE applications SET app_secret = :kept WHERE app_id = 'cli_b'")
        connection.execute(statement, {"kept": kept})
    upgrade(apps._keys)
    assert apps.decrypt_secrets("cli_a").encrypt_key == "encrypt-BBB"
    assert apps.decrypt_secrets("cli_b").app_secret == "b"


def test_a_file_that_upgrades_itself_seals_nothing(sqlite: URL, key: str) -> None:
    """Else whoever can write the file could have an altered row sealed by the next process."""
    migrate.upgrade(sqlite)
    place = sqlite.render_as_string(hide_password=False)
    ApplicationManager(place).create_application("cli_a", "s")
    as_version_0_1_left_it(sqlite)
    migrate._opened.clear()  # as a new process begins
    with pytest.raises(DecryptionError, match="'cli_a' is not sealed"):
        ApplicationManager(place).decrypt_secrets("cli_a")
    assert migrate.read_version(get_engine(sqlite)) == tables.HEAD
    assert read_row(sqlite, "cli_a").sealed is None


def test_a_base_url_in_clear_is_not_bound(
    apps: ApplicationManager, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="must begin with https://"):
        apps.create_application("cli_a", "s", base_url="http://lark.example.com")
    apps.create_application("cli_a", "s")
    with pytest.raises(ConfigurationError, match="must begin with https://"):
        apps.update_application("cli_a", base_url="http://lark.example.com")
    in_clear = {"base_url": "http://lark.example.com", "sealed": None}
    write(url, "cli_a", **in_clear, app_secret=Fernet(os.environ[KEY_VARIABLE]).encrypt(b"s").decode())
    with pytest.raises(
        ConfigurationError,
        match=r"'cli_a' cannot be sealed: base_url must begin with https://.*LARK_ALLOW_HTTP=1",
    ):
        apps.reseal()
    assert read_row(url, "cli_a").sealed is None
    monkeypatch.setenv("LARK_ALLOW_HTTP", "1")
    assert [app.base_url for app in apps.reseal()] == ["http://lark.example.com"]
    monkeypatch.delenv("LARK_ALLOW_HTTP")
    assert len(apps.reseal()) == 1, "it is bound already"
    assert apps.decrypt_secrets("cli_a").app_secret == "s"


# --- values that are replaced ---


def test_values_that_are_replaced_are_kept_for_a_while(apps: ApplicationManager, url: URL) -> None:
    apps.create_application("cli_a", **SECRETS)
    apps.update_application("cli_a", encrypt_key="encrypt-2")
    secrets = apps.decrypt_secrets("cli_a")
    ((value, end),) = secrets.previous_encrypt_keys
    assert (secrets.encrypt_key, value) == ("encrypt-2", "encrypt-BBB")
    kept = end - read_row(url, "cli_a").updated_at.timestamp()
    assert kept == pytest.approx(timedelta(hours=24).total_seconds(), abs=60)
    assert secrets.previous_verification_tokens == ()
    apps.update_application("cli_a", verification_token="verify-2", keep_previous=timedelta(minutes=5))
    secrets = apps.decrypt_secrets("cli_a")
    assert [value for value, _ in secrets.previous_verification_tokens] == ["verify-CCC"]
    assert [value for value, _ in secrets.previous_encrypt_keys] == ["encrypt-BBB"], "it is left alone"
    assert len(ApplicationManager(apps._url.render_as_string(False)).reseal()) == 1
    assert apps.decrypt_secrets("cli_a") == secrets
    apps.update_application("cli_a", encrypt_key="encrypt-3", keep_previous=timedelta())
    assert apps.decrypt_secrets("cli_a").previous_encrypt_keys == ()
    with pytest.raises(ConfigurationError, match="keep_previous must be 0 or more"):
        apps.update_application("cli_a", encrypt_key="x", keep_previous=timedelta(seconds=-1))
    assert not any(secret in repr(secrets) for secret in ("encrypt", "verify-", "secret-AAA"))


def test_secrets_are_masked_wherever_they_are_held() -> None:
    """Error reporters print the local variables and the attributes of what is in them."""
    old = (("an-old-key", 1.0),)
    held = AppSecrets("secret-AAA", "encrypt-BBB", "verify-CCC", old, old)
    shown = repr([held, *(getattr(held, field.name) for field in dataclasses.fields(held))])
    assert not any(secret in shown for secret in (*SECRETS.values(), "an-old-key"))


def test_of_many_values_that_were_replaced_the_newest_four_are_kept() -> None:
    secrets = FROM
    for number in range(1, 7):
        secrets = secrets.with_encrypt_key(f"k-{number}", now=0, until=60)
    assert secrets.encrypt_key == "k-6"
    assert [old for old, _ in secrets.previous_encrypt_keys] == ["k-5", "k-4", "k-3", "k-2"]
    again = secrets.with_encrypt_key("k-3", now=0, until=60)
    assert [old for old, _ in again.previous_encrypt_keys] == ["k-6", "k-5", "k-4", "k-2"]
    assert secrets.with_encrypt_key("k-6", now=0, until=90) == secrets
    [newest, *expired] = secrets.with_encrypt_key("k-7", now=60, until=90).previous_encrypt_keys
    assert (newest, expired) == (("k-6", 90), [])


FROM = AppSecrets("s", "k-0")
steps = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([None, "k-0", "k-1", "k-2", "k-3"]), st.integers(0, 10)),
    max_size=8,
)


@given(changes=steps)
def test_what_is_kept_after_any_changes(changes: list[tuple[int, str | None, int]]) -> None:
    """The value before is kept to its end, unless it was removed or everything else was to end at once."""
    secrets, now = FROM, 0
    for passed, value, seconds in changes:
        now += passed
        before, secrets = secrets, secrets.with_encrypt_key(value, now=now, until=now + seconds)
        kept = dict(secrets.previous_encrypt_keys)
        assert secrets.encrypt_key == value
        assert value not in kept
        assert None not in kept
        assert all(end > now for end in kept.values())
        if value is None or seconds == 0:
            assert kept == {}
        elif before.encrypt_key not in {None, value}:
            assert kept[str(before.encrypt_key)] == now + seconds
        assert len(kept) <= 4
