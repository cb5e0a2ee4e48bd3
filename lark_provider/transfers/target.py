"""The SQL side of a transfer out of Bitable: one table, written in one transaction."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from lark_provider.errors import ConflictError, InvalidRequestError
from lark_provider.protocol.arguments import check_str
from lark_provider.transfers.database import MYSQL, get_driver
from lark_provider.transfers.values import MomentForm, get_moment_form, make_key_mark

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

Row = Sequence[Any]
_PART = r"""(?:[^\W\d][\w$]*|"[^"]+"|`[^`]+`|\[[^\]]+\])"""
_TABLE = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
_ON_CONFLICT: Final = frozenset({"psycopg2", "psycopg", "sqlite3"})


class SqlTarget:
    """A table, on an open connection.

    Args:
        hook: The Airflow hook of the database.
        connection: An open connection of the database's driver.
        table: The table's name, with its schema if needed; quoted where the database needs it.

    Raises:
        InvalidRequestError: `table` is not a name.
        Exception: What the driver raises, such as for a table that does not exist.
    """

    def __init__(self, hook: DbApiHook, connection: Any, table: str) -> None:
        if not _TABLE.fullmatch(check_str("sql_table", table, "the name of a table")):
            raise InvalidRequestError(
                f"sql_table must be the name of a table, got {table[:80]!r}. Next: write schema.table; a "
                "name with other characters needs the database's quotes."
            )
        self._hook, self._connection, self.table = hook, connection, table
        self._merged: set[int] = set()  # marks of the keys, as they are stored, of the rows merged so far
        self.driver = get_driver(connection)
        with closing(connection.cursor()) as cursor:
            cursor.execute(f"SELECT * FROM {table} WHERE 1 = 0")  # noqa: S608 - checked to be a name
            described: dict[str, object] = {str(column[0]): column[1] for column in cursor.description}
            declared = self._read_declared_types(cursor) if self.driver == "sqlite3" else {}
        # The table as statements with parameters name it.
        self._name = table.replace("%", "%%") if hook.placeholder == "%s" else table
        self.moments: dict[str, MomentForm] = {
            name: get_moment_form(self.driver, code, declared.get(name, ""))
            for name, code in described.items()
        }

    def find_column(self, name: str) -> str | None:
        """Return the column of a name, exactly or else without regard to case; None if there is none.

        Args:
            name: The name of a column, as an argument has it.

        Raises:
            InvalidRequestError: It is not a str.
        """
        check_str("The name of a column", name, "one of the SQL table's columns")
        if name in self.moments:
            return name
        alike = [candidate for candidate in self.moments if candidate.casefold() == name.casefold()]
        return alike[0] if len(alike) == 1 else None

    def delete(self, where: Mapping[str, Any] | None = None) -> int:
        """Delete all rows, or those whose columns have the values given.

        Args:
            where: The values by column; None for all rows.

        Returns:
            How many rows there were; 0 if the driver does not tell.

        Raises:
            InvalidRequestError: The name of a column cannot be quoted.
            Exception: What the driver raises.
        """
        where = where or {}
        condition = f" WHERE {self._format_equalities(where)}" if where else ""
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(f"DELETE FROM {self._name}{condition}", tuple(where.values()))  # noqa: S608 - quoted
            return max(int(cursor.rowcount), 0)

    def insert(self, columns: Sequence[str], rows: Sequence[Row], *, keys: Sequence[str] = ()) -> None:
        """Add rows; with keys, rows whose keys are there already are updated instead.

        Args:
            columns: The names of the columns.
            rows: The rows, each with its values in the order of `columns`.
            keys: The columns that tell rows apart; PostgreSQL and SQLite need a unique index on them.

        Raises:
            InvalidRequestError: The name of a column cannot be quoted.
            ConflictError: The database takes the keys of two rows for the same one.
            Exception: What the driver raises.
        """
        if keys and self.driver in _ON_CONFLICT:
            self._upsert(columns, rows, keys)
            return
        if keys:
            self._merge(columns, rows, keys)
            return
        with closing(self._connection.cursor()) as cursor:
            if self.driver == "psycopg2":
                self._execute_together(cursor, columns, rows)
            else:
                cursor.executemany(self._make_insert_sql(columns), [tuple(row) for row in rows])

    def _execute_together(
        self, cursor: Any, columns: Sequence[str], rows: Sequence[Row], end: str = ""
    ) -> None:
        """Insert rows by one statement: the executemany of psycopg2 sends each row by itself."""
        statement = self._make_insert_sql(columns, len(rows)) + end
        cursor.execute(statement, tuple(itertools.chain.from_iterable(rows)))

    def _upsert(self, columns: Sequence[str], rows: Sequence[Row], keys: Sequence[str]) -> None:
        """Update or insert by the database's own statement, which returns the keys as they are stored."""
        end = self._make_on_conflict(columns, keys)
        statement = self._make_insert_sql(columns) + end
        with closing(self._connection.cursor()) as cursor:
            if self.driver == "psycopg2":
                self._execute_together(cursor, columns, rows, end)
                stored = cursor.fetchall()
            elif self.driver == "sqlite3":
                stored = [cursor.execute(statement, tuple(row)).fetchone() for row in rows]
            else:
                cursor.executemany(statement, [tuple(row) for row in rows], returning=True)
                stored = [cursor.fetchone()]
                while cursor.nextset():
                    stored.append(cursor.fetchone())
        for key in stored:
            if key is not None:  # Nothing is returned of a row that a trigger has left out.
                self._note_merged([key])

    def _note_merged(self, stored: Iterable[Row | Mapping[str, Any]]) -> None:
        """Note a row that is merged, and check that it is not one that was merged before.

        Args:
            stored: The keys that the database has for it: a column of numbers may take keys for the same that
                differ, such as "7" and "007"; a collation "ab" and "AB".

        Raises:
            ConflictError: It was.
        """
        keys = [tuple(key.values() if isinstance(key, Mapping) else key) for key in stored]
        marks = set(map(make_key_mark, keys))
        if not marks.isdisjoint(self._merged):
            raise ConflictError(
                f"{self.table} takes the keys of two rows for the same one, {keys[0]!r}, as a collation may "
                "do without regard to case, or a column of numbers; nothing was written. Next: change one of "
                "the two keys, or choose key_fields that tell them apart."
            )
        self._merged |= marks

    def _merge(self, columns: Sequence[str], rows: Iterable[Row], keys: Sequence[str]) -> None:
        """Update or insert row by row: not every database tells by its row count whether a row exists."""
        others = [name for name in columns if name not in keys]
        key_places, places = [columns.index(name) for name in keys], [columns.index(name) for name in others]
        which = self._format_equalities(keys)
        select = f"SELECT {', '.join(map(self._quote, keys))} FROM {self._name} WHERE {which}"  # noqa: S608 - quoted
        update = f"UPDATE {self._name} SET {self._format_equalities(others, ', ')} WHERE {which}"  # noqa: S608 - quoted
        insert = self._make_insert_sql(columns)
        with closing(self._connection.cursor()) as cursor:
            for row in rows:
                key = tuple(row[place] for place in key_places)
                cursor.execute(select, key)
                stored = cursor.fetchall()
                self._note_merged(stored or [key])
                if stored:
                    cursor.execute(update, (*(row[place] for place in places), *key))
                else:
                    cursor.execute(insert, tuple(row))

    def _make_insert_sql(self, columns: Sequence[str], count: int = 1) -> str:
        names = ", ".join(map(self._quote, columns))
        row = f"({', '.join([self._hook.placeholder] * len(columns))})"
        return f"INSERT INTO {self._name} ({names}) VALUES {', '.join([row] * count)}"  # noqa: S608 - quoted

    def _make_on_conflict(self, columns: Sequence[str], keys: Sequence[str]) -> str:
        others = [self._quote(name) for name in columns if name not in keys]
        changes = ", ".join(f"{name} = excluded.{name}" for name in others)
        names = ", ".join(map(self._quote, keys))
        return f" ON CONFLICT ({names}) DO UPDATE SET {changes} RETURNING {names}"

    def _format_equalities(self, names: Iterable[str], between: str = " AND ") -> str:
        return between.join(f"{self._quote(name)} = {self._hook.placeholder}" for name in names)

    def _quote(self, name: str) -> str:
        form = "`{}`" if self.driver in MYSQL else self._hook.escape_word_format
        if form[-1] in name:
            raise InvalidRequestError(
                f"The column {name!r} of {self.table} has a quote in its name. Next: rename the column."
            )
        quoted = form.format(name)
        return quoted.replace("%", "%%") if self._hook.placeholder == "%s" else quoted

    def _read_declared_types(self, cursor: Any) -> dict[str, str]:
        """Return the types in a table's definition on SQLite, which describes no types of results."""
        *schema, name = (part.strip('"`[]') for part in re.findall(_PART, self.table))
        cursor.execute("SELECT name, type FROM pragma_table_info(?, ?)", (name, *(schema[-1:] or ["main"])))
        return dict(cursor.fetchall())
