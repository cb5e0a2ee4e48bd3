"""psycopg2 connections whose calls all have a deadline.

psycopg2's own way, a wait callback, is set for the whole process and would change the connections of all
other code in it, Airflow's included (it forbids COPY, for example). Here each call is watched on its own.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor

from lark_provider.storage.deadlines import PING_SECONDS, Deadlines, Socket, watchdog

FRESH_SECONDS = 5.0
"""How long after an answer a connection is not pinged before it is used."""


class WatchedCursor(cursor):
    """A cursor whose statements have a deadline."""

    connection: WatchedConnection

    def execute(self, query: Any, variables: Any = None) -> None:
        """Run a statement."""
        prefix = self.connection.prefix
        with self.connection.watch():
            super().execute(prefix + query if prefix else query, variables)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """Run a statement for each of several rows; the deadline is that of one statement."""
        with self.connection.watch():
            super().executemany(query, vars_list)


class WatchedConnection(connection):
    """A connection in autocommit mode: a transaction begins where `begin` is called.

    psycopg2 would send BEGIN in a round trip of its own, before limits can be set.

    Attributes:
        prefix: Sent along with each statement, in the same round trip; PostgreSQL runs both in one implicit
            transaction, so that SET LOCAL holds for the statement and for nothing after it.
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        super().__init__(dsn, **options)
        self.autocommit = True
        self.cursor_factory = WatchedCursor
        self._socket = Socket(self.fileno())
        self._poll = select.poll()
        self._poll.register(self.fileno(), select.POLLIN | select.POLLHUP)
        self._answered = time.monotonic()
        self.limit(None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} closed={self.closed}>"  # psycopg2's own shows sslpassword.

    def limit(self, limits: Deadlines | None, *, each_alone: bool = False) -> None:
        """Set the deadlines of the statements that follow.

        Args:
            limits: Those of a transaction, which begins now; None for those of a ping.
            each_alone: Whether each statement is a transaction of its own, and carries its limits.
        """
        # The statement begins on a line of its own, since the server's errors quote a whole line.
        self.prefix = f"{limits.make_statement_sql()}\n" if limits is not None and each_alone else ""
        self._seconds = PING_SECONDS if limits is None else limits.socket
        self._began = time.monotonic()
        self._ends = float("inf") if limits is None else self._began + limits.transaction
        self._idle = float("inf") if limits is None or each_alone else limits.idle

    def is_fresh(self) -> bool:
        """Return whether a ping can be spared: the server has just answered, and said nothing since.

        A server that ends sends a last message, or its host closes the socket: either can be read.
        """
        is_recent = time.monotonic() - self._answered < FRESH_SECONDS
        return is_recent and not self.closed and not self._poll.poll(0)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch one call to the server.

        Raises:
            psycopg2.OperationalError: There was no answer in time, and the connection is closed; or the
                transaction has lasted for too long.
        """
        now = time.monotonic()
        if now >= self._ends:
            raise psycopg2.OperationalError("the transaction has lasted for too long and is rolled back")
        before, self._began = self._began, now
        watchdog.begin(self, now + self._seconds)
        try:
            yield
            self._answered = time.monotonic()
        except psycopg2.Error as error:
            if watchdog.end(self):
                # libpq loses the reason that was sent; and the server may have answered before that was read.
                idle = now - before
                if self.closed and idle >= self._idle:
                    text = f"the transaction was idle for up to {idle:.1f} s, and the server has ended it"
                    raise psycopg2.OperationalError(text) from error
                raise
            self.close()
            text = f"no answer within {self._seconds:g} s; the connection was closed"
            raise psycopg2.OperationalError(text) from error
        finally:
            watchdog.end(self)

    def cut(self) -> None:
        """Shut the socket down; see `deadlines.Cuttable`."""
        self._socket.shut_down()

    def commit(self) -> None:
        """Commit the transaction, if one is open."""
        self._finish("COMMIT")

    def rollback(self) -> None:
        """Roll back the transaction, if one is open."""
        self._ends = float("inf")
        self._finish("ROLLBACK")

    def _finish(self, statement: str) -> None:
        if self.closed:
            raise psycopg2.InterfaceError("connection already closed")
        if self.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            with self.cursor() as sql_cursor:
                sql_cursor.execute(statement)
