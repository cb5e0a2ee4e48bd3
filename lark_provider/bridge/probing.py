"""What a bridge depends on, for its readiness."""

from __future__ import annotations

from typing import Any

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.storage.hitl_questions import Questions
from lark_provider.support import threads


class AirflowCheck:
    """Whether Airflow's REST API answers."""

    name = "airflow"
    is_up = True

    def __init__(self, api: AirflowApi) -> None:
        self._api = api

    async def probe(self) -> None:
        """Read its version, as the bridge's account.

        Raises:
            LarkError: It cannot be read.
        """
        await self._api.get("/version")


class DatabaseCheck:
    """Whether the database has our tables and answers."""

    name = "database"
    is_up = True

    def __init__(self, database: Any) -> None:
        self._store = Questions(database)

    async def probe(self) -> None:
        """Read a row of questions.

        Raises:
            StorageError: It cannot be used.
        """
        await threads.run(lambda: self._store.read_states([""]))
