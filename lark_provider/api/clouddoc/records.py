"""Create, change, delete and search records of a Bitable table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Required, TypedDict, TypeVar

from lark_provider.api.clouddoc import searches
from lark_provider.api.clouddoc.conversion import MAX_AGE, make_converter
from lark_provider.api.clouddoc.days import DayZone, convert_records
from lark_provider.api.clouddoc.fields import collect_names, find_zone
from lark_provider.api.clouddoc.searches import SearchFilter
from lark_provider.api.contact import UserIdType
from lark_provider.api.links import find_table
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

T = TypeVar("T")
RECORDS = "/bitable/v1/apps/{app_token}/tables/{table_id}/records"
MAX_PAGE = 500


class Record(TypedDict, total=False):
    """A record as Lark describes it."""

    record_id: Required[str]
    fields: Required[dict[str, Any]]


class RecordAnswer(TypedDict):
    """What `create_record` and `update_record` answer."""

    record: Record


class DeletedAnswer(TypedDict, total=False):
    """What `delete_record` answers."""

    deleted: bool
    record_id: str


def create_record(
    app_token: str,
    table_id: str | None,
    fields: Mapping[str, Any],
    *,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    empty_as_none: bool = False,
    idempotency_key: str | None = None,
) -> Procedure[LarkResponse[RecordAnswer]]:
    """Add one record.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records. For many, `bulk_insert`.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        fields: Python values by field name; see `record_converter.Converter`.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it. Without one, naive datetimes are refused, and days are those of the base's own time zone,
            which is read from Lark if there are any.
        convert: Convert by field type, for which the table's fields are read once in five minutes. If
            False, values are sent as they are.
        empty_as_none: Whether `''` is taken as None in every field that is not text, as in rows of a CSV
            file; if False, it is refused there.
        idempotency_key: Any text that identifies this record; makes a repeat safe.

    Returns:
        `.data["record"]` with `record_id`.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit; nothing was sent.
        NotFoundError: There is no such base or table.
        LarkAPIError: Lark refused it.
        ConflictError: The key was used before, for other data.
        OutcomeUnknownError: It may have been performed, and no attempt got an answer.
    """
    app_token, table_id = yield from find_table(app_token, table_id)
    conversion = convert_records(app_token, table_id, zone, [fields], empty_as_none=empty_as_none)
    wire = (yield from conversion)[0] if convert else _check_unconverted(fields)
    token = (
        None if idempotency_key is None else make_client_token(idempotency_key, app_token, table_id, "record")
    )
    call: Call[RecordAnswer] = make_request(
        "POST",
        fill_path(RECORDS, app_token=app_token, table_id=table_id),
        params={"user_id_type": user_id_type, "client_token": token},
        json={"fields": wire},
        idempotent=token is not None,
    )
    return (yield from perform(call))


def update_record(
    app_token: str,
    table_id: str | None,
    record_id: str,
    fields: Mapping[str, Any],
    *,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    empty_as_none: bool = False,
) -> Procedure[LarkResponse[RecordAnswer]]:
    """Change some fields of a record.

    See PUT /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/:record_id.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        record_id: The record, `rec…`.
        fields: The new values by field name; None clears a cell, and what is not named stays.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of naive datetimes, and of days (a `date`, or "2026-01-31"), which are midnight in
            it. Without one, naive datetimes are refused, and days are those of the base's own time zone,
            which is read from Lark if there are any.
        convert: Convert by field type; see `create_record`.
        empty_as_none: As for `create_record`; `''` then clears a cell.

    Returns:
        `.data["record"]`, with the values that were sent if there was nothing to change (1254606).

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit; nothing was sent.
        NotFoundError: There is no such base, table or record.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    app_token, table_id = yield from find_table(app_token, table_id)
    conversion = convert_records(app_token, table_id, zone, [fields], clear=True, empty_as_none=empty_as_none)
    wire = (yield from conversion)[0] if convert else _check_unconverted(fields)
    call: Call[RecordAnswer] = make_request(
        "PUT",
        fill_path(RECORDS + "/{record_id}", app_token=app_token, table_id=table_id, record_id=record_id),
        params={"user_id_type": user_id_type},
        json={"fields": wire},
        idempotent=True,  # a repeat writes the same values
    )
    answer = yield from perform(call)
    if answer.data:
        return answer
    written: Record = {
        "record_id": record_id,
        "fields": {name: value for name, value in wire.items() if value is not None},
    }
    return replace(answer, data={"record": written})


def delete_record(
    app_token: str, table_id: str | None, record_id: str
) -> Procedure[LarkResponse[DeletedAnswer]]:
    """Delete a record. After a lost answer it is retried; if the record is gone then, it was deleted.

    See DELETE /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/:record_id.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        record_id: The record, `rec…`.

    Returns:
        `.data["deleted"]`.

    Raises:
        NotFoundError: There is no such base, table or record.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer was lost, and so were those of the retries.
    """
    app_token, table_id = yield from find_table(app_token, table_id)
    url = fill_path(RECORDS + "/{record_id}", app_token=app_token, table_id=table_id, record_id=record_id)
    call: Call[DeletedAnswer] = make_request("DELETE", url)
    answer = yield from perform(call)
    return answer if answer.data else replace(answer, data={"deleted": True, "record_id": record_id})


def search_records(
    app_token: str,
    table_id: str | None = None,
    *,
    filter: SearchFilter | None = None,  # noqa: A002 - Lark's name
    sort: Sequence[str] = (),
    field_names: Sequence[str] = (),
    view_id: str | None = None,
    automatic_fields: bool = False,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    page_size: int = MAX_PAGE,
) -> Listing[Record]:
    """Find records, over all pages.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        filter: Conditions that all hold, as `(field, operator, value)` with Lark's operators (`is`,
            `isNot`, `contains`, `isGreater`, `isEmpty`, …); or Lark's own filter object.
        sort: Field names; a leading `-` sorts in descending order.
        field_names: The fields to read; all if empty.
        view_id: A view whose filter and order apply if none are given here.
        automatic_fields: Also read who created and changed a record, and when.
        user_id_type: The kind of id by which people are named.
        zone: The time zone of the datetimes returned, and of naive datetimes in the filter, UTC if None; and
            of days in the filter (a `date`). Without one, these are days of the base's own time zone, which
            is read from Lark if there are any.
        convert: Convert back by field type. If False, values are left as Lark sends them.
        page_size: Records a request, 1 to 500.

    Returns:
        An iterator of records: `record_id` and `fields`; empty fields are left out, as Lark does. A lookup
        is a list, a formula one value; see `record_converter.Converter.from_wire`.

    Raises:
        InvalidRequestError: A filter or a field name is wrong; this is found before sending if possible.
        PermissionDeniedError: The filter has days, and the app may not read the base's time zone.
        NotFoundError: There is no such base, table or view.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not (type(page_size) is int and 1 <= page_size <= MAX_PAGE):
        raise InvalidRequestError(
            f"page_size must be an int from 1 to {MAX_PAGE}, got {page_size!r}. Next: pass a number such as "
            f"100, or leave it out for {MAX_PAGE}.",
            code=1254011,
        )
    tz = find_zone(zone)
    body, names = searches.make_body(filter, sort, field_names, tz)
    body["automatic_fields"] = automatic_fields
    if view_id:
        body["view_id"] = view_id
    # The filter is copied, since it is converted a second time once the base's time zone is known.
    dated = [*filter] if filter and tz is None and searches.has_day(filter) else None

    def read_page(token: str | None) -> Procedure[Page[Record]]:
        nonlocal dated
        base, resolved_id = yield from find_table(app_token, table_id)
        if dated is not None:
            days = yield from DayZone(base, MAX_AGE).decide()
            body.update(searches.make_body(dated, sort, field_names, tz, days)[0])
            dated = None
        converter = (yield from make_converter(base, resolved_id, tz, names)) if convert else None
        if converter is not None:
            searches.check_names(names, converter)
        call: Call[Any] = make_request(
            "POST",
            fill_path(RECORDS + "/search", app_token=base, table_id=resolved_id),
            params={"user_id_type": user_id_type, "page_size": str(page_size), "page_token": token},
            json=body,
            safe=True,
        )
        answered: Page[Record] = Page.of((yield from perform(call)).data)
        if converter is None:
            return answered
        read = collect_names(item["fields"] for item in answered.items)
        if converter.describe_unknown(read):  # fields that are newer than the cached list
            converter = yield from make_converter(base, resolved_id, tz, read)
        items: list[Record] = [
            {**item, "fields": converter.from_wire(item["fields"])} for item in answered.items
        ]
        return Page(items, answered.next_token)

    return Listing(read_page)


def _check_unconverted(fields: object) -> dict[str, Any]:
    """Check the fields of a record that is not converted, and return them.

    Args:
        fields: Values by field name, in the shape that Lark takes.

    Raises:
        InvalidRequestError: They are something else.
    """
    if not isinstance(fields, Mapping):
        raise InvalidRequestError(
            f"fields must be a dict of values by field name, got {type(fields).__name__}. Next: pass it as "
            "{'Name': 'Alice'}."
        )
    return dict(fields)
