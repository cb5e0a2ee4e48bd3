"""Bitable, Lark's database in a document (`/open-apis/bitable/v1`): bases, tables and fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Required, TypedDict

from lark_provider.api import links
from lark_provider.api.clouddoc.cells import show
from lark_provider.api.clouddoc.fields import Field
from lark_provider.api.links import find_document, find_table
from lark_provider.protocol.arguments import check_list
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.keys import make_client_token
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

FIELDS = "/bitable/v1/apps/{app_token}/tables/{table_id}/fields"
FIELDS_PAGE = 100


class Base(TypedDict, total=False):
    """A base ("app") as Lark describes it."""

    app_token: Required[str]
    name: str
    folder_token: str
    url: str
    default_table_id: str


class BaseAnswer(TypedDict):
    """What `create_app` answers."""

    app: Base


class TableAnswer(TypedDict, total=False):
    """What `create_table` answers."""

    table_id: Required[str]
    default_view_id: str
    field_id_list: list[str]


class FieldAnswer(TypedDict):
    """What `create_field` answers."""

    field: Field


def create_app(name: str, *, folder_token: str | None = None) -> Call[BaseAnswer]:
    """Create a base. Its first table has sample fields and rows without values; `create_table` adds others.

    See POST /open-apis/bitable/v1/apps.

    Args:
        name: The name of the base.
        folder_token: The folder in which to create it, by token or link; the app's own space if None.

    Returns:
        `.data["app"]` with `app_token`, `default_table_id` and `url`.

    Raises:
        InvalidRequestError: The folder is a link to something else; nothing was sent.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    body = {"name": name}
    if folder_token is not None:
        body["folder_token"] = links.parse_folder(folder_token)
    return make_request("POST", fill_path("/bitable/v1/apps"), json=body)


def create_table(
    app_token: str, name: str, fields: Iterable[Field] = ()
) -> Procedure[LarkResponse[TableAnswer]]:
    """Create a table.

    See POST /open-apis/bitable/v1/apps/:app_token/tables.

    Args:
        app_token: The base, or a link to it.
        name: The table's name, new in this base.
        fields: Its fields with `field_name` and `type`, the primary field first; Lark's default if empty.

    Returns:
        `.data["table_id"]`.

    Raises:
        InvalidRequestError: A name or a field's type is invalid; nothing was sent.
        ConflictError: The base has a table of that name.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    described: dict[str, Any] = {"name": _require_name(name, "table")}
    columns = check_list("fields", fields, "a list of dicts with field_name and type")
    for number, column in enumerate(columns, 1):
        if not isinstance(column, Mapping) or not {"field_name", "type"} <= column.keys():
            raise InvalidRequestError(
                f"Field {number} of the table must be a dict with field_name and type, got {show(column)}. "
                "Next: write "
                '{"field_name": "Day", "type": fields.DATE}.'
            )
        _require_type(column["type"])
    if columns:
        described |= {"default_view_name": name, "fields": columns}
    base = yield from find_document(app_token, "bitable")
    call: Call[TableAnswer] = make_request(
        "POST",
        fill_path("/bitable/v1/apps/{app_token}/tables", app_token=base.token),
        json={"table": described},
    )
    return (yield from perform(call))


def create_field(
    app_token: str,
    table_id: str | None,
    field_name: str,
    type: int,  # noqa: A002 - Lark's name
    *,
    property: Mapping[str, Any] | None = None,  # noqa: A002 - Lark's name
    ui_type: str | None = None,
    idempotency_key: str | None = None,
) -> Procedure[LarkResponse[FieldAnswer]]:
    """Add a field to a table.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        field_name: The field's name, new in this table.
        type: Lark's number for its type; `lark_provider.api.clouddoc.fields` names them.
        property: What the type needs, such as options or a number format.
        ui_type: How it is shown, such as "Currency".
        idempotency_key: Any text that names this change; makes a repeat safe.

    Returns:
        `.data["field"]`.

    Raises:
        InvalidRequestError: The name or the type is invalid; nothing was sent.
        ConflictError: The table has a field of that name.
        LarkAPIError: Lark refused it.
        OutcomeUnknownError: The answer is lost.
    """
    app_token, table_id = yield from find_table(app_token, table_id)
    field = {
        "field_name": _require_name(field_name, "field"),
        "type": _require_type(type),
        "property": property,
        "ui_type": ui_type,
    }
    token = (
        None if idempotency_key is None else make_client_token(idempotency_key, app_token, table_id, "field")
    )
    call: Call[FieldAnswer] = make_request(
        "POST",
        fill_path(FIELDS, app_token=app_token, table_id=table_id),
        params={"client_token": token},
        json={name: value for name, value in field.items() if value is not None},
        idempotent=token is not None,
    )
    return (yield from perform(call))


def list_fields(app_token: str, table_id: str | None = None) -> Listing[Field]:
    """List a table's fields.

    See GET /open-apis/bitable/v1/apps/:app_token/tables/:table_id/fields.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.

    Returns:
        An iterator of fields, over all pages.

    Raises:
        NotFoundError: There is no such base or table.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """

    def read_page(token: str | None) -> Procedure[Page[Field]]:
        base, resolved_id = yield from find_table(app_token, table_id)
        url = fill_path(FIELDS, app_token=base, table_id=resolved_id)
        call: Call[Any] = make_request(
            "GET", url, params={"page_size": str(FIELDS_PAGE), "page_token": token}
        )
        return Page.of((yield from perform(call)).data)

    return Listing(read_page)


def _require_name(name: object, what: str) -> str:
    if not (isinstance(name, str) and name.strip()):
        raise InvalidRequestError(
            f"The {what}'s name must be a non-empty string, got {name!r}. Next: pass a name such as 'Orders'."
        )
    return name


def _require_type(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidRequestError(
            f"A field's type must be an int, got {number!r}. Next: pass Lark's number for it, such as "
            "fields.TEXT (1); lark_provider.api.clouddoc.fields names them.",
            code=1254012,
        )
    return number
