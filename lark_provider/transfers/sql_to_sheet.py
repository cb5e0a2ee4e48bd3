"""Write the result of a SQL query into a spreadsheet."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import convert_lark_errors, make_task_key
from lark_provider.operators.progress import ProgressMixin
from lark_provider.operators.sheets import Shares, SheetOperator, check_shares, make_shares
from lark_provider.protocol.arguments import check_choice, check_dict
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

    from lark_provider.api.clouddoc.sheets.tables.options import Format
    from lark_provider.api.clouddoc.sheets.tables.procedure import TableResult

SheetMode: TypeAlias = Literal["replace", "append", "update_by_key"]


class SqlToLarkSheetOperator(ProgressMixin, SheetOperator):
    """Write the rows of a SQL query into a worksheet, with types, formats and a header.

    With a database (`[lark] database_url` and the like) it is written exactly once: a retry, or a cleared
    task, goes on where it ended, and neither doubles a row nor makes a second spreadsheet. The query is
    streamed: memory does not grow with its result.

    Args:
        sql: The query, or a file ending in `.sql`, relative to the DAG's folder.
        sql_conn_id: The connection of the database.
        parameters: The query's parameters.
        sheet: The spreadsheet's link or token; None to create one, once for each task of a run.
        worksheet: The worksheet's title, its id, or its index from 0; None for the one that the link names,
            else the first.
        title: The title of a new spreadsheet, instead of `sheet`.
        folder: Where a new spreadsheet is made: a folder's link or token, or a path such as
            `Reports/2026-11`, which is made if missing.
        share_with: Who may open the spreadsheet, granted once it is complete: ids, e-mail addresses, mobile
            numbers, chats or names of the connection's receivers, for `view`; or pairs with a role, such as
            `("ou_…", "edit")`. Only the app can open what it created.
        mode: `replace` writes in place of what is there; `append` writes below it; `update_by_key` overwrites
            the rows with the same key, and appends the others.
        columns: The query's columns in their order, or column to title; by default all of them. Others are
            left out.
        key_fields: For `update_by_key`: the columns that tell a row from all others. A number is the same
            key as its text.
        header: Whether the first row has the titles.
        formats: Formatter (such as `#,##0.00`) or style by column or Python type.
        widths: `content`, pixels by column, or None to leave them.
        freeze: True for the header, or a number of rows, which leave frozen columns as they are; or
            (rows, columns); None to leave both.
        filter: Whether the header gets a filter.
        start: The upper left cell of the table.
        settings: Further arguments of `write_table`, such as `header_style`, `unmerge` and `zone`.
        idempotency_key: Any text that names what is written; by default derived from DAG, run, task and map
            index. Runs with the same key write the same new spreadsheet.
        hook_params: Further arguments for the database's hook.
        lark_conn_id: The connection to Lark.

    Returns:
        As XCom, `{"url": …, "spreadsheet_token": …, "sheet_id": …, "range": …, "rows_written": …,
        "replayed": …}`.

    Raises:
        AirflowFailException: Lark refuses it, or rows do not fit, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the database's driver raises is passed on.
    """

    template_fields: Collection[str] = (
        "sql", "parameters", "sql_conn_id", "sheet", "worksheet", "title", "folder", "share_with", "columns",
        "key_fields", "idempotency_key", "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        "sql", "sql_conn_id", "sheet", "worksheet", "title", "folder", "share_with", "key_fields",
        "idempotency_key",
    )  # fmt: skip
    people_templates: ClassVar[Collection[str]] = ("share_with",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        parameters: Parameters = None,
        sheet: str | None = None,
        worksheet: str | int | None = None,
        title: str | None = None,
        folder: str | None = None,
        share_with: Shares = (),
        mode: SheetMode = "replace",
        columns: Sequence[str] | Mapping[str, str] | None = None,
        key_fields: str | Sequence[str] = (),
        header: bool = True,
        formats: Mapping[str | type, Format] | None = None,
        widths: Literal["content"] | Mapping[str, int] | None = "content",
        freeze: bool | int | tuple[int, int] | None = True,
        filter: bool = False,  # noqa: A002 - as people call it
        start: str = "A1",
        settings: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(sheet=sheet, worksheet=worksheet, **kwargs)
        check_choice("mode", mode, get_args(SheetMode))
        if bool(sheet) == bool(title):
            raise InvalidRequestError(
                f"Either sheet or title must be given, got {'both' if sheet else 'neither'}. Next: pass the "
                "link of a spreadsheet as sheet=, or the title of a new one as title=."
            )
        if sheet and folder:
            raise InvalidRequestError(
                "folder must be given for a new spreadsheet only, got it with sheet. Next: leave it out."
            )
        if (mode == "update_by_key") != bool(key_fields):
            raise InvalidRequestError(
                f"key_fields must be given with mode='update_by_key' and only then, got {key_fields!r} with "
                f"{mode!r}. Next: name the columns that tell a row from all others."
            )
        check_shares(share_with)
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.title = title
        self.folder = folder
        self.share_with = share_with
        self.mode = mode
        self.columns = columns
        self.key_fields = key_fields
        self.table_settings: dict[str, Any] = {
            "header": header,
            "formats": formats,
            "widths": widths,
            "freeze": freeze if header or freeze is not True else None,
            "filter": filter,
            "start": start,
            **check_dict("settings", settings, "further arguments of write_table by name"),
        }
        self.idempotency_key = idempotency_key
        self.hook_params = hook_params

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the query and write its rows."""
        with convert_lark_errors():
            return asdict(self.write(context))

    def write(self, context: Context) -> TableResult:
        """Run the query and write its rows.

        Args:
            context: The task's Airflow context.

        Returns:
            What is written, and where.

        Raises:
            LarkError: It could not be written.
        """
        sql = check_query(self.sql)
        if self.mode == "append" and not is_ordered(sql):
            self.log.warning(
                "The query has no ORDER BY. A retry whose rows come in another order is refused; add one."
            )
        keys = [self.key_fields] if isinstance(self.key_fields, str) else self.key_fields or ()
        self._check_settings()
        query = select(get_sql_hook(self.sql_conn_id, self.hook_params), sql, self.parameters)
        with closing(query):
            columns, rows = _arrange(query, self.columns)
            result = self.hook.client.clouddoc.sheets.write_table(
                self._make_ref() if self.sheet else None,
                self.progress.track_rows(rows),
                columns=columns,
                mode=self.mode,
                key_fields=keys,
                key=self._choose_key(context),
                title=self.title,
                folder=self.folder,
                share_with=make_shares(self.share_with, self.hook),
                **self.table_settings,
            )
        self.sheet_link = result.url
        self.log.info(
            "Rows written",
            rows=result.rows_written,
            sheet=result.url,
            cells=result.range,
            replayed=result.replayed,
        )
        return result

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the tables that the query reads, and the spreadsheet, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from lark_provider.transfers import lineage

        inputs = lineage.list_read_tables(self.sql, self.sql_conn_id, self.hook_params)
        return OperatorLineage(
            inputs=inputs, outputs=[self._make_dataset(self.sheet_link or self.sheet or "")]
        )

    def _check_settings(self) -> None:
        from lark_provider.api.clouddoc.sheets.tables.procedure import write_table

        known = inspect.signature(write_table).parameters.keys() - _OWN_ARGUMENTS
        unknown = sorted(self.table_settings.keys() - known)
        if unknown:
            raise InvalidRequestError(
                f"settings must hold further arguments of write_table, got {unknown}. Next: correct the "
                "spelling, or pass it to the operator itself."
            )

    def _choose_key(self, context: Context) -> str:
        # The ledger knows a write by its key and its worksheet; of the same worksheet there are many links.
        part = "sheet" if self.sheet else "new sheet"
        return self.idempotency_key or make_task_key(context, self.hook.client, part)


_OWN_ARGUMENTS = frozenset(
    {"target", "rows", "columns", "mode", "key_fields", "key", "title", "folder", "share_with"}
)
"""Arguments of `write_table` that the operator passes by itself."""


def _arrange(
    query: Generator[Sequence[Any], None, None], columns: Sequence[str] | Mapping[str, str] | None
) -> tuple[Sequence[str] | Mapping[str, str], Iterator[list[Any]]]:
    """Return the columns of the table, and its rows in their order."""
    names = next(query)
    if columns is None:
        return names, _convert_cells(query, range(len(names)))
    wanted = [columns] if isinstance(columns, str) else columns
    check_columns(wanted, names)
    return wanted, _convert_cells(query, [names.index(name) for name in wanted])


def _convert_cells(rows: Iterable[Sequence[Any]], places: Sequence[int]) -> Iterator[list[Any]]:
    convert = values.to_sheet_cell
    for row in rows:
        yield [convert(row[place]) for place in places]
