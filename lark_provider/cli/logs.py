"""What commands log, unless the user has set up logging."""

from __future__ import annotations

import logging
import os

_NAME, _SILENT = "lark_provider.cli", logging.NullHandler()


class _WithFields(logging.Formatter):
    """Print the message with the fields of `extra=`, and without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        from lark_provider.utils.logger import make_lenient_formatter

        return make_lenient_formatter("%(message)s").format(record)


def show_fields() -> None:
    """Have Python's last-resort handler print the fields of a warning, and not the message alone.

    That handler serves only where no other handler is configured, so a program's own logging stays as it is.
    """
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_WithFields())


def format_fault(fault: str) -> str:
    """Return the line that says why a command failed: JSON if its log is, since a collector reads both.

    Args:
        fault: The text of the error.
    """
    if os.environ.get("LOG_FORMAT"):
        from lark_provider.utils.json_lines import JsonFormatter
        from lark_provider.utils.logger import make_lenient_formatter

        formatter = make_lenient_formatter()
        if isinstance(formatter, JsonFormatter):
            fields = {"name": _NAME, "levelno": logging.ERROR, "levelname": "ERROR", "msg": "Command failed"}
            return formatter.format(logging.makeLogRecord({**fields, "error": fault}))
    return f"lark-provider: {fault}"


def silence() -> None:
    """Turn off logging for a command whose report says everything."""
    for name in ("lark_provider", "pika"):
        logging.getLogger(name).addHandler(_SILENT)


def log_as_service(*others: str) -> None:
    """Log as a service does: time, level and name, at INFO unless LOG_LEVEL says otherwise.

    Args:
        others: Loggers of other packages whose lines get the same format; their levels stay.
    """
    from lark_provider.utils.logger import setup_logger

    handlers = setup_logger().handlers
    for name in ("asyncio", *others):
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).propagate = False
