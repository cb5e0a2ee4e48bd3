"""The API servers of Airflow that have the plugin, and whether each lets exactly one answer count."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import api_servers
from lark_provider.storage.statements import insert, read_clock

RENEWAL_SECONDS = 60.0
RECENT = timedelta(seconds=3 * RENEWAL_SECONDS)
"""A process that was not seen for so long has ended."""
_FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A process of an API server.

    Attributes:
        id: The process's id, see `process_id`.
        host: The host name of its machine.
        version: The version of this package there.
        airflow_version: The version of Airflow there.
        guarded: Whether it lets exactly one answer count.
        problem: Why it does not let exactly one answer count; None if it does.
        seen_at: When it last renewed its row, by the database's clock; None before it is recorded.
        hold_seconds: How long it holds answers after a task began to wait, in seconds; None if it does not
            say.
    """

    id: str
    host: str
    version: str
    airflow_version: str
    guarded: bool
    problem: str | None = None
    seen_at: datetime | None = None
    hold_seconds: float | None = None


def process_id(started: float) -> str:
    """Return the id of this process: a digest of its host, its number and its start.

    Args:
        started: When it started, seconds since 1970: numbers of processes are used again.
    """
    return hashlib.sha256(f"{socket.gethostname()}\0{os.getpid()}\0{started}".encode()).hexdigest()


class ApiServers:
    """The API servers in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def record(self, server: ApiServer) -> None:
        """Record a process, or renew its row; rows of processes that ended a day ago are deleted.

        Args:
            server: The process.
        """
        columns = api_servers.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            values = {
                "host": server.host[:255],
                "version": server.version[:64],
                "airflow_version": server.airflow_version[:64],
                "guarded": server.guarded,
                "problem": server.problem,
                "seen_at": now,
                "hold_seconds": server.hold_seconds,
            }
            added = insert(connection, api_servers).values(id=server.id, **values)
            connection.execute(added.on_conflict_do_update(index_elements=[columns.id], set_=values))
            connection.execute(sa.delete(api_servers).where(columns.seen_at < now - _FORGOTTEN))

    def list_servers(self, within: timedelta = RECENT) -> list[ApiServer]:
        """Return the processes that were seen lately, by host.

        Args:
            within: How long ago at most.
        """
        with migrate.open_transaction(self._url, reading=True) as connection:
            since = read_clock(connection).now - within
            rows = connection.execute(
                sa.select(api_servers)
                .where(api_servers.c.seen_at >= since)
                .order_by(api_servers.c.host, api_servers.c.id)
            ).all()
        return [ApiServer(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def are_all_guarded(self) -> bool:
        """Return whether a process was seen lately, and each that was lets exactly one answer count.

        An API server without this plugin has no row, so that it cannot be noticed here.
        """
        servers = self.list_servers()
        return bool(servers) and all(server.guarded for server in servers)

    def read_longest_hold(self) -> float | None:
        """Return for how many seconds processes seen lately hold answers at most; None if none says so."""
        columns = api_servers.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            since = read_clock(connection).now - RECENT
            query = sa.select(sa.func.max(columns.hold_seconds)).where(columns.seen_at >= since)
            seconds: float | None = connection.execute(query).scalar()
        return seconds
