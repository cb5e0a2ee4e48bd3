"""Standard output that knows no more than ASCII, or that nobody reads to its end."""

from __future__ import annotations

import os
import subprocess

import pytest

from lark_provider.storage.applications import ApplicationManager
from tests.cli.conftest import COMMAND


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


def end_of_unread(*words: str, unbuffered: str, **settings: str) -> tuple[int, str]:
    """Run a command whose output has no reader, and return its exit code and its standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered} | settings
    try:
        done = subprocess.run(  # noqa: S603 - ours
            [*COMMAND, *words], env=env, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr
