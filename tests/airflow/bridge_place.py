"""A real Airflow with the plugin, the bridge beside it, and an emulator: tests of the bridge share them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider.storage import urls
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from lark_provider.storage.people import Account, People, Person
from tests.airflow.conftest import AirflowHome
from tests.airflow.standalone import Standalone
from tests.bridge.builders import execute
from tests.failures.waiting import wait_until
from tests.storage import prepared

SECRET = "a-secret-of-the-bridge-with-32-bytes-or-more"
ROLES = {"admin": "admin", "bob": "user", "watcher": "viewer"}
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
HOLD = 6.0
SECONDS = 300.0
MANY = 8
DAGS = f"""
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

BOB = [{{"id": "bob", "name": "bob"}}]
with DAG("asks"):
    ApprovalOperator(task_id="q", subject="Deploy {{{{ run_id }}}}?", body="**new**", assigned_users=BOB)
with DAG("asks_many", max_active_tasks=4):
    ApprovalOperator.partial(task_id="q", assigned_users=BOB).expand(
        subject=[f"Part {{n}}?" for n in range({MANY})]
    )
with DAG("expires"):
    ApprovalOperator(
        task_id="q", subject="Soon?", assigned_users=BOB, response_timeout=timedelta(seconds=25)
    )
"""


class BridgeSetup:
    """A standalone Airflow, an emulator, a database of ours, and the processes between them.

    Args:
        model: An Airflow whose database is up to date.
        home: A folder.
        database_url: Of ours.
        lark: The emulator.
        dags: A DAG file.
        settings: Added to Airflow's environment; among them its database.
    """

    def __init__(
        self,
        model: AirflowHome,
        home: Path,
        database_url: str,
        lark: Emulator,
        dags: str = DAGS,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.lark, self.home = lark, home
        self.database = urls.parse(database_url, "test")
        prepared.upgrade(self.database)
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in ROLES}))
        self.key = generate_key()
        ours = {
            "LARK_DATABASE_URL": database_url,
            "LARK_BRIDGE_SECRET": SECRET,
            "LARK_CONFIG_ENCRYPTION_KEY": self.key,
        }
        self.settings = {
            **ours,
            "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "20",  # Each test renews a token or two.
            "LARK_ANSWER_HOLD": str(HOLD),
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "5",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in ROLES.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            **settings,
        }
        self.airflow = Standalone(model, home / "airflow", {"asks.py": dags}, self.settings)
        self.airflow.wait()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LARK_")},
            **ours,
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            "LARK_REGISTRY_PATH": str(home / "applications.db"),
            "LARK_AIRFLOW_URL": self.airflow.url,
            "LARK_AIRFLOW_USERNAME": "watcher",
            "LARK_AIRFLOW_PASSWORD": "watcher",
            "LARK_PACING": "0",
            "LOG_FORMAT": "json",
        }
        self.people = People(self.database, EncryptionKeys(self.key))
        state = lark.state()
        (user,) = (user for user in state["users"] if user["user_id"] == "bob")
        self.bob = Person(lark.app_id, state["tenant_key"], user["open_ids"][lark.app_id])
        self._tokens: dict[str, tuple[float, str]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def link(self) -> None:
        """Link bob of Lark to bob of Airflow."""
        self.people.link_person(self.bob, Account(SIMPLE, "bob", "bob", {"sub": "bob", "role": "USER"}))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a `lark-provider` command that writes its output to a log file."""
        log = self.home / f"process-{len(self._processes)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", "lark_provider.cli", *arguments],
                env=self.environment, stdout=out, stderr=out,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def bridge(self, *more: str) -> subprocess.Popen[bytes]:
        """Start a bridge that polls Airflow every second."""
        return self.start(
            "airflow", "bridge", "--hold-seconds", str(HOLD), "--poll-seconds", "1", "--language", "en", *more
        )

    def logs(self) -> str:
        """Return what the processes have printed."""
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.home.glob("process-*.log")))

    def stop_all(self) -> None:
        """Terminate the processes that the test has started, and wait until they have ended."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """Stop all processes, and close Airflow."""
        self.stop_all()
        self.airflow.close()

    def call(self, method: str, path: str, body: Any = None, user: str = "admin") -> Any:
        """Send a request to Airflow's REST API as a user, and return the decoded response."""
        return self._request(method, f"/api/v2/{path}", body, self.get_token(user))

    def get_token(self, user: str) -> str:
        """Return an access token of a user, requesting a new one when it is older than ten seconds."""
        at, token = self._tokens.get(user, (0.0, ""))
        if time.monotonic() - at > 10:
            account = {"username": user, "password": user}
            at, token = time.monotonic(), self._request("POST", "/auth/token", account)["access_token"]
            self._tokens[user] = at, token
        return token

    def _request(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - our own server
            self.airflow.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=headers if token is None else headers | {"Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def metadata(self, statement: str, **parameters: str) -> int:
        """Execute a statement on Airflow's own database, and return how many rows it changed."""
        url = self.settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            return connection.execute(sa.text(statement), parameters).rowcount

    def run(self, dag_id: str) -> str:
        """Start a run as soon as the DAG is parsed, and return the run's id."""
        run_ids: list[str] = []

        def start_run() -> bool:
            with suppress(OSError):
                dag_run = self.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})
                run_ids.append(dag_run["dag_run_id"])
            return bool(run_ids)

        wait_until(start_run, SECONDS)
        return run_ids[0]

    def task(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the task instance of the task `q` in a run."""
        instance: dict[str, Any] = self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/q")
        return instance

    def messages(self, text: str = "") -> list[dict[str, Any]]:
        """Return the messages of all chats that contain `text`."""
        chats = self.lark.state()["chats"]
        messages = [message for chat in chats for message in chat["messages"]]
        return [message for message in messages if text in json.dumps(message, ensure_ascii=False)]

    def wait(self, condition: Callable[[], object], seconds: float = SECONDS) -> None:
        """Wait until a condition holds; raise AssertionError with the logs if it does not in time."""
        try:
            wait_until(condition, seconds)
        except AssertionError:
            # The end is what pytest shows of a long message.
            raise AssertionError(f"{self.airflow.log()[-6000:]}\n{self.logs()[-4000:]}") from None


def path(place: BridgeSetup, name: str) -> Path:
    """Return the path of the DAG file with a name."""
    dag_file: Path = place.airflow.airflow.dags / f"{name}.py"
    return dag_file


def find_card(place: BridgeSetup, text: str) -> str:
    """Return the content of the only card that contains `text`, as JSON."""
    (message,) = place.messages(text)
    return json.dumps(message["content"], ensure_ascii=False)


def click(place: BridgeSetup, text: str, option: str = "Yes", **form: Any) -> dict[str, Any]:
    """Click as bob on the only card that contains `text`, and return the recorded result."""
    (message,) = place.messages(text)
    done = place.lark.click(message["message_id"], "bob", option, **form)
    assert done["code"] == 0, done
    return wait_until_applied(place, done["event_id"])


def wait_until_applied(place: BridgeSetup, event_id: str) -> dict[str, Any]:
    """Wait until the result of a click is shown to the person, and return the result."""
    statement = "SELECT result FROM applied_clicks WHERE event_id = :e AND shown_at IS NOT NULL"
    place.wait(lambda: execute(place.database, statement, e=event_id))
    result: dict[str, Any] = json.loads(execute(place.database, statement, e=event_id)[0].result)
    return result


def versions(place: BridgeSetup, name: str) -> int:
    """Return how many versions of a DAG Airflow has stored."""
    return int(place.call("GET", f"dags/{name}/dagVersions")["total_entries"])
