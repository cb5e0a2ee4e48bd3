"""Bitable, Lark's database in a document (`/open-apis/bitable/v1`): bases, tables, fields, single records."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid as uuids
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, TypedDict

from lark_provider.api.clouddoc.fields import BadValue, Converter, Field, zone_of
from lark_provider.protocol.calls import (
    Call,
    LarkResponse,
    Listing,
    Page,
    Procedure,
    Remember,
    path,
    perform,
    remember,
    request,
)
from lark_provider.protocol.errors import InvalidRequestError

UserIdType: TypeAlias = Literal["open_id", "union_id", "user_id"]
FIELDS_PAGE = 100
_FIELDS_MAX_AGE = 300.0  # seconds; a field unknown to a remembered list makes it be read anew
_SHOWN_BAD_VALUES = 10


class Base(TypedDict, total=False):
    """A base ("app") as Lark describes it."""

    app_token: str
    name: str
    folder_token: str
    url: str
    default_table_id: str


class BaseAnswer(TypedDict):
    """What `create_app` answers."""

    app: Base


class TableAnswer(TypedDict, total=False):
    """What `create_table` answers."""

    table_id: str
    default_view_id: str
    field_id_list: list[str]


class FieldAnswer(TypedDict):
    """What `create_field` answers."""

    field: Field


class Record(TypedDict, total=False):
    """A record as Lark describes it."""

    record_id: str
    fields: dict[str, Any]


class RecordAnswer(TypedDict):
    """What `create_record` answers."""

    record: Record


def create_app(name: str, *, folder_token: str | None = None) -> Call[BaseAnswer]:
    """Create a base.

    See POST /open-apis/bitable/v1/apps.

    Args:
        name: Its name.
        folder_token: Where to put it; the app's own space if None.

    Returns:
        `.data["app"]` with `app_token`, `default_table_id` and `url`.

    Raises:
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    body = {"name": name} if folder_token is None else {"name": name, "folder_token": folder_token}
    return request("POST", path("/bitable/v1/apps"), json=body)


def create_table(app_token: str, name: str, fields: Iterable[Field] = ()) -> Call[TableAnswer]:
    """Create a table.

    See POST /open-apis/bitable/v1/apps/:app_token/tables.

    Args:
        app_token: The base.
        name: The table's name, new in this base.
        fields: Its fields with `field_name` and `type`, the primary field first; Lark's default if empty.

    Returns:
        `.data["table_id"]`.

    Raises:
        ConflictError: The base has a table of that name.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    table: dict[str, Any] = {"name": name}
    described = list(fields)
    if described:
        table |= {"default_view_name": name, "fields": described}
    return request(
        "POST", path("/bitable/v1/apps/{app_token}/tables", app_token=app_token), json={"table": table}
    )


def create_field(
    app_token: str,
    table_id: str,
    field_name: str,
    type: int,  # noqa: A002 - Lark's name
    *,
    property: Mapping[str, Any] | None = None,  # noqa: A002 - Lark's name
    ui_type: str | None = None,
    idempotency_key: str | None = None,
) -> Call[FieldAnswer]:
    """Add a field to a table.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields.

    Args:
        app_token: The base.
        table_id: The table.
        field_name: The field's name, new in this table.
        type: Lark's number for its type; `lark_provider.api.clouddoc.fields` names them.
        property: What the type needs, such as options or a number format.
        ui_type: How it is shown, such as "Currency".
        idempotency_key: Any text that names this change; makes a repeat safe.

    Returns:
        `.data["field"]`.

    Raises:
        ConflictError: The table has a field of that name.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    field = {"field_name": field_name, "type": type, "property": property, "ui_type": ui_type}
    token = None if idempotency_key is None else client_token(app_token, table_id, "field", idempotency_key)
    return request(
        "POST",
        path("/bitable/v1/apps/{app_token}/tables/{table_id}/fields", app_token=app_token, table_id=table_id),
        params={"client_token": token},
        json={name: value for name, value in field.items() if value is not None},
        idempotent=token is not None,
    )


def list_fields(app_token: str, table_id: str) -> Listing[Field]:
    """List a table's fields.

    See GET /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields.

    Args:
        app_token: The base.
        table_id: The table.

    Returns:
        An iterator of fields, over all pages.

    Raises:
        NotFoundError: There is no such base or table.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    url = path(
        "/bitable/v1/apps/{app_token}/tables/{table_id}/fields", app_token=app_token, table_id=table_id
    )

    def page(token: str | None) -> Procedure[Page[Field]]:
        call: Call[Any] = request("GET", url, params={"page_size": str(FIELDS_PAGE), "page_token": token})
        data = (yield from perform(call)).data
        return Page(list(data.get("items") or ()), data.get("page_token") if data.get("has_more") else None)

    return Listing(page)


def create_record(
    app_token: str,
    table_id: str,
    fields: Mapping[str, Any],
    *,
    user_id_type: UserIdType = "open_id",
    zone: str | dt.tzinfo | None = None,
    convert: bool = True,
    idempotency_key: str | None = None,
) -> Procedure[LarkResponse[RecordAnswer]]:
    """Add one record.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records. For many, `bulk_insert`.

    Args:
        app_token: The base.
        table_id: The table.
        fields: Values by field name, as Python has them: see `fields.Converter`.
        user_id_type: Which ids people are named by.
        zone: The time zone of naive datetimes.
        convert: Convert by field type, for which the table's fields are read once in five minutes. If
            False, values are sent as they are.
        idempotency_key: Any text that names this record; makes a repeat safe.

    Returns:
        `.data["record"]` with `record_id`.

    Raises:
        InvalidRequestError: A field does not exist or a value does not fit; nothing was sent.
        NotFoundError: There is no such base or table.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: It was sent without a key and the answer is lost, or the key was used before.
    """
    url = path(
        "/bitable/v1/apps/{app_token}/tables/{table_id}/records", app_token=app_token, table_id=table_id
    )
    wire = dict(fields)
    if convert:
        converter = yield from converter_for(app_token, table_id, zone, names=fields)
        wire, bad = converter.to_wire(fields)
        if bad:
            raise misfits(bad)
    token = None if idempotency_key is None else client_token(app_token, table_id, "record", idempotency_key)
    call: Call[RecordAnswer] = request(
        "POST",
        url,
        params={"user_id_type": user_id_type, "client_token": token},
        json={"fields": wire},
        idempotent=token is not None,
    )
    return (yield from perform(call))


def converter_for(
    app_token: str, table_id: str, zone: str | dt.tzinfo | None, names: Iterable[object] = ()
) -> Procedure[Converter]:
    """Make the converter of a table, from its remembered fields where these are young enough.

    Args:
        app_token: The base.
        table_id: The table.
        zone: The time zone of naive datetimes.
        names: Field names in use; one that is not remembered makes the fields be read anew.
    """
    tz = zone_of(zone)

    def read() -> Procedure[list[Field]]:
        return (yield from every(list_fields(app_token, table_id)))

    key = ("bitable.fields", app_token, table_id)
    fields = yield from remember(Remember(key, read, _FIELDS_MAX_AGE))
    if not {str(name) for name in names} <= {field["field_name"] for field in fields}:
        fields = yield from remember(Remember(key, read, 0.0))
    return Converter(fields, tz)


def every(listing: Listing[Field]) -> Procedure[list[Field]]:
    """All items of a listing, inside a procedure."""
    items: list[Field] = []
    token: str | None = None
    while True:
        page = yield from listing.page(token)
        items += page.items
        token = page.next_token
        if token is None:
            return items


def misfits(bad: list[BadValue]) -> InvalidRequestError:
    """The error for values that do not fit, naming each."""
    shown = "; ".join(str(one) for one in bad[:_SHOWN_BAD_VALUES])
    more = f"; and {len(bad) - _SHOWN_BAD_VALUES} more" if len(bad) > _SHOWN_BAD_VALUES else ""
    return InvalidRequestError(
        f"{len(bad)} value(s) do not fit the table: {shown}{more}. Nothing of these was sent. Next: correct "
        "the records or the table's fields.",
        code=1254015,
        field_violations=[
            {"field": one.field, "value": f"row {one.row}", "description": one.reason} for one in bad
        ],
    )


def client_token(*parts: str) -> str:
    """The `client_token` for a key: a digest in the form of a UUIDv4, which Lark insists on.

    Args:
        parts: What is written, and the caller's key.
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()[:16]
    return str(uuids.UUID(bytes=digest, version=4))
