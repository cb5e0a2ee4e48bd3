"""The credentials of all apps of a registry, for services that act for many apps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, sealing
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.registry import exists
from lark_provider.storage.tables import applications


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """An app of a registry.

    Attributes:
        app_id: The app's id, `cli_…`.
        is_active: Whether it is not disabled.
        app: The app's credentials, with the base URL of its row, which may be empty; None if they were not
            wanted or cannot be read.
        error: Why the credentials cannot be read; None if they can or were not wanted.
    """

    app_id: str
    is_active: bool
    app: App | None = None
    error: LarkError | None = None


def read_registered(url: URL, wanted: Callable[[str], bool] = lambda _: True) -> list[RegisteredApp]:
    """Return all apps of a registry, with the credentials of the active ones, with one query.

    Args:
        url: The registry.
        wanted: By app id, whose credentials to decrypt.

    Raises:
        ConfigurationError: `LARK_CONFIG_ENCRYPTION_KEY` is missing or invalid, and something is to be
            decrypted.
        StorageError: The registry cannot be used.
    """
    if not exists(url):
        return []
    with migrate.open_transaction(url, reading=True) as connection:
        rows = connection.execute(sa.select(applications).order_by(applications.c.id)).all()
    keys: EncryptionKeys | None = None
    apps: list[RegisteredApp] = []
    for row in rows:
        if not row.active or not wanted(row.app_id):
            apps.append(RegisteredApp(row.app_id, row.active))
            continue
        keys = keys or EncryptionKeys.from_environment()
        try:
            app = App(row.base_url, row.app_id, sealing.open_secrets(row, keys).app_secret)
        except LarkError as error:
            apps.append(RegisteredApp(row.app_id, is_active=True, error=error))
        else:
            apps.append(RegisteredApp(row.app_id, is_active=True, app=app))
    return apps
