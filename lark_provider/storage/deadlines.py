"""Deadlines of statements: on the server, which ends them, and on the socket, which a watchdog closes.

The server's limits come first, so that an ordinary delay (a locked table, a slow query) ends with the
server's own error and leaves a usable connection. The socket's limit is for a server, or a proxy before it,
that no longer answers at all: libpq would wait for it indefinitely.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

PING_SECONDS = 5.0
"""The time for the ping of a pooled connection, and for everything else outside transactions."""
_GRACE_SECONDS = 2.0
_STEP_SECONDS, _IDLE_STEPS = 0.25, 40


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Limits of a transaction and its statements, in seconds.

    Attributes:
        statement: For each statement, on the server.
        lock: For a lock on a row or table, on the server; less than `statement`.
        idle: For the client between two statements of a transaction, on the server: a process that freezes
            inside a transaction holds its rows no longer than this.
        transaction: From the beginning of a transaction to the start of its last statement; checked by the
            client before each statement. PostgreSQL has a limit of its own only from version 17.
    """

    statement: float
    lock: float
    idle: float
    transaction: float

    @property
    def socket(self) -> float:
        """Return how long the client waits for the answer to a statement, in seconds."""
        return self.statement + _GRACE_SECONDS

    @property
    def longest(self) -> float:
        """Return how long a transaction can last on the server at most, in seconds.

        The last statement starts before `transaction` is over, waits on its way no longer than the server
        tolerates an idle transaction, and runs for no longer than `statement`. The commit itself has no limit
        on the server: with synchronous replication it waits for the standby.
        """
        return self.transaction + self.idle + self.statement

    def make_limits_sql(self) -> str:
        """Set the limits of statements for the open transaction alone, as PgBouncer needs it."""
        limits = {"statement_timeout": self.statement, "lock_timeout": self.lock}
        return "".join(f"SET LOCAL {name} = {_convert_to_ms(seconds)};" for name, seconds in limits.items())

    def make_statement_sql(self) -> str:
        """Set the limits and the isolation level of the one statement that follows in the same message."""
        return f"SET LOCAL transaction_isolation = 'read committed';{self.make_limits_sql()}"

    def make_begin_sql(self) -> str:
        """Begin a transaction with all limits, in one round trip.

        The isolation level is set explicitly, whatever a site's default is: other commits must be visible.
        """
        idle = f"SET LOCAL idle_in_transaction_session_timeout = {_convert_to_ms(self.idle)}"
        return f"BEGIN ISOLATION LEVEL READ COMMITTED;{self.make_limits_sql()}{idle}"


def _convert_to_ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean no limit.


STATEMENT = Deadlines(statement=8.0, lock=4.0, idle=4.0, transaction=20.0)
"""Limits for what serves messages, clicks and waits; `engine.fallback_store` gives up after 5 s."""
MAINTENANCE = Deadlines(statement=3600.0, lock=60.0, idle=60.0, transaction=4 * 3600.0)
"""Limits for migrations and purges, which an operator watches."""


class Cuttable(Protocol):
    """A connection that another thread may cut off."""

    def cut(self) -> None:
        """Interrupt the call of the connection's thread with an error."""


class Watchdog:
    """Cut connections whose call misses its deadline, in one daemon thread that runs while any are used.

    The thread polls a few times a second instead of being woken by each call, so that a call costs a lock and
    a dictionary entry, and no thread switch.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Drop all state; a forked child has neither its parent's thread nor its calls."""
        self._lock = threading.Lock()
        self._calls: dict[Cuttable, float] = {}
        self._runs = self._used = False

    def begin(self, connection: Cuttable, due: float) -> None:
        """Watch a call that begins now.

        Args:
            connection: The connection that it uses; no other call uses it at the same time.
            due: Its deadline, on the monotonic clock.
        """
        with self._lock:
            self._calls[connection] = due
            self._used = True
            if not self._runs:
                # If the process cannot start a thread, the server's own limits remain.
                with suppress(RuntimeError):
                    threading.Thread(target=self._run, name="lark-deadlines", daemon=True).start()
                    self._runs = True

    def end(self, connection: Cuttable) -> bool:
        """Stop watching a call, and return whether its connection was left uncut."""
        with self._lock:
            return self._calls.pop(connection, None) is not None

    def _run(self) -> None:
        idle = 0
        while idle < _IDLE_STEPS:
            time.sleep(_STEP_SECONDS)
            with self._lock:
                now = time.monotonic()
                for connection in [cuttable for cuttable, due in self._calls.items() if due <= now]:
                    del self._calls[connection]
                    connection.cut()
                idle = 0 if self._calls or self._used else idle + 1
                self._used = False
                self._runs = idle < _IDLE_STEPS  # Decided under the lock, so that no call begins unwatched.


class Socket:
    """The socket of a connection, by its file descriptor, to be shut down from another thread.

    Args:
        descriptor: The file descriptor, which remains the connection's own.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._identity = descriptor, _read_identity(descriptor)

    def shut_down(self) -> None:
        """Wake the thread that waits for the socket, unless its descriptor now belongs to another file."""
        with suppress(OSError):  # The socket is closed already.
            # A duplicate is compared, since the original may be closed and reused at any time.
            copy = os.dup(self._descriptor)
            if _read_identity(copy) != self._identity:
                os.close(copy)
                return
            with socket.socket(fileno=copy) as same:
                same.shutdown(socket.SHUT_RDWR)


def _read_identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


watchdog = Watchdog()
os.register_at_fork(after_in_child=watchdog.reset)
