"""What polls of failures ask a real API server for when many runs fail at one moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from lark_provider.bridge import failure_logs
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.failures import FailurePoller
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.settings import Credentials
from lark_provider.outbox import outgoing
from lark_provider.protocol.tokens import App
from lark_provider.storage.failures import FailureCursor, Mutes
from lark_provider.storage.incidents import Incidents
from lark_provider.support.secret import Secret
from tests.airflow.api_server import APP, APP_SECRET, CHAT, ApiServer

COUNT = 12


class Counted(AirflowApi):
    """Records the paths that are read."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(credentials)
        self.paths: list[str] = []

    async def get(self, path: str, params: Any = None) -> Any:
        self.paths.append(path)
        return await super().get(path, params)


def poll(server: ApiServer, name: str, then: Callable[[], object], routes: str | None = None) -> list[str]:
    """Poll once as a new bridge, call `then`, and return the paths that two more polls request.

    Args:
        server: The API server.
        name: The name of the bridge's cursor.
        then: Called after the first poll.
        routes: The path of the routes file, if there is one.
    """

    async def poll() -> list[str]:
        api = Counted(Credentials(server.url, "eve", Secret("eve")))
        cursor, mutes = FailureCursor(server.database, name), Mutes(server.database)
        apps = IncidentApps(server.database, BridgeClients(), APP)
        poller = FailurePoller(api, cursor, mutes, apps, RoutesFile(routes), server.url)
        try:
            await poller.poll()
            then()
            api.paths.clear()
            await poller.poll()
            await poller.poll()
            return api.paths
        finally:
            await api.close()

    return asyncio.run(poll())


@pytest.fixture(autouse=True)
def environment(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the bridge, which runs in this process, the app's credentials."""
    monkeypatch.setenv("LARK_APP_ID", APP)
    monkeypatch.setenv("LARK_APP_SECRET", APP_SECRET)
    monkeypatch.setenv("LARK_BASE_URL", api_server.lark_url)


def test_a_failed_run_is_asked_for_only_if_none_of_its_tasks_was_told(api_server: ApiServer) -> None:
    runs = [api_server.run("ask") for _ in range(COUNT)]

    def fail_all() -> None:
        fail(api_server, "dag_run", runs)
        fail(api_server, "task_instance", runs[:-1])  # The last one timed out.

    paths = poll(api_server, "a cursor of this test", fail_all)
    expected = {run_id: f"/dags/ask/dagRuns/{quote(run_id, safe='')}/taskInstances" for run_id in runs}
    assert [path for path in paths if path in expected.values()] == [expected[runs[-1]]]


def test_logs_that_one_bridge_had_no_time_for_are_read_by_the_next(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    routes, name = tmp_path / "lark.yaml", "another cursor of this test"
    routes.write_text(f"routes: [{{dag: etl, what: failures, to: {CHAT}}}]\n")
    runs = [api_server.run("etl") for _ in range(COUNT)]
    for run_id in runs:
        write_log(api_server, run_id)
    logs = [f"/dags/etl/dagRuns/{quote(run_id, safe='')}/taskInstances/load/logs/1" for run_id in runs]

    monkeypatch.setattr(failure_logs, "POLL_SECONDS", 0.0)
    paths = poll(api_server, name, lambda: fail(api_server, "task_instance", runs), str(routes))
    assert not set(paths) & set(logs)
    assert quoting(api_server, runs) == []

    # Airflow lists them no more: the bridge that takes over knows them by the rows of their cards alone.
    fail(api_server, "task_instance", runs, at="now() - interval '1 hour'")
    monkeypatch.setattr(failure_logs, "POLL_SECONDS", 60.0)
    paths = poll(api_server, name, lambda: None, str(routes))
    assert quoting(api_server, runs) == runs
    assert not set(paths) & set(logs), "its first poll has read them"


def fail(
    server: ApiServer, table: str, runs: list[str], at: str = "clock_timestamp() + interval '90 seconds'"
) -> None:
    """Mark runs, or their tasks, as failed in Airflow's database, as the scheduler does."""
    tried = ", try_number = 1" if table == "task_instance" else ""
    statement = (
        f"UPDATE {table} SET state = 'failed', end_date = {at}, updated_at = {at}{tried} "  # noqa: S608 - ours
        "WHERE run_id = ANY(:runs)"
    )
    with server.sql.begin() as connection:
        connection.execute(sa.text(statement), {"runs": runs})


def write_log(server: ApiServer, run_id: str) -> None:
    """Write the log of a failed task, in the place and format in which a worker writes it."""
    path = server.home / "logs" / "dag_id=etl" / f"run_id={run_id}" / "task_id=load" / "attempt=1.log"
    error = {"exc_type": "ValueError", "exc_value": f"no rows for {run_id}", "frames": [], "is_cause": False}
    line = {
        "timestamp": "2026-11-26T10:00:00Z", "level": "error", "event": "Task failed with exception",
        "error_detail": [error],
    }  # fmt: skip
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(line) + "\n")


def quoting(server: ApiServer, runs: list[str]) -> list[str]:
    """Return the runs whose card quotes the error of their task."""
    incidents = Incidents(server.database, App(server.lark_url, APP, Secret(APP_SECRET)))
    quoted = []
    for run_id in runs:
        (recorded,) = incidents.of_run("etl", run_id)
        if any(f"no rows for {run_id}" in failure.error for failure in recorded.incident.failures):
            assert "Traceback" in outgoing.render_card_payload(recorded)
            quoted.append(run_id)
    return quoted
