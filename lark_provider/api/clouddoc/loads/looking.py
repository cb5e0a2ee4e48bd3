"""Find out whether a chunk is written in its table, by looking for its records.

Batches are all-or-nothing: one row of the chunk seen means that it is written. The number of records never
decides anything, since others add and delete records all the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from lark_provider.api import bot
from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.loads import searching
from lark_provider.api.clouddoc.loads.chunks import EncodedChunk, read_rows
from lark_provider.api.clouddoc.loads.likeness import Likeness, compute_likeness
from lark_provider.api.clouddoc.loads.searching import FoundRecord, LarkClock
from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import ConflictError, LarkAPIError, PermissionDeniedError
from lark_provider.protocol.ledger import RecordedChunk
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path
from lark_provider.protocol.store import with_store

_MARGIN_SECONDS = 60.0
"""Lark's clock is known to the second, and a request takes its time."""
_NAMED = 5
_REFUSED_FILTERS = (1254018, 1254107)
"""Codes for a filter that Lark finds wrong, or too long."""
MAX_LOOKED_UP = 100
"""Ids that batch_get takes."""


@dataclass(frozen=True, slots=True)
class LoadTable:
    """The table that a load writes, and what is known of it.

    Attributes:
        app_token: The base.
        table_id: The table.
        target: Names the table in the ledger.
        types: Lark's numbers for the fields' types, by name.
    """

    app_token: str
    table_id: str
    target: str
    types: Mapping[str, int]


def find(
    place: LoadTable,
    recorded: RecordedChunk,
    content: EncodedChunk | None,
    marker: tuple[str, str] | None,
    own: Sequence[str],
    *,
    read_at: float,
) -> Procedure[list[str]]:
    """Find the records of a chunk.

    Args:
        place: The table.
        recorded: The chunk, as the ledger has it.
        content: What was sent; None if the source has changed since.
        marker: The field and the value that mark its records, if the load has a marker.
        own: Some of the records that this load is known to have created.
        read_at: When the chunk was read from the ledger, in seconds since the epoch, by this machine's clock.

    Returns:
        The ids of its records; empty if it was not written.

    Raises:
        ConflictError: There are records of this app that match no row of the chunk, or that cannot be told
            from those of others.
        PermissionDeniedError: The app sees none of its own records.
        LarkAPIError: Lark refused a search.
        TransportError: Lark was not reached.
    """
    keys = recorded.chunk.keys if content is None else content.keys
    sent = read_at - recorded.age
    is_conclusive = True
    if marker is not None:
        name, value = marker
        filters = searching.make_filters([[[name, [value]]]])
        recent = yield from _search(place, filters, [name], sent)
    elif keys is not None:
        recent, is_conclusive = yield from _search_by_keys(place, orjson.loads(keys), sent)
    else:
        recent, is_conclusive = [], False
    if not recent and not is_conclusive:
        return (yield from _scan(place, recorded, content, own, sent))
    if not recent:
        yield from _require_visible(place, own)
    others = yield from _find_in_other_chunks(place, recorded, recent)
    return [record.record_id for record in recent if record.record_id not in others]


def _search_by_keys(
    place: LoadTable, rows: Sequence[Sequence[Sequence[Any]]], sent: float
) -> Procedure[tuple[list[FoundRecord], bool]]:
    """Search for records that were created since a chunk was sent, by the keys of its rows.

    Args:
        place: The table.
        rows: For each row its keys: pairs of field name and operand.
        sent: When the chunk was sent, in seconds since the epoch, by this machine's clock.

    Returns:
        The records, and whether the chunk is not written if there are none.
    """
    usable = [row for row in rows if searching.fits(row)]
    try:
        # All keys are looked for: people may have deleted the records of some of them meanwhile.
        recent = yield from _search(place, searching.make_filters(usable), [], sent)
    except LarkAPIError as error:
        if error.code not in _REFUSED_FILTERS:
            raise
        return [], False
    is_conclusive = len(usable) == len(rows) and _is_kept(rows, place.types)
    matching = _select_same_dates(recent, rows, place.types)
    return matching, is_conclusive and len(matching) == len(recent)


def _select_same_dates(
    records: list[FoundRecord], rows: Sequence[Sequence[Sequence[Any]]], field_types: Mapping[str, int]
) -> list[FoundRecord]:
    """Return the records whose dates are keys of a row, to the millisecond: a filter compares days only."""
    names = [name for name, _ in rows[0] if field_types.get(name) == types.DATE]
    if not names:
        return records
    sent = {compute_likeness({name: value[-1] for name, value in row}, field_types, names) for row in rows}
    return [record for record in records if compute_likeness(record.fields, field_types, names) in sent]


def _is_kept(rows: Sequence[Sequence[Sequence[Any]]], field_types: Mapping[str, int]) -> bool:
    """Return whether Lark keeps all keys as they were sent: it may round fractions, and trim texts."""
    return all(
        float(value[-1]).is_integer()
        if field_types.get(name) == types.NUMBER
        else value[-1] == value[-1].strip()
        for row in rows
        for name, value in row
    )


def _search(
    place: LoadTable, filters: Sequence[Mapping[str, Any]], names: Sequence[str], sent: float
) -> Procedure[list[FoundRecord]]:
    """Search for records that were created since a chunk was sent."""
    recent: list[FoundRecord] = []
    for search_filter in filters:
        records: list[FoundRecord] = []
        body = {"filter": search_filter, **({"field_names": list(names)} if names else {})}
        reading = yield from searching.read(place.app_token, place.table_id, body, records.append)
        earliest = _compute_earliest(reading.clock, sent)
        recent += [record for record in records if not record.created_ms or record.created_ms >= earliest]
    return recent


def _scan(
    place: LoadTable,
    recorded: RecordedChunk,
    content: EncodedChunk | None,
    own: Sequence[str],
    sent: float,
) -> Procedure[list[str]]:
    """Read the whole table for records that were created since the chunk was sent."""
    names = sorted(recorded.chunk.fields or (content.names if content else ()))
    base = yield from perform(_make_base_call(place))
    earliest, known = _compute_earliest((yield from searching.read_clock(base)), sent), set(own)
    recent: list[FoundRecord] = []
    creators: set[str] = set()

    def keep(record: FoundRecord) -> None:
        if record.record_id in known:
            creators.add(record.creator)
        elif record.created_ms >= earliest or not record.created_ms:
            recent.append(record)

    body = {"field_names": names} if names else {}
    reading = yield from searching.read(place.app_token, place.table_id, body, keep)
    if (known and not creators) or (_is_advanced(base) and not reading.count):
        raise _make_blind_error(place, len(known))
    others = yield from _find_in_other_chunks(place, recorded, recent)
    recent = [record for record in recent if record.record_id not in others]
    creators = (creators - {""}) or (yield from _find_creators())
    ours = [record for record in recent if record.creator in creators]
    return _decide(place, recorded, content, names, recent, ours)


def _decide(
    place: LoadTable,
    recorded: RecordedChunk,
    content: EncodedChunk | None,
    names: Sequence[str],
    recent: Sequence[FoundRecord],
    ours: Sequence[FoundRecord],
) -> list[str]:
    """Decide from the records that were created since the chunk was sent and belong to no other chunk."""
    count = recorded.chunk.row_count
    if content is None:
        # How Lark names an app as creator is not documented: so many by one creator may be ours as well.
        creators = Counter(record.creator for record in recent)
        if len(ours) == count or (not ours and max(creators.values(), default=0) < count):
            return [record.record_id for record in ours]
        raise _make_unclear_error(recorded, ours or recent, "and the source has changed since")
    rows: Counter[Likeness] = Counter(
        compute_likeness(row, place.types, names) for row in read_rows(content.body)
    )
    matched = []
    for record in recent:
        like = compute_likeness(record.fields, place.types, names)
        if like and rows[like] > 0:
            rows[like] -= 1
            matched.append(record)
    if matched:
        ids = [record.record_id for record in matched]
        # People may have edited some of them meanwhile.
        edited = [record.record_id for record in ours if record not in matched]
        return ids + edited if len(ids) + len(edited) <= count else ids
    if ours:
        raise _make_unclear_error(recorded, ours, "and they match none of its rows")
    return []


def _compute_earliest(clock: LarkClock, sent: float) -> float:
    """Return when a chunk was sent, in milliseconds by Lark's clock, less a margin.

    Args:
        clock: Lark's clock, as an answer says.
        sent: When the chunk was sent, in seconds since the epoch, by this machine's clock.
    """
    if clock.date is not None:
        # This machine's clock need not be right, and the answer may have come minutes after it was asked for.
        sent += parsedate_to_datetime(clock.date).timestamp() - clock.received_at
    return (sent - _MARGIN_SECONDS) * 1000


def _find_in_other_chunks(
    place: LoadTable, recorded: RecordedChunk, records: Sequence[FoundRecord]
) -> Procedure[set[str]]:
    """Return which records belong to other chunks, which were all done after this one was sent."""
    ids = [record.record_id for record in records]
    outcome = yield from with_store(
        lambda store: store.ledger.select_known_records(place.target, recorded.sent_at - _MARGIN_SECONDS, ids)
    )
    (known,) = outcome or (set[str](),)
    return known


def _find_creators() -> Procedure[set[str]]:
    """Return by which id records name this app as their creator."""
    try:
        answer = yield from perform(bot.info())
    except LarkAPIError:  # The app has no bot, and is not named in a way that is known.
        return set()
    return {answer.data["bot"].get("open_id", "")} - {""}


def _require_visible(place: LoadTable, own: Sequence[str]) -> Procedure[None]:
    """Refuse to conclude anything from an empty answer, where advanced permissions may hide all records."""
    ids = {"app_token": place.app_token, "table_id": place.table_id}
    if own:
        body = {"record_ids": list(own)[-MAX_LOOKED_UP:]}
        known: Call[Any] = make_request(
            "POST", fill_path(RECORDS + "/batch_get", **ids), json=body, safe=True
        )
        if not (yield from perform(known)).data.get("records"):
            raise _make_blind_error(place, len(own))
        return
    if _is_advanced((yield from perform(_make_base_call(place)))):
        any_one: Call[Any] = make_request(
            "POST", fill_path(RECORDS + "/search", **ids), params={"page_size": "1"}, json={}, safe=True
        )
        if not (yield from perform(any_one)).data.get("items"):
            raise _make_blind_error(place, 0)


def _make_base_call(place: LoadTable) -> Call[Any]:
    return make_request("GET", fill_path("/bitable/v1/apps/{app_token}", app_token=place.app_token))


def _is_advanced(base: LarkResponse[Any]) -> bool:
    """Return whether a base has advanced permissions, by which rows may be hidden from the app."""
    return bool((base.data.get("app") or {}).get("is_advanced"))


def _make_blind_error(place: LoadTable, own: int) -> PermissionDeniedError:
    created = f", of which it has created {own} or more" if own else ""
    return PermissionDeniedError(
        f"The app sees none of the records of table {place.table_id}{created}, so that it cannot tell "
        "whether a chunk was written. Next: give the app a role that sees the whole table, and call again.",
        code=1254302,
    )


def _make_unclear_error(recorded: RecordedChunk, records: Sequence[FoundRecord], why: str) -> ConflictError:
    named = ", ".join(record.record_id for record in records[:_NAMED])
    more = f" and {len(records) - _NAMED} more" if len(records) > _NAMED else ""
    first, last = recorded.chunk.first_row, recorded.chunk.first_row + recorded.chunk.row_count - 1
    return ConflictError(
        f"Whether rows {first} to {last} are written cannot be determined: records {named}{more} were "
        f"created since they were sent, {why}. Next: delete these records if they are the chunk's, or let "
        "other writers of this app use the ledger, too; then call again. key_fields= or marker_field= avoid "
        "this."
    )
