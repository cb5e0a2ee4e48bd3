"""Log lines in Airflow's processes, which print messages without their `extra=`: the fields go into the text.

Airflow formats lines of the standard library by structlog's `ProcessorFormatter`, and its chain
(`foreign_pre_chain`) has no `ExtraAdder`. So lines of this package get their fields on their way to Airflow's
handlers: in API servers where the plugin is configured, in tasks and in the triggerer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any

_PACKAGE, _PLUGIN = "lark_provider", "lark_provider.plugins."
_adding = threading.Lock()


class FieldHandler(logging.Handler):
    """Passes lines on to the handlers of the root logger, with their fields in the text."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on; one of the plugin has its fields already."""
        if not record.name.startswith(_PLUGIN):
            try:
                record = _with_fields(record)
            except Exception:  # noqa: BLE001 - a line that cannot be written must not raise in the code that logs it
                self.handleError(record)
                return
        logging.getLogger().handle(record)


def show_fields() -> None:
    """Show the fields of all lines of this package in this process, unless it has handlers of its own."""
    logger = logging.getLogger(_PACKAGE)
    with _adding:  # two handlers would write each line twice
        if logger.propagate and all(
            type(handler).__module__ == "lark_provider.utils.logger" for handler in logger.handlers
        ):
            logger.addHandler(FieldHandler())
            logger.propagate = False


def _with_fields(record: logging.LogRecord) -> logging.LogRecord:
    from lark_provider.protocol.redact import redact
    from lark_provider.utils.records import iterate_fields

    text = with_fields(redact(record.getMessage()), iterate_fields(record))
    return logging.makeLogRecord({**vars(record), "msg": text, "args": ()})


def with_fields(message: Any, fields: Iterable[tuple[str, Any]]) -> Any:
    """Return a message followed by fields as `key=value`, with secrets masked.

    Args:
        message: The message.
        fields: Names and values.
    """
    pairs = list(fields)
    if not pairs:
        return message
    from lark_provider.utils.logger import (
        format_field,
    )  # Imported late: tasks without such lines need not load it.

    return " ".join([f"{message}:", *(f"{key}={format_field(key, value)}" for key, value in pairs)])
