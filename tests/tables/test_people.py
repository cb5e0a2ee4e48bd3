"""People work in the same spreadsheet while a table is written, and between its attempts."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.procedure import write_with_options
from lark_provider.errors import ConflictError, LarkError
from tests.tables.conftest import HEADER, PUT, SheetTable, make_rows, table

pytestmark = pytest.mark.usefixtures("database")


def in_parts(place: SheetTable, source: list[dict[str, Any]], key: str = "k", **options: Any) -> Any:
    """Write a table, ten rows in a request."""
    table_options = TableOptions(max_rows=10, settle_after=0.3, **options)
    return LarkServiceClient().perform(
        write_with_options(place.token, source, table_options, (1, 1), key=key)
    )


def typing(cell: str, *lines: list[Any]) -> dict[str, Any]:
    return {"do": "type", "cell": cell, "values": list(lines)}


def test_rows_are_appended_below_what_a_person_has_typed_meanwhile(place: SheetTable) -> None:
    in_parts(place, make_rows(10), mode="append")
    # After the rows of the second part are reserved, and before they are read.
    skip = 5
    place.lark.plan_sheet_edit(place.token, [typing("A13", ["a person's"])], before="read", skip=skip)
    in_parts(place, make_rows(30, 10), "second", mode="append")
    values = place.read_values()
    assert ["a person's", ""] in values
    assert [row for row in values if row[0] not in ("", "a person's")] == [HEADER, *table(40)]


@pytest.mark.parametrize("skip", range(1, 8))
def test_a_row_that_is_inserted_above_an_append_costs_no_row(place: SheetTable, skip: int) -> None:
    place.lark.plan_sheet_edit(
        place.token, [{"do": "insert_rows", "at": 2, "count": 1}], before="write", skip=skip
    )
    in_parts(place, make_rows(40), mode="append")
    values = place.read_values()
    assert values[0] == HEADER
    assert sorted(row[0] for row in values[1:] if row[0] != "") == list(range(40))


def test_a_row_that_is_inserted_above_a_table_that_is_replaced_is_named(place: SheetTable) -> None:
    in_parts(place, make_rows(40))
    place.lark.plan_sheet_edit(
        place.token, [{"do": "insert_rows", "at": 1, "count": 1}], before="write", skip=2
    )
    with pytest.raises(ConflictError, match=r"In worksheet 'Sheet1', rows 1 to 10 of the table were moved"):
        in_parts(place, make_rows(40, 100))
    in_parts(place, make_rows(40, 100))
    assert place.read_values() == [HEADER, *table(40, 100)]


def test_a_cell_that_is_typed_inside_a_table_that_is_replaced_is_named(place: SheetTable) -> None:
    place.lark.plan_sheet_edit(place.token, [typing("B5", ["a person's"])], before="write", skip=3)
    with pytest.raises(ConflictError, match=r"row 5 of the table was moved or changed by others"):
        in_parts(place, make_rows(40))
    assert place.read_values()[4] == [3, "a person's"]


def test_typing_beside_a_table_is_not_an_error(place: SheetTable) -> None:
    for skip in range(6):
        place.lark.plan_sheet_edit(
            place.token, [typing(f"D{skip + 1}", ["note"])], before="any", skip=3 * skip
        )
    in_parts(place, make_rows(40))
    assert [row[:2] for row in place.read_values()] == [HEADER, *table(40)]
    assert [row[3] for row in place.read_values()[:6]] == ["note"] * 6


def test_rows_that_are_sorted_during_an_update_are_found_again(place: SheetTable) -> None:
    in_parts(place, make_rows(40), mode="append")
    sort = {"do": "sort", "column": "A", "descending": True}
    place.lark.plan_sheet_edit(place.token, [sort], before="read", skip=8)
    in_parts(place, make_rows(40, r3="new", r33="new"), "u", mode="update_by_key", key_fields=["No"])
    values = place.read_values()
    assert values[1][0] == 39, "the plan has not been carried out"
    assert sorted(values[1:]) == table(40, r3="new", r33="new")


def test_rows_that_move_at_the_moment_of_an_update_are_named(place: SheetTable) -> None:
    in_parts(place, make_rows(40), mode="append")
    insert = {"do": "insert_rows", "at": 5, "count": 1}
    place.lark.plan_sheet_edit(place.token, [insert], before="write", skip=0)
    changes = make_rows(40, r30="new")[30:31]
    with pytest.raises(ConflictError, match=r"row 33 moved at the moment in which the table was written"):
        in_parts(place, changes, "u", mode="update_by_key", key_fields=["No"])


def test_a_spreadsheet_that_was_renamed_and_moved_is_found_again(lark: Emulator, place: SheetTable) -> None:
    first = place.sheets.write_table(None, make_rows(3), key="report", title="Report")
    assert lark.spreadsheet(first.spreadsheet_token)["title"] == "Report"
    folder = place.sheets.runner.clouddoc.drive.ensure_folder("Archive")
    lark.edit_sheet(
        first.spreadsheet_token,
        [{"do": "rename", "title": "Mine"}, {"do": "move", "folder_token": folder}],
    )
    again = place.sheets.write_table(None, make_rows(2), key="report", title="Report")
    assert again.spreadsheet_token == first.spreadsheet_token
    spreadsheet = lark.spreadsheet(first.spreadsheet_token)
    assert (spreadsheet["title"], spreadsheet["folder_token"]) == ("Mine", folder)
    assert spreadsheet["sheets"][0]["values"] == [HEADER, *table(2)]


def test_an_uncertain_part_that_a_person_has_edited_is_not_written_again(
    lark: Emulator, place: SheetTable
) -> None:
    """The write stands, its answer is lost, and a person corrects a cell before the retry."""
    lark.fault("PUT", "*/values", skip=1, times=9, drop="after")
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, lease_seconds=10.0, settle_after=0.1, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(10), options, (1, 1), key="k"))
    lark.clear_faults()
    place.type_cells("B4", ["corrected"])
    result = in_parts(place, make_rows(10), mode="append")
    assert (result.rows_written, result.replayed) == (10, 10)
    assert place.read_values() == [HEADER, *table(10, r2="corrected")]


def test_an_uncertain_part_above_which_a_person_inserts_a_row_is_found(
    lark: Emulator, place: SheetTable
) -> None:
    lark.fault("PUT", "*/values", skip=1, times=9, drop="after")
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, lease_seconds=10.0, settle_after=0.1, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(10), options, (1, 1), key="k"))
    lark.clear_faults()
    lark.edit_sheet(place.token, [{"do": "insert_rows", "at": 2, "count": 2}])
    assert in_parts(place, make_rows(10), mode="append").replayed == 10
    assert [row for row in place.read_values() if row != ["", ""]] == [HEADER, *table(10)]


def test_an_abandoned_part_stays_blank(lark: Emulator, place: SheetTable) -> None:
    lark.fault("PUT", "*/values", skip=1, times=9, drop="before")
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, lease_seconds=10.0, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(10), options, (1, 1), key="abandoned"))
    lark.clear_faults()
    in_parts(place, make_rows(10, 50), "other", mode="append")
    values = place.read_values()
    assert values == [HEADER, *[["", ""]] * 10, *table(10, 50)]
    in_parts(place, make_rows(10), "abandoned", mode="append")
    assert place.read_values() == [HEADER, *table(10), *table(10, 50)]
    assert place.requests(PUT) > 0


@pytest.mark.parametrize("skip", range(3, 10))
def test_what_a_person_types_below_the_grid_is_not_overwritten(place: SheetTable, skip: int) -> None:
    in_parts(place, make_rows(195), mode="append")
    place.lark.plan_sheet_edit(place.token, [typing("A210", ["a person's"])], before="read", skip=skip)
    in_parts(place, make_rows(40, 500), "second", mode="append")
    values = place.read_values()
    assert values[209][0] == "a person's"
    assert [row for row in values if row[0] not in ("", "a person's")] == [
        HEADER,
        *table(195),
        *table(40, 500),
    ]


@pytest.mark.parametrize(
    ("cell", "is_lost"), [("D1", False), ("B5", True)], ids=["beside", "into the rows of the request"]
)
def test_what_others_write_during_an_append_is_logged(
    place: SheetTable, caplog: pytest.LogCaptureFixture, cell: str, is_lost: bool
) -> None:
    in_parts(place, make_rows(1), mode="append")
    # After the rows were read, and before they are written.
    place.lark.plan_sheet_edit(place.token, [typing(cell, ["a person's"])], before="write", skip=0)
    with caplog.at_level("WARNING"):
        in_parts(place, make_rows(10, 1), "second", mode="append")
    (said,) = [record for record in caplog.records if "Others have written" in record.getMessage()]
    assert said.getMessage().endswith("it was overwritten")
    assert (said.worksheet, said.row, said.rows) == ("Sheet1", 3, 10)  # type: ignore[attr-defined]
    values = place.read_values()
    assert [row[:2] for row in values] == [HEADER, *table(11)]
    assert any("a person's" in row for row in values) is not is_lost


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_worksheet_that_is_renamed_and_moved_meanwhile_is_still_the_target(
    place: SheetTable, mode: Any
) -> None:
    place.sheets.add_sheet(place.token, "Other")
    folder = place.sheets.runner.clouddoc.drive.ensure_folder("Archive")
    edits = [{"do": "rename", "title": "Theirs"}, {"do": "move", "folder_token": folder}]
    place.lark.plan_sheet_edit(place.token, edits, before="write", skip=2)
    in_parts(place, make_rows(40), mode=mode)
    place.sheets.rename_sheet(place.token, "Sheet1", "Daily")
    in_parts(place, make_rows(40), mode=mode)
    assert [row[:2] for row in place.lark.sheet(place.token, "Daily")["values"]] == [HEADER, *table(40)]
    assert place.lark.sheet(place.token, "Other")["values"] == []


def test_a_worksheet_that_is_deleted_meanwhile_is_named(place: SheetTable) -> None:
    place.sheets.add_sheet(place.token, "Other")
    source = make_rows(40)

    def deleting() -> Any:
        for row in source:
            if row["No"] == 25:
                place.sheets.delete_sheet(place.token, "Sheet1")
            yield row

    with pytest.raises(LarkError, match="Next: "):
        place.sheets.write_table(place.token, (row for _ in range(300) for row in deleting()))
    assert place.lark.sheet(place.token, "Other")["values"] == []


@pytest.mark.parametrize("edit", ["insert_rows", "delete_rows", "sort"])
@pytest.mark.parametrize("skip", range(3))
def test_an_update_loses_no_row_of_others_without_saying_so(place: SheetTable, edit: str, skip: int) -> None:
    in_parts(place, make_rows(40), mode="append")
    spec: dict[str, Any] = {"do": edit, "column": "A", "descending": True}
    if edit != "sort":
        spec = {"do": edit, "at": 5, "count": 1}
    place.lark.plan_sheet_edit(place.token, [spec], before="write", skip=skip)
    changed = [*make_rows(4, 10, r11="new"), *make_rows(10, 22, r25="new"), *make_rows(5, 100)]
    said = False
    try:
        in_parts(place, changed, "u", mode="update_by_key", key_fields=["No"])
    except ConflictError as error:
        said = "moved at the moment" in str(error) or "may have been overwritten" in str(error)
    values = [row for row in place.read_values()[1:] if row != ["", ""]]
    gone = {3} if edit == "delete_rows" else set()
    lost = set(range(40)) - gone - {row[0] for row in values}
    doubled = len(values) - len({row[0] for row in values})
    assert said or not (lost or doubled)


@pytest.mark.parametrize("edit", ["insert_rows", "delete_rows"])
def test_rows_that_move_between_two_requests_of_an_update_are_found_again(
    place: SheetTable, edit: str
) -> None:
    """Those that moved below the first request showed nothing doubled yet, and were overwritten by others."""

    def write(source: list[dict[str, Any]], key: str, mode: Any, **options: Any) -> None:
        table_options = TableOptions(settle_after=0.3, mode=mode, **options)
        client = LarkServiceClient()
        client.perform(write_with_options(place.token, source, table_options, (1, 1), key=key))

    write(make_rows(300), "first", "append")
    spec = {"do": edit, "at": 250, "count": 1}
    place.lark.plan_sheet_edit(place.token, [spec], before="write", skip=0)
    every_second = [{"No": number, "Name": "new"} for number in range(0, 300, 2)]
    write(every_second, "second", "update_by_key", key_fields=["No"])
    values = [row for row in place.read_values()[1:] if row != ["", ""]]
    # The row that is deleted is that of 248, which the source has.
    assert sorted(row[0] for row in values) == list(range(300))
    assert [row[0] for row in values if row[1] == "new"] == sorted(
        range(0, 300, 2), key=lambda number: number == 248 and edit == "delete_rows"
    )
