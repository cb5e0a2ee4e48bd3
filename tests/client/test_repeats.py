"""Deletes are repeated, and what is gone after an uncertain try is done; a key used before is a conflict."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import (
    BulkOutcomeUnknownError,
    BulkWriteError,
    ConflictError,
    LarkAPIError,
    NotFoundError,
    OutcomeUnknownError,
)
from tests.client.bitable_table import Table, make_rows, read_stored, table
from tests.client.conftest import CHAT, Do, count, messages

__all__ = ["table"]  # a fixture

RECORD = "*/records/rec*"
BATCH = "*/records/batch_delete"
_TABLE = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
BATCH_DELETE, BATCH_GET = f"POST {_TABLE}/batch_delete", f"POST {_TABLE}/batch_get"
DELETE = f"DELETE {_TABLE}/:record_id"
MESSAGE = "/open-apis/im/v1/messages/:message_id"


def write(table: Table, number: int) -> list[str]:
    return LarkServiceClient().clouddoc.bitable.bulk_insert(*table, make_rows(number)).record_ids


@pytest.mark.parametrize("drop", ["before", "after"])
def test_two_thousand_are_deleted_although_an_answer_is_lost(
    lark: Emulator, do: Do, table: Table, drop: str
) -> None:
    ids = write(table, 2001)
    lark.fault(path=BATCH, skip=1, drop=drop)
    done = do(lambda c: c.clouddoc.bitable.bulk_delete(*table, ids[:2000]))
    assert (done.written, done.chunks, done.record_ids) == (2000, 4, ids[:2000])
    assert [record["record_id"] for record in read_stored(table)] == ids[2000:]
    assert count(lark, BATCH_DELETE) == 5
    assert count(lark, BATCH_GET) == (5 if drop == "after" else 0)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_id_that_never_was_is_not_taken_for_a_delete(
    lark: Emulator, do: Do, table: Table, drop: str
) -> None:
    ids = write(table, 3)
    lark.fault(path=BATCH, drop=drop)
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.bulk_delete(*table, [*ids, "recnothere"]))
    assert len(read_stored(table)) == 3


def test_a_batch_that_cannot_be_looked_up_stays_unknown(lark: Emulator, do: Do, table: Table) -> None:
    ids = write(table, 3)
    lark.fault(path=BATCH, drop="after")
    lark.fault(path="*/records/batch_get", code=1254302, msg="Permission denied")
    with pytest.raises(BulkOutcomeUnknownError, match="may or may not be"):
        do(lambda c: c.clouddoc.bitable.bulk_delete(*table, ids))


def test_a_batch_that_is_missing_on_a_certain_try_is_not_found(lark: Emulator, do: Do, table: Table) -> None:
    ids = write(table, 3)
    with pytest.raises(BulkWriteError) as stopped:
        do(lambda c: c.clouddoc.bitable.bulk_delete(*table, [*ids, "recnothere"], chunk_size=3))
    assert isinstance(stopped.value.__cause__, NotFoundError)
    assert (stopped.value.written, count(lark, BATCH_GET)) == (3, 0)


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_record_is_deleted_although_the_answer_is_lost(
    lark: Emulator, do: Do, table: Table, drop: str
) -> None:
    (ident,) = write(table, 1)
    lark.fault(method="DELETE", path=RECORD, drop=drop)
    answer = do(lambda c: c.clouddoc.bitable.delete_record(*table, ident))
    assert answer.data["deleted"]
    assert answer.data["record_id"] == ident
    assert read_stored(table) == []
    with pytest.raises(NotFoundError):
        do(lambda c: c.clouddoc.bitable.delete_record(*table, ident))


@pytest.mark.parametrize("wrong", ["table", "base"])
def test_a_delete_in_a_place_that_is_not_there_is_not_done(
    lark: Emulator, do: Do, table: Table, wrong: str
) -> None:
    (ident,) = write(table, 1)
    place = (table.app_token, "tblNOSUCH") if wrong == "table" else ("bascnNOSUCH", table.table_id)
    lark.fault(method="DELETE", path=RECORD, drop="before")
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.clouddoc.bitable.delete_record(*place, ident))
    lark.fault(method="DELETE", path=RECORD, drop="before")
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.call("DELETE", f"/bitable/v1/apps/{place[0]}/tables/{place[1]}/records/{ident}"))
    assert len(read_stored(table)) == 1


def test_nothing_to_change_is_a_success_of_updates_alone(lark: Emulator, do: Do) -> None:
    lark.fault(method="POST", path="/open-apis/im/v1/messages", code=1254606, msg="nothing")
    with pytest.raises(LarkAPIError, match="1254606"):
        do(lambda c: c.messaging.send_text(CHAT, "x"))


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_message_is_recalled_although_the_answer_is_lost(lark: Emulator, do: Do, drop: str) -> None:
    sent = LarkServiceClient().messaging.send_text(CHAT, "x").data["message_id"]
    lark.fault(method="DELETE", path=MESSAGE, drop=drop)
    assert do(lambda c: c.messaging.recall(sent)).code == 0
    assert [message["deleted"] for message in messages(lark)] == [True]
    with pytest.raises(ConflictError):
        do(lambda c: c.messaging.recall(sent))


def test_a_delete_of_any_endpoint_is_repeated_unless_it_counts(lark: Emulator, do: Do, table: Table) -> None:
    (ident,) = write(table, 1)
    path = f"/bitable/v1/apps/{table.app_token}/tables/{table.table_id}/records/{ident}"
    lark.fault(method="DELETE", path=RECORD, drop="after")
    assert do(lambda c: c.call("DELETE", path)).data == {}
    lark.fault(method="DELETE", path=RECORD, drop="after", times=2)
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.call("DELETE", path, json={"startIndex": 1, "endIndex": 2}))
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.call("DELETE", path, idempotent=False))
    assert count(lark, DELETE) == 4


def test_an_outcome_that_stays_unknown_is_said_so(lark: Emulator, do: Do) -> None:
    sent = LarkServiceClient().messaging.send_text(CHAT, "x").data["message_id"]
    lark.fault(method="DELETE", path=MESSAGE, drop="before", times=9)
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.messaging.recall(sent), max_retries=1)


@pytest.mark.parametrize("replay", ["1254608", "1255006"])
def test_a_key_used_for_other_data_is_a_conflict_for_good(
    lark: Emulator, do: Do, table: Table, replay: str
) -> None:
    lark.settings(client_token_replay=replay)

    def load(client: Any) -> Any:
        return client.clouddoc.bitable.bulk_insert(*table, make_rows(5), idempotency_key="day 1")

    do(load)
    with pytest.raises(ConflictError) as refused:
        do(load)
    assert (refused.value.code, refused.value.retryable) == (int(replay), False)
    assert not isinstance(refused.value, OutcomeUnknownError)
    assert len(read_stored(table)) == 5
