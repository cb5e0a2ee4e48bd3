"""The bridge's settings, from the environment: never from `lark.yaml`, which holds no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.hitl.proof import SECRET_VARIABLE, BridgeSecrets
from lark_provider.protocol.language import Language
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.support.secret import Secret

URL, USERNAME, PASSWORD, TOKEN = (f"LARK_AIRFLOW_{part}" for part in ("URL", "USERNAME", "PASSWORD", "TOKEN"))
PUBLIC_URL, VERIFY = "LARK_AIRFLOW_PUBLIC_URL", "LARK_AIRFLOW_VERIFY"
HOLD_SECONDS = 15.0
"""Twice Airflow's `[workers] min_heartbeat_interval`, and 5 s: an earlier answer can fail the task."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where Airflow is, and as whom it is read; a viewer of all DAGs suffices.

    Attributes:
        url: Airflow's base URL, without `/api/v2`.
        username: The name of the account.
        password: The account's password.
        token: An API token instead of name and password; it is not renewed.
    """

    url: str
    username: str | None = None
    password: Secret | None = field(default=None, repr=False)
    token: Secret | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            ConfigurationError: The URL is invalid, or neither account nor token is given.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ConfigurationError(
                "Airflow's URL must be http(s)://host without user and query, got "
                f"{parts.scheme}://{parts.hostname or '…'}. Next: set {URL} to what a browser opens."
            )
        if not self.token and not (self.username and self.password):
            raise ConfigurationError(
                f"Airflow's credentials must be an account with a password or a token, got none. Next: set "
                f"{USERNAME} and {PASSWORD}, or {TOKEN}; or name a connection with --conn-id."
            )


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """The settings of a bridge.

    Attributes:
        airflow: Airflow's base URL and the account that reads it.
        secrets: The secrets that prove clicks to the plugin.
        public_url: Airflow's URL for links on cards.
        verify: Whether to check Airflow's certificate; a path names a private authority's.
        team: The team of a multi-team Airflow whose questions these are.
        language: The language of cards to people, `zh` or `en`.
        timezone: The IANA name of the time zone of times on cards.
        hold_seconds: Seconds from the parking of a task until its card is sent.
        poll_seconds: Seconds between two polls for changes.
    """

    airflow: Credentials
    secrets: BridgeSecrets
    public_url: str = ""
    verify: bool | str = True
    team: str | None = None
    language: Language = "zh"
    timezone: str = "UTC"
    hold_seconds: float = HOLD_SECONDS
    poll_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Check the periods.

        Raises:
            ConfigurationError: One of them is not a positive number of seconds.
        """
        for name, seconds, most in (("hold", self.hold_seconds, 3600.0), ("poll", self.poll_seconds, 300.0)):
            if not 0 < seconds <= most:
                raise ConfigurationError(
                    f"--{name}-seconds must be above 0 and at most {most:g}, got {seconds!r}. Next: leave it "
                    "out, or pass such a number."
                )


def load(
    conn_id: str | None = None, *, environ: Mapping[str, str] = ENVIRONMENT, **options: Any
) -> BridgeSettings:
    """Read the settings.

    Args:
        conn_id: A connection of Airflow's to take URL and account from, as `AIRFLOW_CONN_<ID>` holds it.
        environ: The environment.
        options: Attributes of `BridgeSettings` that the command line sets.

    Raises:
        ConfigurationError: A setting is missing or invalid; no text names a secret.
    """
    credentials = _read_credentials(environ) if conn_id is None else read_connection(conn_id, environ)
    verify = environ.get(VERIFY, "").strip()
    return BridgeSettings(
        credentials,
        BridgeSecrets(environ.get(SECRET_VARIABLE, "")),
        environ.get(PUBLIC_URL, "").strip().rstrip("/") or credentials.url,
        {"": True, "true": True, "false": False}.get(verify.lower(), verify),
        **options,
    )


def _read_credentials(environ: Mapping[str, str]) -> Credentials:
    def read_text(name: str) -> str | None:
        return environ.get(name, "").strip() or None

    url = read_text(URL)
    if url is None:
        raise ConfigurationError(
            f"{URL} is not set. Next: set it to what a browser opens, or name a connection with --conn-id."
        )
    return Credentials(
        _normalize_url(url), read_text(USERNAME), Secret.of(read_text(PASSWORD)), Secret.of(read_text(TOKEN))
    )


def read_connection(conn_id: str, environ: Mapping[str, str] = ENVIRONMENT) -> Credentials:
    """Read URL and account from a connection of Airflow's, in its URI or JSON form.

    Args:
        conn_id: The connection's id; in upper case it ends the name of the variable, `AIRFLOW_CONN_…`.
        environ: The environment.

    Raises:
        ConfigurationError: There is none, or it is invalid.
    """
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = environ.get(name, "").strip()
    try:
        return _of_json(text) if text.startswith("{") else _of_uri(text)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"{name} must be a connection as URI or JSON, got {'none' if not text else 'something else'}. "
            "Next: set it to https://user:password@host, or to JSON with host, login and password."
        ) from None


def _of_json(text: str) -> Credentials:
    fields = orjson.loads(text)
    extra = fields.get("extra") or {}
    extra = orjson.loads(extra) if isinstance(extra, str) else extra
    host = str(fields["host"])
    if "://" not in host:
        scheme = next(
            (
                candidate
                for candidate in (fields.get("schema"), fields.get("conn_type"))
                if candidate == "https"
            ),
            "http",
        )
        host = f"{scheme}://{host}"
    if port := fields.get("port"):
        head, mark, tail = host.partition("://")
        place, slash, path = tail.partition("/")
        host = f"{head}{mark}{place}:{int(port)}{slash}{path}"
    return Credentials(
        _normalize_url(host),
        fields.get("login"),
        Secret.of(fields.get("password")),
        Secret.of(extra.get("token")),
    )


def _of_uri(text: str) -> Credentials:
    parts = urlsplit(text)
    if not parts.hostname:
        raise ValueError("no host")
    scheme = "https" if parts.scheme == "https" else "http"
    port = f":{parts.port}" if parts.port else ""
    host = unquote(parts.hostname)
    url = f"{host}{port}{parts.path}" if "://" in host else f"{scheme}://{host}{port}{parts.path}"
    password = None if parts.password is None else unquote(parts.password)
    return Credentials(
        _normalize_url(url), None if parts.username is None else unquote(parts.username), Secret.of(password)
    )


def _normalize_url(text: str) -> str:
    return text.strip().rstrip("/").removesuffix("/api/v2").rstrip("/")
