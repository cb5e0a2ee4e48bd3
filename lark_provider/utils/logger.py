"""Log lines of this package, without secrets: to standard error, and to a file if one is named."""

from __future__ import annotations

import logging
import os
import threading
from logging.handlers import WatchedFileHandler
from pathlib import Path

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact

NAME = "lark_provider"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_ours: list[logging.Handler] = []
_lock = threading.Lock()


class RedactingFormatter(logging.Formatter):
    """A formatter that masks tokens, secrets and passwords in the whole line, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as text."""
        return redact(super().format(record))


def setup_logger(
    level: int | str | None = None, log_file: str | os.PathLike[str] | None = None
) -> logging.Logger:
    """Show what this package logs: on standard error, and in a file if one is named.

    Only the logger `lark_provider` is touched. Its lines are not passed on to the root logger, so that none
    appears twice. A second call replaces what the first one set. A log file that is renamed or removed, as
    logrotate does, is opened anew.

    A framework that configures logging itself (Django's `LOGGING`, Flask's or Airflow's `dictConfig`) needs
    no call: give the logger `lark_provider` a handler there, and that handler this module's formatter:

        "formatters": {"lark": {"()": "lark_provider.utils.logger.RedactingFormatter"}},
        "loggers": {"lark_provider": {"handlers": ["console"], "level": "INFO", "propagate": False}},

    If both are wanted, call this after it: `dictConfig` silences loggers that it does not name.

    Args:
        level: A level of `logging` or its name; else `LOG_LEVEL` of the environment, else INFO.
        log_file: A path; its folder is made where it is missing.

    Returns:
        The logger `lark_provider`.

    Raises:
        ConfigurationError: There is no such level, or the file cannot be written; nothing is changed.
    """
    found = _level("LOG_LEVEL", os.environ.get("LOG_LEVEL")) if level is None else _level("level", level)
    handlers = [logging.StreamHandler(), *([] if log_file is None else [_file_handler(Path(log_file))])]
    for handler in handlers:
        handler.setFormatter(RedactingFormatter(FORMAT))
    logger = logging.getLogger(NAME)
    with _lock:
        for old in _ours:
            logger.removeHandler(old)
            old.close()
        _ours[:] = handlers
        for handler in handlers:
            logger.addHandler(handler)
        logger.setLevel(found)
        logger.propagate = logger.disabled = False
    return logger


def _level(setting: str, given: int | str | None) -> int:
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    name = "INFO" if given is None else str(given).strip().upper() or "INFO"
    known = logging.getLevelNamesMapping()
    if name not in known:
        names = ", ".join(sorted(known, key=lambda one: known[one]))
        raise ConfigurationError(f"{setting} is {given!r}. Next: set it to one of {names}.")
    return known[name]


def _file_handler(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The log file {path} cannot be written: {error.strerror}. Next: name a path that this user can "
            "write."
        ) from None
