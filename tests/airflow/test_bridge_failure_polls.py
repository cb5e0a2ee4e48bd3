"""What a poll of failures asks a real API server for when many runs fail at one moment."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.failures import FailurePoller
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import Apps
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.settings import Credentials
from lark_provider.storage.failures import FailureCursor, Mutes
from lark_provider.support.secret import Secret
from tests.airflow.api_server import APP, ApiServer

COUNT = 12


class Counted(AirflowApi):
    """Records the paths that are read."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(credentials)
        self.paths: list[str] = []

    async def get(self, path: str, params: Any = None) -> Any:
        self.paths.append(path)
        return await super().get(path, params)


def test_a_failed_run_is_asked_for_only_if_none_of_its_tasks_was_told(api_server: ApiServer) -> None:
    runs = [api_server.run("ask") for _ in range(COUNT)]
    credentials = Credentials(api_server.url, "eve", Secret("eve"))

    async def poll() -> list[str]:
        api = Counted(credentials)
        cursor = FailureCursor(api_server.database, "a cursor of this test")
        apps = IncidentApps(api_server.database, Apps(), APP)
        poller = FailurePoller(api, cursor, Mutes(api_server.database), apps, RoutesFile(None), "")
        try:
            await poller.poll()
            fail(api_server, runs)
            api.paths.clear()
            await poller.poll()
            await poller.poll()
            return api.paths
        finally:
            await api.close()

    paths = asyncio.run(poll())
    expected = {run_id: f"/dags/ask/dagRuns/{quote(run_id, safe='')}/taskInstances" for run_id in runs}
    assert [path for path in paths if path in expected.values()] == [expected[runs[-1]]]


def fail(server: ApiServer, runs: list[str]) -> None:
    """Let runs fail as the scheduler does: all by their task, but for the last one, which timed out."""
    later = "state = 'failed', end_date = now(), updated_at = now() + interval '90 seconds'"
    with server.sql.begin() as connection:
        for table, some in (("dag_run", runs), ("task_instance", runs[:-1])):
            statement = f"UPDATE {table} SET {later} WHERE run_id = ANY(:runs)"  # noqa: S608 - ours
            connection.execute(sa.text(statement), {"runs": some})
