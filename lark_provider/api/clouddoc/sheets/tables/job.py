"""One table that is written into a worksheet that is there: by its mode, then formatted, then recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.document_lease import DocumentLease
from lark_provider.api.clouddoc.sheets.tables import formatting, modes, stale
from lark_provider.api.clouddoc.sheets.tables.appending import Appender
from lark_provider.api.clouddoc.sheets.tables.judging import is_blank
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.place import TableOnSheet
from lark_provider.api.clouddoc.sheets.tables.source import ConvertedRows, TableSource
from lark_provider.api.clouddoc.sheets.tables.updating import KeyedUpdater, arrange, read_header
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.effects import Stream
from lark_provider.protocol.errors import ConflictError, LarkError
from lark_provider.protocol.ledger_entry import LedgerState
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.sheet_ledger import TableWrite
from lark_provider.protocol.store import with_store


@dataclass(slots=True)
class Job:
    """One table that is being written.

    Attributes:
        place: The worksheet, and where in it the table begins.
        held: The lease of the spreadsheet.
        columns: The columns of the table.
        options: The options of the table.
        stream: The stream from which the rows are read.
        head: Rows that were taken from the stream before.
        converted: The first rows, if they were converted before.
        target: The name of the spreadsheet and worksheet in the ledger.
        key: The caller's idempotency key, or a generated one.
    """

    place: TableOnSheet
    held: DocumentLease
    columns: TableLayout
    options: TableOptions
    stream: Stream[Any]
    head: Sequence[Any]
    converted: deque[ConvertedRows]
    target: str
    key: str

    def run(self) -> Procedure[tuple[TableWriter, modes.Extent]]:
        """Write it, by its mode, format it, and record that it is written."""
        options, place = self.options, self.place
        old_end, order, titles = 0, list(range(self.columns.width)), list[Any]()
        is_begun = True
        if options.mode == "replace":
            old_end = yield from place.find_last_row(self.held, place.row)
        elif options.mode == "update_by_key":
            titles = yield from read_header(place, self.held)
            own = titles[: self.columns.width]
            is_begun = is_blank(own) and not set(self.columns.titles).intersection(
                map(modes.get_cell_text, titles)
            )
            titles = [] if is_begun else titles
        elif options.header:
            is_begun = is_blank((yield from place.read(self.held, place.row, place.row))[0])
        write = yield from self._open(old_end, is_begun=is_begun)
        if titles:
            place.blocks, place.lefts, order = arrange(titles, self.columns, place.lefts[0])
        elif options.mode == "update_by_key":
            yield from place.write(self.held, modes.encode_header(self.columns, place.blocks), place.row)
        writer = Appender(place, self.held, write, options)
        source = TableSource(
            self.stream,
            self.head,
            self.columns,
            place.blocks,
            order,
            options,
            with_header=options.mode == "replace" and options.header,
            converted=self.converted,
        )
        try:
            end = max(old_end, 0 if write is None else write.detail["end"])
            yield from modes.clear_merges(writer, place.rows, unmerge=options.unmerge)
            if options.mode == "replace":
                extent = yield from modes.replace(writer, source, end)
            elif options.mode == "append":
                extent = yield from modes.append(writer, source, self.columns, header=options.header)
            else:
                keys = tuple(
                    order.index(self.columns.find_place(name, "key_fields")) for name in options.key_fields
                )
                named = [self.columns.titles[index] for index in order]
                extent = yield from KeyedUpdater(writer, named, keys).run(source)
            if write is None or write.state is not LedgerState.DONE:
                begun = is_begun if write is None else bool(write.detail["is_begun"])
                if options.mode == "replace" and end >= place.row:
                    yield from stale.reset(writer, extent.first + options.header, extent.last)
                yield from formatting.apply(
                    writer, self.columns, options, extent, source.widths, order, is_begun=begun
                )
            yield from writer.finish()
        except Exception as error:
            with suppress(LarkError):
                yield from writer.abandon()
            writer.explain(error)
            raise
        return writer, extent

    def _open(self, old_end: int, *, is_begun: bool) -> Procedure[TableWrite | None]:
        options = self.options
        detail = {
            "mode": options.mode,
            "row": self.place.row,
            "columns": list(self.place.lefts),
            "width": self.columns.width,
            "rows": options.max_rows,
            "bytes": options.max_bytes,
            "end": old_end,
            "is_begun": is_begun,
        }
        keeps = options.mode == "append"
        answer = yield from with_store(
            lambda store: store.sheets.open(self.target, self.key, detail, keeps=keeps)
        )
        if answer is None:
            return None
        (write,) = answer
        for name in ("mode", "row", "width"):
            if write.segments and write.detail[name] != detail[name]:
                raise ConflictError(
                    f"The key was used for another table in this worksheet: {name} was "
                    f"{write.detail[name]!r} and is {detail[name]!r}. Next: pass the same arguments, or "
                    "another key."
                )
        return write
