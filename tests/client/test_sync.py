"""Sync by key over HTTP: what is written, and what never is."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import BulkWriteError, ConflictError, InvalidRequestError
from lark_provider.protocol import answers
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import Response
from tests.client.bitable_table import Table
from tests.client.conftest import Do, count
from tests.client.sync_table import RECORDS, by_key, make_rows, records, table, writes

__all__ = ["table"]  # a fixture


def test_only_what_differs_is_written(lark: Emulator, do: Do, table: Table) -> None:
    source = make_rows(1200)
    first = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No"))
    assert (first.created, first.updated, first.deleted) == (1200, 0, 0)
    before, calls = records(table), writes(lark)
    again = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No"))
    assert (again.written, again.counts.unchanged, writes(lark)) == (0, 1200, calls)
    assert records(table) == before

    source[3] = {**source[3], "Paid": 99, "Tags": ["z"]}
    source += make_rows(5, 1200)
    result = do(lambda c: c.clouddoc.bitable.sync(*table, iter(source), key_fields="No"))
    assert (result.created, result.updated, result.deleted) == (5, 1, 0)
    assert by_key(table)["A-3"] == {**by_key(table)["A-3"], "Paid": 99, "Tags": ["z"]}
    assert writes(lark) == calls + 2


def test_answers_to_creates_and_updates_are_not_parsed(
    lark: Emulator, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    read, load = answers.read, answers._parse_json

    def note_parsing(call: Call[Any], response: Response, *secrets: str | None) -> Any:
        def load_noted(content: bytes) -> Any:
            parsed.append(call.operation.rpartition("/")[2])
            return load(content)

        with monkeypatch.context() as patch:
            patch.setattr(answers, "_parse_json", load_noted)
            return read(call, response, *secrets)

    monkeypatch.setattr(answers, "read", note_parsing)
    bitable = LarkServiceClient().clouddoc.bitable
    assert bitable.sync(*table, make_rows(3), key_fields="No").created == 3
    changed = [{**row, "Paid": 7} for row in make_rows(3)]
    assert bitable.sync(*table, changed, key_fields="No").updated == 3
    stored = records(table)
    assert bitable.bulk_update(*table, [(record["record_id"], {"Paid": 8}) for record in stored]).written == 3
    assert {record["fields"]["Paid"] for record in records(table)} == {8}
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
    bitable.sync(*table, make_rows(40), key_fields="No")
    lark.add_rows(*table, [{"Note": "no key"}])
    result = do(lambda c: c.clouddoc.bitable.sync(*table, make_rows(37), key_fields="No", mode="mirror"))
    assert (result.deleted, result.counts.without_key, result.written) == (3, 1, 3)
    assert sorted(record["fields"].get("No", "") for record in records(table)) == sorted(
        ["", *(f"A-{n}" for n in range(37))]
    )


def test_more_deletes_than_allowed_write_nothing(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, make_rows(40), key_fields="No")
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
    bitable.sync(*table, make_rows(7), key_fields="No")
    before, settings = writes(lark), limit if isinstance(limit, dict) else {"max_deletes": limit}
    with pytest.raises(InvalidRequestError, match=r"no rows, so that all 7 records .* max_deletes=1\.0"):
        do(lambda c: c.clouddoc.bitable.sync(*table, iter([]), key_fields="No", mode="mirror", **settings))
    assert writes(lark) == before
    assert do(lambda c: c.clouddoc.bitable.sync(*table, [], key_fields="No")).written == 0
    everything = {**settings, "max_deletes": 1.0}
    done = do(lambda c: c.clouddoc.bitable.sync(*table, [], key_fields="No", mode="mirror", **everything))
    assert done.written == 7


def test_insert_missing_changes_no_record(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.add_rows(*table, [{"No": "A-0", "Paid": 77}])
    result = bitable.sync(*table, make_rows(3), key_fields="No", mode="insert_missing")
    assert (result.created, result.updated) == (2, 0)
    assert by_key(table)["A-0"]["Paid"] == 77


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
    paid = {record["record_id"]: record["fields"]["Paid"] for record in records(table)}
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


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ({"Paid": -1}, "no row of the source has, got 'Paid'"),
        ({"Note": None}, "got None for 'Note'"),
        ({"Note": ""}, "got '' for 'Note'"),
    ],
)
def test_a_mark_that_would_harm_the_table_is_refused(
    lark: Emulator, table: Table, mark: dict[str, Any], words: str
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, make_rows(3), key_fields="No")
    before = writes(lark)
    with pytest.raises(InvalidRequestError, match=words):
        bitable.sync(*table, make_rows(2), key_fields="No", mode="mirror", on_missing="mark", mark=mark)
    assert writes(lark) == before


def test_rejects_are_counted_by_rows_and_all_are_listed(table: Table) -> None:
    """Each row has two cells that do not fit."""
    bitable = LarkServiceClient().clouddoc.bitable
    bad: list[dict[str, Any]] = [{"No": f"B-{number}", "Paid": "x", "Gone": "y"} for number in range(12)]
    skip: dict[str, Any] = {"key_fields": "No", "on_bad_row": "skip"}
    done = bitable.sync(*table, make_rows(3) + bad, max_rejects=12, **skip)
    assert (done.created, len({reject.row for reject in done.rejects}), len(done.rejects)) == (3, 12, 24)
    with pytest.raises(InvalidRequestError, match="More than max_rejects=11 rows"):
        bitable.sync(*table, make_rows(4) + bad, max_rejects=11, **skip)
    with pytest.raises(InvalidRequestError, match=r"^12 row\(s\) do not fit.*; and 7 more row\(s\)\."):
        bitable.sync(*table, bad, key_fields="No")  # ten cells, of five rows, are shown
    outside = [{"No": "new", "Paid": -1}]
    done = bitable.sync(*table, bad + outside, max_rejects=13, scope=[("Paid", "isGreater", "0")], **skip)
    assert (done.written, len({reject.row for reject in done.rejects})) == (0, 13)
    assert len(by_key(table)) == 3


@pytest.mark.parametrize(
    ("setting", "keys"), [({"text_ends": "trimmed"}, ["b", "a "]), ({"text_ends": "kept"}, ["b", "a "])]
)
def test_a_key_that_lark_changes_at_storing_stops_the_sync(
    lark: Emulator, table: Table, setting: dict[str, Any], keys: list[str]
) -> None:
    """Else each sync would create its record again."""
    lark.settings(**setting)
    bitable = LarkServiceClient().clouddoc.bitable
    source = [{"No": key, "Paid": 1} for key in keys]
    if setting["text_ends"] == "kept":
        assert [bitable.sync(*table, source, key_fields="No").created for _ in range(2)] == [2, 0]
        return
    with pytest.raises(
        BulkWriteError, match=r"stored the key 'a ' as 'a', .* records that were just created\.$"
    ):
        bitable.sync(*table, source, key_fields="No")
    trimmed: dict[str, Any] = {"key_fields": "No", "key_form": "trim"}
    assert bitable.sync(*table, source, **trimmed).written == 0


def test_a_share_of_deletes_counts_as_it_is_written(table: Table) -> None:
    """0.29 * 100 is 28.999999999999996."""
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, make_rows(100), key_fields="No")
    mirror: dict[str, Any] = {"key_fields": "No", "mode": "mirror", "max_deletes": 0.29}
    with pytest.raises(InvalidRequestError, match="30 of 100 records"):
        bitable.sync(*table, make_rows(70), **mirror)
    assert bitable.sync(*table, make_rows(71), **mirror).deleted == 29


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
    bitable.sync(*table, make_rows(30), key_fields="No")
    assert bitable.sync(*table, make_rows(28), **mirror).summary() == {
        "created": 0, "updated": 0, "deleted": 0, "marked": 2, "unchanged": 28, "rejected": 0, "vanished": 0,
        "duplicates": 0,
    }  # fmt: skip
    assert [key for key, row in by_key(table).items() if row.get("Gone")] == ["A-28", "A-29"]
    assert bitable.sync(*table, make_rows(28), **mirror).written == 0
    assert bitable.sync(*table, make_rows(29), **mirror).updated == 1
    assert [key for key, row in by_key(table).items() if row.get("Gone")] == ["A-29"]
    empty = mirror | {"max_deletes": 1.0}
    assert bitable.sync(*table, [], **empty).marked == 29
    calls = writes(lark)
    assert (bitable.sync(*table, [], **empty).written, writes(lark)) == (0, calls)
