"""The registry of apps and their encrypted secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Row
from sqlalchemy.exc import IntegrityError

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.storage import migrate, sealing, urls
from lark_provider.storage.application_values import check, normalize_url, strip_text
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.errors import DecryptionError, StorageError
from lark_provider.storage.registry import (
    Application,
    exists,
    find_row,
    make_unknown_app_error,
    read_application,
)
from lark_provider.storage.sealing import AppSecrets
from lark_provider.storage.tables import applications
from lark_provider.support.secret import Secret

logger = logging.getLogger(__name__)

_MAX_KEPT = timedelta(days=36_525)
PREVIOUS_KEPT = timedelta(hours=24)
"""How long a replaced Encrypt Key or Verification Token is still accepted by default."""


class ApplicationManager:
    """Add, show, change and remove the apps of a registry. Safe with threads.

    Args:
        registry: The path of a SQLite file or a database URL; else `LARK_REGISTRY_PATH`, else
            `config/applications.db`, which is created with the first app.
        keys: The encryption keys; else those of `LARK_CONFIG_ENCRYPTION_KEY`.

    Raises:
        ConfigurationError: No key is configured, or key or URL is invalid.
    """

    def __init__(self, registry: str | None = None, *, keys: EncryptionKeys | None = None) -> None:
        self._url = urls.registry(registry)
        self._keys = keys or EncryptionKeys.from_environment()

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
            app_id: The app's id, `cli_…` or any other string without spaces.
            app_secret: The app's secret.
            name: The app's display name; its id if empty.
            description: What the app is for.
            base_url: `feishu`, `lark`, or the URL of a private deployment; else the client's own setting.
            encrypt_key: The Encrypt Key of its event and callback settings.
            verification_token: The Verification Token of its event and callback settings.

        Raises:
            ConfigurationError: The id or secret is empty or contains spaces, or the app exists already.
            StorageError: The registry cannot be used.
        """
        # Error reporters print the arguments of a function.
        app_secret, encrypt_key = Secret.of(app_secret), Secret.of(encrypt_key)
        verification_token = Secret.of(verification_token)
        base_url = config.mask(base_url)
        app_id, url, now = check(app_id, "app_id"), normalize_url(base_url), datetime.now(UTC)
        secrets = AppSecrets(
            check(app_secret, "app_secret"),
            None if encrypt_key is None else check(encrypt_key, "encrypt_key"),
            None if verification_token is None else check(verification_token, "verification_token"),
        )
        row = {
            "app_id": app_id,
            "name": strip_text(name, "name") or app_id,
            "description": strip_text(description, "description"),
            "base_url": url,
            "active": True,
            "created_at": now,
            "updated_at": now,
        } | sealing.seal_secrets(secrets, app_id, url, self._keys)
        with migrate.open_transaction(self._url) as connection:
            try:
                with connection.begin_nested():
                    added = connection.execute(applications.insert().values(**row).returning(applications))
                    return read_application(added.one())
            except IntegrityError:
                raise self._exists(connection, app_id) from None

    def get_application(self, app_id: str) -> Application:
        """Return an app.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._open_row(app_id) as (_, row):
            return read_application(row)

    def list_applications(self) -> list[Application]:
        """Return all apps, in the order in which they were added.

        Raises:
            StorageError: The registry cannot be used.
        """
        if not exists(self._url):
            return []
        with migrate.open_transaction(self._url, reading=True) as connection:
            rows = connection.execute(sa.select(applications).order_by(applications.c.id))
            return [read_application(row) for row in rows]

    def decrypt_secrets(self, app_id: str) -> AppSecrets:
        """Decrypt an app's secrets.

        Raises:
            ConfigurationError: It is not in the registry.
            DecryptionError: It was added under another key, is not sealed, or was altered.
            StorageError: The registry cannot be used.
        """
        with self._open_row(app_id) as (_, row):
            return sealing.open_secrets(row, self._keys)

    def decrypt_active_secrets(self) -> dict[str, AppSecrets | DecryptionError]:
        """Decrypt the secrets of all apps that are not disabled, with one query.

        Returns:
            By the app's id: its secrets, or why they cannot be read.

        Raises:
            StorageError: The registry cannot be used.
        """
        if not exists(self._url):
            return {}
        with migrate.open_transaction(self._url, reading=True) as connection:
            rows = connection.execute(sa.select(applications).where(applications.c.active)).all()
        return {row.app_id: self._try_open(row) for row in rows}

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
        keep_previous: timedelta = PREVIOUS_KEPT,
    ) -> Application:
        """Change settings of an app. None leaves one as it is, an empty string removes one that is optional.

        Args:
            app_id: The app's id.
            app_secret: The app's new secret.
            name: The app's display name; its id if empty.
            description: What the app is for.
            base_url: `feishu`, `lark`, or a URL.
            encrypt_key: The Encrypt Key of its event and callback settings.
            verification_token: The Verification Token of its event and callback settings.
            keep_previous: How long the Encrypt Key and the Verification Token that are replaced are still
                accepted together with the new ones; 0 for not at all.

        Raises:
            ConfigurationError: It is not in the registry, or a value is invalid.
            DecryptionError: It was added under another key, is not sealed, or was altered; nothing changes.
            StorageError: The registry cannot be used.
        """
        app_secret, encrypt_key = Secret.of(app_secret), Secret.of(encrypt_key)
        verification_token = Secret.of(verification_token)
        if keep_previous < timedelta():
            raise ConfigurationError(
                f"keep_previous must be 0 or more, got {keep_previous}. Next: pass timedelta(0) or more."
            )
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = strip_text(name, "name") or app_id.strip()
        if description is not None:
            changes["description"] = strip_text(description, "description")
        if base_url is not None:
            changes["base_url"] = normalize_url(base_url)
        secret = None if app_secret is None else check(app_secret, "app_secret")
        key, token = (
            None if value is None else Secret(value.strip() and check(value, what))
            for value, what in ((encrypt_key, "encrypt_key"), (verification_token, "verification_token"))
        )
        with self._open_row(app_id, writing=True) as (connection, row):
            secrets, now = sealing.open_secrets(row, self._keys), time.time()
            until = now + min(keep_previous, _MAX_KEPT).total_seconds()
            if secret is not None:
                secrets = replace(secrets, app_secret=secret)
            if key is not None:
                secrets = secrets.with_encrypt_key(key or None, now=now, until=until)
            if token is not None:
                secrets = secrets.with_verification_token(token or None, now=now, until=until)
            url = changes.get("base_url", row.base_url)
            changes |= sealing.seal_secrets(secrets, row.app_id, url, self._keys)
            return self._change(connection, row, changes)

    def enable_application(self, app_id: str) -> Application:
        """Let clients act for an app again.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._open_row(app_id, writing=True) as (connection, row):
            return self._change(connection, row, {"active": True})

    def disable_application(self, app_id: str) -> Application:
        """Disable an app: every client refuses to act for it within 30 s. Its stored tokens are deleted.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        with self._open_row(app_id, writing=True) as (connection, row):
            application = self._change(connection, row, {"active": False})
        self._forget_tokens(application.app_id)
        return application

    def delete_application(self, app_id: str) -> None:
        """Remove an app and its stored tokens, also from a registry that is not upgraded yet.

        Raises:
            ConfigurationError: It is not in the registry.
            StorageError: The registry cannot be used.
        """
        app_id = check(app_id, "app_id")
        if not exists(self._url):
            raise make_unknown_app_error(app_id, self._url)
        with migrate.open_transaction(self._url) as connection:
            # By id alone: an older registry lacks columns, and its upgrade may refuse this very row.
            done = connection.execute(applications.delete().where(applications.c.app_id == app_id))
            if not done.rowcount:
                raise make_unknown_app_error(app_id, self._url)
        self._forget_tokens(app_id)

    def reseal(self) -> list[Application]:
        """Encrypt all secrets under the newest key, in one transaction, and seal what is not sealed.

        Returns:
            The apps, with the base URLs that they are bound to now.

        Raises:
            ConfigurationError: The base URL of an app that is not sealed is refused; nothing is changed.
            DecryptionError: None of the keys fits an app, or one was altered; nothing is changed.
            StorageError: The registry cannot be used.
        """
        if not exists(self._url):
            return []
        with migrate.open_transaction(self._url) as connection:
            return [read_application(row) for row in sealing.seal_all(connection, self._keys, again=True)]

    @contextmanager
    def _open_row(self, app_id: str, *, writing: bool = False) -> Iterator[tuple[Connection, Row[Any]]]:
        app_id = check(app_id, "app_id")
        if not exists(self._url):
            raise make_unknown_app_error(app_id, self._url)
        with migrate.open_transaction(self._url, reading=not writing) as connection:
            row = find_row(connection, app_id, locked=writing)
            if row is None:
                raise make_unknown_app_error(app_id, self._url)
            yield connection, row

    def _change(self, connection: Connection, row: Row[Any], changes: dict[str, Any]) -> Application:
        update = applications.update().where(applications.c.id == row.id)
        values = changes | {"updated_at": datetime.now(UTC)}
        return read_application(connection.execute(update.values(**values).returning(applications)).one())

    def _try_open(self, row: Row[Any]) -> AppSecrets | DecryptionError:
        try:
            return sealing.open_secrets(row, self._keys)
        except DecryptionError as error:
            return error

    def _exists(self, connection: Connection, app_id: str) -> ConfigurationError:
        row = find_row(connection, app_id)
        if row is not None and row.sealed is not None and isinstance(self._try_open(row), DecryptionError):
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
        from lark_provider.storage import token_store  # Takes 50 ms, and no other method needs it.

        places: list[Callable[[], URL]] = [lambda: self._url]
        if config.has_database():
            places.append(urls.database)
        for place in places:
            try:
                token_store.forget(place(), app_id)
            except (ConfigurationError, StorageError) as error:
                extra = {"app_id": app_id, "error": error}
                logger.warning("Failed to delete the stored tokens of the app", extra=extra)
