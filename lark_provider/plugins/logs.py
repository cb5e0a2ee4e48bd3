"""Log lines in Airflow's processes, which print messages without their `extra=`: the fields go into the text.

Airflow formats lines of the standard library by structlog's `ProcessorFormatter`, and its chain
(`foreign_pre_chain`) has no `ExtraAdder`. So the plugin's own lines carry their fields from the beginning,
and in an API server those of the rest of this package get them on their way to Airflow's handlers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

_PACKAGE, _PLUGIN = "lark_provider", "lark_provider.plugins."


class FieldLogger(_Adapter):
    """Appends the fields of `extra=` to each message, as `key=value`, with secrets masked.

    Messages are constants without `%` arguments: the fields are not formatted again.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message with its fields; handlers still find them in the record, too."""
        return _text(msg, (kwargs.get("extra") or {}).items()), kwargs


def get_logger(name: str) -> FieldLogger:
    """Return the logger of a module of the plugin.

    Args:
        name: The module.
    """
    return FieldLogger(logging.getLogger(name))


class FieldHandler(logging.Handler):
    """Passes lines on to the handlers of the root logger, with their fields in the text."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on; one of the plugin has its fields already."""
        if not record.name.startswith(_PLUGIN):
            try:
                record = _with_fields(record)
            except Exception:  # noqa: BLE001 - a line that cannot be written must not stop who writes it
                self.handleError(record)
                return
        logging.getLogger().handle(record)


def show_fields() -> None:
    """Show the fields of all lines of this package in this process, unless it has handlers of its own."""
    logger = logging.getLogger(_PACKAGE)
    if logger.propagate and all(
        type(one).__module__ == "lark_provider.utils.logger" for one in logger.handlers
    ):
        logger.addHandler(FieldHandler())
        logger.propagate = False


def _with_fields(record: logging.LogRecord) -> logging.LogRecord:
    from lark_provider.protocol.redact import redact
    from lark_provider.utils.records import fields_of

    text = _text(redact(record.getMessage()), fields_of(record))
    return logging.makeLogRecord({**vars(record), "msg": text, "args": ()})


def _text(message: Any, fields: Iterable[tuple[str, Any]]) -> Any:
    found = list(fields)
    if not found:
        return message
    from lark_provider.utils.logger import shown  # A task that does not fail must not pay for it.

    return " ".join([f"{message}:", *(f"{key}={shown(key, value)}" for key, value in found)])
