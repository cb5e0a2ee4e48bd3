"""Who is who, as Lark said before: kept in the database that processes share, else in this process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

import orjson

from lark_provider.core import credentials, shared
from lark_provider.core.entry import Entry
from lark_provider.core.io import Served
from lark_provider.core.session import Session
from lark_provider.protocol.calls import KeepPeople, KnownPeople, Seen
from lark_provider.protocol.tokens import App

_ENTRIES = 10_000


class _Memory:
    """The newest entries, for all clients of a process."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str, str], Entry] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, app: str, asked: KnownPeople) -> dict[str, Entry]:
        """The entries that are here, by lookup."""
        with self._lock:
            found = {lookup: self._entries.get((app, asked.kind, lookup)) for lookup in asked.lookups}
        return {lookup: entry for lookup, entry in found.items() if entry is not None}

    def keep(self, app: str, kind: str, entries: dict[str, Entry]) -> None:
        """Keep entries, and forget the oldest beyond the bound."""
        with self._lock:
            for lookup, entry in entries.items():
                key = (app, kind, lookup)
                self._entries[key] = entry
                self._entries.move_to_end(key)
            while len(self._entries) > _ENTRIES:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def after_fork(self) -> None:
        """In a child: a thread that is not here may have held the lock."""
        self._lock = threading.Lock()


_memory = _Memory()
os.register_at_fork(after_in_child=_memory.after_fork)


def forget() -> None:
    """Forget what this process knows; the database keeps what it has."""
    _memory.clear()


def known(session: Session, asked: KnownPeople) -> Served[dict[str, Seen]]:
    """Look people up where they are kept. A database that is away leaves what this process has seen.

    Args:
        session: A client's.
        asked: Whom.

    Raises:
        ConfigurationError: The app is unknown or disabled.
    """
    app = _name((yield from credentials.find(session)))
    entries = yield from shared.ask_users(session, app, lambda users: users.look(asked.kind, asked.lookups))
    if entries is None:
        entries = _memory.look(app, asked)
    else:
        _memory.keep(app, asked.kind, entries)
    now = session.clock()
    # Of a clock that runs ahead an entry comes from the future; that must not make it good for ever.
    return {
        lookup: Seen(orjson.loads(entry.data), abs(now - entry.fetched_at))
        for lookup, entry in entries.items()
    }


def keep(session: Session, learned: KeepPeople) -> Served[None]:
    """Keep what Lark has just said, for this process and for all that share the database.

    Args:
        session: A client's.
        learned: Of whom, and what.

    Raises:
        ConfigurationError: The app is unknown or disabled.
    """
    app, now = _name((yield from credentials.find(session))), session.clock()
    entries = {
        lookup: Entry(orjson.dumps(value).decode(), now, now + seconds)
        for lookup, (value, seconds) in learned.people.items()
    }
    _memory.keep(app, learned.kind, entries)
    yield from shared.ask_users(session, app, lambda users: users.keep(learned.kind, entries))


def _name(app: App) -> str:
    """Who sees these people: open_ids differ from app to app, and a store app sees another company each time.

    Another secret is still the same app.
    """
    return "|".join(filter(None, (app.base_url, app.app_id, app.tenant_key)))
