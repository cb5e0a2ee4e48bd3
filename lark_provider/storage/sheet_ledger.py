"""The ledger of tables in spreadsheets: which rows each segment has, and its outcome.

It uses the rows of loads: a table is a row of `ledger` of the kind `sheet`, a segment a row of
`ledger_chunks`, whose place is in `fields`. Each step renews the lease of the spreadsheet in the same
commit, so that two writers cannot reserve the same rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.ledger import Claimant, Lease, LeaseConflict
from lark_provider.protocol.ledger_entry import LedgerState, make_ledger_id
from lark_provider.protocol.redact import mask_addresses
from lark_provider.protocol.sheet_ledger import RecordedSegment, Reservation, Segment, TableWrite
from lark_provider.protocol.tokens import App
from lark_provider.storage import migrate, statements
from lark_provider.storage.statements import Clock, read_clock
from lark_provider.storage.table_leases import claim, make_lease_key
from lark_provider.storage.tables import ledger, ledger_chunks

KIND = "sheet"
_ROW, _ABOVE = "row", "above"
_RESERVED = dt.timedelta(hours=1)
"""How long rows stay reserved for a request whose outcome is unknown.

Then no request can take effect any more: what it has written is found as the content of its rows, and what it
has not written its own next attempt writes elsewhere.
"""


class SheetLedger:
    """The tables in spreadsheets of one app in one database; implements `protocol.sheet_ledger.Tables`.

    All methods raise StorageError if the database cannot be used.

    Args:
        url: The database.
        app: The app; the same keys of two apps are two tables.
    """

    def __init__(self, url: URL, app: App) -> None:
        self._url, self._app = url, app

    def open(self, target: str, key: str, detail: Mapping[str, Any], *, keeps: bool) -> TableWrite:
        """Return a table, which is recorded if it is new.

        Args:
            target: Spreadsheet and worksheet.
            key: The caller's key.
            detail: What was decided about it, if it is new; else what was recorded first is returned.
            keeps: Whether one that is done stays so. Otherwise its segments are forgotten, and it begins
                again, as a table that is replaced every day does.
        """
        identity, columns, chunks = (
            make_ledger_id(self._app.name, KIND, target, key),
            ledger.c,
            ledger_chunks.c,
        )
        text = orjson.dumps(dict(detail)).decode()
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            added = statements.insert(connection, ledger).values(
                id=identity,
                kind=KIND,
                app_id=self._app.app_id,
                name=mask_addresses(key),
                target=target,
                state=LedgerState.PENDING,
                detail=text,
                created_at=now,
                updated_at=now,
            )
            connection.execute(added.on_conflict_do_nothing(index_elements=[columns.id]))
            row = connection.execute(
                sa.select(columns.state, columns.detail).where(columns.id == identity).with_for_update()
            ).one()
            state, recorded = LedgerState(row.state), row.detail
            if state is LedgerState.DONE and not keeps:
                connection.execute(ledger_chunks.delete().where(chunks.ledger_id == identity))
                state, recorded = LedgerState.PENDING, text
                _touch(connection, identity, now, state=state, detail=text)
            count = connection.execute(
                sa.select(sa.func.count()).select_from(ledger_chunks).where(chunks.ledger_id == identity)
            ).scalar_one()
        return TableWrite(identity, state, int(count), orjson.loads(recorded))

    def reserve(
        self, write: str, claimant: Claimant, done: int | None, segment: Segment, *, is_disjoint: bool
    ) -> Reservation:
        """Record in one commit that a segment is written, and the rows of the next one, and renew the lease.

        That a segment is written is recorded even if the lease is lost, since it is certain.

        Args:
            write: The id of the table in the ledger.
            claimant: The writer of the table, for which its lease is renewed.
            done: The number of a segment that is written; None if there is none.
            segment: The next segment; `row` is the first row that it may have. If the ledger has its number
                already, what it has is returned.
            is_disjoint: Whether it must not have rows that a pending segment of another table has, in the
                same worksheet; it is then moved below them.
        """
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            if done is not None:
                _record_done(connection, write, done, clock.now)
            lease = self._claim(connection, clock, claimant)
            if isinstance(lease, LeaseConflict):
                return Reservation(lease)
            recorded = _find(connection, write, segment.number)
            if recorded is not None:
                return Reservation(lease, recorded)
            placed = _place_below_reserved(connection, write, segment, clock.now) if is_disjoint else segment
            connection.execute(
                ledger_chunks.insert().values(
                    ledger_id=write,
                    number=placed.number,
                    sends=0,
                    **_make_values(placed, claimant, clock.now),
                )
            )
            _touch(connection, write, clock.now)
            return Reservation(lease, RecordedSegment(placed, LedgerState.PENDING, 0.0), is_new=True)

    def move(self, write: str, claimant: Claimant, segment: Segment, *, is_disjoint: bool) -> Reservation:
        """Record a pending segment again: with other rows, other cells, or sent once more.

        Args:
            write: The id of the table in the ledger.
            claimant: The writer of the table, for which its lease is renewed.
            segment: The segment as it is sent now; `row` is the first row that it may have.
            is_disjoint: Whether it must not have rows that a pending segment of another table has, in the
                same worksheet; it is then moved below them.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url) as connection:
            clock = read_clock(connection)
            lease = self._claim(connection, clock, claimant)
            if isinstance(lease, LeaseConflict):
                return Reservation(lease)
            placed = _place_below_reserved(connection, write, segment, clock.now) if is_disjoint else segment
            change = ledger_chunks.update().where(columns.ledger_id == write, columns.number == placed.number)
            if is_disjoint:  # else it is written again, whatever is there
                change = change.where(columns.state != LedgerState.DONE)
            changed = connection.execute(
                change.values(sends=columns.sends + 1, **_make_values(placed, claimant, clock.now))
            )
            recorded = _find(connection, write, placed.number)
            return Reservation(lease, recorded, is_new=changed.rowcount == 1)

    def record_written(self, write: str, number: int) -> None:
        """Record that a segment is written, whichever process has the lease, since it is certain.

        Args:
            write: The id of the table.
            number: The segment.
        """
        with migrate.open_transaction(self._url) as connection:
            _record_done(connection, write, number, read_clock(connection).now)

    def finish(self, write: str, done: int | None) -> None:
        """Record that the source has ended and every segment is written.

        Args:
            write: The id of the table.
            done: The last segment, if it is not recorded yet.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            if done is not None:
                _record_done(connection, write, done, now)
            # Those beyond the end of a source that has become shorter were blanked, and reserve nothing.
            connection.execute(
                ledger_chunks.delete().where(columns.ledger_id == write, columns.state != LedgerState.DONE)
            )
            _touch(connection, write, now, state=LedgerState.DONE)

    def read_segments(self, write: str, after: int, count: int) -> Sequence[RecordedSegment]:
        """Return segments in the order of their numbers.

        Args:
            write: The id of the table.
            after: Those with greater numbers than this.
            count: At most so many.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            result_rows = connection.execute(
                sa.select(ledger_chunks, statements.make_clock_column(connection))
                .where(columns.ledger_id == write, columns.number > after)
                .order_by(columns.number)
                .limit(count)
            ).all()
        return [_read(row) for row in result_rows]

    def release(self, write: str, owner: str, number: int) -> None:
        """Forget a segment of which nothing was written, so that its rows are free at once.

        Args:
            write: The id of the table.
            owner: The writer that has reserved it; what another has recorded since stays.
            number: The segment.
        """
        columns = ledger_chunks.c
        with migrate.open_transaction(self._url) as connection:
            connection.execute(
                ledger_chunks.delete().where(
                    columns.ledger_id == write,
                    columns.number == number,
                    columns.token == owner,
                    columns.state == LedgerState.PENDING,
                )
            )

    def list_twins(self, write: str, segment: Segment) -> Sequence[int]:
        """Return the rows where other segments with the content of this one were written, in its columns.

        Args:
            write: The id of the table in the ledger.
            segment: The segment of this table.
        """
        chunks, columns = ledger_chunks.c, ledger.c
        own = sa.select(columns.target, columns.detail).where(columns.id == write)
        with migrate.open_transaction(self._url, reading=True) as connection:
            target, detail = connection.execute(own).one()
            twins = connection.execute(
                sa.select(chunks.fields, columns.detail)
                .join(ledger, columns.id == chunks.ledger_id)
                .where(columns.kind == KIND, columns.target == target, chunks.content == segment.digest)
                .where(sa.or_(columns.id != write, chunks.number != segment.number))
            ).all()
        place = orjson.loads(detail)["columns"]
        return [_parse_row(twin.fields) for twin in twins if orjson.loads(twin.detail)["columns"] == place]

    def _claim(self, connection: Connection, clock: Clock, claimant: Claimant) -> Lease | LeaseConflict:
        return claim(connection, clock, make_lease_key(self._app.base_url, claimant.key), claimant)


def _place_below_reserved(connection: Connection, write: str, segment: Segment, now: dt.datetime) -> Segment:
    """Return a segment below the rows that others have reserved and perhaps not written yet."""
    chunks, columns = ledger_chunks.c, ledger.c
    target = sa.select(columns.target).where(columns.id == write).scalar_subquery()
    others = (
        sa.select(chunks.fields, chunks.row_count)
        .join(ledger, columns.id == chunks.ledger_id)
        .where(columns.kind == KIND, columns.target == target, columns.id != write)
        .where(columns.state == LedgerState.PENDING, chunks.state == LedgerState.PENDING)
        .where(chunks.updated_at > now - _RESERVED)
    )
    ends = [_parse_row(other.fields) + other.row_count for other in connection.execute(others)]
    row = max([segment.row, *ends])
    return segment if row == segment.row else replace(segment, row=row, above=None)


def _make_values(segment: Segment, claimant: Claimant, now: dt.datetime) -> dict[str, Any]:
    place = {_ROW: str(segment.row)}
    if segment.above is not None:
        place[_ABOVE] = segment.above.hex()
    return {
        "state": LedgerState.PENDING,
        "first_row": segment.first,
        "row_count": segment.row_count,
        "content": segment.digest,
        "row_sums": segment.sums,
        "fields": orjson.dumps(place).decode(),
        "token": claimant.owner,
        "sent_at": now,
        "updated_at": now,
    }


def _find(connection: Connection, write: str, number: int) -> RecordedSegment | None:
    columns = ledger_chunks.c
    wanted = sa.select(ledger_chunks, statements.make_clock_column(connection)).where(
        columns.ledger_id == write, columns.number == number
    )
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _read(row)


def _read(row: sa.Row[Any]) -> RecordedSegment:
    place = orjson.loads(row.fields)
    segment = Segment(
        number=row.number,
        first=row.first_row,
        row_count=row.row_count,
        digest=row.content,
        sums=bytes(row.row_sums),
        row=int(place[_ROW]),
        above=bytes.fromhex(place[_ABOVE]) if _ABOVE in place else None,
    )
    return RecordedSegment(segment, LedgerState(row.state), (row.clock - row.updated_at).total_seconds())


def _parse_row(fields: str) -> int:
    return int(orjson.loads(fields)[_ROW])


def _record_done(connection: Connection, write: str, number: int, now: dt.datetime) -> None:
    columns = ledger_chunks.c
    connection.execute(
        ledger_chunks.update()
        .where(columns.ledger_id == write, columns.number == number)
        .values(state=LedgerState.DONE.value, updated_at=now)
    )


def _touch(connection: Connection, write: str, now: dt.datetime, **values: Any) -> None:
    connection.execute(ledger.update().where(ledger.c.id == write).values(updated_at=now, **values))
