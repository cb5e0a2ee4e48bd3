"""Whose calls these are: arguments, environment, then the registry, which also says who is disabled."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from lark_provider.core import config, shared
from lark_provider.core.io import Served, WaitFor
from lark_provider.core.session import Session
from lark_provider.core.tokens import Flight
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.tokens import App

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_HOLDS_SECONDS = 12.0
"""What the registry said holds for this long, and so does what a session made of it: with a slow look-up in
between, a disabled app is refused within 30 s."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the registry says of an app; `app` only where its secret was asked for."""

    app: App | None = None
    refusal: LarkError | None = None


_Key: TypeAlias = tuple[str, str | None, bool]
_entries: dict[_Key, tuple[float, _Entry]] = {}
_looks: dict[_Key, Flight] = {}
os.register_at_fork(after_in_child=_looks.clear)  # its parent's threads are not in a child


def forget() -> None:
    """Forget what registries said."""
    _entries.clear()


def find(session: Session) -> Served[App]:
    """Find the app of a session; what was found holds for a while.

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
    named = given or config.named_app(session.app_id)
    key, mine = (config.registry(), named, given is None), Flight(f"registry {named}", None)
    while True:
        until, known = _entries.get(key, (0.0, None))
        if known is not None and session.clock() < until:
            return known
        look = _looks.setdefault(key, mine)
        if look is mine:
            break
        if known is not None:
            return known  # one looks again; the others need not wait for it
        if (yield WaitFor(look)) is None:
            break
    try:
        return (yield from _asked(session, key, known))
    finally:
        if look is mine:
            del _looks[key]
            mine.future.set_result("looked")


def _asked(session: Session, key: _Key, known: _Entry | None) -> Served[_Entry]:
    now, (registry, named, secret_wanted) = session.clock(), key
    answer = yield from shared.consult(
        session,
        f"registry {registry}",
        _place,
        lambda url: _entry(url, named, secret_wanted=secret_wanted),
        vital=secret_wanted and known is None,
    )
    if isinstance(answer, tuple):
        entry = answer[0]
        # Who is refused asks again each time, so that help helps at once.
        _entries[key] = (now if entry.refusal is not None else now + _HOLDS_SECONDS, entry)
        return entry
    if known is not None:
        return known  # as it was when the registry was last reached
    return _Entry(refusal=answer) if secret_wanted else _Entry()


def _place() -> URL:
    from lark_provider.core.storage import urls  # noqa: PLC0415 - only who has a registry pays

    return urls.registry()


def _entry(url: URL, named: str | None, *, secret_wanted: bool) -> _Entry:
    from lark_provider.core.storage import crypto, registry  # noqa: PLC0415 - as above

    try:
        row = registry.find(url, named)
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
