"""Send the digest of each route and local day."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial

from lark_provider.api.cards.airflow import digest as cards
from lark_provider.api.cards.airflow.digest import Digest
from lark_provider.api.cards.airflow.mentions import Mentions
from lark_provider.api.routes.model import Route, Routes
from lark_provider.bridge import digest_reading as reading
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.dags import Dags
from lark_provider.bridge.digest_reading import FinishedRun, Period
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.routes import RoutesFile
from lark_provider.outbox import outgoing
from lark_provider.protocol.tokens import App
from lark_provider.storage.digests import Digests
from lark_provider.storage.outbox_rows import OutboxEntry
from lark_provider.support import measured, threads

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 20.0
"""The pause between two looks at the clock."""
_RUNS = "/dags/~/dagRuns"


class DigestSender:
    """Sends digests whose time has come. For one event loop; one call at a time.

    Args:
        api: Airflow.
        digests: Those that are recorded.
        apps: The apps that send them.
        routes: Who gets them, and when.
        url: Airflow's, for links on cards.
    """

    def __init__(
        self, api: AirflowApi, digests: Digests, apps: IncidentApps, routes: RoutesFile, url: str
    ) -> None:
        self._api, self._digests, self._apps, self._routes, self._url = api, digests, apps, routes, url
        self._dags = Dags(api)
        self._seen: set[tuple[str, date]] = set()

    async def work(self) -> None:
        """Record the digests that are due, and their cards; Airflow is asked once for each time of day.

        Raises:
            LarkError: Airflow or the database cannot be used. The next call tries again.
        """
        routes, now = self._routes.read_current(), self._api.now()
        due = [
            (route, reading.compute_latest_period(route.digest, route.timezone, now))
            for route in routes.routes
            if route.digest is not None and self._is_of_team(route)
        ]
        names = {(route.name, period.day) for route, period in due}
        due = [(route, period) for route, period in due if (route.name, period.day) not in self._seen]
        if not due:
            return
        known = await threads.run(lambda: self._digests.find_recorded(names))
        by_period: dict[tuple[datetime, datetime], list[tuple[Route, Period]]] = defaultdict(list)
        for route, period in due:
            if (route.name, period.day) in known:
                self._seen.add((route.name, period.day))
            elif now - period.end > reading.MAX_DELAY:
                await self._skip(route, period)
            elif any([await self._apps.find(receiver.app_id) for receiver in route.receivers]):
                by_period[period.begin, period.end].append((route, period))
        for (begin, end), due_routes in by_period.items():
            runs = await self._read_runs(begin, end)
            for route, period in due_routes:
                await self._record(routes, route, period, runs)
        self._seen &= names  # Those of earlier days are asked about no more.

    def _is_of_team(self, route: Route) -> bool:
        return not route.teams or self._routes.team in route.teams

    async def _skip(self, route: Route, period: Period) -> None:
        if await threads.run(partial(self._digests.record, route.name, period.day, "skipped")):
            measured.BRIDGE_DIGESTS.add("skipped")
            extra = {"route": route.name, "day": str(period.day)}
            logger.info("Digest skipped; its time was over two hours ago", extra=extra)
        self._seen.add((route.name, period.day))

    async def _read_runs(self, begin: datetime, end: datetime) -> list[FinishedRun]:
        params = {
            "state": ("success", "failed"), "order_by": "id",
            "end_date_gte": begin.isoformat(), "end_date_lte": end.isoformat(),
        }  # fmt: skip
        return [reading.read_run(entry) for entry in await self._api.read_pages(_RUNS, "dag_runs", params)]

    async def _record(
        self, routes: Routes, route: Route, period: Period, runs: Sequence[FinishedRun]
    ) -> None:
        receivers = [receiver.receiver for receiver in route.receivers]
        open_ = await threads.run(lambda: self._digests.open_dags(receivers))
        dags = await self._dags.get({run.dag_id for run in runs} | open_)
        own_dags = {
            dag_id
            for dag_id, of_dag in dags.items()
            if reading.is_dag_in_digest(routes, route, dag_id, of_dag, self._routes.team)
        }
        own_runs = [run for run in runs if run.dag_id in own_dags]
        digest = reading.make_digest(
            route.name, period, own_runs, open_ & own_dags, self._url, route.timezone
        )
        entries = await self._make_entries(route, period, digest)
        if not entries:
            return
        record = partial(self._digests.record, route.name, period.day, "recorded", entries)
        if await threads.run(record):
            measured.BRIDGE_DIGESTS.add("recorded")
        self._seen.add((route.name, period.day))

    async def _make_entries(
        self, route: Route, period: Period, digest: Digest
    ) -> list[tuple[App, OutboxEntry]]:
        """Return the cards; none if no app that sends them is known here."""
        entries: list[tuple[App, OutboxEntry]] = []
        for receiver in route.receivers:
            app = await self._apps.find(receiver.app_id)
            if app is None:
                continue
            content = cards.make_card(digest, receiver.language)
            message = outgoing.build_message(
                receiver.receiver, receiver.receiver_type, "interactive", content, Mentions()
            )
            route_key = self._digests.make_route_key(route.name)
            names = f"digest\n{route_key}\n{period.day}\n{app.app_id}\n{receiver.receiver}"
            row = hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()
            expires = period.end + reading.MAX_DELAY
            entries.append((app, OutboxEntry(row, receiver.receiver, message.to_json(), expires_at=expires)))
        return entries
