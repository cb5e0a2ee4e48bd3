"""Find the fields of a log record, and decide which of them are secret, for both formats of log lines."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from lark_provider.protocol.redact import MASK

__all__ = ["MASK", "is_secret", "iterate_fields"]

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}
"""Attributes of a record that are not fields of `extra=`; the last one is uvicorn's."""
_SECRET = re.compile(r"(?i)(?:secret|token|ticket|password|authorization|encrypt(?:ion)?_key|signature)$")


def iterate_fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """Yield the fields of `extra=`, in the order given.

    Args:
        record: The record.
    """
    return ((name, value) for name, value in vars(record).items() if name not in _STANDARD)


def is_secret(name: str) -> bool:
    """Return whether the value of a field is masked whatever it is.

    Args:
        name: The field's name.
    """
    return _SECRET.search(name) is not None
