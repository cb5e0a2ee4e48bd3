"""An API server is killed after Airflow did what a click asked for, and before the result is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from lark_emulator import Emulator

from lark_provider.protocol.callbacks import Action
from lark_provider.protocol.hitl.delivery import DeliveredClick
from lark_provider.protocol.hitl.keys import make_button_value
from tests.airflow.api_server import APP, APP_SECRET, ApiServer
from tests.airflow.test_plugin_failures import Failed
from tests.bridge.builders import execute
from tests.failures.waiting import wait_until
from tests.services.postgres import PostgresServer

_GATE = 4711
_TRIGGER = f"""
CREATE FUNCTION wait_at_gate() RETURNS trigger AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER gate BEFORE INSERT OR UPDATE ON applied_clicks
    FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION wait_at_gate();
"""


class Servers:
    """One API server after the other, on the same databases."""

    def __init__(self, make: Callable[[ApiServer | None], ApiServer]) -> None:
        self._make = make
        self.now = make(None)
        self.now.wait()
        with self._ours() as ours, ours.begin() as connection:
            connection.execute(sa.text(_TRIGGER))

    @contextmanager
    def _ours(self) -> Iterator[sa.Engine]:
        engine = sa.create_engine(self.now.database.set(drivername="postgresql+psycopg2"))
        try:
            yield engine
        finally:
            engine.dispose()

    def kill_before_the_result(self, click: DeliveredClick) -> httpx.Response:
        """Deliver a click, kill the server before it records the result, restart it and deliver it again."""
        waits = sa.text("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        with (
            self._ours() as ours,
            ThreadPoolExecutor(1) as pool,
            ours.connect() as gate,
            ours.connect() as watch,
        ):
            gate.execute(sa.text(f"SELECT pg_advisory_lock({_GATE})"))
            first = pool.submit(self._deliver, self.now, click)
            wait_until(lambda: watch.execute(waits).first(), 60)
            self.now.close()
            first.result()
        rows = execute(
            self.now.database, "SELECT state FROM applied_clicks WHERE event_id = :e", e=click.event_id
        )
        assert "done" not in {row.state for row in rows}
        self.now = self._make(self.now)
        self.now.wait()
        return self.now.deliver(click)

    @staticmethod
    def _deliver(server: ApiServer, click: DeliveredClick) -> None:
        with suppress(httpx.HTTPError, RuntimeError):  # It is killed, and its client is closed.
            server.deliver(click)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Servers]:
    with postgres_server.databases() as databases, Emulator() as lark:
        lark.add_app(APP, secret=APP_SECRET, scopes=[])
        settings = {"LARK_APP_ID": APP, "LARK_APP_SECRET": APP_SECRET, "LARK_BASE_URL": lark.base_url}
        metadata, ours = databases.make(), databases.make()

        def make(beside: ApiServer | None) -> ApiServer:
            home: Path = tmp_path_factory.mktemp("api")
            server = ApiServer(home, metadata, ours, settings, beside=beside)
            server.lark_url = lark.base_url
            return server

        own_servers = Servers(make)
        try:
            for user in ("alice", "bob"):
                own_servers.now.link(user)
            yield own_servers
        finally:
            own_servers.now.close()


def test_what_was_cleared_before_the_end_is_told_as_cleared_and_nothing_else_is(servers: Servers) -> None:
    failed = Failed(servers.now, 3)
    body = {"dry_run": False, "dag_run_id": failed.run_id, "task_ids": ["q1"], "only_failed": True}
    assert servers.now.call("POST", "/api/v2/dags/many/clearTaskInstances", body, user="alice").is_success
    click = failed.click("bob", "retry")
    done = servers.kill_before_the_result(click)
    failed.server = servers.now
    assert (done.status_code, done.json()["outcome"]) == (200, "retried"), done.text
    assert done.json()["message"]["en"] == (
        "Cleared, to run again: q0, q2; not run again, since they have changed or are not on the card: q1."
    )
    ids = {name: task[0] for name, task in failed.tasks().items()}
    assert servers.now.deliver(click).json()["message"] == done.json()["message"]
    assert {name: task[0] for name, task in failed.tasks().items()} == ids


def test_what_another_person_cleared_meanwhile_is_not_told_as_ones_own(servers: Servers) -> None:
    failed = Failed(servers.now, 1)
    click = failed.click("bob", "retry")
    # As if the process had died just before it told Airflow: the plan stands, and nothing was cleared.
    plan = {
        "tries": [{"label": "q0", "task": {
            "ti_id": failed.ids["q0"], "dag_id": "many", "run_id": failed.run_id, "task_id": "q0",
            "map_index": -1, "try_number": 1}}],
        "others": [], "after": 0,
    }  # fmt: skip
    execute(
        servers.now.database,
        "INSERT INTO applied_clicks (app_id, event_id, card_key, open_id, state, attempts, plan, next_at, "
        "created_at) VALUES (:a, :e, :k, 'ou_bob', 'due', 1, :p, now(), now())",
        a=APP, e=click.event_id, k=failed.key, p=json.dumps(plan),
    )  # fmt: skip
    body = {"dry_run": False, "dag_run_id": failed.run_id, "task_ids": ["q0"], "only_failed": True}
    assert servers.now.call("POST", "/api/v2/dags/many/clearTaskInstances", body, user="alice").is_success
    done = servers.now.deliver(click)
    assert (done.status_code, done.json()["outcome"]) == (410, "superseded")


def test_a_question_that_is_asked_again_is_told_as_cleared(servers: Servers) -> None:
    pending = servers.now.ask(state="failed")
    action = Action(value=make_button_value(pending.card, "ask_again"))
    done = servers.kill_before_the_result(servers.now.click(pending, "bob", action=action))
    assert (done.status_code, done.json()["outcome"]) == (200, "retried"), done.text
    task = servers.now.call("GET", f"/api/v2{pending.question.task.path}").json()
    assert task["id"] != pending.question.task.ti_id


def test_an_answer_counts_although_its_task_went_on_to_the_next_try(servers: Servers) -> None:
    pending = servers.now.ask()
    click = servers.now.click(pending, "bob", "Reject")
    path = f"/api/v2{pending.question.task.path}/hitlDetails"
    answer = {"chosen_options": ["Reject"], "params_input": {}}
    # The answer was written, and the process died before it recorded the result.
    assert servers.now.call("PATCH", path, answer, user="bob").is_success
    body = {
        "dry_run": False,
        "dag_run_id": pending.question.task.run_id,
        "task_ids": ["q"],
        "only_failed": False,
    }
    assert servers.now.call("POST", "/api/v2/dags/ask/clearTaskInstances", body).is_success
    other = servers.now.deliver(servers.now.click(pending, "alice", "Reject"))
    assert (other.status_code, other.json()["outcome"]) == (410, "superseded")
    done = servers.now.deliver(click)
    assert (done.status_code, done.json()["outcome"]) == (200, "answered"), done.text
