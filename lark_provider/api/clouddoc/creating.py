"""Create many records in one request, and read of the answer only their ids, as where many are updated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, TypedDict

from lark_provider.api.clouddoc.records import RECORDS
from lark_provider.api.contact import UserIdType
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import OutcomeUnknownError
from lark_provider.protocol.paths import fill_path

# Around the records of an answer, in either order of its members. What differs is parsed.
_AROUND = (
    (b'{"code":0,"data":{"records":[', b']},"msg":"success"}'),
    (b'{"code":0,"msg":"success","data":{"records":[', b"]}}"),
)
_ID = re.compile(rb'"record_id":"(\w+)"')
# The end of a longer name. Looked for once, since a lookbehind is tried at each byte.
_ESCAPED_ID = rb'\"record_id":'
_FIELDS = b'"fields":{'


class _Created(TypedDict):
    record_id: str


class CreatedAnswer(TypedDict, total=False):
    """What a batch answers: the records that it has created, with their cells where these were read."""

    records: list[_Created]


Create: TypeAlias = Call[CreatedAnswer]


def batch_create(
    app_token: str, table_id: str, body: bytes, count: int, token: str, user_id_type: UserIdType
) -> Create:
    """Make the call that creates records.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_create.

    Args:
        app_token: The base.
        table_id: The table.
        body: The body of the request: the records, encoded as JSON.
        count: How many records the body has.
        token: The `client_token`, which makes a repeat safe.
        user_id_type: The kind of id by which people are named.
    """
    call: Create = make_request(
        "POST",
        fill_path(RECORDS + "/batch_create", app_token=app_token, table_id=table_id),
        params={"client_token": token, "user_id_type": user_id_type},
        idempotent=True,
    )
    return replace(call, body=body, skim=skim(count))


def read_created_ids(
    answer: LarkResponse[CreatedAnswer],
    call: Create,
    count: int,
    step: str = "look into the table before writing them again",
) -> list[str]:
    """Return the ids of the records that a batch has created.

    Args:
        answer: Lark's answer to the call.
        call: The call that was sent.
        count: How many records were sent.
        step: The next step that the error names if there are fewer ids than that.

    Raises:
        OutcomeUnknownError: There are fewer ids than that.
    """
    # Removed, since the answer lives longer than its thousand records are needed.
    records = answer.data.pop("records", None) if isinstance(answer.data, dict) else None
    ids = [
        str(record["record_id"])
        for record in records or ()
        if isinstance(record, dict) and record.get("record_id")
    ]
    if len(ids) != count:
        raise OutcomeUnknownError(
            f"{call.name}: {count} records were sent, and the answer names {len(ids)}. Next: {step}."
        )
    return ids


def skim(count: int) -> Callable[[bytes], CreatedAnswer | None]:
    """Return what finds the ids in an answer to a batch, which repeats each cell that was sent.

    To parse all of it takes longer than to encode and send the records. Each record has one member
    `record_id` and one member `fields`. So if there are as many of both as records were sent, no cell and no
    field has one, too; else the answer is parsed, as one is that is cut off or continues.

    Args:
        count: How many records were sent.
    """

    def parse_ids(content: bytes) -> CreatedAnswer | None:
        if not any(content.startswith(before) and content.endswith(after) for before, after in _AROUND):
            return None
        ids = _ID.findall(content)
        if _ESCAPED_ID in content or not len(ids) == content.count(_FIELDS) == count:
            return None
        return {"records": [{"record_id": record_id.decode()} for record_id in ids]}

    return parse_ids
