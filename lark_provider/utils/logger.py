"""Log lines of this package, without secrets: to standard error, and to a file if one is named."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.protocol.redact import redact
from lark_provider.utils.records import MASK, is_secret, iterate_fields

NAME = "lark_provider"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

FORMATS = ("text", "json")
"""What `LOG_FORMAT` may be."""
_PLAIN = re.compile(r"[^\s\"'=\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_CONTROL = re.compile(
    r"[\x7f-\x9f\u2028\u2029]"
)  # JSON leaves these as they are, and some terminals obey them.
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")  # In a message a tab is allowed.

_ours: list[logging.Handler] = []
_lock = threading.Lock()


class RedactingFormatter(logging.Formatter):
    """Append the fields of `extra=` to the message, and mask secrets in the whole line and traceback.

    Fields follow the message as `key=value`, in the order given. A value that is not one plain word is
    written as a JSON string, so that it can be read back and cannot begin a line of its own. Neither can the
    message: an error in it may quote what an untrusted client sent.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Write a record's line, without the traceback."""
        fields = [f"{key}={format_field(key, value)}" for key, value in iterate_fields(record)]
        # Mask, then escape: an escaped line break would hide where a token begins.
        line = _BREAKS.sub(_escape, redact(super().formatMessage(record)))
        return " ".join([line, *fields])

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as text."""
        return redact(super().format(record))


def format_field(key: str, value: Any) -> str:
    """Return the value of a field as it is written in a line of text, without secrets.

    Args:
        key: The field's name, which may say that it is secret.
        value: The value.
    """
    if is_secret(key):
        return MASK
    text = redact(str(value))
    if _PLAIN.fullmatch(text):
        return text
    return _CONTROL.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    return "\\n" if match[0] == "\n" else f"\\u{ord(match[0]):04x}"


def make_formatter(text: str = FORMAT) -> logging.Formatter:
    """Return the formatter that `LOG_FORMAT` names: `text`, which is the default, or `json`.

    Args:
        text: The format of a line of text.

    Raises:
        ConfigurationError: There is no such format.
    """
    setting = os.environ.get("LOG_FORMAT", "")
    name = setting.strip().lower() or FORMATS[0]
    if name not in FORMATS:
        raise ConfigurationError(
            f"LOG_FORMAT must be {' or '.join(FORMATS)}, got {setting!r}. Next: unset it for {FORMATS[0]}."
        )
    if name == "json":
        from lark_provider.utils.json_lines import JsonFormatter

        return JsonFormatter()
    return RedactingFormatter(text)


def make_lenient_formatter(text: str = FORMAT) -> logging.Formatter:
    """Return what `make_formatter` does, or text if `LOG_FORMAT` was meant for another program.

    Args:
        text: The format of a line of text.
    """
    try:
        return make_formatter(text)
    except ConfigurationError:
        return RedactingFormatter(text)


class _DefaultHandler(logging.StreamHandler[Any]):
    """Print lines on standard error as long as the program has no handler for them."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(make_lenient_formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line, unless another handler takes it."""
        ours = logging.getLogger(NAME)
        others = [*ours.handlers, *(logging.getLogger().handlers if ours.propagate else ())]
        if all(handler is self for handler in others):
            super().emit(record)


_default: list[_DefaultHandler] = []


def show_by_default() -> None:
    """Print this package's log lines if the program has not configured logging.

    The level is `LOG_LEVEL`, else INFO, unless the logger `lark_provider` has one already, and the format
    `LOG_FORMAT`, else text. Values that are none of ours were meant for another program, and are ignored.
    """
    logger = logging.getLogger(NAME)
    with _lock:
        if not _default:
            _default.append(_DefaultHandler())
            logger.addHandler(_default[0])
        if logger.level == logging.NOTSET:
            try:
                logger.setLevel(_parse_level("LOG_LEVEL", os.environ.get("LOG_LEVEL")))
            except ConfigurationError:
                logger.setLevel(logging.INFO)


def setup_logger(
    level: int | str | None = None, log_file: str | os.PathLike[str] | None = None
) -> logging.Logger:
    """Print this package's log lines on standard error, and write them to a file if one is named.

    With `LOG_FORMAT=json` in the environment each line is a JSON object; see `json_lines.JsonFormatter`.

    Only the logger `lark_provider` is touched. Its lines are not passed on to the root logger, so that none
    appears twice. A second call replaces the handlers of the first. A log file that is renamed or removed, as
    by logrotate, is opened again.

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
        ConfigurationError: There is no such level or format, or the file cannot be written; nothing is
            changed.
    """
    threshold = (
        _parse_level("LOG_LEVEL", os.environ.get("LOG_LEVEL"))
        if level is None
        else _parse_level("level", level)
    )
    lines = make_formatter()
    handlers = [logging.StreamHandler(), *([] if log_file is None else [_make_file_handler(Path(log_file))])]
    for handler in handlers:
        handler.setFormatter(lines)
    logger = logging.getLogger(NAME)
    with _lock:
        for old in _ours:
            logger.removeHandler(old)
            old.close()
        _ours[:] = handlers
        for handler in handlers:
            logger.addHandler(handler)
        logger.setLevel(threshold)
        logger.propagate = logger.disabled = False
    return logger


def _parse_level(setting: str, level: int | str | None) -> int:
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    name = "INFO" if level is None else str(level).strip().upper() or "INFO"
    known = logging.getLevelNamesMapping()
    if name not in known:
        names = ", ".join(sorted(known, key=lambda level_name: known[level_name]))
        raise ConfigurationError(
            f"{setting} must be a log level, got {level!r}. Next: set it to one of {names}."
        )
    return known[name]


def _make_file_handler(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The log file {path} cannot be written: {error.strerror}. Next: name a path that this user can "
            "write."
        ) from None
