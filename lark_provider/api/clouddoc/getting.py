"""Read records of a Bitable table by their ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any, NamedTuple

from lark_provider.api.clouddoc.conversion import make_converter
from lark_provider.api.clouddoc.fields import collect_names
from lark_provider.api.clouddoc.records import RECORDS, Record
from lark_provider.api.contact import UserIdType
from lark_provider.api.links import find_table
from lark_provider.protocol.arguments import check_texts
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

MAX_GET = 100


class RecordsRead(NamedTuple):
    """Records that were read by id.

    Attributes:
        records: The records that exist, in the order in which they were requested.
        absent: Ids of records that do not exist.
        forbidden: Ids of records that the app may not see.
    """

    records: list[Record]
    absent: list[str]
    forbidden: list[str]


class TablePlace(NamedTuple):
    """A table: its base's token and its id."""

    app_token: str
    table_id: str


def locate(app_token: str, table_id: str | None = None) -> Procedure[TablePlace]:
    """Find the table that a link names; one on a wiki page is looked up.

    See GET /open-apis/wiki/v2/spaces/get_node.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.

    Raises:
        InvalidRequestError: No table is named, or the link leads to something else.
        NotFoundError: There is no such wiki page.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    return TablePlace(*(yield from find_table(app_token, table_id)))


def get_records(
    app_token: str,
    table_id: str | None,
    record_ids: Collection[str],
    *,
    automatic_fields: bool = False,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
) -> Procedure[RecordsRead]:
    """Read records by id, 100 in a request.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/batch_get.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        record_ids: The records, `rec…`; any number.
        automatic_fields: Also read who created and changed a record, and when.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of the datetimes returned; UTC if None.
        convert: Convert by field type. If False, values are left as Lark sends them.

    Returns:
        The records, and the ids of those that do not exist or are hidden.

    Raises:
        InvalidRequestError: `record_ids` contains something other than ids; nothing was sent.
        NotFoundError: There is no such base or table.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    ids = check_texts("record_ids", record_ids, "a list of record ids (rec…)")
    if "" in ids:
        raise InvalidRequestError(
            "record_ids must be a list of record ids, got '' among them. Next: leave it out of the list."
        )
    wanted = list(dict.fromkeys(ids))
    app_token, table_id = yield from find_table(app_token, table_id)
    url = fill_path(RECORDS + "/batch_get", app_token=app_token, table_id=table_id)
    records: list[Record] = []
    absent: list[str] = []
    forbidden: list[str] = []
    for start in range(0, len(wanted), MAX_GET):
        body = {
            "record_ids": wanted[start : start + MAX_GET],
            "user_id_type": user_id_type,
            "automatic_fields": automatic_fields,
        }
        call: Call[Any] = make_request("POST", url, json=body, safe=True)
        data = (yield from perform(call)).data
        records += data.get("records") or ()
        absent += data.get("absent_record_ids") or ()
        forbidden += data.get("forbidden_record_ids") or ()
    if convert and records:
        names = collect_names(record["fields"] for record in records)
        converter = yield from make_converter(app_token, table_id, zone, names)
        records = [{**record, "fields": converter.from_wire(record["fields"])} for record in records]
    positions = {record_id: position for position, record_id in enumerate(wanted)}
    records.sort(key=lambda record: positions.get(record["record_id"], len(positions)))
    return RecordsRead(records, absent, forbidden)
