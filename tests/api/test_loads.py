"""What loads compute: digests, first differences, filters, the likeness of rows and records."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc import field_types as types
from lark_provider.api.clouddoc.loads.chunks import encode_chunk, find_first_difference, read_rows
from lark_provider.api.clouddoc.loads.leasing import compute_wait
from lark_provider.api.clouddoc.loads.likeness import compute_likeness
from lark_provider.api.clouddoc.loads.searching import make_filters
from lark_provider.protocol.ledger import Lease
from lark_provider.protocol.redact import mask_addresses

Rows = list[dict[str, Any]]
values = st.one_of(
    st.text(max_size=20), st.integers(-(2**53), 2**53), st.booleans(), st.lists(st.text(max_size=5))
)
rows = st.lists(st.dictionaries(st.text(max_size=8), values, max_size=5), min_size=1, max_size=20)


@settings(deadline=None)
@given(rows)
def test_a_body_holds_its_rows_whatever_the_order_of_their_columns(given_rows: Rows) -> None:
    chunk = encode_chunk(given_rows, 1, frozenset(), None)
    turned = encode_chunk([dict(reversed(row.items())) for row in given_rows], 1, frozenset(), None)
    assert read_rows(chunk.body) == given_rows
    assert (chunk.body, chunk.digest, chunk.row_sums) == (turned.body, turned.digest, turned.row_sums)
    assert orjson.loads(chunk.body) == {"records": [{"fields": row} for row in given_rows]}


@settings(deadline=None)
@given(rows, st.data())
def test_the_first_row_that_differs_is_found(given_rows: Rows, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(given_rows) - 1))
    changed = [*given_rows[:at], {"changed": "certainly a new value"}, *given_rows[at + 1 :]]
    old, new = encode_chunk(given_rows, 1, frozenset(), None), encode_chunk(changed, 1, frozenset(), None)
    assert old.digest != new.digest
    assert find_first_difference(old.row_sums, new.row_sums) == at
    shorter = encode_chunk(given_rows[:at] or [{}], 1, frozenset(), None)
    if at:
        assert find_first_difference(old.row_sums, shorter.row_sums) == at


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=60), min_size=1, max_size=3), max_size=120))
def test_filters_stay_within_larks_limits_and_leave_no_row_out(keys: list[list[str]]) -> None:
    conditions = [[[f"Field {n}", [text]] for n, text in enumerate(row)] for row in keys]
    filters = make_filters(conditions)
    collected = []
    for filter_info in filters:
        assert len(orjson.dumps(filter_info)) <= 2000
        nested = [child["conditions"] for child in filter_info.get("children", [])]
        single = [[condition] for condition in filter_info.get("conditions", [])]
        assert sum(map(len, nested + single)) <= 50
        collected += [[[c["field_name"], c["value"]] for c in part] for part in nested + single]
    assert collected == conditions


TYPES = {
    "T": types.TEXT, "N": types.NUMBER, "S": types.SINGLE_SELECT, "M": types.MULTI_SELECT, "D": types.DATE,
    "C": types.CHECKBOX, "U": types.URL, "P": types.PERSON,
}  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"T": "a b"}, {"T": [{"type": "text", "text": "a"}, {"type": "text", "text": " b"}]}),
        ({"T": " padded "}, {"T": "padded"}),
        ({"N": 1}, {"N": 1.0}),
        ({"N": 0.1 + 0.2}, {"N": 0.3}),
        ({"M": ["b", "a"]}, {"M": ["a", "b"]}),
        ({"D": 1700000000000}, {"D": 1700000000000}),
        ({"C": False}, {}),
        ({"T": ""}, {}),
        ({"M": []}, {}),
        ({"U": {"link": "https://x", "text": "x"}}, {"U": {"link": "https://x", "text": "another"}}),
        ({"P": [{"id": "ou_1"}], "S": "a"}, {"P": [{"id": "ou_1", "name": "Ann"}], "S": "a"}),
    ],
)
def test_a_row_is_like_the_record_that_it_became(sent: dict[str, Any], read: dict[str, Any]) -> None:
    assert compute_likeness(sent, TYPES, list(TYPES)) == compute_likeness(read, TYPES, list(TYPES))


def test_other_values_and_other_cells_are_not_alike() -> None:
    names = ["T", "N"]
    assert compute_likeness({"T": "a"}, TYPES, names) != compute_likeness({"T": "b"}, TYPES, names)
    assert compute_likeness({"T": "1"}, TYPES, names) != compute_likeness({"N": 1}, TYPES, names)
    assert compute_likeness({"T": "a", "S": "x"}, TYPES, names) == compute_likeness(
        {"T": "a", "S": "y"}, TYPES, names
    )


@pytest.mark.parametrize(("passed", "pause"), [(0.0, 30.0), (10.0, 20.0), (15.0, 0.0), (31.0, 0.0)])
def test_only_a_call_that_ended_early_is_waited_for(passed: float, pause: float) -> None:
    lease, renewed = Lease("t", "o", 100.0), Lease("t", "o", 100.0 + passed)
    assert compute_wait(lease, renewed, 30.0) == pause


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ann@example.com", "***@example.com"),
        (
            "https://open.feishu.cn\ncli_1\nmessage\nann.b+c@mail.example.com\nd\nr",
            "https://open.feishu.cn\ncli_1\nmessage\n***@mail.example.com\nd\nr",
        ),
        ("+8613800138000", "***00"),
        ("orders of 2026-11-24", "orders of 2026-11-24"),
        ("oc_1@2", "oc_1@2"),
    ],
)
def test_addresses_are_masked(text: str, masked: str) -> None:
    assert mask_addresses(text) == masked


def test_addresses_are_masked_in_a_key_of_a_million_characters() -> None:
    """It took hours, and held the interpreter meanwhile."""
    long = "k" * 1_000_000
    assert mask_addresses(f"{long} {long}@example.com") == f"{long} ***@example.com"


cells = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text() | st.sampled_from(['}},{"fields":{', "},{"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text() | st.just("fields"), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=3) | st.just("fields"), cells, max_size=3), min_size=1, max_size=4
    )
)
@example([{"a": [{"fields": {"b": {}}}, {"fields": {}}]}, {}])
def test_a_chunk_is_encoded_as_its_rows_are_one_by_one(given_rows: Rows) -> None:
    """Loads that an earlier version began are recognized by the digests of their rows."""
    chunk = encode_chunk(given_rows, 1, frozenset(), None)
    encoded_rows = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in given_rows]
    joined = b'},{"fields":'.join(encoded_rows)
    assert chunk.body == b'{"records":[{"fields":' + joined + b"}]}"
    assert chunk.digest == hashlib.blake2b(joined, digest_size=32).hexdigest()
    assert chunk.row_sums == b"".join(zlib.crc32(row).to_bytes(4, "big") for row in encoded_rows)
