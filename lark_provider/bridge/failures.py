"""Report failed tasks of all DAGs, by polling: no DAG is edited, and killed processes are seen as well."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from lark_provider.api.cards.airflow.mentions import Mentions, resolve
from lark_provider.bridge import failure_reading as reading
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.at_once import few_at_once
from lark_provider.bridge.dags import Dags
from lark_provider.bridge.errors import AirflowRefusedError
from lark_provider.bridge.failure_reading import EndedRun
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.reading import Dag
from lark_provider.bridge.routes import Receiver, RoutesFile
from lark_provider.outbox import outgoing
from lark_provider.protocol.incidents.changes import after
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.shown import Place, Shown
from lark_provider.protocol.tokens import App
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.escalations import Escalations
from lark_provider.storage.failures import FailureCursor, Mutes, OpenRun
from lark_provider.storage.incidents import Incidents
from lark_provider.support import measured, threads

V = TypeVar("V")
logger = logging.getLogger(__name__)

INSTANCES, RUNS = "/dags/~/dagRuns/~/taskInstances", "/dags/~/dagRuns"
POLL_SECONDS = 15.0
OVERLAP = timedelta(seconds=60)
"""A change is visible only when its transaction is committed, some time after `updated_at`."""
_LONGEST = timedelta(hours=24)
"""After a longer pause of all bridges, older failures are not reported."""
_LOG_SECONDS = 10.0
"""For the logs of one poll; each is read from the worker that wrote it."""
_AT_ONCE = 4
_MOST_SEEN = 100_000


class FailurePoller:
    """Polls Airflow. For one event loop; one call at a time.

    Args:
        api: Airflow.
        cursor: How far failures have been reported.
        mutes: The muted tasks.
        apps: The apps that send the cards.
        routes: Who is told.
        url: Airflow's, for links on cards.
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
        self._can_read_logs = True

    async def poll(self) -> None:
        """Look once at what has failed and recovered since the last time; the first time begins now.

        Raises:
            LarkError: Airflow or the database cannot be used. Nothing is lost: the next call looks again.
        """
        # Read each time: another bridge may have polled meanwhile.
        cursor = await threads.run(self._cursor.read)
        open_runs = await threads.run(self._cursor.open_runs)
        if cursor is None:
            await self._api.get(RUNS, {"limit": 1})  # So that Airflow's clock is known.
            cursor = self._api.now() + OVERLAP
        now = self._api.now()
        since = max(cursor - OVERLAP, now - _LONGEST)
        told = await self._report(since)
        ended = await self._ended(since, ("success", "failed") if open_runs else ("failed",))
        await self._recover(open_runs, ended)
        failed = [one for one in ended.values() if one.state == "failed"]
        await self._report_runs(failed, told)
        await threads.run(lambda: self._cursor.write(max(cursor, now)))
        measured.BRIDGE_POLLS.add("failures")

    async def _report(self, since: datetime) -> set[tuple[str, str]]:
        """Report failed tasks, and return DAG and run of all that have failed since then."""
        params = {"state": "failed", "updated_at_gte": since.isoformat(), "order_by": "id"}
        listed = await self._api.pages(INSTANCES, "task_instances", params)
        runs = {(str(one["dag_id"]), str(one["dag_run_id"])) for one in listed}
        found = {str(one["id"]): one for one in listed if str(one["id"]) not in self._seen}
        if not found:
            return runs
        dags = await self._dags.get({one["dag_id"] for one in found.values()})
        muted = await threads.run(self._mutes.active)
        told: list[tuple[RunEvent, Sequence[Receiver]]] = []
        for ti in sorted(found.values(), key=lambda one: (str(one.get("end_date") or ""), str(one["id"]))):
            dag = dags[ti["dag_id"]]
            if (ti["dag_id"], ti["task_id"]) in muted:
                measured.BRIDGE_FAILURES.add("muted")
                continue
            receivers = self._routes.for_failure(ti["dag_id"], dag.tags, dag.owners, ti["task_id"])
            if not receivers:
                measured.BRIDGE_FAILURES.add("unrouted")
            told.append((reading.failure(ti, dag, self._url), receivers))
        events = await self._explained([event for event, receivers in told if receivers])
        await self._record([(events.get(event.ti_id, event), receivers) for event, receivers in told])
        for ti_id in found:
            self._seen[ti_id] = None
        while len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        return runs

    async def _explained(self, events: Sequence[RunEvent]) -> dict[str, RunEvent]:
        """Return failures with the errors of their logs, by task instance, as many as there is time for."""
        if not self._can_read_logs:
            return {}
        until = asyncio.get_running_loop().time() + _LOG_SECONDS

        async def explain(event: RunEvent) -> RunEvent:
            if asyncio.get_running_loop().time() >= until:
                return event
            log = await self._api.get(reading.log_path(event), {"map_index": event.map_index})
            return reading.with_error(event, log if isinstance(log, Mapping) else None)

        try:
            found = await few_at_once(map(explain, reading.by_run(events)), _AT_ONCE)
            return {one.ti_id: one for one in found}
        except AirflowRefusedError as error:
            self._can_read_logs = False
            logger.warning("Task logs not readable; failures have no error text", extra={"error": str(error)})
            return {}

    async def _record(self, told: Sequence[tuple[RunEvent, Sequence[Receiver]]]) -> None:
        """Record failures by run and receiver: each card changes once, however many failures are new."""
        by_run: dict[tuple[str, str], list[RunEvent]] = defaultdict(list)
        by_place: dict[tuple[str, str, Receiver], list[RunEvent]] = defaultdict(list)
        for event, receivers in told:
            by_run[event.dag_id, event.run_id].append(event)
            for receiver in receivers:
                by_place[event.dag_id, event.run_id, receiver].append(event)
        for (dag_id, run_id, receiver), events in by_place.items():
            app = await self._apps.find(receiver.app_id)
            if app is not None:
                place = _place(events[0], receiver)
                new = await self._changed(dag_id, run_id, partial(self._tell, app, place, receiver, events))
                for _ in range(new or 0):
                    measured.BRIDGE_FAILURES.add("told")
        default = await self._apps.find(None)
        if default is not None:
            for dag_id, run_id in by_run:
                await self._changed(dag_id, run_id, partial(self._offer, default, dag_id, run_id))

    async def _changed(self, dag_id: str, run_id: str, work: Callable[[], V]) -> V | None:
        """Change incidents of a run; one that cannot be decrypted must not stop the reports of other runs."""
        try:
            return await threads.run(work)
        except DecryptionError as error:
            logger.error(  # noqa: TRY400 - the text says all
                "Card of a run's failures cannot be changed",
                extra={"dag_id": dag_id, "run_id": run_id, "error": str(error)},
            )
            return None

    def _tell(self, app: App, place: Place, receiver: Receiver, events: Sequence[RunEvent]) -> int:
        """Record failures of one run for one receiver, and return how many were new. Blocks."""
        incidents = Incidents(self._apps.database, app)
        recorded = incidents.of_run(place.dag_id, place.run_id)
        mine = [one for one in recorded if one.place.receiver == place.receiver]
        known = {failure.ti_id for one in mine for failure in one.incident.failures}
        new = [
            one
            for one in events
            if one.ti_id not in known
            and not any(old.incident.is_counted(one.label, one.try_number) for old in mine)
        ]
        if not new:
            self._escalate(app, receiver, next((one.key for one in mine if not one.incident.over), None))
            return 0
        people = resolve(receiver.mentions, (), {})

        def change(before: Shown) -> Shown:
            incident = reading.with_failures(before.incident, new, receiver.timezone)
            kept = before.mentions if any(before.mentions) else _names(people)
            incident = reading.waiting(incident, receiver.quiet_hours, datetime.now(UTC))
            return replace(before, incident=incident, event=new[-1], mentions=kept)

        done = incidents.record(place, new[-1], change, outgoing.card)
        self._escalate(app, receiver, None if done.shown is None else done.shown.key)
        return len(new)

    def _escalate(self, app: App, receiver: Receiver, key: str | None) -> None:
        """Record the steps of an incident's escalation, unless they are recorded. Blocks."""
        if key is not None and receiver.escalation is not None:
            steps = Escalations(self._apps.database, app, outgoing.card)
            steps.plan(key, receiver.escalation, receiver.quiet_hours)

    def _offer(self, app: App, dag_id: str, run_id: str) -> None:
        """Add buttons to cards that a task itself has sent. Blocks."""
        incidents = Incidents(self._apps.database, app)
        timezone = self._routes.current().timezone
        for one in incidents.of_run(dag_id, run_id):
            if not one.incident.has_actions and not one.incident.over:
                incidents.change(
                    one.key,
                    lambda before: replace(before, incident=reading.with_actions(before.incident, timezone)),
                    outgoing.card,
                )

    async def _ended(self, since: datetime, states: Sequence[str]) -> dict[tuple[str, str], EndedRun]:
        params = {"state": states, "updated_at_gte": since.isoformat(), "order_by": "id"}
        found = [reading.ended_run(one) for one in await self._api.pages(RUNS, "dag_runs", params)]
        return {(one.dag_id, one.run_id): one for one in found}

    async def _recover(self, open_runs: set[OpenRun], ended: Mapping[tuple[str, str], EndedRun]) -> None:
        async def recover(run: OpenRun, end: EndedRun) -> None:
            app = await self._apps.find(run.app_id)
            if app is not None:
                params = {"state": ("success", "failed"), "order_by": "id"}
                instances = await self._api.pages(_instances(end), "task_instances", params)
                await self._changed(run.dag_id, run.run_id, partial(self._end, app, end, instances))

        places = {run: ended.get((run.dag_id, run.run_id)) for run in open_runs}
        works = (recover(run, end) for run, end in places.items() if end is not None)
        await few_at_once(works, _AT_ONCE)

    async def _report_runs(self, failed: Sequence[EndedRun], told: Collection[tuple[str, str]]) -> None:
        """Report runs that failed without a failed task, as by their time-out or since none could go on.

        Those of `told` have a failed task; only of the others each has to be asked for.
        """
        new = [one for one in failed if one not in self._seen_runs and (one.dag_id, one.run_id) not in told]
        dags = await self._dags.get({one.dag_id for one in new}) if new else {}
        await few_at_once((self._report_run(run, dags[run.dag_id]) for run in new), _AT_ONCE)
        self._seen_runs |= dict.fromkeys(failed)
        while len(self._seen_runs) > _MOST_SEEN:
            del self._seen_runs[next(iter(self._seen_runs))]

    async def _report_run(self, run: EndedRun, dag: Dag) -> None:
        found = await self._api.get(_instances(run), {"state": "failed", "limit": 1}) or {}
        if found.get("task_instances"):
            return
        event = reading.run_failure(run.dag_id, run.run_id, dag, self._url)
        receivers = self._routes.for_failure(run.dag_id, dag.tags, dag.owners, "")
        for receiver in receivers:
            app = await self._apps.find(receiver.app_id)
            if app is not None:
                work = partial(self._tell_run, app, _place(event, receiver), receiver, event, run)
                if await self._changed(run.dag_id, run.run_id, work):
                    measured.BRIDGE_FAILURES.add("told")
        if not receivers:
            measured.BRIDGE_FAILURES.add("unrouted")

    def _tell_run(self, app: App, place: Place, receiver: Receiver, event: RunEvent, run: EndedRun) -> bool:
        """Record that a run has failed, and return whether that is new. Blocks."""
        incidents = Incidents(self._apps.database, app)
        known = incidents.of_run(place.dag_id, place.run_id)
        for one in known:
            if one.place.receiver == place.receiver and one.incident.run_ended == run.at:
                self._escalate(app, receiver, one.key)
                return False
        people = resolve(receiver.mentions, (), {})

        def change(before: Shown) -> Shown | None:
            found = after(before.incident, event, {})
            if found is None:
                return None
            found = reading.with_actions(replace(found, run_ended=run.at), receiver.timezone)
            found = reading.waiting(found, receiver.quiet_hours, datetime.now(UTC))
            kept = before.mentions if any(before.mentions) else _names(people)
            return replace(before, incident=found, event=event, mentions=kept)

        done = incidents.record(place, event, change, outgoing.card)
        self._escalate(app, receiver, None if done.shown is None else done.shown.key)
        return True

    def _end(self, app: App, run: EndedRun, instances: Sequence[Mapping[str, Any]]) -> None:
        """Mark what has recovered on the cards of a run. Blocks."""
        incidents = Incidents(self._apps.database, app)

        def change(before: Shown) -> Shown | None:
            found = reading.recovered(
                before.incident, run.dag_id, run.run_id, run.state, instances, self._url
            )
            if found is None:
                return None
            incident = replace(found[0], run_ended=run.at)
            return replace(before, incident=incident, event=found[1])

        for one in incidents.of_run(run.dag_id, run.run_id):
            if not one.incident.over:
                incidents.change(one.key, change, outgoing.card)


def _place(event: RunEvent, to: Receiver) -> Place:
    return Place(event.dag_id, event.run_id, to.receiver, to.receiver_type, to.language)


def _instances(run: EndedRun) -> str:
    return f"/dags/{quote(run.dag_id, safe='')}/dagRuns/{quote(run.run_id, safe='')}/taskInstances"


def _names(people: Mentions) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return tuple(people.ids), tuple(people.emails), tuple(people.names)
