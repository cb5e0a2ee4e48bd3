"""Decide which changes of a table's records are new, from events and scans. No I/O; times in milliseconds.

A watcher learns of a change from an event, or from a scan that compares when records were last modified. Both
may report the same change, in either order. A `SeenRecord` holds what was reported about a record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

ADDED, EDITED, DELETED = "record_added", "record_edited", "record_deleted"
CHANGES = (ADDED, EDITED, DELETED)
OVERLAP_MS = 600_000
"""How much further back each scan looks, since clocks differ and Lark's search index may lag."""
_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """What was reported about a record.

    Attributes:
        modified_ms: The modification whose values were read; 0 if none were.
        scanned_ms: The latest modification that a scan reported; 0 if none did.
        is_deleted: Whether its deletion was reported.
    """

    modified_ms: int = 0
    scanned_ms: int = 0
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """A record as it was read.

    Attributes:
        record_id: The id of the record.
        created_ms: The time at which it was created, in milliseconds since the epoch.
        modified_ms: The time at which it was last modified, in milliseconds since the epoch.
        created_by: The id of its creator; "" if Lark does not say.
        modified_by: The id of its last editor; "" if Lark does not say.
    """

    record_id: str
    created_ms: int
    modified_ms: int
    created_by: str = ""
    modified_by: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a table was scanned.

    Attributes:
        began_ms: When it was first watched; earlier modifications are not reported.
        scanned_ms: The time up to which the last complete scan saw all modifications.
    """

    began_ms: int
    scanned_ms: int

    @property
    def since_ms(self) -> int:
        """The time after which the next scan compares modifications."""
        return max(self.began_ms, self.scanned_ms - OVERLAP_MS)


def find_missed(
    versions: Iterable[Version],
    seen: Mapping[str, SeenRecord],
    cursor: Cursor,
    *,
    until_ms: int,
    own: frozenset[str] = frozenset(),
) -> list[tuple[Version, str]]:
    """Return the records whose last modification was not reported, each with the kind of its change.

    Args:
        versions: The records as a scan reads them, in any order; a record may come twice.
        seen: What was reported, by record id.
        cursor: How far the table was scanned.
        until_ms: The end of the scan; later modifications are left to their events and to the next scan.
        own: The ids of writers whose modifications are skipped.
    """
    latest: dict[str, Version] = {}
    for version in versions:
        known = latest.get(version.record_id)
        if known is None or known.modified_ms < version.modified_ms:
            latest[version.record_id] = version
    missed = []
    for version in latest.values():
        if not cursor.since_ms < version.modified_ms <= until_ms or version.modified_by in own:
            continue
        before = seen.get(version.record_id)
        if before is not None and before.modified_ms >= version.modified_ms:
            continue
        is_new = before is None and version.created_ms > cursor.since_ms and version.created_by not in own
        missed.append((version, ADDED if is_new else EDITED))
    return missed


def find_deleted(present: Iterable[str], seen: Mapping[str, SeenRecord]) -> list[str]:
    """Return the records that no longer exist and whose deletion was not reported.

    Args:
        present: The ids of all records of the table.
        seen: Everything that was reported or recorded, by record id.
    """
    present_ids = set(present)
    return sorted(
        record_id
        for record_id, record in seen.items()
        if record_id not in present_ids and not record.is_deleted
    )


def is_covered(kind: str, seen: SeenRecord | None, *, at_s: int, current_ms: int | None) -> bool:
    """Return whether a scan has already reported the change that an event is about.

    Args:
        kind: The event's kind of change.
        seen: What was reported about the record.
        at_s: The time of the change according to the event, in whole seconds.
        current_ms: When the record was last modified, as read just now; None if it could not be read.
    """
    if seen is None:
        return False
    if kind == DELETED:
        return seen.is_deleted
    if not seen.scanned_ms:
        return False
    # The event's time may be that of the event and not of the change, so it does not show which came first.
    # The record's current state does: if it was not modified since the scan, the scan has seen everything.
    return current_ms == seen.scanned_ms or seen.scanned_ms // _SECOND_MS > at_s


def after_event(kind: str, seen: SeenRecord | None, current_ms: int | None) -> SeenRecord:
    """Return what is known about a record after an event about it was reported.

    Args:
        kind: The event's kind of change.
        seen: What was known before.
        current_ms: The modification whose values were reported with the event; None if none were, for example
            because a scan had covered it.
    """
    before = seen or SeenRecord()
    if kind == DELETED:
        return SeenRecord(before.modified_ms, before.scanned_ms, is_deleted=True)
    return SeenRecord(max(before.modified_ms, current_ms or 0), before.scanned_ms)


def after_unwanted(kind: str, seen: SeenRecord | None, *, at_s: int, current_ms: int | None) -> SeenRecord:
    """Return what is known about a record after the watcher's filter has left out an event about it.

    The record may have been read in a newer state than that of the event. Only the change that the event is
    about counts as left out.

    Args:
        kind: The event's kind of change.
        seen: What was known before.
        at_s: The time of the change according to the event, in whole seconds.
        current_ms: When the record was last modified, as it was read for the event, in milliseconds since the
            epoch; None if it was not read.
    """
    end = at_s * _SECOND_MS + _SECOND_MS - 1
    return after_event(kind, seen, None if current_ms is None else min(current_ms, end))


def after_scan(seen: SeenRecord | None, modified_ms: int | None) -> SeenRecord:
    """Return what is known about a record after a scan has reported it.

    Args:
        seen: What was known before.
        modified_ms: The modification that the scan reports; None if the record no longer exists.
    """
    before = seen or SeenRecord()
    if modified_ms is None:
        return SeenRecord(before.modified_ms, before.scanned_ms, is_deleted=True)
    return SeenRecord(max(before.modified_ms, modified_ms), max(before.scanned_ms, modified_ms))


def after_complete_scan(cursor: Cursor, until_ms: int) -> Cursor:
    """Return the cursor after a complete scan; it never moves back.

    Args:
        cursor: The cursor that the scan began with.
        until_ms: The time up to which the scan has reported modifications, in milliseconds since the epoch.
    """
    return Cursor(cursor.began_ms, max(cursor.scanned_ms, until_ms))


class CursorStore(Protocol):
    """The records about one watched table; implemented by `storage.record_cursors.RecordCursors`."""

    def is_handled(self, event_key: str) -> bool:
        """Return whether an event was reported."""

    def read_seen(self, record_ids: Collection[str] | None = None) -> dict[str, SeenRecord]:
        """Return what was reported about records; about all records if None."""

    def note(self, records: Mapping[str, SeenRecord], event_key: str | None = None) -> None:
        """Record what was reported, and by which event."""

    def complete(self, cursor: Cursor, *, keeps_all: bool) -> None:
        """Record that a scan is complete."""
