"""Copy a worksheet into a SQL table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators.sheets import SheetOperator
from lark_provider.transfers.copying import RUN_BATCH, CopyMode, CopyOperator, SqlColumn
from lark_provider.transfers.values import from_sheet

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.transfers.target import SqlTarget

_ATTEMPTS = 3
"""How often to read a spreadsheet that people change meanwhile."""


class LarkSheetToSqlOperator(CopyOperator, SheetOperator):
    """Copy the rows of a worksheet into a SQL table, in one transaction.

    The first row of the range has the columns' names. Whatever fails, the SQL table is left
    unchanged or has all rows, and a retry is safe in every mode. Rows are read and written in chunks, so that
    memory use stays constant. If people change the spreadsheet meanwhile, it is read again, so that two
    states never mix.

    Values have the types of their cells: numbers, text, booleans, dates, datetimes and times. Of a link the
    URL is written, of a person the id. Rows without any value in the columns copied are left out.

    Args:
        sql_table: The table, which must exist; with its schema where needed.
        sql_conn_id: The connection of the database.
        sheet: The spreadsheet's link or token.
        worksheet: Its title, its id, or its index from 0; None for the one that the link names, else the
            first.
        range: Which cells, such as `B2:F`, header included; by default the whole worksheet.
        columns: The SQL column for each column of the worksheet by its title, or a list of titles that are
            columns of SQL as well. By default all titles; each needs a column.
        mode: `replace` deletes the SQL table's rows first; `merge` updates rows by `key_fields` and adds
            those that are missing; `append` adds rows, after those of the same `batch_id` were deleted.
        key_fields: The titles that tell rows apart, for `merge`. PostgreSQL and SQLite need a unique index on
            their columns.
        batch_id_column: The SQL column that names the batch of a row, for `append`.
        batch_id: The name of the batch; by default `dag_id/task_id/run_id`, and `/map_index` for a mapped
            task, since tasks with the same batch delete each other's rows.
        zone: The time zone of cells, for columns with one; by default UTC.
        allow_empty_table: Whether `replace` may leave the SQL table empty.
        chunk_size: Rows per statement.
        hook_params: Further arguments for the database's hook.
        lark_conn_id: The connection to Lark.

    Returns:
        `{"rows": …, "deleted": …}`, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, or titles and columns do not fit; a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the database's driver raises is passed on.
    """

    template_fields: Collection[str] = (
        "sql_table", "sql_conn_id", "sheet", "worksheet", "range", "columns", "key_fields", "batch_id",
        "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        "sql_table", "sql_conn_id", "sheet", "worksheet", "range", "key_fields", "batch_id",
    )  # fmt: skip
    row_name: ClassVar[str] = "Row"

    def __init__(
        self,
        *,
        sql_table: str,
        sql_conn_id: str,
        sheet: str,
        worksheet: str | int | None = None,
        range: str | None = None,  # noqa: A002 - Lark's name
        columns: Mapping[str, str] | Sequence[str] | None = None,
        mode: CopyMode = "replace",
        key_fields: str | Sequence[str] = (),
        batch_id_column: str | None = None,
        batch_id: str = RUN_BATCH,
        zone: str | dt.tzinfo | None = None,
        allow_empty_table: bool = False,
        chunk_size: int = 1000,
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            sql_table=sql_table,
            sql_conn_id=sql_conn_id,
            sheet=sheet,
            worksheet=worksheet,
            columns=columns,
            mode=mode,
            key_fields=key_fields,
            batch_id_column=batch_id_column,
            batch_id=batch_id,
            allow_empty_table=allow_empty_table,
            chunk_size=chunk_size,
            hook_params=hook_params,
            **kwargs,
        )
        self.range = range
        self.zone = zone
        self._rows: Iterator[list[Any]] = iter(())
        self._titles: list[str] = []

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Copy the rows."""
        from lark_provider.api.clouddoc.sheets.reading import ChangedError

        with convert_lark_errors():
            attempt = 1
            while True:
                try:
                    counts = self.copy()
                    break
                except ChangedError:
                    if attempt == _ATTEMPTS:
                        raise
                    self.log.info("The spreadsheet was changed while it was read; reading it again.")
                    attempt += 1
        self.sheet_link = self._make_sheet_url()
        fields = {"rows": counts["rows"], "sheet": self.sheet_link, "sql_table": self.sql_table}
        self.log.info("Rows copied", **fields)
        return counts

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the spreadsheet and the SQL table, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from lark_provider.transfers import lineage

        outputs = lineage.list_written_tables(self.sql_table, self.sql_conn_id, self.hook_params)
        return OperatorLineage(inputs=[self._make_dataset(self.sheet or "")], outputs=outputs)

    def _make_empty_source_error(self, deleted: int) -> InvalidRequestError:
        return InvalidRequestError(
            f"The worksheet has no rows below its header, and {self.sql_table} has {deleted} rows, which "
            "were not deleted. Next: check the worksheet and the range; if it is empty, pass "
            "allow_empty_table=True."
        )

    def _make_unknown_field_error(self, name: str, available: str) -> InvalidRequestError:
        return InvalidRequestError(
            f"The first row of the range has no title {name!r}; it has {available}. Next: write the title "
            "in columns as in this list, or begin range at the header."
        )

    def _open_source(self, target: SqlTarget) -> list[SqlColumn]:
        """Begin to read the range, from its header, and return the SQL column of each title."""
        from lark_provider.api.clouddoc.fields import find_zone
        from lark_provider.api.clouddoc.sheets.headers import parse_titles

        zone = find_zone(self.zone) or dt.UTC
        self._rows = iter(self.hook.client.clouddoc.sheets.read_rows(self._make_ref(), self.range))
        self._titles = parse_titles(next(self._rows, []))
        wanted = self._choose_columns([title for title in self._titles if title])
        is_text = target.driver == "sqlite3"

        def convert(_: str, column: str) -> Callable[[Any], Any]:
            return from_sheet(target.moments[column], zone, is_text=is_text)

        return self._match(target, wanted, convert)

    def _iterate_rows(self, columns: Sequence[SqlColumn]) -> Iterator[tuple[Any, ...]]:
        places = [(self._titles.index(column.field), column.convert) for column in columns]
        for row in self._rows:
            if any(row[place] is not None for place, _ in places):
                yield tuple(convert(row[place]) for place, convert in places)
