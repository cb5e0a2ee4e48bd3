"""Requests that Lark performs although their client got no answer, or a proxy's, or gave up before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator.clock import Clock
from lark_emulator.exchange import Request
from lark_emulator.late import LateRequests

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

BATCH = "*/records/batch_create"
TOKENS = [f"3f2504e0-4f89-41d3-9a0c-0305e82c330{n}" for n in range(4)]
HTML = "<html><body>502 Bad Gateway</body></html>"


def make_rows(*texts: str) -> list[Any]:
    return [{"fields": {"Text": text}} for text in texts]


def read_texts(sheet: Sheet) -> list[str]:
    return [item["fields"]["Text"][0]["text"] for item in sheet.search()["data"]["items"]]


def add_and_lose(sheet: Sheet, *names: str, **query: Any) -> None:
    with pytest.raises(httpx.TransportError):
        sheet.add_many(make_rows(*names), **query)


def test_a_late_request_is_performed_when_its_time_has_come(sheet: Sheet, lark: Emulator) -> None:
    lark.fault(path=BATCH, drop="late", late_s=60)
    add_and_lose(sheet, "a", "b")
    assert read_texts(sheet) == []
    entry = next(request for request in lark.requests() if request["dropped"])
    assert (entry["dropped"], entry["performed"], entry["status"]) == ("late", False, None)
    assert lark.state(summary=True)["late_waiting"] == 1
    lark.advance(59)
    assert read_texts(sheet) == []
    lark.advance(2)
    assert read_texts(sheet) == ["a", "b"]
    (late,) = lark.late_requests()
    assert (late["performed"], late["code"]) == (True, 0)
    assert late["due"] - late["came"] == pytest.approx(60)


def test_late_requests_are_performed_in_the_order_in_which_they_are_due(sheet: Sheet, lark: Emulator) -> None:
    for seconds in (30, 10, 30):
        lark.fault(path=BATCH, drop="late", late_s=seconds)
    for name in ("third", "first", "fourth"):
        add_and_lose(sheet, name)
    lark.advance(20)
    sheet.add({"Text": "second"})
    lark.advance(20)
    assert read_texts(sheet) == ["first", "second", "third", "fourth"]


def test_what_is_due_at_the_same_time_is_performed_in_the_order_of_arrival() -> None:
    clock = Clock()
    late, done = LateRequests(clock), []
    at = clock.get_time()
    clock.get_time = lambda: at  # type: ignore[method-assign] # the same instant for all
    for number in range(50):

        def perform(number: int = number) -> int:
            done.append(number)
            return 0

        late.add(Request("POST", "/", [], {}, b""), 5, perform)
    clock.get_time = lambda: at + 5  # type: ignore[method-assign]
    clock.ring()
    assert done == list(range(50))


def test_a_late_request_by_real_time(sheet: Sheet, lark: Emulator) -> None:
    lark.fault(path=BATCH, drop="late", late_s=0.05)
    add_and_lose(sheet, "a")
    while not lark.late_requests()[0]["performed"]:
        pass
    assert read_texts(sheet) == ["a"]


def test_a_late_request_that_is_refused_changes_nothing(sheet: Sheet, lark: Emulator) -> None:
    lark.fault(path=BATCH, drop="late", late_s=1, times=2)
    with pytest.raises(httpx.TransportError):
        sheet.add_many([{"fields": {"Nope": 1}}])
    lark.revoke_tokens()  # refused before it could wait
    add_and_lose(sheet, "a")
    lark.advance(2)
    sheet.api.login()
    assert read_texts(sheet) == []
    assert [late["code"] for late in lark.late_requests()] == [1254045]


def test_a_late_request_does_not_meet_the_lock_of_its_table(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(write_ms=20)
    lark.fault(path=BATCH, drop="late", late_s=1)
    add_and_lose(sheet, "a")
    lark.advance(2)
    assert (read_texts(sheet), sheet.add({"Text": "b"})["code"]) == (["a"], 0)


def test_a_repeat_with_the_same_token_stands_for_the_late_request(sheet: Sheet, lark: Emulator) -> None:
    lark.fault(path=BATCH, drop="late", late_s=60)
    add_and_lose(sheet, "a", client_token=TOKENS[0])
    assert sheet.add_many(make_rows("a"), client_token=TOKENS[0])["code"] == 0
    lark.advance(61)
    assert read_texts(sheet) == ["a"]


def test_a_late_request_is_doubled_once_its_token_is_forgotten(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(client_token_window=30)
    lark.fault(path=BATCH, drop="late", late_s=60)
    add_and_lose(sheet, "a", client_token=TOKENS[0])
    assert sheet.add_many(make_rows("a"), client_token=TOKENS[0])["code"] == 0
    lark.advance(61)
    assert read_texts(sheet) == ["a", "a"]


def test_a_repeat_of_a_waiting_request_can_be_refused(sheet: Sheet, lark: Emulator) -> None:
    lark.settings(client_token_waiting="1254608")
    lark.fault(path=BATCH, drop="late", late_s=60)
    add_and_lose(sheet, "a", client_token=TOKENS[0])
    answer = sheet.add_many(make_rows("a"), client_token=TOKENS[0])
    assert (answer["code"], answer["http"]) == (1254608, 403)
    assert sheet.add_many(make_rows("b"), client_token=TOKENS[1])["code"] == 0
    lark.advance(61)
    assert read_texts(sheet) == ["b", "a"]
    assert sheet.add_many(make_rows("a"), client_token=TOKENS[0])["code"] == 0
    assert read_texts(sheet) == ["b", "a"]


@pytest.mark.parametrize(
    ("perform", "now", "then"), [(None, [], []), ("first", ["a"], ["a"]), ("late", [], ["a"])]
)
def test_a_proxys_502_before_after_or_while_the_write_is_done(
    sheet: Sheet, lark: Emulator, perform: str | None, now: list[str], then: list[str]
) -> None:
    late_s = 5 if perform == "late" else None
    lark.fault(path=BATCH, status=502, body=HTML, perform=perform, late_s=late_s)
    answer = sheet.api.http.post(
        f"/open-apis{sheet.path}/records/batch_create", json={"records": make_rows("a")}
    )
    assert (answer.status_code, answer.text) == (502, HTML)
    assert read_texts(sheet) == now
    lark.advance(6)
    assert read_texts(sheet) == then


@pytest.mark.parametrize(("code", "status"), [(1254290, 200), (1254291, 200), (1254607, 400), (1255040, 504)])
def test_codes_of_bitable_come_as_their_pages_say(
    sheet: Sheet, lark: Emulator, code: int, status: int
) -> None:
    lark.fault(path=BATCH, code=code, perform="first", headers={"X-Who": "fault"})
    answer = sheet.api.http.post(
        f"/open-apis{sheet.path}/records/batch_create", json={"records": make_rows("a")}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["msg"] != "injected by the emulator"
    assert answer.json()["error"]["log_id"] == answer.headers["x-tt-logid"]
    assert answer.headers["x-who"] == "fault"
    assert read_texts(sheet) == ["a"]


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({"drop": "late"}, "late_s"),
        ({"drop": "after", "late_s": 5}, "late_s"),
        ({"status": 502, "perform": "late"}, "late_s"),
        ({"status": 502, "perform": "later"}, "perform"),
        ({"drop": "late", "late_s": 5, "perform": "late"}, "perform"),
        ({"delay_ms": 5, "perform": "first"}, "perform"),
        ({"drop": "late", "late_s": -1}, "late_s"),
    ],
)
def test_bad_plans_are_named(lark: Emulator, plan: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        lark.fault(**plan)
