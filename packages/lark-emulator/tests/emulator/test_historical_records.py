"""The historical list of records: its formulas, sorts and names of fields."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: A Wednesday.
TODAY = dt.datetime(2099, 11, 25, 9, tzinfo=SHANGHAI)

# Both as on Lark's page.
THIS_WEEK = (
    "AND(TODAY()-(WEEKDAY(TODAY(),2)-1)<=CurrentValue.[Day], "
    "CurrentValue.[Day]<=TODAY()+(7-WEEKDAY(TODAY(),2)))"
)
THIS_MONTH = (
    "AND(DATE(YEAR(TODAY()),MONTH(TODAY()),1)<=CurrentValue.[Day], "
    "CurrentValue.[Day]<=DATE(YEAR(TODAY()),MONTH(TODAY())+1,1)-1)"
)


def compute_ms(days: int) -> int:
    return int((TODAY + dt.timedelta(days=days)).timestamp() * 1000)


@pytest.fixture
def orders(lark: Emulator, sheet: Sheet) -> Sheet:
    lark.advance(TODAY.timestamp() - lark.state(summary=True)["now"])
    sheet.api.login()
    for name, kind in (("价格", 2), ("Day", 5), ("Paid", 7), ("Tags", 4), ("Who", 11)):
        assert sheet.add_field(name, kind)["code"] == 0
    who = [{"id": "ou_emulator0001_alice"}]
    rows: list[dict[str, Any]] = [
        {"Text": "003", "价格": 10.5, "Day": compute_ms(0), "Paid": True, "Tags": ["x", "y"], "Who": who},
        {"Text": "004", "价格": 9, "Day": compute_ms(-1), "Tags": ["x"]},
        {"Text": 'a"b', "价格": 100, "Day": compute_ms(30)},
        {"价格": -1},
    ]
    assert sheet.add_many([{"fields": row} for row in rows])["code"] == 0
    return sheet


def read(orders: Sheet, **query: Any) -> Any:
    return orders.api("GET", f"{orders.path}/records", **query)


@pytest.mark.parametrize(
    ("formula", "prices"),
    [
        ('CurrentValue.[Text] =""', [-1]),
        ('NOT(CurrentValue.[Text] ="")', [10.5, 9, 100]),
        ('CurrentValue.[Text] = "003"', [10.5]),
        ('CurrentValue.[Text]!="003"', [9, 100, -1]),
        (" CurrentValue.[价格] >= 10.5 ", [10.5, 100]),
        ("CurrentValue.[价格] = -1", [-1]),
        ("CurrentValue.[价格] = 0 - 1", [-1]),
        ('CurrentValue.[价格] = "9"', [9]),
        ('CurrentValue.[Text] <= "003"', [10.5]),
        ('CurrentValue.[Text] = "a\\"b"', [100]),
        ('CurrentValue.[Text].contains("00")', [10.5, 9]),
        ('NOT(CurrentValue.[Text].contains("003"))', [9, 100, -1]),
        ('CurrentValue.[Tags].contains("y")', [10.5]),
        ('CurrentValue.[Tags]="x"', [9]),
        ('CurrentValue.[Who]="李雷"', [10.5]),
        ("CurrentValue.[Paid]=TRUE", [10.5]),
        ("CurrentValue.[Paid]=FALSE()", [9, 100, -1]),
        ('CurrentValue.[Text]="004"||CurrentValue.[价格]>50', [9, 100]),
        ('CurrentValue.[Text]="004"&&CurrentValue.[价格]>50', []),
        ('AND(CurrentValue.[Text].contains("00"),CurrentValue.[Day]= TODAY())', [10.5]),
        ('OR(CurrentValue.[Text].contains("004"),(CurrentValue.[价格]<0))', [9, -1]),
        ("CurrentValue.[Day] = TODAY()-1", [9]),
        ("CurrentValue.[Day] > TODAY()+1", [100]),
        (THIS_WEEK, [10.5, 9]),
        (THIS_MONTH, [10.5, 9]),
        ("CurrentValue.[Day] = DATE(2099,12,25)", [100]),
        ("WEEKDAY(CurrentValue.[Day]) = 4 && DAY(CurrentValue.[Day]) = 25", [10.5]),
    ],
)
def test_formulas(orders: Sheet, formula: str, prices: list[float]) -> None:
    answer = read(orders, filter=formula)
    assert answer["code"] == 0, answer
    assert [item["fields"]["价格"] for item in answer["data"]["items"]] == prices
    assert answer["data"]["total"] == len(prices)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"filter": "CurrentValue.[No]=1"}, 1254018),
        ({"filter": "currentValue.[Text]=1"}, 1254018),
        ({"filter": 'CurrentValue.[Text]="a'}, 1254018),
        ({"filter": "CurrentValue.[Text]="}, 1254018),
        ({"filter": 'CurrentValue.[Text]="a" "b"'}, 1254018),
        ({"filter": 'LEN(CurrentValue.[Text])="a"'}, 1254018),
        ({"filter": "NOT()"}, 1254018),
        ({"filter": "AND(CurrentValue.[Text]"}, 1254018),
        ({"filter": "(" * 1999}, 1254018),
        ({"filter": "NOT(" * 400 + "1" + ")" * 399}, 1254018),
        ({"filter": "x" * 2001}, 1254107),
        ({"filter": "DATE(9999,99,99)=TODAY()+999999999999"}, 0),
        ({"filter": '"a"+1="b"'}, 0),
        ({"sort": "Text DESC"}, 1254016),
        ({"sort": '["No DESC"]'}, 1254016),
        ({"sort": "[1]"}, 1254016),
        ({"field_names": '["No"]'}, 1254024),
        ({"field_names": "Text"}, 1254024),
    ],
)
def test_what_cannot_be_read_is_refused_even_in_an_empty_table(
    sheet: Sheet, query: dict[str, str], code: int
) -> None:
    assert read(sheet, **query)["code"] == code


def test_sorts_and_names_of_fields(orders: Sheet) -> None:
    answer = read(orders, sort=json.dumps(["价格 DESC"]), field_names=json.dumps(["Text"]))
    assert [item["fields"] for item in answer["data"]["items"]] == [
        {"Text": 'a"b'},
        {"Text": "003"},
        {"Text": "004"},
        {},
    ]
    orders.add({"Text": "000", "价格": 9})
    answer = read(orders, sort=json.dumps(["价格 ASC", "Text"]), filter="CurrentValue.[价格]>0")
    assert [item["fields"]["Text"] for item in answer["data"]["items"]] == ["000", "004", "003", 'a"b']


def test_a_filter_or_a_sort_makes_the_view_ignored(orders: Sheet) -> None:
    (view,) = orders.api.data("GET", f"{orders.path}/views")["items"]
    (text,) = [f for f in orders.api.data("GET", f"{orders.path}/fields")["items"] if f["is_primary"]]
    condition = {"field_id": text["field_id"], "operator": "is", "value": '["003"]'}
    filter_info = {"conjunction": "and", "conditions": [condition]}
    path = f"{orders.path}/views/{view['view_id']}"
    orders.api.data("PATCH", path, {"property": {"filter_info": filter_info}})
    wanted: list[tuple[dict[str, str], int]] = [
        ({}, 1),
        ({"filter": "CurrentValue.[价格]>0"}, 3),
        ({"sort": '["Text"]'}, 4),
    ]
    for query, total in wanted:
        assert read(orders, view_id=view["view_id"], **query)["data"]["total"] == total


def test_addresses_of_records_are_shown_if_asked_for(orders: Sheet) -> None:
    record_id = read(orders)["data"]["items"][0]["record_id"]
    path, batch = f"{orders.path}/records/{record_id}", f"{orders.path}/records/batch_get"
    assert "record_url" not in orders.api.data("GET", path)["record"]
    shown = orders.api.data("GET", path, with_shared_url="true")["record"]["record_url"]
    assert shown.startswith("https://emulator.invalid/record/")
    (plain,) = orders.api.data("POST", batch, {"record_ids": [record_id]})["records"]
    assert "shared_url" not in plain
    body = {"record_ids": [record_id], "with_shared_url": True}
    (shared,) = orders.api.data("POST", batch, body)["records"]
    assert shared["shared_url"] == shown


def test_pages_of_a_formula(orders: Sheet) -> None:
    query = {"filter": "CurrentValue.[价格]>0", "page_size": 2}
    first = read(orders, **query)["data"]
    rest = read(orders, **query, page_token=first["page_token"])["data"]
    assert (first["has_more"], len(first["items"]), len(rest["items"])) == (True, 2, 1)
    other = {**query, "filter": "CurrentValue.[价格]>1"}
    assert read(orders, **other, page_token=first["page_token"])["code"] == 1254030
