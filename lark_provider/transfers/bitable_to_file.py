"""Copy a Bitable table into a file in any storage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import convert_lark_errors
from lark_provider.operators import object_storage
from lark_provider.operators.progress import ProgressMixin
from lark_provider.operators.tables import TableOperator
from lark_provider.protocol.arguments import check_texts

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.searches import SearchFilter
    from lark_provider.operators.object_storage import StoragePath


class LarkBitableToFileOperator(ProgressMixin, TableOperator):
    """Write the records of a Bitable table into a file: CSV, JSON Lines or Parquet.

    The file is written completely or left unchanged: it appears once all records are read. Records are read
    and written in chunks, so that memory use stays constant; until then the copy is on the worker's disk.
    What is written can be read by `source=` of `LarkBitableSyncOperator`.

    Args:
        target: The file, as an ObjectStoragePath or its URL, such as `s3://aws_default@bucket/orders.csv`.
            Its ending tells the format: `.csv`, `.jsonl`, `.ndjson` or `.parquet`, which needs pyarrow.
        table: The link of the Bitable table.
        app_token: The base, or a link to it, instead of `table`.
        table_id: The table; None for the one that the link names.
        field_names: The fields to write, in this order; all if empty.
        filter: Which records are written, as for `LarkBitableSearchOperator`.
        view_id: A view whose filter and order apply if none are given here.
        zone: The time zone of datetimes; UTC by default.
        lark_conn_id: The connection.

    Returns:
        `{"rows": …}`, as XCom.

    Raises:
        AirflowFailException: Lark refuses it, or the file cannot be written; a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the storage raises is passed on.
    """

    template_fields: Collection[str] = (
        "target", "table", "app_token", "table_id", "field_names", "filter", "view_id", "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        "target", "table", "app_token", "table_id", "filter", "view_id",
    )  # fmt: skip

    def __init__(
        self,
        *,
        target: StoragePath,
        field_names: Sequence[str] | None = (),
        filter: SearchFilter | None = None,  # noqa: A002 - Lark's name
        view_id: str | None = None,
        zone: str | dt.tzinfo | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.field_names = field_names
        self.filter = filter
        self.view_id = view_id
        self.zone = zone

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002 - Airflow's signature
        """Write the file."""
        from lark_provider.files import cells

        with convert_lark_errors():
            client = self.hook.client
            bitable = client.clouddoc.bitable
            types = {
                field["field_name"]: field["type"] for field in bitable.list_fields(self.base, self.table_id)
            }
            named = () if self.field_names is None else self.field_names
            names = check_texts("field_names", named, "a list of names such as ['No']")
            unknown = [name for name in names if name not in types]
            if unknown:
                raise InvalidRequestError(
                    f"field_names names {unknown[0]!r}, which the table does not have; it has "
                    f"{', '.join(map(repr, types))}. Next: write the name as in this list."
                )
            columns = cells.choose_columns(types, names)
            records = bitable.search_records(
                self.base,
                self.table_id,
                filter=self.filter,
                field_names=names,
                view_id=self.view_id,
                zone=self.zone,
            )
            rows = cells.to_file(self.progress.track_rows(records), columns)
            count = object_storage.write(self.target, columns, rows)
        self.bitable_link = self._make_table_url(client.base_url)
        self.log.info("Records written to a file", records=count, table=self.bitable_link, path=self.target)
        return {"rows": count}

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the Bitable table and the file, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        return OperatorLineage(
            inputs=[self._make_dataset()], outputs=[object_storage.make_dataset(self.target)]
        )
