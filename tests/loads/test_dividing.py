"""Loads with rows that only Lark refuses: they are listed, and the others are written, exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.bulk import BulkResult
from lark_provider.errors import BulkWriteError, ConflictError, InvalidRequestError, LarkAPIError
from lark_provider.storage import ledger_admin, urls
from tests.loads.conftest import CREATE, QUICK, LoadTable

NOBODY, ADA = "ou_nobody", "ou_ada"
Do = Callable[[Callable[[Any], Any]], Any]


def make_rows(count: int, bad: set[int], **names: str) -> list[dict[str, Any]]:
    """Return rows of which Lark refuses some; `names` by number as `r7="other"`."""
    return [
        {"No": number, "Name": names.get(f"r{number}", f"row {number}")}
        | ({"Who": NOBODY} if number in bad else {})
        for number in range(count)
    ]


@pytest.fixture
def place(lark: Emulator, place: LoadTable) -> LoadTable:
    lark.settings(rate_limits=False)
    place.bitable.create_field(place.app_token, place.table_id, "Who", 11)
    return place


def skip(place: LoadTable, source: Any, **options: Any) -> BulkResult:
    return place.load(source, on_bad_row="skip", **options)


def read_numbers(place: LoadTable) -> list[float]:
    return [row["No"] for row in place.read_stored()]


def stop_after(place: LoadTable, requests: int) -> None:
    """Let Lark answer with what no row is to blame for, after some requests."""
    place.lark.fault(path=CREATE, skip=requests, times=99, code=1254103)


@pytest.mark.usefixtures("database")
def test_refused_rows_are_listed_and_the_others_stand_once(place: LoadTable, do: Do) -> None:
    bad = {3, 17, 18, 34}

    def load(**options: Any) -> BulkResult:
        loaded: BulkResult = do(
            lambda c: c.clouddoc.bitable.bulk_insert(
                place.app_token,
                place.table_id,
                iter(make_rows(35, bad)),
                chunk_size=10,
                idempotency_key="load",
                on_bad_row="skip",
                **options,
            )
        )
        return loaded

    result = load()
    assert (result.written, result.replayed, result.chunks) == (31, 0, 4)
    assert [(reject.row, reject.field, reject.code) for reject in result.rejects] == [
        (number + 1, "Who", 1254066) for number in sorted(bad)
    ]
    assert read_numbers(place) == [number for number in range(35) if number not in bad]
    requests = place.requests()
    again = load()
    assert (again.written, again.replayed, place.requests()) == (31, 31, requests)
    assert again.rejects == result.rejects
    assert sorted(again.record_ids) == sorted(place.list_ids())


@pytest.mark.usefixtures("database")
def test_one_bad_row_of_a_thousand_takes_some_twenty_requests(place: LoadTable) -> None:
    result = skip(place, make_rows(1000, {777}), chunk_size=1000)
    assert (result.written, [reject.row for reject in result.rejects]) == (999, [778])
    assert place.requests() <= 1 + 2 * 10


@pytest.mark.usefixtures("database")
def test_row_numbers_are_those_of_the_source(place: LoadTable) -> None:
    """Rows that do not fit are left out before chunks are made, so that places and numbers differ."""
    source = make_rows(30, {4, 25})
    source[0]["No"] = source[12]["No"] = "no number"
    result = skip(place, source, key_fields=["Name"])
    assert sorted((reject.row, reject.key) for reject in result.rejects if reject.field == "Who") == [
        (5, "row 4"), (26, "row 25"),
    ]  # fmt: skip
    assert sorted(reject.row for reject in result.rejects) == [1, 5, 13, 26]
    again = skip(place, make_rows(30, {25}), key="load, again", retry_rows={1, 5, 13, 26})
    assert (again.written, [reject.row for reject in again.rejects]) == (3, [26])
    assert sorted(read_numbers(place)) == [number for number in range(30) if number != 25]


@pytest.mark.usefixtures("database")
def test_without_skip_nothing_is_divided(place: LoadTable) -> None:
    with pytest.raises(BulkWriteError, match="10 records are written"):
        place.load(make_rows(20, {13}))
    assert (place.requests(), len(place.list_ids())) == (2, 10)
    result = skip(place, make_rows(20, {13}))
    assert (result.written, result.replayed, [reject.row for reject in result.rejects]) == (19, 10, [14])


@pytest.mark.usefixtures("database")
def test_what_stopped_half_way_goes_on_from_there(place: LoadTable) -> None:
    source = make_rows(10, {2, 7})
    # 0-9, 0-4, 0-2 are refused, 0-1 stands; 2 is refused, 3-4 stands.
    stop_after(place, 6)
    with pytest.raises(LarkAPIError, match="1254103"):
        skip(place, source)
    assert read_numbers(place) == [0, 1, 3, 4]
    place.lark.clear_faults()
    before = place.requests()
    result = skip(place, source)
    assert (result.written, result.replayed, [reject.row for reject in result.rejects]) == (8, 4, [3, 8])
    # 5-9 and 5-7 are refused; 5-6 stands; 7 is refused, 8-9 stands.
    assert place.requests() - before == 5
    assert read_numbers(place) == [0, 1, 3, 4, 5, 6, 8, 9]


@pytest.mark.usefixtures("database")
def test_a_refused_row_may_be_corrected_while_its_chunk_is_partly_written(place: LoadTable) -> None:
    stop_after(place, 6)
    with pytest.raises(LarkAPIError, match="1254103"):
        skip(place, make_rows(10, {2, 7}))
    place.lark.clear_faults()
    result = skip(place, make_rows(10, {7}, r2="corrected"))
    assert (result.written, result.replayed, [reject.row for reject in result.rejects]) == (9, 4, [8])
    assert [row["Name"] for row in place.read_stored()][2] == "corrected"
    assert read_numbers(place) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    assert skip(place, make_rows(10, {7}, r2="corrected")).replayed == 9


@pytest.mark.usefixtures("database")
def test_a_corrected_source_ends_without_rejects_in_either_mode(place: LoadTable) -> None:
    stop_after(place, 6)
    with pytest.raises(LarkAPIError, match="1254103"):
        skip(place, make_rows(10, {2, 7}))
    place.lark.clear_faults()
    with pytest.raises(InvalidRequestError, match="1254066"):
        place.load(make_rows(10, {2, 7}))
    result = place.load(make_rows(10, set()))
    assert (result.written, result.replayed, result.rejects) == (10, 4, [])
    assert read_numbers(place) == list(range(10))


@pytest.mark.usefixtures("database")
def test_a_load_that_stops_at_a_bad_row_says_how_the_row_is_found(place: LoadTable) -> None:
    with pytest.raises(InvalidRequestError, match=r"1254066.*which of the \d+ rows.*on_bad_row='skip' finds"):
        place.load(make_rows(10, {2, 7}))


@pytest.mark.usefixtures("database")
def test_rows_of_parts_that_stand_may_not_change(place: LoadTable) -> None:
    stop_after(place, 6)
    with pytest.raises(LarkAPIError, match="1254103"):
        skip(place, make_rows(10, {2, 7}))
    place.lark.clear_faults()
    with pytest.raises(ConflictError, match=r"Row 4 of the source .* 4 rows are already written"):
        skip(place, make_rows(10, {2, 7}, r3="other"))
    with pytest.raises(ConflictError, match="The source ends after 0 rows, and 4 rows"):
        skip(place, [])
    assert read_numbers(place) == [0, 1, 3, 4]
    result = skip(place, make_rows(12, {2}, r3="other"), restart=1)
    assert (result.written, [reject.row for reject in result.rejects]) == (11, [3])
    assert len(place.list_ids()) == 11, "the restart deletes what parts have written"


@pytest.mark.usefixtures("database")
def test_a_row_that_was_refused_for_another_reason_is_no_reject(place: LoadTable) -> None:
    """The table was full, say: the row is sent again, and not listed."""
    stop_after(place, 3)
    with pytest.raises(LarkAPIError, match="1254103"):
        skip(place, make_rows(3, {0}))  # 0-2 and 0-1 and 0 are refused; then 1
    place.lark.clear_faults()
    result = skip(place, make_rows(3, {0}))
    assert (result.written, [reject.row for reject in result.rejects], read_numbers(place)) == (
        2,
        [1],
        [1, 2],
    )


@pytest.mark.usefixtures("database")
def test_a_refused_chunk_of_which_nothing_was_written_may_change_freely(place: LoadTable) -> None:
    stop_after(place, 3)
    with pytest.raises(LarkAPIError, match="1254103"):
        skip(place, make_rows(10, {0, 4}))
    place.lark.clear_faults()
    assert read_numbers(place) == []
    result = skip(place, make_rows(7, set(), r1="other"))
    assert (result.written, result.rejects, read_numbers(place)) == (7, [], list(range(7)))


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("drop", ["after", "before"])
@pytest.mark.parametrize("mode", [{}, {"key_fields": ["No"]}, {"marker_field": "Mark"}])
def test_a_part_whose_answer_was_lost_is_looked_for(
    place: LoadTable, drop: str, mode: dict[str, Any]
) -> None:
    place.lark.fault(path=CREATE, skip=3, times=1, drop=drop)
    for _ in range(2):
        try:
            result = LarkServiceClient(max_retries=0).clouddoc.bitable.bulk_insert(
                place.app_token,
                place.table_id,
                make_rows(20, {2, 17}),
                idempotency_key="load",
                chunk_size=10,
                on_bad_row="skip",
                **QUICK,
                **mode,
            )
        except LarkAPIError as error:
            raise AssertionError from error
        assert (result.written, [reject.row for reject in result.rejects]) == (18, [3, 18])
    assert read_numbers(place) == [number for number in range(20) if number not in {2, 17}]


@pytest.mark.usefixtures("database")
def test_a_refusal_of_a_repeated_token_blames_no_row_before_it_was_looked_for(place: LoadTable) -> None:
    """Lark may refuse values by now which it had taken with the request whose answer was lost."""
    place.lark.fault(path=CREATE, times=1, drop="after")
    place.lark.fault(path=CREATE, skip=1, times=1, code=1254066)
    result = skip(place, make_rows(10, set()), settle_after=0.3)
    assert (result.written, result.rejects, read_numbers(place)) == (10, [], list(range(10)))


@pytest.mark.usefixtures("database")
def test_too_many_refused_rows_stop_the_load(place: LoadTable) -> None:
    with pytest.raises(BulkWriteError, match=r"8 records are written; .* max_rejects=1"):
        skip(place, make_rows(20, {2, 7}), max_rejects=1)
    result = skip(place, make_rows(20, {2, 7}), max_rejects=2)
    assert (result.written, result.replayed, [reject.row for reject in result.rejects]) == (18, 8, [3, 8])


@pytest.mark.usefixtures("database")
def test_a_chunk_of_bad_rows_stops_after_200_requests(place: LoadTable) -> None:
    with pytest.raises(LarkAPIError, match="200 requests"):
        skip(place, make_rows(400, set(range(400))), chunk_size=400)
    assert place.requests() == 200


@pytest.mark.usefixtures("database")
def test_fields_that_have_changed_blame_no_row(place: LoadTable) -> None:
    bitable = place.bitable
    who = next(
        field["field_id"]
        for field in bitable.list_fields(place.app_token, place.table_id)
        if field["field_name"] == "Who"
    )

    def source() -> Iterator[dict[str, Any]]:
        yield from make_rows(10, set())
        path = f"/bitable/v1/apps/{place.app_token}/tables/{place.table_id}/fields/{who}"
        LarkServiceClient().call("PUT", path, json={"field_name": "Who", "type": 2})
        yield from make_rows(10, {3})

    with pytest.raises(BulkWriteError, match="'Who' was changed") as caught:
        # With convert=True a thousand rows are read before the first is sent.
        skip(place, source(), convert=False)
    assert caught.value.retryable
    assert len(place.list_ids()) == 10


def test_the_ledger_shows_parts(place: LoadTable, database: str) -> None:
    skip(place, make_rows(10, {2}))
    url = urls.parse(database, "test")
    summary, chunks = ledger_admin.find_entry(url, ledger_admin.list_entries(url)[0].id)
    assert (summary.written, summary.uncertain, summary.refused) == (9, 0, 0)
    assert [(chunk.number, chunk.part, chunk.state, chunk.row_count) for chunk in chunks] == [
        (0, 0, "done", 10), (0, 2, "refused", 5), (0, 4, "refused", 3), (0, 8, "done", 2),
        (0, 9, "refused", 1), (0, 5, "done", 2), (0, 3, "done", 5),
    ]  # fmt: skip


def test_without_a_database_refused_rows_are_found_as_well(place: LoadTable, do: Do) -> None:
    result = do(
        lambda c: c.clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, iter(make_rows(25, {3, 24})), chunk_size=10, on_bad_row="skip"
        )
    )
    assert (result.written, [reject.row for reject in result.rejects], len(result.record_ids)) == (
        23,
        [4, 25],
        23,
    )
    assert read_numbers(place) == [number for number in range(25) if number not in {3, 24}]
    with pytest.raises(BulkWriteError, match=r"9 records are written.*max_rejects=0"):
        skip(place, make_rows(20, {3}), max_rejects=0)


@pytest.mark.parametrize("on_bad_row", ["fail", "skip"])
@pytest.mark.usefixtures("database")
def test_all_rows_are_checked_before_the_first_is_sent(place: LoadTable, do: Do, on_bad_row: str) -> None:
    def load(source: Any, **options: Any) -> BulkResult:
        loaded: BulkResult = do(
            lambda c: c.clouddoc.bitable.bulk_insert(
                place.app_token,
                place.table_id,
                source,
                chunk_size=500,
                idempotency_key="load",
                validate="all",
                on_bad_row=on_bad_row,
                **options,
            )
        )
        return loaded

    source = make_rows(2500, set())
    source[5]["No"] = source[2400]["No"] = "no number"
    with pytest.raises(InvalidRequestError, match=r"row 6, .*row 2401, "):
        load(iter(source), max_rejects=1)
    assert (place.requests(), place.list_ids()) == (0, [])
    if on_bad_row == "skip":
        result = load(iter(source), max_rejects=2)
        assert (result.written, [reject.row for reject in result.rejects]) == (2498, [6, 2401])
    else:
        source[5]["No"], source[2400]["No"] = 5, 2400
        assert load(iter(source)).written == 2500
    assert len(place.list_ids()) == 2500 - 2 * (on_bad_row == "skip")


def test_a_checked_source_may_be_asynchronous(place: LoadTable) -> None:
    import asyncio

    from lark_provider import AsyncLarkServiceClient

    async def source() -> AsyncIterator[dict[str, Any]]:
        for row in make_rows(25, {7}):
            yield row

    async def load() -> BulkResult:
        async with AsyncLarkServiceClient() as client:
            return await client.clouddoc.bitable.bulk_insert(
                place.app_token, place.table_id, source(), validate="all", on_bad_row="skip"
            )

    result = asyncio.run(load())
    assert (result.written, [reject.row for reject in result.rejects]) == (24, [8])


def test_a_row_without_a_key_is_found_before_the_first_is_sent(place: LoadTable) -> None:
    source = make_rows(25, set())
    source[24]["Name"] = ""
    with pytest.raises(InvalidRequestError, match="Record 25 of the source must have a value in 'Name'"):
        place.load(iter(source), key_fields=["Name"], validate="all")
    assert place.list_ids() == []


def test_a_check_of_values_needs_conversion(place: LoadTable) -> None:
    with pytest.raises(InvalidRequestError, match="convert=False turns off"):
        place.load([], validate="all", convert=False)
    with pytest.raises(InvalidRequestError, match="validate must be"):
        place.load([], validate="some")
