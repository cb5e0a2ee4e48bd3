"""The clients of the apps that send cards, and which of their errors no retry can change."""

from __future__ import annotations

from lark_provider.client.clients import AsyncLarkServiceClient
from lark_provider.protocol.codes import CARD_GONE
from lark_provider.protocol.errors import (
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    NotFoundError,
    PermissionDeniedError,
    TokenAcquisitionError,
)
from lark_provider.storage.errors import DecryptionError

DEADLINE_SECONDS = 30.0
_GIVE_UP_SECONDS = 3600.0
"""How long to wait for a permission, which an admin may grant meanwhile, and for a secret, which they may
correct."""


class BridgeClients:
    """The clients by app.

    Args:
        database_url: The URL of the database in which processes share tokens; None for the configured one.
    """

    def __init__(self, database_url: str | None = None) -> None:
        self._database_url = database_url
        self._clients: dict[str, AsyncLarkServiceClient] = {}

    def get_client(self, app_id: str) -> AsyncLarkServiceClient:
        """Return the client of an app, whose secret is that of the environment or of the registry.

        Args:
            app_id: The app.
        """
        if app_id not in self._clients:
            self._clients[app_id] = AsyncLarkServiceClient(
                app_id, deadline=DEADLINE_SECONDS, database_url=self._database_url
            )
        return self._clients[app_id]


def is_lost(error: LarkError, age: float) -> bool:
    """Return whether no further attempt can send or update a card.

    Args:
        error: Why the last one failed.
        age: Seconds since the first one.
    """
    if not isinstance(error, LarkAPIError):
        return False
    if error.is_from_lark and isinstance(error, NotFoundError | ConflictError | InvalidRequestError):
        return True
    is_refused = isinstance(error, PermissionDeniedError) or not error.retryable
    return is_refused and age > _GIVE_UP_SECONDS


def is_unusable(error: LarkError, age: float) -> bool:
    """Return whether an app has had no usable credentials for so long that an answer by it is given up.

    The card of a question is not: it is sent once they are corrected, however late.

    Args:
        error: Why the last attempt failed.
        age: Seconds since the first one.
    """
    is_persons = isinstance(error, ConfigurationError | TokenAcquisitionError | DecryptionError)
    return is_persons and age > _GIVE_UP_SECONDS


def is_gone(error: LarkError) -> bool:
    """Return whether a card cannot be updated any more, such as one that was recalled."""
    return isinstance(error, LarkAPIError) and error.code in CARD_GONE
