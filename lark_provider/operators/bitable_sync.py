"""Keep a Bitable table in step with a source from a DAG."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators.tables import Records, WritingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.searches import SearchCondition
    from lark_provider.api.clouddoc.sync.keys import KeyForm
    from lark_provider.api.clouddoc.sync.options import OnDuplicate, OnMissing, OnNull, SyncMode
    from lark_provider.api.clouddoc.sync.plan import SyncPlan, SyncResult
    from lark_provider.api.contact import UserIdType


class LarkBitableSyncOperator(WritingOperator):
    """Make a table equal to a source by key: create, update and delete records, and write only what differs.

    A retry, or a cleared task, continues: what is equal already is not written again. Configure a database
    (`[lark] database_url` and the like) so that a task that is killed while it creates records does not
    create them twice, and so that one task at a time writes a table.

    Args:
        table: The link of the table.
        app_token: The base, or a link to it, instead of `table`.
        table_id: The table; None for the one that the link names.
        records: A list of dicts, an upstream task's output, a callable that returns or yields dicts, or
            the dotted path of one (`package.module.function`). A callable is read bit by bit, so that memory
            stays flat.
        records_kwargs: Arguments for the callable.
        source: A file of rows instead of `records`, as an ObjectStoragePath or its URL, such as
            `s3://aws_default@bucket/orders.csv`: CSV, JSON Lines or Parquet, by its ending. It is read row by
            row. In a CSV file an empty cell is None, also without `empty_as_none`.
        source_encoding: The encoding of a CSV or JSON Lines file, such as `gb18030`.
        key_fields: The fields by which a row is recognized.
        mode: `upsert` creates and updates; `mirror` also deletes, or marks, what is missing in the source;
            `insert_missing` only creates.
        dry_run: Log the plan, and write nothing.
        scope: Conditions `(field, operator, value)` that limit reading, comparing and deleting.
        on_missing: What happens in mode `mirror` to records that are missing in the source: `delete` or
            `mark`.
        mark: The values that mark them.
        max_deletes: The largest share (a float) or number (an int) of the table's records that may be deleted
            or marked; with more, the task fails and nothing is written. A source without rows deletes
            nothing unless it is 1.0.
        on_duplicate: What happens with several records of one key: `keep_oldest` keeps the oldest one in
            step, `error` fails the task.
        on_null: Whether None clears a cell (`clear`) or leaves it (`keep`).
        key_form: How keys are compared: `exact`, `trim`, `casefold` or `nfkc`.
        on_bad_row: Whether a row that does not fit fails the task (`fail`) or is left out (`skip`).
        max_rejects: How many rows may be left out.
        rejects_path: Where the rejected rows are listed as CSV, for example `s3://bucket/{{ run_id }}.csv`;
            any storage that Airflow's ObjectStoragePath knows. Nothing is written if there are none.
        retry_rejects: A file of rejected rows, as written to `rejects_path`: only the rows that it names are
            synced.
        links: Link fields that are given by a key of the other table: its key field by the link field's name.
        strict_options: Whether options that a select field does not have are rejected.
        empty_as_none: Whether `''` is None in every field that is not text, as in rows of a CSV file.
        allow_empty_table: Whether a table of a base with advanced permissions may look empty.
        user_id_type: The kind of ids in fields of people.
        zone: The time zone of naive datetimes, such as "Asia/Shanghai". Dates are days of the base's own
            zone.
        table_wait: Seconds to wait for another writer of the table, with a database.
        lark_conn_id: The connection.

    Returns:
        The counts, as XCom: `{"created": …, "updated": …, "deleted": …, "marked": …, "unchanged": …,
        "rejected": …, "vanished": …, "duplicates": …}`.

    Raises:
        AirflowFailException: Lark refuses it or rows do not fit, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = (
        "table",
        "app_token",
        "table_id",
        "records",
        "records_kwargs",
        "source",
        "key_fields",
        "scope",
        "rejects_path",
        "retry_rejects",
        "lark_conn_id",
    )
    required_templates: ClassVar[Collection[str]] = (
        "app_token", "table_id", "table", "records", "source", "key_fields", "scope", "rejects_path",
        "retry_rejects",
    )  # fmt: skip

    def __init__(
        self,
        *,
        key_fields: str | Sequence[str],
        mode: SyncMode = "upsert",
        dry_run: bool = False,
        scope: Sequence[SearchCondition] | None = None,
        on_missing: OnMissing = "delete",
        mark: Mapping[str, Any] | None = None,
        max_deletes: float = 0.1,
        on_duplicate: OnDuplicate = "keep_oldest",
        on_null: OnNull = "clear",
        key_form: KeyForm = "exact",
        links: Mapping[str, str] | None = None,
        strict_options: bool = False,
        empty_as_none: bool = False,
        allow_empty_table: bool = False,
        user_id_type: UserIdType = "open_id",
        zone: str | None = None,
        table_wait: float = 600.0,
        records: Records | Callable[..., Records] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(records=records, **kwargs)
        self.key_fields = key_fields
        self.scope = scope
        self.is_dry_run = dry_run  # Airflow's operators have a method of that name
        self.settings: dict[str, Any] = {
            "mode": mode,
            "on_missing": on_missing,
            "mark": mark,
            "max_deletes": max_deletes,
            "on_duplicate": on_duplicate,
            "on_null": on_null,
            "key_form": key_form,
            "links": links,
            "strict_options": strict_options,
            "empty_as_none": empty_as_none,
            "allow_empty_table": allow_empty_table,
            "user_id_type": user_id_type,
            "zone": zone,
            "table_wait": table_wait,
        }

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Sync the table."""
        with convert_lark_errors():
            self._check_rejects_path()
            client = self.hook.client
            result = client.clouddoc.bitable.sync(
                self.base,
                self.table_id,
                self.progress.track_rows(self._obtain_records()),
                key_fields=self.key_fields,
                scope=self.scope,
                dry_run=self.is_dry_run,
                retry_rows=self._read_retry_rows(),
                on_bad_row=self.on_bad_row,
                max_rejects=self.max_rejects,
                on_progress=lambda done: self.progress.wrote(done.written, done.counts.writes),
                **(self.settings | {"empty_as_none": self.settings["empty_as_none"] or self._is_csv}),
            )
        self.bitable_link = self._make_table_url(client.base_url)
        if self.is_dry_run:
            return self._log_plan(result)
        self.log.info("Table synced", table=self.bitable_link, changes=str(result))
        if result.counts.deletes_withheld:
            self.log.warning("Nothing was deleted", reason=result.counts.deletes_withheld)
        for name, example in result.not_converging.items():
            self.log.warning("Field does not keep what is written", field=name, example=example)
        self._write_rejects(result.rejects)
        return result.summary()

    def _log_plan(self, plan: SyncResult) -> dict[str, Any]:
        from lark_provider.api.clouddoc.sync.plan import SyncPlan

        assert isinstance(plan, SyncPlan)  # noqa: S101 - that is what a dry run returns
        with plan:
            self.log.info("Sync planned", table=self.bitable_link, changes=str(plan))
            for change in plan.first:
                self.log.info("Planned change", change=str(change))
        self._write_rejects(plan.rejects)
        return _summarize_plan(plan)


def _summarize_plan(plan: SyncPlan) -> dict[str, Any]:
    counts = plan.counts
    return {
        **plan.summary(),
        "created": counts.creates,
        "updated": counts.updates,
        "deleted": counts.deletes,
        "marked": counts.marks,
        "dry_run": True,
    }
