"""Rows of version 0.1 are sealed by the two commands that have the key, and the commands say to what."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from lark_provider.storage import migrate, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.errors import DecryptionError
from tests.cli.conftest import Run, read_failure
from tests.cli.test_db import alembic


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, key: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create a registry with two apps as version 0.1 left it, and return its path or URL."""
    where = str(request.getfixturevalue("registry"))
    if request.param == "postgresql":
        where = request.getfixturevalue("database_url")
        monkeypatch.setenv("LARK_REGISTRY_PATH", where)
        assert run("db", "upgrade", "--registry").code == 0
    apps = ApplicationManager()
    apps.create_application("cli_a", "secret-of-a", base_url="lark")
    apps.create_application("cli_b", "secret-of-b")
    migrate.downgrade(urls.registry(), "0002")
    migrate._opened.clear()
    return where


def test_an_upgrade_seals_and_says_to_what(place: str, run: Run) -> None:
    done = run("db", "upgrade", "--registry")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1:] == [
        "App cli_a is sealed with https://open.larksuite.com.",
        "App cli_b is sealed with no base URL of its own (each client's settings count).",
    ]
    assert ApplicationManager().decrypt_secrets("cli_a").app_secret == "secret-of-a"
    done = run("db", "upgrade", "--registry")
    assert done.out.count("\n") == 1, "once"


def test_an_upgrade_needs_the_key_and_changes_nothing_without(
    place: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = generate_key()
    for wrong, complaint in (("", f"{KEY_VARIABLE} is not set"), (key, "of app 'cli_a' was encrypted with")):
        monkeypatch.setenv(KEY_VARIABLE, wrong)
        assert complaint in read_failure(run("db", "upgrade", "--registry"))
        assert run("db", "current", "--registry").out == "0002\n"


def test_an_upgrade_without_apps_needs_no_key(run: Run, database_url: str) -> None:
    assert run("db", "upgrade", "--url", database_url).code == 0


def test_an_upgrade_to_an_older_revision_seals_nothing(place: str, run: Run) -> None:
    assert run("db", "downgrade", "--registry", "0001").code == 0
    done = run("db", "upgrade", "--registry", "0002")
    assert (done.code, done.out.count("\n")) == (0, 1)


def test_alembic_leaves_rows_that_are_refused(key: str, run: Run, database_url: str) -> None:
    alembic("upgrade", "0002", url=database_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LARK_REGISTRY_PATH", database_url)
        migrate.upgrade(urls.registry())
        ApplicationManager().create_application("cli_a", "secret-of-a")
        migrate.downgrade(urls.registry(), "0002")
        alembic("upgrade", "head", url=database_url)
        error = read_failure(run("app", "update", "cli_a", "--name", "x"))
        assert "App 'cli_a' is not sealed" in error
        assert "Next: run `lark-provider db upgrade --registry`" in error
        assert run("db", "upgrade", "--registry").code == 0
        assert run("app", "update", "cli_a", "--name", "x").code == 0


def _execute(place: str, statement: str, **values: str) -> None:
    with hold_transaction(get_engine(urls.registry(place))) as connection:
        connection.execute(sa.text(statement), values)


def _without_marks(place: str, key: str, base_url: str) -> None:
    """Replace the sealed row of `cli_a` by one of version 0.1, with another base URL."""
    secret = Fernet(key.encode()).encrypt(b"secret-of-a").decode()
    columns = "sealed = NULL, encrypt_key = NULL, verification_token = NULL, app_secret = :s, base_url = :u"
    _execute(place, f"UPDATE applications SET {columns} WHERE app_id = 'cli_a'", s=secret, u=base_url)  # noqa: S608 - fixed


def test_an_old_row_that_came_after_the_upgrade_is_refused(place: str, key: str, run: Run) -> None:
    assert run("db", "upgrade", "--registry").code == 0
    _without_marks(place, key, "https://evil.example.com")
    error = read_failure(run("db", "upgrade", "--registry"))
    assert "App 'cli_a' is not sealed, in a registry that was upgraded before" in error
    assert "its base URL, 'https://evil.example.com'. Next: compare that with what it should be" in error
    with pytest.raises(DecryptionError, match="is not sealed"):
        ApplicationManager().decrypt_secrets("cli_a")
    done = run("db", "upgrade", "--registry", "--seal-unsealed")
    assert done.out.splitlines()[1:] == ["App cli_a is sealed with https://evil.example.com."]


def test_an_altered_row_can_be_removed_before_the_upgrade(place: str, run: Run) -> None:
    _execute(place, "UPDATE applications SET base_url = 'https://evil.example.com' WHERE app_id = 'cli_a'")
    error = read_failure(run("db", "upgrade", "--registry"))
    assert "App 'cli_a' is not as it was sealed" in error
    assert "`lark-provider app remove --yes cli_a`" in error
    assert run("app", "remove", "--yes", "cli_a").out == "App cli_a is removed.\n"
    assert "cli_b is sealed" in run("db", "upgrade", "--registry").out
    assert "is not in registry" in read_failure(run("app", "remove", "--yes", "cli_a"))


def test_a_rotation_seals_and_says_to_what(run: Run, apps: ApplicationManager, registry: Path) -> None:
    with sqlite3.connect(registry) as connection:
        connection.execute("UPDATE applications SET sealed = NULL")
    connection.close()
    with pytest.raises(DecryptionError, match="is not sealed"):
        apps.decrypt_secrets("cli_a")
    done = run("key", "rotate", "--registry-only")
    assert done.out.splitlines()[1:] == [
        "App cli_a is sealed with no base URL of its own (each client's settings count).",
        "Next: leave only that key there, on every host.",
    ]


def test_a_replaced_key_is_kept_as_long_as_is_said(run: Run, apps: ApplicationManager) -> None:
    assert run("app", "update", "cli_a", "--encrypt-key", "encrypt-2", "--keep-previous", "90m").code == 0
    assert [value for value, _ in apps.decrypt_secrets("cli_a").previous_encrypt_keys] == ["encrypt-a"]
    assert run("app", "update", "cli_a", "--encrypt-key", "encrypt-3", "--keep-previous", "0").code == 0
    assert apps.decrypt_secrets("cli_a").previous_encrypt_keys == ()
    assert run("app", "update", "cli_a", "--encrypt-key", "x", "--keep-previous", "-1d").code == 2
    assert "At least one setting must be given" in read_failure(
        run("app", "update", "cli_a", "--keep-previous", "1d"), code=2
    )


def test_version_0_1_reads_what_is_written(
    run: Run, apps: ApplicationManager, key: str, registry: Path
) -> None:
    assert run("app", "update", "cli_a", "--encrypt-key", "encrypt-2", "--app-secret", "new").code == 0
    with sqlite3.connect(registry) as connection:
        columns = "app_secret, encrypt_key, verification_token"
        row = connection.execute(f"SELECT {columns} FROM applications").fetchone()  # noqa: S608 - fixed
    connection.close()
    assert [value and EncryptionKeys(key).decrypt(value, "it") for value in row] == ["new", "encrypt-2", None]


def test_a_base_url_in_clear_needs_the_setting(run: Run, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add = ("app", "add", "--app-id", "cli_c", "--app-secret", "s", "--base-url", "http://lark.example.com")
    assert "Next: write https://; or set LARK_ALLOW_HTTP=1" in read_failure(run(*add))
    monkeypatch.setenv("LARK_ALLOW_HTTP", "true")
    assert run(*add).code == 0
    monkeypatch.setenv("LARK_ALLOW_HTTP", "perhaps")
    assert "LARK_ALLOW_HTTP must be 1 or 0, got 'perhaps'. Next: " in read_failure(run(*add))
