"""Stubs: what they match, what they answer, and what is refused because no request could ever match it."""

from __future__ import annotations

import json
import string
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator import Fault, Stub
from lark_emulator.exchange import Request
from lark_emulator.stubs.matching import holds
from lark_emulator.stubs.template import Values, fill

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

ACLS = "/open-apis/calendar/v4/calendars/:calendar_id/acls"


def request(method: str = "GET", path: str = "/a", body: Any = None, **headers: str) -> Request:
    content = b"" if body is None else json.dumps(body).encode()
    return Request(method, path, [("a", "1"), ("a", "2"), ("b", "")], headers, content)


@pytest.mark.parametrize(
    ("stub", "is_matched"),
    [
        ({"path": "/a"}, True),
        ({"path": "/a/"}, False),
        ({"path": "/A"}, False),
        ({"path": "/:x"}, True),
        ({"path": "*"}, True),
        ({"path": "/:x/:y"}, False),
        ({"method": "post", "path": "/a"}, False),
        ({"method": "get", "path": "/a"}, True),
        ({"path": "/a", "query": {"a": "2"}}, True),
        ({"path": "/a", "query": {"a": "*"}}, True),
        ({"path": "/a", "query": {"b": ""}}, True),
        ({"path": "/a", "query": {"c": "*"}}, False),
        ({"path": "/a", "query": {"a": "[12]"}}, False),
        ({"path": "/a", "headers": {"X-Kind": "k*"}}, True),
        ({"path": "/a", "headers": {"X-Kind": "K*"}}, False),
    ],
)
def test_what_a_stub_matches(stub: dict[str, Any], *, is_matched: bool) -> None:
    path_values = Stub.from_plan({"match": stub}).path_values(request(**{"x-kind": "kind"}))
    assert (path_values is not None) == is_matched


@pytest.mark.parametrize(
    ("wanted", "is_held"),
    [
        ({"a": 1}, True),
        ({"a": True}, False),
        ({"a": 1.0}, True),
        ({"b": {"c": [1, {"d": "x"}]}}, True),
        ({"b": {"c": [1]}}, False),
        ({"gone": None}, True),
        ({"a": None}, False),
        ({"content": {"text": "hi"}}, True),
        ({"content": {"text": "ho"}}, False),
        ([], False),
    ],
)
def test_which_bodies_hold_what_is_wanted(wanted: Any, *, is_held: bool) -> None:
    body = {"a": 1, "b": {"c": [1, {"d": "x", "e": 2}]}, "content": '{"text": "hi"}'}
    assert holds(body, wanted) == is_held


# `{{}}` is a placeholder, though one that no stub may have.
TEXT = st.text("ab{}*", max_size=4).filter(lambda text: text != "{{}}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_every_value_holds_itself_and_an_answer_without_placeholders_stays(value: Any) -> None:
    assert holds(value, value)
    assert holds({"outer": value, "more": 1}, {"outer": value})
    assert orjson.loads(orjson.dumps(fill(value, Values({}, {}, {}, None, 1, 0)))) == value


def test_an_answer_is_filled_from_the_request(api: Api, lark: Emulator) -> None:
    lark.stub(
        "POST",
        ACLS,
        json={
            "code": 0,
            "data": {
                "id": "{{id.evt_}}",
                "again": "{{id.evt_}}",
                "calendar": "{{path.calendar_id}}",
                "size": "{{query.size}} of {{query.none}}.",
                "name": "Copy of {{body.summary}}",
                "whole": "{{body.attendees}}",
                "second": "{{body.attendees.1.id}}",
                "nothing": "{{body.x.y}}",
                "n": "{{counter}}",
                "now": "{{now_ms}}",
            },
        },
        answer_headers={"X-Kind": "{{header.x-kind}}", "Content-Type": "application/json"},
    )
    body = {"summary": "会议", "attendees": [{"id": "a"}, {"id": "b"}]}
    path = ACLS.replace(":calendar_id", "c%201")
    answers = [
        api.http.post(path, json=body, params={"size": "3"}, headers={"X-Kind": "a\tb"}) for _ in range(2)
    ]
    data = answers[1].json()["data"]
    assert data["id"] == data["again"]
    assert data["id"].startswith("evt_")
    assert data["id"] != answers[0].json()["data"]["id"]
    assert (data["size"], data["name"], data["second"]) == ("3 of .", "Copy of 会议", "b")
    assert (data["whole"], data["nothing"], data["n"]) == (body["attendees"], None, 2)
    assert abs(data["now"] - lark.state(summary=True)["now"] * 1000) < 60_000
    assert answers[1].headers["x-kind"] == "a\tb"


def test_stubs_win_over_what_is_emulated_and_over_501_and_the_newest_first(api: Api, lark: Emulator) -> None:
    assert api("GET", "/calendar/v4/calendars/c/acls")["http"] == 501
    with lark.stubbed(
        Stub(method="GET", path=ACLS, json={"code": 0, "data": "first"}, times=1),
        Stub(method="GET", path=ACLS, json={"code": 0, "data": "then"}),
        Stub(path="/open-apis/bot/*", status=418, text="a teapot"),
    ) as ids:
        said = [api("GET", "/calendar/v4/calendars/c/acls")["data"] for _ in range(3)]
        assert said == ["first", "then", "then"]
        assert api.http.get("/open-apis/bot/v3/info").status_code == 418
        lark.stub("GET", ACLS, json={"data": "newest"})
        assert api("GET", "/calendar/v4/calendars/c/acls")["data"] == "newest"
        entry = lark.requests()[-3]
        assert (entry["answered_by"], entry["performed"], entry["route"]) == (
            f"stub {ids[1]}",
            True,
            f"GET {ACLS}",
        )
    assert api("GET", "/bot/v3/info")["code"] == 0
    assert [stub["used"] for stub in lark.stubs()] == [1]
    lark.clear_stubs()
    assert api("GET", "/calendar/v4/calendars/c/acls")["http"] == 501
    assert lark.state(summary=True)["not_emulated"] == {f"GET {ACLS}": 2}


def test_faults_strike_stubs_too(api: Api, lark: Emulator) -> None:
    lark.stub("GET", ACLS, json={"code": 0})
    lark.add_faults(Fault(path=ACLS, code=99991400, status=429), Fault(path=ACLS, drop="after"))
    assert api("GET", "/calendar/v4/calendars/c/acls")["code"] == 99991400
    assert lark.unused_stubs()
    with pytest.raises(Exception, match="disconnected"):
        api("GET", "/calendar/v4/calendars/c/acls")
    assert lark.unused_stubs() == []
    with pytest.raises(ValueError, match="needs one of"):
        lark.add_faults(Fault())


def test_over_http_they_are_listed_removed_and_counted_again(api: Api, lark: Emulator) -> None:
    plan = {"match": {"method": "GET", "path": "/open-apis/x"}, "answer": {"text": "once"}, "times": 1}
    (added,) = api.http.post("/_emulator/stubs", json=plan).json()["stubs"]
    assert added == {**plan, "answer": {"status": 200, "text": "once"}, "id": added["id"], "used": 0}
    assert lark.state(summary=True)["unused_stubs"] == [added]
    assert [api.http.get("/open-apis/x").status_code for _ in range(2)] == [200, 404]
    api.http.post("/_emulator/stubs/reset")
    assert api.http.get("/open-apis/x").text == "once"
    answer = api.http.delete("/_emulator/stubs", params={"id": "99"})
    assert "no stub has the id 99" in answer.json()["error"]
    assert api.http.delete("/_emulator/stubs", params={"id": added["id"]}).json() == {"stubs": []}
    bad = {"stubs": [plan, {**plan, "times": 0}]}
    assert "stub 1: 'times'" in api.http.post("/_emulator/stubs", json=bad).json()["error"]
    assert lark.stubs() == []


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({}, "needs 'match'"),
        ({"match": {}}, "needs 'match'"),
        ({"match": []}, "must be an object"),
        ({"match": {"paths": "/"}}, "unknown member 'paths' in 'match'"),
        ({"match": {"path": "open-apis/x"}}, "begin it with /"),
        ({"match": {"path": "/x?a=1"}}, "as 'query'"),
        ({"match": {"path": "/x#y"}}, "as 'query'"),
        ({"match": {"path": "/_emulator/state"}}, "the emulator's own"),
        ({"match": {"path": "/:a/:a"}}, "twice"),
        ({"match": {"path": 1}}, "no request has the path 1"),
        ({"match": {"path": "/x", "method": "FETCH"}}, "no request has the method 'FETCH'"),
        ({"match": {"path": "/x", "method": "GET", "body": {}}}, "has no body"),
        ({"match": {"path": "/x", "query": {"a": 1}}}, "'query' must map names to strings"),
        ({"match": {"path": "/x", "headers": []}}, "'headers' must map"),
        ({"match": {"path": "/x"}, "answers": {}}, "unknown member 'answers'"),
        ({"match": {"path": "/x"}, "answer": {"json": 1, "text": "2"}}, "one body"),
        ({"match": {"path": "/x"}, "answer": {"status": 99}}, "200 to 599"),
        ({"match": {"path": "/x"}, "answer": {"status": True}}, "200 to 599"),
        ({"match": {"path": "/x"}, "answer": {"status": 204, "text": "x"}}, "has no body"),
        ({"match": {"path": "/x"}, "answer": {"text": "{{bodyy}}"}}, "unknown placeholder {{bodyy}}"),
        ({"match": {"path": "/x"}, "answer": {"json": [{"a": "{{x}}"}]}}, "'template': false"),
        ({"match": {"path": "/x"}, "answer": {"headers": {"A": "1\r\nB: 2"}}}, "cannot have the value"),
        ({"match": {"path": "/x"}, "answer": {"headers": {"Content-Length": "1"}}}, "cannot have the header"),
        ({"match": {"path": "/x"}, "times": 0}, "'times'"),
        ({"match": {"path": "/x"}, "times": 1.5}, "'times'"),
        ({"match": {"path": "/x"}, "delay_ms": -1}, "'delay_ms'"),
        ({"match": {"path": "/x"}, "delay_ms": 1e300}, "'delay_ms'"),
        ({"stubs": {}}, "must be a list"),
        ({"stubs": [1]}, "stub 0: a stub must be an object"),
    ],
)
def test_what_can_match_nothing_or_cannot_be_sent_is_refused(api: Api, plan: Any, said: str) -> None:
    answer = api.http.post("/_emulator/stubs", json=plan)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text
    assert api.http.get("/_emulator/stubs").json() == {"stubs": []}


def test_what_comes_from_a_request_cannot_end_a_header_or_break_an_answer(api: Api, lark: Emulator) -> None:
    lark.stub("*", "/open-apis/:x", json="{{body}}", answer_headers={"X-Path": "<{{path.x}}>"})
    answer = api.http.get("/open-apis/a%0D%0ASet-Cookie:%20a=b%E4%BC%9A")
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-path"].startswith("<a??Set-Cookie: a=b")
    deep: Any = "x"
    for _ in range(253):
        deep = [deep]
    assert api.http.post("/open-apis/x", json=deep).json() == deep
    answer = api.http.post("/open-apis/x", content=b"[" * 600 + b"]" * 600)
    assert (answer.status_code, "cannot be sent" in answer.text) == (500, True)
    assert lark.state(summary=True)["crashes"] == 0


def test_a_template_can_be_turned_off(api: Api, lark: Emulator) -> None:
    lark.stub("GET", "/open-apis/x", json={"card": "{{name}}"}, template=False)
    assert api.http.get("/open-apis/x").json() == {"card": "{{name}}"}
    assert lark.stubs()[0]["answer"]["template"] is False


@given(st.text(string.printable, max_size=30), JSON)
def test_whatever_stands_in_a_stub_is_taken_or_refused_with_a_sentence(text: str, value: Any) -> None:
    for plan in (
        {"match": {"path": text}},
        {"match": value},
        {"match": {"path": "/x", "body": value}, "answer": value},
        {"match": {"path": "/x"}, "answer": {"json": value, "headers": {text: text}}},
        value,
    ):
        with suppress(ValueError):
            stub = Stub.from_plan(plan)
            again = {name: said for name, said in stub.to_dict().items() if name not in ("id", "used")}
            assert Stub.from_plan(again) == stub
