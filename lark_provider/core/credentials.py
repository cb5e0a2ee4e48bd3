"""Whose calls these are: arguments, environment, then the registry, which also says who is disabled."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from lark_provider.core import config, shared
from lark_provider.core.io import Served
from lark_provider.core.session import Session
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.tokens import App

_HOLDS_SECONDS = 15.0  # a disabled app is refused within 30 s, a slow look-up included


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the registry says of an app; `app` only where its secret was asked for."""

    app: App | None = None
    refusal: LarkError | None = None


_entries: dict[tuple[str, str | None, bool], tuple[float, _Entry]] = {}


def forget() -> None:
    """Forget what registries said."""
    _entries.clear()


def find(session: Session) -> Served[App]:
    """Find the app of a session; what was found holds for 15 s.

    Args:
        session: A client's.

    Raises:
        ConfigurationError: No credentials were found, or the app is disabled.
        StorageError: Only the registry knows the app, and cannot be used.
        DecryptionError: The registry's secret is under another key.
    """
    now = session.clock()
    if session.found is not None and now < session.found[1]:
        return session.found[0]
    app = config.app(session.app_id, session.app_secret, session.base_url)
    if config.has_registry():
        entry = yield from _look(session, None if app is None else app.app_id)
        if entry.refusal is not None:
            raise copy.copy(entry.refusal)
        if app is None and entry.app is not None:
            app = replace(entry.app, base_url=config.base_url(session.base_url, entry.app.base_url))
    if app is None:
        raise config.no_credentials(config.named_app(session.app_id))
    app = replace(app, tenant_key=session.tenant_key)
    session.found = (app, now + _HOLDS_SECONDS)
    return app


def _look(session: Session, given: str | None) -> Served[_Entry]:
    """Ask the registry, or remember what it said.

    Args:
        session: A client's.
        given: The id of the app whose secret is known already; None to look the secret up as well.
    """
    registry, named = config.registry(), given or config.named_app(session.app_id)
    key, now = (registry, named, given is None), session.clock()
    until, known = _entries.get(key, (0.0, None))
    if known is not None and now < until:
        return known
    answer = yield from shared.consult(
        session, f"registry {registry}", lambda: _entry(named, secret_wanted=given is None)
    )
    if isinstance(answer, tuple):
        _entries[key] = (now + _HOLDS_SECONDS, answer[0])
        return answer[0]
    if known is not None:
        return known  # as it was when the registry was last reached
    return _Entry() if given is not None else _Entry(refusal=answer)


def _entry(named: str | None, *, secret_wanted: bool) -> _Entry:
    from lark_provider.core.storage import crypto, registry, urls  # noqa: PLC0415 - only who has a registry pays

    try:
        row = registry.find(urls.registry(), named)
    except ConfigurationError as unknown:
        return _Entry(refusal=unknown if secret_wanted else None)
    if not row.active:
        return _Entry(
            refusal=ConfigurationError(
                f"App {row.app_id!r} is disabled in the registry. Next: `lark-provider app enable "
                f"{row.app_id}` if it may act again."
            )
        )
    if not secret_wanted:
        return _Entry()
    try:
        secrets = registry.opened(row, crypto.Keys.from_environment())
    except LarkError as unreadable:
        return _Entry(refusal=unreadable)
    return _Entry(App(row.base_url, row.app_id, secrets.app_secret))
