"""The index of a sync in a temporary SQLite file; implements `protocol.sync_index.SyncIndex`.

SQLite makes the file itself and removes its name at once, so that it is gone even after SIGKILL. What fits
into the cache never reaches the disk. `SQLITE_TMPDIR` or `TMPDIR` names the folder.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.sync_index import Difference, KnownRow, Planned, ScannedRecord, Staged, WriteKind

_CACHE_KIB = 24 * 1024
_ROWS_AT_ONCE = 1000
"""Rows that are fetched at once. Cursors stay open meanwhile; writes to other tables do not disturb them."""
_KEYS_AT_ONCE = 50

_SCHEMA = """
CREATE TABLE source (row INTEGER PRIMARY KEY, key TEXT NOT NULL, shape TEXT, digest INTEGER, wire BLOB);
CREATE TABLE seen (record_id TEXT NOT NULL, key TEXT, row INTEGER, "values" BLOB, scan INTEGER NOT NULL,
    duplicate INTEGER NOT NULL DEFAULT 0);
CREATE TABLE plan (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, row INTEGER NOT NULL, key TEXT NOT NULL,
    record_id TEXT NOT NULL, before BLOB, after BLOB);
CREATE TABLE linked (field TEXT, key TEXT, record_id TEXT, PRIMARY KEY (field, key)) WITHOUT ROWID;
"""
_PLANNED = """
SELECT plan.number, plan.kind, plan.row, plan.key, plan.record_id, plan.before,
    CASE plan.kind WHEN 'create' THEN source.wire ELSE plan.after END
FROM plan LEFT JOIN source ON source.row = plan.row AND plan.kind = 'create'
"""
_BY_KEY = """
FROM (VALUES {}) AS wanted LEFT JOIN source ON source.key = wanted.column2 ORDER BY wanted.column1
""".format(",".join(f"({place}, ?)" for place in range(_KEYS_AT_ONCE)))


class SyncIndexFullError(LarkError):
    """The temporary file of a sync cannot grow."""

    retryable = True


class SqliteIndex:
    """The index of one sync. It may be used by several threads, one after the other."""

    def __init__(self) -> None:
        self._scan = 0
        self._has_ids = False

    @cached_property
    def _file(self) -> sqlite3.Connection:
        file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        file.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        # The file is ours alone and gone after a crash: neither a journal nor a lock has a use.
        file.execute("PRAGMA journal_mode = OFF")
        file.execute("PRAGMA synchronous = OFF")
        file.execute("PRAGMA temp_store = FILE")
        file.executescript(_SCHEMA)
        file.execute("BEGIN")
        return file

    def _run(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._file.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise _make_full_error(error) from error

    def _run_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._file.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise _make_full_error(error) from error

    def _read_scalar(self, statement: str, values: Sequence[Any] = ()) -> int:
        return int(self._run(statement, values).fetchone()[0] or 0)

    def stage(self, rows: Sequence[Staged]) -> None:
        """Add rows of the source."""
        self._run_many("INSERT INTO source VALUES (?, ?, ?, ?, ?)", rows)

    def seal(self) -> list[tuple[int, str, int]]:
        """End the source; drop rows whose key an earlier row has, and return them: row, key, earlier row."""
        # An index that is built at once is sorted; one that grows with random keys reads pages all the time.
        # It holds all that a look-up needs, so that the rows themselves are not read.
        self._run("CREATE INDEX source_key ON source (key, shape, digest)")
        repeated = self._run(
            "SELECT source.row, source.key, twice.first FROM (SELECT key, MIN(row) AS first FROM source "
            "GROUP BY key HAVING COUNT(*) > 1) AS twice JOIN source ON source.key = twice.key "
            "WHERE source.row > twice.first ORDER BY source.row"
        ).fetchall()
        self._run_many("DELETE FROM source WHERE row = ?", [(row,) for row, _, _ in repeated])
        return repeated

    def reject(self, rows: Sequence[int]) -> None:
        """Reject rows after all: their keys stay, their values do not."""
        self._run_many("UPDATE source SET wire = NULL WHERE row = ?", [(row,) for row in rows])

    def count(self) -> int:
        """Return how many rows of the source have a key, rejected ones included."""
        return self._read_scalar("SELECT COUNT(*) FROM source")

    def count_accepted(self) -> int:
        """Return how many rows of the source are not rejected."""
        return self._read_scalar("SELECT COUNT(*) FROM source WHERE wire IS NOT NULL")

    def measure_longest_key(self) -> int:
        """Return the length of the longest key of the source."""
        return self._read_scalar("SELECT MAX(LENGTH(key)) FROM source")

    def read_keys(self, after_row: int, count: int) -> list[tuple[int, str]]:
        """Return row and key of the next rows of the source."""
        return self._run(
            "SELECT row, key FROM source WHERE row > ? ORDER BY row LIMIT ?", (after_row, count)
        ).fetchall()

    def read_wire(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of rows by key, without those that are rejected."""
        return {key: wire for key, wire in self._read_by_key("key, wire", keys) if wire is not None}

    def look_up(self, keys: Sequence[str | None]) -> list[KnownRow]:
        """Return what is known about the row of the source that has each key."""
        return self._read_by_key("row, shape, digest", keys)

    def _read_by_key(self, columns: str, keys: Sequence[str | None]) -> list[Any]:
        """Return columns of the row with each key, in the order of the keys; NULLs where there is none."""
        rows: list[Any] = []
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            batch = keys[start : start + _KEYS_AT_ONCE]
            # One text for nearly all queries, so that the statement is prepared once.
            padded = [*batch, *[None] * (_KEYS_AT_ONCE - len(batch))]
            rows += self._run(f"SELECT {columns} {_BY_KEY}", padded).fetchall()[: len(batch)]
        return rows

    def begin_scan(self) -> None:
        """Begin to count records; what was seen before stays until `end_scan`."""
        self._scan += 1
        for name in ("seen_id", "seen_row", "seen_differing"):
            self._run(f"DROP INDEX IF EXISTS {name}")
        self._has_ids = False

    def see(self, records: Sequence[ScannedRecord]) -> None:
        """Add records of the table, or replace what was seen of them before."""
        if self._has_ids:
            records = list({record[0]: record for record in records}.values())
            self.forget([record[0] for record in records])
        self._run_many(
            f'INSERT INTO seen (record_id, key, row, "values", scan) VALUES (?, ?, ?, ?, {self._scan})',  # noqa: S608
            records,
        )

    def _index_ids(self) -> None:
        """Index the records by id, and of those that were seen several times keep what was seen last.

        A scan only appends. Ids are random, and an index that grows with them is read and written all over.
        """
        if not self._has_ids:
            self._run("CREATE INDEX seen_id ON seen (record_id)")
            self._run(
                "DELETE FROM seen WHERE rowid IN (SELECT seen.rowid FROM (SELECT record_id, MAX(rowid) AS "
                "newest FROM seen GROUP BY record_id HAVING COUNT(*) > 1) AS twice JOIN seen "
                "ON seen.record_id = twice.record_id WHERE seen.rowid < twice.newest)"
            )
            self._has_ids = True

    def count_scanned(self) -> int:
        """Return how many different records were seen since `begin_scan`."""
        self._index_ids()
        return self._read_scalar("SELECT COUNT(*) FROM seen WHERE scan = ?", (self._scan,))

    def count_records(self) -> int:
        """Return how many different records were seen."""
        return self._read_scalar("SELECT COUNT(*) FROM seen")

    def end_scan(self, *, keep: bool) -> None:
        """End a scan; unless they are kept, forget records that were not seen since `begin_scan`."""
        self._index_ids()
        if self._scan > 1 and not keep:
            self._run("DELETE FROM seen WHERE scan < ?", (self._scan,))
        self._run("CREATE INDEX IF NOT EXISTS seen_row ON seen (row) WHERE row IS NOT NULL")
        self._run(f"CREATE INDEX IF NOT EXISTS seen_differing ON seen (row) WHERE {_DIFFERING}")

    def forget(self, record_ids: Sequence[str]) -> None:
        """Forget records, since they do not exist any more."""
        self._run_many("DELETE FROM seen WHERE record_id = ?", [(record_id,) for record_id in record_ids])

    def read_unmatched_rows(self, after_row: int, count: int) -> list[tuple[int, str]]:
        """Return row and key of the next rows for which no record was seen."""
        return self._run(
            f"SELECT row, key FROM source WHERE row > ? AND {_WITHOUT_RECORD} ORDER BY row LIMIT ?",  # noqa: S608
            (after_row, count),
        ).fetchall()

    def count_unreadable(self) -> int:
        """Return how many records have a key that cannot be read."""
        return self._read_scalar("SELECT COUNT(*) FROM seen WHERE key IS NULL")

    def count_keyless(self) -> int:
        """Return how many records have an empty key."""
        return self._read_scalar("SELECT COUNT(*) FROM seen WHERE key = ''")

    def iterate_duplicates(self) -> Iterator[tuple[int, list[str]]]:
        """Return the rows that several records have the key of, and these records."""
        rows = self._run(
            "SELECT row FROM seen WHERE row IS NOT NULL GROUP BY row HAVING COUNT(*) > 1 ORDER BY row"
        )
        for (row,) in rows:
            cursor = self._run("SELECT record_id FROM seen WHERE row = ? ORDER BY record_id", (row,))
            yield row, [record_id for (record_id,) in cursor]

    def leave_alone(self, record_ids: Sequence[str]) -> None:
        """Keep duplicates out of the plan."""
        self._run_many(
            "UPDATE seen SET duplicate = 1 WHERE record_id = ?", [(record_id,) for record_id in record_ids]
        )

    def iterate_differences(self) -> Iterator[Difference]:
        """Return the records that differ from their row by digest."""
        cursor = self._run(
            'SELECT seen.record_id, seen.row, source.key, source.shape, seen."values", source.wire '  # noqa: S608
            f"FROM seen JOIN source ON source.row = seen.row WHERE {_DIFFERING} "
            "AND source.wire IS NOT NULL AND NOT seen.duplicate ORDER BY seen.row"
        )
        return map(Difference._make, _fetch(cursor))

    def plan_creates(self) -> int:
        """Plan a create for each row without a record; return how many."""
        return self._run(
            "INSERT INTO plan (kind, row, key, record_id) SELECT 'create', row, key, '' FROM source "  # noqa: S608
            f"WHERE {_WITHOUT_RECORD} ORDER BY row"
        ).rowcount

    def plan(self, writes: Sequence[Planned]) -> None:
        """Add writes to the plan; their numbers are given by the index."""
        self._run_many(
            "INSERT INTO plan (kind, row, key, record_id, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            [write[1:] for write in writes],
        )

    def iterate_missing(self, count: int) -> Iterator[list[tuple[str, str]]]:
        """Return record id and key of the records that are missing in the source, by batches."""
        cursor = self._run(
            "SELECT record_id, key FROM seen WHERE row IS NULL AND key <> '' AND \"values\" IS NULL"
        )
        while batch := cursor.fetchmany(count):
            yield batch

    def read_plan(self, kind: WriteKind | None = None) -> Iterator[Planned]:
        """Return the plan, or the writes of one kind, in order."""
        only, values = ("WHERE plan.kind = ? ", (kind,)) if kind else ("", ())
        return map(Planned._make, _fetch(self._run(f"{_PLANNED} {only}ORDER BY plan.number", values)))

    def read_plan_after(self, kind: WriteKind, number: int, count: int) -> list[Planned]:
        """Return the next writes of one kind."""
        cursor = self._run(
            f"{_PLANNED} WHERE plan.kind = ? AND plan.number > ? ORDER BY plan.number LIMIT ?",
            (kind, number, count),
        )
        return [Planned._make(row) for row in cursor]

    def count_writes(self) -> dict[str, int]:
        """Return how many writes of each kind are planned."""
        return dict(self._run("SELECT kind, COUNT(*) FROM plan GROUP BY kind").fetchall())

    def begin_linked(self, field: str) -> None:
        """Forget what an earlier scan of another table has added."""
        self._run("DELETE FROM linked WHERE field = ?", (field,))

    def add_linked(self, field: str, records: Sequence[tuple[str, str]]) -> None:
        """Add records of another table: key and record id."""
        self._run_many(
            "INSERT INTO linked VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record_id = NULL "
            "WHERE record_id IS NOT excluded.record_id",
            [(field, key, record_id) for key, record_id in records],
        )

    def find_linked(self, field: str, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Return ids of another table's records by key; None if several have it."""
        record_ids: dict[str, str | None] = {}
        for key in keys:
            row = self._run(
                "SELECT record_id FROM linked WHERE field = ? AND key = ?", (field, key)
            ).fetchone()
            if row is not None:
                record_ids[key] = row[0]
        return record_ids

    def close(self) -> None:
        """Delete the file."""
        if "_file" in self.__dict__:
            self._file.close()


_DIFFERING = 'seen.row IS NOT NULL AND seen."values" IS NOT NULL'
_WITHOUT_RECORD = "wire IS NOT NULL AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.row = source.row)"


def _fetch(cursor: sqlite3.Cursor) -> Iterator[Any]:
    while batch := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from batch


def _make_full_error(error: sqlite3.OperationalError) -> SyncIndexFullError:
    return SyncIndexFullError(
        f"The temporary file of the sync cannot be written: {error}. Next: free disk space, or name another "
        "folder in SQLITE_TMPDIR; a sync needs about as much as source and differences take as JSON."
    )
