"""The plugin's own log lines, which carry their fields in the text; see `utils.field_lines`."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from lark_provider.utils.field_lines import with_fields

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
        return with_fields(msg, (kwargs.get("extra") or {}).items()), kwargs


def get_logger(name: str) -> FieldLogger:
    """Return the logger of a module of the plugin.

    Args:
        name: The module.
    """
    return FieldLogger(logging.getLogger(name))
