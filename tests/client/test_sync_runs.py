"""Runs of a sync over HTTP: bad rows, plans, searches and scans, and the number of calls."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sync import turn
from lark_provider.errors import InvalidRequestError, LarkAPIError
from lark_provider.support.once import Once
from tests.client.bitable_table import Table
from tests.client.conftest import Do, count
from tests.client.sync_table import RECORDS, by_key, make_rows, records, table, writes

__all__ = ["table"]  # a fixture


def test_a_rejected_row_keeps_its_record_and_a_keyless_one_keeps_all(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, make_rows(30), key_fields="No")
    source: list[dict[str, Any]] = make_rows(28)
    source[5]["Paid"] = "no number"
    with pytest.raises(InvalidRequestError, match="row 6, field 'Paid'"):
        bitable.sync(*table, source, key_fields="No", mode="mirror")
    result = bitable.sync(*table, source, key_fields="No", mode="mirror", on_bad_row="skip")
    assert (result.deleted, [(reject.row, reject.key) for reject in result.rejects]) == (2, [(6, "A-5")])
    assert "A-5" in by_key(table)

    source = [*make_rows(26), {"No": None, "Paid": 3}]
    result = bitable.sync(*table, source, key_fields="No", mode="mirror", on_bad_row="skip")
    assert (result.deleted, len(by_key(table))) == (0, 28)
    assert "no key" in result.counts.deletes_withheld


def test_repeated_rows_are_counted_once(lark: Emulator, table: Table) -> None:
    """They were subtracted from the unchanged ones, of which they had never been part."""
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, make_rows(5), key_fields="No")
    source = [*make_rows(5), *make_rows(3), {"No": None}, {"No": "A-4", "Paid": "?"}]
    counts = bitable.sync(*table, source, key_fields="No", on_bad_row="skip").counts
    assert (counts.unchanged, counts.rejected, counts.source_rows) == (5, 5, 10)


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
            *table, [*make_rows(3), row, {"No": "ok", "Paid": "?"}], key_fields="No"
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


def test_a_dry_run_returns_the_whole_plan_and_writes_nothing(lark: Emulator, do: Do, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, make_rows(1500), key_fields="No")
    before, calls = records(table), writes(lark)
    source = [*make_rows(1400), *make_rows(30, 2000)]
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


def test_values_that_lark_refuses_are_rejected_alone(lark: Emulator, do: Do, table: Table) -> None:
    source = make_rows(600)
    for bad in (3, 77, 599):
        source[bad]["Who"] = "ou_nobody"
    result = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No", on_bad_row="skip"))
    assert (result.created, [reject.row for reject in result.rejects]) == (597, [4, 78, 600])
    assert {reject.code for reject in result.rejects} == {1254066}
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
    source = make_rows(20)
    source[4]["Paid"] = source[9]["Paid"] = "bad"
    rejects = bitable.sync(*table, source, key_fields="No", on_bad_row="skip").rejects
    fixed = make_rows(20)
    result = bitable.sync(*table, fixed, key_fields="No", retry_rows={reject.row for reject in rejects})
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


def test_a_search_whose_pages_do_not_end_is_an_error(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.make_rows(*table, 3000, {"No": "A-{n}", "Paid": 1})
    answer = {"code": 0, "data": {"items": [], "has_more": True, "page_token": "again", "total": 1}}
    searched = {"filter": {"conjunction": "or"}}
    path = f"/open-apis/bitable/v1/apps/{table.app_token}/tables/{table.table_id}/records/search"
    lark.stub("POST", path, body=searched, json=answer)
    with pytest.raises(LarkAPIError, match="'again' a second time"):
        bitable.sync(*table, [{"No": "A-7", "Paid": 2}], key_fields="No")
    assert len(by_key(table)) == 3000


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
            yield from make_rows(1500)
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
            LarkServiceClient().clouddoc.bitable.sync(*table, make_rows(1), key_fields="No")
    assert caplog.text.count("No database") == 1
