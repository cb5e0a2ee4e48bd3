"""Read the logs of failed tasks for their errors: as many as a poll has time for, the others later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from lark_provider.bridge import failure_errors as errors
from lark_provider.bridge.airflow_api import REQUESTS_AT_ONCE, AirflowApi
from lark_provider.bridge.errors import (
    AirflowRefusedError,
    AirflowTooLongError,
    AirflowUnavailableError,
)
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.outbox import outgoing
from lark_provider.protocol.incidents.changes import format_error_line
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.storage.failures import OpenIncident
from lark_provider.storage.incidents import Incidents
from lark_provider.support.bounded_cache import BoundedCache
from lark_provider.support.concurrency import map_few

logger = logging.getLogger(__name__)

POLL_SECONDS = 10.0
"""The time for the logs of one poll; each is read from the worker that wrote it."""
LATEST_SECONDS = 6 * 3600.0
"""After the last change of a card, its errors are read no more."""
_ATTEMPTS, _LOOKS = 5, 2
"""How often a log is read that Airflow cannot read, and one without an error: workers upload theirs after
the failure."""
_MAX_REMEMBERED = 100_000


class _Recorded(NamedTuple):
    """What a version of an incident has, and what it lacks."""

    version: int
    ti_ids: frozenset[str] = frozenset()
    """Failures that a bridge has looked at."""
    quotes: bool = False
    """Whether its card quotes the error of any failure."""
    unread: tuple[RunEvent, ...] = ()


class FailureLogs:
    """The logs of failed tasks. For one event loop; one call at a time.

    A failure is recorded even if its log was not read in time. That its incident has no error is all that is
    noted, so that another bridge, or this one after a restart, reads it as well. What a log does not tell is
    remembered in this process only.

    Args:
        api: Airflow.
        apps: The apps that send the cards.
        url: Airflow's, for links on cards.
    """

    def __init__(self, api: AirflowApi, apps: IncidentApps, url: str) -> None:
        self._api, self._apps, self._url = api, apps, url
        self._seconds = POLL_SECONDS
        self._incidents: Sequence[OpenIncident] = ()
        self._recorded: dict[str, _Recorded] = {}
        """What is recorded, by the key of the incident."""
        self._over: BoundedCache[str, bool] = BoundedCache(_MAX_REMEMBERED)
        """Failed tries whose error was given up."""
        self._attempts: BoundedCache[str, int] = BoundedCache(_MAX_REMEMBERED)
        """How often the log of a failed try was read without finding an error."""
        self._refusal = ""

    async def begin_poll(self, incidents: Sequence[OpenIncident]) -> None:
        """Look at what is recorded, and grant the time of one poll.

        Args:
            incidents: The open ones, the oldest first.

        Raises:
            StorageError: The database cannot be used.
        """
        self._seconds, self._incidents = POLL_SECONDS, incidents
        for gone in self._recorded.keys() - {current.key for current in incidents}:
            del self._recorded[gone]
        for incident in incidents:
            recorded = self._recorded.get(incident.key)
            if incident.changed_ago > LATEST_SECONDS:
                for event in () if recorded is None else self._list_remaining(recorded):
                    self._give_up(event, f"the card has not changed for {LATEST_SECONDS / 3600:g} h")
            elif recorded is None or recorded.version != incident.version:
                self._recorded[incident.key] = await self._read_incident(incident)

    async def add_errors(self, events: Sequence[RunEvent]) -> dict[str, RunEvent]:
        """Return failures with their errors, by task instance, as many as there is time for.

        Args:
            events: The failures, from the oldest to the newest. After a restart some are recorded already:
                these are left to `catch_up`.
        """
        recorded_ids = frozenset().union(*(recorded.ti_ids for recorded in self._recorded.values()))
        refusal = self._refusal
        explained = await self._read(
            errors.sort_by_run([event for event in events if event.ti_id not in recorded_ids])
        )
        if self._refusal and not refusal:
            logger.warning(
                "Task logs not readable; failures have no error text", extra={"error": self._refusal}
            )
        return explained

    async def catch_up(self) -> None:
        """Read logs of failures that were recorded without an error, and add what is found to the cards.

        Cards that quote no error at all come before the others, and the oldest first.

        Raises:
            StorageError: The database cannot be used.
        """
        waiting = [
            ((rank > 0 or recorded.quotes, age, rank), event)
            for age, current in enumerate(self._incidents)
            if (recorded := self._recorded.get(current.key)) is not None
            for rank, event in enumerate(self._list_remaining(recorded))
        ]
        # A run has an incident for each receiver; its logs are read once.
        wanted = {event.ti_id: event for _order, event in sorted(waiting, key=itemgetter(0))}
        explained = await self._read(wanted.values())
        for incident in self._incidents:
            recorded = self._recorded.get(incident.key)
            if recorded is not None and any(event.ti_id in explained for event in recorded.unread):
                await self._quote_log(incident, explained)

    async def _read_incident(self, incident: OpenIncident) -> _Recorded:
        app = await self._apps.look_up(incident.run.app_id)
        shown: ShownIncident | None = None
        if app is not None:
            find = partial(Incidents(self._apps.database, app).find, incident.key)
            shown = await self._apps.change(incident.run.dag_id, incident.run.run_id, find)
        if shown is None:
            return _Recorded(incident.version)
        failures = shown.incident.failures
        # What only a task's own notification has recorded is still to be told to the receivers of routes.
        reported = failures if shown.incident.has_actions else ()
        return _Recorded(
            shown.incident.version,
            frozenset(failure.ti_id for failure in reported),
            any(failure.error for failure in failures),
            errors.list_unread(shown, self._url),
        )

    def _list_remaining(self, recorded: _Recorded) -> list[RunEvent]:
        return [event for event in recorded.unread if not self._over.get(event.ti_id)]

    async def _read(self, events: Iterable[RunEvent]) -> dict[str, RunEvent]:
        """Read as many logs as there is time for, and return failures with their errors."""
        failures: dict[str, RunEvent] = {}
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def read(event: RunEvent) -> None:
            if loop.time() < began + self._seconds:
                explained = await self._explain(event)
                if explained is not None:
                    failures[event.ti_id] = explained

        await map_few(read, events, REQUESTS_AT_ONCE)
        self._seconds -= loop.time() - began
        return failures

    async def _explain(self, event: RunEvent) -> RunEvent | None:
        """Return a failure with the error of its log; None if it has none, or cannot be read now."""
        try:
            log = await self._api.get(errors.make_log_path(event), {"map_index": event.map_index})
        except AirflowTooLongError as error:
            self._give_up(event, str(error))
            return None
        except (AirflowUnavailableError, AirflowRefusedError) as error:
            # What else is refused, as for a token that was revoked or by a proxy, may be answered later.
            if not (isinstance(error, AirflowRefusedError) and error.is_forbidden):
                self._put_off(event, str(error), _ATTEMPTS)
                return None
            self._refusal = str(error)
            self._give_up(event, self._refusal)
            return None
        explained = errors.add_error(event, log if isinstance(log, Mapping) else None)
        if format_error_line(explained):
            return explained
        self._put_off(event, "there is no log" if log is None else "its log has no error", _LOOKS)
        return None

    def _put_off(self, event: RunEvent, reason: str, limit: int) -> None:
        attempts = (self._attempts.get(event.ti_id) or 0) + 1
        self._attempts.put(event.ti_id, attempts)
        if attempts >= limit:
            self._give_up(event, reason)

    def _give_up(self, event: RunEvent, reason: str) -> None:
        self._over.put(event.ti_id, True)
        fields = {"dag_id": event.dag_id, "run_id": event.run_id, "task": event.label, "reason": reason}
        logger.info("Error of a failed task unknown; its card has no error text", extra=fields)

    async def _quote_log(self, incident: OpenIncident, explained: Mapping[str, RunEvent]) -> None:
        app = await self._apps.look_up(incident.run.app_id)
        if app is not None:
            change = Incidents(self._apps.database, app).change
            work = partial(
                change,
                incident.key,
                lambda before: errors.quote_errors(before, explained),
                outgoing.render_card_payload,
            )
            await self._apps.change(incident.run.dag_id, incident.run.run_id, work)
