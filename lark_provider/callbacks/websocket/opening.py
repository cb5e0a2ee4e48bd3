"""Open the WebSocket of a long connection."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from lark_provider.engine import pools
from lark_provider.engine.pools import Wire
from lark_provider.protocol.errors import ConfigurationError, LarkError, TransportError
from lark_provider.protocol.longconn.discovery import Address
from lark_provider.protocol.longconn.fragments import FragmentLimits
from lark_provider.protocol.longconn.refusals import ConnectRefusal, of_handshake
from lark_provider.protocol.redact import redact
from lark_provider.protocol.tokens import App

if TYPE_CHECKING:
    import ssl

    from websockets.asyncio.client import ClientConnection

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
_OVERHEAD_BYTES = 64 * 1024  # of a frame, in addition to its payload
_QUERY = re.compile(r"\?[^\s'\"]+")


class RefusedError(Exception):
    """The WebSocket handshake was refused.

    Args:
        refusal: What follows from it.
    """

    def __init__(self, refusal: ConnectRefusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def check() -> None:
    """Check that the WebSocket library is installed.

    Raises:
        ConfigurationError: It is not, or is too old.
    """
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ProxyError  # the first version that knows proxies
    except ImportError as error:
        raise ConfigurationError(
            f"The long connection must have websockets 15 or later, got: {error}. Next: pip install "
            "'airflow-provider-lark[listen]'."
        ) from error
    _ = connect, ProxyError


class Opener:
    """Opens WebSockets, all with one TLS context: each context holds a copy of all trusted certificates.

    Args:
        wire: Proxy and certificate check.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._context: ssl.SSLContext | None = None
        self._logger = _get_logger()

    def check(self) -> None:
        """Check that the trusted certificates can be read, if others than the usual ones are named.

        Raises:
            ConfigurationError: They cannot.
        """
        if isinstance(self._wire.verify, str):
            self._get_tls_context()

    async def open(self, app: App, address: Address) -> ClientConnection:
        """Open the WebSocket of an address. The library's own pings are off: Lark has its own.

        Args:
            app: The app, for error texts.
            address: The WebSocket's address, from discovery; it can be used once.

        Raises:
            RefusedError: The handshake was refused.
            TransportError: No connection came about.
            ConfigurationError: The certificates cannot be read.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        is_encrypted, proxy = address.url.startswith("wss:"), self._wire.proxy
        options: dict[str, Any] = {"ssl": self._get_tls_context()} if is_encrypted else {}
        if proxy is not None and proxy.startswith("https:"):
            options["proxy_ssl"] = self._get_tls_context()
        try:
            return await connect(
                str(address.url),
                proxy=True if proxy is None else str(proxy),
                compression=None,  # It costs 300 KB a connection, and frames are small.
                open_timeout=OPEN_SECONDS,
                ping_interval=None,
                close_timeout=CLOSE_SECONDS,
                max_size=FragmentLimits().message_bytes + _OVERHEAD_BYTES,
                logger=self._logger,
                **options,
            )
        except InvalidStatus as error:
            response = error.response
            raise RefusedError(
                of_handshake(app.app_id, response.status_code, response.headers, app.app_secret)
            ) from None
        except (OSError, EOFError, TimeoutError, WebSocketException, ValueError, ImportError) as error:
            raise _make_open_error(app, address, error) from None

    def _get_tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = pools.make_tls_context(self._wire)
        return self._context


def _make_open_error(app: App, address: Address, error: Exception) -> LarkError:
    """Return the error for a connection that did not come about; the library's texts may quote the URL."""
    causes = [
        cause for cause in (error, error.__cause__, error.__context__) if cause is not None and str(cause)
    ]
    said = f"{type(error).__name__}: {causes[0]}" if causes else type(error).__name__
    shown = without_query(redact(said, app.app_secret, address.url)).rstrip(".")
    return TransportError(
        f"Cannot open the WebSocket to {address.host}: {shown}. Next: see whether this machine reaches "
        f"{address.host}, directly or by the proxy that is set."
    )


def without_query(text: str) -> str:
    """Mask the queries of URLs in a text: that of a connection's URL holds its ticket.

    Args:
        text: What is to be shown.
    """
    return _QUERY.sub("?***", text)


class _NoQueries(logging.Filter):
    """Masks the queries of URLs in the lines of the library."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask, and let pass."""
        record.msg, record.args = without_query(redact(record.getMessage())), ()
        return True


_NO_QUERIES = _NoQueries()


def _get_logger() -> logging.Logger:
    """Return the library's logger, above DEBUG: there it would log the handshake, with the ticket in it."""
    library_logger = logging.getLogger("lark_provider.callbacks.websocket.library")
    library_logger.setLevel(logging.WARNING)
    library_logger.addFilter(_NO_QUERIES)  # Added once: a filter that is there already is not added again.
    return library_logger
