"""Settings: where Lark is and who calls. Read when used, never at import."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.tokens import App

_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/|$)")
REGISTRY_VARIABLE = "LARK_REGISTRY_PATH"
_DATABASE_VARIABLES = (
    "LARK_DATABASE_URL",
    *(f"POSTGRES_{part}" for part in ("HOST", "PORT", "DB", "USER", "PASSWORD")),
)
BASE_URLS = {"feishu": "https://open.feishu.cn", "lark": "https://open.larksuite.com"}


def base_url(*values: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Turn `feishu`, `lark` or a URL into the URL before `/open-apis`.

    Args:
        values: As users write it; the first that is not empty counts, then `LARK_BASE_URL`, then feishu.
        environ: The environment.

    Raises:
        ConfigurationError: It is neither of the names nor an http(s) URL.
    """
    name = next((text for text in map(_text, (*values, environ.get("LARK_BASE_URL"))) if text), "feishu")
    if name.lower() in BASE_URLS:
        return BASE_URLS[name.lower()]
    full = name if "://" in name else f"{'http' if _LOOPBACK.match(name) else 'https'}://{name}"
    try:
        parts = urlsplit(full)
        _ = parts.port  # raises for what is no port
    except ValueError:
        parts = urlsplit("")
    is_host = parts.hostname is not None and ("." in parts.hostname or "://" in name or _LOOPBACK.match(name))
    if parts.scheme not in {"http", "https"} or not is_host or "@" in parts.netloc or parts.query:
        names = " or ".join(repr(known) for known in BASE_URLS)
        raise ConfigurationError(
            f"base_url is {_shown(name)}. Next: write {names}, or a URL such as https://open.feishu.cn."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/").removesuffix("/open-apis")


def proxy(value: str) -> None:
    """Check the URL of a proxy.

    Args:
        value: As a user writes it.

    Raises:
        ConfigurationError: It is no URL of an HTTP proxy.
    """
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"proxy is {_shown(value)}. Next: write a URL such as http://user:password@proxy.example.com:3128."
        )


def _shown(url: str) -> str:
    """A URL without what may be a password in it."""
    return repr(url if "@" not in url else "…@" + url.rpartition("@")[2])


def has_database(given: str | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a database for tokens is configured: by argument, `LARK_DATABASE_URL` or any `POSTGRES_*`."""
    return bool(given) or any(environ.get(name, "").strip() for name in _DATABASE_VARIABLES)


def registry(environ: Mapping[str, str] = os.environ) -> str:
    """The registry of apps as it is configured: a path, or a database URL."""
    return environ.get(REGISTRY_VARIABLE, "").strip() or "config/applications.db"


def has_registry(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether there is a registry to look at: a URL is configured, or the file exists."""
    where = registry(environ)
    return "://" in where or is_there(path(where))


def path(text: str) -> Path:
    """A path as somebody wrote it; `~` is a home folder, if there is one."""
    with suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)


def is_there(file: Path) -> bool:
    """Whether there is a file; also if this user may not know, for whoever opens it then says why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def app(
    app_id: str | None, app_secret: str | None, url: str | None, environ: Mapping[str, str] = os.environ
) -> App | None:
    """Find the credentials that need no look-up: the arguments first, then the environment.

    `LARK_APP_SECRET` is used only if the app id given is that of `LARK_APP_ID`, or none was given.

    Args:
        app_id: As passed by the caller.
        app_secret: As passed by the caller.
        url: As passed by the caller; else `LARK_BASE_URL`.
        environ: The environment.

    Returns:
        The app; None if it has to be looked up in the registry.

    Raises:
        ConfigurationError: There is a secret, but not whose.
    """
    found_id, secret = _text(app_id), _text(app_secret)
    if secret is not None and found_id is None:
        raise ConfigurationError("An app_secret was passed without an app_id. Next: pass app_id= as well.")
    env_id = _text(environ.get("LARK_APP_ID"))
    if secret is None and env_id is not None and found_id in {None, env_id}:
        found_id, secret = env_id, _text(environ.get("LARK_APP_SECRET"))
    if found_id is None or secret is None:
        return None
    try:
        (found_id + secret).encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            "The app id or its secret is no text in UTF-8. Next: copy it from the app's page in the console."
        ) from None
    return App(base_url(url, environ=environ), found_id, secret)


def named_app(app_id: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The id of the app to look up: the argument, `LARK_APP_ID`, then `LARK_DEFAULT_APP_ID`."""
    named = (app_id, environ.get("LARK_APP_ID"), environ.get("LARK_DEFAULT_APP_ID"))
    return next((text for text in map(_text, named) if text), None)


def no_credentials(app_id: str | None) -> ConfigurationError:
    """The error for an app whose secret is nowhere to be found.

    Args:
        app_id: The app, if one is named.
    """
    who = f"app {app_id!r} has no secret" if app_id else "no app is named"
    return ConfigurationError(
        f"No Lark credentials: {who}. Next: pass app_id= and app_secret=, or set LARK_APP_ID and "
        "LARK_APP_SECRET in the environment, or add the app to the registry with `lark-provider app add`; in "
        "Airflow, use a connection of type 'lark' with the app id as login and the secret as password."
    )


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None
