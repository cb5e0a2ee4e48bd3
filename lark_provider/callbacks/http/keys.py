"""Where the keys of apps come from."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping

from lark_provider import config
from lark_provider.callbacks.http.key_ring import KeyRing, KeysByApp, KeysUnknownError
from lark_provider.protocol.callbacks import CallbackKeys
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.support.secret import Secret
from lark_provider.support.throttle import Throttle

__all__ = [
    "KeyRing",
    "KeysByApp",
    "KeysUnknownError",
    "by_app",
    "check",
    "from_environment",
    "from_registry",
    "load_configured",
]
logger = logging.getLogger(__name__)
_throttle = Throttle()
"""Keys are loaded again and again; each app's error is logged once a minute."""


def by_app(*keys: CallbackKeys) -> KeysByApp:
    """Return the keys of apps that are known from the start.

    Args:
        keys: One for each app.
    """
    return {app_keys.app_id: app_keys for app_keys in keys}


def from_environment(environ: Mapping[str, str] = ENVIRONMENT) -> KeysByApp:
    """Read the keys of one app: `LARK_APP_ID`, `LARK_EVENT_ENCRYPT_KEY`, `LARK_EVENT_VERIFICATION_TOKEN`.

    Each key can be several, separated by commas, newest first: all of them are accepted.

    Args:
        environ: The environment.

    Raises:
        ConfigurationError: The app is not named, or has neither key.
    """
    app_id = environ.get("LARK_APP_ID", "").strip()
    encrypt_keys, tokens = (
        [Secret(part.strip()) for part in environ.get(name, "").split(",") if part.strip()]
        for name in ("LARK_EVENT_ENCRYPT_KEY", "LARK_EVENT_VERIFICATION_TOKEN")
    )
    if not app_id or not (encrypt_keys or tokens):
        raise ConfigurationError(
            "The callback keys must be LARK_APP_ID and LARK_EVENT_ENCRYPT_KEY or "
            f"LARK_EVENT_VERIFICATION_TOKEN, got {'no LARK_APP_ID' if not app_id else 'neither key'}. Next: "
            "set them as the developer console shows them, or give them to the registry: `lark-provider app "
            "update --encrypt-key - APP_ID`."
        )
    return by_app(
        CallbackKeys(
            app_id,
            next(iter(encrypt_keys), None),
            next(iter(tokens), None),
            tuple((key, math.inf) for key in encrypt_keys[1:]),
            tuple((token, math.inf) for token in tokens[1:]),
        )
    )


def from_registry() -> KeysByApp:
    """Return the keys of all active apps of the registry that have any.

    Raises:
        ConfigurationError: `LARK_CONFIG_ENCRYPTION_KEY` is missing or invalid.
        StorageError: The registry is missing, or cannot be used.
    """
    from lark_provider.storage import registry, urls

    registry.require(urls.registry())
    return _load_registered()


def has_registry() -> bool:
    """Return whether there is a registry now.

    Raises:
        StorageError: Its file is empty.
    """
    if not config.has_registry():
        return False
    from lark_provider.storage import registry, urls  # SQLAlchemy is loaded only where there is a registry.

    return registry.exists(urls.registry())


def _load_registered() -> KeysByApp:
    keys, unreadable = _read_registry()
    for app_id, error in unreadable.items():
        _throttle.log(
            logger.warning,
            "Callback keys unreadable; rejecting all requests for this app",
            extra={"app_id": app_id, "error": str(error)},
            kind=app_id,
        )
    return keys


def _read_registry() -> tuple[KeysByApp, dict[str, LarkError]]:
    """Return the keys of the registry's active apps, and the errors of those that cannot be read."""
    from lark_provider.storage.applications import ApplicationManager
    from lark_provider.storage.errors import DecryptionError

    keys, unreadable = list[CallbackKeys](), dict[str, LarkError]()
    for app_id, secrets in ApplicationManager().decrypt_active_secrets().items():
        if isinstance(secrets, DecryptionError):
            unreadable[app_id] = secrets
        elif secrets.encrypt_key or secrets.verification_token:
            keys.append(
                CallbackKeys(
                    app_id,
                    secrets.encrypt_key,
                    secrets.verification_token,
                    secrets.previous_encrypt_keys,
                    secrets.previous_verification_tokens,
                )
            )
    return by_app(*keys), unreadable


def load_configured(*, needs_registry: bool = False) -> KeysByApp:
    """Return the keys of the registry's apps; those of the environment win, unless that app is disabled.

    There may be none where there is a registry: its only app may have been disabled, and is then refused.

    Args:
        needs_registry: Whether a registry that is missing is an error, since it was there before.

    Raises:
        ConfigurationError: There is neither a registry nor a key in the environment, or a setting is invalid.
        StorageError: The registry cannot be used.
    """
    is_configured = needs_registry or config.has_registry()
    load = from_registry if needs_registry else _load_registered
    keys = dict(load()) if is_configured else {}
    named = ("LARK_EVENT_ENCRYPT_KEY", "LARK_EVENT_VERIFICATION_TOKEN")
    if not is_configured or any(os.environ.get(name) for name in named):
        own_keys = from_environment()
        keys |= {
            app_id: app_keys
            for app_id, app_keys in own_keys.items()
            if not (is_configured and _is_disabled(app_id))
        }
    return keys


def _is_disabled(app_id: str) -> bool:
    """Return whether there is a registry which knows an app and has disabled it."""
    from lark_provider.storage import registry, urls

    url = urls.registry()
    try:
        return registry.exists(url) and not registry.find(url, app_id).active
    except ConfigurationError:  # The registry does not know the app.
        return False


def check() -> None:
    """Check, before a gateway starts, that there is an app whose requests it can take.

    Raises:
        ConfigurationError: There is none, or it is disabled, or a setting is invalid.
        DecryptionError: There are some, and none can be read.
        StorageError: The registry cannot be used.
    """
    if load_configured():
        return
    for error in _read_registry()[1].values():
        raise error
    for app_id in from_environment():  # It says what is missing, if anything is.
        raise config.make_disabled_app_error(app_id)
