"""What the clients of a process share: tokens, cached answers, what is known of its databases.

There is one `Runtime` in a process, `PROCESS`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from lark_provider.engine.buckets import Buckets
from lark_provider.engine.pools import Pools
from lark_provider.engine.token_cache import Flight, TokenCache
from lark_provider.protocol.cached_user import CachedUser
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.tokens import App
from lark_provider.support.bounded_cache import BoundedCache
from lark_provider.support.throttle import Throttle

if TYPE_CHECKING:
    import asyncio

    from sqlalchemy.engine import URL

_MAX_ANSWERS, _MAX_USERS = 256, 10_000

QueryKind: TypeAlias = tuple[str, str | None]
"""What is queried, and the database's URL as it was configured, masked; None for that of the environment."""

RegistryKey: TypeAlias = tuple[str, str | None, bool]
"""The registry, the app's id or None, and whether its secret is looked up as well."""


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """The registry's answer about an app; `app` only where its secret was looked up."""

    app: App | None = None
    refusal: LarkError | None = None


@dataclass(slots=True)
class RegistryCache:
    """What registries have answered.

    Attributes:
        answers: Answers, each with the time until which it is used without a question.
        lookups: Look-ups in flight.
    """

    answers: dict[RegistryKey, tuple[float, RegistryAnswer]] = field(default_factory=dict)
    lookups: dict[RegistryKey, Flight] = field(default_factory=dict)


@dataclass(slots=True)
class Health:
    """The outcome of the last query of one kind.

    Attributes:
        answered: Whether a query was answered.
        error: Why the last one failed; None if it did not.
        retry_at: When the next one is made after that, in seconds since the epoch.
        max_timeout: The longest `timeout` of the clients that the error concerns: a client that waits longer
            may get an answer.
    """

    answered: bool = False
    error: LarkError | None = None
    retry_at: float = 0.0
    max_timeout: float = inf


class Frozen(NamedTuple):
    """A database that did not answer.

    Attributes:
        until: How long it is left alone, in seconds since the epoch.
        max_timeout: The longest `timeout` of the clients that do so.
    """

    until: float
    max_timeout: float


@dataclass(slots=True)
class DatabaseHealth:
    """Recent health of the databases of a process. Times are seconds since the epoch.

    Attributes:
        queries: The outcome of the last query of each kind, by kind.
        throttle: Limits the warnings about each database, whichever query failed.
        frozen: Databases that did not answer, so that a query of another kind does not wait as well.
        checked: Databases that were checked for tables of Airflow's.
    """

    queries: dict[QueryKind, Health] = field(default_factory=dict)
    throttle: Throttle = field(default_factory=Throttle)
    frozen: dict[str, Frozen] = field(default_factory=dict)
    checked: set[URL] = field(default_factory=set)


class Runtime:
    """The state that outlives a client.

    Attributes:
        tokens: The token cache.
        answers: The answers to `Memoize`, each with the time at which it was learned.
        users: Looked-up users by app, kind of look-up and look-up.
        registry: The answers of registries.
        databases: What is known of databases.
        pace: The reserved times of requests.
        pools: Connections, for the process and for each event loop.
        background: Tasks that no caller awaits; an event loop itself keeps no strong reference to them.
    """

    def __init__(self) -> None:
        self.tokens = TokenCache()
        self.answers: BoundedCache[tuple[str, ...], tuple[float, Any]] = BoundedCache(_MAX_ANSWERS)
        self.users: BoundedCache[tuple[str, str, str], CachedUser] = BoundedCache(_MAX_USERS)
        self.registry = RegistryCache()
        self.databases = DatabaseHealth()
        self.pace = Buckets()
        self.pools = Pools()
        self.background: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Forget all but connections, as a process that has just begun. For tests."""
        self.tokens = TokenCache()
        self.registry = RegistryCache()
        self.databases = DatabaseHealth()
        self.pace = Buckets()
        for held in (self.answers, self.users, self.background):
            held.clear()

    def after_fork(self) -> None:
        """Drop, in a forked child, what belongs to the parent's threads and loops; cached answers stay."""
        self.tokens.after_fork()
        self.registry.lookups.clear()
        self.databases.throttle = Throttle()
        self.pace = Buckets()
        self.background.clear()


PROCESS = Runtime()
os.register_at_fork(after_in_child=PROCESS.after_fork)
