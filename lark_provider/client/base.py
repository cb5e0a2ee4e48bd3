"""The base of both clients: their settings, and their operations by area."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from lark_provider import config
from lark_provider.client.bind import Async, Sync
from lark_provider.client.namespaces import Bot, Contact, Messaging, StoreApp
from lark_provider.client.sdk import make_official_client
from lark_provider.engine import http
from lark_provider.engine.credentials import find
from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.pools import Wire
from lark_provider.engine.session import DEFAULT_DEADLINE, DEFAULT_TIMEOUT, Session
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App
from lark_provider.support.secret import Secret

if TYPE_CHECKING:
    from lark_provider.client.approval import Approval
    from lark_provider.client.calendar import Calendar
    from lark_provider.client.documents import CloudDoc
    from lark_provider.client.sdk import OfficialClient
    from lark_provider.engine.http import AsyncClient, SyncClient

R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)
H = TypeVar("H", bound="SyncClient | AsyncClient")
DEFAULT_RETRIES = RetryPolicy().max_retries


class BaseClient(Generic[R_co, H]):
    """The settings of both clients, and their operations by area."""

    _is_async: ClassVar[bool]

    def __init__(
        self,
        app_id: str | None = None,
        app_secret: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        deadline: float = DEFAULT_DEADLINE,
        proxy: str | None = None,
        verify: bool | str = True,
        max_retries: int = DEFAULT_RETRIES,
        database_url: str | None = None,
        tenant_key: str | None = None,
        http_client: H | None = None,
    ) -> None:
        # Error reporters show the arguments of a function, so they are masked.
        app_secret, database_url = Secret.of(app_secret), Secret.of(database_url)
        base_url, proxy = config.mask(base_url), config.mask(proxy)
        if http_client is not None and not http.is_client(http_client, is_async=self._is_async):
            kind = "AsyncClient" if self._is_async else "Client"
            raise ConfigurationError(
                f"http_client must be an httpx.{kind} or httpx2.{kind}, got {type(http_client).__name__}. "
                f"Next: pass httpx.{kind}(), or leave it out."
            )
        self._session = make_session(
            http_client,
            Wire(proxy, verify),
            max_retries,
            app_id=app_id,
            app_secret=app_secret,
            base_url=base_url,
            timeout=timeout,
            deadline=deadline,
            database_url=database_url,
            tenant_key=tenant_key,
        )

    @property
    def app_id(self) -> str:
        """The id of the client's app.

        Raises:
            ConfigurationError: No credentials were found.
        """
        return self._find_app().app_id

    @property
    def base_url(self) -> str:
        """The base URL of Lark that the client uses.

        Raises:
            ConfigurationError: No credentials were found.
        """
        return self._find_app().base_url

    def _find_app(self) -> App:
        return drive(find(self._session), self._session)

    @cached_property
    def bot(self) -> Bot[R_co]:
        """The app's bot."""
        return Bot(self)

    @cached_property
    def store_app(self) -> StoreApp[R_co]:
        """Operations for store (ISV) apps."""
        return StoreApp(self)

    @cached_property
    def contact(self) -> Contact[R_co]:
        """People: their ids by e-mail address or mobile number, and their profiles."""
        return Contact(self)

    @cached_property
    def messaging(self) -> Messaging[R_co]:
        """Messages to people and chats."""
        return Messaging(self)

    @cached_property
    def clouddoc(self) -> CloudDoc[R_co]:
        """Lark's documents; `.clouddoc.bitable` for tables."""
        from lark_provider.client.documents import CloudDoc

        return CloudDoc(self)

    @cached_property
    def approval(self) -> Approval[R_co]:
        """Native approvals (审批)."""
        from lark_provider.client.approval import Approval

        return Approval(self)

    @cached_property
    def calendar(self) -> Calendar[R_co]:
        """Calendars and their events."""
        from lark_provider.client.calendar import Calendar

        return Calendar(self)

    @cached_property
    def sdk(self) -> OfficialClient:
        """The official SDK's client for this app, with this client's tokens; needs the extra `sdk`.

        It takes proxy and certificates from the environment, not from this client's `proxy` and `verify`.

        Raises:
            ConfigurationError: The SDK is not installed.
        """
        return make_official_client(self._find_app(), self._session)

    def __repr__(self) -> str:
        """Return the app's id and base URL."""
        session = getattr(self, "_session", None)  # missing in the traceback of a constructor that raised
        if session is None:
            return f"{type(self).__name__}(…)"
        where = redact(session.base_url) if session.base_url else None
        return f"{type(self).__name__}(app_id={session.app_id!r}, base_url={where!r})"


def make_session(
    http_client: SyncClient | AsyncClient | None, wire: Wire, max_retries: int, **settings: Any
) -> Session:
    """Make a client's session, with the bounds for its retries.

    Raises:
        ConfigurationError: A setting is invalid.
    """
    if type(max_retries) is not int or max_retries < 0:
        raise ConfigurationError(
            f"max_retries must be an int of 0 or more, got {max_retries!r}. Next: pass a number such as 3, "
            "or 0 to try once."
        )
    return Session(
        http_client=http_client, wire=wire, policy=RetryPolicy(max_retries=max_retries), **settings
    )


def find_app(client: BaseClient[Any, Any]) -> App:
    """Return the app of a client with its secret, under which the outbox is encrypted.

    Args:
        client: The client; an asynchronous one must be resolved.

    Raises:
        ConfigurationError: No credentials were found.
    """
    return client._find_app()  # noqa: SLF001 - the secret is not part of the public client


def has_database(client: BaseClient[Any, Any]) -> bool:
    """Return whether a client has a shared database, set by its argument or by the environment."""
    return config.has_database(get_database_url(client))


def get_database_url(client: BaseClient[Any, Any]) -> str | None:
    """Return the `database_url` that a client was made with; None if the environment decides."""
    return client._session.database_url  # noqa: SLF001 - as in `find_app`
