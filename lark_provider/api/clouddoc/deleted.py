"""Find out whether a batch delete whose answer was lost was performed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import LarkError, NotFoundError, OutcomeUnknownError, find_refusal
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

MAX_LOOKED_UP = 100
_RECORD_NOT_FOUND = 1254043


def delete_and_check(
    deletion: Procedure[LarkResponse[Any]], app_token: str, table_id: str, record_ids: Sequence[str]
) -> Procedure[None]:
    """Perform a batch delete; if a retry finds a record missing, check whether the first attempt deleted it.

    Lark deletes all records of a batch or none, and says "not found" for the whole batch. One id that never
    existed looks the same as a batch that was deleted, so the records themselves are looked up.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_get.

    Args:
        deletion: The request, which may be repeated.
        app_token: The base.
        table_id: The table.
        record_ids: The records of the batch.

    Raises:
        NotFoundError: One of them does not exist and others still do: nothing was deleted.
        OutcomeUnknownError: The answer is lost, and looking the records up failed, too.
        LarkError: Any other failure of the request.
    """
    try:
        yield from deletion
    except OutcomeUnknownError as unknown:
        missing = find_refusal(unknown)
        if not (isinstance(missing, NotFoundError) and missing.code == _RECORD_NOT_FOUND):
            raise
        try:
            gone = yield from _are_all_deleted(app_token, table_id, record_ids)
        except LarkError as failure:
            raise unknown from failure
        if not gone:
            raise missing from None


def _are_all_deleted(app_token: str, table_id: str, record_ids: Sequence[str]) -> Procedure[bool]:
    url = fill_path(RECORDS + "/batch_get", app_token=app_token, table_id=table_id)
    for start in range(0, len(record_ids), MAX_LOOKED_UP):
        batch = list(record_ids[start : start + MAX_LOOKED_UP])
        call: Call[Any] = make_request("POST", url, json={"record_ids": batch}, safe=True)
        absent = (yield from perform(call)).data.get("absent_record_ids") or ()
        if not set(batch) <= set(absent):
            return False
    return True
