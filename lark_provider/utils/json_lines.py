"""Log lines as JSON, one object a line, for what collects and searches logs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lark_provider.protocol.redact import redact
from lark_provider.utils.records import MASK, is_secret, iterate_fields

_OWN = frozenset({"time", "level", "logger", "message", "exception", "stack"})
# JSON leaves these as they are: some terminals obey them, some readers break lines there, and a lone
# surrogate cannot be written at all.
_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class JsonFormatter(logging.Formatter):
    """Write a record as a JSON object: `time`, `level`, `logger`, `message`, then the fields of `extra=`.

    Secrets are masked as in text. Numbers and booleans stay what they are; anything else is a string. A field
    that has the name of one of the first four gets `_` appended. `log_id`, what Lark's support asks for, is
    added where an error of Lark's is logged.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for name, value in iterate_fields(record):
            line[f"{name}_" if name in _OWN else name] = MASK if is_secret(name) else _to_plain(value)
        log_id = next(_log_ids(record), None)
        if log_id is not None:
            line.setdefault("log_id", redact(log_id))
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = redact(self.formatStack(record.stack_info))
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(line, ensure_ascii=False))


def _to_plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and value - value == 0:  # JSON knows no infinity, and no NaN.
        return value
    return redact(str(value))


def _log_ids(record: logging.LogRecord) -> Iterator[str]:
    """Yield the log ids of the errors that a record holds."""
    held = [*(record.args if isinstance(record.args, tuple) else ()), *(record.exc_info or ())]
    for value in held:
        log_id = getattr(value, "log_id", None) if isinstance(value, Exception) else None
        if isinstance(log_id, str) and log_id:
            yield log_id
