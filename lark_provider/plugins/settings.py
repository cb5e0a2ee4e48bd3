"""The settings of the plugin, from Airflow's configuration and the environment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.configuration import conf

from lark_provider import config
from lark_provider.hooks import airflow_config
from lark_provider.plugins.logs import get_logger
from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.hitl.people import PeopleSettings, read_people_settings
from lark_provider.protocol.hitl.proof import SECRET_VARIABLE, BridgeSecrets
from lark_provider.support.environment import ENVIRONMENT
from lark_provider.utils.watched_file import WatchedFile

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

logger = get_logger(__name__)
HOLD_OPTION, HOLD_VARIABLE = "answer_hold", "LARK_ANSWER_HOLD"
MAX_HOLD = 300.0
_MARGIN = 5.0


def read_secrets(environ: Mapping[str, str] = ENVIRONMENT) -> BridgeSecrets | None:
    """Return the secrets of the bridge; None unless the plugin is configured.

    It is if `LARK_BRIDGE_SECRET` and a database of ours are: by `[lark] database_url` or `database_conn_id`,
    `LARK_DATABASE_URL` or `POSTGRES_*`. No connection is looked up for that.

    Raises:
        ConfigurationError: A secret is too short.
    """
    text = environ.get(SECRET_VARIABLE, "").strip()
    if not text or not (config.has_database(None, environ) or airflow_config.names_database()):
        return None
    return BridgeSecrets(text)


class _Problem:
    """The problem with the settings, logged once until it changes: each request reads them again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._logged: str | None = None

    def note(self, problem: str | None) -> None:
        """Log a problem unless it is the one that was logged last; None if there is none."""
        with self._lock:
            is_new, self._logged = problem != self._logged, problem
        if problem is not None and is_new:
            logger.error("Lark plugin is off: its settings are invalid", extra={"error": problem})


_PROBLEM = _Problem()


def find_active_secrets() -> BridgeSecrets | None:
    """Return the secrets of the bridge; None if the plugin is off; a wrong setting is logged once."""
    problem = None
    try:
        bridge_secrets = read_secrets()
        if bridge_secrets is not None:
            HOLD.read_seconds()
    except ConfigurationError as error:
        bridge_secrets, problem = None, str(error)
    _PROBLEM.note(problem)
    return bridge_secrets


def read_hold_seconds(environ: Mapping[str, str] = ENVIRONMENT) -> float:
    """Return how long an answer is held after a task began to wait.

    It is `LARK_ANSWER_HOLD`, else `[lark] answer_hold`, else `hold` of `lark.yaml`, else twice `[workers]
    min_heartbeat_interval` and 5 s: the scheduler fails a task that is answered before it has read the report
    of the process that asked. See `HOLD` for what counts in this process.

    Raises:
        ConfigurationError: It is not a number from 0 to 300.
    """
    text = environ.get(HOLD_VARIABLE, "").strip() or (
        conf.get(airflow_config.SECTION, HOLD_OPTION, fallback=None) or ""
    )
    if not text.strip():
        seconds = _read_file_hold(environ)
        if seconds is None:
            seconds = 2 * conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0) + _MARGIN
        return min(MAX_HOLD, seconds)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_HOLD:
        raise ConfigurationError(
            f"{HOLD_VARIABLE} or [{airflow_config.SECTION}] {HOLD_OPTION} must be a number of seconds from 0 "
            f"to {MAX_HOLD:g}, got {text!r}. Next: set it to a number such as 60, or leave it out."
        )
    return seconds


def _read_file_hold(environ: Mapping[str, str]) -> float | None:
    """Return `hold` of `lark.yaml`; None if there is none. A broken file must not turn the plugin off."""
    path = config.get_routes_path(environ)
    if path is None:
        return None
    from lark_provider.api.routes.reading import read_routes

    try:
        return read_routes(config.expand_path(path).read_bytes()).hold
    except (OSError, ConfigurationError) as error:
        logger.warning("Hold of lark.yaml unknown; the default counts", extra={"error": str(error)})
        return None


class _Hold:
    """How long this process holds answers: decided once, since it is recorded and others rely on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: float | None = None

    def read_seconds(self) -> float:
        """Return the hold in seconds; raises as `read_hold_seconds`."""
        with self._lock:
            if self._seconds is None:
                self._seconds = read_hold_seconds()
            return self._seconds


HOLD = _Hold()


class _Database:
    """The URL of our database, looked up once; a connection may be in a secrets backend."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._url: URL | None = None

    def read_url(self) -> URL:
        """Return the URL. It may block."""
        from lark_provider.storage import urls

        with self._lock:
            if self._url is None:
                self._url = urls.database(airflow_config.read_database_url())
            return self._url


DATABASE = _Database()
"""Read with `DATABASE.read_url()`, never on the event loop."""


class _People:
    """The people of `lark.yaml`, whose path is `LARK_ROUTES_PATH`; read again when the file has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: WatchedFile[PeopleSettings] | None = None

    def read(self) -> PeopleSettings:
        """Return who is which user of Airflow; empty without a file. It blocks.

        Raises:
            ConfigurationError: The file cannot be read, or is invalid. The click is then delivered again. The
                previous version is not used, since it may list a person who has been removed.
        """
        path = config.get_routes_path()
        if path is None:
            return PeopleSettings()
        with self._lock:
            if self._file is None:
                self._file = WatchedFile(config.expand_path(path), _parse_people)
        return self._file.read()


def _parse_people(content: bytes) -> PeopleSettings:
    """Read the people of `lark.yaml`; mistakes in routes are ignored."""
    from lark_provider.api.routes.yaml_text import read_yaml, strip_lines

    document = strip_lines(read_yaml(content))
    return read_people_settings(document if isinstance(document, dict) else {})


PEOPLE = _People()
