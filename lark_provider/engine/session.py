"""What the calls of one client share: the app, the connection settings, the caches."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lark_provider import config
from lark_provider.engine.pools import Wire
from lark_provider.engine.runtime import PROCESS, Runtime
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App
from lark_provider.support.clocks import is_pending
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    from lark_provider.engine.http import AsyncClient, SyncClient
    from lark_provider.protocol.webhook import Webhook

DEFAULT_TIMEOUT = 30.0
DEFAULT_DEADLINE = 120.0
CACHE_SECONDS = 12.0
"""How long an answer of the registry is cached, and then the app of a session: with a slow look-up between
them, a disabled app is refused within 30 s."""


class FoundApp(NamedTuple):
    """An app that was looked up.

    Attributes:
        app: The app.
        expires_at: When it is looked up once more, in seconds since the epoch.
        pace: The share of Lark's documented rates that its requests keep to; 0 if they are not paced.
        has_database: Whether other processes reserve times for requests in the same database.
    """

    app: App
    expires_at: float
    pace: float
    has_database: bool


@dataclass(slots=True)
class Session:
    """The settings of a client. Making one does no I/O; credentials are looked up at the first call.

    Attributes:
        app_id: As the caller passed it, or None.
        app_secret: As the caller passed it, or None.
        base_url: `feishu`, `lark`, a URL, or None for `LARK_BASE_URL`, else feishu.
        timeout: Seconds for each of connecting (10 at most), writing and reading.
        deadline: Seconds for one call in all: token, waits, retries and the answer.
        policy: Bounds for retries.
        wire: Proxy and certificate check.
        http_client: The caller's client, used instead of the shared pool, with its own timeouts, and never
            closed.
        runtime: What it shares with the other clients of the process.
        clock: Seconds since the epoch.
        webhook: The custom bot, for clients that have one instead of an app.
        database_url: The database in which processes share tokens and users; else as the environment says.
        tenant_key: The tenant that a store app acts for.
        found_app: The app once it was looked up; see `credentials.find`.
        shares: The cached result of `has_database`.
    """

    app_id: str | None = None
    app_secret: str | None = field(default=None, repr=False)
    base_url: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    deadline: float = DEFAULT_DEADLINE
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    wire: Wire = field(default_factory=Wire)
    http_client: SyncClient | AsyncClient | None = None
    runtime: Runtime = PROCESS
    clock: Callable[[], float] = time.time
    webhook: Webhook | None = None
    database_url: str | None = field(default=None, repr=False)
    tenant_key: str | None = None
    found_app: FoundApp | None = None
    shares: bool | None = None

    def __post_init__(self) -> None:
        """Reject invalid settings before the first call."""
        for name in ("app_id", "app_secret", "base_url", "tenant_key"):
            if not isinstance(getattr(self, name), str | None):
                raise ConfigurationError(  # It may be the secret, so its value is not shown.
                    f"{name} must be a str, got {type(getattr(self, name)).__name__}. Next: pass it as "
                    "text, or leave it out."
                )
        self.app_secret = Secret.of(self.app_secret)
        self.database_url = Secret.of(self.database_url)
        self.base_url = config.mask(self.base_url)
        for name, usual in (("timeout", DEFAULT_TIMEOUT), ("deadline", DEFAULT_DEADLINE)):
            seconds = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
                raise ConfigurationError(
                    f"{name} must be a number of seconds above 0, got {seconds!r}. Next: pass one, such as "
                    f"{usual:g}."
                )
        if self.http_client is not None and (self.wire != Wire() or self.timeout != DEFAULT_TIMEOUT):
            raise ConfigurationError(
                "http_client must come without proxy, verify and timeout, got one of them too. Next: set "
                "them on the http_client itself."
            )
        if self.base_url is not None:
            config.resolve_base_url(self.base_url)

    def find_known_app(self) -> App | None:
        """Return the app if it was looked up and that has not expired."""
        found_app = self.found_app
        if found_app is None or not is_pending(found_app.expires_at, self.clock(), CACHE_SECONDS):
            return None
        return found_app.app

    def require_bot(self) -> Webhook:
        """Return the custom bot that the calls are for.

        Raises:
            ConfigurationError: The client has an app, not a webhook.
        """
        if self.webhook is None:
            raise ConfigurationError(
                "A custom bot's calls must come from a LarkWebhookClient. Next: create a LarkWebhookClient "
                "with the bot's webhook URL."
            )
        return self.webhook

    def get_origin(self) -> str:
        """Return the URL before `/open-apis`.

        Raises:
            RuntimeError: A request was built before the app was looked up.
        """
        if self.webhook is not None:
            return self.webhook.base_url
        if self.found_app is None:
            raise RuntimeError("the app of a session must be looked up before its first request")
        return self.found_app.app.base_url

    def has_database(self) -> bool:
        """Return whether a database is shared with other processes, as it was set at the first request."""
        if self.shares is None:
            self.shares = config.has_database(self.database_url)
        return self.shares
