"""`LarkServiceClient` and `AsyncLarkServiceClient`: the same operations, blocking or awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from lark_provider import config
from lark_provider.client.bind import Async, Sync
from lark_provider.client.namespaces import Bot, Contact, Messaging, StoreApp
from lark_provider.client.performers import AsyncPerformer, Performer
from lark_provider.client.sdk import official_client
from lark_provider.engine import http
from lark_provider.engine.credentials import find
from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.pools import Wire
from lark_provider.engine.session import DEFAULT_DEADLINE, DEFAULT_TIMEOUT, Session
from lark_provider.protocol.calls import Call, LarkResponse, request
from lark_provider.protocol.errors import ConfigurationError, InvalidRequestError, unknown_choice
from lark_provider.protocol.operations import Listing
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import full_path
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

T = TypeVar("T")
R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)
H = TypeVar("H", bound="SyncClient | AsyncClient")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
DEFAULT_RETRIES = RetryPolicy().max_retries


def session_for(
    http_client: SyncClient | AsyncClient | None, wire: Wire, max_retries: int, **settings: Any
) -> Session:
    """Make a client's session, with the bounds for its retries.

    Raises:
        ConfigurationError: A setting is invalid.
    """
    if type(max_retries) is not int or max_retries < 0:
        raise ConfigurationError(
            f"max_retries must be an int of 0 or more, got {max_retries!r}. Next: pass such a number."
        )
    return Session(
        http_client=http_client, wire=wire, policy=RetryPolicy(max_retries=max_retries), **settings
    )


def app_of(client: _Client[Any, Any]) -> App:
    """Return the app of a client with its secret, under which the outbox is encrypted.

    Args:
        client: The client; an asynchronous one must be resolved.

    Raises:
        ConfigurationError: No credentials were found.
    """
    return client._app()  # noqa: SLF001 - the secret is no part of the public client


def has_database(client: _Client[Any, Any]) -> bool:
    """Return whether processes share a database with a client, by its argument or by the environment."""
    return config.has_database(database_of(client))


def database_of(client: _Client[Any, Any]) -> str | None:
    """Return the `database_url` that a client was made with; None if the environment says."""
    return client._session.database_url  # noqa: SLF001 - as in `app_of`


def _call(
    method: str,
    path: str,
    params: Mapping[str, str | Sequence[str] | None] | None,
    json: Any,
    idempotent: bool | None,
) -> Call[dict[str, Any]]:
    full = full_path(path)
    if not (isinstance(method, str) and method.upper() in _METHODS):
        raise unknown_choice("method", method, _METHODS)
    if not isinstance(params, Mapping | None):
        raise InvalidRequestError(
            f"params must be a dict of query parameters, got {type(params).__name__}. Next: pass one."
        )
    return request(method.upper(), full, params=params, json=json, idempotent=idempotent)


class _Client(Generic[R_co, H]):
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
        # Error reporters print the arguments of a function.
        app_secret, database_url = Secret.of(app_secret), Secret.of(database_url)
        base_url, proxy = config.masked(base_url), config.masked(proxy)
        if http_client is not None and not http.is_client(http_client, is_async=self._is_async):
            kind = "AsyncClient" if self._is_async else "Client"
            raise ConfigurationError(
                f"http_client must be an httpx.{kind} or httpx2.{kind}, got {type(http_client).__name__}. "
                "Next: pass one, or leave it out."
            )
        self._session = session_for(
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
        return self._app().app_id

    @property
    def base_url(self) -> str:
        """The URL of its Lark.

        Raises:
            ConfigurationError: No credentials were found.
        """
        return self._app().base_url

    def _app(self) -> App:
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
        """People: ids by e-mail address or mobile number, and what Lark shows of them."""
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
        """The official SDK's client for this app, on our tokens; needs the extra `sdk`.

        Raises:
            ConfigurationError: The SDK is not installed.
        """
        return official_client(self._app(), self._session)

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)  # none yet in a traceback of a constructor that refused
        if session is None:
            return f"{type(self).__name__}(…)"
        where = redact(session.base_url) if session.base_url else None
        return f"{type(self).__name__}(app_id={session.app_id!r}, base_url={where!r})"


class LarkServiceClient(_Client[Sync, "SyncClient"], Performer):
    """A client for one app of Lark or Feishu.

    Making one does no I/O; credentials are looked up at the first call: the arguments, then `LARK_APP_ID`
    and `LARK_APP_SECRET`, then the registry of `lark-provider app add`. An app that was disabled there is
    refused within half a minute, wherever its secret came from. Clients share connections and tokens within a
    process, so one for each request is cheap. A client may be used by several threads, and after a fork.

    Args:
        app_id: The app's id, `cli_…`.
        app_secret: The app's secret.
        base_url: `feishu` (default), `lark`, or the URL of a private deployment; else `LARK_BASE_URL`.
        timeout: Seconds for connecting, for writing and for reading, each.
        deadline: Seconds for one call in all: token, waits, retries and the answer. An operation of several
            calls has as much for each of them: a bulk write, a listing, a message to a mobile number.
        proxy: URL of an HTTP proxy.
        verify: Whether to check certificates; a path names a private authority's.
        max_retries: Retries of one call, where a retry can help and does no harm; their waits are at most 60
            seconds in all.
        database_url: `postgresql://…` or `sqlite:///…`, where processes share tokens and user lookups; else
            `LARK_DATABASE_URL` or `POSTGRES_*`. Without one, each process has its own.
        tenant_key: For a store (ISV) app, for which tenant this client acts.
        http_client: An `httpx.Client` or `httpx2.Client` of your own to use, with its own proxy,
            certificates, timeouts and cookies; it is never closed here. Its own timeout bounds each read
            and write; `deadline` is checked between the reads of an answer's body alone, and at any time with
            an `AsyncClient`.

    Raises:
        ConfigurationError: A setting is invalid.
    """

    _is_async = False

    def resolve(self) -> Self:
        """Look the app up, which the first call does otherwise. See `AsyncLarkServiceClient.resolve`."""
        self._app()
        return self

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Sequence[str] | None] | None = None,
        json: Any = None,
        idempotent: bool | None = None,
    ) -> LarkResponse[dict[str, Any]]:
        """Call any endpoint, with the same tokens, retries and errors as everything else.

        Args:
            method: The HTTP method.
            path: As Lark's pages write it, with or without `/open-apis`.
            params: Query parameters; a list repeats the parameter, None is left out.
            json: The body before encoding.
            idempotent: Whether a repeat does no harm, so that a lost answer is retried. True for a GET, and
                for a DELETE without a body unless this is False.

        Returns:
            Lark's answer.

        Raises:
            LarkAPIError: Lark refused it.
            OutcomeUnknownError: It was sent, is not idempotent, and the answer is lost.
            TransportError: Lark was not reached.
        """
        return self.perform(_call(method, path, params, json, idempotent))

    def iterate(self, listing: Listing[T]) -> Iterator[T]:
        """Iterate over a listing, reading each page when it is needed.

        Args:
            listing: A listing of `lark_provider.api`.

        Raises:
            LarkAPIError: Lark refused a page, or named one that was read before.
            TransportError: Lark was not reached.
        """
        pager = Pager(listing)
        while not pager.ended:
            yield from self.perform(pager.next_page())


class AsyncLarkServiceClient(_Client[Async, "AsyncClient"], AsyncPerformer):
    """The client for asyncio: every operation of `LarkServiceClient`, awaited; listings are `async for`.

    It never blocks the loop: `app_id`, `base_url` and `sdk` of an app of the registry are known after
    `await client.resolve()`, or after any call. It may be made before a loop runs, and used in one loop after
    another.
    Parameters and errors are those of `LarkServiceClient`; `http_client` is an `AsyncClient`.
    """

    _is_async = True

    def _app(self) -> App:
        found = self._session.found
        if found is None and config.has_registry():
            raise ConfigurationError(
                "The app must be looked up in the registry first, which would block the event loop. Next: "
                "`await client.resolve()` before app_id, base_url or sdk; any other call does it as well."
            )
        return super()._app() if found is None else found.app

    async def resolve(self) -> Self:
        """Look the app up, so that `app_id`, `base_url` and `sdk` are known.

        Raises:
            ConfigurationError: No credentials were found, or the app is disabled.
            StorageError: Only the registry has the app's secret, and it cannot be used.
        """
        from lark_provider.engine.drivers.asynchronous import adrive

        await adrive(find(self._session), self._session)
        return self

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | Sequence[str] | None] | None = None,
        json: Any = None,
        idempotent: bool | None = None,
    ) -> LarkResponse[dict[str, Any]]:
        """Call any endpoint; see `LarkServiceClient.call`."""
        return await self.perform(_call(method, path, params, json, idempotent))

    async def iterate(self, listing: Listing[T]) -> AsyncIterator[T]:
        """Iterate over a listing, reading each page when it is needed."""
        pager = Pager(listing)
        while not pager.ended:
            for item in await self.perform(pager.next_page()):
                yield item
