"""The apps that send the cards of failures, whose secrets encrypt their rows."""

from __future__ import annotations

import logging
import time
from typing import Any

from lark_provider.bridge.lark import Apps
from lark_provider.client.clients import app_of
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.tokens import App

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

    def __init__(self, database: Any, clients: Apps, app_id: str) -> None:
        self.database, self._clients, self._app_id = database, clients, app_id
        self._unknown: dict[str, float] = {}

    async def find(self, app_id: str | None) -> App | None:
        """Return an app; None, with an ERROR once a minute, if its secret is not known here.

        Args:
            app_id: The app; None for the default one.

        Raises:
            StorageError: The registry cannot be used.
        """
        name = app_id or self._app_id
        client = self._clients.client(name)
        try:
            await client.resolve()
        except ConfigurationError as error:
            if self._unknown.get(name, float("-inf")) < time.monotonic():
                self._unknown[name] = time.monotonic() + _UNKNOWN_SECONDS
                extra = {"app": name, "error": str(error)}
                logger.error("App of a route unknown; its failures are not told", extra=extra)  # noqa: TRY400 - the text says all
            return None
        return app_of(client)
