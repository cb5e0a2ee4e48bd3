"""Create many records in one request; read only their ids from the answer, also after a batch update."""

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

# What surrounds the records of an answer, in either order of its members. Any other answer is parsed in full.
_AROUND = (
    (b'{"code":0,"data":{"records":[', b']},"msg":"success"}'),
    (b'{"code":0,"msg":"success","data":{"records":[', b"]}}"),
)
_ID = re.compile(rb'"record_id":"(\w+)"')
# The end of a longer name, such as that of a field. It is searched for separately, since a lookbehind in the
# pattern would be tried at each byte.
_ESCAPED_ID = rb'\"record_id":'
_FIELDS = b'"fields":{'


class _Created(TypedDict):
    record_id: str


class CreatedAnswer(TypedDict, total=False):
    """The answer to a batch: the records that it has created, with their cells if these were parsed."""

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
    # The records are removed from the answer, which is kept for longer than they are needed.
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
    """Return a function that finds the ids in the answer to a batch without parsing all of it.

    The answer repeats each cell that was sent, so that parsing it takes longer than encoding and sending the
    records. Each record has one member `record_id` and one member `fields`. If the answer has exactly as many
    of each as records were sent, none of them is inside a cell. Otherwise the function returns None and the
    answer is parsed, as it is if it is cut off or has other members.

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
