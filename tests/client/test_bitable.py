"""Bitable over HTTP: tables, and records that are created, changed and deleted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.errors import ConflictError, InvalidRequestError, NotFoundError
from tests.client.bitable_table import (
    LIST_FIELDS,
    NOON,
    Table,
    list_fields,
    make_rows,
    read_stored,
    search,
    table,
)
from tests.client.conftest import Do, count

__all__ = ["table"]  # a fixture


def test_bases_tables_and_fields(lark: Emulator, do: Do, table: Table) -> None:
    response = do(lambda c: c.clouddoc.bitable.create_field(*table, "Note", f.TEXT, idempotency_key="note"))
    assert response.data["field"]["field_id"].startswith("fld")
    for number in range(104):
        LarkServiceClient().clouddoc.bitable.create_field(*table, f"F{number}", f.TEXT)
    names = [field["field_name"] for field in do(lambda c: list_fields(c, table))]
    assert names == ["No", "Paid", "At", "Kind", "Note", *(f"F{number}" for number in range(104))]
    with pytest.raises(ConflictError):
        do(lambda c: c.clouddoc.bitable.create_field(*table, "Note", f.TEXT))


def test_a_record_is_converted_by_its_fields_which_are_read_once(
    lark: Emulator, do: Do, table: Table
) -> None:
    for _ in range(3):
        answer = do(
            lambda c: c.clouddoc.bitable.create_record(*table, {"No": 7, "Paid": Decimal("1.5"), "At": NOON})
        )
    assert answer.data["record"]["record_id"].startswith("rec")
    assert count(lark, LIST_FIELDS) == 1
    assert read_stored(table)[0]["fields"] == {
        "No": [{"text": "7", "type": "text"}], "Paid": 1.5, "At": 1767268800000,
    }  # fmt: skip


def test_a_field_added_since_is_found(lark: Emulator, do: Do, table: Table) -> None:
    do(lambda c: c.clouddoc.bitable.create_record(*table, {"No": "1"}))
    LarkServiceClient().clouddoc.bitable.create_field(*table, "New", f.TEXT)
    do(lambda c: c.clouddoc.bitable.create_record(*table, {"No": "2", "New": "x"}))
    assert len(read_stored(table)) == 2


NAIVE = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("record", "reason"),
    [({"no": "1"}, "did you mean 'No'"), ({"Paid": "much"}, "must be a number"), ({"At": NAIVE}, "zone=")],
)
def test_a_record_that_does_not_fit_is_not_sent(
    lark: Emulator, do: Do, table: Table, record: Any, reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        do(lambda c: c.clouddoc.bitable.create_record(*table, record))
    assert read_stored(table) == []


def test_what_is_not_converted_is_refused_by_lark_by_name(lark: Emulator, do: Do, table: Table) -> None:
    with pytest.raises(NotFoundError, match="Next: check the field names") as refused:
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"Nope": 1}, convert=False))
    assert refused.value.code == 1254045
    with pytest.raises(InvalidRequestError) as refused_value:
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"Paid": "much"}, convert=False))
    assert refused_value.value.code == 1254061


def test_records_are_changed_and_cells_cleared(lark: Emulator, do: Do, table: Table) -> None:
    ids = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(3))).record_ids
    do(lambda c: c.clouddoc.bitable.update_record(*table, ids[0], {"Paid": Decimal(9), "Kind": None}))
    pairs = [(ident, {"At": None, "Paid": 5}) for ident in ids[1:]]
    assert do(lambda c: c.clouddoc.bitable.bulk_update(*table, iter(pairs), chunk_size=1)).written == 2
    fields = [record["fields"] for record in read_stored(table)]
    assert [cells["Paid"] for cells in fields] == [9, 5, 5]
    assert ["At" in cells for cells in fields] == [True, False, False]
    assert ["Kind" in cells for cells in fields] == [False, True, True]
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.update_record(*table, "recnothere", {"Paid": 1}))
    with pytest.raises(InvalidRequestError, match="must be a number"):
        do(lambda c: c.clouddoc.bitable.bulk_update(*table, [(ids[0], {"Paid": "much"})]))


def test_records_are_deleted(lark: Emulator, do: Do, table: Table) -> None:
    ids = do(lambda c: c.clouddoc.bitable.bulk_insert(*table, make_rows(1203))).record_ids
    assert do(lambda c: c.clouddoc.bitable.delete_record(*table, ids[0])).data["deleted"]
    done = do(lambda c: c.clouddoc.bitable.bulk_delete(*table, ids[1:-1]))
    assert (done.written, done.chunks) == (1201, 3)
    assert [record["record_id"] for record in read_stored(table)] == ids[-1:]
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.bulk_delete(*table, ids[:2]))
    assert len(read_stored(table)) == 1


def test_links_do_where_tokens_do(lark: Emulator, do: Do, table: Table) -> None:
    link = f"https://x.feishu.cn/base/{table.app_token}?table={table.table_id}&view=vew1"
    assert do(lambda c: c.clouddoc.bitable.bulk_insert(link, None, make_rows(2))).written == 2
    assert len(do(lambda c: search(c, Table(link, "")))) == 2
    with pytest.raises(InvalidRequestError, match="unless app_token is a link that names a table"):
        do(lambda c: c.clouddoc.bitable.bulk_insert(link.split("?", maxsplit=1)[0], None, make_rows(2)))
    with pytest.raises(InvalidRequestError, match="got a docx"):
        do(lambda c: c.clouddoc.bitable.bulk_insert("https://x.feishu.cn/docx/abc", None, make_rows(2)))
    with pytest.raises(InvalidRequestError, match="must lead to a Lark document"):
        do(lambda c: c.clouddoc.bitable.bulk_insert("https://x.example/abc", None, make_rows(2)))


def test_a_change_to_what_is_there_already_answers_with_the_record(
    lark: Emulator, do: Do, table: Table
) -> None:
    (ident,) = LarkServiceClient().clouddoc.bitable.bulk_insert(*table, make_rows(1)).record_ids
    lark.settings(unchanged_write="1254606")
    change = {"Paid": 0, "At": NOON, "Kind": "b2c"}
    answer = do(lambda c: c.clouddoc.bitable.update_record(*table, ident, change))
    assert answer.code == 0
    assert answer.data["record"]["record_id"] == ident
    assert answer.data["record"]["fields"] == {"Paid": 0, "At": 1767268800000, "Kind": "b2c"}
    assert do(lambda c: c.clouddoc.bitable.bulk_update(*table, [(ident, change)])).record_ids == [ident]


def test_seconds_are_not_taken_for_milliseconds(lark: Emulator, do: Do, table: Table) -> None:
    with pytest.raises(InvalidRequestError, match="must be milliseconds, not seconds"):
        do(lambda c: c.clouddoc.bitable.create_record(*table, {"At": int(NOON.timestamp())}))
    assert read_stored(table) == []
    do(lambda c: c.clouddoc.bitable.create_record(*table, {"At": int(NOON.timestamp() * 1000)}))
    assert do(lambda c: search(c, table))[0]["fields"]["At"] == NOON
