"""Rows of the registry, read for the manager and for clients."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Row

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.storage import migrate, urls
from lark_provider.storage.errors import StorageError
from lark_provider.storage.tables import applications


@dataclass(frozen=True, slots=True)
class Application:
    """An app as the registry shows it, without its secrets.

    Attributes:
        app_id: The app's id, `cli_…`.
        name: The app's display name.
        description: What the app is for.
        base_url: The URL of its Lark; empty if each client's own setting applies.
        active: Whether it is not disabled; clients refuse to act for a disabled one.
        created_at: When it was added, in UTC.
        updated_at: When it was last changed, in UTC.
    """

    app_id: str
    name: str
    description: str
    base_url: str
    active: bool
    created_at: datetime
    updated_at: datetime


def exists(url: URL) -> bool:
    """Return whether there is a registry; its file is created with the first app.

    Raises:
        StorageError: Its file is empty, as while it is copied back: opened, it would be one without apps.
    """
    if url.drivername != urls.SQLITE_DRIVER:
        return True
    file = Path(str(url.database))
    if config.is_empty(file):
        raise StorageError(
            f"The registry {file} must have content, got an empty file. Next: put it back, or create it "
            "with `lark-provider app add`.",
            retryable=True,
        )
    return config.is_there(file)


def require(url: URL) -> None:
    """Check that there is a registry where its apps are wanted: they are not gone if its file is.

    The file may be on a volume that is not mounted now.

    Args:
        url: The registry.

    Raises:
        StorageError: There is none, or as for `exists`.
    """
    if not exists(url):
        raise _make_missing_error(url)


def _make_missing_error(url: URL, alternative: str = "") -> StorageError:
    return StorageError(
        f"The registry must be at {url.database}, got no file. Next: put it back, correct "
        f"{config.REGISTRY_VARIABLE}, {alternative}or run `lark-provider app add`.",
        retryable=True,
    )


def find(url: URL, named: str | None) -> Row[Any]:
    """Return the row of an app, for a client.

    Args:
        url: The registry.
        named: The app; None for the only active one, or the only one there is.

    Raises:
        ConfigurationError: There is no such app, or none is named and there are several.
        StorageError: The registry cannot be used, or its file is missing.
    """
    if not exists(url):
        raise _make_missing_error(url, "set LARK_APP_ID and LARK_APP_SECRET, ")
    with migrate.open_transaction(url, reading=True) as connection:
        if named is not None:
            row = find_row(connection, named)
            if row is None:
                raise make_unknown_app_error(named, url)
            return row
        rows = connection.execute(
            sa.select(applications).order_by(applications.c.active.desc()).limit(2)
        ).all()
    active = [row for row in rows if row.active]
    rows = active or rows
    if len(rows) != 1:
        count = "several active apps" if active else "no active app"
        raise ConfigurationError(
            f"No app is named, and registry {urls.display(url)} has {count}. Next: pass app_id=, or set "
            "LARK_APP_ID or LARK_DEFAULT_APP_ID."
        )
    return rows[0]


def find_row(connection: Connection, app_id: str, *, locked: bool = False) -> Row[Any] | None:
    """Return the row of an app, or None; `locked` keeps others from changing it in this transaction."""
    query = sa.select(applications).where(applications.c.app_id == app_id)
    return connection.execute(query.with_for_update() if locked else query).one_or_none()


def make_unknown_app_error(app_id: str | None, url: URL) -> ConfigurationError:
    """Return the error for an app that is not in a registry."""
    who = f"App {app_id!r} is not" if app_id else "No app"
    return ConfigurationError(
        f"{who} in registry {urls.display(url)}. Next: `lark-provider app add`; "
        "`lark-provider app list` shows what is there."
    )


def read_application(row: Row[Any]) -> Application:
    """Return the app of a row, without its secrets.

    Args:
        row: A whole row of the table.
    """
    return Application(**{field.name: getattr(row, field.name) for field in fields(Application)})
