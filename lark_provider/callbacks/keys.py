"""Where the keys of apps come from."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from lark_provider.core import config, threads
from lark_provider.protocol.callbacks import CallbackKeys
from lark_provider.protocol.errors import ConfigurationError

logger = logging.getLogger(__name__)
Keys: TypeAlias = Mapping[str, CallbackKeys]
"""The keys of each app, by its id."""

_FAILED_SECONDS = 5.0


def by_app(*keys: CallbackKeys) -> Keys:
    """The keys of apps that are known from the start.

    Args:
        keys: One for each app.
    """
    return {one.app_id: one for one in keys}


def from_environment(environ: Mapping[str, str] = os.environ) -> Keys:
    """The keys of one app: `LARK_APP_ID`, `LARK_EVENT_ENCRYPT_KEY`, `LARK_EVENT_VERIFICATION_TOKEN`.

    Args:
        environ: The environment.

    Raises:
        ConfigurationError: The app is not named, or has neither key.
    """
    app_id, encrypt_key, token = (
        environ.get(name, "").strip()
        for name in ("LARK_APP_ID", "LARK_EVENT_ENCRYPT_KEY", "LARK_EVENT_VERIFICATION_TOKEN")
    )
    if not app_id or not (encrypt_key or token):
        raise ConfigurationError(
            "No callback keys: LARK_APP_ID and one of LARK_EVENT_ENCRYPT_KEY, LARK_EVENT_VERIFICATION_TOKEN "
            "are needed. Next: set them as the developer console shows them, or give them to the registry: "
            "`lark-provider app update --encrypt-key - APP_ID`."
        )
    return by_app(CallbackKeys(app_id, encrypt_key, token))


def from_registry() -> Keys:
    """The keys of all active apps of the registry that have any.

    Raises:
        ConfigurationError: `LARK_CONFIG_ENCRYPTION_KEY` is missing or no key.
        StorageError: The registry cannot be used.
    """
    from lark_provider.core.storage.applications import ApplicationManager  # noqa: PLC0415 - who has one pays
    from lark_provider.core.storage.errors import DecryptionError  # noqa: PLC0415 - as above

    manager, found = ApplicationManager(), list[CallbackKeys]()
    for application in manager.list_applications():
        if not application.active:
            continue
        try:
            secrets = manager.secrets(application.app_id)
        except DecryptionError as error:
            logger.warning("Nothing is accepted for app %s: %s", application.app_id, error)
            continue
        if secrets.encrypt_key or secrets.verification_token:
            found.append(CallbackKeys(application.app_id, secrets.encrypt_key, secrets.verification_token))
    return by_app(*found)


def configured() -> Keys:
    """The keys of the registry's apps, and over them those of the environment.

    Raises:
        ConfigurationError: There are none, or a setting cannot be right.
        StorageError: The registry cannot be used.
    """
    found = dict(from_registry()) if config.has_registry() else {}
    if (
        not found
        or os.environ.get("LARK_EVENT_ENCRYPT_KEY")
        or os.environ.get("LARK_EVENT_VERIFICATION_TOKEN")
    ):
        found |= from_environment()
    return found


class KeysUnknownError(Exception):
    """No keys were loaded yet."""


class KeyRing:
    """The keys of all apps, loaded anew in a thread now and then: loading may ask a database.

    All are loaded at once, so that a made-up app id in a URL costs nothing. What was loaded before serves
    until loading succeeds again.

    Args:
        load: Returns the keys; may block.
        seconds: How long they count as new.
        clock: Seconds, of whatever origin.
    """

    def __init__(
        self,
        load: Callable[[], Keys],
        *,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._seconds, self._clock = load, seconds, clock
        self._keys: Keys | None = None
        self._due = float("-inf")
        self._loading: asyncio.Future[Keys] | None = None

    async def get(self, app_id: str) -> CallbackKeys | None:
        """The keys of an app.

        Args:
            app_id: As a URL has it.

        Returns:
            None if it is none of ours.

        Raises:
            KeysUnknownError: Loading has just failed, and never succeeded before.
            Exception: What loading raised.
        """
        if self._loading is None and self._clock() >= self._due:
            self._loading = asyncio.wrap_future(threads.start(self._load))
            self._loading.add_done_callback(self._loaded)
        if self._keys is not None:
            return self._keys.get(app_id)
        if self._loading is None:
            raise KeysUnknownError("they are loaded again in a few seconds")
        return (await asyncio.shield(self._loading)).get(app_id)

    def _loaded(self, done: asyncio.Future[Keys]) -> None:
        self._loading = None
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self._keys, self._due = done.result(), self._clock() + self._seconds
        else:
            self._due = self._clock() + _FAILED_SECONDS
            logger.warning("The apps' keys could not be loaded: %s", error)
