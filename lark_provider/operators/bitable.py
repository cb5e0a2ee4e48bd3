"""Load records into a Bitable table from a DAG, and read them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators.tables import OnClear, Records, TableOperator, WritingOperator, check_on_clear

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.searches import SearchFilter
    from lark_provider.api.clouddoc.validating import Validate
    from lark_provider.api.contact import UserIdType


class LarkBitableBulkInsertOperator(WritingOperator):
    """Insert many records, up to 1000 a request; with a database, exactly once.

    The load is named by DAG, run, task and map index. With a database (`[lark] database_url` and the like) a
    ledger records each chunk: a retry goes on where the last attempt stopped, and so does a cleared task,
    after the source was repaired. Without one, each request carries a key derived from DAG, run, task and
    attempt, so that Lark recognizes a repeat for as long as it remembers the key; a cleared task inserts all
    records again.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        table: The link of the table, instead of `app_token`.
        records: A list of dicts, an upstream task's output, a callable that returns or yields dicts, or
            the dotted path of one (`package.module.function`). A callable is read as it is written, so
            that memory stays flat.
        records_kwargs: Arguments for the callable.
        source: A file of rows instead of `records`, as an ObjectStoragePath or its URL, such as
            `s3://aws_default@bucket/orders.csv`: CSV, JSON Lines or Parquet, by its ending. It is read row by
            row. In a CSV file an empty cell is None, also without `empty_as_none`.
        source_encoding: The encoding of a CSV or JSON Lines file, such as `gb18030`.
        chunk_size: Records per request, 1 to 1000.
        zone: The time zone of naive datetimes, such as "Asia/Shanghai", and of days (a `date`, or
            "2026-01-31"). Without one, naive datetimes are refused, and days are those of the base's own time
            zone, which the ledger records with the load.
        user_id_type: The kind of ids in fields of people.
        convert: Convert values by field type. If False, they are sent as they are.
        empty_as_none: Whether `''` is None in every field that is not text, as in rows of a CSV file.
        key_fields: Fields whose values together tell a row from all others. A chunk whose outcome was lost
            is then found by a filter, and not by reading the whole table.
        marker_field: A text field that is filled with the name of load and chunk, for the same purpose.
        on_clear: What a cleared task does, with a database: `resume` goes on with the load; `restart`
            deletes the records that this load has written, by their ids, and loads again.
        table_wait: Seconds to wait for another writer of the table, with a database.
        token_window: Seconds in which Lark is relied upon to recognize a repeat; see `bulk_insert`.
        idempotency_key: Any text that identifies this load; by default derived from DAG, run, task and so
            on.
        validate: Whether each chunk is checked before it is sent (`chunk`), or all rows before the first one
            is sent (`all`), for which they wait in a temporary file. By default `all` for a file, else
            `chunk`; a list is checked as a whole in any case.
        on_bad_row: Whether a row that does not fit, or whose values Lark refuses, fails the task (`fail`) or
            is left out (`skip`).
        max_rejects: How many rows may be left out.
        rejects_path: Where the rejected rows are listed as CSV, in any storage that Airflow's
            ObjectStoragePath knows. Nothing is written if there are none.
        retry_rejects: A file of rejected rows, as written to `rejects_path`: only the rows that it lists are
            loaded, as a load of its own.
        lark_conn_id: The connection.

    Returns:
        `{"written": …, "replayed": …, "chunks": …}`, as XCom, and `rejected` with
        `on_bad_row="skip"`; `replayed` of the written records were there
        already.

    Raises:
        AirflowFailException: Lark refuses it or a record does not fit, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = (
        "app_token",
        "table_id",
        "table",
        "records",
        "records_kwargs",
        "source",
        "idempotency_key",
        "rejects_path",
        "retry_rejects",
        "lark_conn_id",
    )
    required_templates: ClassVar[Collection[str]] = (
        "app_token",
        "table_id",
        "table",
        "records",
        "source",
        "idempotency_key",
        "rejects_path",
        "retry_rejects",
    )

    def __init__(
        self,
        *,
        records: Records | Callable[..., Records] | str | None = None,
        records_kwargs: Mapping[str, Any] | None = None,
        chunk_size: int = 1000,
        zone: str | None = None,
        user_id_type: UserIdType = "open_id",
        convert: bool = True,
        empty_as_none: bool = False,
        key_fields: Sequence[str] = (),
        marker_field: str | None = None,
        on_clear: OnClear = "resume",
        table_wait: float = 600.0,
        token_window: float = 300.0,
        idempotency_key: str | None = None,
        validate: Validate | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(records=records, records_kwargs=records_kwargs, **kwargs)
        check_on_clear(on_clear)
        self.chunk_size = chunk_size
        self.zone = zone
        self.user_id_type = user_id_type
        self.convert = convert
        self.empty_as_none = empty_as_none
        self.key_fields = key_fields
        self.marker_field = marker_field
        self.on_clear = on_clear
        self.table_wait = table_wait
        self.token_window = token_window
        self.idempotency_key = idempotency_key
        self.validate = validate

    def execute(self, context: Context) -> dict[str, int]:
        """Insert the records."""
        return self.insert(
            context,
            idempotency_key=self.idempotency_key,
            on_clear=self.on_clear,
            chunk_size=self.chunk_size,
            zone=self.zone,
            user_id_type=self.user_id_type,
            convert=self.convert,
            empty_as_none=self.empty_as_none or self._is_csv,
            key_fields=self.key_fields,
            marker_field=self.marker_field,
            table_wait=self.table_wait,
            token_window=self.token_window,
            validate=self.validate or ("all" if self.source is not None and self.convert else "chunk"),
        )


class LarkBitableSearchOperator(TableOperator):
    """Read records of a table.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        table: The link of the table, instead of `app_token`.
        filter: `(field, operator, value)` conditions that all hold, or Lark's own filter object.
        sort: Field names; a leading `-` sorts in descending order.
        field_names: The fields to read; all if empty.
        view_id: A view whose filter and order apply if none are given here.
        zone: The time zone of the datetimes returned, such as "Asia/Shanghai", and of datetimes and days in
            the filter; without one, its days are those of the base's own time zone.
        limit: The maximum number of records; all of them go into XCom, so keep it small.
        lark_conn_id: The connection.

    Returns:
        A list of `{"record_id": …, "fields": {…}}`, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = (
        "app_token",
        "table_id",
        "table",
        "filter",
        "sort",
        "field_names",
        "view_id",
        "lark_conn_id",
    )
    required_templates: ClassVar[Collection[str]] = ("app_token", "table_id", "table", "filter", "view_id")

    def __init__(
        self,
        *,
        filter: SearchFilter | None = None,  # noqa: A002 - Lark's name
        sort: Sequence[str] = (),
        field_names: Sequence[str] = (),
        view_id: str | None = None,
        zone: str | None = None,
        limit: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filter = filter
        self.sort = sort
        self.field_names = field_names
        self.view_id = view_id
        self.zone = zone
        if type(limit) is not int or not 1 <= limit <= sys.maxsize:
            raise InvalidRequestError(
                f"limit must be an int of 1 or more, got {limit!r}. Next: pass a number such as 1000."
            )
        self.limit = limit

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow's signature
        """Read the records."""
        with convert_lark_errors():
            client = self.hook.client
            hits = client.clouddoc.bitable.search_records(
                self.base,
                self.table_id,
                filter=self.filter,
                sort=self.sort,
                field_names=self.field_names,
                view_id=self.view_id,
                zone=self.zone,
                page_size=min(self.limit, 500),
            )
            records = [
                {"record_id": record["record_id"], "fields": record["fields"]}
                for record in islice(hits, self.limit)
            ]
        self.bitable_link = self._make_table_url(client.base_url)
        self.log.info("Records read", records=len(records), table=self.bitable_link)
        return records
