"""Report failed tasks of all DAGs, by polling: no DAG is edited, and killed processes are seen as well."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from lark_provider.bridge import failure_reading as reading
from lark_provider.bridge.airflow_api import REQUESTS_AT_ONCE, AirflowApi
from lark_provider.bridge.dags import Dags
from lark_provider.bridge.failure_logs import FailureLogs
from lark_provider.bridge.failure_reading import EndedRun
from lark_provider.bridge.failure_recording import FailureRecorder
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.reading import Dag
from lark_provider.bridge.routes import RouteReceiver, RoutesFile
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.storage.failures import FailureCursor, Mutes, OpenRun
from lark_provider.support import measured, threads
from lark_provider.support.concurrency import map_few

INSTANCES, RUNS = "/dags/~/dagRuns/~/taskInstances", "/dags/~/dagRuns"
POLL_SECONDS = 15.0
OVERLAP = timedelta(seconds=60)
"""A change is visible only when its transaction is committed, some time after `updated_at`."""
_MAX_LOOKBACK = timedelta(hours=24)
"""After a longer pause of all bridges, older failures are not reported."""
_MAX_SEEN = 100_000


class FailurePoller:
    """Polls Airflow. For one event loop; one call at a time.

    Args:
        api: Airflow.
        cursor: How far failures have been reported.
        mutes: The muted tasks.
        apps: The apps that send the cards.
        routes: The routes, which name the receivers of failures.
        url: Airflow's base URL, for links on cards.
    """

    def __init__(
        self,
        api: AirflowApi,
        cursor: FailureCursor,
        mutes: Mutes,
        apps: IncidentApps,
        routes: RoutesFile,
        url: str,
    ) -> None:
        self._api, self._cursor, self._mutes, self._apps, self._routes = api, cursor, mutes, apps, routes
        self._url = url
        self._dags = Dags(api)
        self._seen: dict[str, None] = {}
        """Failed tries that were looked at; rows decide after a restart."""
        self._seen_runs: dict[EndedRun, None] = {}
        """Failed runs that were looked at, likewise."""
        self._logs = FailureLogs(api, apps, url)
        self._recorder = FailureRecorder(apps, routes, url)

    async def poll(self) -> None:
        """Look once at what has failed and recovered since the last time; the first time begins now.

        Raises:
            LarkError: Airflow or the database cannot be used. Nothing is lost: the next call looks again.
        """
        # Read each time: another bridge may have polled meanwhile.
        cursor = await threads.run(self._cursor.read)
        incidents = await threads.run(self._cursor.open_incidents)
        if cursor is None:
            await self._api.get(RUNS, {"limit": 1})  # So that Airflow's clock is known.
            cursor = self._api.now() + OVERLAP
        now = self._api.now()
        since = max(cursor - OVERLAP, now - _MAX_LOOKBACK)
        await self._logs.begin_poll(incidents)
        reported = await self._report_tasks(since)
        ended = await self._read_ended_runs(since, ("success", "failed") if incidents else ("failed",))
        # Before recoveries: the card of a run that failed again, though its tasks have recovered, stays open.
        await self._report_runs([run for run in ended.values() if run.state == "failed"], reported)
        await self._recover({incident.run for incident in incidents}, ended)
        await threads.run(lambda: self._cursor.write(max(cursor, now)))
        measured.BRIDGE_POLLS.add("failures")
        # Last, so that neither a report nor the cursor waits for logs that were not read in time.
        await self._logs.catch_up()

    async def _report_tasks(self, since: datetime) -> set[tuple[str, str]]:
        """Report failed tasks, and return the DAG and run of each that has failed since then, new or not."""
        params = {"state": "failed", "updated_at_gte": since.isoformat(), "order_by": "id"}
        listed = await self._api.read_pages(INSTANCES, "task_instances", params)
        runs = {(str(ti["dag_id"]), str(ti["dag_run_id"])) for ti in listed}
        unseen = {str(ti["id"]): ti for ti in listed if str(ti["id"]) not in self._seen}
        if not unseen:
            return runs
        dags = await self._dags.get({ti["dag_id"] for ti in unseen.values()})
        muted = await threads.run(self._mutes.read_active)
        failures: list[tuple[RunEvent, Sequence[RouteReceiver]]] = []
        for ti in sorted(unseen.values(), key=lambda ti: (str(ti.get("end_date") or ""), str(ti["id"]))):
            dag = dags[ti["dag_id"]]
            if (ti["dag_id"], ti["task_id"]) in muted:
                measured.BRIDGE_FAILURES.add("muted")
                continue
            receivers = self._routes.for_failure(ti["dag_id"], dag.tags, dag.owners, ti["task_id"])
            if not receivers:
                measured.BRIDGE_FAILURES.add("unrouted")
            failures.append((reading.read_failure(ti, dag, self._url), receivers))
        events = await self._logs.add_errors([event for event, receivers in failures if receivers])
        await self._recorder.record(
            [(events.get(event.ti_id, event), receivers) for event, receivers in failures]
        )
        for ti_id in unseen:
            self._seen[ti_id] = None
        while len(self._seen) > _MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return runs

    async def _read_ended_runs(
        self, since: datetime, states: Sequence[str]
    ) -> dict[tuple[str, str], EndedRun]:
        params = {"state": states, "updated_at_gte": since.isoformat(), "order_by": "id"}
        runs = [reading.read_run(entry) for entry in await self._api.read_pages(RUNS, "dag_runs", params)]
        return {(run.dag_id, run.run_id): run for run in runs}

    async def _recover(self, open_runs: set[OpenRun], ended: Mapping[tuple[str, str], EndedRun]) -> None:
        async def recover(place: tuple[OpenRun, EndedRun]) -> None:
            run, end = place
            app = await self._apps.find(run.app_id)
            if app is not None:
                params = {"state": ("success", "failed"), "order_by": "id"}
                instances = await self._api.read_pages(_make_instances_path(end), "task_instances", params)
                await self._recorder.recover(app, end, instances)

        places = ((run, ended.get((run.dag_id, run.run_id))) for run in open_runs)
        await map_few(recover, [(run, end) for run, end in places if end is not None], REQUESTS_AT_ONCE)

    async def _report_runs(self, failed: Sequence[EndedRun], reported: Collection[tuple[str, str]]) -> None:
        """Report runs that failed without a failed task, as by their time-out or since none could go on.

        Those of `reported` have a failed task; only of the others each has to be asked for.
        """
        new = [
            run for run in failed if run not in self._seen_runs and (run.dag_id, run.run_id) not in reported
        ]
        dags = await self._dags.get({run.dag_id for run in new}) if new else {}
        await map_few(lambda run: self._report_run(run, dags[run.dag_id]), new, REQUESTS_AT_ONCE)
        self._seen_runs |= dict.fromkeys(failed)
        while len(self._seen_runs) > _MAX_SEEN:
            del self._seen_runs[next(iter(self._seen_runs))]

    async def _report_run(self, run: EndedRun, dag: Dag) -> None:
        page = await self._api.get(_make_instances_path(run), {"state": "failed", "limit": 1}) or {}
        if page.get("task_instances"):
            return
        event = reading.make_run_failure(run.dag_id, run.run_id, dag, self._url)
        receivers = self._routes.for_failure(run.dag_id, dag.tags, dag.owners, "")
        await self._recorder.record_run(run, event, receivers)
        if not receivers:
            measured.BRIDGE_FAILURES.add("unrouted")


def _make_instances_path(run: EndedRun) -> str:
    return f"/dags/{quote(run.dag_id, safe='')}/dagRuns/{quote(run.run_id, safe='')}/taskInstances"
