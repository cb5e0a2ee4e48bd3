"""A real API server of Airflow's on PostgreSQL, with the plugin; questions are asked without a scheduler.

A task that waits is a row of its task instance and a row of its question. Both are written here as a worker
leaves them, so that a hundred questions take a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider.protocol.callbacks import Action, Operator
from lark_provider.protocol.hitl.delivery import DeliveredClick
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.model import Assignee, HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.proof import CLICK_PATH, BridgeSecrets
from lark_provider.storage import urls
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from lark_provider.storage.hitl_cards import NewCard, QuestionCards
from lark_provider.storage.hitl_questions import Questions
from lark_provider.storage.people import Account, People, Person
from tests.airflow.conftest import AirflowHome, metadata_setting
from tests.failures.locks import count_waiting
from tests.failures.waiting import wait_until
from tests.services.processes import alive, free_port, tree
from tests.storage import prepared

SECRET = "a-secret-of-the-bridge-with-32-bytes-or-more"
APP_SECRET = "secret-of-the-app"
APP, TENANT, CHAT = "cli_plugin", "tenant-own", "oc_team"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
ROLES = {"admin": "admin", "alice": "user", "bob": "user", "eve": "viewer"}
MANY = 100
_DAGS = f"""
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param

with DAG("etl", tags=["chat"], params={{
    "day": Param("2026-01-01", type="string", format="date"),
    "count": Param(1, type="integer", maximum=9),
}}):
    EmptyOperator(task_id="load")
with DAG("ask"):
    EmptyOperator(task_id="q")
with DAG("chain"):
    EmptyOperator(task_id="q0") >> EmptyOperator(task_id="after") >> EmptyOperator(task_id="last")
with DAG("many"):
    for place in range({MANY}):
        EmptyOperator(task_id=f"q{{place}}")
"""


@dataclass(frozen=True)
class Asked:
    """A question that waits in Airflow, recorded with its card."""

    question: HitlQuestion
    card: str
    message_id: str

    @property
    def path(self) -> str:
        return f"/api/v2{self.question.task.path}/hitlDetails"


@dataclass
class ApiServer:
    """An API server; a context manager.

    Args:
        home: A folder of its own.
        metadata: The URL of an empty database for Airflow.
        ours: The URL of an empty database for this package.
        settings: Added to its environment.
        workers: Its processes.
        beside: Another API server with the same databases, which are there then.
    """

    home: Path
    metadata: str
    ours: str
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    beside: ApiServer | None = None

    def __post_init__(self) -> None:
        self.airflow = AirflowHome(self.home)
        (self.airflow.dags / "ask.py").write_text(_DAGS)
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in ROLES}))
        self.key: str = generate_key() if self.beside is None else self.beside.key
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.airflow.env |= {
            **metadata_setting(make_url(self.metadata)),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in ROLES.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "LARK_BRIDGE_SECRET": SECRET,
            "LARK_DATABASE_URL": self.ours,
            "LARK_CONFIG_ENCRYPTION_KEY": self.key,
            "LARK_ANSWER_HOLD": "3",
            **self.settings,
        }
        self.database = urls.parse(self.ours, "ours")
        if self.beside is None:
            self.airflow.airflow("db", "migrate")
            self.airflow.airflow("dags", "reserialize")
            prepared.upgrade(self.database)
        self.sql = sa.create_engine(make_url(self.metadata).set(drivername="postgresql+psycopg2"))
        self.log_file = self.home / "api-server.log"
        self.start()
        self.secrets = BridgeSecrets(SECRET)
        self.http = httpx.Client(base_url=self.url, timeout=60, limits=httpx.Limits(max_connections=250))
        self.lark_url = ""
        self.lark: Emulator | None = None
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Wait until the server answers requests; close it if that fails."""
        try:
            self.wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the server and the connections to it."""
        self.close()

    def start(self) -> None:
        """Start the API server, for the first time or after `kill`."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1",
                 "--port", str(self._port), "--workers", str(self.workers)],
                env=self.airflow.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Wait until the server answers requests."""

        def serves() -> bool:
            assert self._process.poll() is None, self.log()[-4000:]
            with suppress(httpx.HTTPError):
                return self.http.get("/api/v2/version").is_success
            return False

        wait_until(serves, 180)

    @property
    def pid(self) -> int:
        """Return the pid of the server's first process."""
        return self._process.pid

    def log(self) -> str:
        """Return what the server has printed."""
        return self.log_file.read_text(errors="replace")

    def close(self) -> None:
        """Close the connections to the server, and kill its processes."""
        self.http.close()
        self.sql.dispose()
        self.kill()

    def kill(self) -> None:
        """Kill all processes of the server with SIGKILL, and wait until they are gone."""
        pids = tree(self._process.pid)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._process.wait()
        wait_until(lambda: not any(map(alive, pids)))

    def make_headers(self, user: str) -> dict[str, str]:
        """Return the Authorization header of a user, with an access token that is requested once."""
        if user not in self._tokens:
            response = self.http.post("/auth/token", json={"username": user, "password": user})
            assert response.is_success, response.text
            self._tokens[user] = response.json()["access_token"]
        return {"Authorization": f"Bearer {self._tokens[user]}"}

    def call(self, method: str, path: str, body: Any = None, user: str = "admin") -> httpx.Response:
        """Send a request to Airflow's REST API as a user."""
        return self.http.request(method, path, json=body, headers=self.make_headers(user))

    def run(self, dag_id: str, **fields: str) -> str:
        """Create a DAG run and return its id; no scheduler executes it."""
        response = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, **fields})
        assert response.is_success, response.text
        run_id: str = response.json()["dag_run_id"]
        return run_id

    def park(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        *,
        state: str = "awaiting_input",
        seconds: float = 3600,
        options: Sequence[str] = ("Approve", "Reject"),
        multiple: bool = False,
        params: Mapping[str, Any] | None = None,
        assignees: Sequence[str] = (),
    ) -> HitlQuestion:
        """Record in Airflow that a task has been waiting for an answer for `seconds`; return its question."""
        people = [{"id": name, "name": name} for name in assignees]
        with self.sql.begin() as connection:
            row = connection.execute(
                sa.text(
                    "UPDATE task_instance SET state = :state, try_number = 1, "
                    "updated_at = clock_timestamp() - make_interval(secs => :seconds) "
                    "WHERE dag_id = :dag AND run_id = :run AND task_id = :task RETURNING id"
                ),
                {"state": state, "seconds": seconds, "dag": dag_id, "run": run_id, "task": task_id},
            ).one()
            connection.execute(
                sa.text(
                    "INSERT INTO hitl_detail (ti_id, options, subject, multiple, params, assignees, "
                    "params_input, created_at) VALUES "
                    "(:ti, :options, 'Deploy?', :multiple, :params, :people, '{}', now())"
                ),
                {
                    "ti": row.id, "options": json.dumps(list(options)), "multiple": multiple,
                    "params": json.dumps(params or {}), "people": json.dumps(people),
                },
            )  # fmt: skip
        return HitlQuestion(
            TaskInstance(str(row.id), dag_id, run_id, task_id),
            "Deploy?",
            options=tuple(options),
            multiple=multiple,
            params=params or {},
            assignees=tuple(Assignee(name, name) for name in assignees),
        )

    def ask(self, **details: Any) -> Asked:
        """Start a run whose task waits, and record its question and its sent card as the bridge does."""
        return self.record_card(self.park("ask", self.run("ask"), "q", **details))

    def record_card(self, question: HitlQuestion) -> Asked:
        """Record a question and its card, as sent."""
        ti_id = question.task.ti_id
        questions, card = Questions(self.database), NewCard(ti_id, APP, CHAT, "chat_id", "en")
        questions.record({ti_id: datetime.now(UTC)}, [question])
        questions.open({ti_id: [card]})
        message_id = f"om_{uuid.uuid4().hex}"
        QuestionCards(self.database).record_sent(card.key, message_id, CHAT, "shown")
        return Asked(question, card.key, message_id)

    def link(self, user: str) -> str:
        """Link a person of Lark to an Airflow user, and return the person's open_id."""
        account = Account(SIMPLE, user, user, {"sub": user, "role": ROLES[user].upper()})
        open_id = f"ou_{user}"
        People(self.database, EncryptionKeys(self.key)).link_person(Person(APP, TENANT, open_id), account)
        return open_id

    def click(self, question: Asked, user: str, option: str = "Approve", **changes: Any) -> DeliveredClick:
        """Return a user's click on a question's card, with the fields in `changes` replaced."""
        value = make_button_value(question.card, "answer", option=option)
        click = DeliveredClick(
            event_id=uuid.uuid4().hex,
            app_id=APP,
            tenant_key=TENANT,
            operator=Operator(f"ou_{user}", tenant_key=TENANT),
            action=Action(tag="button", value=value),
            message_id=question.message_id,
            chat_id=CHAT,
            clicked_at=datetime.now(UTC),
        )
        return replace(click, **changes)

    def deliver(self, click: DeliveredClick) -> httpx.Response:
        """Deliver a click with signed headers, as the bridge does."""
        body = click.encode_body()
        return self.post(
            body, self.secrets.make_headers("POST", CLICK_PATH, int(time.time()), click.event_id, body)
        )

    def post(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Post a body unchanged to the click endpoint."""
        return self.http.post(CLICK_PATH, content=body, headers=dict(headers))

    def waiting(self) -> int:
        """Return how many sessions of Airflow's database wait for a lock."""
        return count_waiting(self.sql)

    def read_answer(self, question: Asked) -> dict[str, Any]:
        """Return Airflow's record of a question, with the answer if there is one."""
        response = self.call("GET", question.path)
        assert response.is_success, response.text
        detail: dict[str, Any] = response.json()
        return detail
