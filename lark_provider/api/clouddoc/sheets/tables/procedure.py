"""Write a table into a worksheet: replace, append or update by key, once."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lark_provider.api.clouddoc.cells import show
from lark_provider.api.clouddoc.document_lease import make_document_lease
from lark_provider.api.clouddoc.drive.folders import resolve_folder
from lark_provider.api.clouddoc.drive.sharing import Share, resolve_shares, share_resolved
from lark_provider.api.clouddoc.fields import find_zone
from lark_provider.api.clouddoc.loads.leasing import WAIT_SECONDS
from lark_provider.api.clouddoc.loads.options import SETTLE_SECONDS
from lark_provider.api.clouddoc.sheets.addressing import (
    MAX_COLUMNS,
    WRONG_RANGE,
    Cell,
    Range,
    format_column,
    parse_range,
)
from lark_provider.api.clouddoc.sheets.blocks import BLOCK
from lark_provider.api.clouddoc.sheets.files import check_title
from lark_provider.api.clouddoc.sheets.files import get as spreadsheet_info
from lark_provider.api.clouddoc.sheets.tables import creating
from lark_provider.api.clouddoc.sheets.tables.chunks import compute_blocks
from lark_provider.api.clouddoc.sheets.tables.conditional import Rules, make_rules
from lark_provider.api.clouddoc.sheets.tables.job import Job
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout, make_layout
from lark_provider.api.clouddoc.sheets.tables.options import (
    HEADER_STYLE,
    Format,
    SheetMode,
    TableOptions,
    parse_freeze,
)
from lark_provider.api.clouddoc.sheets.tables.place import TableOnSheet
from lark_provider.api.clouddoc.sheets.tables.source import ConvertedRows, TableSource
from lark_provider.api.clouddoc.sheets.targets import SheetRef, Target, Worksheet, find_spreadsheet
from lark_provider.api.clouddoc.sheets.targets import locate_range as sheet_place
from lark_provider.api.clouddoc.sheets.values import WRONG_VALUE
from lark_provider.protocol.arguments import check_list, check_texts
from lark_provider.protocol.effects import NewKey, Stream, Take
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.keys import check_key
from lark_provider.protocol.operations import Procedure, take


@dataclass(frozen=True, slots=True)
class TableResult:
    """A written table.

    Attributes:
        spreadsheet_token: The token of the spreadsheet.
        url: The link to the spreadsheet.
        sheet_id: The id of the worksheet.
        range: The cells that the table has now, as A1 text, header included.
        rows_written: How many rows are written, without the header; those of `replayed` included.
        replayed: How many rows an earlier attempt had written, so that they were not written again.
    """

    spreadsheet_token: str
    url: str
    sheet_id: str
    range: str
    rows_written: int
    replayed: int


def write_table(
    target: Target | None,
    rows: Iterable[Any] | AsyncIterable[Any],
    *,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    header: bool = True,
    mode: SheetMode = "replace",
    key: str | None = None,
    key_fields: Sequence[str] = (),
    formats: Mapping[str | type, Format] | None = None,
    header_style: Mapping[str, Any] | None = HEADER_STYLE,
    widths: Literal["content"] | Mapping[str, int] | None = "content",
    freeze: bool | int | tuple[int, int] | None = None,
    filter: bool = False,  # noqa: A002 - as people call it
    conditional_formats: Rules | None = None,
    start: str | tuple[int, int] = "A1",
    unmerge: bool = False,
    zone: str | dt.tzinfo | None = None,
    title: str | None = None,
    folder: str | None = None,
    share_with: Iterable[Share] = (),
    lease_wait: float = WAIT_SECONDS,
    settle_after: float = SETTLE_SECONDS,
) -> Procedure[TableResult]:
    """Write a table into a worksheet; with a database, exactly once.

    A database (`database_url`, `LARK_DATABASE_URL` or `POSTGRES_*`) keeps a ledger of the rows that each part
    of a table has. A write that was killed at any point goes on when it is called again with its key and its
    source: no row is lost or doubled, and no second spreadsheet is created. One writer at a time writes a
    spreadsheet. Rows are read while they are written, so that memory does not grow with the table; only
    `update_by_key` keeps the keys of the worksheet.

    The table's columns, from `start` down, belong to it; other columns and worksheets are left alone.

    See PUT /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/values.

    Args:
        target: A worksheet: a `Sheet`, a link or a token; None for a spreadsheet that is created once for
            `key`.
        rows: Dicts by column name, or sequences of values. An asynchronous iterable works with the
            asynchronous client.
        columns: Names in their order, or name to title. By default the keys of the first row.
        header: Whether the first row has the titles.
        mode: `replace` writes in place of what is there, and blanks what is left of it; `append` writes below
            it; `update_by_key` writes over the rows with the same key, and appends the others.
        key: Any text that names this write: in Airflow the DAG, the run, the task and the map index.
        key_fields: For `update_by_key`: the columns that tell a row from all others. A number is the same
            key as its text. A formula in the worksheet counts by its result, which then replaces it.
        formats: Formatter (such as `#,##0.00`) or style by column name or Python type.
        header_style: Lark's style for the header; None for none.
        widths: `content`, pixels by column, or None to leave them.
        freeze: True for the header, or a number of rows, which leave frozen columns as they are; or
            (rows, columns); None to leave both.
        filter: Whether the header gets a filter.
        conditional_formats: By column one or several `ConditionalFormat` without ranges, or dicts such as
            `{"rule_type": "cellIs", "operator": "lessThan", "values": [0], "style": {"color": "#d83931"}}`.
            One that is there already is left alone, and extended where the table has become longer.
        start: The upper left cell of the table.
        unmerge: Whether merged cells in the way are unmerged; else they are an error.
        zone: The time zone to which aware datetimes are converted; if None, they are written in their own.
        title: The title of a new spreadsheet; by default the key.
        folder: The folder in which a new spreadsheet is made: a token, a link, or a path such as
            `Reports/2026-11`.
        share_with: The people and chats that may open the spreadsheet; they are granted access once it is
            complete.
        lease_wait: Seconds to wait for another writer of the spreadsheet.
        settle_after: Seconds after which a request whose answer is lost cannot take effect any more.

    Returns:
        What is written, and where.

    Raises:
        InvalidRequestError: An option or a value is invalid; the text names row and column.
        ConflictError: Others have moved or changed rows while they were written (the text names them); or the
            source has changed since a part of it was appended; or another writer has the spreadsheet.
        NotFoundError: There is no such spreadsheet, worksheet, folder or person.
        PermissionDeniedError: The app may not write there, or not share it.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: An answer is lost; called again with the same key, it goes on.
        StorageError: The database is unavailable, for longer than is waited.
    """
    corner = _parse_start(start)
    options = TableOptions(
        columns=columns,
        header=header,
        mode=mode,
        key_fields=check_texts("key_fields", key_fields, "a list of names such as ['No']"),
        formats=formats,
        header_style=header_style,
        widths=widths,
        freeze=parse_freeze(freeze, corner.row),
        filter=filter,
        conditional_formats=conditional_formats,
        unmerge=unmerge,
        zone=find_zone(zone),
        lease_wait=lease_wait,
        settle_after=settle_after,
    )
    shares = check_list("share_with", share_with, "[Share('ou_…', 'view')]")
    return (
        yield from write_with_options(
            target, rows, options, corner, key=key, title=title, folder=folder, share_with=shares
        )
    )


def _parse_start(start: str | tuple[int, int]) -> Cell:
    """Return the upper left cell.

    Raises:
        InvalidRequestError: It is a range, or names a worksheet, which `target` does.
    """
    area = parse_range(start)
    if area.sheet is not None or not area.is_cell:
        raise InvalidRequestError(
            f"start must be one cell, without a worksheet, got {start!r:.80}. Next: write 'B2', and name the "
            "worksheet in the target.",
            code=WRONG_RANGE,
        )
    return area.first


def write_with_options(
    target: Target | None,
    rows: Any,
    options: TableOptions,
    corner: tuple[int, int],
    *,
    key: str | None = None,
    title: str | None = None,
    folder: str | None = None,
    share_with: Sequence[Share] = (),
) -> Procedure[TableResult]:
    """Write a table, as `write_table` does.

    Args:
        target: The worksheet, or None for a new spreadsheet.
        rows: The source of the rows, see `write_table`.
        options: The options of the table.
        corner: The row and column of the upper left cell, from 1.
        key: The caller's idempotency key; None for a generated one.
        title: The title of a new spreadsheet; by default the key.
        folder: The folder in which a new spreadsheet is created: a token, a link or a path.
        share_with: The people and chats that may open the spreadsheet, with their roles.

    Raises:
        LarkError: See `write_table`.
    """
    options.check()
    if target is None and key is None and title is None:
        raise InvalidRequestError(
            "key or title must be given for a new spreadsheet, got neither. Next: pass a key, which names "
            "this spreadsheet and no other."
        )
    if target is not None and (title is not None or folder is not None):
        raise InvalidRequestError(
            "title and folder must be given for a new spreadsheet only, got a target as well. Next: leave "
            "them out, or pass target=None."
        )
    name = check_key(key, "key") if key is not None else (yield NewKey())
    stream = Stream(rows)
    try:
        head = yield from take(Take(stream, BLOCK))
        columns = make_layout(options.columns, head[0] if head else None)
        converted = _check(columns, options, corner, rows, head)
        shares = yield from resolve_shares(share_with)
        if target is None:
            created = yield from creating.create(
                check_title(title if title is not None else name),
                (yield from resolve_folder(folder)) if folder is not None else "",
                name,
                look_after=options.look_after,
                lease_seconds=options.lease_seconds,
                lease_wait=options.lease_wait,
            )
            target, url = SheetRef(created.token), created.url
        else:
            url = yield from _find_url(target)
        result = yield from _write_into(
            target=target,
            url=url,
            stream=stream,
            head=head,
            converted=converted,
            columns=columns,
            options=options,
            corner=corner,
            key=name,
        )
        yield from share_resolved(result.spreadsheet_token, "sheet", shares, f"The table is in {url}.")
    finally:
        stream.close()
    return result


def _check(
    columns: TableLayout, options: TableOptions, corner: tuple[int, int], rows: Any, head: Sequence[Any]
) -> deque[ConvertedRows]:
    """Check what can be known before the first request; return rows that were converted for it."""
    if (last := corner[1] + columns.width - 1) > MAX_COLUMNS:
        raise InvalidRequestError(
            f"The table must end within {MAX_COLUMNS:,} columns, got {columns.width:,} from column "
            f"{format_column(corner[1])} on, {last:,} in all. Next: begin it further left, or split it.",
            code=WRONG_VALUE,
        )
    for name in options.key_fields:
        columns.find_place(name, "key_fields")
    if isinstance(options.widths, Mapping):
        for name, pixels in options.widths.items():
            columns.find_place(name, "widths")
            if type(pixels) is not int or pixels <= 0:
                raise InvalidRequestError(
                    f"widths[{name!r}] must be a number of pixels, got {pixels!r}. Next: pass an int "
                    "such as 120."
                )
    if options.header and not columns.is_titled:
        raise InvalidRequestError(
            f"columns must be given where rows are sequences and there is a header, got {show(head[0])} as "
            "the first row. Next: pass columns=, or header=False."
        )
    make_rules(options.conditional_formats, columns)
    blocks, order = compute_blocks(columns.width), range(columns.width)
    source = TableSource(Stream(()), (), columns, blocks, order, options, with_header=False)
    return source.check(rows if isinstance(rows, list | tuple) else head)


def _find_url(target: Target) -> Procedure[str]:
    link = getattr(target, "ref", target)
    text = link.token if isinstance(link, SheetRef) else link
    if isinstance(text, str) and "://" in text:
        return text
    return (yield from spreadsheet_info((yield from find_spreadsheet(target)).token)).url


def _write_into(
    target: Target,
    url: str,
    stream: Stream[Any],
    head: Sequence[Any],
    converted: deque[ConvertedRows],
    columns: TableLayout,
    options: TableOptions,
    corner: tuple[int, int],
    key: str,
) -> Procedure[TableResult]:
    """Write a table into a worksheet that is there."""
    located = yield from sheet_place(target, fresh=True)
    sheet = located.sheet
    held = yield from make_document_lease(
        f"sheet/{located.token}", f"table in {sheet.title!r}", options.lease_seconds, options.lease_wait
    )
    held.is_tolerant = options.mode == "append"
    yield from held.begin()
    try:
        place = _make_place(located.token, sheet, columns, corner, options)
        target_name = f"{located.token}/{sheet.sheet_id}"
        job = Job(
            place=place,
            held=held,
            columns=columns,
            options=options,
            stream=stream,
            head=head,
            converted=converted,
            target=target_name,
            key=key,
        )
        writer, extent = yield from job.run()
    finally:
        yield from held.end()
    return TableResult(
        located.token,
        url,
        sheet.sheet_id,
        Range(extent.first, place.lefts[0], extent.last, place.right).a1,
        writer.written,
        writer.replayed,
    )


def _make_place(
    token: str, sheet: Worksheet, columns: TableLayout, corner: tuple[int, int], options: TableOptions
) -> TableOnSheet:
    blocks = compute_blocks(columns.width)
    return TableOnSheet(
        token=token,
        sheet_id=sheet.sheet_id,
        title=sheet.title,
        row=corner[0],
        blocks=blocks,
        lefts=tuple(corner[1] + first for first, _ in blocks),
        rows=sheet.rows,
        columns=sheet.columns,
        frozen=(sheet.frozen_rows, sheet.frozen_columns),
        merges=sheet.merges,
        part_bytes=options.max_bytes,
    )
