"""Pages of records that are short, end too early or lead back, and edits by people between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Sheet

ROWS = 50
SIZE = 20


@pytest.fixture
def filled(sheet: Sheet) -> Sheet:
    sheet.add_many([{"fields": {"Text": str(n)}} for n in range(ROWS)])
    return sheet


def read_page(sheet: Sheet, token: str = "", *, legacy: bool = False) -> dict[str, Any]:
    query = {"page_size": SIZE, **({"page_token": token} if token else {})}
    if legacy:
        data: dict[str, Any] = sheet.api.data("GET", f"{sheet.path}/records", **query)
        return data
    answer: dict[str, Any] = sheet.search({}, **query)["data"]
    return answer


def scan(sheet: Sheet, *, legacy: bool = False) -> list[list[str]]:
    """Return the record_ids of each page."""
    pages, more = [], True
    token: str | None = ""
    while more:
        assert token is not None, "more pages, and no token"
        answer = read_page(sheet, token, legacy=legacy)
        pages.append([item["record_id"] for item in answer["items"]])
        token, more = answer.get("page_token"), answer["has_more"]
    return pages


def where(sheet: Sheet) -> dict[str, Any]:
    return {"app_token": sheet.app["app_token"], "table_id": sheet.app["default_table_id"]}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_page_can_end_the_scan_too_early(filled: Sheet, lark: Emulator, legacy: bool) -> None:
    lark.plan_page(2, ends=True)
    assert [len(ids) for ids in scan(filled, legacy=legacy)] == [20, 20]
    assert [len(ids) for ids in scan(filled, legacy=legacy)] == [20, 20, 10]


def test_a_page_can_lead_back_to_itself(filled: Sheet, lark: Emulator) -> None:
    lark.plan_page(2, repeats_token=True, times=2)
    pages = scan(filled)
    assert [len(ids) for ids in pages] == [20, 20, 20, 20, 10]
    assert pages[1] == pages[2] == pages[3]


def test_a_page_can_be_shorter_than_asked_for(filled: Sheet, lark: Emulator) -> None:
    lark.plan_page(1, items=3)
    pages = scan(filled)
    assert [len(ids) for ids in pages] == [3, 20, 20, 7]
    assert len({record_id for ids in pages for record_id in ids}) == ROWS


def test_total_is_exact_absent_or_stale(filled: Sheet, lark: Emulator) -> None:
    def total() -> int | None:
        count: int | None = read_page(filled).get("total")
        return count

    assert total() == ROWS
    lark.settings(search_total="stale")
    filled.add({"Text": "new"})
    assert total() == ROWS
    lark.settings(stale_reads_s=60)
    filled.add({"Text": "newer"})
    assert total() == ROWS + 1  # the records that a stale read shows
    lark.settings(search_total="absent", stale_reads_s=0)
    assert total() is None
    lark.plan_page(1, total=7)
    lark.plan_page(1, total="exact")
    assert [total(), total(), total()] == [7, ROWS + 2, None]


def test_plans_are_for_one_table_or_for_any(filled: Sheet, lark: Emulator) -> None:
    other = filled.api.data("POST", f"{filled.base}/tables", {"table": {"name": "Other"}})["table_id"]
    lark.plan_page(1, total=7, table_id=other)
    assert read_page(filled)["total"] == ROWS
    shown = filled.api.http.get("/_emulator/pages").json()["pages"]
    assert shown == [{"page": 1, "table_id": other, "times": 1, "total": 7}]
    answer = filled.api.data("POST", f"{filled.base}/tables/{other}/records/search", {})
    assert answer["total"] == 7
    lark.plan_page(0, total=8, times=2)
    lark.clear_pages()
    assert read_page(filled)["total"] == ROWS


def test_rows_deleted_behind_a_scan_hide_others_from_it(filled: Sheet, lark: Emulator) -> None:
    everything = {record_id for part in scan(filled) for record_id in part}
    edits: list[dict[str, Any]] = [
        {"do": "delete", "pick": 2, "among": "read"},
        {"do": "add", "rows": [{"Text": "n"}] * 2},
    ]
    lark.plan_page(1, edits=edits, **where(filled))
    pages = scan(filled)
    seen = [record_id for part in pages for record_id in part]
    deleted, added = (edit["record_ids"] for edit in lark.people_edits())
    assert set(deleted) <= set(pages[0])
    assert len(everything - set(seen)) == 2  # never shown, and the counts agree all the same
    assert len(seen) == ROWS
    assert set(added) < set(seen)
    assert read_page(filled)["total"] == ROWS


def test_people_edit_between_pages_by_a_seed(filled: Sheet, lark: Emulator) -> None:
    edits = [
        {"do": "delete", "pick": 3, "among": "unread"},
        {"do": "edit", "pick": 2, "fields": {"Text": "by hand {n}"}},
        {"do": "add", "count": 2, "fields": {"Text": "added {n}"}},
    ]
    lark.plan_page(2, edits=edits, seed=7, user_id="bob", **where(filled))
    assert [len(ids) for ids in scan(filled)] == [20, 20, 9]
    deleted, edited, added = lark.people_edits()
    assert [len(edit["record_ids"]) for edit in (deleted, edited, added)] == [3, 2, 2]
    items = filled.search({"automatic_fields": True}, page_size=500)["data"]["items"]
    by_id = {item["record_id"]: item for item in items}
    assert not by_id.keys() & set(deleted["record_ids"])
    texts = [by_id[record_id]["fields"]["Text"][0]["text"] for record_id in edited["record_ids"]]
    assert texts == ["by hand 0", "by hand 1"]
    assert {by_id[record_id]["last_modified_by"]["name"] for record_id in edited["record_ids"]} == {"韩梅梅"}
    assert {by_id[record_id]["created_by"]["name"] for record_id in edited["record_ids"]} == {"Emulator bot"}
    assert {by_id[record_id]["created_by"]["name"] for record_id in added["record_ids"]} == {"韩梅梅"}


def test_an_app_can_lose_sight_between_two_pages(filled: Sheet, lark: Emulator) -> None:
    lark.plan_page(1, edits=[{"do": "limit", "sees": "none"}], **where(filled))
    lark.plan_page(2, edits=[{"do": "limit"}], **where(filled))
    assert [len(ids) for ids in scan(filled)] == [20, 0]
    assert [len(ids) for ids in scan(filled)] == [20, 20, 10]


def test_the_same_seed_picks_the_same_rows(filled: Sheet, lark: Emulator) -> None:
    edit = {"do": "edit", "pick": 5, "fields": {"Text": "x"}}

    def pick_rows(seed: int) -> list[str]:
        (done,) = lark.edit_rows(**where(filled), edits=[edit], seed=seed)
        ids: list[str] = done["record_ids"]
        return ids

    assert pick_rows(1) == pick_rows(1)
    assert pick_rows(1) != pick_rows(2)


def test_edits_of_records_that_are_gone_are_left_out(filled: Sheet, lark: Emulator) -> None:
    first = read_page(filled)["items"][0]["record_id"]
    delete = {"do": "delete", "records": [first]}
    done = lark.edit_rows(**where(filled), edits=[delete, delete])
    assert [edit["record_ids"] for edit in done] == [[first], []]


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        ({}, "needs one of"),
        ({"page": -1, "ends": True}, "page"),
        ({"items": 0}, "items"),
        ({"total": "none"}, "total"),
        ({"total": True}, "total"),
        ({"edits": []}, "edits"),
        ({"edits": [{"do": "move"}]}, "do"),
        ({"edits": [{"do": "delete"}]}, "pick"),
        ({"edits": [{"do": "delete", "pick": 1, "among": "some"}]}, "among"),
        ({"edits": [{"do": "edit", "pick": 1}]}, "fields"),
        ({"edits": [{"do": "add", "fields": {"Nope": 1}}]}, "Nope"),
        ({"edits": [{"do": "add"}]}, "rows"),
        ({"edits": [{"do": "limit", "sees": "some"}]}, "sees"),
    ],
)
def test_bad_plans_are_named(sheet: Sheet, lark: Emulator, plan: dict[str, Any], named: str) -> None:
    places = where(sheet) if "edits" in plan else {}
    with pytest.raises(ValueError, match=named):
        lark.plan_page(**plan, **places)
    assert lark.state()["crashes"] == 0
