"""`client.sdk`: the official SDK, with this package's tokens, for endpoints that are not wrapped here.

The SDK is imported on first use, since that takes over a second and 170 MB.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from lark_provider.engine import http
from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.session import Session
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.tokens import App, request_tenant_token

if TYPE_CHECKING:
    from lark_oapi import Client, RequestOption

    OfficialClient: TypeAlias = Client

_APIS = "lark_oapi.api."


def make_official_client(app: App, session: Session) -> OfficialClient:
    """Make an SDK client whose requests carry this package's tokens, by the SDK's option for a request.

    A request whose option already has a token keeps it. A token that Lark rejects is replaced only when a
    call of this package is rejected; the SDK does not retry.

    Args:
        app: The app.
        session: The settings of this package's client.

    Raises:
        ConfigurationError: The SDK is not installed.
    """
    try:
        import lark_oapi
    except ImportError as error:
        raise ConfigurationError(
            "client.sdk needs the official SDK. Next: install 'airflow-provider-lark[sdk]'."
        ) from error
    client = (
        lark_oapi.Client.builder()
        .app_id(app.app_id)
        .app_secret(app.app_secret)
        .domain(app.base_url)
        .timeout(session.timeout)
        .enable_set_token(True)
        .build()
    )
    return cast("Client", _WithToken(client, session))


class _WithToken:
    """A part of the SDK's client, whose own parts are wrapped as well and whose requests carry a token.

    Args:
        part: The client, a service, a version of one, or a resource.
        session: The settings of this package's client.
    """

    def __init__(self, part: Any, session: Session) -> None:
        self._part = part
        self._session = session

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._part, name)
        if inspect.ismethod(member) and "option" in inspect.signature(member).parameters:
            return self._send_with_token(member)
        return _WithToken(member, self._session) if type(member).__module__.startswith(_APIS) else member

    def __repr__(self) -> str:
        return f"<{type(self._part).__name__} of the official SDK>"

    def _send_with_token(self, method: Callable[..., Any]) -> Callable[..., Any]:
        session = self._session
        if inspect.iscoroutinefunction(method):
            from lark_provider.engine.drivers.asynchronous import adrive

            @wraps(method)
            async def asend(request: Any, option: RequestOption | None = None) -> Any:
                token = (
                    None
                    if _has_token(option)
                    else await adrive(request_tenant_token(), _choose_session(session, is_async=True))
                )
                return await method(request, _with_token(token, option))

            return asend

        @wraps(method)
        def send(request: Any, option: RequestOption | None = None) -> Any:
            token = (
                None
                if _has_token(option)
                else drive(request_tenant_token(), _choose_session(session, is_async=False))
            )
            return method(request, _with_token(token, option))

        return send


def _choose_session(session: Session, *, is_async: bool) -> Session:
    """Return a session for the driver that is needed: a user's own HTTP client serves only one of them."""
    client = session.http_client
    is_usable = client is None or http.is_client(client, is_async=is_async)
    return session if is_usable else replace(session, http_client=None)


def _has_token(option: RequestOption | None) -> bool:
    return option is not None and bool(
        option.tenant_access_token or option.user_access_token or option.app_access_token
    )


def _with_token(token: str | None, option: RequestOption | None) -> RequestOption:
    from lark_oapi import RequestOption

    request_option = RequestOption() if option is None else copy.copy(option)
    request_option.headers = dict(request_option.headers)  # the SDK adds to it
    if token is not None:
        request_option.tenant_access_token = token
    return request_option
