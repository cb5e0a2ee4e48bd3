"""Measure the pools of connections."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from lark_provider.support import measured


def count_connections(pools: Iterable[sa.Pool], returning: int) -> None:
    """Set how many connections are in use and how many are idle, over all pools of the process.

    Args:
        pools: The pools; those that keep no connection, as of SQLite, count for nothing.
        returning: How many are about to be returned, which their pool still counts as in use.
    """
    queues = [pool for pool in pools if isinstance(pool, sa.QueuePool)]
    in_use = sum(pool.checkedout() for pool in queues) - returning
    measured.DATABASE_CONNECTIONS.set(in_use, "in_use")
    measured.DATABASE_CONNECTIONS.set(sum(pool.checkedin() for pool in queues) + returning, "idle")
