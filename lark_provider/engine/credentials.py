"""Find the app of a client: arguments, environment, then the registry, which also says what is disabled.

`storage.sealing` decrypts what the registry has. From then on a secret is wrapped in `support.secret.Secret`,
until `transport` sends it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lark_provider import config
from lark_provider.engine import fallback_store
from lark_provider.engine.runtime import RegistryAnswer, RegistryKey
from lark_provider.engine.session import CACHE_SECONDS, FoundApp, Session
from lark_provider.engine.token_cache import Flight
from lark_provider.protocol.effects import Await
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.tokens import App
from lark_provider.support.clocks import is_pending

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


def find(session: Session) -> Procedure[App]:
    """Return the app of a session, looking it up if needed; the result is cached for some seconds.

    Args:
        session: The settings of the client.

    Raises:
        ConfigurationError: No credentials were found, the app is disabled, or `LARK_PACING` is not a share.
        StorageError: Only the registry has the app's secret, and it cannot be used, or its file is missing.
        DecryptionError: The registry's secret is encrypted with another key.
    """
    known = session.find_known_app()
    if known is not None:
        return known
    now = session.clock()
    app = config.find_app(session.app_id, session.app_secret, session.base_url)
    if config.has_registry() or (app is None and _misses_registry(session)):
        entry = yield from _look_up(session, None if app is None else app.app_id)
        if entry.refusal is not None:
            raise copy.copy(entry.refusal)
        if app is None and entry.app is not None:
            url = config.resolve_base_url(session.base_url, entry.app.base_url)
            app = entry.app if url == entry.app.base_url else replace(entry.app, base_url=url)
    if app is None:
        raise config.no_credentials(config.find_app_id(session.app_id))
    if session.tenant_key is not None:
        app = replace(app, tenant_key=session.tenant_key)
    session.found_app = FoundApp(app, now + CACHE_SECONDS, config.get_pacing(), session.has_database())
    return app


def _misses_registry(session: Session) -> bool:
    """Return whether the registry's file should exist: it is configured, or has been read before."""
    key = (config.get_registry(), config.find_app_id(session.app_id), True)
    return config.is_registry_named() or key in session.runtime.registry.answers


def _look_up(session: Session, app_id: str | None) -> Procedure[RegistryAnswer]:
    """Return the registry's answer, from the cache or by a query that all threads share.

    Args:
        session: The settings of the client.
        app_id: The id of the app whose secret is already known; None to look the secret up as well.
    """
    lookup_id = app_id or config.find_app_id(session.app_id)
    cache = session.runtime.registry
    key = (config.get_registry(), lookup_id, app_id is None)
    own_flight = Flight(f"registry {lookup_id}", None, session.clock())
    while True:
        until, known = cache.answers.get(key, (0.0, None))
        if known is not None and is_pending(until, session.clock(), CACHE_SECONDS):
            return known
        flight = cache.lookups.setdefault(key, own_flight)
        if flight is own_flight:
            break
        if known is not None:
            return known  # Another caller is refreshing it; this one need not wait.
        if (yield Await(flight.future, flight.thread)) is None:
            break
    try:
        return (yield from _query(session, key, known))
    finally:
        if flight is own_flight:
            del cache.lookups[key]
            own_flight.future.set_result("looked")


def _query(session: Session, key: RegistryKey, known: RegistryAnswer | None) -> Procedure[RegistryAnswer]:
    now, (registry, lookup_id, secret_wanted) = session.clock(), key
    answer = yield from fallback_store.query(
        session,
        ("registry", registry),
        _locate,
        partial(_find_registered, lookup_id=lookup_id, secret_wanted=secret_wanted),
        required=secret_wanted and known is None,
    )
    if isinstance(answer, tuple):
        entry = answer[0]
        # A refusal is not cached, so that a correction takes effect at once.
        session.runtime.registry.answers[key] = (
            now if entry.refusal is not None else now + CACHE_SECONDS,
            entry,
        )
        return entry
    if known is not None:
        return known  # The last answer stays valid while the registry is unavailable.
    return RegistryAnswer(refusal=answer) if secret_wanted else RegistryAnswer()


def _locate() -> URL:
    from lark_provider.storage import urls  # SQLAlchemy is loaded only where there is a registry.

    return urls.registry()


def _find_registered(url: URL, *, lookup_id: str | None, secret_wanted: bool) -> RegistryAnswer:
    from lark_provider.storage import crypto, registry, sealing

    try:
        row = registry.find(url, lookup_id)
    except ConfigurationError as unknown:
        return RegistryAnswer(refusal=unknown if secret_wanted else None)
    if not row.active:
        return RegistryAnswer(refusal=config.make_disabled_app_error(row.app_id))
    if not secret_wanted:
        return RegistryAnswer()
    try:
        secrets = sealing.open_secrets(row, crypto.EncryptionKeys.from_environment())
    except LarkError as unreadable:
        return RegistryAnswer(refusal=unreadable)
    return RegistryAnswer(App(row.base_url, row.app_id, secrets.app_secret))
