"""Loads of tasks that are retried, cleared and repaired, with a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import BulkWriteError, ConflictError, InvalidRequestError
from lark_provider.operators import LarkBitableBulkInsertOperator, LarkSendMessageOperator
from lark_provider.storage import ledger_admin, urls
from tests.airflow.conftest import CHAT
from tests.storage import prepared

Context = Callable[..., Any]
CLEARED = {"try_number": 4, "max_tries": 5}
"""Of a task with two retries that used them up, and was cleared."""


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    return url


@pytest.fixture
def table(lark: Emulator) -> dict[str, Any]:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    fields: list[Any] = [
        {"field_name": "Name", "type": 1},
        {"field_name": "No", "type": 2},
        {"field_name": "Marker", "type": 1},
    ]
    return {
        "app_token": app_token,
        "table_id": bitable.create_table(app_token, "T", fields=fields).data["table_id"],
    }


def make_rows(count: int, name: str = "row") -> Iterator[dict[str, Any]]:
    return ({"No": number, "Name": f"{name} {number}"} for number in range(count))


def failing(count: int) -> Iterator[dict[str, Any]]:
    yield from make_rows(count)
    raise OSError("the source is unavailable")


def load(table: dict[str, Any], source: Any, **options: Any) -> LarkBitableBulkInsertOperator:
    kwargs = {"count": 25} | options.pop("kwargs", {})
    return LarkBitableBulkInsertOperator(
        task_id="t", records=source, records_kwargs=kwargs, chunk_size=10, **table, **options
    )


def read_names(table: dict[str, Any]) -> list[str]:
    records = LarkServiceClient().clouddoc.bitable.search_records(**table)
    return sorted((record["fields"]["Name"] for record in records), key=lambda name: int(name.split()[-1]))


def test_retries_and_cleared_tasks_go_on_with_their_load(context: Context, table: dict[str, Any]) -> None:
    with pytest.raises(BulkWriteError):
        load(table, failing).execute(context())
    assert load(table, make_rows).execute(context(try_number=2)) == {
        "written": 25,
        "replayed": 20,
        "chunks": 3,
    }
    assert load(table, make_rows).execute(context(**CLEARED)) == {"written": 25, "replayed": 25, "chunks": 3}
    assert read_names(table) == [f"row {number}" for number in range(25)]


def test_another_link_to_the_same_table_is_the_same_load(context: Context, table: dict[str, Any]) -> None:
    link = f"https://x.feishu.cn/base/{table['app_token']}?table={table['table_id']}"
    with pytest.raises(BulkWriteError):
        load({"table": link}, failing).execute(context())
    for place in ({"table": f"{link}&view=vew1"}, {"app_token": link}, table):
        assert load(place, make_rows).execute(context(**CLEARED))["replayed"] >= 20
    assert read_names(table) == [f"row {number}" for number in range(25)]


def test_other_runs_and_map_indexes_are_other_loads(context: Context, table: dict[str, Any]) -> None:
    for changes in ({}, {"run_id": "r2"}, {"map_index": 1}):
        load(table, make_rows).execute(context(**changes))
    assert len(read_names(table)) == 75


def test_fix_and_clear_writes_what_was_refused_and_what_follows(
    lark: Emulator, context: Context, table: dict[str, Any]
) -> None:
    lark.fault(path="*/records/batch_create", skip=1, code=1254060)
    with pytest.raises(AirflowFailException, match="1254060"):
        load(table, make_rows).execute(context())
    assert load(table, make_rows).execute(context(**CLEARED))["replayed"] == 10
    assert read_names(table) == [f"row {number}" for number in range(25)]


def test_a_changed_source_fails_the_task_and_restart_loads_it_again(
    context: Context, table: dict[str, Any]
) -> None:
    load(table, make_rows).execute(context())
    changed = {"kwargs": {"name": "new"}}
    with pytest.raises(
        AirflowFailException, match=r"SourceChangedError: Row 1 of the source .* 25 rows are already written"
    ):
        load(table, make_rows, **changed).execute(context(**CLEARED))
    again = load(table, make_rows, on_clear="restart", **changed)
    assert again.execute(context(**CLEARED)) == {"written": 25, "replayed": 0, "chunks": 3}
    assert again.execute(context(try_number=5, max_tries=5))["replayed"] == 25  # its retry
    assert read_names(table) == [f"new {number}" for number in range(25)]


@pytest.mark.parametrize("retries", [0, 1, 9])
def test_a_file_with_other_retries_does_not_load_again(
    context: Context, table: dict[str, Any], retries: int
) -> None:
    load(table, make_rows, on_clear="restart").execute(context(retries=2))
    again = load(table, make_rows, on_clear="restart").execute(context(retries=retries, max_tries=2))
    assert again["replayed"] == 25


def test_without_a_database_a_cleared_task_inserts_again(
    context: Context, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LARK_DATABASE_URL")
    for attempt in ({}, {"try_number": 2}, CLEARED):
        load(table, make_rows).execute(context(**attempt))
    assert len(read_names(table)) == 50


def test_another_writer_is_left_to_a_retry(
    lark: Emulator, context: Context, table: dict[str, Any], database: str
) -> None:
    from lark_provider.protocol.ledger import Claimant
    from lark_provider.storage.table_leases import TableLeases

    leases = TableLeases(urls.parse(database, "test"), lark.base_url, "s")
    leases.take(Claimant(f"{table['app_token']}/{table['table_id']}", "other", "load of another", 60))
    with pytest.raises(ConflictError, match="load of another"):
        load(table, make_rows, table_wait=0).execute(context())


def test_keys_and_markers_are_passed_on(lark: Emulator, context: Context, table: dict[str, Any]) -> None:
    load(table, make_rows, key_fields=["No"]).execute(context())
    load(table, make_rows, marker_field="Marker", kwargs={"count": 5}).execute(context(run_id="r2"))
    markers = [
        record["fields"].get("Marker")
        for record in LarkServiceClient().clouddoc.bitable.search_records(**table)
    ]
    assert sum(marker is not None and marker.endswith("-0") for marker in markers) == 5


def test_what_to_do_on_clear_is_one_of_two(table: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="on_clear must be resume or restart, got 'again'"):
        load(table, make_rows, on_clear="again")


def test_messages_are_recorded_and_their_policy_passed_on(
    lark: Emulator, context: Context, database: str
) -> None:
    tell = LarkSendMessageOperator(task_id="t", receiver_id=CHAT, content="hi", on_unknown="skip")
    sent = tell.execute(context())
    assert tell.execute(context(try_number=2)) == sent
    (entry,) = ledger_admin.list_entries(urls.parse(database, "test"))
    assert (entry.kind, entry.state, entry.result["message_id"]) == ("message", "done", sent)
