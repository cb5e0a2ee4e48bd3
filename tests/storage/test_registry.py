"""The registry of apps, on both databases."""

from __future__ import annotations

import logging
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.core.storage.sqlite_storage import ApplicationManager as GuideManager
from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.protocol.tokens import Token
from lark_provider.storage import migrate, registry, tables
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.errors import DecryptionError, StorageError
from lark_provider.storage.token_store import TokenStore
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until

SECRETS = {"app_secret": "secret-AAA", "encrypt_key": "encrypt-BBB", "verification_token": "verify-CCC"}


@pytest.fixture
def place(url: URL) -> str:
    """Return the URL of the registry, as an operator writes it."""
    return url.render_as_string(hide_password=False)


@pytest.fixture
def apps(place: str, key: str) -> ApplicationManager:
    return ApplicationManager(place)


def read_rows(url: URL) -> list[tuple[object, ...]]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        return [tuple(row) for row in connection.execute(sa.select(tables.applications))]


def test_an_app_comes_changes_and_goes(apps: ApplicationManager) -> None:
    before = datetime.now(UTC)
    created = apps.create_application("cli_a", **SECRETS, name="生产应用", description="用于生产环境")
    assert (created.app_id, created.name, created.description) == ("cli_a", "生产应用", "用于生产环境")
    assert (created.active, created.base_url) == (True, "")
    assert before <= created.created_at == created.updated_at <= datetime.now(UTC)
    assert created.created_at.utcoffset() == timedelta()
    assert apps.get_application("cli_a") == created
    secrets = apps.decrypt_secrets("cli_a")
    assert {name: getattr(secrets, name) for name in SECRETS} == SECRETS

    changed = apps.update_application("cli_a", app_secret="new", name="B", base_url="lark", encrypt_key="")
    assert (changed.name, changed.description) == ("B", "用于生产环境")
    assert changed.base_url == "https://open.larksuite.com"
    assert changed.updated_at > created.updated_at
    assert changed.created_at == created.created_at
    secrets = apps.decrypt_secrets("cli_a")
    assert (secrets.app_secret, secrets.encrypt_key, secrets.verification_token) == (
        "new",
        None,
        "verify-CCC",
    )

    assert not apps.disable_application("cli_a").active
    assert not apps.get_application("cli_a").active
    assert apps.enable_application("cli_a").active
    apps.delete_application("cli_a")
    assert apps.list_applications() == []


def test_apps_are_listed_in_the_order_in_which_they_came(apps: ApplicationManager) -> None:
    ids = ["cli_c", "cli_a", "ISV_应用", "your-app.id:1"]
    for app_id in ids:
        apps.create_application(f" {app_id} ", "s")
    assert [app.app_id for app in apps.list_applications()] == ids
    assert [app.name for app in apps.list_applications()] == ids


def test_adding_what_is_there_changes_nothing(apps: ApplicationManager, url: URL) -> None:
    apps.create_application("cli_a", "s-1")
    before = read_rows(url)
    with pytest.raises(ConfigurationError, match=r"'cli_a' is in the registry already.*app update"):
        apps.create_application("cli_a", "s-2")
    assert read_rows(url) == before


@pytest.mark.parametrize(
    "method",
    ["get_application", "decrypt_secrets", "update_application", "enable_application", "disable_application",
     "delete_application"],
)  # fmt: skip
def test_what_is_not_there(apps: ApplicationManager, method: str) -> None:
    with pytest.raises(ConfigurationError, match=r"App 'cli_x' is not in registry .*Next: .*app add"):
        getattr(apps, method)("cli_x")
    assert apps.list_applications() == []


@pytest.mark.parametrize("method", ["get_application", "list_applications", "reseal"])
def test_looking_makes_no_registry(tmp_path: Path, key: str, method: str) -> None:
    apps = ApplicationManager(str(tmp_path / "apps.db"))
    with suppress(ConfigurationError):
        assert getattr(apps, method)(*(["cli_a"] if method == "get_application" else [])) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"app_id": "cli a"}, "app_id must be a string without spaces"),
        ({"app_id": ""}, "app_id must not be empty"),
        ({"app_id": " \t"}, "app_id must not be empty"),
        ({"app_id": "cli\x00a"}, "app_id must be a string without spaces and control"),
        ({"app_id": "x" * 256}, "at most 255 characters, got 256"),
        ({"app_secret": ""}, "app_secret must not be empty"),
        ({"app_secret": "my secret"}, "app_secret must be a string without spaces"),
        ({"app_secret": "line\nbreak"}, "app_secret must be a string without spaces"),
        ({"encrypt_key": " "}, "encrypt_key must not be empty"),
        ({"base_url": "nonsense"}, "got 'nonsense'"),
        ({"name": "not UTF-8: \udcff"}, "name must be UTF-8 text"),
        ({"description": "a\0b"}, "description must be UTF-8 text"),
    ],
)
def test_what_is_invalid_is_not_kept(apps: ApplicationManager, given: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        apps.create_application(**{"app_id": "cli_a", "app_secret": "s", **given})
    assert "my secret" not in str(caught.value)
    assert apps.list_applications() == []
    apps.create_application("cli_a", "s")
    if not {"app_id", "encrypt_key"} & set(given):
        with pytest.raises(ConfigurationError, match=complaint):
            apps.update_application("cli_a", **given)  # type: ignore[arg-type]
        assert apps.decrypt_secrets("cli_a").app_secret == "s"


def test_secrets_are_in_no_row_repr_error_or_log(
    apps: ApplicationManager, url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = apps.create_application("cli_a", **SECRETS)
    shown = [
        repr(read_rows(url)),
        repr(app),
        repr(apps),
        repr(apps.decrypt_secrets("cli_a")),
        str(vars(apps)),
    ]
    apps.reseal()
    for wrong in (
        lambda: apps.create_application("cli_a", **SECRETS),
        lambda: ApplicationManager(
            apps._url.render_as_string(hide_password=False), keys=EncryptionKeys(generate_key())
        ).decrypt_secrets("cli_a"),
    ):
        with pytest.raises(LarkError) as caught:
            wrong()
        shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    everything = "\n".join([*shown, caplog.text])
    for secret in SECRETS.values():
        assert secret not in everything
    if url.drivername == "sqlite":
        content = Path(str(url.database)).read_bytes()
        assert not any(secret.encode() in content for secret in SECRETS.values())


def test_disabling_forgets_the_tokens_of_this_app(
    apps: ApplicationManager, url: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = f"sqlite:///{tmp_path}/tokens.db"
    monkeypatch.setenv("LARK_DATABASE_URL", elsewhere)
    stores = {}
    for app_id in ("cli_a", "cli_b"):
        apps.create_application(app_id, "s")
        for where in (url, sa.make_url(elsewhere)):
            stores[app_id, where] = store = TokenStore(where, app_id, "s")
            store.put(app_id, Token("t", 0.0, 7200.0), clock=lambda: 0.0, owner="o")
    apps.disable_application("cli_a")
    apps.delete_application("cli_b")
    assert [store.get(app_id, now=0.0) for (app_id, _), store in stores.items()] == [None] * 4


@pytest.mark.parametrize("fault", ["postgresql://u@127.0.0.1:1/none", "nonsense"])
def test_an_app_is_disabled_also_where_its_tokens_cannot_be_reached(
    apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    apps.create_application("cli_a", "s")
    monkeypatch.setenv("LARK_DATABASE_URL", fault)
    assert not apps.disable_application("cli_a").active
    assert "Failed to delete the stored tokens of the app" in caplog.text
    assert not apps.get_application("cli_a").active
    apps.delete_application("cli_a")
    assert apps.list_applications() == []


def test_another_key_reads_nothing_and_overwrites_nothing(
    apps: ApplicationManager, url: URL, place: str
) -> None:
    apps.create_application("cli_a", **SECRETS)
    before = read_rows(url)
    other = ApplicationManager(place, keys=EncryptionKeys(generate_key()))
    for attempt in (
        lambda: other.decrypt_secrets("cli_a"),
        lambda: other.update_application("cli_a", app_secret="x"),
        lambda: other.update_application("cli_a", name="x"),
        other.reseal,
    ):
        with pytest.raises(
            DecryptionError, match=rf"of app 'cli_a' was encrypted with another key.*{KEY_VARIABLE}"
        ):
            attempt()
    with pytest.raises(ConfigurationError, match=r"already, encrypted with another key\. Next: .*app remove"):
        other.create_application("cli_a", "x")
    assert read_rows(url) == before
    other.create_application("cli_b", "y")
    with pytest.raises(DecryptionError):
        other.reseal()
    with pytest.raises(DecryptionError):
        apps.reseal()
    assert read_rows(url)[:1] == before
    assert [app.app_id for app in other.list_applications()] == ["cli_a", "cli_b"]
    other.delete_application("cli_a")  # as the guide has it: a new key, and the apps added again
    assert other.create_application("cli_a", "z").active
    assert other.decrypt_secrets("cli_a").app_secret == "z"


def test_keys_are_rotated(apps: ApplicationManager, url: URL, place: str, key: str) -> None:
    apps.create_application("cli_a", **SECRETS)
    apps.create_application("cli_b", "b")
    new = generate_key()
    both, only = (ApplicationManager(place, keys=EncryptionKeys(text)) for text in (f"{new},{key}", new))
    assert both.decrypt_secrets("cli_a").app_secret == SECRETS["app_secret"]
    with pytest.raises(DecryptionError):
        only.decrypt_secrets("cli_a")
    updated = [app.updated_at for app in both.list_applications()]
    assert [len(manager.reseal()) for manager in (both, both, only)] == [2, 2, 2]
    assert read_secrets(only, "cli_a") == SECRETS
    assert only.decrypt_secrets("cli_b").app_secret == "b"
    assert [app.updated_at for app in both.list_applications()] == updated
    with pytest.raises(DecryptionError):
        apps.decrypt_secrets("cli_a")


def read_secrets(apps: ApplicationManager, app_id: str) -> dict[str, str]:
    secrets = apps.decrypt_secrets(app_id)
    return {name: getattr(secrets, name) for name in SECRETS}


def test_an_app_removed_while_it_is_changed(postgres: URL, key: str) -> None:
    migrate.upgrade(postgres)
    apps = ApplicationManager(postgres.render_as_string(hide_password=False))
    apps.create_application("cli_a", "s")
    with ThreadPoolExecutor(1) as threads:
        with hold_transaction(get_engine(postgres)) as connection:
            connection.execute(tables.applications.delete())
            change = threads.submit(apps.update_application, "cli_a", name="late")
            wait_until(lambda: count_waiting(postgres))
        with pytest.raises(ConfigurationError, match="'cli_a' is not in registry"):
            change.result()


def test_without_a_key_there_is_no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=rf"{KEY_VARIABLE} is not set.*openssl rand -base64 32"):
        GuideManager()


def test_the_file_is_the_owners_alone(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARK_REGISTRY_PATH")
    GuideManager().create_application(app_id="cli_a", app_secret="s", name="n", description="d")
    registry_file = tmp_path / "config" / "applications.db"
    assert registry_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in registry_file.parent.iterdir()] == ["applications.db"]


def test_a_file_that_is_no_database(key: str, tmp_path: Path) -> None:
    wrong = tmp_path / "apps.db"
    wrong.write_text("app_id,secret\n" * 100)
    with pytest.raises(StorageError, match=rf"{wrong} is not a SQLite database\. Next: "):
        ApplicationManager(str(wrong)).create_application("cli_a", "s")
    assert wrong.read_text().startswith("app_id,secret\n")
    with pytest.raises(StorageError, match="Next: "):
        ApplicationManager(str(tmp_path)).create_application("cli_a", "s")


def test_a_file_of_a_newer_version(key: str, tmp_path: Path) -> None:
    apps = ApplicationManager(str(tmp_path / "apps.db"))
    apps.create_application("cli_a", "s")
    with hold_transaction(get_engine(apps._url)) as connection:
        connection.execute(sa.text(f"UPDATE {tables.VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608 - a constant
    migrate._opened.clear()  # as a new process begins
    content = (tmp_path / "apps.db").read_bytes()
    for attempt in (apps.list_applications, lambda: apps.create_application("cli_b", "s")):
        with pytest.raises(StorageError, match=r"newer version.*revision 9999"):
            attempt()
    assert (tmp_path / "apps.db").read_bytes() == content


def test_which_app_a_client_means(apps: ApplicationManager, url: URL) -> None:
    with pytest.raises(ConfigurationError, match=r"No app is named.*no active app.*LARK_DEFAULT_APP_ID"):
        registry.find(url, None)
    apps.create_application("cli_a", "s")
    apps.create_application("cli_b", "s")
    with pytest.raises(ConfigurationError, match="several active apps"):
        registry.find(url, None)
    apps.disable_application("cli_a")
    assert registry.find(url, None).app_id == "cli_b"
    assert not registry.find(url, "cli_a").active
    with pytest.raises(ConfigurationError, match="'CLI_B' is not in registry"):
        registry.find(url, "CLI_B")


def test_errors_survive_pickling() -> None:
    for error in (StorageError("text. Next: x.", retryable=True), DecryptionError("text")):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (type(again), str(again), again.retryable) == (type(error), str(error), error.retryable)
