"""Uncertain chunks that are looked for by keys which Lark does not keep as they were sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.loads import looking
from lark_provider.errors import BulkOutcomeUnknownError, InvalidRequestError
from lark_provider.storage import ledger_admin, urls
from tests.loads.conftest import CREATE, QUICK, LoadTable
from tests.storage import prepared


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    return url


def lose_an_answer(place: LoadTable, source: list[dict[str, Any]], **options: Any) -> None:
    place.lark.fault(path=CREATE, times=99, drop="after")
    with pytest.raises(BulkOutcomeUnknownError):
        LarkServiceClient(max_retries=0).clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, source, idempotency_key="load", token_window=60.0,
            settle_after=0.3, **options,
        )  # fmt: skip
    place.lark.clear_faults()


@pytest.mark.parametrize("precision", ["kept", "formatter"])
@pytest.mark.parametrize("keys", [[0.1 + 0.2, 1 / 3], [1e16, 123456789012345678.0], [2.5, 1.125]])
def test_a_chunk_with_fractions_as_keys_is_found(place: LoadTable, keys: list[float], precision: str) -> None:
    """Their text had fifteen digits, which no such number equals: the chunk was written twice."""
    place.lark.settings(number_precision=precision)
    source = [{"No": key, "Name": f"row {place}"} for place, key in enumerate(keys)]
    lose_an_answer(place, source, key_fields=["No"])
    assert place.load(source, key_fields=["No"], **QUICK).replayed == len(keys)
    assert len(place.list_ids()) == len(keys)


def test_a_chunk_with_blanks_around_its_keys_is_found(place: LoadTable) -> None:
    """Lark may trim texts, so that no record has the key that was sent."""
    place.lark.settings(text_ends="trimmed")
    source = [{"Name": f" {name} ", "No": place} for place, name in enumerate("abc")]
    lose_an_answer(place, source, key_fields=["Name"])
    assert place.load(source, key_fields=["Name"], **QUICK).replayed == 3
    assert len(place.list_ids()) == 3


def test_a_chunk_is_found_though_others_have_deleted_its_first_records(place: LoadTable) -> None:
    """All its keys are looked for, and not those of its first rows alone."""
    source = [{"Name": f"{'long ' * 20}{number}", "No": number} for number in range(100)]
    lose_an_answer(place, source, chunk_size=100, key_fields=["Name"])
    by_number = {
        record["fields"]["No"]: record["record_id"]
        for record in place.bitable.search_records(place.app_token, place.table_id)
    }
    first = [by_number[number] for number in range(60)]
    place.bitable.bulk_delete(place.app_token, place.table_id, first)
    assert place.load(source, chunk_size=100, key_fields=["Name"], **QUICK).replayed == 100
    assert len(place.list_ids()) == 40


def test_a_chunk_with_a_key_too_long_for_a_filter_is_found(place: LoadTable) -> None:
    """Lark refused the filter, and no attempt could ever settle the chunk."""
    source = [{"Name": "x" * 5_000}]
    lose_an_answer(place, source, key_fields=["Name"])
    assert place.load(source, key_fields=["Name"], **QUICK).replayed == 1
    assert len(place.list_ids()) == 1


def test_a_filter_that_lark_refuses_becomes_a_scan(place: LoadTable) -> None:
    source: list[dict[str, Any]] = [{"Name": "short", "No": 1}, {"Name": "y" * 5_000, "No": 2}]
    lose_an_answer(place, source, key_fields=["Name"])
    place.lark.fault(path="*/records/search", times=1, code=1254018)
    assert place.load(source, key_fields=["Name"], **QUICK).replayed == 2
    assert len(place.list_ids()) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key_fields": None}, "key_fields must be a list"),
        ({"key_fields": 5}, "key_fields must be a list"),
        ({"restart": None}, "restart must be an int"),
        ({"restart": "x"}, "restart must be an int"),
        ({"max_rejects": -1, "on_bad_row": "skip"}, "max_rejects must be an int"),
        ({"max_rejects": "x", "on_bad_row": "skip"}, "max_rejects must be an int"),
        ({"retry_rows": 5}, "retry_rows must be numbers of rows"),
        ({"key": "\ud800"}, "idempotency_key must be"),
        ({"marker_field": 5}, "marker_field must be the name of a text field"),
        ({"marker_field": "No"}, "marker_field must be a text field that only the load writes"),
        ({"marker_field": "Nope"}, "the table has no such text field"),
        ({"marker_field": "Name"}, "the rows write it, too"),
    ],
)
def test_options_of_another_shape_are_named(place: LoadTable, options: dict[str, Any], said: str) -> None:
    """The marker silently took the place of the rows' own values."""
    with pytest.raises(InvalidRequestError, match=said):
        place.load([{"Name": "a"}], **options)
    assert place.list_ids() == []


def test_addresses_in_a_refusal_are_masked_in_the_ledger(place: LoadTable, database: str) -> None:
    place.lark.fault(path=CREATE, times=1, code=1254015, msg="no value for ada@example.com")
    with pytest.raises(InvalidRequestError, match="ada@example"):
        place.load([{"Name": "a"}])
    url = urls.parse(database, "test")
    _, (chunk,) = ledger_admin.find_entry(url, ledger_admin.list_entries(url)[0].id)
    assert chunk.reason is not None
    assert "***@example.com" in chunk.reason


@pytest.mark.parametrize("options", [{"key_fields": ["Name"]}, {"marker_field": "Mark"}, {}])
def test_a_chunk_is_found_though_the_search_is_answered_late(
    place: LoadTable, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lark's clock was compared with the age that the chunk had before the search: it was written twice."""
    monkeypatch.setattr(looking, "_MARGIN_SECONDS", 0.0)
    source = [{"Name": f"row {number}", "No": number} for number in range(3)]
    lose_an_answer(place, source, **options)
    for method, path in (("POST", "*/records/search"), ("GET", "/open-apis/bitable/v1/apps/:app_token")):
        limit = {"x-ogw-ratelimit-reset": "3"}
        place.lark.fault(method, path, status=429, code=99991400, headers=limit)
    assert place.load(source, **options, **QUICK).replayed == 3
    place.lark.clear_faults()
    assert len(place.list_ids()) == 3


@pytest.mark.parametrize("others", [[500], [500, -7000]])
def test_a_record_of_the_same_day_is_not_the_chunks(
    place: LoadTable, neighbour: LarkServiceClient, others: list[int]
) -> None:
    """Lark compares days, and a chunk that was never written counted as written."""
    place.bitable.create_field(place.app_token, place.table_id, "At", 5)
    day = 1_796_200_000_000
    source = [{"At": day + 1000 * number, "No": number} for number in range(3)]
    place.lark.fault(path=CREATE, times=99, drop="before")
    with pytest.raises(BulkOutcomeUnknownError):
        LarkServiceClient(max_retries=0).clouddoc.bitable.bulk_insert(
            place.app_token, place.table_id, source, idempotency_key="load", token_window=60.0,
            settle_after=0.3, key_fields=["At"],
        )  # fmt: skip
    place.lark.clear_faults()
    for moment in others:
        fields = {"At": day + moment, "Name": "theirs"}
        neighbour.clouddoc.bitable.create_record(place.app_token, place.table_id, fields)
    result = place.load(source, key_fields=["At"], **QUICK)
    assert (len(result.record_ids), result.replayed) == (3, 0)
    assert len(place.list_ids()) == 3 + len(others)


def test_a_chunk_whose_keys_are_moments_is_found(place: LoadTable) -> None:
    place.bitable.create_field(place.app_token, place.table_id, "At", 5)
    source = [{"At": 1_796_200_000_000 + 1000 * number, "No": number} for number in range(3)]
    lose_an_answer(place, source, key_fields=["At"])
    assert place.load(source, key_fields=["At"], **QUICK).replayed == 3
    assert len(place.list_ids()) == 3
