"""Sync by key over HTTP: what is written, and what never is."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.api.clouddoc.sync import turn
from lark_provider.errors import ConflictError, InvalidRequestError
from lark_provider.protocol import answers
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import Response
from lark_provider.support.once import Once
from tests.client.conftest import Do, count

RECORDS = "POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
KINDS = (
    ("No", f.TEXT), ("Paid", f.NUMBER), ("At", f.DATE), ("Kind", f.SINGLE_SELECT), ("Tags", f.MULTI_SELECT),
    ("Done", f.CHECKBOX), ("Url", f.URL), ("Who", f.PERSON), ("Note", f.TEXT), ("Gone", f.CHECKBOX),
)  # fmt: skip
COLUMNS = [f.Field(field_name=name, type=kind) for name, kind in KINDS]


class Table(NamedTuple):
    app_token: str
    table_id: str


@pytest.fixture
def table(lark: Emulator) -> Table:
    lark.settings(rate_limits=False)
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Orders").data["app"]["app_token"]
    return Table(app_token, bitable.create_table(app_token, "2026", COLUMNS).data["table_id"])


def rows(number: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "No": f"A-{n}", "Paid": n * 1.5, "At": dt.date(2026, 1, 1 + n % 28), "Kind": "ab"[n % 2],
            "Tags": ["x", "y"], "Done": n % 2 == 0, "Url": f"https://example.com/{n}",
        }
        for n in range(first, first + number)
    ]  # fmt: skip


def records(table: Table) -> list[dict[str, Any]]:
    return [dict(one) for one in LarkServiceClient().clouddoc.bitable.search_records(*table)]


def by_key(table: Table) -> dict[str, dict[str, Any]]:
    found = {one["fields"]["No"]: one["fields"] for one in records(table)}
    assert len(found) == len(records(table)), "no key is doubled"
    return found


def writes(lark: Emulator) -> int:
    return sum(count(lark, f"{RECORDS}/{name}") for name in ("batch_create", "batch_update", "batch_delete"))


def test_only_what_differs_is_written(lark: Emulator, do: Do, table: Table) -> None:
    source = rows(1200)
    first = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No"))
    assert (first.created, first.updated, first.deleted) == (1200, 0, 0)
    before, calls = records(table), writes(lark)
    again = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No"))
    assert (again.written, again.counts.unchanged, writes(lark)) == (0, 1200, calls)
    assert records(table) == before

    source[3] = {**source[3], "Paid": 99, "Tags": ["z"]}
    source += rows(5, 1200)
    result = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No"))
    assert (result.created, result.updated, result.deleted) == (5, 1, 0)
    assert by_key(table)["A-3"] == {**by_key(table)["A-3"], "Paid": 99, "Tags": ["z"]}
    assert writes(lark) == calls + 2


def test_answers_to_creates_and_updates_are_not_parsed(
    lark: Emulator, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    read, load = answers.read, answers._json

    def noted(call: Call[Any], response: Response, *secrets: str | None) -> Any:
        def loaded(content: bytes) -> Any:
            parsed.append(call.operation.rpartition("/")[2])
            return load(content)

        with monkeypatch.context() as patch:
            patch.setattr(answers, "_json", loaded)
            return read(call, response, *secrets)

    monkeypatch.setattr(answers, "read", noted)
    bitable = LarkServiceClient().clouddoc.bitable
    assert bitable.sync(*table, rows(3), key_fields="No").created == 3
    changed = [{**one, "Paid": 7} for one in rows(3)]
    assert bitable.sync(*table, changed, key_fields="No").updated == 3
    found = records(table)
    assert bitable.bulk_update(*table, [(one["record_id"], {"Paid": 8}) for one in found]).written == 3
    assert {one["fields"]["Paid"] for one in records(table)} == {8}
    assert (count(lark, f"{RECORDS}/batch_create"), count(lark, f"{RECORDS}/batch_update")) == (1, 2)
    assert "search" in parsed
    assert not {"batch_create", "batch_update"} & {*parsed}


def test_fields_that_the_source_does_not_name_are_never_touched(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.add_rows(*table, [{"No": "A-0", "Note": "a person's", "Paid": 1}, {"No": "A-1", "Kind": "kept"}])
    bitable.sync(*table, [{"No": "A-0", "Paid": 2}, {"No": "A-1", "Kind": None, "Paid": 5}], key_fields="No")
    assert by_key(table) == {
        "A-0": {"No": "A-0", "Note": "a person's", "Paid": 2},
        "A-1": {"No": "A-1", "Paid": 5},
    }


def test_none_clears_or_keeps_and_a_missing_name_keeps(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.add_rows(*table, [{"No": "A-0", "Paid": 1, "Kind": "a"}])
    kept = bitable.sync(
        *table, [{"No": "A-0", "Paid": None, "Kind": float("nan")}], key_fields="No", on_null="keep"
    )
    assert kept.written == 0
    bitable.sync(*table, [{"No": "A-0", "Paid": float("nan")}], key_fields="No")
    assert by_key(table) == {"A-0": {"No": "A-0", "Kind": "a"}}


def test_mirror_deletes_what_is_missing_but_no_record_without_a_key(
    lark: Emulator, do: Do, table: Table
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, rows(40), key_fields="No")
    lark.add_rows(*table, [{"Note": "no key"}])
    result = do(lambda c: c.clouddoc.bitable.sync(*table, rows(37), key_fields="No", mode="mirror"))
    assert (result.deleted, result.counts.without_key, result.written) == (3, 1, 3)
    assert sorted(one["fields"].get("No", "") for one in records(table)) == sorted(
        ["", *(f"A-{n}" for n in range(37))]
    )


def test_more_deletes_than_allowed_write_nothing(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, rows(40), key_fields="No")
    before = writes(lark)
    changed = [{"No": "A-0", "Paid": -1}]
    with pytest.raises(InvalidRequestError, match="39 of 40 records"):
        bitable.sync(*table, changed, key_fields="No", mode="mirror")
    assert writes(lark) == before
    assert bitable.sync(*table, changed, key_fields="No", mode="mirror", max_deletes=39).deleted == 39


@pytest.mark.parametrize(
    "limit", [0.1, 20, {"mark": {"Gone": True}, "on_missing": "mark", "max_deletes": 20}]
)
def test_a_source_without_rows_deletes_nothing_unless_all_may_go(
    lark: Emulator, do: Do, table: Table, limit: Any
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, rows(7), key_fields="No")
    before, settings = writes(lark), limit if isinstance(limit, dict) else {"max_deletes": limit}
    with pytest.raises(InvalidRequestError, match=r"no rows, so that all 7 records .* max_deletes=1\.0"):
        do(lambda c: c.clouddoc.bitable.sync(*table, iter([]), key_fields="No", mode="mirror", **settings))
    assert writes(lark) == before
    assert do(lambda c: c.clouddoc.bitable.sync(*table, [], key_fields="No")).written == 0
    everything = {**settings, "max_deletes": 1.0}
    done = do(lambda c: c.clouddoc.bitable.sync(*table, [], key_fields="No", mode="mirror", **everything))
    assert done.written == 7


def test_a_rejected_row_keeps_its_record_and_a_keyless_one_keeps_all(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, rows(30), key_fields="No")
    source: list[dict[str, Any]] = rows(28)
    source[5]["Paid"] = "no number"
    with pytest.raises(InvalidRequestError, match="row 6, field 'Paid'"):
        bitable.sync(*table, source, key_fields="No", mode="mirror")
    result = bitable.sync(*table, source, key_fields="No", mode="mirror", on_bad_row="skip")
    assert (result.deleted, [(one.row, one.key) for one in result.rejects]) == (2, [(6, "A-5")])
    assert "A-5" in by_key(table)

    source = [*rows(26), {"No": None, "Paid": 3}]
    result = bitable.sync(*table, source, key_fields="No", mode="mirror", on_bad_row="skip")
    assert (result.deleted, len(by_key(table))) == (0, 28)
    assert "no key" in result.counts.deletes_withheld


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"Paid": 1}, "field 'No': must not be empty"),
        ({"No": ""}, "field 'No': must not be empty"),
        ({"No": True}, "field 'No': must be text, a number or a date"),
        ({"No": "x", "At": 5.5}, "field 'At': must be a datetime"),
        ({"No": "x", "Unknown": 1}, "field 'Unknown': the table has no such field"),
        ({"No": "x", "Note": "x" * 100_001}, "field 'Note': must have at most 100000 characters"),
        ({"No": "x", "Who": [f"ou_{n}" for n in range(1001)]}, "field 'Who': must have at most 1000"),
        ({"No": "A-1"}, "is that of row 2, too"),
        ("text", "must be a dict"),
    ],
)
def test_bad_rows_are_named_in_one_report_and_nothing_is_written(
    lark: Emulator, table: Table, row: Any, reason: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        LarkServiceClient().clouddoc.bitable.sync(
            *table, [*rows(3), row, {"No": "ok", "Paid": "?"}], key_fields="No"
        )
    assert reason in str(raised.value)
    assert "row 4" in str(raised.value)
    assert "row 5, field 'Paid'" in str(raised.value)
    assert writes(lark) == 0


def test_unknown_options_are_rejected_where_that_is_wanted(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, [{"No": "1", "Kind": "a", "Tags": ["x"]}], key_fields="No")
    with pytest.raises(InvalidRequestError, match=r"(?s)'b'.*'y'"):
        bitable.sync(
            *table, [{"No": "1", "Kind": "b", "Tags": ["x", "y"]}], key_fields="No", strict_options=True
        )


def test_insert_missing_changes_no_record(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.add_rows(*table, [{"No": "A-0", "Paid": 77}])
    result = bitable.sync(*table, rows(3), key_fields="No", mode="insert_missing")
    assert (result.created, result.updated) == (2, 0)
    assert by_key(table)["A-0"]["Paid"] == 77


def test_a_dry_run_returns_the_whole_plan_and_writes_nothing(lark: Emulator, do: Do, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, rows(1500), key_fields="No")
    before, calls = records(table), writes(lark)
    source = [*rows(1400), *rows(30, 2000)]
    source[7] = {**source[7], "Paid": -1}
    with do(
        lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No", mode="mirror", dry_run=True)
    ) as plan:
        assert (plan.counts.creates, plan.counts.updates, plan.counts.deletes) == (30, 1, 100)
        changes = list(plan.changes())
        assert [change.kind for change in changes].count("delete") == 100
        update = next(change for change in changes if change.kind == "update")
        assert (update.key, update.row, update.before, update.after) == (
            "A-7",
            8,
            {"Paid": 10.5},
            {"Paid": -1},
        )
        assert str(update) == "update 'A-7' (Paid: 10.5 → -1)"
        assert {change.kind for change in plan.first} == {"create", "update", "delete"}
        assert plan.calls >= 3
        assert plan.seconds > 0
    assert (records(table), writes(lark)) == (before, calls)


def test_the_oldest_duplicate_is_kept_in_step_and_the_others_are_left_alone(
    lark: Emulator, table: Table
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    (oldest,) = lark.add_rows(*table, [{"No": "A-0", "Paid": 1}])
    lark.advance(5)
    others = lark.add_rows(*table, [{"No": "A-0", "Paid": 2}, {"No": "A-0", "Paid": 3}])
    with pytest.raises(ConflictError, match="several records"):
        bitable.sync(*table, [{"No": "A-0", "Paid": 9}], key_fields="No", on_duplicate="error")
    result = bitable.sync(*table, [{"No": "A-0", "Paid": 9}], key_fields="No", mode="mirror")
    assert (result.counts.duplicates, result.updated, result.deleted) == (2, 1, 0)
    paid = {one["record_id"]: one["fields"]["Paid"] for one in records(table)}
    assert paid == {oldest: 9, others[0]: 2, others[1]: 3}


def test_a_scope_limits_reading_comparing_and_deleting(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.add_rows(*table, [{"No": f"A-{n}", "Kind": "ab"[n % 2], "Paid": 0} for n in range(20)])
    source: list[dict[str, Any]] = [{"No": f"A-{n}", "Kind": "a", "Paid": 1} for n in range(2, 20, 2)]
    outside = [*source, {"No": "A-99", "Kind": "b"}]
    with pytest.raises(InvalidRequestError, match="within scope"):
        bitable.sync(*table, outside, key_fields="No", mode="mirror", scope=[("Kind", "is", "a")])
    without = [*source, {"No": "A-99", "Paid": 3}]
    with pytest.raises(InvalidRequestError, match="within scope"):
        bitable.sync(*table, without, key_fields="No", mode="mirror", scope=[("Kind", "is", "a")])
    result = bitable.sync(*table, source, key_fields="No", mode="mirror", scope=[("Kind", "is", "a")])
    assert (result.deleted, result.updated, result.counts.table_records) == (1, 9, 10)
    assert all(by_key(table)[f"A-{n}"]["Paid"] == 0 for n in range(1, 20, 2))


def test_missing_records_are_marked_once_and_unmarked_when_they_are_back(
    lark: Emulator, table: Table
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    mirror: dict[str, Any] = {
        "key_fields": "No",
        "mode": "mirror",
        "on_missing": "mark",
        "mark": {"Gone": True},
    }
    bitable.sync(*table, rows(30), key_fields="No")
    assert bitable.sync(*table, rows(28), **mirror).summary() == {
        "created": 0, "updated": 0, "deleted": 0, "marked": 2, "unchanged": 28, "rejected": 0, "vanished": 0,
        "duplicates": 0,
    }  # fmt: skip
    assert [key for key, row in by_key(table).items() if row.get("Gone")] == ["A-28", "A-29"]
    assert bitable.sync(*table, rows(28), **mirror).written == 0
    assert bitable.sync(*table, rows(29), **mirror).updated == 1
    assert [key for key, row in by_key(table).items() if row.get("Gone")] == ["A-29"]


def test_keys_of_other_types(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    kinds = [("T", f.TEXT), ("Nr", f.NUMBER), ("Day", f.DATE), ("Auto", f.AUTO_NUMBER)]
    columns = [f.Field(field_name=name, type=kind) for name, kind in kinds]
    other = bitable.create_table(table.app_token, "keys", columns).data["table_id"]
    days = [dt.date(2026, 1, day) for day in range(1, 11)]
    source = [{"Nr": n, "Day": day, "T": "x"} for n, day in enumerate(days)]
    for keys in ("Nr", "Day", ["Day", "Nr"]):
        result = bitable.sync(table.app_token, other, source, key_fields=keys)
        assert result.created == (10 if keys == "Nr" else 0)
        assert (
            bitable.sync(
                table.app_token, other, [{**row, "T": str(keys)} for row in source], key_fields=keys
            ).updated
            == 10
        )
    result = bitable.sync(table.app_token, other, [{"Auto": 3, "T": "by number"}], key_fields="Auto")
    assert (result.updated, result.created) == (1, 0)
    with pytest.raises(InvalidRequestError, match="Lark computes this field"):
        bitable.sync(table.app_token, other, [{"Auto": 99, "T": "new"}], key_fields="Auto")
    result = bitable.sync(
        table.app_token, other, [{"T": 5.0, "Nr": 70}, {"T": "6", "Nr": 71}], key_fields="T"
    )
    assert result.created == 2
    assert (
        bitable.sync(
            table.app_token, other, [{"T": "5", "Nr": 70}, {"T": 6, "Nr": 71}], key_fields="T"
        ).written
        == 0
    )
    with pytest.raises(InvalidRequestError, match="key_fields"):
        bitable.sync(*table, source, key_fields="Done")


def test_a_url_as_text_keeps_the_title_and_a_date_keeps_the_time(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    noon = int(dt.datetime(2026, 3, 1, 4, tzinfo=dt.UTC).timestamp() * 1000)  # noon in Shanghai
    row = {"No": "1", "Url": {"text": "Title", "link": "https://x"}, "At": noon}
    lark.add_rows(*table, [row])
    same = [
        {"No": "1", "Url": "https://x", "At": dt.date(2026, 3, 1)},
    ]
    assert bitable.sync(*table, same, key_fields="No").written == 0
    assert bitable.sync(*table, [{**same[0], "At": dt.date(2026, 3, 2)}], key_fields="No").updated == 1
    assert bitable.sync(*table, [{**same[0], "At": "2026-03-02"}], key_fields="No").written == 0


def test_key_forms(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.add_rows(*table, [{"No": " Straße ", "Paid": 1}])
    assert (
        bitable.sync(*table, [{"No": "STRASSE", "Paid": 1}], key_fields="No", key_form="casefold").written
        == 0
    )
    assert bitable.sync(*table, [{"No": "STRASSE", "Paid": 1}], key_fields="No").created == 1


def test_links_are_given_by_the_key_of_the_other_table(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    customers = bitable.create_table(
        table.app_token, "customers", [f.Field(field_name="Name", type=f.TEXT)]
    ).data["table_id"]
    bitable.create_field(*table, "Customer", f.LINK, property={"table_id": customers, "multiple": True})
    ids = lark.add_rows(
        table.app_token, customers, [{"Name": name} for name in ("Ada", "Bob", "Twin", "Twin")]
    )
    source: list[dict[str, Any]] = [
        {"No": "1", "Customer": "Ada"},
        {"No": "2", "Customer": ["Bob", "Ada"]},
        {"No": "3", "Customer": None},
    ]
    links = {"Customer": "Name"}
    assert bitable.sync(*table, source, key_fields="No", links=links).created == 3
    assert bitable.sync(*table, source, key_fields="No", links=links).written == 0
    assert set(by_key(table)["2"]["Customer"]) == set(ids[:2])
    bad = [*source, {"No": "4", "Customer": "Zoe"}, {"No": "5", "Customer": "Twin"}]
    result = bitable.sync(*table, bad, key_fields="No", links=links, on_bad_row="skip")
    assert [one.row for one in result.rejects] == [4, 5]
    assert "several records" in result.rejects[1].reason


def test_a_linked_table_of_several_pages_is_read_to_its_end(lark: Emulator, do: Do, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    customers = bitable.create_table(
        table.app_token, "customers", [f.Field(field_name="Name", type=f.TEXT)]
    ).data["table_id"]
    bitable.create_field(*table, "Customer", f.LINK, property={"table_id": customers, "multiple": True})
    lark.make_rows(table.app_token, customers, 1100, {"Name": "customer {n}"})
    damaged = '{"code":0,"msg":"success","data":{"items":[{"fields":{"Name":],"has_more":false,"total":1100}}'
    lark.fault(path=f"*/{customers}/records/search", status=200, body=damaged, skip=1)
    source = [{"No": str(number), "Customer": f"customer {number}"} for number in range(1100)]
    links = {"Customer": "Name"}
    assert do(lambda c: c.clouddoc.bitable.sync(*table, source, key_fields="No", links=links)).created == 1100


def test_values_that_lark_refuses_are_rejected_alone(lark: Emulator, do: Do, table: Table) -> None:
    source = rows(600)
    for bad in (3, 77, 599):
        source[bad]["Who"] = "ou_nobody"
    result = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No", on_bad_row="skip"))
    assert (result.created, [one.row for one in result.rejects]) == (597, [4, 78, 600])
    assert {one.code for one in result.rejects} == {1254066}
    assert len(by_key(table)) == 597
    changed = [{**row, "Paid": -1} for row in source]
    result = do(
        lambda c: c.clouddoc.bitable.sync(
            *table, iter(changed), key_fields="No", mode="mirror", on_bad_row="skip"
        )
    )
    assert (result.updated, result.deleted, len(result.rejects)) == (597, 0, 3)
    with pytest.raises(InvalidRequestError, match="max_rejects=2"):
        do(
            lambda c: c.clouddoc.bitable.sync(
                *table, iter(changed), key_fields="No", on_bad_row="skip", max_rejects=2
            )
        )


def test_only_the_rows_of_an_earlier_run_are_retried(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    source = rows(20)
    source[4]["Paid"] = source[9]["Paid"] = "bad"
    rejects = bitable.sync(*table, source, key_fields="No", on_bad_row="skip").rejects
    fixed = rows(20)
    result = bitable.sync(*table, fixed, key_fields="No", retry_rows={one.row for one in rejects})
    assert (result.created, result.counts.unchanged, len(by_key(table))) == (2, 0, 20)
    with pytest.raises(InvalidRequestError, match="whole source"):
        bitable.sync(*table, fixed, key_fields="No", mode="mirror", retry_rows={1})


def test_a_small_source_is_searched_for_instead_of_scanned(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.make_rows(*table, 20_000, {"No": "A-{n}", "Paid": 1})
    before = count(lark, f"{RECORDS}/search")
    source = [{"No": f"A-{n}", "Paid": 1 + n % 2} for n in range(0, 20_000, 401)] + [{"No": "new", "Paid": 1}]
    result = bitable.sync(*table, source, key_fields="No")
    assert (result.created, result.updated, result.counts.unchanged) == (1, 25, 25)
    assert count(lark, f"{RECORDS}/search") - before <= 5


def test_filters_that_lark_does_not_take_become_a_scan(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.make_rows(*table, 3000, {"No": "A-{n}", "Paid": 1})
    lark.fault("POST", "*/records/search", skip=1, code=1254018)
    result = bitable.sync(*table, [{"No": "A-7", "Paid": 2}, {"No": "new"}], key_fields="No")
    assert (result.created, result.updated) == (1, 1)
    assert len(by_key(table)) == 3001


def test_the_number_of_calls(lark: Emulator, table: Table) -> None:
    """The budget of a sync of 5,000 rows against 5,000: 10 pages, and what goes with the changes."""
    bitable = LarkServiceClient().clouddoc.bitable
    lark.settings(max_filter_chars=0)
    lark.make_rows(*table, 5000, {"No": "A-{n}", "Paid": 1})
    source = [{"No": f"A-{n}", "Paid": 1 + (n % 100 == 0)} for n in range(20, 5000)]
    source += [{"No": f"new-{n}", "Paid": 1} for n in range(120)]
    before = dict(lark.state(summary=True)["by_endpoint"])
    result = bitable.sync(*table, iter(source), key_fields="No", mode="mirror")
    assert (result.created, result.updated, result.deleted) == (120, 49, 20)
    calls = {
        name.rpartition("/")[2]: number - before.get(name, 0)
        for name, number in lark.state(summary=True)["by_endpoint"].items()
        if number > before.get(name, 0)
    }
    # 10 pages and a filter for each 50 creates; visible after the first create, the first 100 updated rows
    # are read back, and keys are read again directly before a delete.
    assert calls == {
        ":app_token": 1, "fields": 1, "search": 10 + 3, "batch_get": 3,
        "batch_create": 1, "batch_update": 1, "batch_delete": 1,
    }  # fmt: skip


def test_a_source_that_breaks_off_writes_nothing(lark: Emulator, do: Do, table: Table) -> None:
    closed = []

    def broken() -> Iterator[dict[str, Any]]:
        try:
            yield from rows(1500)
            raise RuntimeError("the cursor was closed")
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="cursor"):
        do(lambda c: c.clouddoc.bitable.sync(*table, broken(), key_fields="No"))
    assert (writes(lark), closed) == (0, [True])


def test_that_there_is_no_database_is_said_once(
    table: Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turn, "_said", Once())
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            LarkServiceClient().clouddoc.bitable.sync(*table, rows(1), key_fields="No")
    assert caplog.text.count("No database") == 1
