"""Plain SQL on the configured database, under the name that the deployment guide uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.storage import urls
from lark_provider.storage.deadlines import Deadlines
from lark_provider.storage.engine import create, get_engine, hold_transaction, read_pool_settings

_MAX_SECONDS = 86_400


class PostgresStorage:
    """Run statements on the database of `LARK_DATABASE_URL` or `POSTGRES_*`. Making one does no I/O.

    All instances in a process share one pool of connections, which stays open; with pool settings of its own
    an instance has its own pool. Safe with threads, and after a fork.

    Args:
        database_url: `postgresql://…`; else as the environment says.
        pool_size: Connections that are kept, 10 unless `LARK_DB_POOL_SIZE` says otherwise.
        max_overflow: How many more may be open for a while, 20 or `LARK_DB_MAX_OVERFLOW`.
        pool_timeout: Seconds to wait for one, 30 or `LARK_DB_POOL_TIMEOUT`.
        pool_recycle: Seconds after which one is replaced, 3600 or `LARK_DB_POOL_RECYCLE`.
        statement_timeout: Seconds that a statement may take, 8 by default. The server ends it then; one that
            does not answer 2 s later loses its connection. A lock is waited for half as long.

    Raises:
        ConfigurationError: No database is configured, or a setting is invalid.
    """

    def __init__(
        self,
        database_url: str | None = None,
        *,
        pool_size: int | None = None,
        max_overflow: int | None = None,
        pool_timeout: int | None = None,
        pool_recycle: int | None = None,
        statement_timeout: float | None = None,
    ) -> None:
        self._url = urls.database(database_url)
        if statement_timeout is not None and not 0 < statement_timeout <= _MAX_SECONDS:
            raise ConfigurationError(
                f"statement_timeout must be above 0 and at most {_MAX_SECONDS} seconds, got "
                f"{statement_timeout!r}. Next: pass a number of seconds in that range."
            )
        self._limits: Deadlines | None = None
        if statement_timeout is not None:
            most = float(statement_timeout)
            self._limits = Deadlines(statement=most, lock=most / 2, idle=most, transaction=2 * most)
        settings = {
            "pool_size": pool_size,
            "max_overflow": max_overflow,
            "pool_timeout": pool_timeout,
            "pool_recycle": pool_recycle,
        }
        own = {name: value for name, value in settings.items() if value is not None}
        self._pool = {**read_pool_settings(), **own}
        self._own = (os.getpid(), create(self._url, **self._pool)) if own else None

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row[Any]]:
        """Run a statement in a transaction of its own.

        Args:
            statement: SQL; `:name` stands for a parameter.
            parameters: The values by name.

        Returns:
            The rows, each a tuple with the columns as attributes; none for a statement that has none.

        Raises:
            StorageError: The database is unavailable, refuses the statement or exceeds its deadline; also an
                `OperationalError`.
        """
        with hold_transaction(self._get_engine(), limits=self._limits) as connection:
            result = connection.execute(sa.text(statement), parameters)
            return list(result) if result.returns_rows else []

    def close(self) -> None:
        """Close the connections of a pool of its own; it can be used again, with new ones."""
        if self._own is not None and self._own[0] == os.getpid():
            self._own[1].dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"PostgresStorage({urls.display(self._url)!r})"

    def _get_engine(self) -> Engine:
        if self._own is None:
            return get_engine(self._url)
        if self._own[0] != os.getpid():  # A forked child must not use its parent's connections.
            self._own = os.getpid(), create(self._url, **self._pool)
        return self._own[1]
