"""Rows of Airflow's questions and of their cards, read one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from lark_provider.support.once import Once

logger = logging.getLogger(__name__)

T = TypeVar("T")

_logged = Once()


def readable(rows: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
    """Return what rows hold; a damaged one is logged once and left out, so that it stops no other one.

    Args:
        rows: Rows with a `ti_id`.
        read: Reads one.
    """
    found: list[T] = []
    for row in rows:
        try:
            found.append(read(row))
        except Exception:  # A row may be damaged in whatever way.
            if _logged.is_first(row.ti_id):
                logger.exception("Question of Airflow is unreadable; left out", extra={"ti_id": row.ti_id})
    return found
