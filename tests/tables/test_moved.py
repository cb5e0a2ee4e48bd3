"""Appends that are called again after others have moved rows, changed the source, or taken over the rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.loads.errors import SourceChangedError
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.api.clouddoc.sheets.tables.procedure import write_with_options
from lark_provider.errors import ConflictError, LarkError
from lark_provider.storage import migrate, urls
from lark_provider.storage.tables import ledger_chunks
from tests.tables.conftest import HEADER, SheetTable, make_rows, table
from tests.tables.test_people import in_parts

pytestmark = pytest.mark.usefixtures("database")


def lose_answer(lark: Emulator, place: SheetTable, count: int = 10) -> None:
    """Append rows under the key `k`, whose answer is lost after they are written."""
    lark.fault("PUT", "*/values", skip=1 if not place.read_values() else 0, times=9, drop="after")
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, lease_seconds=10.0, settle_after=0.1, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(count), options, (1, 1), key="k"))
    lark.clear_faults()


@pytest.mark.parametrize(
    "edit",
    [
        {"do": "delete_rows", "at": 3, "count": 1},
        {"do": "delete_rows", "at": 2, "count": 20},
        {"do": "delete_rows", "at": 21, "count": 1},
        {"do": "insert_rows", "at": 3, "count": 60},
        {"do": "insert_rows", "at": 22, "count": 60},
    ],
    ids=["one deleted", "all others deleted", "the row above deleted", "inserted above", "inserted between"],
)
def test_an_uncertain_part_that_others_have_moved_is_not_written_again(
    lark: Emulator, place: SheetTable, edit: dict[str, Any]
) -> None:
    in_parts(place, make_rows(20, 100), "before", mode="append")
    lose_answer(lark, place)
    lark.edit_sheet(place.token, [edit])
    assert in_parts(place, make_rows(10), mode="append").replayed == 10
    assert [row for row in place.read_values() if row[0] in range(10)] == table(10)


def test_a_part_that_takes_effect_late_over_rows_of_others_is_not_written_twice(
    lark: Emulator, place: SheetTable
) -> None:
    in_parts(place, make_rows(5), "before", mode="append")
    lark.fault("PUT", "*/values", times=9, drop="late", late_s=3)
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, settle_after=0.1, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(10, 50), options, (1, 1), key="k"))
    lark.clear_faults()
    place.type_cells("A7", ["a person's"])
    patient = TableOptions(max_rows=10, settle_after=6, mode="append")
    client.perform(write_with_options(place.token, make_rows(10, 50), patient, (1, 1), key="k"))
    # Lark has no compare-and-set: the late request has overwritten what the person had typed.
    assert place.read_values() == [HEADER, *table(5), *table(10, 50)]


def test_rows_of_the_same_content_above_are_not_taken_for_an_uncertain_part(
    lark: Emulator, place: SheetTable
) -> None:
    """What a person typed, and what was appended under another key, is not this segment."""
    place.type_cells("A1", HEADER, *table(10))
    in_parts(place, make_rows(10), "other", mode="append")
    lark.fault("PUT", "*/values", times=9, drop="before")
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, lease_seconds=10.0, settle_after=0.1, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(10), options, (1, 1), key="k"))
    lark.clear_faults()
    result = in_parts(place, make_rows(10), mode="append")
    assert (result.rows_written, result.replayed) == (10, 0)
    assert place.read_values() == [HEADER, *table(10) * 3]


def test_where_it_cannot_be_determined_which_rows_an_uncertain_part_is_a_person_decides(
    lark: Emulator, place: SheetTable
) -> None:
    in_parts(place, make_rows(10), "other", mode="append")
    in_parts(place, make_rows(60, 100), "between", mode="append")
    lose_answer(lark, place)
    # The rows of this key are gone, and those of the other key are not where they were.
    lark.edit_sheet(
        place.token,
        [{"do": "delete_rows", "at": 72, "count": 10}, {"do": "insert_rows", "at": 3, "count": 1},
         {"do": "delete_rows", "at": 3, "count": 1}, {"do": "insert_rows", "at": 2, "count": 1},
         {"do": "delete_rows", "at": 72, "count": 1}],
    )  # fmt: skip
    with pytest.raises(ConflictError, match=r"Rows 3 to 12 have this content"):
        in_parts(place, make_rows(10), mode="append")
    lark.edit_sheet(place.token, [{"do": "delete_rows", "at": 3, "count": 10}])
    assert in_parts(place, make_rows(10), mode="append").replayed == 0


def test_a_changed_source_is_noticed_although_its_uncertain_part_has_moved(
    lark: Emulator, place: SheetTable
) -> None:
    in_parts(place, make_rows(20, 100), "before", mode="append")
    lose_answer(lark, place)
    lark.edit_sheet(place.token, [{"do": "delete_rows", "at": 2, "count": 20}])
    with pytest.raises(ConflictError, match="Row 5 of the source is not what was appended"):
        in_parts(place, make_rows(10, r4="other"), mode="append")


@pytest.mark.parametrize("is_done", [True, False])
def test_a_source_that_has_lost_whole_parts_is_refused(
    lark: Emulator, place: SheetTable, is_done: bool
) -> None:
    """A source that ends where a part ends has no row that differs."""
    if not is_done:
        lark.fault("PUT", "*/values", skip=3, status=400, code=90202)
    source = make_rows(30)
    if is_done:
        in_parts(place, source, mode="append")
    else:
        with pytest.raises(LarkError, match="90202"):
            in_parts(place, source, mode="append")
    with pytest.raises(SourceChangedError, match="The source ends before row 11, which was appended before"):
        in_parts(place, make_rows(10), mode="append")


def test_rows_of_a_refused_part_are_free_at_once(lark: Emulator, place: SheetTable) -> None:
    in_parts(place, make_rows(5), "first", mode="append")
    lark.fault("PUT", "*/values", status=400, code=90202)
    with pytest.raises(LarkError, match="90202"):
        in_parts(place, make_rows(10, 50), "refused", mode="append")
    in_parts(place, make_rows(5, 5), "second", mode="append")
    in_parts(place, make_rows(10, 50), "refused", mode="append")
    assert place.read_values() == [HEADER, *table(10), *table(10, 50)]


def test_rows_of_an_abandoned_part_are_free_after_an_hour(
    lark: Emulator, place: SheetTable, database: str
) -> None:
    in_parts(place, make_rows(5), "first", mode="append")
    lark.fault("PUT", "*/values", times=9, drop="before")
    client = LarkServiceClient(max_retries=0)
    options = TableOptions(max_rows=10, lease_seconds=10.0, mode="append")
    with pytest.raises(Exception, match="may or may not"):
        client.perform(write_with_options(place.token, make_rows(10, 50), options, (1, 1), key="abandoned"))
    lark.clear_faults()
    url = urls.parse(database, "test")
    with migrate.open_transaction(url) as connection:
        moment = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=61)
        connection.execute(ledger_chunks.update().values(updated_at=moment, sent_at=moment))
    in_parts(place, make_rows(5, 5), "second", mode="append")
    in_parts(place, make_rows(10, 50), "abandoned", mode="append")
    assert place.read_values() == [HEADER, *table(10), *table(10, 50)]


def test_another_start_under_the_same_key_is_refused(place: SheetTable) -> None:
    place.write(make_rows(5), mode="append", key="k")
    with pytest.raises(ConflictError, match=r"columns was \[1\] and is \[4\]"):
        place.write(make_rows(5), mode="append", key="k", start="D1")
