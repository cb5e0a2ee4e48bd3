"""Send the rows of a SQL query as a message: a table on a card, and a file where they do not fit."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, get_args

from lark_provider.errors import InvalidRequestError
from lark_provider.hooks.links import LarkChatLink, make_chat_url
from lark_provider.hooks.task import compute_first_try, convert_lark_errors, make_attempt_key
from lark_provider.operators.base import LarkOperator
from lark_provider.operators.object_storage import MAX_FILE_BYTES
from lark_provider.operators.progress import ProgressMixin
from lark_provider.protocol.arguments import check_choice
from lark_provider.transfers import values
from lark_provider.transfers.database import Parameters, check_query, get_sql_hook, select

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from lark_provider.api.messaging import OnUnknown

FileFormat: TypeAlias = Literal["csv", "xlsx"]
_MAX_ROWS = 100
"""The most rows on a card."""


@dataclass(slots=True)
class _Result:
    """The result of the query.

    Attributes:
        file: The file with all rows.
        columns: The names of the columns.
        kept: The first rows, for the card.
        count: How many rows there are.
        cut: The first cell whose text was cut in a workbook; empty if none was.
        digest: What tells these rows from others, in whatever order a query without ORDER BY returns them.
    """

    file: Path
    columns: list[str] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    cut: str = ""
    digest: int = 0


class SqlToLarkMessageOperator(ProgressMixin, LarkOperator):
    """Send the rows of a SQL query as a table on a card; if it does not hold all of them, also as a file.

    The query is streamed: memory does not grow with its result. A retry sends nothing twice, as with
    `LarkSendMessageOperator`; if its query returns other rows, it updates the card, and sends the file of
    these rows. For more than 30 MB, or for a table to work with: `LarkReportOperator`.

    Args:
        sql: The query, or a file ending in `.sql`, relative to the DAG's folder.
        sql_conn_id: The connection of the database.
        parameters: The query's parameters.
        receiver_id: An id, an e-mail address, or a name from the connection's `receivers`.
        title: The card's title.
        text: A text before the table, in Markdown.
        max_rows: The most rows on the card, 1 to 100; further ones are counted on it.
        attach: Whether all rows are sent as a file where the card does not hold them.
        file_format: `csv`, or `xlsx` for Excel, with types, which needs `airflow-provider-lark[xlsx]`.
        file_name: The file's name; by default the title with the ending of the format.
        skip_empty: Whether nothing is sent if the query returns no rows. With a database, a card that an
            earlier try has sent is updated instead.
        idempotency_key: Any text that identifies the message; by default derived from DAG, run, task and
            attempt.
        on_unknown: What to do if a try had no answer more than an hour ago, so that the message may or may
            not have been sent: `fail`, `resend`, or `skip` (it counts as sent). With a database.
        hook_params: Further arguments for the database's hook.
        lark_conn_id: The connection to Lark.

    Returns:
        As XCom, `{"rows": …, "message_ids": […]}`: the card's, and the file's if there is one.

    Raises:
        AirflowFailException: Lark refuses it, or the file would be too large; a retry would not help.
        LarkError: Any other failure, for Airflow to retry. What the database's driver raises is passed on.
    """

    template_fields: Collection[str] = (
        "sql", "parameters", "sql_conn_id", "receiver_id", "title", "text", "file_name", "idempotency_key",
        "lark_conn_id",
    )  # fmt: skip
    required_templates: ClassVar[Collection[str]] = (
        "sql", "sql_conn_id", "receiver_id", "title", "text", "file_name", "idempotency_key",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    operator_extra_links = (LarkChatLink(),)
    chat_link = ""

    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        receiver_id: str,
        title: str,
        parameters: Parameters = None,
        text: str = "",
        max_rows: int = _MAX_ROWS,
        attach: bool = True,
        file_format: FileFormat = "csv",
        file_name: str | None = None,
        skip_empty: bool = False,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown = "fail",
        hook_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if type(max_rows) is not int or not 1 <= max_rows <= _MAX_ROWS:
            raise InvalidRequestError(
                f"max_rows must be an int of 1 to {_MAX_ROWS}, got {max_rows!r}. Next: pass a number such as "
                "10."
            )
        check_choice("file_format", file_format, get_args(FileFormat))
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.receiver_id = receiver_id
        self.title = title
        self.parameters = parameters
        self.text = text
        self.max_rows = max_rows
        self.attach = attach
        self.file_format = file_format
        self.file_name = file_name
        self.skip_empty = skip_empty
        self.idempotency_key = idempotency_key
        self.on_unknown = on_unknown
        self.hook_params = hook_params

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the query and send its rows."""
        with convert_lark_errors(), tempfile.TemporaryDirectory(prefix="lark-rows-") as folder:
            result = self._spool(Path(folder) / f"rows.{self.file_format}")
            sent = self._send(context, result)
        if sent:
            self.log.info("Rows sent", rows=result.count, receiver=self.receiver_id, messages=", ".join(sent))
        else:
            self.log.info("The query returned no rows; nothing was sent.")
        return {"rows": result.count, "message_ids": sent}

    def _spool(self, file: Path) -> _Result:
        """Write all rows into a file."""
        from lark_provider.files import writing
        from lark_provider.files.formats import CSV, XLSX, import_openpyxl
        from lark_provider.files.workbooks import write_workbook

        if self.file_format == XLSX:
            import_openpyxl()  # before the query runs
        query = select(
            get_sql_hook(self.sql_conn_id, self.hook_params), check_query(self.sql), self.parameters
        )
        result = _Result(file)
        with closing(query):
            columns = result.columns = [str(name) for name in next(query)]

            def iterate_rows() -> Iterator[dict[str, Any]]:
                for row in self.progress.track_rows(query):
                    cells = dict(zip(columns, map(values.to_shown_cell, row), strict=True))
                    if len(result.kept) < self.max_rows:
                        result.kept.append(cells)
                    content = repr([*cells.values()]).encode("utf-8", "surrogatepass")
                    result.digest += int.from_bytes(sha256(content).digest())
                    yield cells

            if self.file_format == XLSX:
                result.count, result.cut = write_workbook(file, columns, iterate_rows())
            else:
                result.count = writing.write_to(file, CSV, dict.fromkeys(columns, "text"), iterate_rows())
        return result

    def _send(self, context: Context, result: _Result) -> list[str]:
        """Send the card, and the file if the card does not hold all rows; return the ids of the messages."""
        from lark_provider.api.cards import table_card
        from lark_provider.files.workbooks import MAX_CHARS
        from lark_provider.transfers.sent_cards import find_card, put_card

        client = self.hook.client
        to = self.hook.receiver(self.receiver_id)
        key = to.make_key(self.idempotency_key or make_attempt_key(context, client, "rows", self.receiver_id))
        card_key = f"{key}\ncard"
        is_first = self.idempotency_key is None and context["ti"].try_number <= compute_first_try(context)
        if not result.count and self.skip_empty and (is_first or not client.perform(find_card(to, card_key))):
            return []
        # The rest is only counted on the card.
        rows = chain(result.kept, repeat({}, result.count - len(result.kept)))
        card: Any = table_card(
            self.title, rows, columns=result.columns, text=self.text, max_rows=self.max_rows
        )
        shown = sum(len(element.get("rows", ())) for element in card["body"]["elements"])
        is_attached = self.attach and shown < result.count
        if is_attached and (size := result.file.stat().st_size) > MAX_FILE_BYTES:
            raise InvalidRequestError(
                f"The rows take {size:,} bytes as a file; the limit is {MAX_FILE_BYTES:,}. Next: narrow "
                "the query, pass attach=False, or use LarkReportOperator."
            )
        if is_attached and result.cut:
            raise InvalidRequestError(
                f"A cell of Excel must have at most {MAX_CHARS:,} characters, and the text in {result.cut} "
                'of the query has more. Next: shorten it in the query, or pass file_format="csv".'
            )
        put = put_card(client, to, card, key=card_key, on_unknown=self.on_unknown, is_first=is_first)
        self.chat_link = make_chat_url(client.base_url, put["chat_id"], self.hook.web_domain)
        sent = [put["message_id"]]
        if is_attached:
            name = self.file_name or f"{self.title.replace('/', '-')}.{self.file_format}"
            answer = client.messaging.send_file(
                to.id,
                str(result.file),
                file_name=name,
                file_type="xls",
                receiver_id_type=to.id_type,
                # The card shows these rows; a file that an earlier try has sent may have others.
                idempotency_key=f"{key}\nfile\n{result.digest:x}",
                on_unknown=self.on_unknown,
            )
            sent.append(answer.data["message_id"])
        return sent

    def get_openlineage_facets_on_complete(self, task_instance: object) -> object:  # noqa: ARG002 - OpenLineage's
        """Return the tables that the query reads, for OpenLineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from lark_provider.transfers import lineage

        return OperatorLineage(inputs=lineage.list_read_tables(self.sql, self.sql_conn_id, self.hook_params))
