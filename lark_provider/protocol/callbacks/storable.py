"""Values that any database can store: ids and JSON."""

from __future__ import annotations

import re
from typing import TypeGuard

MAX_ID_LENGTH = 255
_ESCAPED = re.compile(rb"\\(u0000|.)")
_MARK = "\N{REPLACEMENT CHARACTER}".encode()


def is_id(value: object) -> TypeGuard[str]:
    """Return whether a value can be stored and found as an id in any database."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable()


def without_zeros(content: bytes) -> bytes:
    """Replace each NUL in JSON by U+FFFD: PostgreSQL's `jsonb`, as of XComs, does not store it."""
    if rb"\u0000" not in content:
        return content
    return _ESCAPED.sub(lambda match: _MARK if match[1] == b"u0000" else match[0], content)
