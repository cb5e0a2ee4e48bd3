"""What all calls of one client share: whose they are, how they travel, and what was learned before."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from lark_provider.core import config
from lark_provider.core.tokens import PROCESS_CACHE, TokenCache
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App
from lark_provider.protocol.webhook import Webhook

_MEMORIES = 256


@dataclass(frozen=True, slots=True)
class Wire:
    """How to reach Lark: what makes two clients able to share a pool."""

    proxy: str | None = field(default=None, repr=False)
    verify: bool | str = True

    def __post_init__(self) -> None:
        """Refuse what httpx would refuse later, and without its password."""
        if self.proxy is not None:
            config.proxy(self.proxy)


class Memory:
    """The answers to `Remember`, for all clients of a process: the newest 256."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, ...], tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, key: tuple[str, ...], max_age: float, now: float) -> tuple[Any] | None:
        """A value at most `max_age` seconds old, in a tuple of one; None if there is none."""
        with self._lock:
            found = self._values.get(key)
        return (found[1],) if found is not None and now - found[0] < max_age else None

    def keep(self, key: tuple[str, ...], value: Any, now: float) -> None:
        """Keep a value learned now."""
        with self._lock:
            self._values[key] = (now, value)
            self._values.move_to_end(key)
            while len(self._values) > _MEMORIES:
                self._values.popitem(last=False)

    def after_fork(self) -> None:
        """In a child: a thread that is not here may have held the lock."""
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()


PROCESS_MEMORY = Memory()
os.register_at_fork(after_in_child=PROCESS_MEMORY.after_fork)


@dataclass(slots=True)
class Session:
    """The settings of a client. Making one touches nothing; credentials are looked up at the first call.

    Attributes:
        app_id: As the caller passed it, or None.
        app_secret: As the caller passed it, or None.
        base_url: `feishu`, `lark`, a URL, or None for `LARK_BASE_URL`, else feishu.
        timeout: Seconds for each of connecting, writing and reading.
        policy: Bounds for repeats.
        wire: Proxy and certificate check.
        http_client: A client of the caller's own, used instead of the shared pool and never closed.
        tokens: The token cache.
        memory: The answers to `Remember`.
        clock: Seconds since the epoch.
        webhook: The custom bot, for clients that have one instead of an app.
        database_url: Where processes share tokens and people; else as the environment says.
        tenant_key: For which tenant a store app acts.
        found: The app once it was looked up, and until when that holds; see `credentials.find`.
    """

    app_id: str | None = None
    app_secret: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float = 30.0
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    wire: Wire = field(default_factory=Wire)
    http_client: httpx.Client | httpx.AsyncClient | None = None
    tokens: TokenCache = field(default_factory=lambda: PROCESS_CACHE)
    memory: Memory = field(default_factory=lambda: PROCESS_MEMORY)
    clock: Callable[[], float] = time.time
    webhook: Webhook | None = None
    database_url: str | None = field(default=None, repr=False)
    tenant_key: str | None = None
    found: tuple[App, float] | None = None

    def __post_init__(self) -> None:
        """Refuse at once what needs no look-up to be known as wrong."""
        if not isinstance(self.timeout, int | float) or self.timeout <= 0:
            raise ConfigurationError(
                f"timeout is {self.timeout!r} s. Next: pass a number of seconds above 0."
            )
        if self.http_client is not None and self.wire != Wire():
            raise ConfigurationError(
                "http_client goes with neither proxy nor verify. Next: set them on the http_client itself."
            )
        if self.base_url is not None:
            config.base_url(self.base_url)

    def bot(self) -> Webhook:
        """For which custom bot these calls are.

        Raises:
            ConfigurationError: The client has an app, not a webhook.
        """
        if self.webhook is None:
            raise ConfigurationError("This client has no webhook. Next: make a LarkWebhookClient.")
        return self.webhook

    def origin(self) -> str:
        """The URL before `/open-apis`."""
        if self.webhook is not None:
            return self.webhook.base_url
        assert self.found is not None  # noqa: S101 - whoever sends asked for a token, and so for the app
        return self.found[0].base_url
