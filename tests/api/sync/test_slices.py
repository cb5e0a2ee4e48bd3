"""Pages whose records are parsed slice by slice: always what parsing the whole answer gives."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.sync.slices import Slices, slice_page

NAMES = st.sampled_from(["fields", "record_id", "items", "data", '"items":[', "},{", "\\"]) | st.text()
TEXTS = st.sampled_from(["},{", '},{"fields":{', '\\"},{"', "\\", '"items":[', "]}", "记录"]) | st.text()
CELLS = st.recursive(
    TEXTS | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(NAMES, CELLS, max_size=4), max_size=6)
SIZES = st.integers(0, 60)


def shuffle(members: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.permutations(list(members.items())).map(dict)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    further = st.dictionaries(NAMES, CELLS, max_size=2)
    data = draw(further) | {"has_more": True, "total": 3, "page_token": draw(TEXTS), "items": draw(RECORDS)}
    return draw(shuffle(draw(further) | {"code": 0, "msg": "success", "data": draw(shuffle(data))}))


def encode(answer: object, way: str) -> bytes:
    if way == "orjson":
        return orjson.dumps(answer)
    indent, separators = (2, None) if way == "indented" else (None, (",", ":") if way == "escaped" else None)
    return json.dumps(answer, indent=indent, separators=separators).encode()


WAYS = st.sampled_from(["orjson", "indented", "spaced", "escaped"])


def together(data: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(data["items"], Slices)
    try:
        return data | {"items": [record for some in data["items"] for record in some]}
    except orjson.JSONDecodeError:
        return data["items"].parse_whole()


@given(answers(), WAYS, SIZES)
def test_slices_are_what_the_whole_answer_is(answer: dict[str, Any], way: str, size: int) -> None:
    content = encode(answer, way)
    page_data = slice_page(content, size)
    assert page_data is None or together(page_data) == orjson.loads(content)["data"]


@given(answers(), SIZES, st.data())
def test_what_is_changed_on_the_way_is_never_taken_for_a_page(
    answer: dict[str, Any], size: int, data: st.DataObject
) -> None:
    content = bytearray(orjson.dumps(answer))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 9))] = data.draw(
        st.sampled_from([b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"},{", b"0", b"\xff"])
    )
    page_data = slice_page(bytes(content), size)
    if page_data is None:
        return
    try:
        whole = orjson.loads(bytes(content))["data"]
    except orjson.JSONDecodeError:
        with pytest.raises(orjson.JSONDecodeError):
            together(page_data)
    else:
        assert together(page_data) == whole


def make_page(records: list[Any], **further: Any) -> bytes:
    data = {"has_more": False, "items": records, "total": len(records)} | further
    return orjson.dumps({"code": 0, "data": data, "msg": "success"})


RECORD = {"fields": {"Name": [{"text": 'a "},{"fields":{" \\', "type": "text"}]}, "record_id": "rec1"}


def sizes(content: bytes, size: int) -> list[int]:
    page_data = slice_page(content, size)
    assert page_data is not None
    return [len(some) for some in page_data["items"]]


def test_a_page_of_lark_is_cut_between_its_records() -> None:
    assert sizes(make_page([RECORD] * 7), 0) == [1] * 7
    assert sizes(make_page([RECORD] * 7), 100) == [2, 2, 2, 1]
    assert sizes(make_page([dict(reversed(RECORD.items()))] * 7), 0) == [1] * 7
    assert sizes(make_page([]), 0) == []
    assert max(sizes(make_page([RECORD] * 500), 16 * 1024)) < 500


def test_a_cut_within_a_cell_and_a_further_array_leave_it_to_the_whole_answer() -> None:
    nested = {"fields": {"Parts": [{"fields": {}}, {"fields": {}}]}, "record_id": "rec2"}
    for content in (
        make_page([RECORD, RECORD, nested, RECORD]),
        make_page([RECORD, RECORD], further=["behind the items"]),
        make_page([RECORD, RECORD], further=[{"page_token": "not of the page"}], page_token="p2"),
    ):
        with pytest.raises(orjson.JSONDecodeError):
            sizes(content, 0)
        page_data = slice_page(content)
        assert page_data is not None
        assert together(page_data) == orjson.loads(content)["data"]


def test_cells_that_are_lists_of_dicts_are_not_cut() -> None:
    files = {"fields": {"Files": [{"name": "a"}, {"name": "b"}]}, "record_id": "rec2"}
    assert sizes(make_page([files] * 4), 0) == [1] * 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b'{"code":1254043,"data":{"items":[]},"msg":"RecordIdNotFound"}',
        b'{"code":0.0,"data":{"items":[]}}',
        b'{"data":{"items":[]}}',
        b'{"code":0,"data":null}',
        b'{"code":0,"data":{"items":null}}',
        b'{"code":0,"x":[],"data":{"items":[',
        b'{"code":0,"data":{"other":{"items":[{}]},"items" : []}}',
        b'{"code":0,"data":{"other":{"items":[0]},"items" : []}}',
        b'{"code":0,"data":{"items" : [0],"other":{"items":[]}}}',
        make_page([RECORD] * 3)[:-1],
        make_page([RECORD] * 3)[:-40],
    ],
)
def test_any_other_answer_is_parsed_as_a_whole(content: bytes) -> None:
    assert slice_page(content) is None
