"""The registry: apps and their secrets, encrypted, for every host that shares it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Row
from sqlalchemy.exc import IntegrityError

from lark_provider.core import config
from lark_provider.core.storage import migrate, urls
from lark_provider.core.storage.crypto import Keys
from lark_provider.core.storage.engine import transaction
from lark_provider.core.storage.errors import DecryptionError, StorageError
from lark_provider.core.storage.registry import SECRETS, AppSecrets, exists, opened, row_of, unknown, what
from lark_provider.core.storage.tables import applications
from lark_provider.protocol.errors import ConfigurationError

logger = logging.getLogger(__name__)

_MAX_ID = 255


@dataclass(frozen=True, slots=True)
class Application:
    """An app as the registry shows it, without its secrets.

    Attributes:
        app_id: Its id.
        name: What people call it.
        description: What it is for.
        base_url: The URL of its Lark; empty if each client's own setting counts.
        active: False once it was disabled: clients then refuse to act for it.
        created_at: When it was added, UTC.
        updated_at: When it was last changed, UTC.
    """

    app_id: str
    name: str
    description: str
    base_url: str
    active: bool
    created_at: datetime
    updated_at: datetime


class ApplicationManager:
    """Adds, shows, changes and removes the apps of a registry. May be used by several threads.

    Args:
        registry: The path of a SQLite file or a database URL; else `LARK_REGISTRY_PATH`, else
            `config/applications.db`, which is made when the first app is added.
        keys: What to encrypt with; else `LARK_CONFIG_ENCRYPTION_KEY`.

    Raises:
        ConfigurationError: There is no key, or key or URL cannot be right.
    """

    def __init__(self, registry: str | None = None, *, keys: Keys | None = None) -> None:
        self._url = urls.registry(registry)
        self._keys = keys or Keys.from_environment()

    def create_application(
        self,
        app_id: str,
        app_secret: str,
        name: str = "",
        description: str = "",
        *,
        base_url: str | None = None,
        encrypt_key: str | None = None,
        verification_token: str | None = None,
    ) -> Application:
        """Add an app.

        Args:
            app_id: Its id, `cli_…` or any other text without spaces.
            app_secret: Its secret.
            name: What people call it; the id if empty.
            description: What it is for.
            base_url: `feishu`, `lark`, or the URL of a private deployment; if not given, what the client's
                own settings say.
            encrypt_key: The Encrypt Key of its event and callback settings.
            verification_token: The Verification Token there.

        Raises:
            ConfigurationError: The id or secret is empty or has spaces in it, or the app is here already.
            StorageError: The registry cannot be used.
        """
        app_id, now = _checked(app_id, "app_id"), datetime.now(UTC)
        row = {
            "app_id": app_id,
            "name": _plain(name, "name") or app_id,
            "description": _plain(description, "description"),
            "base_url": _base_url(base_url),
            "active": True,
            "created_at": now,
            "updated_at": now,
        } | self._sealed(
            app_secret=app_secret, encrypt_key=encrypt_key, verification_token=verification_token
        )
        with transaction(migrate.opened(self._url)) as connection:
            try:
                with connection.begin_nested():
                    connection.execute(applications.insert().values(**row))
            except IntegrityError:
                raise self._exists(connection, app_id) from None
            return _application(row_of(connection, app_id))

    def get_application(self, app_id: str) -> Application:
        """Show an app.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._using(app_id) as (_, row):
            return _application(row)

    def list_applications(self) -> list[Application]:
        """Show all apps, in the order in which they were added.

        Raises:
            StorageError: The registry cannot be used.
        """
        if not exists(self._url):
            return []
        with transaction(migrate.opened(self._url), reading=True) as connection:
            rows = connection.execute(sa.select(applications).order_by(applications.c.id))
            return [_application(row) for row in rows]

    def secrets(self, app_id: str) -> AppSecrets:
        """Decrypt an app's secrets.

        Raises:
            ConfigurationError: It is not in the registry.
            DecryptionError: It was added under another key.
            StorageError: The registry cannot be used.
        """
        with self._using(app_id) as (_, row):
            return opened(row, self._keys)

    def update_application(
        self,
        app_id: str,
        *,
        app_secret: str | None = None,
        name: str | None = None,
        description: str | None = None,
        base_url: str | None = None,
        encrypt_key: str | None = None,
        verification_token: str | None = None,
    ) -> Application:
        """Change what is given of an app; None leaves it, an empty text takes away what is optional.

        Raises:
            ConfigurationError: It is not in the registry, or a value cannot be right.
            DecryptionError: It was added under another key; nothing of it is overwritten.
            StorageError: The registry cannot be used.
        """
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = _plain(name, "name") or app_id.strip()
        if description is not None:
            changes["description"] = _plain(description, "description")
        if base_url is not None:
            changes["base_url"] = _base_url(base_url)
        if app_secret is not None:
            changes |= self._sealed(app_secret=app_secret)
        for key, value in (("encrypt_key", encrypt_key), ("verification_token", verification_token)):
            if value is not None:
                changes |= self._sealed(**{key: value}) if value.strip() else {key: None}
        with self._using(app_id, writing=True) as (connection, row):
            opened(row, self._keys)
            return self._changed(connection, row, changes)

    def enable_application(self, app_id: str) -> Application:
        """Let clients act for an app again.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._using(app_id, writing=True) as (connection, row):
            return self._changed(connection, row, {"active": True})

    def disable_application(self, app_id: str) -> Application:
        """Have every client refuse to act for an app, within 30 s, and forget its stored tokens.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._using(app_id, writing=True) as (connection, row):
            application = self._changed(connection, row, {"active": False})
        self._forget_tokens(application.app_id)
        return application

    def delete_application(self, app_id: str) -> None:
        """Remove an app and its stored tokens; needs no key that fits.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._using(app_id, writing=True) as (connection, row):
            connection.execute(applications.delete().where(applications.c.id == row.id))
        self._forget_tokens(row.app_id)

    def rotate_keys(self) -> int:
        """Encrypt everything anew under the newest key, in one transaction.

        Returns:
            How many apps there are.

        Raises:
            DecryptionError: None of the keys fits an app; nothing is changed.
            StorageError: The registry cannot be used.
        """
        if not exists(self._url):
            return 0
        with transaction(migrate.opened(self._url)) as connection:
            rows = connection.execute(sa.select(applications).with_for_update()).all()
            for row in rows:
                changes = {
                    name: self._keys.rotated(row._mapping[name], what(row, name))  # noqa: SLF001 - its public name
                    for name in SECRETS
                    if row._mapping[name] is not None  # noqa: SLF001 - as above
                }
                connection.execute(applications.update().where(applications.c.id == row.id).values(**changes))
            return len(rows)

    @contextmanager
    def _using(self, app_id: str, *, writing: bool = False) -> Iterator[tuple[Connection, Row[Any]]]:
        app_id = _checked(app_id, "app_id")
        if not exists(self._url):
            raise unknown(app_id, self._url)
        with transaction(migrate.opened(self._url), reading=not writing) as connection:
            row = row_of(connection, app_id, locked=writing)
            if row is None:
                raise unknown(app_id, self._url)
            yield connection, row

    def _changed(self, connection: Connection, row: Row[Any], changes: dict[str, Any]) -> Application:
        connection.execute(
            applications.update()
            .where(applications.c.id == row.id)
            .values(**changes, updated_at=datetime.now(UTC))
        )
        return _application(row_of(connection, row.app_id))

    def _sealed(self, **values: str | None) -> dict[str, str | None]:
        return {
            name: None if value is None else self._keys.encrypt(_checked(value, name))
            for name, value in values.items()
        }

    def _exists(self, connection: Connection, app_id: str) -> ConfigurationError:
        try:
            opened(row_of(connection, app_id), self._keys)
        except DecryptionError:
            advice = (
                f"`lark-provider app remove {app_id}` and add it again, or set the key it was added under"
            )
            return ConfigurationError(
                f"App {app_id!r} is in the registry already, encrypted with another key. Next: {advice}."
            )
        return ConfigurationError(
            f"App {app_id!r} is in the registry already. Next: change it with `lark-provider app update "
            f"--app-id {app_id}`, or `update_application`."
        )

    def _forget_tokens(self, app_id: str) -> None:
        from lark_provider.core.storage import token_store  # noqa: PLC0415 - 50 ms that no other method is worth

        places: list[Callable[[], URL]] = [lambda: self._url]
        if config.has_database():
            places.append(urls.database)
        for place in places:
            try:
                token_store.forget(place(), app_id)
            except (ConfigurationError, StorageError) as error:
                logger.warning("The stored tokens of app %r were not deleted: %s", app_id, error)


def _application(row: Row[Any] | None) -> Application:
    assert row is not None  # noqa: S101 - its callers looked
    return Application(
        row.app_id, row.name, row.description, row.base_url, row.active, row.created_at, row.updated_at
    )


def _base_url(value: str | None) -> str:
    return _plain(config.base_url(value), "base_url") if value and value.strip() else ""


def _plain(value: str | None, what: str) -> str:
    found = (value or "").strip()
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in found):
        raise ConfigurationError(f"{what} has a character in it that is none. Next: write it as UTF-8.")
    return found


def _checked(value: str, what: str) -> str:
    found = value.strip() if isinstance(value, str) else ""
    if not found or any(character.isspace() or not character.isprintable() for character in found):
        fault = "empty" if not found else "a text with spaces or control characters in it"
        raise ConfigurationError(f"{what} is {fault}. Next: copy it from the app's page in the console.")
    if len(found) > _MAX_ID and what == "app_id":
        raise ConfigurationError(f"{what} is longer than {_MAX_ID} characters. Next: copy it anew.")
    return found
