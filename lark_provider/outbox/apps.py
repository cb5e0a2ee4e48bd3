"""The apps that this process has the secret of: of its own clients, the environment and the registry."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lark_provider.client import AsyncLarkServiceClient
from lark_provider.client.base import find_app
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support.once import Once

if TYPE_CHECKING:
    from lark_provider.protocol.tokens import App

logger = logging.getLogger(__name__)

_TIMEOUT, _DEADLINE = 10.0, 25.0
_UNKNOWN_SECONDS = 60.0
"""How long an app that is not known here is left to other processes before it is looked up again."""


class KnownApp(NamedTuple):
    """An app, and a client that acts for it."""

    app: App
    client: AsyncLarkServiceClient


class OutboxApps:
    """The apps of this process, by id and base URL.

    Args:
        database_url: Shared by their clients; else that of the environment.
        clients: Clients to use, each resolved: in a failing task, that of its connection.
        only_these: Whether no other app is looked up.
    """

    def __init__(
        self,
        database_url: str | None = None,
        clients: Sequence[AsyncLarkServiceClient] = (),
        *,
        only_these: bool = False,
    ) -> None:
        self._database_url, self._only_these = database_url, only_these
        self._passed_clients = {(client.app_id, client.base_url): client for client in clients}
        self._own_clients: dict[tuple[str, str], AsyncLarkServiceClient] = {}
        self._unknown: dict[str, float] = {}
        self._logged = Once()

    def list_unknown(self) -> list[str]:
        """Return the ids of apps that are left to other processes now."""
        now = time.monotonic()
        return [app_id for app_id, until in self._unknown.items() if until > now]

    async def find(self, app_id: str, base_url: str) -> KnownApp | None:
        """Return an app with its client; None if this process does not have its secret.

        Args:
            app_id: The app.
            base_url: The URL of its Lark.

        Raises:
            StorageError: The registry cannot be used.
        """
        name = (app_id, base_url)
        client = self._passed_clients.get(name) or (None if self._only_these else self._get_own_client(*name))
        if client is not None:
            try:
                await client.resolve()
                return KnownApp(find_app(client), client)
            except ConfigurationError as error:
                self._note(app_id, str(error))
                return None
        self._note(app_id, "it is not the app of this process's connection")
        return None

    def _get_own_client(self, app_id: str, base_url: str) -> AsyncLarkServiceClient:
        client = self._own_clients.get((app_id, base_url))
        if client is None:
            client = self._own_clients[app_id, base_url] = AsyncLarkServiceClient(
                app_id,
                base_url=base_url,
                timeout=_TIMEOUT,
                deadline=_DEADLINE,
                max_retries=1,
                database_url=self._database_url,
            )
        return client

    def _note(self, app_id: str, error: str) -> None:
        self._unknown[app_id] = time.monotonic() + _UNKNOWN_SECONDS
        if not self._only_these and self._logged.mark_first(app_id):
            extra = {"app": app_id, "error": error}
            logger.warning(
                "No credentials for app in this process; leaving its messages to other processes", extra=extra
            )
