"""What operators share that copy rows out of Lark into a SQL table, in one transaction."""

from __future__ import annotations

import itertools
import sys
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from lark_provider.errors import ConflictError, InvalidRequestError
from lark_provider.operators.base import LarkOperator
from lark_provider.operators.progress import ProgressMixin
from lark_provider.protocol.arguments import check_choice, check_one_or_more
from lark_provider.transfers.database import get_sql_hook
from lark_provider.transfers.values import make_key_mark

if TYPE_CHECKING:
    from lark_provider.transfers.target import SqlTarget

CopyMode: TypeAlias = Literal["replace", "merge", "append"]
RUN_BATCH = (
    "{{ ti.dag_id }}/{{ ti.task_id }}/{{ run_id }}{{ '' if ti.map_index < 0 else '/%d' % ti.map_index }}"
)
"""The default batch. Tasks that append to one SQL table, and the instances of a mapped task, must not delete
each other's rows; run ids are equal in all DAGs of a schedule."""


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """Where the values of a field, or of a spreadsheet's column, go. The field `""` is a record's id."""

    field: str
    name: str
    convert: Callable[[Any], Any]


class CopyOperator(ProgressMixin, LarkOperator):
    """Copy rows into a SQL table, in one transaction.

    Args:
        sql_table: The table, which must exist; with its schema where needed.
        sql_conn_id: The connection of the database.
        columns: The SQL column for each field, or a list of fields.
        mode: `replace`, `merge` or `append`.
        key_fields: The fields that tell rows apart, for `merge`.
        key_column: A SQL column that can be the key by itself, of the field `""`.
        batch_id_column: The SQL column that names the batch of a row, for `append`.
        batch_id: The name of the batch.
        allow_empty_table: Whether `replace` may leave the SQL table empty.
        chunk_size: Rows per statement.
        hook_params: Further arguments for the database's hook.
    """

    #: What a row is called in errors.
    row_name: ClassVar[str] = "Record"

    def __init__(
        self,
        *,
        sql_table: str,
        sql_conn_id: str,
        columns: Mapping[str, str] | Sequence[str] | None = None,
        mode: CopyMode = "replace",
        key_fields: str | Sequence[str] = (),
        key_column: str | None = None,
        batch_id_column: str | None = None,
        batch_id: str = RUN_BATCH,
        allow_empty_table: bool = False,
        chunk_size: int = 1000,
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("mode", mode, get_args(CopyMode))
        if (mode == "append") != bool(batch_id_column):
            raise InvalidRequestError(
                f"batch_id_column must be given with mode='append' and only then, got {batch_id_column!r} "
                f"with {mode!r}. Next: add a text column for the batch to the SQL table, and name it: a "
                "retry deletes the rows of its own batch first, and so adds none twice."
            )
        if (mode == "merge") != bool(key_fields or (mode == "merge" and key_column)):
            raise InvalidRequestError(
                f"key_fields must be given with mode='merge' and only then, got {key_fields!r} with "
                f"{mode!r}. Next: name the fields that tell rows apart."
            )
        if type(chunk_size) is not int or not 1 <= chunk_size <= sys.maxsize:
            raise InvalidRequestError(
                f"chunk_size must be an int of 1 or more, got {chunk_size!r}. Next: pass a number such as "
                "1000."
            )
        self.sql_table = sql_table
        self.sql_conn_id = sql_conn_id
        self.columns = columns
        self.mode = mode
        self.key_fields = key_fields
        self.batch_id_column = batch_id_column
        self.batch_id = batch_id
        self.allow_empty_table = allow_empty_table
        self.chunk_size = chunk_size
        self.hook_params = hook_params

    def copy(self) -> dict[str, int]:
        """Copy all rows, or none.

        Returns:
            `{"rows": …, "deleted": …}`.

        Raises:
            LarkError: Lark refuses it, or fields and columns do not fit.
        """
        from lark_provider.transfers.target import SqlTarget  # a DAG file does not need it

        hook = get_sql_hook(self.sql_conn_id, self.hook_params)
        with closing(hook.get_conn()) as connection:
            if hook.supports_autocommit:
                hook.set_autocommit(connection, False)
            try:
                counts = self._copy(SqlTarget(hook, connection, self.sql_table))
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        return counts

    @abstractmethod
    def _open_source(self, target: SqlTarget) -> list[SqlColumn]:
        """Read which fields the source has, and return the SQL column of each."""

    @abstractmethod
    def _iterate_rows(self, columns: Sequence[SqlColumn]) -> Iterator[tuple[Any, ...]]:
        """Read the rows, in the order of the columns."""

    @abstractmethod
    def _make_unknown_field_error(self, name: str, available: str) -> InvalidRequestError:
        """Return the error for a field in `columns` that the source does not have, but `available`."""

    @abstractmethod
    def _make_empty_source_error(self, deleted: int) -> InvalidRequestError:
        """Return the error of an empty source; `deleted` rows are in the SQL table."""

    def _copy(self, target: SqlTarget) -> dict[str, int]:
        columns = self._open_source(target)
        if not columns:
            raise InvalidRequestError(
                f"columns must name what to copy, got {self.columns!r}. Next: name a field, or leave columns "
                "out."
            )
        keys = self._find_keys(columns)
        names = [column.name for column in columns]
        batch = self._get_batch_values(target, names)
        seen: set[int] = set()
        deleted = target.delete(batch) if self.mode != "merge" else 0
        count = 0
        rows = self.progress.track_rows(self._iterate_rows(columns))
        while chunk := list(itertools.islice(rows, self.chunk_size)):
            _check_keys(
                self.row_name,
                chunk,
                places=[names.index(key) for key in keys],
                names=keys,
                first=count + 1,
                seen=seen,
            )
            batched_rows = [(*row, *batch.values()) for row in chunk]
            target.insert([*names, *batch], batched_rows, keys=keys)
            count += len(chunk)
            self.progress.check()
        if self.mode == "replace" and not count and deleted and not self.allow_empty_table:
            raise self._make_empty_source_error(deleted)
        return {"rows": count, "deleted": deleted}

    def _choose_columns(self, available: Sequence[str]) -> dict[str, str]:
        """Return the names of the SQL columns by the fields to copy: those of `columns`, else all.

        Args:
            available: The fields of the source; that the SQL table has the columns is checked by `_match`.

        Raises:
            InvalidRequestError: `columns` names a field that the source does not have.
        """
        if isinstance(self.columns, Mapping):
            wanted = dict(self.columns)
        else:
            example = "a list or a dict of names"
            names = available if self.columns is None else check_one_or_more("columns", self.columns, example)
            wanted = {name: name for name in names}
        for name in wanted:
            if name not in available:
                raise self._make_unknown_field_error(name, ", ".join(map(repr, available)))
        return wanted

    def _match(
        self,
        target: SqlTarget,
        wanted: Mapping[str, str],
        convert: Callable[[str, str], Callable[[Any], Any]],
    ) -> list[SqlColumn]:
        """Return the SQL column of each field.

        Args:
            target: The SQL table.
            wanted: The columns' names by field.
            convert: Returns the conversion for a field and its column.

        Raises:
            InvalidRequestError: The SQL table has no such column, or two fields have the same one.
        """
        column_names = {field: target.find_column(name) for field, name in wanted.items()}
        missing = [repr(wanted[field]) for field, name in column_names.items() if name is None]
        if missing:
            raise InvalidRequestError(
                f"{self.sql_table} has no column {', '.join(missing)}; it has "
                f"{', '.join(map(repr, target.moments))}. Next: add it, or name the fields to copy and their "
                "columns in columns=."
            )
        columns = [
            SqlColumn(field, name, convert(field, name))
            for field, name in column_names.items()
            if name is not None
        ]
        twice = [column.name for column in columns if sum(column.name == other.name for other in columns) > 1]
        if twice:
            raise InvalidRequestError(
                f"Two fields go into the column {twice[0]!r} of {self.sql_table}. Next: name each column "
                "once in columns=."
            )
        return columns

    def _find_keys(self, columns: Sequence[SqlColumn]) -> list[str]:
        """Return the SQL columns of the key."""
        if self.mode != "merge":
            return []
        fields = check_one_or_more("key_fields", self.key_fields, "a list of names such as ['No']")
        names = {column.field: column.name for column in columns}
        missing = [field for field in fields if field not in names]
        if missing:
            raise InvalidRequestError(
                f"key_fields names {missing[0]!r}, which is not among the fields copied: "
                f"{', '.join(map(repr, filter(None, names)))}. Next: write it as in this list, or add it "
                "to columns."
            )
        keys = [names[field] for field in fields or [""]]
        if len(keys) == len(columns):
            raise InvalidRequestError(
                "mode='merge' needs a field besides its key, got key_fields alone. Next: copy another field."
            )
        return keys

    def _get_batch_values(self, target: SqlTarget, names: Collection[str]) -> dict[str, Any]:
        if not self.batch_id_column:
            return {}
        column = target.find_column(self.batch_id_column)
        if column is None or column in names:
            problem = "has no column" if column is None else "takes a field's values in the column"
            raise InvalidRequestError(
                f"{self.sql_table} {problem} {self.batch_id_column!r}, which batch_id_column names. Next: "
                "add a text column for the batch."
            )
        if not self.batch_id:
            raise InvalidRequestError(
                "batch_id must have a value, got ''. Next: leave it out for the default, or pass a text."
            )
        return {column: self.batch_id}


def _check_keys(
    what: str,
    rows: Sequence[Sequence[Any]],
    *,
    places: Sequence[int],
    names: Sequence[str],
    first: int,
    seen: set[int],
) -> None:
    """Refuse rows without a key, and keys that two rows have, of which either could stay."""
    for number, row in enumerate(rows, first) if places else ():
        key = tuple(row[place] for place in places)
        if any(value is None or value == "" for value in key):
            raise InvalidRequestError(
                f"{what} {number} has no value in its key ({', '.join(names)}), so that it cannot be merged; "
                "nothing was written. Next: fill it in, or leave it out of the source."
            )
        mark = make_key_mark(key)
        if mark in seen:
            raise ConflictError(
                f"{what} {number} has the key {key!r}, as another {what.lower()} has; nothing was written. "
                "Next: change one of the two, or choose key_fields that tell them apart."
            )
        seen.add(mark)
