"""What a sync cannot see or trust: hidden rows, pages that do not add up, people who edit meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.errors import BulkOutcomeUnknownError, BulkWriteError, LarkAPIError, PermissionDeniedError
from tests.client.bitable_table import Table
from tests.client.conftest import Do, count
from tests.client.sync_table import RECORDS, by_key, make_rows, records, table, writes

__all__ = ["table"]
SEARCH = f"{RECORDS}/search"


def number_rows(number: int, first: int = 0, paid: int = 1) -> list[dict[str, Any]]:
    return [{"No": f"A-{n}", "Paid": paid} for n in range(first, first + number)]


@pytest.mark.parametrize("mode", ["upsert", "mirror"])
def test_an_app_that_suddenly_sees_nothing_writes_nothing(
    lark: Emulator, do: Do, table: Table, mode: str
) -> None:
    lark.make_rows(*table, 700, {"No": "A-{n}", "Paid": 1})
    lark.limit_base(table.app_token, sees="none")
    with pytest.raises(PermissionDeniedError, match="sees no record"):
        do(lambda c: c.clouddoc.bitable.sync(*table, number_rows(700, paid=2), key_fields="No", mode=mode))
    assert writes(lark) == 0


def test_an_empty_table_with_advanced_permissions_has_to_be_allowed(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.limit_base(table.app_token)
    with pytest.raises(PermissionDeniedError):
        bitable.sync(*table, number_rows(3), key_fields="No")
    assert bitable.sync(*table, number_rows(3), key_fields="No", allow_empty_table=True).created == 3
    assert bitable.sync(*table, number_rows(3), key_fields="No").written == 0


def test_records_that_are_hidden_once_they_are_created_stop_the_sync(lark: Emulator, table: Table) -> None:
    lark.limit_base(table.app_token, sees="none")
    with pytest.raises((PermissionDeniedError, BulkWriteError), match=r"just created|needs"):
        LarkServiceClient().clouddoc.bitable.sync(
            *table, number_rows(2500), key_fields="No", allow_empty_table=True
        )
    assert count(lark, f"{RECORDS}/batch_create") == 1, "no further chunk is written"


@pytest.mark.parametrize("plan", [{"ends": True}, {"repeats_token": True}, {"ends": True, "items": 100}])
def test_pages_that_do_not_add_up_are_read_again(
    lark: Emulator, do: Do, table: Table, plan: dict[str, Any]
) -> None:
    lark.make_rows(*table, 1800, {"No": "A-{n}", "Paid": 1})
    lark.plan_page(2, **plan)
    result = do(lambda c: c.clouddoc.bitable.sync(*table, number_rows(1800), key_fields="No", mode="mirror"))
    assert (result.written, result.counts.table_records) == (0, 1800)
    assert count(lark, SEARCH) in (2 + 4, 3 + 4)


def test_pages_that_never_add_up_are_an_error_and_nothing_is_written(lark: Emulator, table: Table) -> None:
    lark.make_rows(*table, 1800, {"No": "A-{n}", "Paid": 1})
    lark.plan_page(2, ends=True, times=9)
    with pytest.raises(LarkAPIError, match="1000 of 1800 records") as raised:
        LarkServiceClient().clouddoc.bitable.sync(*table, number_rows(1800, paid=2), key_fields="No")
    assert raised.value.retryable
    assert writes(lark) == 0


def test_short_pages_and_an_absent_total_are_no_problem(lark: Emulator, table: Table) -> None:
    lark.make_rows(*table, 1800, {"No": "A-{n}", "Paid": 1})
    lark.settings(search_total="absent")
    lark.plan_page(0, items=123, times=4)
    result = LarkServiceClient().clouddoc.bitable.sync(*table, number_rows(1800), key_fields="No")
    assert (result.written, result.counts.table_records) == (0, 1800)


@pytest.mark.parametrize("key_form", ["exact", "trim"])
def test_a_record_that_slips_between_two_pages_is_not_doubled(
    lark: Emulator, do: Do, table: Table, key_form: str
) -> None:
    """A person deletes 3 records that were read: the next page begins 3 records late, the counts agree."""
    lark.make_rows(*table, 1800, {"No": "A-{n}", "Paid": 1})
    edits: list[dict[str, Any]] = [
        {"do": "delete", "pick": 3, "among": "read"},
        {"do": "add", "rows": [{"No": f"P-{n}"} for n in range(3)]},
    ]
    lark.plan_page(2, app_token=table.app_token, table_id=table.table_id, edits=edits)
    result = do(
        lambda c: c.clouddoc.bitable.sync(*table, number_rows(1800), key_fields="No", key_form=key_form)
    )
    again = do(
        lambda c: c.clouddoc.bitable.sync(*table, number_rows(1800), key_fields="No", key_form=key_form)
    )
    assert (result.created, again.created) == (0, 3), "the next run brings back what people deleted"
    assert by_key(table).keys() == {f"A-{n}" for n in range(1800)} | {f"P-{n}" for n in range(3)}


def test_records_that_slip_in_two_scans_are_not_doubled(lark: Emulator, do: Do, table: Table) -> None:
    """Keys without a filter are found by scan: what one scan has seen counts if the next one has not."""
    lark.make_rows(*table, 1800, {"No": "A-{n}", "Paid": 1})
    added = {"do": "add", "rows": [{"No": f"P-{n}"} for n in range(3)]}
    for seed in (1, 2):
        edits: list[dict[str, Any]] = [{"do": "delete", "pick": 3, "among": "read"}, added]
        lark.plan_page(2, app_token=table.app_token, table_id=table.table_id, edits=edits, seed=seed)
    source = number_rows(1801)
    do(lambda c: c.clouddoc.bitable.sync(*table, source, key_fields="No", key_form="trim"))
    keys = [record["fields"]["No"] for record in records(table) if record["fields"]["No"].startswith("A-")]
    assert len(keys) == len(set(keys))


def test_a_record_that_vanishes_before_its_update_leaves_the_chunk(
    lark: Emulator, do: Do, table: Table
) -> None:
    lark.make_rows(*table, 1200, {"No": "A-{n}", "Paid": 1})
    edits = [{"do": "delete", "pick": 4, "among": "all"}]
    lark.plan_page(3, app_token=table.app_token, table_id=table.table_id, edits=edits)
    result = do(lambda c: c.clouddoc.bitable.sync(*table, number_rows(1200, paid=2), key_fields="No"))
    assert (result.updated, result.vanished) == (1196, 4)
    again = do(lambda c: c.clouddoc.bitable.sync(*table, number_rows(1200, paid=2), key_fields="No"))
    assert (again.created, again.updated) == (4, 0)


def test_a_record_that_vanishes_before_its_delete_is_done(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.make_rows(*table, 1200, {"No": "A-{n}", "Paid": 1})
    ids = [record["record_id"] for record in records(table) if record["fields"]["No"] in ("A-1197", "A-1198")]
    lark.plan_page(
        3, app_token=table.app_token, table_id=table.table_id, edits=[{"do": "delete", "records": ids}]
    )
    result = bitable.sync(*table, number_rows(1195), key_fields="No", mode="mirror")
    assert result.deleted == 5
    assert len(by_key(table)) == 1195


def test_a_record_that_got_another_key_is_not_deleted(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.make_rows(*table, 1200, {"No": "A-{n}", "Paid": 1, "Note": "a person's"})
    (record,) = [stored["record_id"] for stored in records(table) if stored["fields"]["No"] == "A-1199"]
    edits = [{"do": "edit", "records": [record], "fields": {"No": "renamed"}}]
    lark.plan_page(3, app_token=table.app_token, table_id=table.table_id, edits=edits)
    result = bitable.sync(*table, number_rows(1190), key_fields="No", mode="mirror")
    assert (result.deleted, "renamed" in by_key(table)) == (9, True)


def test_a_lost_answer_to_a_delete_is_found_out(lark: Emulator, do: Do, table: Table) -> None:
    lark.make_rows(*table, 600, {"No": "A-{n}", "Paid": 1})
    lark.fault("POST", "*/records/batch_delete", drop="after")
    result = do(lambda c: c.clouddoc.bitable.sync(*table, number_rows(560), key_fields="No", mode="mirror"))
    assert (result.deleted, len(by_key(table))) == (40, 560)


def test_a_delete_whose_outcome_stays_unknown_is_not_called_refused(lark: Emulator, table: Table) -> None:
    """The answer is lost, and a refusal that may pass meets the retry: the records are gone."""
    lark.make_rows(*table, 20, {"No": "A-{n}", "Paid": 1})
    lark.fault("POST", "*/records/batch_delete", drop="after")
    lark.fault("POST", "*/records/batch_delete", code=1255040, times=9)
    bitable = LarkServiceClient(max_retries=1).clouddoc.bitable
    with pytest.raises(BulkOutcomeUnknownError):
        bitable.sync(*table, number_rows(19), key_fields="No", mode="mirror")


def test_the_record_limit_says_how_far_it_came_and_the_next_run_goes_on(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.settings(records_per_table=1500)
    with pytest.raises(BulkWriteError, match="stopped after 1000 creates") as raised:
        bitable.sync(*table, number_rows(2100), key_fields="No")
    assert raised.value.written == 1000
    lark.settings(records_per_table=0)
    assert bitable.sync(*table, number_rows(2100), key_fields="No").created == 1100
    assert len(by_key(table)) == 2100


def test_a_field_that_does_not_keep_what_is_written_is_reported(
    lark: Emulator, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    """A person sets one record back as soon as it is read: what is read back differs."""
    bitable = LarkServiceClient().clouddoc.bitable
    lark.make_rows(*table, 5, {"No": "A-{n}", "Paid": 1, "Kind": "a"})
    lark.settings(stale_reads_s=60)
    result = bitable.sync(*table, number_rows(5, paid=2), key_fields="No")
    assert list(result.not_converging) == ["Paid"]
    assert "does not converge" in caplog.text


def test_a_field_that_changes_its_type_blames_no_row(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    lark.fault("POST", "*/records/batch_create", code=1254061, msg="NumberFieldConvFail")
    field = next(candidate for candidate in bitable.list_fields(*table) if candidate["field_name"] == "Note")
    source = iter([{"No": "1", "Note": "x"}])

    def changing() -> Any:
        yield next(source)
        LarkServiceClient().call(
            "PUT",
            f"/bitable/v1/apps/{table.app_token}/tables/{table.table_id}/fields/{field['field_id']}",
            json={"field_name": "Note", "type": f.NUMBER},
        )

    with pytest.raises(LarkAPIError, match="'Note' was changed"):
        bitable.sync(*table, changing(), key_fields="No", on_bad_row="skip")


@pytest.mark.parametrize("code", [1254291, 1254290, 1254607, 1255040])
def test_passing_refusals_are_retried(lark: Emulator, table: Table, code: int) -> None:
    for name in ("search", "batch_create", "batch_update", "batch_delete", "batch_get"):
        lark.fault("POST", f"*/records/{name}", code=code)
    lark.make_rows(*table, 20, {"No": "A-{n}", "Paid": 1})
    source = [*number_rows(10), *number_rows(9, 10, paid=2), *make_rows(1, 50)]
    result = LarkServiceClient().clouddoc.bitable.sync(*table, source, key_fields="No", mode="mirror")
    assert (result.created, result.updated, result.deleted, len(by_key(table))) == (1, 9, 1, 20)


def test_a_page_that_was_damaged_on_the_way_is_read_again(lark: Emulator, do: Do, table: Table) -> None:
    lark.make_rows(*table, 600, {"No": "A-{n}", "Paid": 1})
    damaged = '{"code":0,"msg":"success","data":{"items":[{"fields":{"No":],"has_more":false,"total":600}}'
    lark.fault(path="*/records/search", status=200, body=damaged, skip=1)
    result = do(lambda c: c.clouddoc.bitable.sync(*table, number_rows(600, paid=2), key_fields="No"))
    assert (result.updated, result.counts.table_records) == (600, 600)


def test_a_page_that_is_written_otherwise_is_read_all_the_same(lark: Emulator, table: Table) -> None:
    lark.make_rows(*table, 2, {"No": "A-{n}", "Paid": 1})
    items = [dict(record, further=["unknown"]) for record in records(table)]
    answer = {"code": 0, "data": {"items": items, "total": 2, "has_more": False, "further": [[]]}}
    for indent in (None, 2):
        body = json.dumps(answer, indent=indent)
        lark.fault(path="*/records/search", status=200, body=body)
        result = LarkServiceClient().clouddoc.bitable.sync(*table, number_rows(2), key_fields="No")
        assert (result.written, result.counts.table_records) == (0, 2)
