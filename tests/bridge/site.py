"""An Airflow, a database, and bridges that poll for failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.failures import FailurePoller
from lark_provider.bridge.incident_apps import IncidentApps
from lark_provider.bridge.lark import BridgeClients
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.settings import Credentials
from lark_provider.outbox import outgoing
from lark_provider.protocol.incidents.shown import ShownIncident
from lark_provider.protocol.tokens import App
from lark_provider.storage.failures import FailureCursor, Mutes
from lark_provider.storage.incidents import Incidents
from lark_provider.support.secret import Secret
from tests.bridge.stand_in import StandInAirflow

PUBLIC = "https://airflow.example.com"


@dataclass
class Site:
    """An Airflow, a database, and bridges that poll."""

    airflow: StandInAirflow
    url: URL
    lark: Emulator
    routes: Path

    def poll(
        self, times: int = 1, public: str = PUBLIC, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Poll `times` times as a new bridge, and call `meanwhile` after each poll."""

        async def poll() -> None:
            api = AirflowApi(Credentials(self.airflow.url, token=Secret("t")))
            apps = IncidentApps(self.url, BridgeClients(), self.lark.app_id)
            cursor, mutes = FailureCursor(self.url, "airflow"), Mutes(self.url)
            poller = FailurePoller(api, cursor, mutes, apps, RoutesFile(str(self.routes)), public)
            try:
                for _ in range(times):
                    await poller.poll()
                    meanwhile()
            finally:
                await api.close()

        asyncio.run(poll())

    def of(self, run_id: str) -> ShownIncident:
        app = App(self.lark.base_url, self.lark.app_id, Secret(self.lark.app_secret))
        (shown,) = Incidents(self.url, app).of_run("etl", run_id)
        return shown

    def quoting(self) -> list[str]:
        """Return the runs whose card quotes the error of their task."""
        runs = [str(instance["dag_run_id"]) for instance in self.airflow.failed]
        return [run for run in runs if f"no rows for {run}" in outgoing.render_card_payload(self.of(run))]
