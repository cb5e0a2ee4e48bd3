"""Log lines of the plugin: Airflow prints messages without their `extra=`, so the fields go into the text."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class FieldLogger(_Adapter):
    """Appends the fields of `extra=` to each message, as `key=value`, with secrets masked.

    Messages are constants without `%` arguments: the fields are not formatted again.
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the message with its fields; handlers still find them in the record, too."""
        fields = kwargs.get("extra")
        if not fields:
            return msg, kwargs
        from lark_provider.utils.logger import shown  # A task that does not fail must not pay for it.

        return " ".join([f"{msg}:", *(f"{key}={shown(key, value)}" for key, value in fields.items())]), kwargs


def get_logger(name: str) -> FieldLogger:
    """Return the logger of a module of the plugin.

    Args:
        name: The module.
    """
    return FieldLogger(logging.getLogger(name))
