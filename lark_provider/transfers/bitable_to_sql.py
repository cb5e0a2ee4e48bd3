"""Copy a Bitable table into a table of a SQL database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators.tables import TableOperator
from lark_provider.transfers.copying import RUN_BATCH, CopyMode, CopyOperator, SqlColumn
from lark_provider.transfers.values import to_sql

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.searches import SearchFilter
    from lark_provider.transfers.target import SqlTarget


class LarkBitableToSqlOperator(CopyOperator, TableOperator):
    """Copy the records of a Bitable table into a SQL table, in one transaction.

    Whatever fails, the SQL table is left unchanged or has all records, and a retry is safe in every mode.
    Records are read and written in chunks, so that memory use stays constant.

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
        batch_id: The name of the batch; by default `dag_id/task_id/run_id`, and `/map_index` for a mapped
            task, since tasks with the same batch delete each other's rows.
        record_id_column: A SQL column for the records' ids; none by default. It can be a key: with
            `key_fields=()` and `merge` it is the only one.
        filter: Which records are copied, as for `LarkBitableSearchOperator`.
        view_id: A view whose filter applies if none is given here.
        zone: The time zone of days and of datetimes without one; by default the base's own, in which people
            see them.
        allow_empty_table: Whether `replace` may leave the SQL table empty. A Bitable table looks empty to an
            app that may not see its rows.
        chunk_size: Rows per statement.
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
        mode: CopyMode = "replace",
        key_fields: str | Sequence[str] = (),
        batch_id_column: str | None = None,
        batch_id: str = RUN_BATCH,
        record_id_column: str | None = None,
        filter: SearchFilter | None = None,  # noqa: A002 - Lark's name
        view_id: str | None = None,
        zone: str | dt.tzinfo | None = None,
        allow_empty_table: bool = False,
        chunk_size: int = 1000,
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            sql_table=sql_table,
            sql_conn_id=sql_conn_id,
            columns=columns,
            mode=mode,
            key_fields=key_fields,
            key_column=record_id_column,
            batch_id_column=batch_id_column,
            batch_id=batch_id,
            allow_empty_table=allow_empty_table,
            chunk_size=chunk_size,
            hook_params=hook_params,
            **kwargs,
        )
        self.record_id_column = record_id_column
        self.filter = filter
        self.view_id = view_id
        self.zone = zone

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Copy the records."""
        with convert_lark_errors():
            counts = self.copy()
        self.bitable_link = self._make_table_url(self.hook.client.base_url)
        fields = {"records": counts["rows"], "table": self.bitable_link, "sql_table": self.sql_table}
        self.log.info("Records copied", **fields)
        return counts

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the Bitable table and the SQL table, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from lark_provider.transfers import lineage

        outputs = lineage.list_written_tables(self.sql_table, self.sql_conn_id, self.hook_params)
        return OperatorLineage(inputs=[self._make_dataset()], outputs=outputs)

    def _make_empty_source_error(self, deleted: int) -> InvalidRequestError:
        return InvalidRequestError(
            f"The Bitable table has no records that the app sees, and {self.sql_table} has "
            f"{deleted} rows, which were not deleted. Next: check the app's role in the base's "
            "advanced permissions; if the table is empty, pass allow_empty_table=True."
        )

    def _make_unknown_field_error(self, name: str, available: str) -> InvalidRequestError:
        return InvalidRequestError(
            f"columns names the field {name!r}, which the Bitable table does not have; it has {available}. "
            "Next: write the name in columns as in this list."
        )

    def _open_source(self, target: SqlTarget) -> list[SqlColumn]:
        """Read the fields of the table, and return the SQL column of each."""
        from lark_provider.api.clouddoc.fields import TEXT, find_zone

        zone = find_zone(self.zone) or self._read_base_zone()
        fields = self.hook.client.clouddoc.bitable.list_fields(self.base, self.table_id)
        types = {field["field_name"]: field["type"] for field in fields}
        wanted = self._choose_columns(list(types))
        if self.record_id_column:
            wanted[""] = self.record_id_column
        is_text = target.driver == "sqlite3"

        def convert(field: str, column: str) -> Callable[[Any], Any]:
            return to_sql(types.get(field, TEXT), target.moments[column], zone, is_text=is_text)

        return self._match(target, wanted, convert)

    def _read_base_zone(self) -> dt.tzinfo:
        """Return the base's own time zone, in which people see its days; UTC if Lark names none."""
        from lark_provider.api import links
        from lark_provider.api.clouddoc.conversion import read_base_zone

        client = self.hook.client
        app_token, _ = client.perform(links.find_table(self.base, self.table_id))
        return client.perform(read_base_zone(app_token)) or dt.UTC

    def _iterate_rows(self, columns: Sequence[SqlColumn]) -> Iterator[tuple[Any, ...]]:
        from lark_provider.api.clouddoc.searches import MAX_NAMES

        fields = [column.field for column in columns if column.field]
        records = self.hook.client.clouddoc.bitable.search_records(
            self.base,
            self.table_id,
            filter=self.filter,
            field_names=fields if len(fields) <= MAX_NAMES else (),
            view_id=self.view_id,
        )
        for record in records:
            cells = {**record["fields"], "": record["record_id"]}
            yield tuple(column.convert(cells.get(column.field)) for column in columns)
