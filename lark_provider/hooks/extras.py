"""Report the extras of a connection that no setting reads, such as misspelled ones, which are ignored."""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection
from typing import Any

from lark_provider.get_provider_info import get_provider_info
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)
_logged = Once()


def warn(conn_id: str, conn_type: str, names: Collection[str]) -> None:
    """Log unknown extras once in each process, since a triggerer has a hook for each task that waits.

    Args:
        conn_id: The connection.
        conn_type: The type of the connection; for a type of another package, nothing is logged.
        names: The names of its extras.
    """
    unknown = _format_unknown(conn_type, names)
    if unknown and _logged.mark_first((conn_id, unknown)):
        logger.warning("Connection has unknown extras", extra={"connection": conn_id, "extras": unknown})


def describe_unknown(conn_type: str, names: Collection[str]) -> str:
    """Return the sentence about unknown extras for the connection's form; "" if there are none.

    Args:
        conn_type: The type of the connection; for a type of another package, no extra is unknown.
        names: The names of the connection's extras.
    """
    unknown = _format_unknown(conn_type, names)
    return f" Unknown extras are ignored: {unknown}. Next: check their spelling." if unknown else ""


def _format_unknown(conn_type: str, names: Collection[str]) -> str:
    known = _find_known_extras(conn_type)
    return "" if known is None else ", ".join(sorted(set(names) - known))


@functools.cache
def _find_known_extras(conn_type: str) -> frozenset[str] | None:
    """Return the extras that settings read; None for a type of another package."""
    types: Any = get_provider_info()["connection-types"]
    conn_fields = (entry["conn-fields"] for entry in types if entry["connection-type"] == conn_type)
    return next((frozenset(fields) for fields in conn_fields), None)
