"""All that a click on an Airflow question goes through, as processes that can be ended and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lark_emulator import Emulator

from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.people import Account, People, Person
from tests.airflow.api_server import SECRET, SIMPLE, ApiServer
from tests.bridge.builders import execute
from tests.failures.waiting import wait_until
from tests.services.postgres import OwnPostgres, PostgresServer
from tests.services.processes import free_port
from tests.services.rabbitmq import OwnRabbit

SECONDS = 120.0
_KEY, _TOKEN = "k" * 32, "a-verification-token"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Question:
    """A question that bob is asked, and the message of its card."""

    path: str
    message_id: str


class ClickSite:
    """An Airflow, a bridge, a gateway, a pump, a broker and a database of ours, with bob linked.

    Args:
        home: A folder.
        metadata: The URL of an empty database for Airflow.
        lark: The emulator.
        stack: Ends everything.
        of_bridge: Added to the environment of the bridge.

    Attributes:
        server: The API server.
    """

    def __init__(
        self,
        home: Path,
        metadata: str,
        lark: Emulator,
        stack: ExitStack,
        of_bridge: Mapping[str, str] = _NONE,
    ) -> None:
        self.home, self.lark = home, lark
        self._database = stack.enter_context(closing(OwnPostgres().start()))
        self._broker = stack.enter_context(closing(OwnRabbit().start()))
        ours = stack.enter_context(self._database.server.databases()).make()
        app = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
        }
        (home / "api").mkdir()
        self.server = stack.enter_context(ApiServer(home / "api", metadata, ours, app))
        state = lark.state()
        (user,) = (user for user in state["users"] if user["user_id"] == "bob")
        bob = Person(lark.app_id, state["tenant_key"], user["open_ids"][lark.app_id])
        account = Account(SIMPLE, "bob", "bob", {"sub": "bob", "role": "USER"})
        People(self.server.database, EncryptionKeys(self.server.key)).link_person(bob, account)
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
            "LARK_EVENT_ENCRYPT_KEY": _KEY,
            "LARK_EVENT_VERIFICATION_TOKEN": _TOKEN,
            "LARK_PACING": "0",
            "RABBITMQ_URL": self._broker.url,
        }
        self._of_airflow: dict[str, str] = {}
        self._of_bridge = dict(of_bridge)
        port = free_port()
        self._commands = {
            "bridge": ["airflow", "bridge", "--hold-seconds", "1", "--poll-seconds", "1", "--language", "en"],
            "gateway": ["callbacks", "serve", "--port", str(port)],
            "pump": ["callbacks", "pump"],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(self._end_all)
        for name in self._commands:
            self._start(name)
        url = f"http://127.0.0.1:{port}/lark/callbacks/{lark.app_id}"

        def is_there() -> bool:
            try:
                lark.set_callback(url, encrypt_key=_KEY, verification_token=_TOKEN)
            except ValueError:
                return False
            return True

        self.wait(is_there)

    @contextmanager
    def down(self, *parts: str) -> Iterator[None]:
        """Stop parts of the system, and start them again at the end of the block.

        Args:
            parts: Any of `bridge`, `gateway`, `pump`, `broker`, `frozen broker`, `database`, `API server`.
        """
        for part in parts:
            self._change(part)[0]()
        try:
            yield
        finally:
            for part in parts:
                self._change(part)[1]()

    def restart_bridge(self, more: Mapping[str, str]) -> None:
        """Restart the bridge with `more` added to its environment."""
        self._kill("bridge")
        self._of_bridge = dict(more)
        self._start("bridge")

    def restart_server(self, more: Mapping[str, str]) -> None:
        """Restart the API server with `more` added to its environment."""
        self.server.kill()
        for name in self._of_airflow:
            del self.server.airflow.env[name]
        self._of_airflow = dict(more)
        self.server.airflow.env |= more
        self._start_server()

    def check(self) -> dict[str, dict[str, Any]]:
        """Return the checks of `lark-provider airflow check`, by name."""
        command = [sys.executable, "-m", "lark_provider.cli", "airflow", "check", "--json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, check=False)  # noqa: S603 - ours
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def wait(self, condition: Callable[[], object], seconds: float = SECONDS) -> None:
        """Wait until a condition holds; raise AssertionError with the logs if it does not in time."""
        try:
            wait_until(condition, seconds)
        except AssertionError:
            logs = [log.read_text(errors="replace")[-4000:] for log in self.home.glob("*.log")]
            raise AssertionError("\n".join([*logs, self.server.log()[-4000:]])) from None

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def ask(self) -> Question:
        """Start a run whose task asks bob, wait until its card is sent, and return the question."""
        question = self.server.park("ask", self.server.run("ask"), "q", assignees=["bob"])
        sent = "SELECT message_id FROM hitl_cards WHERE ti_id = :ti_id AND state = 'sent'"
        cards: list[Any] = []

        def is_sent() -> bool:
            cards[:] = execute(self.server.database, sent, ti_id=question.task.ti_id)
            return bool(cards)

        self.wait(is_sent)
        (card,) = cards
        return Question(f"/api/v2{question.task.path}/hitlDetails", card.message_id)

    def click(self, question: Question, option: str = "Approve") -> str:
        """Click as bob, and return the error that he sees if the click is rejected, else an empty text."""
        clicked = self.lark.click(question.message_id, "bob", option)
        if clicked["code"]:  # Lark's client shows this number.
            return f"code {clicked['code']}"
        toast = clicked["toast"] or {}
        return str(toast["content"]) if toast.get("type") == "error" else ""

    def shows_answer(self, question: Question) -> bool:
        """Return whether Airflow has bob's answer, and the card shows it and accepts no more clicks."""
        detail = self.server.call("GET", question.path).json()
        (card,) = (message for message in self._messages() if message["message_id"] == question.message_id)
        text = json.dumps(card["content"])
        by = detail["responded_by_user"]
        return by is not None and by["name"] == "bob" and "lark_wait" not in text and "bob" in text

    def outcomes(self, question: Question) -> list[str]:
        """Return the outcome of each delivered click on a question, oldest first; its state if not done."""
        rows = execute(
            self.server.database,
            "SELECT a.state, a.result FROM applied_clicks a JOIN hitl_cards c ON c.key = a.card_key "
            "WHERE c.message_id = :message ORDER BY a.created_at, a.done_at",
            message=question.message_id,
        )
        return [json.loads(row.result)["outcome"] if row.state == "done" else row.state for row in rows]

    def _messages(self) -> list[dict[str, Any]]:
        return [message for chat in self.lark.state()["chats"] for message in chat["messages"]]

    def _change(self, part: str) -> tuple[Callable[[], object], Callable[[], object]]:
        """Return a function that stops a part, and one that starts it again."""
        if part in self._commands:
            return lambda: self._kill(part), lambda: self._start(part)
        return {
            "broker": (self._broker.kill, self._broker.start),
            "frozen broker": (self._broker.pause, self._broker.resume),
            "database": (lambda: self._database.stop("immediate"), self._database.start),
            "API server": (self.server.kill, self._start_server),
        }[part]

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "lark_provider.cli", *self._commands[name]]
        more = self._of_bridge if name == "bridge" else {}
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(  # noqa: S603 - ours
                command, env={**self._environment, **more}, stdout=log, stderr=log
            )

    def _start_server(self) -> None:
        self.server.start()
        self.server.wait()

    def _kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def _end_all(self) -> None:
        for name in self._processes:
            self._kill(name)


@contextmanager
def click_site(
    home: Path, server: PostgresServer, of_bridge: Mapping[str, str] = _NONE
) -> Iterator[ClickSite]:
    """Yield a `ClickSite` with a local Lark of its own.

    Args:
        home: The folder for the logs, the registry and the files of the API server.
        server: The PostgreSQL server on which Airflow's database is created.
        of_bridge: Variables that are added to the environment of the bridge.
    """
    with ExitStack() as stack:
        lark = stack.enter_context(Emulator())
        lark.settings(rate_limits=False)
        metadata = stack.enter_context(server.databases()).make()
        yield ClickSite(home, metadata, lark, stack, of_bridge)
