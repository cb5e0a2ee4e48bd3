"""A sync that stood still for longer than its lease, while another one wrote the table and has ended."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sync.options import SyncOptions
from lark_provider.api.clouddoc.sync.plan import SyncResult
from lark_provider.api.clouddoc.sync.procedure import run
from lark_provider.errors import ConflictError, OutcomeUnknownError
from tests.syncs.attempt import yield_rows
from tests.syncs.test_together import TOKEN, database, leave_interrupted, place, read_keys

__all__ = ["database", "place"]


def make_options(**overrides: Any) -> SyncOptions:
    usual: dict[str, Any] = {
        "key_fields": ["No"], "mode": "upsert", "scope": None, "on_missing": "delete", "mark": None,
        "max_deletes": 1.0, "on_duplicate": "keep_oldest", "on_null": "clear", "key_form": "exact",
        "on_bad_row": "fail", "max_rejects": 100, "only_rows": None, "links": {}, "strict_options": False,
        "empty_as_none": False, "allow_empty_table": False, "user_id_type": "open_id", "zone": None,
        "lease_seconds": 1.0,
    }  # fmt: skip
    return SyncOptions(**{**usual, **overrides})


def age(database: str) -> None:
    """Let 200 seconds pass for what is recorded as intended."""
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as file, file:
        file.execute("UPDATE table_leases SET intent_at = datetime(intent_at, '-200 seconds')")


def test_a_plan_from_before_another_writer_is_not_carried_out(
    lark: Emulator, place: tuple[str, str], database: str
) -> None:
    others: list[SyncResult] = []

    def stand_still(_: SyncResult) -> None:
        if not others:  # the plan is made, and nothing is written
            others.append(LarkServiceClient().perform(run(*place, yield_rows(60, 0), make_options())))

    with pytest.raises(ConflictError, match="taken over") as raised:
        LarkServiceClient().perform(run(*place, yield_rows(60, 0), make_options(on_progress=stand_still)))
    assert raised.value.retryable
    assert [result.created for result in others] == [60]
    assert read_keys(place) == sorted(f"N{number}" for number in range(60))


def test_what_the_other_writer_is_about_to_create_is_not_forgotten(
    lark: Emulator, place: tuple[str, str], database: str
) -> None:
    """The other writer was killed while it created records: its request may still be performed."""

    def stand_still(_: SyncResult) -> None:
        lark.fault("POST", "*/records/batch_create", drop="late", late_s=600.0)
        with LarkServiceClient(max_retries=0) as other, pytest.raises(OutcomeUnknownError):
            other.perform(run(*place, yield_rows(60, 0), make_options()))

    with pytest.raises(ConflictError, match="taken over"):
        LarkServiceClient().perform(run(*place, yield_rows(50, 0), make_options(on_progress=stand_still)))
    result = LarkServiceClient().perform(run(*place, yield_rows(60, 0), make_options()))
    assert result.settled == "written"
    lark.advance(700)
    assert all(late["performed"] for late in lark.late_requests())
    assert read_keys(place) == sorted(f"N{number}" for number in range(60))


def test_a_repeated_request_may_be_performed_late_as_well(
    lark: Emulator, place: tuple[str, str], database: str
) -> None:
    """An old intent is repeated under its token, that answer is lost, too, and the source changes then."""
    leave_interrupted(place, database)
    age(database)
    lark.fault("POST", "*/records/batch_create", drop="late", late_s=3.0)
    with LarkServiceClient(max_retries=0) as client, pytest.raises(OutcomeUnknownError):
        client.perform(run(*place, yield_rows(60, 0), make_options(settle_after=8.0)))
    others = [{**row, "Size": 7} for row in yield_rows(60, 0)][
        1:
    ]  # so that the same request cannot be repeated
    result = LarkServiceClient().perform(run(*place, iter(others), make_options(settle_after=8.0)))
    assert (result.settled, result.created) == ("unknown", 10)
    assert all(late["performed"] for late in lark.late_requests())
    assert read_keys(place) == sorted(f"N{number}" for number in range(60))


def test_a_token_is_repeated_for_no_longer_than_its_window(
    lark: Emulator, place: tuple[str, str], database: str
) -> None:
    leave_interrupted(place, database)
    age(database)
    lark.fault("POST", "*/records/batch_create", drop="before")
    with LarkServiceClient(max_retries=0) as client, pytest.raises(OutcomeUnknownError):
        client.perform(run(*place, yield_rows(60, 0), make_options()))
    age(database)
    result = LarkServiceClient().perform(run(*place, yield_rows(60, 0), make_options()))
    assert (result.settled, result.created) == ("unknown", 60)
    sent = [dict(request["query"]) for request in lark.requests() if request["path"].endswith("batch_create")]
    assert [query["client_token"] for query in sent].count(TOKEN) == 1, (
        "400 s after the first request it is new"
    )
