"""Extras of a connection that no setting reads, such as a misspelled one: they are ignored, and named."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from lark_provider.get_provider_info import get_provider_info
from lark_provider.support.once import Once

logger = logging.getLogger(__name__)
_logged = Once()


def unknown(conn_type: str, extras: Iterable[str]) -> str:
    """Return the names that no setting has; "" if there are none.

    Args:
        conn_type: The connection's type; of one that this package does not know, nothing is unknown.
        extras: The names of its extras.
    """
    types: Any = get_provider_info()["connection-types"]
    for one in types:
        if one["connection-type"] == conn_type:
            return ", ".join(sorted(set(extras) - one["conn-fields"].keys()))
    return ""


def warn(conn_id: str, names: str) -> None:
    """Log unknown extras, once in a process: a triggerer has a hook for each task that waits.

    Args:
        conn_id: The connection.
        names: What `unknown` has returned.
    """
    if names and _logged.is_first((conn_id, names)):
        logger.warning("Connection has unknown extras", extra={"connection": conn_id, "extras": names})


def sentence(names: str) -> str:
    """Return what the connection's form says about unknown extras, after another sentence.

    Args:
        names: What `unknown` has returned.
    """
    return f" Unknown extras are ignored: {names}. Next: correct their names." if names else ""
