from __future__ import annotations

import io
import json
import os
import pty
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider.cli.output import compute_width, render_table
from lark_provider.storage import urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from tests.cli.conftest import COMMAND, Run, read_failure, run_process

SECRET = "9f8e7d6c5b4a"
ADD = ("app", "add", "--app-id", "cli_your_app_id")
# root may read and write everywhere, unless it gives that up
HUMBLY = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
GUIDE = """\
┌──────────────────┬──────────┬────────┬─────────────────────┐
│ App ID           │ Name     │ Status │ Created At          │
├──────────────────┼──────────┼────────┼─────────────────────┤
│ cli_your_app_id  │ 生产应用 │ Active │ 2026-01-15 10:30:00 │
└──────────────────┴──────────┴────────┴─────────────────────┘
"""


def test_an_app_is_added_and_listed_as_the_guide_prints_it(
    run: Run, key: str, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(*ADD, "--app-secret", SECRET, "--name", "生产应用", "--description", "用于生产环境")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"App cli_your_app_id is in registry {registry} now.\n"
    assert stat.S_IMODE(registry.stat().st_mode) == 0o600
    assert SECRET.encode() not in registry.read_bytes()
    with sqlite3.connect(registry) as connection:
        connection.execute("UPDATE applications SET created_at = '2026-01-15 02:30:00'")
    connection.close()
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert run("app", "list").out == GUIDE
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    (listed,) = json.loads(run("app", "list", "--json").out)
    assert listed["created_at"] == "2026-01-15T02:30:00+00:00"
    assert {name: listed[name] for name in ("app_id", "name", "description", "base_url", "active")} == {
        "app_id": "cli_your_app_id",
        "name": "生产应用",
        "description": "用于生产环境",
        "base_url": "",
        "active": True,
    }
    assert SECRET not in json.dumps(listed)


def test_the_command_and_the_api_share_one_store(run: Run, apps: ApplicationManager) -> None:
    assert run(*ADD, "--app-secret", SECRET, "--base-url", "lark").code == 0
    assert apps.decrypt_secrets("cli_your_app_id").app_secret == SECRET
    assert apps.get_application("cli_your_app_id").base_url == "https://open.larksuite.com"
    apps.disable_application("cli_a")
    lines = run("app", "list").out.splitlines()
    assert [line.split("│")[3].strip() for line in lines if "cli_" in line] == ["Disabled", "Active"]


def test_no_apps_is_said_and_is_no_failure(run: Run, key: str, registry: Path) -> None:
    done = run("app", "list")
    assert (done.code, done.out) == (0, "")
    assert "has no apps. Next: `lark-provider app add`" in done.err
    assert run("app", "list", "--json").out == "[]\n"
    assert not registry.exists()


def test_secrets_from_standard_input_and_variables(
    run: Run, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\nencrypt me\n"))
    monkeypatch.setenv("VERIFICATION", "verify-me")
    options = ("--app-secret", "-", "--verification-token", "env:VERIFICATION", "--encrypt-key", "encrypt-me")
    assert run(*ADD, *options).code == 0
    secrets = ApplicationManager().decrypt_secrets("cli_your_app_id")
    assert (secrets.app_secret, secrets.encrypt_key, secrets.verification_token) == (
        SECRET,
        "encrypt-me",
        "verify-me",
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\nsecond\n"))
    assert run("app", "update", "cli_your_app_id", "--app-secret", "-", "--encrypt-key", "-").code == 0
    secrets = ApplicationManager().decrypt_secrets("cli_your_app_id")
    assert (secrets.app_secret, secrets.encrypt_key) == ("first", "second")


@pytest.mark.parametrize("given", ["-", "env:NOT_SET"])
def test_a_secret_that_is_empty_changes_nothing(
    given: str, run: Run, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    for option in ("--app-secret", "--encrypt-key"):
        error = read_failure(run("app", "update", "cli_a", option, given))
        assert "must not be empty" in error
        assert "Next: put the secret there" in error
    assert apps.decrypt_secrets("cli_a").encrypt_key == "encrypt-a"
    assert "must not be empty" in read_failure(run(*ADD, "--app-secret", given))


def test_without_a_secret_and_without_a_terminal_nothing_waits(
    run: Run, key: str, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("never read"))
    assert "Next: pass --app-secret -" in read_failure(run(*ADD), code=2)
    assert not registry.exists()


def on_a_terminal(*argv: str, answer: str) -> tuple[int, str]:
    """Run a command on a terminal of its own, answer its question, and return what stood there."""
    leader, follower = pty.openpty()
    try:
        with subprocess.Popen(  # noqa: S603 - ours
            [*COMMAND, *argv],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # noqa: PLW1509 - it becomes its terminal
        ) as process:
            shown = b""
            while b": " not in shown and b"] " not in shown:
                shown += os.read(leader, 1000)
            os.write(leader, answer.encode() + b"\n")
            code = process.wait(timeout=60)
        os.close(follower)
        follower = -1
        try:
            while more := os.read(leader, 1000):
                shown += more
        except OSError:  # nobody is left at the other end
            pass
        return code, shown.decode()
    finally:
        for end in {leader, follower} - {-1}:
            os.close(end)


def test_a_terminal_is_asked_for_the_secret_and_does_not_show_it(key: str, registry: Path) -> None:
    code, shown = on_a_terminal(*ADD, answer=SECRET)
    assert code == 0
    assert "App secret: " in shown
    assert SECRET not in shown
    assert ApplicationManager().decrypt_secrets("cli_your_app_id").app_secret == SECRET


def test_a_terminal_is_asked_before_an_app_is_removed(apps: ApplicationManager) -> None:
    code, shown = on_a_terminal("app", "remove", "cli_a", answer="")
    assert code == 1
    assert "Remove '生产应用' (cli_a) and its secrets? [y/N]" in shown
    assert "Nothing is removed" in shown
    assert len(apps.list_applications()) == 1
    assert on_a_terminal("app", "remove", "--app-id", "cli_a", answer="yes")[0] == 0
    assert apps.list_applications() == []


def test_without_a_terminal_removing_has_to_be_meant(
    run: Run, apps: ApplicationManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "Next: pass --yes" in read_failure(run("app", "remove", "cli_a"), code=2)
    assert len(apps.list_applications()) == 1
    assert run("app", "remove", "cli_a", "--yes").out == "App cli_a is removed.\n"
    assert apps.list_applications() == []


def test_show_says_which_secrets_are_set(run: Run, apps: ApplicationManager) -> None:
    done = run("app", "show", "cli_a")
    lines = dict(line.split(":", 1) for line in done.out.splitlines())
    shown = {name: lines[name].strip() for name in lines}
    assert shown["Name"] == "生产应用"
    assert (shown["App secret"], shown["Encrypt Key"], shown["Verification Token"]) == (
        "set",
        "set",
        "not set",
    )
    as_json = json.loads(run("app", "show", "--app-id", "cli_a", "--json").out)
    assert as_json["secrets"] == {"app_secret": True, "encrypt_key": True, "verification_token": False}
    assert datetime.fromisoformat(as_json["created_at"]) <= datetime.now(UTC)
    for secret in ("secret-of-a", "encrypt-a"):
        assert secret not in done.out + json.dumps(as_json)


def test_update_changes_what_is_given_and_nothing_else(run: Run, apps: ApplicationManager) -> None:
    assert "At least one setting must be given" in read_failure(run("app", "update", "cli_a"), code=2)
    assert run("app", "update", "cli_a", "--name", "B", "--encrypt-key", "", "--app-secret", "new").code == 0
    app = apps.get_application("cli_a")
    assert (app.name, app.description) == ("B", "用于生产环境")
    secrets = apps.decrypt_secrets("cli_a")
    assert (secrets.app_secret, secrets.encrypt_key) == ("new", None)
    assert run("app", "update", "cli_a", "--name", "", "--description", "").code == 0
    app = apps.get_application("cli_a")
    assert (app.name, app.description) == ("cli_a", "")


def test_disable_and_enable(run: Run, apps: ApplicationManager) -> None:
    assert "refuse to act for it within 30 seconds" in run("app", "disable", "cli_a").out
    assert not apps.get_application("cli_a").active
    assert run("app", "enable", "--app-id", "cli_a").out == "App cli_a is enabled.\n"
    assert apps.get_application("cli_a").active


def test_adding_what_exists_says_so_and_offers_the_update(run: Run, apps: ApplicationManager) -> None:
    error = read_failure(run("app", "add", "--app-id", "cli_a", "--app-secret", "other"))
    assert "'cli_a' is in the registry already" in error
    assert "`lark-provider app update --app-id cli_a`" in error
    assert apps.decrypt_secrets("cli_a").app_secret == "secret-of-a"


@pytest.mark.parametrize("action", ["show", "enable", "disable", "update --name x", "remove --yes"])
def test_an_app_that_is_not_there(action: str, run: Run, apps: ApplicationManager) -> None:
    name, *options = action.split()
    assert "App 'cli_b' is not in registry" in read_failure(run("app", name, "cli_b", *options))
    assert len(apps.list_applications()) == 1


@pytest.mark.parametrize("app_id", ["cli a", " ", "cli\ta", "cli\x1b[31m", "a" * 256])
def test_an_id_that_cannot_be_one(app_id: str, run: Run, key: str, registry: Path) -> None:
    assert "app_id must" in read_failure(run("app", "add", "--app-id", app_id, "--app-secret", SECRET))
    assert not registry.exists()


SOUND_KEY = "c29tZSB0aGlydHktdHdvIGJ5dGVzIG9mIGEga2V5ISE="  # one for all: parameters name their tests


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "LARK_CONFIG_ENCRYPTION_KEY is not set"),
        (
            "3yX9kL2mP5nQ8rT1uV4wZ6aB7cD0eF1g==",
            "must be 32 random bytes in base64 (44 characters), got 24 bytes",
        ),  # the guide's sample
        ("no base64!", "got text that is not base64"),
        (f"{SOUND_KEY},c2hvcnQ=", "key number 2 in LARK_CONFIG_ENCRYPTION_KEY must be 32 random bytes"),
    ],
)
def test_a_key_that_is_missing_or_none(
    given: str, says: str, run: Run, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, given)
    for arguments in (
        (*ADD, "--app-secret", SECRET),
        ("app", "list"),
        ("app", "show", "x"),
        ("key", "rotate"),
    ):
        error = read_failure(run(*arguments))
        assert says in error
        assert "`lark-provider key generate` or `openssl rand -base64 32` makes one" in error
    assert not registry.exists()


def test_a_key_that_is_another(
    run: Run, apps: ApplicationManager, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    before = registry.read_bytes()
    done = run("app", "show", "cli_a")
    assert done.code == 1
    assert "cli_a" in done.out
    assert "encrypted with another key than LARK_CONFIG_ENCRYPTION_KEY holds. Next: set the key" in done.err
    assert json.loads(run("app", "show", "cli_a", "--json").out)["secrets"] is None
    assert "another key" in read_failure(run("app", "update", "cli_a", "--name", "B"))
    assert "with another key. Next: `lark-provider app remove cli_a` and add it again" in read_failure(
        run("app", "add", "--app-id", "cli_a", "--app-secret", "s")
    )
    assert registry.read_bytes() == before
    assert run("app", "remove", "cli_a", "--yes").code == 0
    assert run("app", "add", "--app-id", "cli_a", "--app-secret", "s").code == 0
    assert ApplicationManager().decrypt_secrets("cli_a").app_secret == "s"


def test_a_registry_that_is_not_a_sqlite_file(run: Run, key: str, registry: Path) -> None:
    registry.parent.mkdir()
    registry.write_text("These are notes.\n" * 100)
    before = registry.read_bytes()
    for arguments in ((*ADD, "--app-secret", SECRET), ("app", "list"), ("app", "show", "x")):
        error = read_failure(run(*arguments))
        assert f"Database {registry} is not a SQLite database. Next: name another path" in error
    assert registry.read_bytes() == before


def test_a_registry_that_is_damaged(run: Run, apps: ApplicationManager, registry: Path) -> None:
    content = registry.read_bytes()
    registry.write_bytes(content[:4096] + bytes(range(256)) * ((len(content) - 4096) // 256))
    before = registry.read_bytes()
    for arguments in ((*ADD, "--app-secret", SECRET), ("app", "list"), ("app", "show", "cli_a")):
        assert "if the file is damaged, restore a backup" in read_failure(run(*arguments))
    assert registry.read_bytes() == before


def test_a_registry_whose_disk_is_full(apps: ApplicationManager, registry: Path) -> None:
    """The first page that is written beyond the limit does not fit, as on a full disk."""
    before = registry.read_bytes()
    full = ("sh", "-c", 'ulimit -f 1; exec "$@"', "sh")
    error = read_failure(run_process("app", "update", "cli_a", "--name", "x" * 100, before=full))
    assert "Next: check that its disk has free space" in error
    assert registry.read_bytes() == before
    assert apps.get_application("cli_a").name == "生产应用"


def test_a_registry_of_a_newer_version(run: Run, apps: ApplicationManager, registry: Path) -> None:
    with sqlite3.connect(registry) as connection:
        connection.execute("UPDATE lark_alembic_version SET version_num = '9999'")
    connection.close()
    before = registry.read_bytes()
    # Another process, as this one has looked at the file before.
    for arguments in ((*ADD, "--app-secret", SECRET), ("app", "list")):
        error = read_failure(run_process(*arguments))
        assert f"Database {registry} was made by a newer version of this package: revision 9999" in error
    assert registry.read_bytes() == before


def test_a_registry_that_may_only_be_read(apps: ApplicationManager, registry: Path) -> None:
    registry.chmod(0o400)
    registry.parent.chmod(0o500)
    try:
        before = registry.read_bytes()
        listed = run_process("app", "list", before=HUMBLY)
        assert (listed.code, listed.err) == (0, "")
        assert "cli_a" in listed.out
        error = read_failure(run_process(*ADD, "--app-secret", SECRET, before=HUMBLY))
        assert str(registry) in error
        assert "Next: let this user read and write the file and its folder" in error
        assert registry.read_bytes() == before
    finally:
        registry.parent.chmod(0o700)


def test_a_registry_in_a_folder_that_is_closed_to_us(
    apps: ApplicationManager, registry: Path, lark: Emulator
) -> None:
    """One line for who needs it; who knows the secret sends, and is warned that nobody could say no."""
    send = ("message", "send", "--to", "oc_emulator_data_team", "hello")
    registry.parent.chmod(0o000)
    try:
        for arguments in (("app", "list"), (*send, "--app-id", "cli_a"), ("db", "current", "--registry")):
            assert f"{registry}" in read_failure(run_process(*arguments, before=HUMBLY))
        sent = run_process(*send, before=HUMBLY)
        health = run_process("health", before=HUMBLY)
    finally:
        registry.parent.chmod(0o700)
    assert sent.code == 0
    assert sent.out.startswith("om_")
    (line,) = sent.err.splitlines()
    assert line.startswith("Shared database unavailable; falling back to in-memory cache")
    assert f"{registry} cannot be" in line
    assert (health.code, health.err) == (1, "")
    assert "✗ registry" in health.out


@pytest.mark.parametrize("arguments", [ADD, (*ADD, "--app-secret", "-"), ("app", "remove", "cli_a")])
def test_standard_input_may_be_closed(arguments: tuple[str, ...], apps: ApplicationManager) -> None:
    done = run_process(*arguments, before=("sh", "-c", 'exec "$@" <&-', "sh"))
    assert "Next: " in read_failure(done, done.code)
    assert done.code in {1, 2}
    assert [app.app_id for app in apps.list_applications()] == ["cli_a"]


def test_a_secret_that_is_not_utf_8(key: str, registry: Path) -> None:
    done = run_process(
        *ADD, "--app-secret", "-", before=("sh", "-c", "printf '\\377\\376\\n' | \"$@\"", "sh")
    )
    assert "app_secret must be a string without spaces and control characters" in read_failure(done)
    assert not registry.exists()


def test_standard_output_may_be_closed_or_full(apps: ApplicationManager) -> None:
    closed = run_process("app", "disable", "cli_a", before=("sh", "-c", 'exec "$@" >&-', "sh"))
    assert (closed.code, closed.err) == (0, "")
    assert not apps.get_application("cli_a").active
    for arguments in ("app list", "app show cli_a", "key generate"):
        full = run_process(*arguments.split(), before=("sh", "-c", 'exec "$@" >/dev/full', "sh"))
        assert "No space left on device. Next: " in read_failure(full)


def test_a_folder_that_is_gone(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_REGISTRY_PATH", "applications.db")
    gone = 'cd "$(mktemp -d)" && rmdir "$PWD" && exec "$@"'
    assert "No such file or directory. Next: " in read_failure(
        run_process(*ADD, "--app-secret", SECRET, before=("sh", "-c", gone, "sh"))
    )


def test_a_registry_where_no_file_can_be(
    run: Run, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "file" / "applications.db"))
    assert "cannot be made or written" in read_failure(run(*ADD, "--app-secret", SECRET))


def test_a_registry_in_postgres_is_never_migrated_by_itself(
    run: Run, key: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_REGISTRY_PATH", database_url)
    for arguments in ((*ADD, "--app-secret", SECRET), ("app", "list"), ("app", "remove", "x", "--yes")):
        error = read_failure(run(*arguments))
        assert "is behind on migrations" in error
        assert "Next: run `lark-provider db upgrade`, with --registry for the registry" in error
    assert run("db", "upgrade", "--registry").code == 0
    assert run(*ADD, "--app-secret", SECRET).out == (
        f"App cli_your_app_id is in registry {urls.display(urls.parse(database_url, ''))} now.\n"
    )
    assert "cli_your_app_id" in run("app", "list").out


@pytest.mark.parametrize("wrong", ["mysql://host/db", "postgresql://u:hunter2@host:port/db"])
def test_a_registry_url_that_is_none(wrong: str, run: Run, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_REGISTRY_PATH", wrong)
    error = read_failure(run("app", "list"))
    assert "LARK_REGISTRY_PATH must be the URL of a PostgreSQL or SQLite database" in error
    assert "hunter2" not in error


def test_columns_stand_in_line_and_nothing_steers_the_terminal() -> None:
    rows = [("cli_" + "x" * 60, "a\x1b[31mb\nc"), ("日本語", "e\u0301"), ("🚀", "")]
    lines = render_table(("ID", "Name"), rows).splitlines()
    assert len({compute_width(line) for line in lines}) == 1
    assert "cli_" + "x" * 60 in lines[3]
    assert "\x1b" not in "".join(lines)
    assert len(lines) == 7


def test_a_terminal_that_knows_no_chinese(apps: ApplicationManager) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*COMMAND, "app", "list"], env=environ, capture_output=True, check=True)  # noqa: S603
    assert b"cli_a" in done.stdout
    assert done.stderr == b""
