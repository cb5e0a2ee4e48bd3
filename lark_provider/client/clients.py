"""`LarkServiceClient` and `AsyncLarkServiceClient`: the same operations, blocking or awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from lark_provider import config
from lark_provider.client.base import BaseClient
from lark_provider.client.bind import Async, Sync
from lark_provider.client.performers import AsyncPerformer, Performer
from lark_provider.engine.credentials import find
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import ConfigurationError, InvalidRequestError, make_unknown_choice_error
from lark_provider.protocol.operations import Listing
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import complete_path
from lark_provider.protocol.tokens import App

if TYPE_CHECKING:
    from lark_provider.engine.http import AsyncClient, SyncClient  # noqa: F401 - named in the bases below

T = TypeVar("T")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _call(
    method: str,
    path: str,
    params: Mapping[str, str | Sequence[str] | None] | None,
    json: Any,
    idempotent: bool | None,
) -> Call[dict[str, Any]]:
    full = complete_path(path)
    if not (isinstance(method, str) and method.upper() in _METHODS):
        raise make_unknown_choice_error("method", method, _METHODS)
    if not isinstance(params, Mapping | None):
        raise InvalidRequestError(
            f"params must be a dict of query parameters, got {type(params).__name__}. Next: pass it as "
            "{'page_size': 50}."
        )
    return make_request(method.upper(), full, params=params, json=json, idempotent=idempotent)


class LarkServiceClient(BaseClient[Sync, "SyncClient"], Performer):
    """A client for one app of Lark or Feishu.

    Creating a client does no I/O. Credentials are looked up at the first call: in the arguments, then in
    `LARK_APP_ID` and `LARK_APP_SECRET`, then in the registry of `lark-provider app add`. An app that was
    disabled there is refused within half a minute, even if its secret came from elsewhere. Clients share
    connections and tokens within a process, so creating one for each request is cheap. A client may be used
    by several threads, and after a fork.

    Args:
        app_id: The app's id, `cli_…`.
        app_secret: The app's secret.
        base_url: `feishu`, `lark`, or the URL of a private deployment; by default `LARK_BASE_URL`, else
            `feishu`.
        timeout: Seconds for connecting, for writing and for reading, each.
        deadline: Seconds for one call in all: token, waits, retries and the answer. An operation that makes
            several calls, such as a bulk write, a listing or a message to a mobile number, has so many
            seconds for each of them.
        proxy: URL of an HTTP proxy.
        verify: Whether to check certificates; or the path of a private authority's certificate.
        max_retries: The most retries of one call; a call is retried only if that can help and does no harm.
            The waits between them take at most 60 seconds in all.
        database_url: `postgresql://…` or `sqlite:///…`, where processes share tokens and user lookups; by
            default that of `LARK_DATABASE_URL` or `POSTGRES_*`. Without one, each process has its own.
        tenant_key: For a store (ISV) app, the tenant for which this client acts.
        http_client: Your own `httpx.Client` or `httpx2.Client`, with its own proxy, certificates, timeouts
            and cookies; it is never closed here. Its timeout bounds each read and write. `deadline` is only
            checked between the reads of an answer's body; with an `AsyncClient`, it applies at any time.

    Raises:
        ConfigurationError: A setting is invalid.
    """

    _is_async = False

    def resolve(self) -> Self:
        """Look up the app now instead of at the first call. See `AsyncLarkServiceClient.resolve`."""
        self._find_app()
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
            path: The path as in Lark's documentation, with or without `/open-apis`.
            params: Query parameters; a list repeats the parameter, None is left out.
            json: The body before encoding.
            idempotent: Whether a repeat does no harm, so that the call is retried after a lost answer. If
                None, this holds for a GET, and for a DELETE without a body.

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
            LarkAPIError: Lark refused a page, or returned a page token a second time.
            TransportError: Lark was not reached.
        """
        pager = Pager(listing)
        while not pager.ended:
            yield from self.perform(pager.read_next_page())


class AsyncLarkServiceClient(BaseClient[Async, "AsyncClient"], AsyncPerformer):
    """The client for asyncio: every operation of `LarkServiceClient`, awaited; listings are `async for`.

    It never blocks the loop: if the app is in the registry, `app_id`, `base_url` and `sdk` are only available
    after `await client.resolve()` or any call. The client may be created before a loop runs, and used in
    several loops, one after another.
    Parameters and errors are those of `LarkServiceClient`; `http_client` is an `AsyncClient`.
    """

    _is_async = True

    def _find_app(self) -> App:
        found_app = self._session.found_app
        if found_app is None and config.has_registry():
            raise ConfigurationError(
                "The app must be looked up in the registry first, which would block the event loop. Next: "
                "`await client.resolve()` before app_id, base_url or sdk; any other call does it as well."
            )
        return super()._find_app() if found_app is None else found_app.app

    async def resolve(self) -> Self:
        """Look up the app, so that `app_id`, `base_url` and `sdk` are available.

        Raises:
            ConfigurationError: No credentials were found, or the app is disabled.
            StorageError: Only the registry has the app's secret, and the registry cannot be read.
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
            for item in await self.perform(pager.read_next_page()):
                yield item
