"""Seal registry rows: secrets, app id and base URL are encrypted together, and bound to the row.

The row's other secret columns are written for processes of version 0.1 alone, which read nothing else. They
are encrypted, but each on its own: a user who can write the table can move them, or change the URL beside
them, and so have the secret sent elsewhere. They are read when a row without a seal is sealed. Those that
this version wrote carry a mark of id and URL, so that a row whose seal was removed is not sealed again for
another URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.errors import DecryptionError
from lark_provider.storage.tables import applications
from lark_provider.support.secret import Secret

Previous: TypeAlias = tuple[str, float]
"""A value that was replaced, and until when it is accepted: seconds since the epoch."""

_SECRETS = ("app_secret", "encrypt_key", "verification_token")
_CONTEXT = "lark_provider registry row"
_MAX_PREVIOUS = 4


@dataclass(frozen=True, slots=True)
class AppSecrets:
    """The secrets of an app, which the registry holds encrypted.

    Attributes:
        app_secret: The app's secret.
        encrypt_key: The Encrypt Key of its events and callbacks.
        verification_token: The Verification Token of its events and callbacks.
        previous_encrypt_keys: The replaced Encrypt Keys, newest first, each with the time until which it is
            accepted, in seconds since the epoch.
        previous_verification_tokens: The replaced Verification Tokens, newest first, in the same form.
    """

    app_secret: str = field(repr=False)
    encrypt_key: str | None = field(default=None, repr=False)
    verification_token: str | None = field(default=None, repr=False)
    previous_encrypt_keys: tuple[Previous, ...] = field(default=(), repr=False)
    previous_verification_tokens: tuple[Previous, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Mask the secrets wherever they are held from now on."""
        for name in _SECRETS:
            object.__setattr__(self, name, Secret.of(getattr(self, name)))
        for name in ("previous_encrypt_keys", "previous_verification_tokens"):
            replaced = getattr(self, name)
            object.__setattr__(
                self, name, tuple((Secret(old), end) for old, end in replaced) if replaced else ()
            )

    def with_encrypt_key(self, value: str | None, *, now: float, until: float) -> AppSecrets:
        """Return a copy with another Encrypt Key, and the replaced one among the previous ones.

        Args:
            value: The new one; None removes it, and the previous ones with it.
            now: Seconds since the epoch.
            until: When the replaced one expires; if that is now, all previous ones are dropped.
        """
        kept = _list_previous(self.encrypt_key, value, self.previous_encrypt_keys, now, until)
        return replace(self, encrypt_key=value, previous_encrypt_keys=kept)

    def with_verification_token(self, value: str | None, *, now: float, until: float) -> AppSecrets:
        """Return a copy with another Verification Token; arguments as for `with_encrypt_key`."""
        kept = _list_previous(self.verification_token, value, self.previous_verification_tokens, now, until)
        return replace(self, verification_token=value, previous_verification_tokens=kept)


def _list_previous(
    before: str | None, value: str | None, kept: tuple[Previous, ...], now: float, until: float
) -> tuple[Previous, ...]:
    if value is None or until <= now:
        return ()
    alive = [(old, end) for old, end in kept if end > now and old not in {value, before}]
    if before is not None and before != value:
        alive.insert(0, (before, until))
    return tuple(alive[:_MAX_PREVIOUS])


def seal_secrets(
    secrets: AppSecrets, app_id: str, base_url: str, keys: EncryptionKeys
) -> dict[str, str | None]:
    """Encrypt secrets for a row: the seal, and what version 0.1 reads.

    Args:
        secrets: The secrets.
        app_id: The row's app id.
        base_url: The row's base URL.
        keys: The operator's keys.
    """
    content = {
        **{name: getattr(secrets, name) for name in _SECRETS},
        "previous": {
            "encrypt_key": secrets.previous_encrypt_keys,
            "verification_token": secrets.previous_verification_tokens,
        },
    }
    values = {name: getattr(secrets, name) for name in _SECRETS}
    return {
        "sealed": keys.seal(orjson.dumps(content).decode(), _make_place(app_id, base_url)),
        **{
            name: None if value is None else keys.encrypt_for_0_1(value, _make_place(app_id, base_url, name))
            for name, value in values.items()
        },
    }


def open_secrets(row: Row[Any], keys: EncryptionKeys) -> AppSecrets:
    """Decrypt the secrets of a row; only its seal is read.

    Args:
        row: A row of the registry.
        keys: The operator's keys.

    Raises:
        DecryptionError: It has no seal, no key fits, or it was changed by something other than this package.
    """
    if row.sealed is None:
        raise DecryptionError(
            f"App {row.app_id!r} is not sealed, so any user who can write to the registry could have changed "
            "its base URL or secrets. Next: run `lark-provider db upgrade --registry` or `lark-provider key "
            f"rotate`, with the registry's key, if the base URL {row.base_url or 'none of its own'!r} is "
            "what it should be."
        )
    if {type(row.sealed), type(row.app_id), type(row.base_url)} != {str}:
        raise DecryptionError(_describe_altered(row))  # SQLite stores any type in any column, bytes too.
    place, what = _make_place(row.app_id, row.base_url), f"The app_secret of app {row.app_id!r}"
    content = orjson.loads(keys.unseal(row.sealed, place, what, _describe_altered(row)))
    previous = content["previous"]
    return AppSecrets(
        content["app_secret"],
        content["encrypt_key"],
        content["verification_token"],
        previous_encrypt_keys=previous["encrypt_key"],
        previous_verification_tokens=previous["verification_token"],
    )


def seal_all(
    connection: Connection, keys: EncryptionKeys | None = None, *, again: bool = False, unmarked: bool = True
) -> Sequence[Row[Any]]:
    """Seal the rows that have no seal, all in the caller's transaction.

    Args:
        connection: An open connection to the registry's database, in the caller's transaction.
        keys: The operator's keys; None to read them from the environment, if a row is to be sealed.
        again: Whether to seal sealed rows again, under the newest key.
        unmarked: Whether to seal rows that only version 0.1 can have written. After the upgrade from it,
            another user may have put such a row back, with a base URL of their own.

    Returns:
        The rows that were written.

    Raises:
        ConfigurationError: No key is configured, or a base URL that would be bound is not encrypted.
        DecryptionError: A row does not open with any key; or it has no mark, and `unmarked` is false.
    """
    wanted = sa.select(applications).order_by(applications.c.id).with_for_update()
    rows = connection.execute(wanted if again else wanted.where(applications.c.sealed.is_(None))).all()
    if not rows:
        return rows
    keys = keys or EncryptionKeys.from_environment()
    for row in rows:
        secrets = (
            open_secrets(row, keys) if row.sealed is not None else _open_version_0_1(row, keys, unmarked)
        )
        connection.execute(
            applications.update()
            .where(applications.c.id == row.id)
            .values(**seal_secrets(secrets, row.app_id, row.base_url, keys))
        )
    return rows


def _open_version_0_1(row: Row[Any], keys: EncryptionKeys, unmarked: bool) -> AppSecrets:
    try:
        if row.base_url:
            config.resolve_base_url(row.base_url)
    except ConfigurationError as error:
        raise ConfigurationError(f"App {row.app_id!r} cannot be sealed: {error}") from None

    def read(name: str, value: str) -> str:
        text = Secret(keys.decrypt(value, f"The {name} of app {row.app_id!r}"))
        if keys.is_moved(value, _make_place(row.app_id, row.base_url, name)):
            raise DecryptionError(_describe_altered(row))
        if not (unmarked or keys.is_marked(value)):
            raise DecryptionError(
                f"App {row.app_id!r} is not sealed, in a registry that was upgraded before: any user who can "
                f"write there could have changed its base URL, {row.base_url or 'none of its own'!r}. Next: "
                "compare that with what it should be; then run `lark-provider db upgrade --registry "
                f"--seal-unsealed`, or `lark-provider app remove {row.app_id}` and add the app again."
            )
        return text

    return AppSecrets(
        read("app_secret", row.app_secret),
        None if row.encrypt_key is None else read("encrypt_key", row.encrypt_key),
        None if row.verification_token is None else read("verification_token", row.verification_token),
    )


def _describe_altered(row: Row[Any]) -> str:
    return (
        f"App {row.app_id!r} is not as it was sealed: its app_id, base_url or secrets were changed in the "
        "registry by something other than this package. Next: find out who can write there; then restore "
        f"a backup, or `lark-provider app remove --yes {row.app_id}` and add the app again."
    )


def _make_place(app_id: str, base_url: str, *more: str) -> tuple[str, ...]:
    return _CONTEXT, app_id, base_url, *more
