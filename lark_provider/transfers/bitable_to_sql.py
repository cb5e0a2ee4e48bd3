"""Copy a Bitable table into a table of a SQL database."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from lark_provider.errors import ConflictError, InvalidRequestError
from lark_provider.hooks.task import lark_errors
from lark_provider.operators.progress import Progress
from lark_provider.operators.tables import TableOperator
from lark_provider.transfers.database import sql_hook
from lark_provider.transfers.target import Target
from lark_provider.transfers.values import to_sql

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.searches import Filter

Mode: TypeAlias = Literal["replace", "merge", "append"]


@dataclass(frozen=True, slots=True)
class Column:
    """Where the values of a field go. The field `""` stands for the record's id."""

    field: str
    name: str
    convert: Callable[[Any], Any]


class LarkBitableToSqlOperator(TableOperator):
    """Copy the records of a Bitable table into a SQL table, in one transaction.

    Whatever fails, the SQL table is then as it was or has all records, and a retry does no harm in any mode.
    Records are read and written bit by bit, so that memory stays flat.

    Dates become days in a column of type DATE and datetimes in others, text in SQLite; a checkbox that was
    never set is False; links, people, several options and other values that are lists or objects become JSON.

    Args:
        sql_table: The table, which must exist; with its schema where needed.
        sql_conn_id: The connection of the database.
        table: The link of the Bitable table.
        app_token: The base, or a link to it, instead of `table`.
        table_id: The table; None for the one that the link names.
        columns: The SQL column for each field, or a list of fields that have columns of their own names. By
            default all fields; each needs a column.
        mode: `replace` deletes the SQL table's rows first; `merge` updates rows by `key_fields` and adds
            those that are missing; `append` adds rows, after those of the same `batch_id` were deleted.
        key_fields: The fields that tell rows apart, for `merge`. PostgreSQL and SQLite need a unique index on
            their columns.
        batch_id_column: The SQL column that names the batch of a row, for `append`.
        batch_id: The name of the batch; by default the DAG run's id.
        record_id_column: A SQL column for the records' ids; none by default. It can be a key: with
            `key_fields=()` and `merge` it is the only one.
        filter: Which records are copied, as for `LarkBitableSearchOperator`.
        view_id: A view whose filter applies if none is given here.
        zone: The time zone of days and of datetimes without one; by default the base's own, in which people
            see them.
        allow_empty_table: Whether `replace` may leave the SQL table empty. A Bitable table looks empty to an
            app that may not see its rows.
        chunk_size: Rows a statement.
        hook_params: Further arguments for the database's hook.
        lark_conn_id: The connection to Lark.

    Returns:
        `{"rows": …, "deleted": …}`, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, or fields and columns do not fit; a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the database's driver raises is passed on.
    """

    template_fields: Collection[str] = (
        "sql_table", "sql_conn_id", "table", "app_token", "table_id", "columns", "key_fields", "batch_id",
        "filter", "view_id", "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        "sql_table", "sql_conn_id", "table", "app_token", "table_id", "key_fields", "batch_id", "filter",
        "view_id",
    )  # fmt: skip

    def __init__(
        self,
        *,
        sql_table: str,
        sql_conn_id: str,
        columns: Mapping[str, str] | Sequence[str] | None = None,
        mode: Mode = "replace",
        key_fields: str | Sequence[str] = (),
        batch_id_column: str | None = None,
        batch_id: str = "{{ run_id }}",
        record_id_column: str | None = None,
        filter: Filter | None = None,  # noqa: A002 - Lark's name
        view_id: str | None = None,
        zone: str | dt.tzinfo | None = None,
        allow_empty_table: bool = False,
        chunk_size: int = 1000,
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in get_args(Mode):
            raise InvalidRequestError(
                f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}. Next: pass one of these."
            )
        if (mode == "append") != bool(batch_id_column):
            raise InvalidRequestError(
                f"batch_id_column must be given with mode='append' and only then, got {batch_id_column!r} "
                f"with {mode!r}. Next: add a text column for the batch to the SQL table, and name it: a "
                "retry deletes the rows of its own batch first, and so adds none twice."
            )
        if (mode == "merge") != bool(key_fields or (mode == "merge" and record_id_column)):
            raise InvalidRequestError(
                f"key_fields must be given with mode='merge' and only then, got {key_fields!r} with "
                f"{mode!r}. Next: name the fields that tell rows apart, or a record_id_column."
            )
        if type(chunk_size) is not int or chunk_size < 1:
            raise InvalidRequestError(
                f"chunk_size must be an int of 1 or more, got {chunk_size!r}. Next: pass one."
            )
        self.sql_table = sql_table
        self.sql_conn_id = sql_conn_id
        self.columns = columns
        self.mode = mode
        self.key_fields = key_fields
        self.batch_id_column = batch_id_column
        self.batch_id = batch_id
        self.record_id_column = record_id_column
        self.filter = filter
        self.view_id = view_id
        self.zone = zone
        self.allow_empty_table = allow_empty_table
        self.chunk_size = chunk_size
        self.hook_params = hook_params

    @cached_property
    def progress(self) -> Progress:
        """Log how far the task has come."""
        return Progress(self.log)

    def on_kill(self) -> None:
        """Roll back after the chunk in flight; Airflow calls this when the task is ended from outside."""
        self.progress.stop()

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Copy the records."""
        with lark_errors():
            client = self.hook.client
            hook = sql_hook(self.sql_conn_id, self.hook_params)
            with closing(hook.get_conn()) as connection:
                if hook.supports_autocommit:
                    hook.set_autocommit(connection, False)
                try:
                    counts = self._copied(Target(hook, connection, self.sql_table))
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
        self.bitable_link = self._table_url(client.base_url)
        self.log.info("Copied %d records from %s to %s.", counts["rows"], self.bitable_link, self.sql_table)
        return counts

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the Bitable table and the SQL table, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from lark_provider.transfers import lineage

        found = lineage.written(self.sql_table, self.sql_conn_id, self.hook_params)
        return OperatorLineage(inputs=[self._dataset()], outputs=found)

    def _copied(self, target: Target) -> dict[str, int]:
        columns = self._columns(target)
        keys = self._keys(columns)
        names = [column.name for column in columns]
        batch = self._batch(target, names)
        seen: set[int] = set()
        deleted = target.delete(batch) if self.mode != "merge" else 0
        count = 0
        rows = self.progress.reading(self._rows(columns))
        while chunk := list(itertools.islice(rows, self.chunk_size)):
            _check_keys(chunk, [names.index(key) for key in keys], keys, count + 1, seen)
            found = [(*row, *batch.values()) for row in chunk]
            target.insert([*names, *batch], found, keys=keys)
            count += len(chunk)
            self.progress.check()
        if self.mode == "replace" and not count and deleted and not self.allow_empty_table:
            raise InvalidRequestError(
                f"The Bitable table has no records that the app sees, and {self.sql_table} has "
                f"{deleted} rows, which were not deleted. Next: check the app's role in the base's "
                "advanced permissions; if the table is empty, pass allow_empty_table=True."
            )
        return {"rows": count, "deleted": deleted}

    def _columns(self, target: Target) -> list[Column]:
        """Find the SQL column of each field."""
        from lark_provider.api.clouddoc.fields import TEXT, zone_of

        zone = zone_of(self.zone) or self._base_zone()
        fields = self.hook.client.clouddoc.bitable.list_fields(self.base, self.table_id)
        types = {field["field_name"]: field["type"] for field in fields}
        if isinstance(self.columns, Mapping):
            wanted = dict(self.columns)
        else:
            names = [self.columns] if isinstance(self.columns, str) else self.columns
            wanted = {name: name for name in (types if names is None else names)}
        unknown = [name for name in wanted if name not in types]
        if unknown:
            raise InvalidRequestError(
                f"columns names the field {unknown[0]!r}, which the Bitable table does not have; it has "
                f"{', '.join(map(repr, types))}. Next: correct columns."
            )
        if self.record_id_column:
            wanted[""] = self.record_id_column
        found = {field: target.column(name) for field, name in wanted.items()}
        missing = [repr(wanted[field]) for field, name in found.items() if name is None]
        if missing:
            raise InvalidRequestError(
                f"{self.sql_table} has no column {', '.join(missing)}; it has "
                f"{', '.join(map(repr, target.moments))}. Next: add it, or name the fields to copy and their "
                "columns in columns=."
            )
        is_text = target.driver == "sqlite3"
        columns = [
            Column(field, name, to_sql(types.get(field, TEXT), target.moments[name], zone, is_text=is_text))
            for field, name in found.items()
            if name is not None
        ]
        twice = [one.name for one in columns if sum(one.name == other.name for other in columns) > 1]
        if twice:
            raise InvalidRequestError(
                f"Two fields go into the column {twice[0]!r} of {self.sql_table}. Next: name each column "
                "once in columns=."
            )
        return columns

    def _base_zone(self) -> dt.tzinfo:
        """Return the base's own time zone, in which people see its days; UTC if Lark names none."""
        from lark_provider.api import links
        from lark_provider.api.clouddoc.conversion import base_zone

        client = self.hook.client
        app_token, _ = client.perform(links.table(self.base, self.table_id))
        return client.perform(base_zone(app_token)) or dt.UTC

    def _keys(self, columns: Sequence[Column]) -> list[str]:
        """Return the SQL columns of the key."""
        if self.mode != "merge":
            return []
        given = [self.key_fields] if isinstance(self.key_fields, str) else list(self.key_fields)
        names = {column.field: column.name for column in columns}
        missing = [field for field in given if field not in names]
        if missing:
            raise InvalidRequestError(
                f"key_fields names {missing[0]!r}, which is not among the fields copied: "
                f"{', '.join(map(repr, filter(None, names)))}. Next: correct it, or add it to columns."
            )
        keys = [names[field] for field in given or [""]]
        if len(keys) == len(columns):
            raise InvalidRequestError(
                "mode='merge' needs a field besides its key, got key_fields alone. Next: copy another field."
            )
        return keys

    def _batch(self, target: Target, names: Collection[str]) -> dict[str, Any]:
        if not self.batch_id_column:
            return {}
        column = target.column(self.batch_id_column)
        if column is None or column in names:
            problem = "has no column" if column is None else "takes a field's values in the column"
            raise InvalidRequestError(
                f"{self.sql_table} {problem} {self.batch_id_column!r}, which batch_id_column names. Next: "
                "add a text column for the batch."
            )
        if not self.batch_id:
            raise InvalidRequestError("batch_id must have a value, got ''. Next: pass one, or leave it out.")
        return {column: self.batch_id}

    def _rows(self, columns: Sequence[Column]) -> Iterator[tuple[Any, ...]]:
        fields = [column.field for column in columns if column.field]
        found = self.hook.client.clouddoc.bitable.search_records(
            self.base,
            self.table_id,
            filter=self.filter,
            field_names=fields,
            view_id=self.view_id,
        )
        for record in found:
            cells = {**record["fields"], "": record["record_id"]}
            yield tuple(column.convert(cells.get(column.field)) for column in columns)


def _check_keys(
    rows: Sequence[Sequence[Any]], places: Sequence[int], names: Sequence[str], first: int, seen: set[int]
) -> None:
    """Refuse rows without a key, and keys that two rows have, of which either could stay."""
    for number, row in enumerate(rows, first) if places else ():
        key = tuple(row[place] for place in places)
        if any(one is None or one == "" for one in key):
            raise InvalidRequestError(
                f"Record {number} has no value in its key ({', '.join(names)}), so that it cannot be merged; "
                "nothing was written. Next: fill it in, or leave such records out by filter=."
            )
        mark = hash(repr([int(one) if isinstance(one, float) and one.is_integer() else one for one in key]))
        if mark in seen:
            raise ConflictError(
                f"Record {number} has the key {key!r}, as another record has; nothing was written. Next: "
                "correct one of them, or choose key_fields that tell them apart."
            )
        seen.add(mark)
