"""Write one table into an existing worksheet: write it by its mode, format it, record it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lark_provider.api.clouddoc.document_lease import DocumentLease
from lark_provider.api.clouddoc.sheets.tables import formatting, modes, stale
from lark_provider.api.clouddoc.sheets.tables.appending import Appender
from lark_provider.api.clouddoc.sheets.tables.judging import is_blank
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.merges import clear_merges
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


@dataclass(frozen=True, slots=True)
class _Existing:
    """What the worksheet has where the table is to be.

    Attributes:
        titles: The header, for `update_by_key`; empty if the table has none yet.
        end: The last row that has content in the table's columns, for `replace`; 0 if none has.
        is_begun: Whether this write makes the table, its header included: there is none yet, or it is
            replaced.
    """

    titles: list[Any] = field(default_factory=list)
    end: int = 0
    is_begun: bool = True


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
        """Write the table by its mode, format it, and record that it is written."""
        existing = yield from self._inspect()
        write = yield from self._open(existing)
        writer = Appender(self.place, self.held, write, self.options)
        order = yield from self._arrange(writer, existing.titles)
        source = TableSource(
            self.stream,
            self.head,
            self.columns,
            self.place.blocks,
            order,
            self.options,
            with_header=self.options.mode == "replace" and self.options.header,
            converted=self.converted,
        )
        try:
            old_end = max(existing.end, 0 if write is None else write.detail["end"])
            extent = yield from self._write(writer, source, order, old_end)
            if write is None or write.state is not LedgerState.DONE:
                is_begun = existing.is_begun if write is None else bool(write.detail["is_begun"])
                if self.options.mode == "replace" and old_end >= self.place.row:
                    yield from stale.reset(writer, extent.first + self.options.header, extent.last)
                yield from formatting.apply(
                    writer, self.columns, self.options, extent, source.widths, order, is_begun=is_begun
                )
            yield from writer.finish()
        except Exception as error:
            with suppress(LarkError):
                yield from writer.abandon()
            writer.explain(error)
            raise
        return writer, extent

    def _inspect(self) -> Procedure[_Existing]:
        """Read what the mode has to know about the worksheet."""
        place = self.place
        if self.options.mode == "replace":
            return _Existing(end=(yield from place.find_last_row(self.held, place.row)))
        if self.options.mode == "update_by_key":
            titles = yield from read_header(place, self.held)
            is_blank_here = is_blank(titles[: self.columns.width])
            if is_blank_here and not set(self.columns.titles).intersection(map(modes.get_cell_text, titles)):
                return _Existing()
            return _Existing(titles, is_begun=False)
        if self.options.header:
            (first_row,) = yield from place.read(self.held, place.row, place.row)
            return _Existing(is_begun=is_blank(first_row))
        return _Existing()

    def _arrange(self, writer: TableWriter, titles: list[Any]) -> Procedure[list[int]]:
        """Return the table's columns in the order of the worksheet's, and write a header that is missing."""
        place = self.place
        if titles:
            place.blocks, place.lefts, order = arrange(titles, self.columns, place.lefts[0])
            return order
        if self.options.mode == "update_by_key":
            yield from clear_merges(writer, place.row, place.row)
            yield from place.write(self.held, modes.encode_header(self.columns, place.blocks), place.row)
        return list(range(self.columns.width))

    def _write(
        self, writer: Appender, source: TableSource, order: list[int], old_end: int
    ) -> Procedure[modes.Extent]:
        options = self.options
        if options.mode == "replace":
            return (yield from modes.replace(writer, source, old_end))
        if options.mode == "append":
            return (yield from modes.append(writer, source, self.columns, header=options.header))
        keys = tuple(order.index(self.columns.find_place(name, "key_fields")) for name in options.key_fields)
        titles = [self.columns.titles[index] for index in order]
        return (yield from KeyedUpdater(writer, titles, keys).run(source))

    def _open(self, existing: _Existing) -> Procedure[TableWrite | None]:
        """Record the table in the ledger, or find it there; return None without a database."""
        options = self.options
        detail = {
            "mode": options.mode,
            "row": self.place.row,
            "columns": list(self.place.lefts),
            "width": self.columns.width,
            "rows": options.max_rows,
            "bytes": options.max_bytes,
            "end": existing.end,
            "is_begun": existing.is_begun,
        }
        keeps = options.mode == "append"
        answer = yield from with_store(
            lambda store: store.sheets.open(self.target, self.key, detail, keeps=keeps)
        )
        if answer is None:
            return None
        (write,) = answer
        for name in ("mode", "row", "columns", "width"):
            if write.segments and write.detail[name] != detail[name]:
                raise ConflictError(
                    f"The key was used for another table in this worksheet: {name} was "
                    f"{write.detail[name]!r} and is {detail[name]!r}. Next: pass the same arguments, or "
                    "another key."
                )
        return write
