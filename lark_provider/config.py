"""Settings: base URL, credentials, database, registry. They are read on use, never at import."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.pacing import SHARE
from lark_provider.protocol.tokens import App
from lark_provider.support.environment import ENVIRONMENT, parse_flag
from lark_provider.support.secret import Secret
from lark_provider.support.text import is_unicode

V = TypeVar("V")
_MAY_BE_SECRET = re.compile(r"[@?#]")
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
"""How the value begins that Kubernetes gives to `POSTGRES_PORT` for a Service named postgres."""
_MAX_PORT = 65535
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/|$)")
REGISTRY_VARIABLE = "LARK_REGISTRY_PATH"
ROUTES_VARIABLE = "LARK_ROUTES_PATH"
PACING_VARIABLE = "LARK_PACING"
HTTP_VARIABLE = "LARK_ALLOW_HTTP"
_DATABASE_VARIABLES = (
    "LARK_DATABASE_URL",
    *(f"POSTGRES_{part}" for part in ("HOST", "PORT", "DB", "USER", "PASSWORD")),
)
BROKER_VARIABLES = tuple(
    f"RABBITMQ_{part}" for part in ("URL", "HOST", "PORT", "USER", "PASSWORD", "VHOST", "TLS")
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
BASE_URLS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}


def resolve_base_url(*values: str | None, environ: Mapping[str, str] = ENVIRONMENT) -> str:
    """Return the URL before `/open-apis` for `feishu`, `lark` or a URL.

    The host is in lower case and without the scheme's own port, since the URL is a part of keys: those of
    loads, messages and leases must not differ by how the same address is written.

    Args:
        values: Values as users write them. The first that is not empty applies; otherwise `LARK_BASE_URL`,
            then `feishu`.
        environ: The environment.

    Raises:
        ConfigurationError: It is neither of the names nor an http(s) URL; or it is an http URL of another
            host, and `LARK_ALLOW_HTTP` does not allow that.
    """
    name = mask(_choose_first(*values, environ.get("LARK_BASE_URL")) or "feishu")
    values = ()  # Error reporters print the arguments of this function.
    if name.lower() in BASE_URLS:
        return BASE_URLS[name.lower()]
    parts = _parse_endpoint(name)
    if parts is None:
        names = ", ".join(repr(known) for known in BASE_URLS)
        raise ConfigurationError(
            f"base_url must be {names} or a URL without user, query and fragment, got {_redact_url(name)}. "
            "Next: write one of them, or a URL such as https://open.feishu.cn."
        )
    if parts.scheme == "http" and not _is_loopback(str(parts.hostname)) and not _is_http_allowed(environ):
        raise ConfigurationError(
            f"base_url must begin with https://, got {_redact_url(name)}: http:// sends the app's secret in "
            f"clear text. Next: write https://; or set {HTTP_VARIABLE}=1 in a network that you trust."
        )
    return f"{parts.scheme}://{_format_host(parts)}{parts.path}".rstrip("/").removesuffix("/open-apis")


def _format_host(parts: SplitResult) -> str:
    """Return the host of a URL in lower case, with its port unless that is the scheme's own."""
    host = str(parts.hostname)
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"


def _parse_endpoint(name: str) -> SplitResult | None:
    """Return the parts of a base URL; None if it is not one, or holds a user, a query or a fragment."""
    parts = _split(name if "://" in name else f"{'http' if _LOOPBACK.match(name) else 'https'}://{name}")
    is_host = parts.hostname is not None and ("." in parts.hostname or "://" in name or _LOOPBACK.match(name))
    is_base = parts.scheme in {"http", "https"} and is_host and not _MAY_BE_SECRET.search(name)
    return parts if is_base else None


def mask(value: V) -> V | Secret:
    """Mask a URL whose user, query or fragment may be a secret, so that no error reporter shows it.

    Args:
        value: The URL as a user writes it.
    """
    return Secret(value) if isinstance(value, str) and _MAY_BE_SECRET.search(value) else value


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; empty parts if it is invalid."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises for an invalid port.
    except ValueError:
        return urlsplit("")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_http_allowed(environ: Mapping[str, str]) -> bool:
    value = environ.get(HTTP_VARIABLE, "").strip().lower()
    is_allowed = parse_flag(value)
    if is_allowed is None:
        raise ConfigurationError(
            f"{HTTP_VARIABLE} must be 1 or 0, got {value!r}. Next: unset it, or set it to 1 to allow http://."
        )
    return is_allowed


def check_proxy(value: object) -> None:
    """Check the URL of a proxy.

    Args:
        value: The URL as a user writes it.

    Raises:
        ConfigurationError: It is not a URL of an HTTP proxy.
    """
    url = mask(value)
    if not (isinstance(url, str) and _is_proxy(url)):
        got = _redact_url(url) if isinstance(url, str) else type(url).__name__
        raise ConfigurationError(
            f"proxy must be the URL of an HTTP proxy, got {got}. Next: write one such as "
            "http://user:password@proxy.example.com:3128."
        )


def _is_proxy(value: str) -> bool:
    """Return whether a value is the URL of an HTTP proxy; no traceback can hold the parsed parts."""
    parts = _split(value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _redact_url(url: str) -> str:
    """Return a URL without the parts that may be secret: user and password, query, fragment."""
    head, mark, tail = re.fullmatch(r"([^?#]*)([?#]?)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]  # fits any text
    if "@" in tail:
        return repr("…")  # It may be a query, or a password that was not percent-encoded.
    return repr((f"…@{head.rpartition('@')[2]}" if "@" in head else head) + (mark and f"{mark}…"))


def has_database(url: str | None = None, environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Return whether a shared database is configured: by argument, `LARK_DATABASE_URL` or `POSTGRES_*`."""
    return bool(url) or _is_any_set(_DATABASE_VARIABLES, environ)


def has_broker(url: str | None = None, environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Return whether RabbitMQ is configured: by argument, `RABBITMQ_URL` or any `RABBITMQ_*`."""
    return bool(url) or _is_any_set(BROKER_VARIABLES, environ)


def _is_any_set(names: Iterable[str], environ: Mapping[str, str]) -> bool:
    for name in names:
        value = environ.get(name, "").strip()
        if value and not (name.endswith("_PORT") and _SERVICE_LINK.match(value)):
            return True
    return False


def read_port(name: str, default: int, environ: Mapping[str, str] = ENVIRONMENT) -> int:
    """Return the port that a variable names.

    Kubernetes sets `POSTGRES_PORT=tcp://10.0.0.1:5432` in each pod of a namespace that has a Service named
    postgres, and `RABBITMQ_PORT` likewise. No user wrote that, so it counts as not set.

    Args:
        name: The variable, which ends in `_PORT`.
        default: The port if the variable is not set.
        environ: The environment.

    Raises:
        ConfigurationError: It is neither a port number nor set by Kubernetes.
    """
    text = environ.get(name, "").strip()
    if not text or _SERVICE_LINK.match(text):
        return default
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_PORT):
        raise ConfigurationError(
            f"{name} must be a port number, got {text!r}. Next: set it to one, usually {default}."
        )
    return int(text)


def get_pacing(environ: Mapping[str, str] = ENVIRONMENT) -> float:
    """Return the share of Lark's documented rates that is used, `LARK_PACING`; 0 if requests are not paced.

    Raises:
        ConfigurationError: It is not a number from 0 to 1.
    """
    text = environ.get(PACING_VARIABLE, "").strip()
    if not text:
        return SHARE
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"{PACING_VARIABLE} must be a number from 0 (off) to 1, got {text!r}. Next: set it to a number "
            f"such as 0.5, or leave it out for {SHARE:g}."
        )
    return share


def get_registry(environ: Mapping[str, str] = ENVIRONMENT) -> str:
    """Return the configured registry of apps: a path, or a database URL, masked as it may hold a password."""
    where = environ.get(REGISTRY_VARIABLE, "").strip() or "config/applications.db"
    return Secret(where) if "://" in where else where


def has_registry(environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Return whether there is a registry: a URL is configured, or the file exists."""
    where = get_registry(environ)
    return "://" in where or is_there(expand_path(where))


def is_registry_named(environ: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Return whether a registry is configured, so that its file is missing if it does not exist."""
    return bool(environ.get(REGISTRY_VARIABLE, "").strip())


def get_routes_path(environ: Mapping[str, str] = ENVIRONMENT) -> str | None:
    """Return the configured path of the routes file `lark.yaml`; None if there is none."""
    return _strip_text(environ.get(ROUTES_VARIABLE))


def expand_path(text: str) -> Path:
    """Return the path that a user wrote; `~` is the home folder, if there is one."""
    with suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)


def is_there(file: Path) -> bool:
    """Return whether a file exists. True if this user may not know: opening it then raises the reason."""
    return _read_size(file) is not None


def is_empty(file: Path) -> bool:
    """Return whether a file exists and is empty, as far as this user may know."""
    return _read_size(file) == 0


def _read_size(file: Path) -> float | None:
    """Return the bytes of a file, infinite if this user may not know the size; None if it does not exist."""
    try:
        return file.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return math.inf


def find_app(
    app_id: str | None, app_secret: str | None, url: str | None, environ: Mapping[str, str] = ENVIRONMENT
) -> App | None:
    """Return the credentials that need no look-up: those of the arguments, else of the environment.

    `LARK_APP_SECRET` is used only if `app_id` is that of `LARK_APP_ID`, or is not given.

    Args:
        app_id: The app's id, as passed by the caller.
        app_secret: The app's secret, as passed by the caller.
        url: The base URL, as passed by the caller; else `LARK_BASE_URL`.
        environ: The environment.

    Returns:
        The app; None if it has to be looked up in the registry.

    Raises:
        ConfigurationError: A secret was passed without an app id, or a value is not valid UTF-8.
    """
    app_secret = Secret.of(_strip_text(app_secret))  # Error reporters print the arguments of this function.
    found_id, secret, url = _strip_text(app_id), app_secret, mask(url)
    if secret is not None and found_id is None:
        raise ConfigurationError("An app_secret was passed without an app_id. Next: pass app_id= as well.")
    env_id = _strip_text(environ.get("LARK_APP_ID"))
    if secret is None and env_id is not None and found_id in {None, env_id}:
        found_id, secret = env_id, Secret.of(_strip_text(environ.get("LARK_APP_SECRET")))
    if found_id is None or secret is None:
        return None
    if not (is_unicode(found_id) and is_unicode(secret)):
        raise ConfigurationError(
            "app_id and app_secret must be valid UTF-8. Next: copy them from the app's page in the console."
        )
    return App(resolve_base_url(url, environ=environ), found_id, secret)


def find_app_id(app_id: str | None, environ: Mapping[str, str] = ENVIRONMENT) -> str | None:
    """Return the id of the app to look up: the argument, `LARK_APP_ID`, then `LARK_DEFAULT_APP_ID`."""
    return _choose_first(app_id, environ.get("LARK_APP_ID"), environ.get("LARK_DEFAULT_APP_ID"))


class AppDisabledError(ConfigurationError):
    """An app is disabled in the registry: no process may act for it, whoever has its secret."""


def make_disabled_app_error(app_id: str) -> AppDisabledError:
    """Return the error for an app that is disabled in the registry.

    Args:
        app_id: The app's id.
    """
    return AppDisabledError(
        f"App {app_id!r} is disabled in the registry. Next: `lark-provider app enable {app_id}` if it may "
        "act again."
    )


def no_credentials(app_id: str | None) -> ConfigurationError:
    """Return the error for an app whose secret is neither configured nor in a registry.

    Args:
        app_id: The app, if one is named.
    """
    who = f"app {app_id!r} has no secret" if app_id else "no app is named"
    where = (
        f"; there is no registry at {str(expand_path(get_registry()).absolute())!r}"
        if not has_registry()
        else ""
    )
    return ConfigurationError(
        f"No Lark credentials: {who}{where}. Next: pass app_id= and app_secret=, or set LARK_APP_ID and "
        "LARK_APP_SECRET in the environment, or add the app to the registry with `lark-provider app add`, or "
        "name the registry's path in LARK_REGISTRY_PATH; in Airflow, use a connection of type 'lark' with "
        "the app id as login and the secret as password."
    )


def _choose_first(*values: str | None) -> str | None:
    """Return the first text that is not blank; None if there is none."""
    for value in values:
        if value is not None and (text := value.strip()):
            return text
    return None


def _strip_text(value: str | None) -> str | None:
    return (value or "").strip() or None
