"""What a watcher fires: records as they are now, in payloads that stay small."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson

from lark_provider.protocol.record_cursors import Version

BATCH = 100
"""Records of one payload; as many as Lark reads in one request."""
PREFIX = "record_"
MS_PER_SECOND = 1000


def divide(
    head: Mapping[str, Any], records: Collection[dict[str, Any]], max_bytes: int
) -> Iterator[dict[str, Any]]:
    """Yield payloads that hold all records, in order, each of at most so many bytes of JSON and 100 records.

    Args:
        head: The members that each payload begins with.
        records: The records; the values of one that is too large alone are left out.
        max_bytes: How many bytes of JSON a payload has at most.
    """
    capacity = max_bytes - len(orjson.dumps({**head, "records": []}))
    part: list[dict[str, Any]] = []
    used = 0
    for record in records:
        size = len(orjson.dumps(record)) + 1
        if size > capacity:
            record = {  # noqa: PLW2901 - the same record, without its values
                **{name: record[name] for name in ("record_id", "change", "modified_at")},
                "fields": None,
                "truncated": True,
            }
            size = len(orjson.dumps(record)) + 1
        if part and (used + size > capacity or len(part) == BATCH):
            yield {**head, "records": part}
            part, used = [], 0
        part.append(record)
        used += size
    if part:
        yield {**head, "records": part}


def make_payload_record(record_id: str, kind: str, read: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a record as a payload has it.

    Args:
        record_id: The record.
        kind: Its outcome, as Lark names it.
        read: The record as it was read; None if it is gone or was not read.
    """
    fields = None if read is None else orjson.loads(orjson.dumps(read["fields"]))  # datetimes as ISO 8601
    modified = None if read is None else get_version(read).modified_ms
    return {
        "record_id": record_id,
        "change": kind.removeprefix(PREFIX),
        "fields": fields,
        "modified_at": format_iso(modified) if modified else None,
    }


def get_version(record: Mapping[str, Any]) -> Version:
    """Return when a record was created and modified, and by whom, as Lark's automatic fields say."""

    def get_person_id(name: str) -> str:
        person = record.get(name)
        return str(person.get("id") or "") if isinstance(person, Mapping) else ""

    created, modified = (int(record.get(name) or 0) for name in ("created_time", "last_modified_time"))
    return Version(
        record["record_id"],
        created,
        max(created, modified),
        get_person_id("created_by"),
        get_person_id("last_modified_by"),
    )


def make_moment(ms: int) -> dt.datetime:
    """Return a time in UTC from milliseconds since 1970."""
    return dt.datetime.fromtimestamp(ms / MS_PER_SECOND, dt.UTC)


def format_iso(ms: int) -> str:
    """Return milliseconds since 1970 as ISO 8601, in UTC."""
    return make_moment(ms).isoformat()
