"""Uncertain chunks: an answer was lost, and a request may be performed late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    ConflictError,
    LarkError,
    PermissionDeniedError,
)
from lark_provider.storage import ledger_admin, urls
from tests.loads.conftest import CREATE, QUICK, LoadTable, make_rows
from tests.storage import prepared

REPLAYS = ["same", "1254608", "1255006"]
MODES: list[dict[str, Any]] = [
    {},
    {"key_fields": ["No"]},
    {"key_fields": ["No", "Name"]},
    {"marker_field": "Mark"},
]
Do = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Create a SQLite file with our tables, and set its URL in the environment; tests need no other."""
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    return url


def without_marks(place: LoadTable) -> list[dict[str, Any]]:
    return [{name: row[name] for name in ("No", "Name")} for row in place.read_stored()]


def lose(place: LoadTable, drop: str, skip: int = 1, **options: Any) -> None:
    """Load, and lose a chunk's request or answer for good: the second one's by default."""
    late: dict[str, Any] = {"late_s": 0.2} if drop == "late" else {}
    place.lark.fault(path=CREATE, skip=skip, times=99, drop=drop, **late)
    bitable = LarkServiceClient(max_retries=0).clouddoc.bitable
    with pytest.raises(BulkOutcomeUnknownError):
        bitable.bulk_insert(
            place.app_token,
            place.table_id,
            make_rows(25),
            chunk_size=10,
            idempotency_key="load",
            token_window=60.0,  # so that this call does not settle it itself
            settle_after=0.3,
            **options,
        )
    place.lark.clear_faults()


@pytest.mark.parametrize("drop", ["before", "after", "late"])
@pytest.mark.parametrize("mode", range(len(MODES)))
def test_the_next_attempt_settles_a_chunk_whose_answer_was_lost(
    place: LoadTable, drop: str, mode: int
) -> None:
    place.lark.settings(client_token_replay=REPLAYS[mode % 3])
    lose(place, drop, **MODES[mode])
    result = place.load(make_rows(25), **QUICK, **MODES[mode])
    assert (result.written, result.chunks) == (25, 3)
    assert result.replayed == (10 if drop == "before" else 20)
    assert without_marks(place) == make_rows(25)
    assert sorted(result.record_ids) == sorted(place.list_ids())


@pytest.mark.parametrize("drop", ["after", "late"])
def test_both_clients_settle(place: LoadTable, do: Do, drop: str) -> None:
    lose(place, drop)

    def load(client: Any) -> Any:
        return client.clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, make_rows(25), chunk_size=10, idempotency_key="load", **QUICK
        )

    assert do(load).replayed == 20
    assert place.read_stored() == make_rows(25)


@pytest.mark.parametrize("replay", REPLAYS)
@pytest.mark.parametrize("drop", ["before", "after", "late"])
def test_within_the_window_it_is_sent_again_under_its_token(place: LoadTable, replay: str, drop: str) -> None:
    place.lark.settings(client_token_replay=replay)
    lose(place, drop)
    result = place.load(make_rows(25), token_window=60.0, settle_after=0.5)
    assert result.written == 25
    assert place.read_stored() == make_rows(25)


@pytest.mark.parametrize("replay", REPLAYS)
def test_an_answer_lost_once_is_settled_by_the_same_call(place: LoadTable, replay: str) -> None:
    place.lark.settings(client_token_replay=replay)
    place.lark.fault(path=CREATE, skip=1, drop="after")
    result = place.load(make_rows(25), token_window=60.0, settle_after=0.5)
    assert result.written == 25
    assert place.read_stored() == make_rows(25)


@pytest.mark.parametrize("mode", MODES[:2], ids=["scan", "keys"])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_changed_source_waits_until_the_chunk_is_decided(
    place: LoadTable, drop: str, mode: dict[str, Any]
) -> None:
    lose(place, drop, **mode)
    changed = make_rows(25, r15="other")
    if drop == "before":
        assert place.load(changed, **QUICK, **mode).written == 25
        assert place.read_stored() == changed
        return
    with pytest.raises(ConflictError, match=r"Row 16 of the source .* 20 rows are already written"):
        place.load(changed, **QUICK, **mode)
    assert place.load(make_rows(25), **QUICK, **mode).written == 25
    assert place.read_stored() == make_rows(25)


def test_one_row_seen_means_that_the_chunk_was_written(place: LoadTable) -> None:
    lose(place, "after")
    ids = place.list_ids()
    for record_id in ids[10:19]:  # people delete nine of its ten rows, and change the last one's name
        place.bitable.delete_record(place.app_token, place.table_id, record_id)
    assert place.load(make_rows(25), **QUICK).replayed == 20
    assert [row["No"] for row in place.read_stored()] == [*range(10), 19, *range(20, 25)]


@pytest.mark.parametrize("mode", MODES[:2], ids=["scan", "keys"])
def test_the_number_of_records_decides_nothing(
    place: LoadTable, neighbour: LarkServiceClient, mode: dict[str, Any]
) -> None:
    lose(place, "before", **mode)
    bitable = neighbour.clouddoc.bitable
    bitable.bulk_insert(place.app_token, place.table_id, [{"Name": "a neighbour's"}] * 10)
    assert place.load(make_rows(25), **QUICK, **mode).replayed == 10
    assert [row for row in place.read_stored() if "No" in row] == make_rows(25)


def test_the_same_rows_of_another_load_are_not_taken_for_the_chunk(place: LoadTable) -> None:
    lose(place, "before")
    place.load(make_rows(25), "other", **QUICK)
    assert place.load(make_rows(25), **QUICK).replayed == 10
    assert len(place.read_stored()) == 50


def test_records_of_ours_that_match_nothing_are_named(place: LoadTable) -> None:
    lose(place, "before")
    response = place.bitable.create_record(place.app_token, place.table_id, {"Name": "of another job"})
    with pytest.raises(BulkWriteError, match=response.data["record"]["record_id"]) as error:
        place.load(make_rows(25), **QUICK)
    assert isinstance(error.value.__cause__, ConflictError)
    assert "match none of its rows" in str(error.value)
    assert len(place.read_stored()) == 11
    place.bitable.delete_record(place.app_token, place.table_id, response.data["record"]["record_id"])
    place.load(make_rows(25), **QUICK)
    assert place.read_stored() == make_rows(25)


def test_the_clocks_of_lark_and_of_the_database_may_differ_by_days(place: LoadTable) -> None:
    place.lark.advance(5 * 86_400)
    lose(place, "after")
    assert place.load(make_rows(25), **QUICK).replayed == 20
    assert place.read_stored() == make_rows(25)


@pytest.mark.parametrize("drop", ["before", "after", "late"])
def test_a_restart_settles_first(place: LoadTable, drop: str) -> None:
    lose(place, drop)
    changed = make_rows(25, r3="other")
    assert place.load(changed, restart=1, **QUICK).replayed == 0
    assert place.read_stored() == changed


def test_a_source_that_ends_before_an_uncertain_chunk(place: LoadTable) -> None:
    lose(place, "after")
    with pytest.raises(ConflictError, match="ends after 10 rows, and 20 rows"):
        place.load(make_rows(10), **QUICK)
    lose_again = make_rows(25)
    assert place.load(lose_again, **QUICK).written == 25
    assert place.read_stored() == make_rows(25)


@pytest.mark.parametrize("mode", [*MODES[:2], MODES[3]], ids=["scan", "keys", "marker"])
@pytest.mark.parametrize("skip", [0, 1])
def test_an_app_that_suddenly_sees_nothing_decides_nothing(
    place: LoadTable, lark: Emulator, mode: dict[str, Any], skip: int
) -> None:
    lose(place, "after", skip=skip, **mode)
    lark.limit_base(place.app_token, sees="none")
    with pytest.raises((BulkWriteError, PermissionDeniedError), match="sees none of the records"):
        place.load(make_rows(25), **QUICK, **mode)
    lark.limit_base(place.app_token, sees="all")
    assert place.load(make_rows(25), **QUICK, **mode).replayed == 10 * (skip + 1)
    assert without_marks(place) == make_rows(25)


@pytest.mark.parametrize("settings", [{"search_total": "absent"}, {"search_total": "stale"}])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_total_that_is_wrong_or_missing_does_not_matter(
    place: LoadTable, lark: Emulator, settings: dict[str, Any], drop: str
) -> None:
    lark.settings(**settings)
    lose(place, drop)
    assert place.load(make_rows(25), **QUICK).written == 25
    assert place.read_stored() == make_rows(25)


def test_reads_that_are_stale_for_less_than_is_waited_do_not_matter(place: LoadTable, lark: Emulator) -> None:
    lark.settings(stale_reads_s=0.2)
    lose(place, "after")
    assert place.load(make_rows(25), token_window=0.0, settle_after=1.0).replayed == 20
    lark.settings(stale_reads_s=0.0)
    assert place.read_stored() == make_rows(25)


def test_pages_that_end_early_decide_nothing(place: LoadTable, lark: Emulator) -> None:
    lose(place, "after")
    short = '{"code": 0, "msg": "success", "data": {"items": [], "has_more": false, "total": 20}}'
    lark.fault(path="*/records/search", status=200, body=short, times=99)
    with pytest.raises(LarkError, match="ended after 0 records where Lark counts 20"):
        place.load(make_rows(25), **QUICK)
    lark.clear_faults()
    lark.fault(path="*/records/search", status=200, body=short)  # once: it is read again
    assert place.load(make_rows(25), **QUICK).replayed == 20
    assert place.read_stored() == make_rows(25)


def test_a_token_that_lark_always_knows_ends_with_an_error(place: LoadTable) -> None:
    place.lark.fault(path=CREATE, times=99, status=403, code=1254608)
    with pytest.raises(LarkError, match="1254608"):
        place.load(make_rows(5), **QUICK)
    place.lark.clear_faults()
    assert place.load(make_rows(5), **QUICK).written == 5
    assert place.read_stored() == make_rows(5)


def test_an_uncertain_load_is_listed(place: LoadTable, database: str) -> None:
    lose(place, "after")
    (load,) = ledger_admin.list_entries(urls.parse(database, "test"))
    assert (load.state, load.written, load.uncertain) == ("pending", 10, 1)
