"""Standard output that knows no more than ASCII, or that nobody reads to its end."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.storage import urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, EncryptionKeys, generate_key
from lark_provider.storage.people import Account, People, Person
from tests.cli.conftest import COMMAND, Run

NAME = "数据😀"


def test_ascii_tells_what_is_well_from_what_is_not(database_url: str) -> None:
    def marks(**settings: str) -> dict[str, str]:
        env = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"} | settings
        done = subprocess.run([*COMMAND, "health"], env=env, capture_output=True, text=True, check=False)  # noqa: S603
        return {line[5:].split("  ")[0].strip(): line[:4].strip() for line in done.stdout.splitlines()}

    down = marks(LARK_DATABASE_URL="postgresql://u@127.0.0.1:1/none")
    reachable = marks(LARK_DATABASE_URL=database_url)
    assert (down["database"], reachable["database"]) == ("FAIL", "ok")
    assert reachable["broker"] == "-"
    assert reachable["migrations"] == "FAIL"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("app", "list"), ("app", "list", "--json"), ("app", "--help")])
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(
    apps: ApplicationManager, words: tuple[str, ...], unbuffered: str
) -> None:
    for number in range(300):  # more than a pipe's buffer in characters
        apps.create_application(f"cli_{number}", "secret", "名" * 100)
    assert end_of_unread(*words, unbuffered=unbuffered) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_a_check_found_is_its_exit_code_whoever_reads_it(unbuffered: str) -> None:
    down = {"LARK_DATABASE_URL": "postgresql://u@127.0.0.1:1/none"}
    assert end_of_unread("health", unbuffered=unbuffered, **down) == (1, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_rotation_is_finished_although_its_reader_has_left(
    run: Run,
    apps: ApplicationManager,
    key: str,
    database_url: str,
    unbuffered: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    assert run("db", "upgrade").code == 0
    account = Account("simple.SimpleAuthManager", "bob", "Bob", {"sub": "bob", "role": "USER"})
    People(urls.database()).link_person(Person("cli_a", "t", "ou_bob"), account)
    new = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{key}")
    assert end_of_unread("key", "rotate", unbuffered=unbuffered) == (0, "")
    assert People(urls.database(), EncryptionKeys(new)).find("cli_a", "t", "ou_bob") is not None


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_all_probes_run_and_are_cleaned_up_although_their_reader_has_left(
    lark: Emulator, tmp_path: Path, unbuffered: str
) -> None:
    settings = tmp_path / "settings.json"
    words = ("verify-live", "--yes", "--only", "uuid_replay", "--only", "update_multi")
    assert end_of_unread(*words, "--settings", str(settings), unbuffered=unbuffered) == (0, "")
    assert json.loads(settings.read_text())["settings"].keys() == {"uuid_replay", "update_multi"}
    assert all(
        chat["dissolved"] for chat in lark.state()["chats"] if chat["name"] == "lark-provider verify-live"
    )


def test_an_import_is_finished_although_the_reader_of_its_errors_has_left(
    lark: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    base = bitable.create_app("orders").data["app"]
    file = tmp_path / "orders.csv"
    file.write_text("name\na\nb\n")
    url = f"{lark.base_url}/base/{base['app_token']}"
    words = ("bitable", "import", str(file), url, "--mode", "insert", "--create-table", "T", "--json")
    code, out = end_of_unread(*words, unbuffered="", stream="stderr")
    assert (code, json.loads(out)["written"]) == (0, 2)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "gbk", "utf-8"])
def test_json_is_whole_in_every_encoding(apps: ApplicationManager, lark: Emulator, encoding: str) -> None:
    apps.create_application("cli_b", "secret", NAME)
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}

    def read(*words: str) -> str:
        done = subprocess.run([*COMMAND, *words], env=env, capture_output=True, check=True)  # noqa: S603 - ours
        return done.stdout.decode()

    assert {app["name"] for app in json.loads(read("app", "list", "--json"))} == {"生产应用", NAME}
    chat = lark.add_chat("Ops", bots=[lark.app_id])["chat_id"]
    line = read("message", "send", "--json", "--to", chat, NAME)
    assert line.count("\n") == 1
    assert json.loads(json.loads(line)["body"]["content"])["text"] == NAME


def end_of_unread(*words: str, unbuffered: str, stream: str = "stdout", **settings: str) -> tuple[int, str]:
    """Run a command whose output has no reader.

    Args:
        words: The command.
        unbuffered: `PYTHONUNBUFFERED`.
        stream: Which of `stdout` and `stderr` has no reader.
        settings: Further variables of its environment.

    Returns:
        Its exit code, and what it wrote to the other of the two.
    """
    reading, writing = os.pipe()
    os.close(reading)
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered} | settings
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writing}
    try:
        done = subprocess.run([*COMMAND, *words], env=env, text=True, check=False, **streams)  # type: ignore[call-overload]  # noqa: S603 - ours
    finally:
        os.close(writing)
    return done.returncode, done.stderr if stream == "stdout" else done.stdout
