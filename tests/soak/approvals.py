"""A real Airflow with approvals that are open while their DAG file is edited, and then clicked.

Each has to end by what was asked. Everything of Airflow's runs as `airflow standalone` starts it.
"""

from __future__ import annotations

import json
import os
import pprint
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx

from lark_provider.cli.demo.native import APPROVER, STRANGER
from lark_provider.cli.demo.processes import CHAT_ID, LocalLark, start_emulator
from tests.airflow.conftest import AirflowHome, connection
from tests.services.processes import HOST, alive, free_port, listens, tree
from tests.soak.crowd import Keys
from tests.soak.ledger import Violation
from tests.soak.plan import GATEWAYS
from tests.soak.site import Site

APPROVER_ID = "ou_emulator0001_alice"
_STRANGER_ID = "ou_emulator0001_bob"
_ASKED: dict[str, Any] = {
    "receiver_id": CHAT_ID,
    "approvers": [APPROVER_ID],
    "options": {"approve": "Approve", "reject": "Reject"},
    "retries": 2,
    "retry_delay": 1,
    "on_reject": "return",
    "timeout": 900,
}
EDITS: Mapping[str, dict[str, Any]] = {
    "nothing": {},
    "retries": {"retries": 0},
    "approvers": {"approvers": [_STRANGER_ID]},
    "labels": {"options": {"approve": "Yes, publish", "reject": "No"}},
    "options": {"options": {"later": "Later", "never": "Never"}},
    "receiver": {"receiver_id": _STRANGER_ID},
}
"""What is changed in a DAG while its approval is open."""
_DAGS = """
import pendulum
from airflow.sdk import DAG
from lark_provider.operators.approval import LarkApprovalOperator

# {mark}
TASKS = {tasks}
for name, settings in TASKS.items():
    with DAG(name, schedule="@once", start_date=pendulum.datetime(2026, 1, 1), catchup=False):
        LarkApprovalOperator(task_id="ask", title=name, **settings)
"""
_ASKED_MARK, _EDITED_MARK = "as it was asked", "as it was edited"
_SETTINGS = {
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "1",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
}
_STEP_SECONDS, _LOOK_SECONDS = 180.0, 0.3
_LOG_LINES = 15


class Approvals:
    """The phase.

    Args:
        site: Its gateways take the clicks.
        home: Where Airflow's home is made.
        note: Takes what is done, in words.
        interrupted: Ends it early.

    Attributes:
        lines: How each approval ended.
        violations: Those that ended otherwise than was asked.
    """

    def __init__(self, site: Site, home: Path, note: Callable[[str], None], interrupted: Any) -> None:
        home.mkdir()
        self._site, self._note, self._interrupted = site, note, interrupted
        self._airflow = AirflowHome(home)
        self._api = free_port()
        self._log = home.parent / "standalone.log"
        self._lark: LocalLark | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.lines: list[str] = []
        self.violations: list[Violation] = []

    def run(self) -> None:
        """Ask, edit the file, click, and see how each ends."""
        cards: dict[str, str] = {}
        try:
            self._begin()
            self._note("Airflow asks for approvals")
            self._write(_ASKED_MARK, {})
            cards = self._until("asked and deferred", self._find_deferred)
            self._note("edit the DAG file of all open approvals")
            self._write(_EDITED_MARK, EDITS)
            self._until("parsed as edited", self._find_parsed)
            self._note("click: first who was not asked, then who was")
            for message_id in cards.values():
                for user in (STRANGER, APPROVER):
                    self._click(message_id, user)
            self._until("ended", self._read_ended)
            self._note("all approvals have ended")
        except TimeoutError as error:
            self.violations.append(Violation(f"{error}"))
            log = self._log.read_text(errors="replace").splitlines()
            self.lines += [line for line in log if "rror" in line][-_LOG_LINES:]
        ended = self._read_ended()
        for name, message_id in cards.items():
            self._judge(name, message_id, *ended.get(name, ("not ended", None)))

    def close(self) -> None:
        """End Airflow and the local Lark."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGSTOP)  # it starts no others while we look for them
            doomed = tree(self._process.pid)
            for pid in doomed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            while any(map(alive, doomed)):
                time.sleep(0.01)
        if self._lark is not None:
            self._lark.stop()

    def _begin(self) -> None:
        """Start an Airflow, and a local Lark whose clicks come to our gateway."""
        self._lark = lark = start_emulator()
        keys = Keys(secrets.token_hex(16), secrets.token_hex(16))
        self._site.add_app(lark.app_id, lark.app_secret, keys)
        self._airflow.env |= self._settings(lark)
        self._note("migrate and start Airflow")
        self._airflow.airflow("db", "migrate")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                env=self._airflow.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        lark.control("settings", rate_limits=False)
        refused = "the gateway does not know the local Lark's app in time"
        self._wait(refused, lambda: self._register_callback(lark, keys))
        # A task that is queued before the API server listens fails for that.
        self._wait("Airflow's API server does not listen in time", lambda: listens(self._api))

    def _settings(self, lark: LocalLark) -> dict[str, str]:
        logs = (free_port(), free_port())
        return {
            **_SETTINGS,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # it starts `airflow`
            "PYTHONPATH": self._site.env["PYTHONPATH"],
            "AIRFLOW_CONN_LARK_DEFAULT": connection(lark),  # type: ignore[arg-type]  # all that is asked of it
            "AIRFLOW__LARK__DATABASE_URL": self._site.database,
            "AIRFLOW__LARK__RABBITMQ_URL": self._site.node.url,
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": f"{self._api}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{self._api}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": f"{logs[0]}",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": f"{logs[1]}",
        }

    def _register_callback(self, lark: LocalLark, keys: Keys) -> bool:
        """Enter the callback URL at Lark, which refuses that until the gateway knows the app."""
        signing = {"encrypt_key": keys.encrypt_key, "verification_token": keys.verification_token}
        url = self._site.gateway(GATEWAYS[0], lark.app_id)
        try:
            lark.control("callbacks", app_id=lark.app_id, url=url, **signing)
        except httpx.HTTPStatusError:
            return False
        return True

    def _write(self, mark: str, edits: Mapping[str, dict[str, Any]]) -> None:
        tasks = {name: _ASKED | edits.get(name, {}) for name in EDITS}
        text = _DAGS.format(mark=mark, tasks=pprint.pformat(tasks))
        file = self._airflow.dags / "approvals.py"
        new = file.with_suffix(".new")
        new.write_text(text)
        new.replace(file)  # at once: half a file would be parsed as well

    def _until(self, what: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Look until something is known of every DAG, and return that."""
        known: dict[str, Any] = {}

        def is_known() -> bool:
            known.update(look())
            return known.keys() >= EDITS.keys()

        try:
            self._wait("", is_known)
        except TimeoutError:
            missing = ", ".join(sorted(EDITS.keys() - known.keys()))
            raise TimeoutError(f"approvals that are not {what} in time: {missing}") from None
        return known

    def _wait(self, otherwise: str, condition: Callable[[], object]) -> None:
        by = time.monotonic() + _STEP_SECONDS
        while not condition():
            if time.monotonic() > by or self._interrupted.is_set():
                raise TimeoutError(otherwise)
            time.sleep(_LOOK_SECONDS)

    def _find_deferred(self) -> dict[str, str]:
        """Return the message ids of the cards whose tasks wait in the triggerer, by title."""
        query = "SELECT dag_id FROM task_instance WHERE state = 'deferred'"
        deferred = {dag_id for (dag_id,) in self._ask(query)}
        return {title: message["message_id"] for title, message in self._cards() if title in deferred}

    def _find_parsed(self) -> dict[str, bool]:
        """Return the DAGs whose edited file Airflow has parsed; the DAG without edits counts as parsed."""
        rows = self._ask("SELECT dag_id, source_code FROM dag_code")
        return {"nothing": True} | {dag_id: True for dag_id, code in rows if _EDITED_MARK in code}

    def _read_ended(self) -> dict[str, tuple[str, Any]]:
        """Return the state and the result of each task that has ended, by DAG."""
        ended = dict(
            self._ask(
                "SELECT dag_id, state FROM task_instance WHERE state IN ('success', 'failed', 'skipped')"
            )
        )
        returned = dict(self._ask("SELECT dag_id, value FROM xcom WHERE key = 'return_value'"))
        return {dag_id: (state, returned.get(dag_id)) for dag_id, state in ended.items()}

    def _judge(self, name: str, message_id: str, state: str, returned: Any) -> None:
        """Hold an end against what was asked: Alice has approved, and the card says so in its words."""
        while isinstance(returned, str):
            returned = json.loads(returned)
        decided = returned if isinstance(returned, dict) else {}
        who = decided.get("operator", {}).get("open_id")
        card = {message["message_id"]: message["content"] for _, message in self._cards()}.get(message_id)
        shown = json.dumps(card)
        is_closed = card is not None and '"button"' not in shown
        is_right = is_closed and APPROVER_ID in shown and _ASKED["options"]["approve"] in shown
        card_is = "right" if is_right else "wrong" if is_closed else "open"
        line = f"{name} edited: {state}, decision {decided.get('decision')!r} by {who}, card {card_is}"
        self.lines.append(line)
        if (state, decided.get("decision"), who, is_right) != ("success", "approve", APPROVER_ID, True):
            self.violations.append(Violation(f"an approval did not end as was asked: {line}"))

    def _click(self, message_id: str, user: str) -> None:
        assert self._lark is not None
        clicked = self._lark.control(f"cards/{message_id}/click", user=user, component="Approve")
        if clicked["error"]:
            self.violations.append(Violation(f"a click of {user} was not taken: {clicked['error']}"))

    def _cards(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield title and message of each card that was sent."""
        assert self._lark is not None
        for chat in self._lark.read_snapshot()["chats"]:
            for message in chat["messages"]:
                title = message["content"].get("header", {}).get("title", {}).get("content", "")
                if title in EDITS:
                    yield title, message

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(self._airflow.home / "airflow.db", timeout=30)) as database:
                return database.execute(query).fetchall()
        except sqlite3.OperationalError:  # it is migrated just now
            return []
