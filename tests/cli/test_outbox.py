"""`lark-provider outbox`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.storage.outbox import Outbox
from tests.cli.conftest import Run
from tests.failures.waiting import wait_until
from tests.outbox import work


@pytest.fixture
def waiting(lark: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Record a message in an outbox, and return its id."""
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")
    monkeypatch.setenv("LARK_APP_ID", lark.app_id)
    monkeypatch.setenv("LARK_APP_SECRET", lark.app_secret)
    monkeypatch.setenv("LARK_BASE_URL", lark.base_url)
    return work.record_text("hello", words="not for the operator")


def messages(lark: Emulator) -> list[Any]:
    return [message for chat in lark.state()["chats"] for message in chat["messages"]]


def test_what_is_not_delivered_is_listed_and_shown_without_its_content(run: Run, waiting: str) -> None:
    done = run("outbox", "list")
    assert (done.code, waiting[:12] in done.out) == (0, True)
    shown = json.loads(run("outbox", "show", waiting[:12], "--json").out)
    assert (shown["id"], shown["state"], shown["attempts"]) == (waiting, "due", 0)
    assert "not for the operator" not in done.out + run("outbox", "show", waiting).out
    assert json.loads(run("outbox", "list", "--json").out)["total"] == 1
    assert run("outbox", "show", "nothing").code == 1


def test_what_was_given_up_is_retried_on_demand(run: Run, waiting: str, lark: Emulator) -> None:
    lark.fault("POST", "*/messages", status=400, code=230002, msg="Bot is out of the chat")
    work.deliver()
    assert "Bot is out of the chat" in run("outbox", "show", waiting).out
    assert run("outbox", "retry", waiting[:12]).out == "Retried: 1.\n"
    work.deliver()
    assert len(messages(lark)) == 1
    assert "The outbox is empty." in run("outbox", "list").out
    assert run("outbox", "retry").code == 2


def test_purged_messages_are_never_sent(run: Run, waiting: str, lark: Emulator) -> None:
    for age in ("1h", "999999d"):
        assert run("outbox", "purge", "--older-than", age, "--yes").out == "Purged: 0.\n"
    assert run("outbox", "purge", waiting, "--yes").out == "Purged: 1.\n"
    assert work.deliver() == 0
    assert messages(lark) == []


def test_an_empty_id_does_not_name_the_only_message(run: Run, waiting: str, lark: Emulator) -> None:
    """Such as that of a variable that a script has not set."""
    for action in (("show", ""), ("retry", ""), ("purge", "", "--yes")):
        assert run("outbox", *action).code == 1
    assert work.deliver() == 1
    assert len(messages(lark)) == 1


def test_run_delivers_until_it_is_stopped(waiting: str, lark: Emulator) -> None:
    command = [sys.executable, "-m", "lark_provider.cli", "outbox", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            wait_until(lambda: messages(lark))
            wait_until(lambda: Outbox.from_config().measure_backlog()[0] == 0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert (Outbox.from_config().read_state(waiting) or ("",))[0] == "delivered"
