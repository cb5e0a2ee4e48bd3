"""Cache user lookups: in the database that processes share, else in this process."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from lark_provider.engine import credentials, fallback_store
from lark_provider.engine.session import Session
from lark_provider.protocol.cached_user import CachedUser
from lark_provider.protocol.effects import CachedAnswer, CacheGet, CachePut
from lark_provider.protocol.operations import Procedure


def get(session: Session, wanted: CacheGet) -> Procedure[dict[str, CachedAnswer]]:
    """Return cached users by lookup; if the database is unavailable, those that this process has seen.

    Args:
        session: The settings of the client.
        wanted: The lookups.

    Raises:
        ConfigurationError: The app is unknown or disabled.
    """
    app = yield from credentials.find(session)
    name = app.name
    users = yield from fallback_store.in_user_cache(
        session, app, name, lambda cache: cache.get(wanted.kind, wanted.lookups)
    )
    if users is None:
        in_memory = {
            lookup: session.runtime.users.get((name, wanted.kind, lookup)) for lookup in wanted.lookups
        }
        users = {lookup: user for lookup, user in in_memory.items() if user is not None}
    else:
        _put_in_memory(session, name, wanted.kind, users)
    now = session.clock()
    # An entry of a process whose clock runs ahead is from the future; it must not stay valid indefinitely.
    return {
        lookup: CachedAnswer(orjson.loads(user.data), abs(now - user.fetched_at))
        for lookup, user in users.items()
    }


def put(session: Session, learned: CachePut) -> Procedure[None]:
    """Cache what Lark has just said, for this process and for all that share the database.

    Args:
        session: The settings of the client.
        learned: The values, by lookup.

    Raises:
        ConfigurationError: The app is unknown or disabled.
    """
    app = yield from credentials.find(session)
    name, now = app.name, session.clock()
    users = {
        lookup: CachedUser(orjson.dumps(value).decode(), now, now + seconds)
        for lookup, (value, seconds) in learned.people.items()
    }
    _put_in_memory(session, name, learned.kind, users)
    yield from fallback_store.in_user_cache(session, app, name, lambda cache: cache.put(learned.kind, users))


def _put_in_memory(session: Session, app: str, kind: str, users: Mapping[str, CachedUser]) -> None:
    for lookup, user in users.items():
        session.runtime.users.put((app, kind, lookup), user)
