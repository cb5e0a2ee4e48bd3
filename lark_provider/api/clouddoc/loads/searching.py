"""Read records of a table together with who created them, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lark_provider.api.clouddoc.records import MAX_PAGE, RECORDS
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.effects import Now
from lark_provider.protocol.errors import LarkAPIError
from lark_provider.protocol.operations import Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

_TRIES = 3
_MAX_FILTER_CHARS, _MAX_CONDITIONS = 2000, 50
_FRAME_CHARS = len('{"conjunction":"or","conditions":[],"children":[]}')


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that was read.

    Attributes:
        record_id: The id of the record, `rec…`.
        created_ms: When it was created, in milliseconds since the epoch, by Lark's clock; 0 if Lark does not
            say.
        creator: The id of its creator; "" if Lark does not say.
        fields: The values of the record, as Lark sent them.
    """

    record_id: str
    created_ms: int
    creator: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LarkClock:
    """Lark's clock, as an answer says.

    Attributes:
        date: The header `Date` of the answer; None if it has none.
        received_at: When the answer came, in seconds since the epoch, by this machine's clock.
    """

    date: str | None
    received_at: float


def read_clock(answer: LarkResponse[Any]) -> Procedure[LarkClock]:
    """Return Lark's clock, as an answer says that has just come."""
    return LarkClock(answer.date, (yield Now()))


@dataclass(frozen=True, slots=True)
class TableReading:
    """What reading a table has seen.

    Attributes:
        count: How many different records were read.
        clock: Lark's clock at the first page.
    """

    count: int
    clock: LarkClock


def read(
    app_token: str, table_id: str, body: Mapping[str, Any], on_record: Callable[[FoundRecord], None]
) -> Procedure[TableReading]:
    """Read the records that a search finds, page by page; again if the pages ended too early.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search.

    Args:
        app_token: The base.
        table_id: The table.
        body: The search: `filter`, `field_names`.
        on_record: The function that takes each record, once for its id.

    Raises:
        LarkAPIError: Lark refused a page, or the reading stays incomplete.
        TransportError: Lark was not reached.
    """
    seen: set[str] = set()
    for _ in range(_TRIES):
        ids: set[str] = set()
        tokens: set[str | None] = set()
        token, clock, least = None, None, 0
        while token not in tokens:
            tokens.add(token)
            answer = yield from perform(_make_page_call(app_token, table_id, body, token))
            clock = clock or (yield from read_clock(answer))
            page: Page[Any] = Page.of(answer.data)
            for item in page.items:
                ids.add(item["record_id"])
                if item["record_id"] not in seen:
                    seen.add(item["record_id"])
                    on_record(_parse_record(item))
            total = answer.data.get("total")
            total = total if isinstance(total, int) else 0
            least = total if len(tokens) == 1 else min(least, total)
            token = page.next_token
            if token is None:
                break
        if clock is not None and token is None and len(ids) >= least:
            return TableReading(len(seen), clock)
    raise LarkAPIError(
        f"Reading table {table_id} ended after {len(ids)} records where Lark counts {least}, {_TRIES} times. "
        "Next: call again later; nothing was decided and nothing was written.",
        retryable=True,
    )


def make_filters(rows: Sequence[Sequence[Sequence[Any]]]) -> list[dict[str, Any]]:
    """Return filters that together find rows by their keys, each within Lark's limits.

    Args:
        rows: For each row its keys: pairs of field name and operand.
    """
    filters: list[dict[str, Any]] = []
    children: list[dict[str, Any]] = []
    chars = conditions = 0
    for row in rows:
        child = _make_child(row)
        parts = child["conditions"]
        size = len(orjson.dumps(child)) + 1
        if children and (
            _FRAME_CHARS + chars + size > _MAX_FILTER_CHARS or conditions + len(parts) > _MAX_CONDITIONS
        ):
            filters.append({"conjunction": "or", "children": children})
            children, chars, conditions = [], 0, 0
        children.append(child)
        chars, conditions = chars + size, conditions + len(parts)
    if children:
        filters.append({"conjunction": "or", "children": children})
    return [_flatten(search_filter) for search_filter in filters]


def fits(row: Sequence[Sequence[Any]]) -> bool:
    """Return whether the keys of a row fit into a filter.

    Args:
        row: Pairs of field name and operand.
    """
    return (
        len(row) <= _MAX_CONDITIONS and _FRAME_CHARS + len(orjson.dumps(_make_child(row))) < _MAX_FILTER_CHARS
    )


def _make_child(row: Sequence[Sequence[Any]]) -> dict[str, Any]:
    parts = [{"field_name": name, "operator": "is", "value": list(value)} for name, value in row]
    return {"conjunction": "and", "conditions": parts}


def _flatten(filters: dict[str, Any]) -> dict[str, Any]:
    """Return a filter of single conditions without the nesting that only several fields need."""
    children = filters["children"]
    if all(len(child["conditions"]) == 1 for child in children):
        return {"conjunction": "or", "conditions": [child["conditions"][0] for child in children]}
    return filters


def _make_page_call(app_token: str, table_id: str, body: Mapping[str, Any], token: str | None) -> Call[Any]:
    return make_request(
        "POST",
        fill_path(RECORDS + "/search", app_token=app_token, table_id=table_id),
        params={"page_size": str(MAX_PAGE), "page_token": token},
        json={**body, "automatic_fields": True},
        safe=True,
    )


def _parse_record(item: Mapping[str, Any]) -> FoundRecord:
    created, creator = item.get("created_time"), item.get("created_by")
    if isinstance(creator, list):
        creator = creator[0] if creator else None
    return FoundRecord(
        item["record_id"],
        _parse_milliseconds(created),
        str(creator.get("id", "")) if isinstance(creator, Mapping) else "",
        item.get("fields") or {},
    )


def _parse_milliseconds(created: Any) -> int:
    try:
        return int(created)
    except (TypeError, ValueError):
        return 0
