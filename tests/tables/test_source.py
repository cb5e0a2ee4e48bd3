"""Tables are converted a block at a time to what their cells are one by one, and cut by rows and bytes."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc.sheets.kinds import Link
from lark_provider.api.clouddoc.sheets.tables.chunks import TableChunk, compute_blocks, encode_chunk
from lark_provider.api.clouddoc.sheets.tables.encoding import check_sum, encode, normalize_cell
from lark_provider.api.clouddoc.sheets.tables.layout import make_layout
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.source import TableSource
from lark_provider.api.clouddoc.sheets.values import TEXT, encode_row
from lark_provider.protocol.effects import Stream, Take

KINDS = [
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=6),
    st.from_regex(r"[=+0-9./:\\[\\],\"]{1,6}", fullmatch=True),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-5, 5).map(float),
    st.decimals(-1000, 1000, places=2),
    st.booleans(),
    st.dates(dt.date(1890, 1, 1)),
    st.datetimes(dt.datetime(1890, 1, 1)),  # noqa: DTZ001 - cells have no zone
    st.builds(Link, st.just("page"), st.just("https://example.com")),
]
COLUMNS = st.sampled_from(KINDS).flatmap(
    lambda kind: st.sampled_from(
        [kind, st.none() | kind, st.sampled_from(KINDS).flatmap(lambda strategy: strategy)]
    )
)
TABLES = st.lists(COLUMNS, min_size=1, max_size=5).flatmap(
    lambda columns: st.lists(st.tuples(*columns), min_size=1, max_size=30)
)


def make_chunks(
    rows: Sequence[Sequence[Any]], options: TableOptions, order: Sequence[int]
) -> list[TableChunk]:
    """Return the chunks of a table, driving the source as the trampoline does."""
    columns = make_layout([f"c{place}" for place in range(len(rows[0]))], None)
    stream, source = iter(rows), None
    blocks = compute_blocks(len(rows[0]))
    source = TableSource(Stream(()), (), columns, blocks, order, options, with_header=True)
    chunks: list[TableChunk] = []
    while True:
        steps = source.take_chunk()
        try:
            effect = next(steps)
            while True:
                assert isinstance(effect, Take)
                effect = steps.send([row for _, row in zip(range(7), stream, strict=False)])
        except StopIteration as end:
            if end.value is None:
                return chunks
            chunks.append(end.value)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TABLES, st.integers(1, 12), st.integers(250, 900), st.booleans())
def test_a_table_is_its_cells(table: list[Any], max_rows: int, max_bytes: int, is_turned: bool) -> None:
    width = len(table[0])
    order = list(reversed(range(width))) if is_turned else list(range(width))
    options = TableOptions(max_rows=max_rows, max_bytes=max_bytes, widths="content")
    chunks = make_chunks(table, options, order)
    assert chunks[0].header_rows == 1
    assert sum(part.count - part.header_rows for part in chunks) == len(table)
    expected = [encode_row([row[place] for place in order], 1) for row in table]
    number = 0
    for table_chunk in chunks:
        assert table_chunk.count <= max_rows
        assert (
            len(table_chunk.encode_body(0, 0, table_chunk.count, "Q7PlXT!A1:D20")) <= max_bytes
            or table_chunk.count == 1
        )
        assert table_chunk.first == number + 1
        for at, row in enumerate(table_chunk.rows):
            assert table_chunk.sums[4 * at : 4 * at + 4] == check_sum(row, table_chunk.unchecked_columns)
            if at < table_chunk.header_rows:
                continue
            assert row == orjson.loads(orjson.dumps([cell for cell, _ in expected[number]]))
            for place, (wire, needed) in enumerate(expected[number]):
                formats = table_chunk.formats[place]
                formatter = formats[at - table_chunk.header_rows] if isinstance(formats, list) else formats
                assert formatter == needed or wire == "" or (formatter == TEXT and type(wire) is str)
                assert (normalize_cell(wire) is not None) or place in table_chunk.unchecked_columns
            number += 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TABLES)
def test_checksums_do_not_depend_on_how_rows_were_encoded(table: list[Any]) -> None:
    rows = [[cell for cell, _ in encode_row(row, 1)] for row in table]
    every = frozenset(range(len(rows[0])))
    columns = list(zip(*rows, strict=True))
    wide = encode(columns * 60, compute_blocks(60 * len(rows[0])), frozenset(range(60 * len(every))))
    encoded = encode(columns, compute_blocks(len(rows[0])), every)
    assert [orjson.loads(line) for line in encoded.lines[0]] == orjson.loads(orjson.dumps(rows))
    assert encoded.sums == b"".join(check_sum(row, encoded.unchecked_columns) for row in rows)
    assert wide.sums == b"".join(check_sum(row * 60, wide.unchecked_columns) for row in rows)
    assert encoded.sums == encode_chunk(0, 1, rows, [None] * len(rows[0]), compute_blocks(len(rows[0]))).sums


@pytest.mark.parametrize(
    ("width", "digest", "sums"),
    [
        (3, "bf7120e523ab064cc373f58b729c99c7c81b4df9af9da75f4a5f4ec917cdb028", 3555844345),
        (8, "f5175405fa5095f8f42b43cbbfc4bb70af0f60d1432b96d553ec3de4fd63a5e7", 802685786),
        (160, "734da005df0fb211185c255be96b7c1e4e0244aa98e394933f9e49e64cee77d9", 1730184922),
    ],
)
def test_what_1_0_0rc1_has_recorded_is_recognized(width: int, digest: str, sums: int) -> None:
    day, moment, link = dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 8), Link("p", "https://example.com")  # noqa: DTZ001 - cells have no zone
    rows = []
    for n in range(20):
        dates = day + dt.timedelta(days=n), moment + dt.timedelta(seconds=n)
        rows.append((n, f"row {n}", n / 4, n % 2 == 0, None if n % 3 else "=1", *dates, link))
    (table_chunk,) = make_chunks([(row * 20)[:width] for row in rows], TableOptions(), range(width))
    assert table_chunk.digest == digest
    assert zlib.crc32(table_chunk.sums) == sums
