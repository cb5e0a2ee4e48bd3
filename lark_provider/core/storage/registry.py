"""Rows of the registry, and their secrets: what the manager and the clients both read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Row

from lark_provider.core import config
from lark_provider.core.storage import migrate, urls
from lark_provider.core.storage.crypto import Keys
from lark_provider.core.storage.engine import transaction
from lark_provider.core.storage.tables import applications
from lark_provider.protocol.errors import ConfigurationError

SECRETS = ("app_secret", "encrypt_key", "verification_token")


@dataclass(frozen=True, slots=True)
class AppSecrets:
    """What the registry keeps encrypted of an app."""

    app_secret: str = field(repr=False)
    encrypt_key: str | None = field(default=None, repr=False)
    verification_token: str | None = field(default=None, repr=False)


def exists(url: URL) -> bool:
    """Whether there is a registry at all; its file is made with the first app."""
    return url.drivername != urls.SQLITE_DRIVER or config.is_there(Path(str(url.database)))


def find(url: URL, named: str | None) -> Row[Any]:
    """Find the row of an app, for a client.

    Args:
        url: The registry.
        named: The app; None for the only active one, or the only one there is.

    Raises:
        ConfigurationError: There is no such app, or none is named and there are several.
        StorageError: The registry cannot be used.
    """
    if not exists(url):
        raise unknown(named, url)
    with transaction(migrate.opened(url), reading=True) as connection:
        if named is not None:
            row = row_of(connection, named)
            if row is None:
                raise unknown(named, url)
            return row
        rows = connection.execute(
            sa.select(applications).order_by(applications.c.active.desc()).limit(2)
        ).all()
    active = [row for row in rows if row.active]
    rows = active or rows
    if len(rows) != 1:
        count = "several active apps" if active else "no active app"
        raise ConfigurationError(
            f"No app is named, and registry {urls.shown(url)} has {count}. Next: pass app_id=, or set "
            "LARK_APP_ID or LARK_DEFAULT_APP_ID."
        )
    return rows[0]


def opened(row: Row[Any] | None, keys: Keys) -> AppSecrets:
    """Decrypt the secrets of a row.

    Raises:
        DecryptionError: No key fits.
    """
    assert row is not None  # noqa: S101 - its callers looked
    found: dict[str, Any] = {
        name: None if sealed is None else keys.decrypt(sealed, what(row, name))
        for name, sealed in zip(
            SECRETS, (row.app_secret, row.encrypt_key, row.verification_token), strict=True
        )
    }
    return AppSecrets(**found)


def what(row: Row[Any], name: str) -> str:
    """Name a secret of a row, for an error's text."""
    return f"The {name} of app {row.app_id!r}"


def row_of(connection: Connection, app_id: str, *, locked: bool = False) -> Row[Any] | None:
    """The row of an app, or None; locked if nobody else is to change it before this transaction ends."""
    found = sa.select(applications).where(applications.c.app_id == app_id)
    return connection.execute(found.with_for_update() if locked else found).one_or_none()


def unknown(app_id: str | None, url: URL) -> ConfigurationError:
    """The error for an app that is not in a registry."""
    who = f"App {app_id!r} is not" if app_id else "There is no app"
    return ConfigurationError(
        f"{who} in registry {urls.shown(url)}. Next: `lark-provider app add`; "
        "`lark-provider app list` shows what is there."
    )
