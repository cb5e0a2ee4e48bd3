"""`write_table`: what is written after it, by each mode."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from decimal import Decimal
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.clouddoc import document_lease
from lark_provider.api.clouddoc.sheets import ConditionalFormat, Style
from lark_provider.api.clouddoc.sheets.kinds import Formula, Link, Mention
from lark_provider.errors import ConflictError, InvalidRequestError
from lark_provider.support.once import Once
from tests.tables.conftest import HEADER, PUT, SheetTable, make_rows, table

pytestmark = pytest.mark.usefixtures("database")


def test_replace_leaves_no_old_row_and_nothing_else_changes(place: SheetTable) -> None:
    place.type_cells("D1", ["theirs"], ["too"])
    place.type_cells("D40", ["below"])
    other = place.sheets.add_sheet(place.token, "Other")
    place.sheets.write(place.token, f"{other.sheet_id}!A1:B1", [["not", "ours"]])

    first = place.write(make_rows(30), key="daily")
    assert (first.range, first.rows_written, first.replayed) == ("A1:B31", 30, 0)
    second = place.write(make_rows(10, r3="new"), key="daily")
    assert (second.range, second.rows_written) == ("A1:B11", 10)

    values = place.read_values()
    assert [row[:2] for row in values[:11]] == [HEADER, *table(10, r3="new")]
    assert all(row[:2] == ["", ""] for row in values[11:])
    assert (values[0][3], values[1][3], values[39][3]) == ("theirs", "too", "below")
    assert place.lark.sheet(place.token, "Other")["values"] == [["not", "ours"]]


def test_a_daily_rerun_changes_nothing(place: SheetTable) -> None:
    options: dict[str, Any] = {
        "key": "daily",
        "freeze": True,
        "filter": True,
        "formats": {"No": "#,##0"},
        "widths": {"Name": 180},
    }
    place.write(make_rows(30), **options)
    once = place.look()
    place.write(make_rows(30), **options)
    assert place.look() == once
    assert once["filter"] == {"range": "A1:B31", "conditions": {}}
    assert once["frozen_rows"] == 1
    assert once["widths"]["B"] == 180
    assert once["formats"]["A1"]["font"] == {"bold": True}
    assert once["formats"]["A31"] == {"formatter": "#,##0"}


@pytest.mark.parametrize(("freeze", "rows"), [(True, 1), (2, 2), (False, 0)])
def test_freezing_rows_leaves_the_columns_that_a_person_froze(
    place: SheetTable, freeze: bool | int, rows: int
) -> None:
    place.sheets.freeze(place.token, rows=3, columns=2)
    for _ in "12":
        place.write(make_rows(5), freeze=freeze)
        assert (place.look()["frozen_rows"], place.look()["frozen_columns"]) == (rows, 2)
    place.write(make_rows(5), freeze=(1, 1))
    assert (place.look()["frozen_rows"], place.look()["frozen_columns"]) == (1, 1)


@pytest.mark.parametrize("again", ["refused", "overwrites"])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_the_filter_follows_the_table_although_answers_are_lost(
    place: SheetTable, drop: str, again: str
) -> None:
    place.lark.settings(filter_again=again)
    for rows in (30, 40):  # the second one removes the first filter and makes another
        for method in ("POST", "DELETE"):
            place.lark.fault(method, "*/filter", drop=drop)
        place.write(make_rows(rows), key="daily", filter=True)
        assert place.look()["filter"] == {"range": f"A1:B{rows + 1}", "conditions": {}}


def test_conditional_formats_are_made_once_and_grow_with_the_table(place: SheetTable) -> None:
    red = {"rule_type": "cellIs", "operator": "lessThan", "values": [3], "style": {"color": "#d83931"}}
    options: dict[str, Any] = {
        "key": "daily",
        "conditional_formats": {
            "No": red,
            "Name": [ConditionalFormat((), "duplicateValues", Style(bold=True))],
        },
    }
    theirs = ConditionalFormat(["A1:A9"], "cellIs", Style(color="#d83931"), "lessThan", (3,))
    place.sheets.add_conditional_formats(place.token, [theirs])
    place.write(make_rows(30), **options)
    once = place.sheets.list_conditional_formats(place.token)
    assert [rule.ranges for rule in once] == [["A1:A9"], ["A2:A31"], ["B2:B31"]]
    place.write(make_rows(30), **options)
    place.write(make_rows(7), **options | {"key": "shorter"})
    assert place.sheets.list_conditional_formats(place.token) == once
    place.write(make_rows(40), **options | {"key": "longer"})
    grown = place.sheets.list_conditional_formats(place.token)
    assert [rule.ranges for rule in grown] == [["A1:A9"], ["A2:A41"], ["B2:B41"]]
    assert [rule.id for rule in grown] == [rule.id for rule in once]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Nome": {"rule_type": "duplicateValues"}}, "must name columns of the table"),
        ({"No": {"operator": "lessThan"}}, "must be a ConditionalFormat or a dict of rule_type"),
        ({"No": {"rule_type": "cellIs", "operator": "lessThan", "values": []}}, "must have 1 value"),
        ({"No": {"rule_type": "duplicateValues", "style": {"colour": "red"}}}, "attributes of Style"),
        ({"No": ConditionalFormat(["A1"], "duplicateValues")}, "must have no ranges"),
        ({"No": [{"rule_type": "duplicateValues"}] * 21}, "at most 20 conditional formats, got 21"),
    ],
)
def test_wrong_conditional_formats_are_refused_before_anything_is_sent(
    place: SheetTable, given: Any, said: str
) -> None:
    before = place.lark.state(summary=True)["by_endpoint"]
    with pytest.raises(InvalidRequestError, match=said):
        place.write(make_rows(3), conditional_formats=given)
    assert place.lark.state(summary=True)["by_endpoint"] == before


def test_values_have_their_types_and_formats(place: SheetTable) -> None:
    row = {
        "day": dt.date(2024, 1, 15),
        "at": dt.datetime(2024, 1, 15, 12, 0),  # noqa: DTZ001 - a cell has no zone
        "sum": Decimal("12.50"),
        "id": "00123",
        "long": 123456789012345678,
        "text": "=1+1",
        "formula": Formula("=1+1"),
        "error": "#N/A",
        "page": Link("page", "https://example.com"),
        "none": None,
    }
    styled = {"backColor": "#ff0000"}
    place.write([row], formats={"sum": "#,##0.00", str: styled})
    sheet = place.look()
    values, formats = sheet["values"][1], sheet["formats"]
    assert values[:5] == [45306, 45306.5, 12.5, "00123", "123456789012345678"]
    assert values[6]["formula"] == "=1+1"
    assert [formats[f"{letter}2"]["formatter"] for letter in "ABC"] == [
        "yyyy-MM-dd",
        "yyyy/MM/dd HH:mm:ss",
        "#,##0.00",
    ]
    assert formats["E2"]["formatter"] == "@"
    assert formats["D2"] == {**styled, "formatter": "@"}
    assert LarkServiceClient().clouddoc.sheets.read(place.token, "F2") == [["=1+1"]]
    assert LarkServiceClient().clouddoc.sheets.read(place.token, "H2") == [["#N/A"]]


def test_append_writes_below_and_once_for_a_key(place: SheetTable) -> None:
    place.write(make_rows(5), mode="append", key="monday")
    place.write(make_rows(5, 5), mode="append", key="tuesday")
    again = place.write(make_rows(5), mode="append", key="monday")
    assert (again.rows_written, again.replayed) == (5, 5)
    assert place.read_values() == [HEADER, *table(10)]


@pytest.mark.parametrize("kept", [3, 7])
def test_an_append_whose_source_has_other_rows_says_which(place: SheetTable, kept: int) -> None:
    place.write(make_rows(5), mode="append", key="monday")
    with pytest.raises(ConflictError, match=r"Row 4 of the source|Row 6 of the source"):
        place.write(make_rows(kept), mode="append", key="monday")
    with pytest.raises(ConflictError, match="Row 2 of the source"):
        place.write(make_rows(5, r1="other"), mode="append", key="monday")
    assert place.read_values() == [HEADER, *table(5)]


def test_append_to_another_header_is_refused(place: SheetTable) -> None:
    place.type_cells("A1", ["No", "Title"])
    with pytest.raises(
        InvalidRequestError, match=r"Cell B1 of worksheet 'Sheet1' is .*, not the header 'Name'"
    ):
        place.write(make_rows(1), mode="append")
    assert place.read_values() == [["No", "Title"]]


def test_update_writes_over_keys_and_appends_others(place: SheetTable) -> None:
    place.type_cells("A1", ["Note", "Name", "", "No"], ["mine", "old", "x", 2], ["", "keep", "", 9])
    result = place.write(make_rows(3), mode="update_by_key", key_fields=["No"], key="u")
    assert result.rows_written == 3
    assert place.read_values() == [
        ["Note", "Name", "", "No"],
        ["mine", "row 2", "x", 2],
        ["", "keep", "", 9],
        ["", "row 0", "", 0],
        ["", "row 1", "", 1],
    ]
    place.write(make_rows(3, r1="new"), mode="update_by_key", key_fields=["No"], key="u")
    assert [row[1] for row in place.read_values()] == ["Name", "row 2", "keep", "row 0", "new"]


def test_a_number_is_the_same_key_as_its_text(place: SheetTable) -> None:
    """A column of codes is read as texts or numbers, as it happens: `007,123` or `123,456`."""
    place.write([{"No": code, "Name": "old"} for code in ("007", "123", "1.5")], columns=HEADER)
    place.type_cells("A5", [456, "old"])
    source = [{"No": code, "Name": "new"} for code in (123, "456", 1.5, 7)]
    place.write(source, mode="update_by_key", key_fields=["No"])
    names = {str(row[0]): row[1] for row in place.read_values()[1:]}
    assert names == {"007": "old", "123": "new", "1.5": "new", "456": "new", "7": "new"}
    with pytest.raises(InvalidRequestError, match="Rows 1 and 2 of the source have the same key"):
        place.write(
            [{"No": 1, "Name": "a"}, {"No": "1", "Name": "b"}], mode="update_by_key", key_fields=["No"]
        )


def test_update_begins_a_table_in_an_empty_worksheet(place: SheetTable) -> None:
    place.write(
        make_rows(3), mode="update_by_key", key_fields=["No"], columns={"No": "Number", "Name": "Name"}
    )
    assert place.read_values() == [["Number", "Name"], *table(3)]


def test_update_refuses_missing_and_doubled_keys(place: SheetTable) -> None:
    place.type_cells("A1", HEADER)
    for bad, said in (
        ([{"No": None, "Name": "a"}], "Row 1 of the source must have a key"),
        ([{"No": 1, "Name": "a"}, {"No": 1, "Name": "b"}], "Rows 1 and 2 of the source have the same key"),
        ([{"No": 1, "Other": "a"}], "must have the column 'Other' once, and lacks it"),
    ):
        with pytest.raises(InvalidRequestError, match=said):
            place.write(bad, mode="update_by_key", key_fields=["No"])
    assert place.read_values() == [HEADER]


def test_update_refuses_a_doubled_key_that_is_there_or_far_apart(place: SheetTable) -> None:
    place.write(make_rows(1), mode="update_by_key", key_fields=["No"])
    doubled = [{"No": 0, "Name": "a"}, {"No": 0, "Name": "b"}]
    with pytest.raises(InvalidRequestError, match="Rows 1 and 2 of the source have the same key"):
        place.write(doubled, mode="update_by_key", key_fields=["No"])
    assert place.read_values() == [HEADER, *table(1)]
    far = [*make_rows(6000), {"No": 0, "Name": "c"}]  # in two requests
    with pytest.raises(InvalidRequestError, match="Rows 1 and 6001 of the source have the same key"):
        place.write(far, mode="update_by_key", key_fields=["No"])
    assert place.read_values()[1] == table(1)[0]


def test_a_table_is_written_at_its_place(place: SheetTable) -> None:
    result = place.write([(1, 2), (3, 4)], header=False, start="C5")
    assert result.range == "C5:D6"
    assert place.read_values()[4:] == [["", "", 1, 2], ["", "", 3, 4]]


def test_requests_are_as_few_as_the_limits_allow(place: SheetTable) -> None:
    place.write(({"No": number, "Name": "x"} for number in range(10_000)), widths=None)
    assert place.requests(PUT) == 3  # 10,001 rows
    wide = [{f"c{column}": column for column in range(150)} for _ in range(3)]
    place.write(wide, start="A20000")
    assert place.requests(PUT) == 5
    assert place.read_values()[20002] == list(range(150))


def test_a_body_that_is_too_large_is_halved(lark: Emulator, place: SheetTable) -> None:
    lark.settings(max_sheet_request_bytes=4000)
    source = [{"No": number, "Name": "x" * 300} for number in range(100)]
    place.write(source)
    assert place.read_values() == [HEADER, *([row["No"], row["Name"]] for row in source)]
    place.write(source, mode="append", key="again")
    assert len(place.read_values()) == 201


@pytest.mark.parametrize("mode", ["replace", "update_by_key"])
@pytest.mark.parametrize("refusal", [{"status": 400, "code": 90227}, {"status": 413, "body": "<html>"}])
def test_a_body_is_halved_that_is_refused_after_a_lost_answer(
    place: SheetTable, mode: str, refusal: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"mode": mode} | ({"key_fields": ["No"]} if mode == "update_by_key" else {})
    place.write(make_rows(8), key="first", **options)
    path = "*/values" if mode == "replace" else "*/values_batch_update"
    place.lark.fault(path=path, drop="before")
    place.lark.fault(path=path, **refusal)
    place.write(make_rows(8, r3="new"), key="second", **options)
    assert [row[:2] for row in place.read_values()[:9]] == [HEADER, *table(8, r3="new")]


def test_merged_cells_are_an_error_unless_unmerged(place: SheetTable) -> None:
    place.sheets.merge(place.token, "A3:B4")
    with pytest.raises(ConflictError, match=r"merged cells where the table is written: A3:B4"):
        place.write(make_rows(5))
    assert place.read_values() == []
    place.write(make_rows(5), unmerge=True)
    assert place.read_values() == [HEADER, *table(5)]
    assert place.look()["merges"] == []


def test_bad_rows_are_named_before_anything_is_sent(place: SheetTable) -> None:
    bad = [*make_rows(5), {"No": float("nan"), "Name": "x"}]
    with pytest.raises(InvalidRequestError, match=r"Row 6 of the source, column 'No'.*finite"):
        place.write(bad)
    assert place.read_values() == []
    assert place.requests(PUT) == 0
    for options, said in (
        ({"mode": "other"}, "mode must be one of"),
        ({"mode": "update_by_key"}, "key_fields must be given"),
        ({"formats": {"Nope": "0"}}, "formats must name columns"),
        ({"widths": {"No": "wide"}}, "must be a number of pixels"),
        ({"freeze": "A1"}, "freeze must be"),
        ({"title": "x"}, "for a new spreadsheet only"),
        ({"key": " "}, "non-empty"),
    ):
        with pytest.raises(InvalidRequestError, match=said):
            place.write(make_rows(2), **options)
    assert place.read_values() == []


def test_an_error_says_what_stands_of_the_table(place: SheetTable) -> None:
    source = ({"No": number if number != 7000 else float("inf"), "Name": "x"} for number in range(8000))
    with pytest.raises(InvalidRequestError, match=r"Row 7001 of the source, column 'No'") as error:
        place.write(source)
    said = "4,999 row(s) of the source are written, in rows 1 to 5000 of worksheet 'Sheet1'."
    assert str(error.value).endswith(f"{said} Next: change the value in this row of the source.")
    assert len(place.read_values()) == 5000

    def broken() -> Any:
        yield from make_rows(6000)
        raise ValueError("the source is gone")

    with pytest.raises(ValueError, match="the source is gone") as failure:
        place.write(broken(), mode="append", start="D1")
    assert "5,000 row(s) of the source are written, in rows 2 to 5001" in str(failure.value.__notes__)


def test_a_zone_may_be_a_name(place: SheetTable) -> None:
    at = dt.datetime(2026, 1, 31, 20, 0, tzinfo=dt.UTC)
    place.write([{"at": at}], zone="Asia/Shanghai")
    assert place.sheets.read(place.token, "A1:A2") == [["at"], [dt.datetime(2026, 2, 1, 4, 0)]]  # noqa: DTZ001 - a cell has no zone
    with pytest.raises(InvalidRequestError, match="zone must be a tzinfo or an IANA name, got 'Shanghai'"):
        place.write([{"at": at}], zone="Shanghai")


def test_numbers_in_place_of_dates_are_shown_as_numbers(place: SheetTable) -> None:
    place.write([{"a": dt.date(2026, 1, 1), "b": 1, "c": 1}] * 500)
    place.sheets.style(place.token, "C2:C501", Style(formatter="#,##0.00"))
    place.write([{"a": 5, "b": dt.date(2026, 1, 1), "c": 2}] * 500)
    values = place.sheets.read(place.token, "A1:C501")
    assert values == [["a", "b", "c"], *[[5, dt.date(2026, 1, 1), 2]] * 500]
    formats = place.look()["formats"]
    assert {formats[f"C{row}"]["formatter"] for row in (2, 30)} == {"#,##0.00"}  # a person's


@pytest.mark.parametrize("title", ["=1+1", "ann@example.com", "https://example.com", "2026", " a "])
@pytest.mark.parametrize("equals", ["text", "formula"])
def test_any_title_is_found_again(lark: Emulator, place: SheetTable, title: str, equals: str) -> None:
    lark.settings(equals_strings=equals)
    source = [{title: number, "n": "x"} for number in range(3)]
    place.write(source)
    place.write(source, mode="update_by_key", key_fields=[title])
    place.write(source, mode="append")
    assert [row[0] for row in place.read_values()[1:]] == [0, 1, 2, 0, 1, 2]
    assert place.sheets.read(place.token, "A1") == [[title]]


@pytest.mark.parametrize("bools", ["bool", "text"])
def test_any_value_may_be_a_key(lark: Emulator, place: SheetTable, bools: str) -> None:
    lark.settings(bool_cells=bools)
    day = dt.datetime(2026, 1, 1, 3, 4, 5)  # noqa: DTZ001 - a cell has no zone
    keys: list[Any] = [True, False, day, day.date(), day.time(), 1.5, 2**60, "00123", 0, "=x", " x "]
    keys += ["ann@example.com", "https://example.com/a", Link("x", "https://example.com")]
    keys += ["#N/A", "#REF!"]
    for version in (1, 2):
        source = [{"key": key, "v": version} for key in keys]
        place.write(source, mode="update_by_key", key_fields=["key"])
    assert [row[1] for row in place.read_values()] == ["v", *[2] * len(keys)]
    with pytest.raises(InvalidRequestError, match="Row 1 of the source must have a key that Lark answers"):
        place.write([{"key": Formula("=1+1"), "v": 1}], mode="update_by_key", key_fields=["key"])


def test_an_empty_source_leaves_the_header(place: SheetTable) -> None:
    place.write(make_rows(3), key="k")
    place.write([], columns=HEADER, key="k")
    assert place.read_values() == [HEADER]


def test_the_asynchronous_client_writes_the_same(place: SheetTable) -> None:
    async def some() -> Any:
        for row in make_rows(20):
            yield row

    async def write() -> Any:
        async with AsyncLarkServiceClient() as client:
            return await client.clouddoc.sheets.write_table(place.token, some(), key="k", mode="append")

    assert asyncio.run(write()).rows_written == 20
    assert place.read_values() == [HEADER, *table(20)]


def test_a_sheet_object_writes_without_ids(place: SheetTable) -> None:
    place.sheets.open(place.token)["Sheet1"].write_table(make_rows(2))
    assert place.read_values() == [HEADER, *table(2)]


def test_without_a_database_it_says_what_is_missing(
    place: SheetTable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("LARK_DATABASE_URL")
    monkeypatch.setattr(document_lease, "_warnings", Once())
    with caplog.at_level(logging.WARNING):
        place.write(make_rows(3), mode="append", key="k")
        place.write(make_rows(3, 3), mode="append", key="k")
    assert caplog.text.count("No database") == 1  # of the process
    assert place.read_values() == [HEADER, *table(6)]


@pytest.mark.parametrize("start", ["Other!B2", "B2:D9", "B:C"])
def test_a_start_that_is_no_cell_of_the_target_is_refused(place: SheetTable, start: str) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"start must be one cell, without a worksheet, got .* Next: "
    ):
        place.write(make_rows(3), start=start)
    assert place.read_values() == []


def test_merged_cells_where_nothing_is_written_stay(place: SheetTable) -> None:
    """A title above, notes beside, a summary below: they are not the table's."""
    place.write(make_rows(5))
    for area in ("A2:B2", "D1:E9", "A90:B90"):
        place.sheets.merge(place.token, area)
    place.write(make_rows(5, 5), mode="append", unmerge=True)
    place.write([{"Name": "new", "No": 3}], mode="update_by_key", key_fields=["No"], unmerge=True)
    assert len(place.look()["merges"]) == 3
    with pytest.raises(ConflictError, match=r"merged cells where the table is written: A2:B2\."):
        place.write([{"Name": "new", "No": 0}], mode="update_by_key", key_fields=["No"])
    with pytest.raises(ConflictError, match=r"merged cells where the table is written: A90:B90\."):
        place.write(make_rows(1), mode="append", start="A90")
    place.write(make_rows(5), unmerge=True)
    assert len(place.look()["merges"]) == 2


@pytest.mark.parametrize("mode", ["replace", "append", "update_by_key"])
def test_a_request_mentions_no_more_people_than_lark_takes(place: SheetTable, mode: str) -> None:
    options: dict[str, Any] = {"mode": mode, "columns": ["No", "Owner"]}
    if mode == "update_by_key":
        options["key_fields"] = ["No"]
        place.write([[number, "nobody"] for number in range(120)], columns=["No", "Owner"])
    owner = "ou_1"
    place.write([[number, Mention(owner)] for number in range(120)], **options)
    assert len(place.read_values()) == 121


def test_a_formula_in_a_key_column_counts_by_its_result(place: SheetTable) -> None:
    place.sheets.write(place.token, "A1", [HEADER, [Formula("=SUM(D2)"), "old"]])
    place.sheets.write(place.token, "D2", [[7]])
    place.write(
        [{"No": 7, "Name": "new"}, {"No": 8, "Name": "added"}], mode="update_by_key", key_fields=["No"]
    )
    assert [row[:2] for row in place.read_values()] == [HEADER, [7, "new"], [8, "added"]]
