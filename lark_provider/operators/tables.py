"""What operators on Bitable tables share: the table, where records come from, rejects, progress."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.links import LarkBitableLink, make_bitable_url
from lark_provider.hooks.task import (
    compute_first_try,
    convert_lark_errors,
    has_ledger,
    make_attempt_key,
    make_task_key,
)
from lark_provider.operators import object_storage
from lark_provider.operators.base import LarkOperator
from lark_provider.operators.progress import ProgressMixin

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.rejects import OnBadRow, Reject
    from lark_provider.operators.object_storage import StoragePath

Records: TypeAlias = Iterable[Mapping[str, Any]]
OnClear: TypeAlias = Literal["resume", "restart"]


class CallableSource:
    """Wrap a callable that makes records, since Airflow would call it while it renders templates."""

    def __init__(self, function: Callable[..., Records]) -> None:
        self.function = function

    def __repr__(self) -> str:
        # Without an address in it, or each parse of the DAG would look like a new version.
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', 'callable')}"


class TableOperator(LarkOperator):
    """Hold a Bitable table, and link to it from the task.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        table: The link of the table, instead of `app_token`, whose rendered value Airflow masks as it does
            everything that is named like a token.
    """

    required_templates: ClassVar[Collection[str]] = ("app_token", "table_id", "table")
    operator_extra_links = (LarkBitableLink(),)
    bitable_link = ""

    def __init__(
        self, *, app_token: str = "", table_id: str | None = None, table: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if bool(app_token) == bool(table):
            raise InvalidRequestError(
                f"Either app_token or table must be given, got {'both' if table else 'neither'}. Next: pass "
                "the link of the table as table=."
            )
        self.app_token = app_token
        self.table_id = table_id
        self.table = table

    @property
    def base(self) -> str:
        """The base, or the link that names it."""
        return self.table or self.app_token

    def _make_table_url(self, base_url: str) -> str:
        return make_bitable_url(base_url, self.base, self.table_id or "", self.hook.web_domain)

    def _make_dataset(self) -> Any:
        """Return the table as OpenLineage names it."""
        from airflow.providers.common.compat.openlineage.facet import Dataset

        from lark_provider.api.links import parse_table

        name = "/".join(filter(None, parse_table(self.base, self.table_id)))
        return Dataset(namespace=f"lark://{urlsplit(self.hook.client.base_url).netloc}", name=name)


class WritingOperator(ProgressMixin, TableOperator):
    """Write records from a source into a table.

    Args:
        records: A list of dicts, an upstream task's output, a callable that returns or yields dicts, or the
            dotted path of one.
        records_kwargs: Arguments for the callable.
        source: A file of rows instead of `records`, as an ObjectStoragePath or its URL: CSV, JSON Lines or
            Parquet, by its ending. In a CSV file an empty cell is None.
        source_encoding: The encoding of a CSV or JSON Lines file, such as `gb18030`.
        on_bad_row: Whether a row that does not fit fails the task (`fail`) or is left out (`skip`).
        max_rejects: How many rows may be left out.
        rejects_path: Where the rejected rows are listed as CSV, in any storage that ObjectStoragePath knows.
        retry_rejects: A file of rejected rows, as written to `rejects_path`: only the rows that it lists are
            written.
    """

    def __init__(
        self,
        *,
        records: Records | Callable[..., Records] | str | None = None,
        records_kwargs: Mapping[str, Any] | None = None,
        source: StoragePath | None = None,
        source_encoding: str = "utf-8-sig",
        on_bad_row: OnBadRow = "fail",
        max_rejects: int = 1000,
        rejects_path: str | None = None,
        retry_rejects: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (records is None) == (source is None):
            raise InvalidRequestError(
                f"Either records or source must be given, got {'neither' if source is None else 'both'}. "
                "Next: pass the rows as records=, or the file that holds them as source=."
            )
        if isinstance(records, Iterator):
            raise InvalidRequestError(
                f"records must be readable by each try, got {type(records).__name__}, which the first try "
                "uses up. Next: pass the function that makes it, not its result."
            )
        self.records = CallableSource(records) if callable(records) else records
        self.records_kwargs = records_kwargs or {}
        self.source = source
        self.source_encoding = source_encoding
        self.on_bad_row = on_bad_row
        self.max_rejects = max_rejects
        self.rejects_path = rejects_path
        self.retry_rejects = retry_rejects

    def _read_retry_rows(self) -> frozenset[int] | None:
        """Return the numbers of the rows that the file of rejects lists; None without such a file."""
        if not self.retry_rejects:
            return None
        from lark_provider.api.clouddoc.rejects import parse_row_numbers
        from lark_provider.files.reading import read_ascii_text

        return parse_row_numbers(read_ascii_text(object_storage.make_source(self.retry_rejects)))

    def _check_rejects_path(self) -> None:
        """Check that rejected rows can be listed, before any row is written."""
        if self.rejects_path and self.on_bad_row == "skip":
            object_storage.check_writable(self.rejects_path)

    def _write_rejects(self, rejects: Sequence[Reject]) -> int:
        """List the rejected rows in the log and in the file, and return how many they are."""
        from lark_provider.api.clouddoc.rejects import count_rows, to_csv

        rows, path = count_rows(rejects), self.rejects_path
        if rejects:
            self.log.warning("Rows rejected", rows=rows, first=str(rejects[0]))
        elif self.on_bad_row != "skip" or not path or not object_storage.is_local_file(path):
            return 0  # no list of an earlier run would stay
        if path:
            object_storage.write_text(path, to_csv(rejects))
        if path and rejects:
            self.log.info("Rejected rows are listed in a file", path=path)
        return rows

    def insert(
        self,
        context: Context,
        *,
        idempotency_key: str | None,
        on_clear: OnClear,
        **settings: Any,
    ) -> dict[str, int]:
        """Insert all rows of the source as one load, which a retry or a cleared task continues.

        Args:
            context: The task's Airflow context.
            idempotency_key: The name of the load; None derives it from the task.
            on_clear: What a cleared task does: `resume` or `restart`.
            settings: Further settings of `bulk_insert`.
        """
        with convert_lark_errors():
            self._check_rejects_path()
            client = self.hook.client
            # The ledger knows a load by its key and its table; of the same table there are many links.
            parts = ("bulk", *([self.retry_rejects] if self.retry_rejects else ()))
            # Without a ledger a cleared task would be refused or repeated as Lark's memory has it.
            named = make_task_key if has_ledger() else make_attempt_key
            source = self._obtain_records()
            result = client.clouddoc.bitable.bulk_insert(
                self.base,
                self.table_id,
                # A list is checked as a whole before anything is sent.
                source if isinstance(source, list | tuple) else self.progress.track_rows(source),
                idempotency_key=idempotency_key or named(context, client, *parts),
                keep_ids=False,
                restart=compute_first_try(context) if on_clear == "restart" else 0,
                on_bad_row=self.on_bad_row,
                max_rejects=self.max_rejects,
                retry_rows=self._read_retry_rows(),
                **settings,
            )
        self.bitable_link = self._make_table_url(client.base_url)
        self.log.info(
            "Records written",
            records=result.written,
            table=self.bitable_link,
            chunks=result.chunks,
            replayed=result.replayed,
        )
        rejected = self._write_rejects(result.rejects)
        counts = {"written": result.written, "replayed": result.replayed, "chunks": result.chunks}
        if self.on_bad_row == "skip":
            counts["rejected"] = rejected
        return counts

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the table as the load's output, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        inputs = [] if self.source is None else [object_storage.make_dataset(self.source)]
        return OperatorLineage(inputs=inputs, outputs=[self._make_dataset()])

    @property
    def _is_csv(self) -> bool:
        """Whether rows come from a CSV file, in which nothing tells an empty text from no value."""
        return self.source is not None and str(self.source).lower().endswith(".csv")

    def _read_file(self, path: StoragePath) -> Records:
        """Return the rows of a file."""
        from lark_provider.files import cells, reading

        keys: str | Sequence[str] = getattr(self, "key_fields", ())
        required = [keys] if isinstance(keys, str) else list(keys)
        rows = reading.read(object_storage.make_source(path), self.source_encoding, required)

        def fetch_field_types() -> dict[str, int]:
            fields = self.hook.client.clouddoc.bitable.list_fields(self.base, self.table_id)
            return {field["field_name"]: field["type"] for field in fields}

        return cells.from_file(rows, str(path), fetch_field_types)

    def _obtain_records(self) -> Records:
        if self.source is not None:
            return self._read_file(self.source)
        records: Records | None
        if isinstance(self.records, str):
            records = self._call_source(_import_function(self.records))
        elif isinstance(self.records, CallableSource):
            records = self._call_source(self.records.function)
        else:
            records = self.records
        if isinstance(records, str | bytes | Mapping) or not isinstance(records, Iterable):
            raise InvalidRequestError(
                f"records must be an iterable of dicts, got {type(records).__name__}. Next: pass a list of "
                "dicts, or a callable or dotted path that yields them."
            )
        return records

    def _call_source(self, function: Callable[..., Records]) -> Records:
        if not isinstance(self.records_kwargs, Mapping):
            raise InvalidRequestError(
                f"records_kwargs must be a dict, got {str(self.records_kwargs)[:80]!r}. Next: pass a dict of "
                "arguments."
            )
        return function(**self.records_kwargs)


def check_on_clear(on_clear: object) -> None:
    """Check what a cleared task is to do.

    Raises:
        InvalidRequestError: It is neither `resume` nor `restart`.
    """
    if on_clear not in get_args(OnClear):
        raise InvalidRequestError(
            f"on_clear must be resume or restart, got {on_clear!r}. Next: pass 'resume' to continue the "
            "load, or 'restart' to write all rows again."
        )


def _import_function(dotted: str) -> Callable[..., Records]:
    module, _, name = dotted.rpartition(".")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidRequestError(
            f"records must name an importable function, got {dotted[:80]!r}: {error}. Next: write "
            "package.module.function; a template that should become a list needs "
            "render_template_as_native_obj=True on the DAG."
        ) from error
    if not callable(function):
        raise InvalidRequestError(
            f"records must be a callable, got {dotted!r}. Next: name a function as package.module.function."
        )
    return function  # type: ignore[no-any-return]  # what it yields is checked record by record
