"""Record events are read and their values decoded, whatever Lark puts in them."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.clouddoc.record_events import EventValues, RecordsChanged, parse_change

FIELDS: list[Field] = [
    {"field_id": "f1", "field_name": "Text", "type": 1},
    {"field_id": "f2", "field_name": "Sum", "type": 2},
    {
        "field_id": "f3",
        "field_name": "State",
        "type": 3,
        "property": {"options": [{"id": "optK9Y3D7F", "name": "open"}, {"id": "opt2", "name": "12"}]},
    },
    {
        "field_id": "f4",
        "field_name": "Tags",
        "type": 4,
        "property": {"options": [{"id": "optA", "name": "a"}]},
    },
    {"field_id": "f5", "field_name": "Due", "type": 5},
    {"field_id": "f7", "field_name": "Done", "type": 7},
    {"field_id": "f11", "field_name": "Who", "type": 11},
    {"field_id": "f13", "field_name": "Phone", "type": 13},
    {"field_id": "f15", "field_name": "Link", "type": 15},
    {"field_id": "f1005", "field_name": "Number", "type": 1005},
]
VALUES = EventValues(FIELDS)


def make_item(field_id: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"field_id": field_id, "field_value": value, **more}


def test_values_are_typed_by_their_fields() -> None:
    person = {"user_id": {"open_id": "ou_1", "union_id": "on_1"}, "name": "Bob", "en_name": "Bob"}
    decoded = VALUES.decode(
        [
            make_item("f1", '[{"type":"text","text":"a"},{"type":"mention","text":"@b"}]'),
            make_item("f2", "666"),
            make_item("f3", "optK9Y3D7F"),
            make_item("f4", '["optA","optGone"]'),
            make_item("f5", "1782268447000"),
            make_item("f7", "true"),
            make_item("f11", '{"users":[{"userId":"7"}]}', field_identity_value={"users": [person]}),
            make_item("f13", "13800000000"),
            make_item("f15", '[{"type":"url","text":"t","link":"https://x","csvText":"t"}]'),
            make_item("f1005", '[{"sequence":"1538","number":"SR26061538"}]'),
            make_item("gone", "x"),
        ]
    )
    assert decoded == {
        "Text": "a@b",
        "Sum": 666,
        "State": "open",
        "Tags": ["a", "optGone"],
        "Due": "2026-06-24T02:34:07+00:00",
        "Done": True,
        "Who": [{"id": "ou_1", "name": "Bob"}],
        "Phone": "13800000000",
        "Link": {"text": "t", "link": "https://x"},
        "Number": "SR26061538",
        "gone": "x",
    }
    assert VALUES.decode([make_item("f1", ""), make_item("f2", None)]) == {"Text": None, "Sum": None}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
IDS = st.sampled_from([str(field.get("field_id")) for field in FIELDS] + ["other"])


@given(IDS, JSON | JSON.map(json.dumps) | st.text(), JSON)
def test_no_value_is_lost_or_raises(field_id: str, value: Any, identity: Any) -> None:
    decoded = VALUES.decode([make_item(field_id, value, field_identity_value=identity)])
    assert len(decoded) == 1
    json.dumps(decoded)


@pytest.mark.parametrize(
    ("field_id", "value", "decoded"),
    [
        ("f2", "20000000000000000000", 2e19),
        ("f2", "Infinity", "Infinity"),
        ("f2", "1e999", "1e999"),
        ("f1", '[{"type":"text","text":"\\ud83d"}]', '[{"type":"text","text":"\\ud83d"}]'),
    ],
)
def test_what_no_asset_event_could_hold_stays_text_or_becomes_a_float(
    field_id: str, value: str, decoded: Any
) -> None:
    fields = VALUES.decode([make_item(field_id, value)])
    assert list(fields.values()) == [decoded]
    assert orjson.loads(orjson.dumps(fields)) == fields


@given(JSON)
def test_an_event_of_another_form_is_not_read(body: Any) -> None:
    event = {"file_token": "b", "table_id": "t", "action_list": body}
    change = parse_change(event)
    assert (change is None) is not isinstance(body, list)
    assert parse_change(body if isinstance(body, dict) else {}) is None
    parse_change({**event, "revision": body, "update_time": body, "operator_id": body, "action_list": [body]})


def read(*, revision: Any = 7, before: str = "1", subscribers: Any = ()) -> RecordsChanged:
    action = {
        "record_id": "rec1",
        "action": "record_edited",
        "before_value": [make_item("f2", before), make_item("f1", "same")],
        "after_value": [make_item("f2", "2"), make_item("f1", "same")],
    }
    change = parse_change(
        {
            "file_token": "b",
            "table_id": "t",
            "revision": revision,
            "update_time": 5,
            "subscriber_id_list": subscribers,
            "action_list": [action],
        }
    )
    assert change is not None
    return change


def test_one_write_is_known_under_two_event_ids_and_another_one_is_not() -> None:
    assert read().compute_key("e1") == read(subscribers=[1]).compute_key("e2")
    assert read().compute_key("e1") != read(revision=8).compute_key("e1")
    assert read().compute_key("e1") != read(before="3").compute_key("e1")
    assert read(revision=None).compute_key("e1") == "e1"
    assert read().changes[0].get_changed_ids() == {"f2"}
