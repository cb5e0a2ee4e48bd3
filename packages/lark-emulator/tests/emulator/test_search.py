from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

DAY = 24 * 3600 * 1000
NOON = 1_700_020_800_000  # 2023-11-15 12:00 in Shanghai


@pytest.fixture
def flights(sheet: Sheet) -> Sheet:
    for name, kind in (("Delay", 2), ("Carrier", 3), ("Tags", 4), ("Day", 5), ("Late", 7), ("Who", 11)):
        assert sheet.add_field(name, kind)["code"] == 0
    alice = [{"id": "ou_emulator0001_alice"}]
    rows: list[dict[str, Any]] = [
        {
            "Text": "UA1",
            "Delay": 5,
            "Carrier": "UA",
            "Tags": ["x", "y"],
            "Day": NOON,
            "Late": True,
            "Who": alice,
        },
        {"Text": "B62", "Delay": -3, "Carrier": "B6", "Tags": ["y"], "Day": NOON + DAY, "Late": False},
        {"Text": "UA3"},
    ]
    assert sheet.add_many([{"fields": row} for row in rows])["code"] == 0
    return sheet


def filter_by(name: str, operator: str, value: Any) -> dict[str, Any]:
    return {"filter": {"conditions": [{"field_name": name, "operator": operator, "value": value}]}}


def search_names(
    sheet: Sheet, *conditions: tuple[Any, ...], conjunction: str = "and", **body: Any
) -> list[str]:
    spelled = [{"field_name": f, "operator": o, "value": list(v)} for f, o, *v in conditions]
    answer = sheet.search({"filter": {"conjunction": conjunction, "conditions": spelled}, **body})
    assert answer["code"] == 0, answer
    return [item["fields"]["Text"][0]["text"] for item in answer["data"]["items"]]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (("Text", "is", "UA1"), ["UA1"]),
        (("Text", "isNot", "UA1"), ["B62", "UA3"]),
        (("Text", "contains", "UA"), ["UA1", "UA3"]),
        (("Text", "doesNotContain", "UA"), ["B62"]),
        (("Delay", "is", "5"), ["UA1"]),
        (("Delay", "isGreaterEqual", "-3"), ["UA1", "B62"]),
        (("Delay", "isLess", "0"), ["B62"]),
        (("Delay", "isEmpty"), ["UA3"]),
        (("Carrier", "isNotEmpty"), ["UA1", "B62"]),
        (("Tags", "is", "y"), ["B62"]),
        (("Tags", "contains", "y"), ["UA1", "B62"]),
        (("Late", "is", "true"), ["UA1"]),
        (("Who", "is", "ou_emulator0001_alice"), ["UA1"]),
        (("Day", "is", "ExactDate", str(NOON - DAY // 3)), ["UA1"]),
        (("Day", "isGreater", "ExactDate", str(NOON)), ["B62"]),
        (("Day", "isLess", "Today"), ["UA1", "B62"]),
        (("Day", "is", "CurrentWeek"), []),
        (("Delay", "isNot", "5"), ["B62", "UA3"]),
        (("Delay", "isGreater", "-3"), ["UA1"]),
        (("Delay", "isLessEqual", "-3"), ["B62"]),
        (("Carrier", "is", "UA"), ["UA1"]),
        (("Carrier", "contains", "UA", "B6"), ["UA1", "B62"]),
        (("Tags", "isNot", "y"), ["UA1", "UA3"]),
        (("Who", "isEmpty"), ["B62", "UA3"]),
        (("Who", "doesNotContain", "ou_emulator0001_alice"), ["B62", "UA3"]),
    ],
)
def test_operators(flights: Sheet, condition: tuple[Any, ...], names: list[str]) -> None:
    assert search_names(flights, condition) == names


@pytest.mark.parametrize(
    ("name", "operator", "value"),
    [
        ("Late", "is", ["yes"]),
        ("Late", "is", ["True"]),
        ("Late", "isNot", ["true"]),
        ("Text", "is", ["UA1", "B62"]),
        ("Text", "contains", ["UA1", "B62"]),
        ("Delay", "is", ["5", "6"]),
        ("Carrier", "is", ["UA", "B6"]),
        ("Tags", "isNot", ["x", "y"]),
        ("Who", "is", ["ou_emulator0001_alice", "ou_emulator0001_bob"]),
        ("Papers", "is", ["boxcn1"]),
        ("Sum", "is", ["1"]),
        ("Sum", "isEmpty", []),
        ("Seen", "contains", ["1"]),
    ],
)
def test_what_the_guide_to_filters_rules_out_is_refused(
    flights: Sheet, name: str, operator: str, value: list[str]
) -> None:
    for field, kind in (("Papers", 17), ("Seen", 19), ("Sum", 20)):
        assert flights.add_field(field, kind)["code"] == 0
    answer = flights.search(filter_by(name, operator, value))
    assert (answer["code"], answer["msg"][:13]) == (1254018, "InvalidFilter")


def test_a_page_token_is_good_for_its_own_search(flights: Sheet, lark: Emulator) -> None:
    flights.add_many([{"fields": {"Text": f"row {number}", "Delay": number}} for number in range(9)])
    late: dict[str, Any] = filter_by("Delay", "isGreater", ["1"])
    token = flights.search(late, page_size=2)["data"]["page_token"]
    assert flights.search(late, page_size=3, page_token=token)["code"] == 0, "the size may change"
    assert "page_token" not in flights.search(late, page_size=500)["data"], "the last page has none"
    others: list[dict[str, Any]] = [
        {},
        filter_by("Delay", "isGreater", ["2"]),
        {"sort": [{"field_name": "Text"}]},
    ]
    for body in others:
        assert flights.search(body, page_size=2, page_token=token)["code"] == 1254030
    assert flights.search(late, page_size=2, page_token=token, user_id_type="user_id")["code"] == 1254030
    lark.settings(foreign_pages="taken")
    assert flights.search({}, page_size=2, page_token=token)["code"] == 0


def test_conjunctions_children_sort_and_names(flights: Sheet) -> None:
    either = (("Text", "is", "UA1"), ("Delay", "is", "-3"))
    assert search_names(flights, *either) == []
    assert search_names(flights, *either, conjunction="or", sort=[{"field_name": "Delay"}]) == ["B62", "UA1"]
    late = {"conjunction": "and", "conditions": [{"field_name": "Late", "operator": "is", "value": ["true"]}]}
    nested = flights.search({"filter": {"conjunction": "or", "conditions": [], "children": [late]}})
    assert nested["data"]["total"] == 1
    ordered = flights.search({"sort": [{"field_name": "Delay", "desc": True}], "field_names": ["Text"]})
    assert [list(i["fields"]) for i in ordered["data"]["items"]] == [["Text"]] * 3
    assert ordered["data"]["items"][2]["fields"]["Text"][0]["text"] == "UA3"


def test_dates_are_days_and_spans_of_days(flights: Sheet) -> None:
    now = int(time.time() * 1000)
    flights.add({"Text": "now", "Day": now})
    for name in ("Today", "CurrentWeek", "TheLastWeek", "CurrentMonth", "TheLastMonth"):
        assert search_names(flights, ("Day", "is", name)) == ["now"], name
    assert flights.search(filter_by("Day", "isLess", ["CurrentWeek"]))["code"] == 1254018


def test_later_sorts_decide_between_equals(flights: Sheet) -> None:
    flights.add_many([{"fields": {"Text": name, "Carrier": "UA", "Delay": 1}} for name in ("b", "a")])
    sort = [{"field_name": "Carrier"}, {"field_name": "Delay"}, {"field_name": "Text", "desc": True}]
    rows = flights.search({"sort": sort})["data"]["items"]
    assert [row["fields"]["Text"][0]["text"] for row in rows] == ["b", "a", "UA1", "B62", "UA3"]


def test_running_numbers_sort_as_numbers(sheet: Sheet) -> None:
    assert sheet.add_field("No", 1005)["code"] == 0
    sheet.add_many([{"fields": {"Text": str(n)}} for n in range(1, 12)])
    rows = sheet.search({"sort": [{"field_name": "No", "desc": True}]})["data"]["items"]
    assert [row["fields"]["No"] for row in rows][:3] == ["11", "10", "9"]


def test_pages_cover_everything_once(flights: Sheet) -> None:
    flights.add_many([{"fields": {"Text": str(n)}} for n in range(40)])
    seen: list[str] = []
    token, more = "", True
    while more:
        answer = flights.search({}, page_size=20, **({"page_token": token} if token else {}))["data"]
        seen += [item["record_id"] for item in answer["items"]]
        token, more = answer.get("page_token"), answer["has_more"]
        assert answer["total"] == 43
    assert len(seen) == len(set(seen)) == 43


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (filter_by("No", "is", ["1"]), 1254018),
        (filter_by("Text", "like", ["1"]), 1254018),
        (
            {"filter": {"conditions": [{"field_name": "Text", "operator": "isEmpty", "value": ["1"]}]}},
            1254018,
        ),
        (filter_by("Text", "is", "1"), 1254018),
        (filter_by("Text", "is", [1]), 1254018),
        (filter_by("Text", "isLess", ["1"]), 1254018),
        ({"filter": {"conjunction": "xor"}}, 1254018),
        ({"sort": [{"field_name": "No"}]}, 1254016),
        ({"sort": {}}, 0),
        ({"sort": "Text"}, 1254016),
        ({"field_names": ["No"]}, 1254024),
        ({"view_id": "vewx"}, 1254042),
    ],
)
def test_bad_searches_are_refused_even_in_an_empty_table(sheet: Sheet, body: Any, code: int) -> None:
    assert sheet.search(body)["code"] == code


def test_page_sizes(sheet: Sheet) -> None:
    assert sheet.search({}, page_size=0)["code"] == 1254011
    assert sheet.search({}, page_size=501)["code"] == 99992402
    assert sheet.search({}, page_size="")["code"] == 0
    for token in ("junk", "cGFnZTotNQ=="):  # the second would begin before the first record
        answer = sheet.search({}, page_token=token)
        assert (answer["code"], answer["http"]) == (1254030, 200)
