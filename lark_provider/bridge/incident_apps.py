"""The apps that send the cards of failures, whose secrets encrypt their rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from lark_provider.bridge.lark import BridgeClients
from lark_provider.client.base import find_app
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.tokens import App
from lark_provider.storage.errors import DecryptionError
from lark_provider.support import threads

V = TypeVar("V")
logger = logging.getLogger(__name__)
_UNKNOWN_SECONDS = 60.0


class IncidentApps:
    """Apps by id. For one event loop.

    Args:
        database: The database, as `storage.urls.database` returns it.
        clients: The clients of the apps.
        app_id: The app that sends where a route names none.

    Attributes:
        database: The database.
    """

    def __init__(self, database: Any, clients: BridgeClients, app_id: str) -> None:
        self.database, self._clients, self._app_id = database, clients, app_id
        self._unknown: dict[str, float] = {}

    async def find(self, app_id: str | None) -> App | None:
        """Return an app that sends; None, with an ERROR once a minute, if its secret is not known here.

        Args:
            app_id: The app; None for the default one.

        Raises:
            StorageError: The registry cannot be used.
        """
        name = app_id or self._app_id
        try:
            return await self._resolve(name)
        except ConfigurationError as error:
            if self._unknown.get(name, float("-inf")) < time.monotonic():
                self._unknown[name] = time.monotonic() + _UNKNOWN_SECONDS
                extra = {"app": name, "error": str(error)}
                logger.error("Unknown app in route; failure notifications not sent", extra=extra)  # noqa: TRY400 - the text says all
            return None

    async def look_up(self, app_id: str) -> App | None:
        """Return an app of an incident; None if its secret is not known here, such as that of a notifier.

        Args:
            app_id: The app.

        Raises:
            StorageError: The registry cannot be used.
        """
        try:
            return await self._resolve(app_id)
        except ConfigurationError:
            return None

    async def _resolve(self, app_id: str) -> App:
        client = self._clients.get_client(app_id)
        await client.resolve()
        return find_app(client)

    async def change(self, dag_id: str, run_id: str, work: Callable[[], V]) -> V | None:
        """Read or change incidents of a run; one that cannot be decrypted must not stop other reports.

        Args:
            dag_id: The DAG.
            run_id: The run.
            work: Does it. It blocks, and gets a thread.

        Returns:
            What `work` returned; None, with an ERROR, if one cannot be decrypted.

        Raises:
            StorageError: The database cannot be used.
        """
        try:
            return await threads.run(work)
        except DecryptionError as error:
            logger.error(  # noqa: TRY400 - the text says all
                "Card of a run's failures cannot be changed",
                extra={"dag_id": dag_id, "run_id": run_id, "error": str(error)},
            )
            return None
