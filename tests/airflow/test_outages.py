"""Broker, database, or both are down while a person clicks: it is applied after that, or refused and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.storage.crypto import Keys
from lark_provider.storage.people import Account, People, Person
from tests.airflow.api_server import SECRET, SIMPLE, ApiServer
from tests.failures.waiting import wait_until
from tests.services.postgres import OwnPostgres, PostgresServer
from tests.services.processes import free_port
from tests.services.rabbitmq import OwnRabbit

SECONDS = 120.0
KEY, TOKEN = "k" * 32, "a-verification-token"


class Site:
    """An Airflow, a bridge, a gateway, a broker and a database of ours, with bob linked."""

    def __init__(self, home: Path, metadata: str, lark: Emulator, stack: ExitStack) -> None:
        self.home, self.lark, self._stack = home, lark, stack
        self.database = stack.enter_context(closing(OwnPostgres().start()))
        self.broker = stack.enter_context(closing(OwnRabbit().start()))
        ours = stack.enter_context(self.database.server.databases()).make()
        app = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
        }
        (home / "api").mkdir()
        self.server = stack.enter_context(ApiServer(home / "api", metadata, ours, app))
        state = lark.state()
        (user,) = (one for one in state["users"] if one["user_id"] == "bob")
        bob = Person(lark.app_id, state["tenant_key"], user["open_ids"][lark.app_id])
        account = Account(SIMPLE, "bob", "bob", {"sub": "bob", "role": "USER"})
        People(self.server.database, Keys(self.server.key)).link(bob, account)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LARK_")},
            **app,
            "LARK_DATABASE_URL": ours,
            "LARK_CONFIG_ENCRYPTION_KEY": self.server.key,
            "LARK_REGISTRY_PATH": str(home / "applications.db"),
            "LARK_BRIDGE_SECRET": SECRET,
            "LARK_AIRFLOW_URL": self.server.url,
            "LARK_AIRFLOW_USERNAME": "eve",
            "LARK_AIRFLOW_PASSWORD": "eve",
            "LARK_EVENT_ENCRYPT_KEY": KEY,
            "LARK_EVENT_VERIFICATION_TOKEN": TOKEN,
            "LARK_PACING": "0",
            "RABBITMQ_URL": self.broker.url,
        }
        self._start("airflow", "bridge", "--hold-seconds", "1", "--poll-seconds", "1", "--language", "en")
        port = free_port()
        self._start("callbacks", "serve", "--port", str(port))
        url = f"http://127.0.0.1:{port}/lark/callbacks/{lark.app_id}"

        def is_there() -> bool:
            try:
                lark.set_callback(url, encrypt_key=KEY, verification_token=TOKEN)
            except ValueError:
                return False
            return True

        self.wait(is_there)

    def _start(self, *words: str) -> None:
        command = [sys.executable, "-m", "lark_provider.cli", *words]
        with (self.home / f"{words[0]}-{words[1]}.log").open("wb") as log:
            process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)  # noqa: S603 - ours
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)

    def wait(self, condition: Any) -> None:
        """Wait for something, and show the logs if it never comes."""
        try:
            wait_until(condition, SECONDS)
        except AssertionError:
            logs = [one.read_text(errors="replace")[-4000:] for one in self.home.glob("*.log")]
            raise AssertionError("\n".join([*logs, self.server.log()[-4000:]])) from None

    def ask(self) -> tuple[str, str]:
        """Let a task ask bob, and return the path of the question and the message of its card."""
        known = {one["message_id"] for one in self._messages()}
        asked = self.server.park("ask", self.server.run("ask"), "q", assignees=["bob"])
        self.wait(lambda: len(self._messages()) > len(known))
        (card,) = (one for one in self._messages() if one["message_id"] not in known)
        return f"/api/v2{asked.task.path}/hitlDetails", card["message_id"]

    def _messages(self) -> list[dict[str, Any]]:
        return [one for chat in self.lark.state()["chats"] for one in chat["messages"]]

    def shows_answer(self, path: str, message_id: str) -> bool:
        """Whether Airflow has bob's answer, and the card shows it and takes no more."""
        detail = self.server.call("GET", path).json()
        (card,) = (one for one in self._messages() if one["message_id"] == message_id)
        text = json.dumps(card["content"])
        by = detail["responded_by_user"]
        return by is not None and by["name"] == "bob" and "lark_wait" not in text and "bob" in text


@pytest.fixture
def site(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Site]:
    with ExitStack() as stack:
        lark = stack.enter_context(Emulator())
        lark.settings(rate_limits=False)
        metadata = stack.enter_context(postgres_server.databases()).make()
        yield Site(tmp_path, metadata, lark, stack)


def refusal(clicked: dict[str, Any]) -> str:
    """What a person reads whose click was not taken; empty if it was."""
    assert clicked["code"] == 0, clicked  # Lark's client would show a bare number.
    told = clicked["toast"] or {}
    return str(told["content"]) if told.get("type") == "error" else ""


def test_a_click_during_an_outage_is_applied_after_it_or_refused_with_a_reason(site: Site) -> None:
    # The broker is down: the gateway stores the click in the database.
    path, message_id = site.ask()
    site.broker.kill()
    assert not refusal(site.lark.click(message_id, "bob", "Approve"))
    site.wait(lambda: site.shows_answer(path, message_id))
    path, message_id = site.ask()  # The bridge works without the broker.
    site.broker.start()

    # The database is down: the click waits in the broker, whose connection has to come back first.
    site.database.stop("immediate")
    site.wait(lambda: not refusal(site.lark.click(message_id, "bob", "Approve")))
    site.database.start()
    site.wait(lambda: site.shows_answer(path, message_id))

    # Both are down: it is refused, and can be clicked again.
    path, message_id = site.ask()
    site.broker.kill()
    site.database.stop("immediate")
    assert "again" in refusal(site.lark.click(message_id, "bob", "Approve"))
    site.broker.start()
    site.database.start()
    site.wait(lambda: not refusal(site.lark.click(message_id, "bob", "Approve")))
    site.wait(lambda: site.shows_answer(path, message_id))
