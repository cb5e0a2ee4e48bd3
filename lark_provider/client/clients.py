"""`LarkServiceClient` and `AsyncLarkServiceClient`: the same operations, performed at once or awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

from lark_provider.client.bind import Async, Sync
from lark_provider.client.namespaces import Bot, CloudDoc, Contact, Messaging, StoreApp
from lark_provider.client.performers import AsyncPerformer, Performer
from lark_provider.client.sdk import official_client
from lark_provider.core.credentials import find
from lark_provider.core.drivers import drive
from lark_provider.core.serve import serve
from lark_provider.core.session import Session, Wire
from lark_provider.protocol.calls import Call, LarkResponse, Listing, request
from lark_provider.protocol.errors import ConfigurationError, InvalidRequestError
from lark_provider.protocol.redact import redact
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App, tenant_token

if TYPE_CHECKING:
    from lark_provider.client.sdk import Client

T = TypeVar("T")
R_co = TypeVar("R_co", bound=Sync | Async, covariant=True)
DEFAULT_TIMEOUT = 30.0
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
DEFAULT_RETRIES = RetryPolicy().max_retries


def session_for(
    http_client: httpx.Client | httpx.AsyncClient | None, wire: Wire, max_retries: int, **settings: Any
) -> Session:
    """A client's session, with the bounds for its repeats.

    Raises:
        ConfigurationError: A setting cannot be right.
    """
    if type(max_retries) is not int or max_retries < 0:
        raise ConfigurationError(f"max_retries is {max_retries!r}. Next: pass 0 or more.")
    return Session(
        http_client=http_client, wire=wire, policy=RetryPolicy(max_retries=max_retries), **settings
    )


def _call(
    method: str,
    path: str,
    params: Mapping[str, str | Sequence[str] | None] | None,
    json: Any,
    idempotent: bool | None,
) -> Call[dict[str, Any]]:
    if not (isinstance(path, str) and path.startswith("/") and path.isprintable()):
        raise InvalidRequestError(f"path is {path!r}. Next: write it from the root, such as /im/v1/messages.")
    if not (isinstance(method, str) and method.upper() in _METHODS):
        raise InvalidRequestError(f"method is {method!r}. Next: use one of {', '.join(_METHODS)}.")
    if not isinstance(params, Mapping | None):
        raise InvalidRequestError(
            f"params is a {type(params).__name__}. Next: pass a dict of query parameters."
        )
    full = path if path.startswith(("/open-apis/", "/callback/")) else "/open-apis" + path
    return request(method.upper(), full, params=params, json=json, idempotent=bool(idempotent))


class _Client(Generic[R_co]):
    """What both clients are: settings, and the areas of what can be done."""

    _session: Session

    @property
    def app_id(self) -> str:
        """The id of the app whose calls these are.

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
        """What only store (ISV) apps need."""
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
        return CloudDoc(self)

    @cached_property
    def sdk(self) -> Client:
        """The official SDK's client for this app, on our tokens; needs the extra `sdk`.

        Its own `a…` methods fetch a missing token with a blocking request, as the SDK always does.

        Raises:
            ConfigurationError: The SDK is not installed.
        """
        return official_client(
            self._app(),
            self._session.timeout,
            lambda: drive(serve(tenant_token(), self._session), self._session),
        )

    def __repr__(self) -> str:
        where = redact(self._session.base_url) if self._session.base_url else None
        return f"{type(self).__name__}(app_id={self._session.app_id!r}, base_url={where!r})"


class LarkServiceClient(_Client[Sync], Performer):
    """A client for one app of Lark or Feishu.

    Making one does no I/O; credentials are looked up at the first call: the arguments, then `LARK_APP_ID`
    and `LARK_APP_SECRET`, then the registry of `lark-provider app add`. An app that was disabled there is
    refused within half a minute, wherever its secret came from. Clients share connections and tokens within a
    process, so one for each request costs nothing. It may be used by several threads, and after a fork.

    Args:
        app_id: The app's id, `cli_…`.
        app_secret: The app's secret.
        base_url: `feishu` (default), `lark`, or the URL of a private deployment; else `LARK_BASE_URL`.
        timeout: Seconds for connecting, for writing and for reading, each.
        proxy: URL of an HTTP proxy.
        verify: Whether to check certificates; a path names a private authority's.
        max_retries: How often one call is repeated where a repeat can help and does no harm.
        database_url: `postgresql://…` or `sqlite:///…`, where processes share tokens and people; else
            `LARK_DATABASE_URL` or `POSTGRES_*`. With none, each process keeps its own.
        tenant_key: For a store (ISV) app, for which tenant this client acts.
        http_client: An `httpx.Client` of your own to use; it is never closed here.

    Raises:
        ConfigurationError: A setting cannot be right.
    """

    def __init__(
        self,
        app_id: str | None = None,
        app_secret: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        proxy: str | None = None,
        verify: bool | str = True,
        max_retries: int = DEFAULT_RETRIES,
        database_url: str | None = None,
        tenant_key: str | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        if http_client is not None and not isinstance(http_client, httpx.Client):
            raise ConfigurationError("http_client is no httpx.Client. Next: pass one, or leave it out.")
        self._session = session_for(
            http_client,
            Wire(proxy, verify),
            max_retries,
            app_id=app_id,
            app_secret=app_secret,
            base_url=base_url,
            timeout=timeout,
            database_url=database_url,
            tenant_key=tenant_key,
        )

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
            params: Query parameters; a list stands there once for each item, None is left out.
            json: The body before encoding.
            idempotent: Say True if a repeat does no harm, and lost answers are then retried. A GET always is.

        Returns:
            Lark's answer.

        Raises:
            LarkAPIError: Lark refused it.
            OutcomeUnknownError: It was sent, is not idempotent, and the answer is lost.
            TransportError: Lark was not reached.
        """
        return self.perform(_call(method, path, params, json, idempotent))

    def iterate(self, listing: Listing[T]) -> Iterator[T]:
        """Walk through all pages of a listing, asking for each when it is needed.

        Args:
            listing: A listing of `lark_provider.api`.
        """
        token: str | None = None
        while True:
            page = self.perform(listing.page(token))
            yield from page.items
            if (token := page.next_token) is None:
                return


class AsyncLarkServiceClient(_Client[Async], AsyncPerformer):
    """The client for asyncio: every operation of `LarkServiceClient`, awaited; listings are `async for`.

    It never blocks the loop, may be made before a loop runs, and may be used in one loop after another.
    Parameters and errors are those of `LarkServiceClient`; `http_client` is an `httpx.AsyncClient`.
    """

    def __init__(
        self,
        app_id: str | None = None,
        app_secret: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        proxy: str | None = None,
        verify: bool | str = True,
        max_retries: int = DEFAULT_RETRIES,
        database_url: str | None = None,
        tenant_key: str | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        if http_client is not None and not isinstance(http_client, httpx.AsyncClient):
            raise ConfigurationError("http_client is no httpx.AsyncClient. Next: pass one, or leave it out.")
        self._session = session_for(
            http_client,
            Wire(proxy, verify),
            max_retries,
            app_id=app_id,
            app_secret=app_secret,
            base_url=base_url,
            timeout=timeout,
            database_url=database_url,
            tenant_key=tenant_key,
        )

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
        """Walk through all pages of a listing, asking for each when it is needed."""
        token: str | None = None
        while True:
            page = await self.perform(listing.page(token))
            for item in page.items:
                yield item
            if (token := page.next_token) is None:
                return
