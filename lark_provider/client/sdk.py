"""`client.sdk`: the official SDK, on this package's tokens, for endpoints that are not wrapped here.

The SDK is imported only when it is asked for: it takes over a second and 170 MB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from lark_provider.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from lark_oapi import Client as Client  # noqa: PLC0414 - for `clients`, which may not import the SDK itself

    from lark_provider.protocol.tokens import App

_lock = threading.Lock()
_sources: dict[str, Callable[[], str]] = {}
_TENANT = "self_tenant_token:"


def official_client(app: App, timeout: float, token: Callable[[], str]) -> Client:
    """Make an SDK client for an app.

    The SDK keeps tokens in one cache for the whole process, by app id alone. That cache is wrapped, so that
    it answers with our token for this app in this tenant at this Lark, and as before for any other. A token
    that Lark rejects is replaced when one of our own calls meets the rejection; the SDK does not retry.

    Args:
        app: Whose.
        timeout: Seconds for each request.
        token: Returns a valid tenant token.

    Raises:
        ConfigurationError: The SDK is not installed.
    """
    try:
        import lark_oapi  # noqa: PLC0415 - see above
        from lark_oapi.core.token import TokenManager  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigurationError(
            "client.sdk needs the official SDK. Next: install 'airflow-provider-lark[sdk]'."
        ) from error
    with _lock:
        if not isinstance(TokenManager.cache, _OurTokens):
            TokenManager.cache = _OurTokens(TokenManager.cache)
        _sources[app.token_key] = token
    return (
        lark_oapi.Client.builder()
        .app_id(_AppId(app.app_id, app.token_key))
        .app_secret(app.app_secret)
        .domain(app.base_url)
        .timeout(timeout)
        .build()
    )


class _AppId(str):
    """An app id that the SDK writes into the names of its cache as the key of our token.

    Everywhere else, JSON included, it is the id: only there does the SDK format it.
    """

    __slots__ = ("token_key",)
    token_key: str

    def __new__(cls, app_id: str, token_key: str) -> Self:
        made = super().__new__(cls, app_id)
        made.token_key = token_key
        return made

    def __format__(self, spec: str) -> str:
        return format(self.token_key, spec)


class _OurTokens:
    """The SDK's cache, with our tokens in front."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        # Whoever knows the SDK's own cache finds it unchanged.
        return getattr(self._inner, name)

    def get(self, key: str) -> str:
        """The token under a key of the SDK's."""
        source = _sources.get(key.removeprefix(_TENANT)) if key.startswith(_TENANT) else None
        return source() if source is not None else self._inner.get(key)

    def set(self, key: str, value: str, expire: int) -> None:
        """Keep a token that the SDK fetched itself."""
        self._inner.set(key, value, expire)
