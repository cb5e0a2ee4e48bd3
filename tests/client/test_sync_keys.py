"""Sync by key over HTTP: types and forms of keys, and links by the key of another table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.errors import InvalidRequestError, LarkAPIError
from tests.client.bitable_table import Table
from tests.client.conftest import Do
from tests.client.sync_table import by_key, table

__all__ = ["table"]  # a fixture


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
    assert [reject.row for reject in result.rejects] == [4, 5]
    assert "several records" in result.rejects[1].reason


def test_a_link_by_a_number_or_its_text_takes_it_in_any_type(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    fields = [f.Field(field_name="Name", type=f.TEXT), f.Field(field_name="Size", type=f.NUMBER)]
    sizes = bitable.create_table(table.app_token, "sizes", fields).data["table_id"]
    bitable.create_field(*table, "Size", f.LINK, property={"table_id": sizes, "multiple": True})
    lark.add_rows(table.app_token, sizes, [{"Name": "a", "Size": 1.5}, {"Name": "b", "Size": 2}])
    values = [Decimal("1.50"), 1.5, "1.5", Decimal("2.00"), 2]
    source = [{"No": str(number), "Size": value} for number, value in enumerate(values)]
    assert bitable.sync(*table, source, key_fields="No", links={"Size": "Size"}).created == len(values)
    lark.add_rows(table.app_token, sizes, [{"Name": "1.50", "Size": 3}])
    named = [{"No": "text", "Size": Decimal("1.50")}]  # As this package writes it into a field for text.
    assert bitable.sync(*table, named, key_fields="No", links={"Size": "Name"}).created == 1


def link_customers(lark: Emulator, table: Table, names: Iterable[str]) -> str:
    """Link the table to a new table of customers with these names; return the new table's id."""
    bitable = LarkServiceClient().clouddoc.bitable
    fields = [f.Field(field_name="Name", type=f.TEXT)]
    customers: str = bitable.create_table(table.app_token, "customers", fields).data["table_id"]
    bitable.create_field(*table, "Customer", f.LINK, property={"table_id": customers, "multiple": True})
    lark.add_rows(table.app_token, customers, [{"Name": name} for name in names])
    return customers


def test_a_linked_table_of_several_pages_is_read_to_its_end(lark: Emulator, do: Do, table: Table) -> None:
    customers = link_customers(lark, table, (f"customer {number}" for number in range(1100)))
    damaged = '{"code":0,"msg":"success","data":{"items":[{"fields":{"Name":],"has_more":false,"total":1100}}'
    lark.fault(path=f"*/{customers}/records/search", status=200, body=damaged, skip=1)
    source = [{"No": str(number), "Customer": f"customer {number}"} for number in range(1100)]
    links = {"Customer": "Name"}
    assert do(lambda c: c.clouddoc.bitable.sync(*table, source, key_fields="No", links=links)).created == 1100


@pytest.mark.parametrize("plan", [{"page": 1, "ends": True}, {"page": 2, "repeats_token": True}])
def test_a_linked_table_with_a_missing_page_is_scanned_again(
    lark: Emulator, do: Do, table: Table, plan: dict[str, Any]
) -> None:
    # Ada stands on the first page, and her namesake on the one that is missing at first.
    link_customers(lark, table, ["Ada", *(f"customer {number}" for number in range(1000)), "Ada"])
    lark.plan_page(**plan)
    source = [{"No": "1", "Customer": "customer 7"}, {"No": "2", "Customer": "Ada"}]
    links = {"Customer": "Name"}
    result = do(
        lambda c: c.clouddoc.bitable.sync(*table, source, key_fields="No", links=links, on_bad_row="skip")
    )
    assert [(reject.row, reject.field) for reject in result.rejects] == [(2, "Customer")]
    assert result.created == 1


def test_a_linked_table_that_never_adds_up_is_an_error_that_names_its_field(
    lark: Emulator, table: Table
) -> None:
    link_customers(lark, table, (f"customer {number}" for number in range(600)))
    lark.plan_page(1, ends=True, times=3)
    with pytest.raises(LarkAPIError, match=r"'Customer' links to cannot be read.*500 of 600") as raised:
        LarkServiceClient().clouddoc.bitable.sync(
            *table, [{"No": "1", "Customer": "customer 7"}], key_fields="No", links={"Customer": "Name"}
        )
    assert raised.value.retryable
    assert by_key(table) == {}


def test_a_linked_record_that_is_made_again_between_two_scans_is_one(lark: Emulator, table: Table) -> None:
    customers = link_customers(lark, table, [])
    [ada] = lark.add_rows(table.app_token, customers, [{"Name": "Ada"}])
    lark.make_rows(table.app_token, customers, 600, {"Name": "customer {n}"})
    lark.plan_page(
        1,
        app_token=table.app_token,
        table_id=customers,
        ends=True,
        edits=[{"do": "delete", "records": [ada]}, {"do": "add", "rows": [{"Name": "Ada"}]}],
    )
    source = [{"No": "1", "Customer": "Ada"}]
    result = LarkServiceClient().clouddoc.bitable.sync(
        *table, source, key_fields="No", links={"Customer": "Name"}
    )
    assert result.created == 1
