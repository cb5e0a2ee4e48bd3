"""The official SDK where it is used for the long connection: whether it is there, and what it is made to do.

What is changed here is changed in the SDK's modules, in a process that has no other use for them.
"""

from __future__ import annotations

import logging
import re
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact

logger = logging.getLogger(__name__)

_SDK, _OLDEST = "lark-oapi", (1, 7, 3)
_LOG = "Lark"
_PROXIES_SINCE = (15,)
_ENDPOINT_SECONDS = 10.0
_RELIED_ON = (
    "_combine",
    "_connect",
    "_disconnect",
    "_handle_data_frame",
    "_handle_message",
    "_reconnect",
    "_write_message",
)
_QUERY = re.compile(r"\?\S+")


def check(proxy: str | None = None) -> None:
    """Check that what is installed can hold a long connection, without the second that an import takes.

    Args:
        proxy: The proxy that is to be used.

    Raises:
        ConfigurationError: The SDK is missing or too old, or cannot use a proxy.
    """
    found = _installed(_SDK)
    if found is None or _numbers(found) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        has = "it is not installed" if found is None else f"{found} is installed"
        raise ConfigurationError(
            f"The long connection needs {_SDK} {oldest} or later; {has}. Next: pip install "
            f"'{_SDK}>={oldest}'."
        )
    if proxy is not None and _numbers(_installed("websockets") or "") < _PROXIES_SINCE:
        raise ConfigurationError(
            "The long connection goes through a proxy with websockets 15 or later. Next: pip install "
            "'websockets>=15'."
        )


def fit(ws: Any, proxy: str | None = None) -> None:
    """Give the SDK's client a time-out, a proxy, and a log without secrets.

    Args:
        ws: The module `lark_oapi.ws.client`.
        proxy: URL of an HTTP proxy; else the environment is asked.

    Raises:
        ConfigurationError: The client is not made any more as it was.
    """
    lost = [name for name in _RELIED_ON if not hasattr(ws.Client, name)]
    if lost:
        raise ConfigurationError(
            f"The long connection cannot be held with {_SDK} {_installed(_SDK)}, which has no "
            f"{', '.join(lost)}. Next: install an earlier one, and report this."
        )
    through = None if proxy is None else {"http": proxy, "https": proxy}
    ws.requests = SimpleNamespace(post=partial(ws.requests.post, timeout=_ENDPOINT_SECONDS, proxies=through))
    ws._ws_connect_kwargs = partial(_dialled, ws._ws_connect_kwargs, proxy)  # noqa: SLF001 - as this module says
    log = logging.getLogger(_LOG)
    log.handlers[:], log.propagate = [_Relay()], False


def hush() -> None:
    """Have the SDK say no more: it takes the end of a connection that we close for a failure."""
    logging.getLogger(_LOG).disabled = True


def _dialled(settings: Any, proxy: str | None, *headers: Any) -> dict[str, Any]:
    """How websockets is to connect: the SDK itself never goes through a proxy."""
    found: dict[str, Any] = settings(*headers)
    return found | ({"proxy": proxy or True} if "proxy" in found else {})  # older ones know no proxy


class _Relay(logging.Handler):
    """Takes what the SDK says into our own log. The URL that it dials has credentials in its query."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one of the SDK's records."""
        logger.warning("The SDK says: %s", _QUERY.sub("?***", redact(record.getMessage())))


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))
