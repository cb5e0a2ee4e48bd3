"""Chat commands, from a message in the local Lark to a run of a real API server, and back to the thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider.storage.bridge_tables import chat_commands
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.engine import get_engine
from lark_provider.storage.people import Account, People, Person
from tests.airflow.api_server import ROLES, SECRET, SIMPLE, ApiServer
from tests.failures.waiting import wait_until

APP, APP_SECRET = "cli_commands", "secret-of-the-app-of-commands"
SECONDS = 180.0
EMPTY: Mapping[str, str] = MappingProxyType({})
RULES = """
defaults: {{language: en}}
commands:
  - dag: et*
    tag: chat
    chat: [{chat}, direct]
    arguments: [day, count]
  - dag: ask
    chat: {chat}
    what: status
"""


class Place:
    """A chat of people and a bot, and processes that take its commands."""

    def __init__(
        self,
        server: ApiServer,
        lark: Emulator,
        home: Path,
        app: str = APP,
        settings: Mapping[str, str] = EMPTY,
    ) -> None:
        self.server, self.lark, self.home, self.app = server, lark, home, app
        known = {user["user_id"] for user in lark.state()["users"]}
        for name in {"alice", "bob", "mallory"} - known:
            lark.add_user(name)
        # The API server's, and so there already where tests of a module come to one process in two parts.
        if app not in {known_app["app_id"] for known_app in lark.state()["apps"]}:
            lark.add_app(app, secret=APP_SECRET)
        self.chat: str = lark.add_chat("ops", users=["alice", "bob", "mallory"], bots=[app])["chat_id"]
        self.routes = home / "lark.yaml"
        self.routes.write_text(RULES.format(chat=self.chat))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LARK_")},
            "LARK_DATABASE_URL": server.ours,
            "LARK_BRIDGE_SECRET": SECRET,
            "LARK_CONFIG_ENCRYPTION_KEY": server.key,
            "LARK_APP_ID": app,
            "LARK_APP_SECRET": APP_SECRET,
            "LARK_BASE_URL": lark.base_url,
            "LARK_REGISTRY_PATH": str(home / "applications.db"),
            "LARK_ROUTES_PATH": str(self.routes),
            "LARK_AIRFLOW_URL": server.url,
            "LARK_AIRFLOW_USERNAME": "admin",
            "LARK_AIRFLOW_PASSWORD": "admin",
            "LARK_PACING": "0",
            "LOG_FORMAT": "json",
            **settings,
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / f"process-{len(self._running)}.log").open("wb") as log:
            command = [sys.executable, "-m", "lark_provider.cli", *arguments]
            self._running.append(
                subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)  # noqa: S603 - ours
            )
        return self._running[-1]

    def bridge(self) -> subprocess.Popen[bytes]:
        return self.start("airflow", "bridge", "--poll-seconds", "5")

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()

    def logs(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.home.glob("process-*.log")))

    def find_person(self, user: str) -> Person:
        state = self.lark.state()
        (profile,) = (candidate for candidate in state["users"] if candidate["user_id"] == user)
        return Person(self.app, state["tenant_key"], profile["open_ids"][self.app])

    def link(self, user: str, airflow_user: str) -> None:
        account = Account(
            SIMPLE, airflow_user, airflow_user, {"sub": airflow_user, "role": ROLES[airflow_user].upper()}
        )
        People(self.server.database, EncryptionKeys(self.server.key)).link_person(
            self.find_person(user), account
        )

    def say(self, text: str, user: str = "alice", **more: Any) -> dict[str, Any]:
        options = {"mentions": [self.app]} | more
        if "app_id" not in options:
            options["chat_id"] = self.chat
        return self.lark.say(user, text, **options)

    def read_row(self, message_id: str) -> Any:
        with get_engine(self.server.database).connect() as connection:
            wanted = sa.select(chat_commands).where(chat_commands.c.message_id == message_id)
            return connection.execute(wanted).one_or_none()

    def answers(self, message_id: str) -> list[str]:
        """Return the texts that the bot has sent in reply to a message, in its thread."""
        replies = [
            message
            for chat in self.lark.state()["chats"]
            for message in chat["messages"]
            if message.get("root_id") == message_id
        ]
        return [reply["content"]["text"] for reply in replies]

    def answer(self, said: dict[str, Any], count: int = 1) -> str:
        wait_until(lambda: len(self.answers(said["message_id"])) >= count, SECONDS)
        return self.answers(said["message_id"])[count - 1]

    def run(self, message_id: str, dag_id: str = "etl") -> dict[str, Any]:
        response = self.server.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/lark__{message_id}")
        return response.json() if response.is_success else {}

    def end(self, message_id: str, state: str = "success") -> None:
        path = f"/api/v2/dags/etl/dagRuns/lark__{message_id}"
        assert self.server.call("PATCH", path, {"state": state}).is_success


@pytest.fixture(scope="module")
def place(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    lark = api_server.lark
    assert lark is not None
    place = Place(api_server, lark, tmp_path_factory.mktemp("commands"))
    place.link("alice", "alice")
    place.link("bob", "eve")
    try:
        place.start("callbacks", "listen")
        wait_until(lambda: "Long connection opened" in place.logs(), SECONDS)
        place.bridge()
        yield place
    finally:
        place.close()


def test_a_run_is_started_as_the_person_and_its_end_is_told_in_the_thread(place: Place) -> None:
    said = place.say('/run etl "2026-02-03" count=3')
    text = place.answer(said)
    assert "etl was started by the Airflow user alice" in text
    assert f"/dags/etl/runs/lark__{said['message_id']}" in text
    run = place.run(said["message_id"])
    assert run["conf"] == {"day": "2026-02-03", "count": 3}
    assert (run["triggering_user_name"], run["note"]) == ("alice", "Started in Lark by alice")
    place.end(said["message_id"])
    assert "etl has succeeded" in place.answer(said, 2)
    wait_until(lambda: place.read_row(said["message_id"]).state == "done", SECONDS)
    # A process that was killed after it had answered, and before it recorded that, answers again.
    for state in ("decided", "ended"):
        with get_engine(place.server.database).begin() as connection:
            connection.execute(
                chat_commands.update()
                .where(chat_commands.c.message_id == said["message_id"])
                .values(state=state)
            )
        wait_until(lambda: place.read_row(said["message_id"]).state == "done", SECONDS)
    assert len(place.answers(said["message_id"])) == 2


def test_status_runs_and_help_are_answered(place: Place) -> None:
    said = place.say("/run etl", app_id=APP, mentions=[])
    assert "was started" in place.answer(said)
    status, runs, helped = (place.say(text) for text in ("/status etl", "/runs etl", "/help"))
    assert f"queued · lark__{said['message_id']}" in place.answer(status)
    assert f"lark__{said['message_id']}" in place.answer(runs)
    assert "/run et* (tag: chat) [day] [count]" in place.answer(helped)
    assert "/run ask" not in place.answer(helped)


@pytest.mark.parametrize(
    ("text", "user", "wanted"),
    [
        ("/run etl", "bob", "The Airflow user eve is not allowed"),
        ("/run many", "alice", "You are not allowed to use this command on many"),
        ("/run ask", "alice", "You are not allowed to use this command on ask"),
        ("/run ../etl", "alice", "You are not allowed to use"),
        ("/run etl tomorrow", "alice", "day: 'tomorrow' is not a 'date'"),
        ("/run etl count=many", "alice", "The argument count must be integer"),
        ("/run etl count=10", "alice", "10 is greater than the maximum"),
        ("/run etl 2026-01-01 1 2", "alice", "The arguments must be day, count"),
        ('/run etl "2026', "alice", "A quotation must end"),
        ("/run", "alice", "must have the name of a DAG"),
        ('/run etl "<at user_id=\\"all\\"></at>"', "alice", "\N{FULLWIDTH LESS-THAN SIGN}at"),
    ],
)
def test_refusals_say_why_and_start_nothing(place: Place, text: str, user: str, wanted: str) -> None:
    said = place.say(text, user)
    assert wanted in place.answer(said)
    assert place.run(said["message_id"]) == {}


def test_who_is_not_linked_gets_the_link_alone(place: Place) -> None:
    said = place.say("/run etl", "mallory")
    text = place.answer(said)
    assert "not linked" in text
    assert "http" not in text
    direct = [
        chat for chat in place.lark.state()["chats"] if chat["chat_mode"] == "p2p" and chat["bots"] == [APP]
    ]
    texts = [
        str(message["content"])
        for chat in direct
        for message in chat["messages"]
        if "mallory" in chat["users"]
    ]
    assert [text for text in texts if "/lark/link?code=" in text]
    assert place.run(said["message_id"]) == {}


def test_what_is_not_a_command_of_a_person_of_ours_is_left_alone(place: Place) -> None:
    lark, state = place.lark, place.lark.state()
    stranger = f"stranger-{uuid.uuid4().hex[:6]}"
    lark.add_user(stranger, tenant_key="another-tenant")
    lark.change_chat(place.chat, add_users=[stranger])
    ignored = [
        place.say("/run etl", mentions=[]),
        place.say("/run etl", mentions=["all"]),
        place.say("/run etl", mentions=["bob"]),
        place.say("/run etl", stranger),
        place.say(msg_type="merge_forward", content={"text": "/run etl"}, text=""),
        place.say("please /run etl"),
    ]
    open_id = place.find_person("alice").open_id
    bot = {"key": "@_user_1", "id": {"open_id": "ou_commands_bot"}, "name": "bot"}
    for sender_type, changed in (("bot", 0), ("app", 0), ("user", 5)):
        message_id = f"om_{uuid.uuid4().hex}"
        message = {
            "message_id": message_id, "chat_id": place.chat, "chat_type": "group", "message_type": "text",
            "content": json.dumps({"text": "@_user_1 /run etl"}), "mentions": [bot],
            "create_time": "1795694400000", "update_time": str(1795694400000 + changed),
        }  # fmt: skip
        sender = {"sender_id": {"open_id": open_id}, "sender_type": sender_type}
        sender["tenant_key"] = state["tenant_key"]
        lark.push_event("im.message.receive_v1", {"sender": sender, "message": message}, app_id=APP)
        ignored.append({"message_id": message_id})
    last = place.say("/help")
    place.answer(last)
    wait_until(
        lambda: all(
            (row := place.read_row(sent["message_id"])) is None or row.state == "done" for sent in ignored
        ),
        SECONDS,
    )
    for skipped in ignored:
        assert place.answers(skipped["message_id"]) == []
        assert place.run(skipped["message_id"]) == {}
        row = place.read_row(skipped["message_id"])
        assert row is None or row.outcome == "ignored"


def test_repeats_and_two_bridges_start_one_run_although_one_is_killed(place: Place) -> None:
    second = place.bridge()
    said = [place.say("/run etl 2026-01-02", copies=3) for _ in range(6)]
    wait_until(lambda: any(place.run(message["message_id"]) for message in said), SECONDS)
    second.kill()
    second.wait()
    for command in said:
        place.answer(command)
        assert place.run(command["message_id"])["conf"] == {"day": "2026-01-02"}
        place.end(command["message_id"], "failed")
    for command in said:
        assert "etl has failed" in place.answer(command, 2)
    wait_until(
        lambda: all(place.read_row(message["message_id"]).state == "done" for message in said), SECONDS
    )
    assert [len(place.answers(message["message_id"])) for message in said] == [2] * 6


def test_rules_are_read_again_and_old_commands_are_refused(place: Place) -> None:
    before = place.routes.read_text()
    place.routes.write_text(before.replace("dag: et*", "dag: other"))
    try:
        assert "You are not allowed to use" in place.answer(place.say("/run etl"))
    finally:
        place.routes.write_text(before)
    message_id = f"om_{uuid.uuid4().hex}"
    said = place.say("/help", app_id=APP, mentions=[])
    chat = next(
        chat["chat_id"]
        for chat in place.lark.state()["chats"]
        if any(message["message_id"] == said["message_id"] for message in chat["messages"])
    )
    message = {
        "message_id": message_id, "chat_id": chat, "chat_type": "p2p", "message_type": "text",
        "content": json.dumps({"text": "/run etl"}), "create_time": "1764547200000",
    }  # fmt: skip
    person = place.find_person("alice")
    sender = {
        "sender_id": {"open_id": person.open_id},
        "sender_type": "user",
        "tenant_key": person.tenant_key,
    }
    place.lark.push_event("im.message.receive_v1", {"sender": sender, "message": message}, app_id=APP)
    wait_until(lambda: (row := place.read_row(message_id)) is not None and row.outcome == "too_old", SECONDS)
    assert place.run(message_id) == {}
