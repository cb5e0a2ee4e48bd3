"""Load a table into a Bitable from a DAG, and read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.task import attempt_key, lark_errors
from lark_provider.operators.base import LarkOperator
from lark_provider.operators.links import LarkBitableLink, bitable_url

if TYPE_CHECKING:
    from airflow.sdk import Context

    from lark_provider.api.clouddoc.bitable import UserIdType
    from lark_provider.api.clouddoc.searches import Filter

Records: TypeAlias = Iterable[Mapping[str, Any]]


class Source:
    """A callable that makes records, wrapped, since Airflow would call it while it renders templates."""

    def __init__(self, function: Callable[..., Records]) -> None:
        self.function = function

    def __repr__(self) -> str:
        # Without an address in it, or each parse of the DAG would look like a new version.
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', 'callable')}"


class LarkBitableBulkInsertOperator(LarkOperator):
    """Insert many records, up to 1000 a request.

    Each request carries a key that follows from DAG, run, task and attempt, so that Lark knows a repeat.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        records: A list of dicts, an upstream task's output, a callable that returns or yields dicts, or
            the dotted path of one (`package.module.function`). A callable is read as it is written, so
            that memory stays flat.
        records_kwargs: Arguments for the callable.
        chunk_size: Records a request, 1 to 1000.
        zone: The time zone of naive datetimes, such as "Asia/Shanghai".
        user_id_type: Which ids people are named by.
        convert: Convert values by field type. If False, they are sent as they are.
        idempotency_key: Any text that names this load; by default told by DAG, run, task and attempt.
        lark_conn_id: The connection.

    Returns:
        `{"written": …, "replayed": …, "chunks": …}`, as XCom.

    Raises:
        AirflowFailException: Lark refuses it or a record does not fit, and a retry would not help.
        LarkError: Any other failure, for Airflow to retry.
    """

    template_fields: Collection[str] = (
        "app_token",
        "table_id",
        "records",
        "records_kwargs",
        "idempotency_key",
        "lark_conn_id",
    )
    operator_extra_links = (LarkBitableLink(),)
    bitable_link = ""

    def __init__(
        self,
        *,
        app_token: str,
        table_id: str | None = None,
        records: Records | Callable[..., Records] | str,
        records_kwargs: Mapping[str, Any] | None = None,
        chunk_size: int = 1000,
        zone: str | None = None,
        user_id_type: UserIdType = "open_id",
        convert: bool = True,
        idempotency_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_token = app_token
        self.table_id = table_id
        if isinstance(records, Iterator):
            raise InvalidRequestError(
                "records is an iterator, which is used up by the first try. Next: pass the function that "
                "makes it, not its result."
            )
        self.records = Source(records) if callable(records) else records
        self.records_kwargs = records_kwargs or {}
        self.chunk_size = chunk_size
        self.zone = zone
        self.user_id_type = user_id_type
        self.convert = convert
        self.idempotency_key = idempotency_key

    def execute(self, context: Context) -> dict[str, int]:
        """Insert them."""
        with lark_errors():
            client = self.hook.client
            key = self.idempotency_key or attempt_key(context, client, "bulk", self.app_token, self.table_id)
            result = client.clouddoc.bitable.bulk_insert(
                self.app_token,
                self.table_id,
                self._source(),
                chunk_size=self.chunk_size,
                zone=self.zone,
                user_id_type=self.user_id_type,
                convert=self.convert,
                idempotency_key=key,
                keep_ids=False,
            )
        self.bitable_link = bitable_url(client.base_url, self.app_token, self.table_id or "")
        where = self.bitable_link or f"table {self.table_id} of {self.app_token}"
        self.log.info("Wrote %d records to %s in %d requests.", result.written, where, result.chunks)
        return {"written": result.written, "replayed": result.replayed, "chunks": result.chunks}

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Name the table as the load's output, for OpenLineage."""
        from airflow.providers.common.compat.openlineage.facet import Dataset  # noqa: PLC0415 - where it is asked for
        from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - as above

        from lark_provider.api.links import named  # noqa: PLC0415 - as above

        client = self.hook.client
        name = "/".join(filter(None, named(self.app_token, self.table_id)))
        return OperatorLineage(
            outputs=[Dataset(namespace=f"lark://{urlsplit(client.base_url).netloc}", name=name)]
        )

    def _source(self) -> Records:
        found = self.records
        if isinstance(found, str):
            found = Source(_by_path(found))
        if isinstance(found, Source):
            if not isinstance(self.records_kwargs, Mapping):
                raise InvalidRequestError(
                    f"records_kwargs is {str(self.records_kwargs)[:80]!r}. Next: pass a dict of arguments."
                )
            found = found.function(**self.records_kwargs)
        if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
            raise InvalidRequestError(
                f"records is a {type(found).__name__}, not an iterable of dicts. Next: pass a list of dicts, "
                "or a callable or dotted path that yields them."
            )
        return found


class LarkBitableSearchOperator(LarkOperator):
    """Read records of a table.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        filter: `(field, operator, value)` conditions that all hold, or Lark's own filter object.
        sort: Field names; a leading `-` sorts downwards.
        field_names: The fields to read; all if empty.
        view_id: A view whose filter and order apply if none are given here.
        zone: The time zone of the datetimes returned, such as "Asia/Shanghai".
        limit: At most so many records are read; all of them come into XCom, so keep it small.
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
        "filter",
        "sort",
        "field_names",
        "view_id",
        "lark_conn_id",
    )
    operator_extra_links = (LarkBitableLink(),)
    bitable_link = ""

    def __init__(
        self,
        *,
        app_token: str,
        table_id: str | None = None,
        filter: Filter | None = None,  # noqa: A002 - Lark's name
        sort: Sequence[str] = (),
        field_names: Sequence[str] = (),
        view_id: str | None = None,
        zone: str | None = None,
        limit: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.app_token = app_token
        self.table_id = table_id
        self.filter = filter
        self.sort = sort
        self.field_names = field_names
        self.view_id = view_id
        self.zone = zone
        if type(limit) is not int or limit < 1:
            raise InvalidRequestError(f"limit is {limit!r}. Next: pass a whole number, 1 or more.")
        self.limit = limit

    def execute(self, context: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - Airflow's signature
        """Read them."""
        with lark_errors():
            client = self.hook.client
            found = client.clouddoc.bitable.search_records(
                self.app_token,
                self.table_id,
                filter=self.filter,
                sort=self.sort,
                field_names=self.field_names,
                view_id=self.view_id,
                zone=self.zone,
                page_size=min(self.limit, 500),
            )
            records = [
                {"record_id": one["record_id"], "fields": one["fields"]} for one in islice(found, self.limit)
            ]
        self.bitable_link = bitable_url(client.base_url, self.app_token, self.table_id or "")
        where = self.bitable_link or f"table {self.table_id} of {self.app_token}"
        self.log.info("Read %d records from %s.", len(records), where)
        return records


def _by_path(dotted: str) -> Callable[..., Records]:
    module, _, name = dotted.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidRequestError(
            f"records is {dotted[:80]!r}, which cannot be imported: {error}. Next: write "
            "package.module.function; a template that should become a list needs "
            "render_template_as_native_obj=True on the DAG."
        ) from error
    if not callable(found):
        raise InvalidRequestError(f"records is {dotted!r}, which is no callable. Next: name a function.")
    return found  # type: ignore[no-any-return]  # what it yields is checked record by record
