"""Merged cells where a table is written: values would be lost in them."""

from __future__ import annotations

from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import Range
from lark_provider.api.clouddoc.sheets.tables.place import V2
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import ConflictError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.paths import fill_path

_SHOWN = 5


def clear_merges(writer: TableWriter, first: int, last: int) -> Procedure[None]:
    """Unmerge the merged cells in rows that are about to be written, or refuse to write over them.

    See POST /open-apis/sheets/v2/spreadsheets/:token/unmerge_cells.

    Args:
        writer: The writer of the table; its options say whether to unmerge. Columns that are not the
            table's are left alone.
        first: The first row, from 1.
        last: The last row.

    Raises:
        ConflictError: There are some, and `unmerge` is false; the text names them.
    """
    place = writer.place
    if not place.merges:
        return
    areas = [
        Range(first, left, last, left + end - start - 1)
        for (start, end), left in zip(place.blocks, place.lefts, strict=True)
    ]
    merges = [merge for merge in place.merges if any(map(merge.meets, areas))]
    if merges and not writer.options.unmerge:
        shown = ", ".join(merge.a1 for merge in merges[:_SHOWN])
        raise ConflictError(
            f"Worksheet {place.title!r} has merged cells where the table is written: {shown}"
            f"{' …' if len(merges) > _SHOWN else ''}. Values would be lost in them. Next: unmerge them, pass "
            "unmerge=True, or write elsewhere."
        )
    for merged in merges:
        body = {"range": merged.on(place.sheet_id)}
        url = fill_path(V2 + "/unmerge_cells", token=place.token)
        call: Call[Any] = make_request("POST", url, json=body, idempotent=True)
        yield from writer.lease.send(call)
        place.expect_write()
    place.merges = [merge for merge in place.merges if merge not in merges]
