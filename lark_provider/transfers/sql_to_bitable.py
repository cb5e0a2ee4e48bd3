"""Keep a Bitable table in step with a SQL query."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators.bitable_sync import LarkBitableSyncOperator
from lark_provider.operators.tables import OnClear, Records, check_on_clear
from lark_provider.protocol.arguments import check_choice
from lark_provider.transfers import values
from lark_provider.transfers.database import (
    Parameters,
    check_columns,
    check_query,
    get_sql_hook,
    is_ordered,
    select,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.validating import Validate

LoadMode: TypeAlias = Literal["upsert", "mirror", "insert_missing", "insert"]
_INSERT_TAKES = ("user_id_type", "zone", "empty_as_none", "table_wait")


class SqlToLarkBitableOperator(LarkBitableSyncOperator):
    """Write the rows of a SQL query into a Bitable table.

    By default the table is synced by key: a retry or another run writes only what differs, and fields that
    the query does not name are left alone. With `mode="insert"` every row becomes a new record, as with
    `LarkBitableBulkInsertOperator`.

    The query is streamed: memory does not grow with its result. Naive datetimes need `zone`; days
    are those of the base's own time zone, with `mode="insert"` those of `zone` if it is given. JSON goes into
    a text field as text, 0 and 1 into a checkbox as False and True, arrays into fields of several values.

    Args:
        sql: The query, or a file ending in `.sql`, relative to the DAG's folder. Its columns name the fields,
            by `AS "Field name"` where needed.
        sql_conn_id: The connection of the database.
        parameters: The query's parameters.
        columns: The query's column for each field, if the names differ; columns that it does not name are
            left out.
        hook_params: Further arguments for the database's hook.
        mode: `upsert` creates and updates; `mirror` also deletes, or marks, what the query does not return;
            `insert_missing` only creates; `insert` adds every row. A query for `insert` has to be ordered:
            a retry recognizes what it has written by the place of each row.
        key_fields: The fields by which a row is recognized. With `insert` they only serve to find a chunk
            whose outcome was lost.
        chunk_size: Records per request, 1 to 1000, with `insert`.
        marker_field: As for `LarkBitableBulkInsertOperator`, with `insert`.
        on_clear: What a cleared task does with `insert`: `resume` or `restart`.
        idempotency_key: Any text that names the load, with `insert`; by default derived from the task.
        validate: Whether `insert` checks each chunk before it is sent (`chunk`), or all rows before the first
            one is sent (`all`), for which they wait in a temporary file.
        table: The link of the table.
        app_token: The base, or a link to it, instead of `table`.
        table_id: The table; None for the one that the link names.
        lark_conn_id: The connection to Lark.
        kwargs: All other settings of `LarkBitableSyncOperator`, such as `dry_run`, `scope`, `max_deletes`,
            `on_bad_row`, `rejects_path` and `zone`.

    Returns:
        As XCom, the counts of `LarkBitableSyncOperator`; with `insert` those of
        `LarkBitableBulkInsertOperator`.

    Raises:
        AirflowFailException: Lark refuses it or rows do not fit, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the database's driver raises is passed on.
    """

    template_fields: Collection[str] = (
        "sql", "parameters", "sql_conn_id", "columns", "table", "app_token", "table_id", "key_fields",
        "scope", "rejects_path", "retry_rejects", "idempotency_key", "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        "sql", "sql_conn_id", "table", "app_token", "table_id", "key_fields", "scope", "rejects_path",
        "retry_rejects", "idempotency_key",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        parameters: Parameters = None,
        columns: Mapping[str, str] | None = None,
        hook_params: Mapping[str, Any] | None = None,
        mode: LoadMode = "upsert",
        key_fields: str | Sequence[str] = (),
        chunk_size: int = 1000,
        marker_field: str | None = None,
        on_clear: OnClear = "resume",
        idempotency_key: str | None = None,
        validate: Validate = "chunk",
        **kwargs: Any,
    ) -> None:
        check_choice("mode", mode, get_args(LoadMode))
        ignored = kwargs.keys() & _SYNC_ONLY
        if mode != "insert" and not key_fields:
            raise InvalidRequestError(
                f"key_fields must be given with mode={mode!r}, got none. Next: name the fields that tell "
                "rows apart, or pass mode='insert' to add every row."
            )
        if mode == "insert" and ignored:
            raise InvalidRequestError(
                f"{min(ignored)} has no meaning with mode='insert'. Next: leave it out, or pass another mode "
                "and key_fields."
            )
        check_on_clear(on_clear)
        super().__init__(
            records=(), key_fields=key_fields, mode="upsert" if mode == "insert" else mode, **kwargs
        )
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.columns = columns
        self.hook_params = hook_params
        self.is_insert = mode == "insert"
        self.chunk_size = chunk_size
        self.marker_field = marker_field
        self.on_clear = on_clear
        self.idempotency_key = idempotency_key
        self.validate = validate

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the query and write its rows."""
        if not self.is_insert:
            return super().execute(context)
        if not is_ordered(check_query(self.sql)):
            self.log.warning(
                "The query has no ORDER BY. A retry whose rows come in another order is refused; add one, or "
                "use mode='upsert'."
            )
        keys = self.key_fields
        return self.insert(
            context,
            idempotency_key=self.idempotency_key,
            on_clear=self.on_clear,
            chunk_size=self.chunk_size,
            marker_field=self.marker_field,
            validate=self.validate,
            key_fields=[keys] if isinstance(keys, str) else keys,
            **{name: self.settings[name] for name in _INSERT_TAKES},
        )

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the tables that the query reads, and the Bitable table, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from lark_provider.transfers import lineage

        inputs = lineage.list_read_tables(self.sql, self.sql_conn_id, self.hook_params)
        return OperatorLineage(inputs=inputs, outputs=[self._make_dataset()])

    def _obtain_records(self) -> Records:
        check_query(self.sql)
        return self._iterate_rows()

    def _iterate_rows(self) -> Iterator[dict[str, Any]]:
        from lark_provider.files import cells  # a DAG file does not need it

        with convert_lark_errors():
            fields = self.hook.client.clouddoc.bitable.list_fields(self.base, self.table_id)
            types = {field["field_name"]: field["type"] for field in fields}
        structured = cells.select_structured(types)
        hook = get_sql_hook(self.sql_conn_id, self.hook_params)
        with closing(select(hook, self.sql, self.parameters)) as selected:
            places = _find_places(next(selected), self.columns)
            for row in selected:
                record = {name: values.to_cell(row[place], types.get(name)) for name, place in places.items()}
                yield cells.parse(record, structured)


_SYNC_ONLY = frozenset(
    {
        "dry_run", "scope", "on_missing", "mark", "max_deletes", "on_duplicate", "on_null", "key_form",
        "links", "strict_options", "allow_empty_table",
    }
)  # fmt: skip


def _find_places(names: Sequence[str], columns: Mapping[str, str] | None) -> dict[str, int]:
    """Return where in a row the value of each field is."""
    if columns is None:
        return {name: place for place, name in enumerate(names)}
    if not isinstance(columns, Mapping):
        raise InvalidRequestError(
            f"columns must be a dict of columns of the query by field, got {columns!r:.80}. Next: write "
            "{'Order': 'order_no'}, or leave it out where the names are the same."
        )
    check_columns(columns.values(), names)
    return {field: names.index(column) for field, column in columns.items()}
