"""The canonical form: what Lark reads back from what was written is equal, in every spelling."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc import field_types as t
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.record_converter import Converter
from lark_provider.api.clouddoc.sync import canonical
from lark_provider.api.clouddoc.sync.canonical import ADDRESS, DAY, EXACT, NAMED
from lark_provider.api.clouddoc.sync.layout import compute_digests

BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ZONE = ZoneInfo("America/New_York")
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
IDS = st.lists(st.sampled_from([f"ou_{n}" for n in range(9)]), min_size=1, max_size=5)


def lark_reads(kind: int, wire: Any, chance: random.Random) -> Any:
    """Return how a search returns a cell that was written, varied at random where Lark may vary."""
    if wire is None or wire in ("", [], {}):
        return None
    if kind == t.TEXT:
        cut = chance.randrange(len(wire) + 1)
        parts = [part for part in (wire[:cut], wire[cut:]) if part]
        return [{"text": part, "type": chance.choice(["text", "mention", "url"])} for part in parts]
    if kind == t.NUMBER:
        return float(wire) if chance.random() < 0.5 else wire
    if kind == t.MULTI_SELECT:
        return chance.sample(wire, len(wire))
    if kind == t.CHECKBOX:
        return wire or chance.choice([None, False])
    if kind in (t.PERSON, t.GROUP):
        return [
            {**member, "name": "N", "avatar_url": "https://x"} for member in chance.sample(wire, len(wire))
        ]
    if kind in t.LINKS:
        return {"link_record_ids": chance.sample(wire, len(wire))}
    if kind == t.LOCATION:
        longitude, latitude = map(float, wire.split(","))
        return {"location": f"{longitude:.14g},{latitude:.14g}", "name": "", "pname": "x"}
    if kind == t.ATTACHMENT:
        return [
            {**attachment, "name": "a", "size": 1, "url": "https://x"}
            for attachment in chance.sample(wire, len(wire))
        ]
    return wire


VALUES: dict[int, st.SearchStrategy[Any]] = {
    t.TEXT: st.text(st.characters(codec="utf-8"), max_size=30) | st.integers() | st.dates(),
    t.NUMBER: st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**9), 10**9, places=3),
    t.SINGLE_SELECT: WORDS,
    t.MULTI_SELECT: st.lists(WORDS, unique=True, max_size=6),
    t.DATE: st.integers(160_000_000, 4_000_000_000).map(lambda s: dt.datetime.fromtimestamp(s, dt.UTC)),
    t.CHECKBOX: st.booleans(),
    t.PERSON: IDS,
    t.PHONE: st.from_regex(r"\+?[0-9]{3,12}", fullmatch=True),
    t.URL: st.tuples(WORDS, st.just("https://example.com/") | st.just("https://x")),
    t.ATTACHMENT: IDS,
    t.LINK: IDS.map(lambda ids: list(dict.fromkeys(ids))),
    t.LOCATION: st.tuples(
        st.floats(-180, 180).map(lambda x: round(x, 6)), st.floats(-90, 90).map(lambda x: round(x, 6))
    ),
    t.GROUP: IDS,
}


@pytest.mark.parametrize("kind", VALUES)
@BUSY
@given(data=st.data())
def test_a_value_that_was_written_reads_back_as_equal(kind: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(VALUES[kind] | st.none(), min_size=1, max_size=8))
    chance = data.draw(st.randoms(use_true_random=False))
    converter = Converter([Field(field_name="F", type=kind)])
    wire, bad = converter.convert_all_to_wire([{"F": value} for value in values], {"F"}, clear=True)
    assert not bad
    written = [row["F"] for row in wire]
    read = [lark_reads(kind, cell, chance) for cell in written]
    ours = canonical.of_source(kind, EXACT, written, ZONE)
    theirs = canonical.of_table(kind, EXACT, read, ZONE)
    assert ours == theirs
    assert orjson.loads(orjson.dumps(ours)) == ours, "it can be stored"
    # One column at once is the same as one cell at a time.
    assert ours == [canonical.of_source(kind, EXACT, [cell], ZONE)[0] for cell in written]


@pytest.mark.parametrize("kind", VALUES)
@BUSY
@given(data=st.data())
def test_another_value_is_different(kind: int, data: st.DataObject) -> None:
    value, other = data.draw(VALUES[kind]), data.draw(VALUES[kind])
    converter = Converter([Field(field_name="F", type=kind)])
    (a, b), _ = converter.convert_all_to_wire([{"F": value}, {"F": other}], {"F"})
    form = canonical.of_source(kind, EXACT, [a["F"], b["F"]], ZONE)
    same = _plain(kind, a["F"]) == _plain(kind, b["F"])
    assert (form[0] == form[1]) == same


def _plain(kind: int, wire: Any) -> Any:
    """Return a value that is equal for equal cells only, computed simply rather than fast."""
    rules: dict[int, Callable[[Any], Any]] = {
        t.NUMBER: float,
        t.MULTI_SELECT: frozenset,
        t.CHECKBOX: bool,
        t.PERSON: lambda cell: frozenset(person["id"] for person in cell),
        t.GROUP: lambda cell: frozenset(group["id"] for group in cell),
        t.ATTACHMENT: lambda cell: frozenset(attachment["file_token"] for attachment in cell),
        t.LINK: frozenset,
        t.LOCATION: lambda cell: tuple(map(float, cell.split(","))),
        t.URL: lambda cell: (cell["text"], cell["link"]),
    }
    return rules.get(kind, lambda cell: cell)(wire)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (t.CHECKBOX, [None, False]),
        (t.TEXT, [None, "", []]),
        (t.MULTI_SELECT, [None, []]),
        (t.PERSON, [None, []]),
        (t.LINK, [None, {"link_record_ids": None}, {"link_record_ids": []}]),
        (t.NUMBER, [None]),
        (t.URL, [None]),
        (99, [None, "", [], {}]),
    ],
)
def test_what_is_empty_is_one(kind: int, cells: list[Any]) -> None:
    assert canonical.of_table(kind, EXACT, cells, ZONE) == [None] * len(cells)


@BUSY
@given(
    st.dates(dt.date(1990, 1, 1), dt.date(2080, 1, 1)),
    st.integers(0, 24 * 3600 - 1),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Africa/Casablanca", "UTC"]),
)
def test_a_date_is_equal_to_any_moment_of_its_day(day: dt.date, second: int, name: str) -> None:
    zone = ZoneInfo(name)
    start = dt.datetime(day.year, day.month, day.day, tzinfo=zone)
    moment = int((start.astimezone(dt.UTC) + dt.timedelta(seconds=second)).timestamp() * 1000)
    is_same_day = dt.datetime.fromtimestamp(moment / 1000, zone).date() == day
    (ours,) = canonical.of_source(t.DATE, DAY, [int(start.timestamp() * 1000)], zone)
    (theirs,) = canonical.of_table(t.DATE, DAY, [moment], zone)
    assert (ours == theirs) == is_same_day


def test_a_url_given_as_text_compares_the_link_only() -> None:
    read = [{"text": "a title that a person wrote", "link": "https://x"}]
    written = [{"text": "https://x", "link": "https://x"}]
    assert canonical.of_table(t.URL, ADDRESS, read, ZONE) == canonical.of_source(
        t.URL, ADDRESS, written, ZONE
    )
    assert canonical.of_table(t.URL, EXACT, read, ZONE) != canonical.of_source(t.URL, EXACT, written, ZONE)


def test_attachments_with_name_and_size_are_compared_by_these() -> None:
    read = [[{"file_token": "new", "name": "a.pdf", "size": 7, "url": "https://x"}]]
    written = [[{"file_token": "old", "name": "a.pdf", "size": 7}]]
    assert canonical.of_table(t.ATTACHMENT, NAMED, read, ZONE) == canonical.of_source(
        t.ATTACHMENT, NAMED, written, ZONE
    )
    read[0][0]["size"] = 8
    assert canonical.of_table(t.ATTACHMENT, NAMED, read, ZONE) != canonical.of_source(
        t.ATTACHMENT, NAMED, written, ZONE
    )


def test_a_shape_that_is_not_documented_differs_from_any_value() -> None:
    read = [{"surprise": 1}, 3]
    assert canonical.of_table(t.NUMBER, EXACT, read, ZONE) == [{"unreadable": {"surprise": 1}}, 3.0]


def test_equal_digests_mean_equal_vectors() -> None:
    assert len(set(compute_digests([(1.0, None, ["a"]), (1.0, None, ["a"])]))) == 1
    assert len(set(compute_digests([(float(n), "x") for n in range(5000)]))) == 5000
