"""Pages of records. There is no snapshot: a page begins after as many records as the pages before it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.validation import (
    compute_list_digest,
    decode_page_token,
    encode_page_token,
    read_bounded_page_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lark_emulator.routing import Call
    from lark_emulator.world.bases import Table
    from lark_emulator.world.records import Record

MAX_PER_PAGE = 500

UNCONFIRMED = (
    "pages have no snapshot: records that others add or delete between two pages shift the rest",
    "`total` is exact and reads are consistent (settable, `search_total`, `stale_reads_s`)",
    "a `page_token` of another table, filter, sort or parameter is refused (setting `foreign_pages`)",
    "a bad `page_token` gets 1254030, as on newer pages; this page has it for too large an answer",
)


def read_page_size(call: Call) -> int:
    """Return the page size that a request asks for."""
    return read_bounded_page_size(call, limit=MAX_PER_PAGE, code_for_zero=codes.PAGE_SIZE)


def make_page(
    call: Call,
    table: Table,
    records: Sequence[Record],
    size: int,
    show: Callable[[Record], dict[str, Any]],
) -> dict[str, Any]:
    """Return one page of records, with whatever was planned for it.

    Raises:
        RefusedError: 1254030, the page token is not one of this list, or the answer is too long.
    """
    token = call.query.get("page_token", "")
    listed = compute_list_digest(call)
    start, number = decode_page_token(token, 2, codes.INVALID_PAGE_TOKEN, listed) if token else (0, 1)
    plan = call.world.page_plans.strike(call.params["app_token"], table.table_id, number)
    if plan is not None and plan.items is not None:
        size = min(size, plan.items)
    end = start + size
    more = end < len(records)
    following = encode_page_token(end, number + 1, of=listed) if more else ""
    if plan is not None and plan.ends:
        more, following = False, ""
    if plan is not None and plan.repeats_token and more and token:
        following = token
    answer = {
        "items": [show(record) for record in records[start:end]],
        "has_more": more,
        **({"page_token": following} if following else {}),
        "total": len(records),
    }
    match call.settings.search_total if plan is None or plan.total is None else plan.total:
        case "absent":
            del answer["total"]
        case "stale" if call.settings.stale_reads_s <= 0:  # else the records themselves are of before
            answer["total"] = max(0, len(records) + table.count_before - len(table.records))
        case int() as total:
            answer["total"] = total
    most = call.settings.max_answer_bytes
    if most and len(orjson.dumps(answer)) > most:
        raise RefusedError(codes.TOO_LARGE_RESPONSE)
    if plan is not None:
        plan.answered(end)
    return answer
