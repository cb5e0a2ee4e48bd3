"""Values and settings that a sync once took wrongly: each is written once, or refused with a reason."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields as f
from lark_provider.api.clouddoc.sync.plan import SyncPlan
from lark_provider.errors import InvalidRequestError
from tests.client.bitable_table import Table
from tests.client.sync_table import by_key, records, table

__all__ = ["table"]


@pytest.mark.parametrize(
    "day", [dt.date(1970, 1, 1), "1970-01-02", dt.date(1970, 4, 26), dt.date(1969, 9, 8)]
)
def test_days_around_the_epoch_are_days(table: Table, day: Any) -> None:
    """Midnight of Shanghai on 1 January 1970 is a small number of milliseconds, and no number of seconds."""
    bitable = LarkServiceClient().clouddoc.bitable
    row = {"No": "1", "At": day}
    assert bitable.sync(*table, [row], key_fields="No").created == 1
    assert bitable.sync(*table, [row], key_fields="No").written == 0
    by_day = bitable.sync(*table, [{"At": day, "Note": "x"}], key_fields="At", mode="mirror")
    assert (by_day.updated, by_day.counts.deletes_withheld) == (1, "")


@pytest.mark.parametrize("key_form", ["trim", "casefold", "nfkc"])
def test_a_key_of_white_space_is_empty_where_white_space_does_not_count(table: Table, key_form: Any) -> None:
    """Such a row was created again by each run."""
    for blank in (" ", "\u3000"):
        with pytest.raises(InvalidRequestError, match=r"row 2, field 'No': must not be empty"):
            LarkServiceClient().clouddoc.bitable.sync(
                *table, [{"No": "a"}, {"No": blank}], key_fields="No", key_form=key_form
            )
    assert records(table) == []


def test_a_mark_is_cleared_also_where_none_keeps_cells(table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    settings: dict[str, Any] = {
        "key_fields": "No", "mode": "mirror", "on_missing": "mark", "mark": {"Gone": True},
        "max_deletes": 1.0, "on_null": "keep",
    }  # fmt: skip
    both = [{"No": "a", "Paid": 1}, {"No": "b", "Paid": 2}]
    bitable.sync(*table, both, **settings)
    assert bitable.sync(*table, both[:1], **settings).marked == 1
    assert bitable.sync(*table, [both[0], {"No": "b", "Paid": None}], **settings).updated == 1
    assert by_key(table)["b"] == {"No": "b", "Paid": 2}


@pytest.mark.parametrize("most", [float("nan"), float("inf"), 50.0, -1, "10%", True])
def test_a_limit_of_deletes_that_limits_nothing_is_refused(table: Table, most: Any) -> None:
    """NaN let everything be deleted: no number is greater."""
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.sync(*table, [{"No": "a"}, {"No": "b"}], key_fields="No")
    with pytest.raises(InvalidRequestError, match="max_deletes must be a share"):
        bitable.sync(*table, [{"No": "a"}], key_fields="No", mode="mirror", max_deletes=most)
    assert set(by_key(table)) == {"a", "b"}


def test_nan_is_none_also_in_a_link_given_by_key(lark: Emulator, table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    customers = bitable.create_table(table.app_token, "c", [f.Field(field_name="Name", type=f.TEXT)])
    other = customers.data["table_id"]
    bitable.create_field(*table, "Customer", f.LINK, property={"table_id": other, "multiple": True})
    lark.add_rows(table.app_token, other, [{"Name": "Ada"}])
    source: list[dict[str, Any]] = [{"No": "1", "Customer": "Ada"}, {"No": "2", "Customer": float("nan")}]
    assert bitable.sync(*table, source, key_fields="No", links={"Customer": "Name"}).created == 2
    source[0]["Customer"] = float("nan")
    assert bitable.sync(*table, source, key_fields="No", links={"Customer": "Name"}).updated == 1
    assert "Customer" not in by_key(table)["1"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"links": "Customer"}, "links must be a dict"),
        ({"retry_rows": 5}, "retry_rows must be numbers of rows"),
        ({"retry_rows": ["1"]}, "retry_rows must be numbers of rows"),
        ({"table_wait": "x"}, "table_wait must be a number of seconds"),
        ({"token_window": None}, "token_window must be a number of seconds"),
        ({"key_form": ["exact"]}, "key_form must be one of"),
        ({"scope": [("At", "is", "Today")]}, "scope must compare a date by"),
        ({"scope": [("At", "isGreaterEqual", "2026-01-01")]}, "scope must compare a date by"),
        ({"scope": [("Paid", "isGreater", "abc")]}, "scope must compare a number with one number"),
        ({"scope": [("No", "isGreater", "5")]}, "scope must order no other fields than numbers"),
        ({"scope": [("Done", "is", "yes")]}, "scope must compare a checkbox by 'is' with a bool"),
    ],
)
def test_settings_of_another_shape_are_named(table: Table, settings: dict[str, Any], said: str) -> None:
    row = {"No": "5", "Paid": 1, "At": dt.date(2026, 1, 1), "Done": True}
    with pytest.raises(InvalidRequestError, match=said):
        LarkServiceClient().clouddoc.bitable.sync(*table, [row], key_fields="No", **settings)
    assert records(table) == []


def test_an_attachment_with_a_size_that_is_not_a_number_is_compared_by_its_token(table: Table) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.create_field(*table, "File", f.ATTACHMENT)
    row = {"No": "1", "File": [{"file_token": "box", "name": "a", "size": "big"}]}
    plan = bitable.sync(*table, [row], key_fields="No", dry_run=True)
    assert isinstance(plan, SyncPlan)
    with plan:
        assert plan.counts.creates == 1


def test_a_mark_that_is_a_day_is_a_day_of_the_base(table: Table) -> None:
    """It was one of UTC, which begins at another moment than the days of rows."""
    bitable = LarkServiceClient().clouddoc.bitable
    settings: dict[str, Any] = {
        "key_fields": "No", "mode": "mirror", "on_missing": "mark", "mark": {"At": dt.date(2026, 1, 31)},
        "max_deletes": 1.0,
    }  # fmt: skip
    bitable.sync(*table, [{"No": "a"}, {"No": "b"}], **settings)
    assert bitable.sync(*table, [{"No": "a"}], **settings).marked == 1
    assert by_key(table)["b"]["At"] == dt.datetime(2026, 1, 30, 16, tzinfo=dt.UTC)  # midnight in Shanghai
    assert bitable.sync(*table, [{"No": "a"}], **settings).written == 0
