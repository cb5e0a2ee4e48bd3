from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient, __version__
from lark_provider.cli.__main__ import main
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import generate_key

CHAT = "oc_emulator_data_team"


def read_messages(lark: Emulator) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = lark.state()["chats"][0]["messages"]
    return messages


def test_a_message_from_the_command_line(lark: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["message", "send", "--to", CHAT, "✅ 完成", "--mention", "all"]) == 0
    assert capsys.readouterr().out.strip() == read_messages(lark)[0]["message_id"]
    assert read_messages(lark)[0]["content"]["text"].startswith("✅ 完成 <at")


def test_posts_cards_standard_input_and_json(
    lark: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["message", "send", "--to", CHAT, "--post", "--title", "T", "**hi**"]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"schema": "2.0", "body": {"elements": []}}'))
    capsys.readouterr()
    assert main(["message", "send", "--to", CHAT, "--card", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["msg_type"] == "interactive"
    assert [message["msg_type"] for message in read_messages(lark)] == ["post", "interactive"]


def test_failures_exit_with_1_and_wrong_use_with_2(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["message", "send", "--to", CHAT, "--card", "not json"]) == 1
    assert "The card must be JSON" in capsys.readouterr().err
    with pytest.raises(SystemExit) as wrong:
        main(["message", "send", "no receiver"])
    assert wrong.value.code == 2
    with pytest.raises(SystemExit) as nothing:
        main([])
    assert nothing.value.code == 2


def test_missing_credentials_are_named(
    lark: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LARK_APP_ID")
    assert main(["message", "send", "--to", CHAT, "x"]) == 1
    assert "LARK_APP_ID and LARK_APP_SECRET" in capsys.readouterr().err


def test_the_app_can_be_named(
    lark: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of several in the registry, or a store app for a tenant."""
    monkeypatch.setenv("LARK_CONFIG_ENCRYPTION_KEY", generate_key())
    for name in ("LARK_APP_ID", "LARK_APP_SECRET"):
        monkeypatch.delenv(name)
    for app_id in ("cli_a", "cli_b"):
        ApplicationManager().create_application(app_id, lark.add_app(app_id)["app_secret"])
    lark.add_app("cli_store", "s", store=True, tenant_keys=["acme"])
    ApplicationManager().create_application("cli_store", "s")
    lark.advance(3600)  # a ticket is made
    ticket = next(app["app_ticket"] for app in lark.state()["apps"] if app["app_id"] == "cli_store")
    LarkServiceClient("cli_store").store_app.keep_ticket(ticket)
    send = ["message", "send", "--to", "alice@example.com", "--to-type", "email", "hello"]
    assert main(send) == 1
    assert "several active apps" in capsys.readouterr().err
    assert main([*send, "--app-id", "cli_b"]) == 0
    assert main([*send, "--app-id", "cli_store", "--tenant-key", "acme"]) == 0
    senders = [message["sender"] for chat in lark.state()["chats"] for message in chat["messages"]]
    assert senders == ["cli_b", "cli_store"]


def test_the_emulator_runs_in_the_foreground_and_ends_cleanly(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "lark_provider.cli", "emulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        url = process.stdout.readline().split()[3]
        assert httpx.get(f"{url}/_emulator/state").status_code == 200
        assert f"LARK_BASE_URL={url}" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["emulator", "--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lark-emulator: cannot listen on 127.0.0.1:{port}: ")
    assert error.count("cannot listen") == 1
    with pytest.raises(SystemExit) as wrong:
        main(["emulator", "--port", "65536"])
    assert wrong.value.code == 2
    assert "'65536' must be a number" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out.strip() == f"airflow-provider-lark {__version__}"
