"""The ids of created records, found in an answer without parsing it, or by parsing it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api.clouddoc.creating import batch_create, read_created_ids, skim
from lark_provider.errors import LarkAPIError, OutcomeUnknownError
from lark_provider.protocol import answers
from lark_provider.protocol.calls import LarkResponse
from lark_provider.protocol.effects import Response

NAMES = st.sampled_from(["Name", "record_id", '"record_id', '"record_id":"rec1"', "fields", "\\"]) | st.text()
TEXTS = st.sampled_from(['"record_id":"recx"', '{"record_id":"recx"}', '\\"record_id":"', "记录"]) | st.text()
CELLS = st.recursive(
    TEXTS | st.integers(0, 9) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.dictionaries(NAMES, CELLS, max_size=3)


def parse_ids(payload: object, count: int, *, status: int = 200, indent: bool = False) -> list[str]:
    call = batch_create("bascn1", "tbl1", b"{}", count, "token", "open_id")
    content = orjson.dumps(payload, option=orjson.OPT_INDENT_2 if indent else 0)
    answer = answers.read(call, Response(status, {"x-tt-logid": "log"}, content))
    if isinstance(answer, answers.RefusedAnswer):
        raise answer.error
    assert isinstance(answer, LarkResponse)
    return read_created_ids(answer, call, count)


def accept(rows: list[Any]) -> dict[str, Any]:
    return {"code": 0, "data": {"records": rows}, "msg": "success"}


@given(st.lists(FIELDS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_whatever_cells_hold_the_ids_are_those_of_the_records(
    fields: list[Any], is_first: bool, indent: bool
) -> None:
    def record(number: int, cells: Any) -> dict[str, Any]:
        name = {"record_id": f"rec{number}"}
        return {**name, "fields": cells} if is_first else {"fields": cells, "id": f"rec{number}", **name}

    rows = [record(number, cells) for number, cells in enumerate(fields)]
    assert parse_ids(accept(rows), len(rows), indent=indent) == [
        f"rec{number}" for number in range(len(rows))
    ]


def test_an_ordinary_answer_is_not_parsed() -> None:
    rows = [{"fields": {"Name": "a"}, "record_id": f"rec{number}"} for number in range(3)]
    content = orjson.dumps(accept(rows))
    assert skim(3)(content) == {"records": [{"record_id": f"rec{number}"} for number in range(3)]}
    rows[1]["fields"] = {"record_id": "rec9"}
    assert skim(3)(orjson.dumps(accept(rows))) is None
    assert skim(3)(orjson.dumps({"msg": "first", **accept(rows[:1])})) is None


@pytest.mark.parametrize(
    "row",
    [
        {"fields": {}, "record_id": "rec1"},
        {"fields": {"record_id": "old1"}, "record_id": "rec1"},
        {"fields": {'"record_id': "old1"}, "record_id": "rec1"},
        {"fields": {"fields": {}}, "record_id": "rec1"},
    ],
    ids=repr,
)
def test_an_answer_with_fewer_records_is_an_unknown_outcome(row: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknownError, match="2 records were sent, and the answer names 1"):
        parse_ids(accept([row]), 2)


@pytest.mark.parametrize("row", [None, {}, {"fields": {}}, {"fields": {}, "record_id": None}], ids=repr)
def test_a_record_without_an_id_is_an_unknown_outcome(row: object) -> None:
    with pytest.raises(OutcomeUnknownError, match="1 records were sent, and the answer names 0"):
        parse_ids(accept([row]), 1)


@pytest.mark.parametrize("end", [b',"code":1254290}', b"", b"}<html>"], ids=repr)
def test_an_answer_with_another_end_is_parsed(end: bytes) -> None:
    content = orjson.dumps(accept([{"fields": {}, "record_id": "rec1"}]))
    assert skim(1)(content) is not None
    assert skim(1)(content[:-1] + end) is None


def test_a_refusal_is_one_whatever_it_quotes() -> None:
    refused = {"code": 1254015, "msg": '"record_id":"rec1"', "data": {"record_id": "rec1"}}
    with pytest.raises(LarkAPIError) as caught:
        parse_ids(refused, 1)
    assert caught.value.code == 1254015
    with pytest.raises(LarkAPIError):
        parse_ids(accept([{"record_id": "rec1"}]), 1, status=502)
