"""Record failures and recoveries of runs as incidents, whose cards the outbox brings to Lark.

An incident's row shows which of its errors are still missing; a later poll reads their logs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lark_provider.api.cards.airflow.mentions import Mentions, resolve
from lark_provider.bridge import failure_reading as reading
from lark_provider.bridge.failure_reading import EndedRun
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.routes import RouteReceiver, RoutesFile
from lark_provider.outbox import outgoing
from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.protocol.tokens import App
from lark_provider.storage.escalations import Escalations
from lark_provider.storage.incidents import Incidents
from lark_provider.support import measured


class FailureRecorder:
    """Records what a bridge has seen. For one event loop.

    Args:
        apps: The apps that send the cards.
        routes: The routes, which name the receivers of failures.
        url: Airflow's base URL, for links on cards.
    """

    def __init__(self, apps: IncidentApps, routes: RoutesFile, url: str) -> None:
        self._apps, self._routes, self._url = apps, routes, url

    async def record(self, failures: Sequence[tuple[RunEvent, Sequence[RouteReceiver]]]) -> None:
        """Record failures by run and receiver: each card changes once, however many failures are new.

        Args:
            failures: The failures, from the oldest to the newest, each with its receivers.

        Raises:
            StorageError: The database cannot be used.
        """
        by_run: dict[tuple[str, str], list[RunEvent]] = defaultdict(list)
        by_place: dict[tuple[str, str, RouteReceiver], list[RunEvent]] = defaultdict(list)
        for event, receivers in failures:
            by_run[event.dag_id, event.run_id].append(event)
            for receiver in receivers:
                by_place[event.dag_id, event.run_id, receiver].append(event)
        for (dag_id, run_id, receiver), events in by_place.items():
            app = await self._apps.find(receiver.app_id)
            if app is not None:
                place = _make_place(events[0], receiver)
                new = await self._apps.change(
                    dag_id, run_id, partial(self._record_failures, app, place, receiver, events)
                )
                for _ in range(new or 0):
                    measured.BRIDGE_FAILURES.add("told")
        default = await self._apps.find(None)
        if default is not None:
            for dag_id, run_id in by_run:
                await self._apps.change(dag_id, run_id, partial(self._offer_actions, default, dag_id, run_id))

    async def record_run(self, run: EndedRun, event: RunEvent, receivers: Sequence[RouteReceiver]) -> None:
        """Record for its receivers that a run has failed without a failed task.

        Args:
            run: The run.
            event: The event of the run's failure, see `failure_reading.make_run_failure`.
            receivers: The chats and people that are notified of the failure.

        Raises:
            StorageError: The database cannot be used.
        """
        for receiver in receivers:
            app = await self._apps.find(receiver.app_id)
            if app is not None:
                work = partial(
                    self._record_run_failure, app, _make_place(event, receiver), receiver, event, run
                )
                if await self._apps.change(run.dag_id, run.run_id, work):
                    measured.BRIDGE_FAILURES.add("told")

    async def recover(self, app: App, run: EndedRun, instances: Sequence[Mapping[str, Any]]) -> None:
        """Mark what has recovered on the cards of a run.

        Args:
            app: The app that sent the cards.
            run: The run, which has ended again.
            instances: Its task instances that have succeeded or failed.

        Raises:
            StorageError: The database cannot be used.
        """
        await self._apps.change(run.dag_id, run.run_id, partial(self._record_end, app, run, instances))

    def _record_failures(
        self, app: App, place: IncidentPlace, receiver: RouteReceiver, events: Sequence[RunEvent]
    ) -> int:
        """Record failures of one run for one receiver, and return how many were new. Blocks."""
        incidents = Incidents(self._apps.database, app)
        of_run = incidents.of_run(place.dag_id, place.run_id)
        of_receiver = [shown for shown in of_run if shown.place.receiver == place.receiver]
        known = {failure.ti_id for shown in of_receiver for failure in shown.incident.failures}
        new = [
            event
            for event in events
            if event.ti_id not in known
            and not any(old.incident.is_counted(event.label, event.try_number) for old in of_receiver)
        ]
        if not new:
            self._escalate(
                app, receiver, next((shown.key for shown in of_receiver if not shown.incident.over), None)
            )
            return 0
        people = resolve(receiver.mentions, (), {})

        def change(before: ShownIncident) -> ShownIncident:
            incident = reading.add_failures(before.incident, new, receiver.timezone)
            kept = before.mentions if any(before.mentions) else _get_names(people)
            incident = reading.apply_quiet_hours(incident, receiver.quiet_hours, datetime.now(UTC))
            return replace(before, incident=incident, event=new[-1], mentions=kept)

        recorded = incidents.record(place, new[-1], change, outgoing.render_card_payload)
        if recorded.is_muted:  # Since this poll has read what is muted: the other tasks are not.
            rest = [event for event in events if event.task_id != new[-1].task_id]
            return self._record_failures(app, place, receiver, rest)
        self._escalate(app, receiver, None if recorded.shown is None else recorded.shown.key)
        return len(new)

    def _escalate(self, app: App, receiver: RouteReceiver, key: str | None) -> None:
        """Record the steps of an incident's escalation, unless they are recorded. Blocks."""
        if key is not None and receiver.escalation is not None:
            steps = Escalations(self._apps.database, app, outgoing.render_card_payload)
            steps.plan(key, receiver.escalation, receiver.quiet_hours)

    def _offer_actions(self, app: App, dag_id: str, run_id: str) -> None:
        """Add buttons to cards that a task itself has sent. Blocks."""
        incidents = Incidents(self._apps.database, app)
        timezone = self._routes.read_current().timezone
        for shown in incidents.of_run(dag_id, run_id):
            if not shown.incident.has_actions and not shown.incident.over:
                incidents.change(
                    shown.key,
                    lambda before: replace(before, incident=reading.add_actions(before.incident, timezone)),
                    outgoing.render_card_payload,
                )

    def _record_run_failure(
        self, app: App, place: IncidentPlace, receiver: RouteReceiver, event: RunEvent, run: EndedRun
    ) -> bool:
        """Record that a run has failed, and return whether that is new. Blocks."""
        incidents = Incidents(self._apps.database, app)
        for shown in incidents.of_run(place.dag_id, place.run_id):
            if shown.place.receiver == place.receiver and shown.incident.run_ended == run.at:
                self._escalate(app, receiver, shown.key)
                return False
        people = resolve(receiver.mentions, (), {})

        def change(before: ShownIncident) -> ShownIncident | None:
            incident = apply_event(before.incident, event, {})
            if incident is None:
                return None
            incident = reading.add_actions(replace(incident, run_ended=run.at), receiver.timezone)
            incident = reading.apply_quiet_hours(incident, receiver.quiet_hours, datetime.now(UTC))
            kept = before.mentions if any(before.mentions) else _get_names(people)
            return replace(before, incident=incident, event=event, mentions=kept)

        recorded = incidents.record(place, event, change, outgoing.render_card_payload)
        self._escalate(app, receiver, None if recorded.shown is None else recorded.shown.key)
        return True

    def _record_end(self, app: App, run: EndedRun, instances: Sequence[Mapping[str, Any]]) -> None:
        """Mark what has recovered on the cards of a run. Blocks."""
        incidents = Incidents(self._apps.database, app)

        def change(before: ShownIncident) -> ShownIncident | None:
            outcome = reading.apply_run_end(
                before.incident, run.dag_id, run.run_id, run.state, instances, self._url
            )
            if outcome is None:
                return None
            incident, event = outcome
            # The card of a run that has failed goes on to say why, and not which task has recovered last.
            return replace(before, incident=incident, event=before.event if incident.run_failed else event)

        for shown in incidents.of_run(run.dag_id, run.run_id):
            if not shown.incident.over:
                incidents.change(shown.key, change, outgoing.render_card_payload)


def _make_place(event: RunEvent, to: RouteReceiver) -> IncidentPlace:
    return IncidentPlace(event.dag_id, event.run_id, to.receiver, to.receiver_type, to.language)


def _get_names(people: Mentions) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return tuple(people.ids), tuple(people.emails), tuple(people.names)
