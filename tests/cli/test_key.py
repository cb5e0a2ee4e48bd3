from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lark_provider.storage import engine, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.people import Account, People, Person
from tests.cli.conftest import Run, read_failure
from tests.services.processes import free_port

# Rotates as the command does, and dies without a word when it is about to seal the third app.
DIES_HALF_WAY = """
import os, signal, sys
from lark_provider.cli.__main__ import main
from lark_provider.storage.crypto import EncryptionKeys
seal, left = EncryptionKeys.seal, [2]
def dying(self, text, place):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return seal(self, text, place)
EncryptionKeys.seal = dying
sys.exit(main(["key", "rotate"]))
"""


def test_a_key_is_printed_and_nothing_else(run: Run) -> None:
    done = run("key", "generate")
    assert (done.code, done.err) == (0, "")
    key = done.out.removesuffix("\n")
    assert EncryptionKeys(key).decrypt(EncryptionKeys(key).encrypt_for_0_1("x"), "x") == "x"
    assert run("key", "generate").out != done.out


def test_openssls_key_is_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = ["openssl", "rand", "-base64", "32"]
    for _ in range(20):  # with + and / among them
        process = subprocess.run(openssl, capture_output=True, text=True, check=True)  # noqa: S603 - the guide's
        monkeypatch.setenv(KEY_VARIABLE, process.stdout.strip())
        assert run("app", "list").code == 0


def test_keys_change_without_losing_an_app(
    run: Run, apps: ApplicationManager, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{key}")
    run("app", "add", "--app-id", "cli_b", "--app-secret", "secret-of-b")
    done = run("key", "rotate", "--registry-only")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("2 app(s) in registry ")
    assert "Next: leave only that key there" in done.out
    for app_id, secret in (("cli_a", "secret-of-a"), ("cli_b", "secret-of-b")):
        assert ApplicationManager(keys=EncryptionKeys(new)).decrypt_secrets(app_id).app_secret == secret
        with pytest.raises(DecryptionError):
            ApplicationManager(keys=EncryptionKeys(key)).decrypt_secrets(app_id)


def test_people_stay_linked_when_the_key_changes(
    run: Run, apps: ApplicationManager, key: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    assert run("db", "upgrade").code == 0
    url, bob, eve = urls.database(), Person("cli_a", "t", "ou_bob"), Person("cli_a", "t", "ou_eve")
    account = Account("simple.SimpleAuthManager", "bob", "Bob", {"sub": "bob", "role": "USER"})
    People(url).link_person(bob, account)
    new = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{key}")
    done = run("key", "rotate")
    assert (done.code, done.err) == (0, "")
    assert f"1 link(s) of people in database {urls.display(url)} are encrypted under the first" in done.out
    assert done.out.endswith("Next: leave only that key there, on every host.\n")
    monkeypatch.setenv(KEY_VARIABLE, new)
    link = People(url).find("cli_a", "t", "ou_bob")
    assert link is not None
    assert link.account == account
    assert "fits the 1 app(s) of the registry and 1 link(s) of people" in run("health").out

    People(url, EncryptionKeys(key)).link_person(eve, account)  # by a process that has the old key alone
    done = run("key", "rotate")
    assert done.code == 1
    assert "users of 1 link(s) of people cannot be decrypted, such as that of 'ou_eve'" in done.err
    assert "'ou_eve'" in run("health").out
    assert run("airflow", "people", "revoke", "ou_eve").code == 0
    assert run("key", "rotate").code == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_half_way_both_keys_still_work_and_a_second_run_finishes(
    kind: str, run: Run, key: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "postgresql":
        monkeypatch.setenv("LARK_REGISTRY_PATH", request.getfixturevalue("database_url"))
        assert run("db", "upgrade", "--registry").code == 0
    before = ApplicationManager()
    before.create_application("cli_a", "secret-of-a", encrypt_key="encrypt-a")
    for number in range(5):
        before.create_application(f"cli_{number}", f"secret-{number}")
    new = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{key}")
    died = subprocess.run([sys.executable, "-c", DIES_HALF_WAY], env=os.environ, check=False)  # noqa: S603
    assert died.returncode == -signal.SIGKILL
    both = ApplicationManager()
    assert [both.decrypt_secrets(f"cli_{number}").app_secret for number in range(5)] == [
        f"secret-{number}" for number in range(5)
    ]
    assert before.decrypt_secrets("cli_a").app_secret == "secret-of-a"
    assert run("key", "rotate").out.startswith("6 app(s)")
    only_new = ApplicationManager(keys=EncryptionKeys(new))
    assert only_new.decrypt_secrets("cli_4").app_secret == "secret-4"
    assert only_new.decrypt_secrets("cli_a").encrypt_key == "encrypt-a"


def test_a_key_that_was_rotated_away(
    run: Run, apps: ApplicationManager, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    before = registry.read_bytes()
    error = read_failure(run("key", "rotate"))
    assert "The app_secret of app 'cli_a' was encrypted with another key" in error
    assert registry.read_bytes() == before


def test_without_a_registry_nothing_is_rotated(
    run: Run, key: str, registry: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in another working folder than that of the services."""
    error = read_failure(run("key", "rotate"))
    assert f"Nothing was rotated: registry {registry} does not exist. Next: set LARK_REGISTRY_PATH" in error
    assert "--links-only" in error
    assert not registry.exists()
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    assert run("db", "upgrade").code == 0
    assert "Nothing was rotated" in read_failure(run("key", "rotate"))
    done = run("key", "rotate", "--links-only")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("0 link(s) of people in database ")


def test_an_empty_registry_is_one(run: Run, apps: ApplicationManager) -> None:
    apps.delete_application("cli_a")
    assert run("key", "rotate", "--registry-only").out.startswith("0 app(s)")


def test_without_a_database_the_old_key_stays(
    run: Run, apps: ApplicationManager, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the shell of an operator whose services have the database from Airflow's settings."""
    new = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{key}")
    done = run("key", "rotate")
    assert done.code == 0
    assert done.out.startswith("1 app(s) in registry ")
    assert "leave only that key" not in done.out
    assert "Links of people were not rotated: no database is configured. Next: keep both keys" in done.out
    assert ApplicationManager(keys=EncryptionKeys(new)).decrypt_secrets("cli_a").app_secret == "secret-of-a"
    assert "No database is configured. Next: " in read_failure(run("key", "rotate", "--links-only"))
    assert run("key", "rotate", "--registry-only", "--links-only").code == 2


def test_what_is_rotated_is_said_although_the_database_is_unavailable(
    run: Run, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", f"postgresql://u@127.0.0.1:{free_port()}/none")
    done = run("key", "rotate")
    assert done.code == 1
    assert done.out.startswith("1 app(s) in registry ")
    assert "leave only that key" not in done.out
    assert "Connection refused" in done.err


def test_a_rotation_waits_for_no_one_forever(
    run: Run, apps: ApplicationManager, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(engine, "_engines", {})
    writer = sqlite3.connect(registry, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        error = read_failure(run("key", "rotate"))
    finally:
        writer.close()
    assert "is being written by another process. Next: try again when it is done" in error
