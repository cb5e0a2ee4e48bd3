"""`…/tables/:table_id/records`: create, update, delete, read by id; batches are all-or-nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_provider.emulator import codes
from lark_provider.emulator.bitable.access import (
    UNCHANGED,
    base_of,
    hold,
    refuse_unchanged,
    table_of,
    table_to_write,
)
from lark_provider.emulator.bitable.client_tokens import UNCONFIRMED as CLIENT_TOKEN
from lark_provider.emulator.bitable.client_tokens import remember, replayed
from lark_provider.emulator.bitable.options import undone_on_refusal
from lark_provider.emulator.bitable.rows import Rows
from lark_provider.emulator.codes import RefusedError
from lark_provider.emulator.routing import Call, Route
from lark_provider.emulator.validation import (
    choice,
    flag,
    json_object,
    page,
    page_size,
    text_list,
    user_id_type,
    violation,
)
from lark_provider.emulator.world.bases import Record
from lark_provider.emulator.world.users import USER_ID_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_provider.emulator.world.bases import Table

MOST_WRITTEN = 1000
MOST_DELETED = 500
MOST_GOT = 100
MOST_PER_PAGE = 500


def _body(call: Call) -> dict[str, Any]:
    flag(call.query, "ignore_consistency_check")
    return json_object(call, codes.WRONG_JSON)


def _batch(body: dict[str, Any], most: int) -> list[Any]:
    records = body.get("records")
    if not isinstance(records, list):
        raise RefusedError(codes.WRONG_BODY)
    if not records:
        raise RefusedError(codes.EMPTY_VALUE)
    if len(records) > most:
        raise RefusedError(codes.BATCH_EXCEEDED)
    return records


def _insert(call: Call, rows: list[Any]) -> list[dict[str, Any]]:
    """Add rows to the table of the path: all of them, or none if one is refused."""
    table = table_to_write(call)
    limit = call.settings.records_per_table
    if limit and len(table.records) + len(rows) > limit:
        raise RefusedError(codes.RECORDS_EXCEEDED)
    converter = Rows(call, base_of(call), table, user_id_type(call))
    with undone_on_refusal(table):
        converted = [converter.cells(row.get("fields") if isinstance(row, dict) else None) for row in rows]
    now = call.world.clock.now_ms()
    answers = []
    for cells in converted:
        table.last_number += 1
        filled = {field_id: value for field_id, value in cells.items() if value is not None}
        record = Record(call.world.new_id("rec", 11), filled, call.app, now, call.app, now, table.last_number)
        table.records[record.record_id] = record
        answers.append(converter.echoed(record, filled))
    _written(call, table)
    return answers


def _change(call: Call, changes: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Change rows by id: all of them, or none if one is refused."""
    table = table_to_write(call)
    converter = Rows(call, base_of(call), table, user_id_type(call))
    records = _existing(table, (record_id for record_id, _ in changes))
    with undone_on_refusal(table):
        converted = [converter.cells(fields) for _, fields in changes]
    refuse_unchanged(
        call,
        changed=any(
            record.cells.get(field_id) != value
            for record, cells in zip(records, converted, strict=True)
            for field_id, value in cells.items()
        ),
    )
    now = call.world.clock.now_ms()
    answers = []
    for record, cells in zip(records, converted, strict=True):
        for field_id, value in cells.items():
            if value is None:
                record.cells.pop(field_id, None)
            else:
                record.cells[field_id] = value
        record.modified_by, record.modified_time = call.app, now
        answers.append(converter.echoed(record, cells))
    _written(call, table)
    return answers


def _remove(call: Call, record_ids: list[str]) -> list[dict[str, Any]]:
    table = table_to_write(call)
    _existing(table, record_ids)
    for record_id in record_ids:
        table.records.pop(record_id, None)
    _written(call, table)
    return [{"deleted": True, "record_id": record_id} for record_id in record_ids]


def _existing(table: Table, record_ids: Iterable[str]) -> list[Record]:
    try:
        return [table.records[record_id] for record_id in record_ids]
    except KeyError:
        raise RefusedError(codes.RECORD_NOT_FOUND) from None


def _written(call: Call, table: Table) -> None:
    base_of(call).touch(table)
    hold(call, table)


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/records`."""
    base = base_of(call)
    answer = replayed(call, base)
    if answer is not None:
        return answer
    (record,) = _insert(call, [_body(call)])
    return remember(call, base, {"record": record})


def batch_create(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_create`."""
    base = base_of(call)
    answer = replayed(call, base)
    if answer is not None:
        return answer
    return remember(call, base, {"records": _insert(call, _batch(_body(call), MOST_WRITTEN))})


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/records/:record_id`: the fields that are named; null empties a cell."""
    (record,) = _change(call, [(call.params["record_id"], _body(call).get("fields"))])
    return {"record": record}


def batch_update(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_update`."""
    changes = []
    for row in _batch(_body(call), MOST_WRITTEN):
        if not isinstance(row, dict) or not isinstance(row.get("record_id"), str):
            raise RefusedError(codes.WRONG_BODY)
        changes.append((row["record_id"], row.get("fields")))
    return {"records": _change(call, changes)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/records/:record_id`."""
    flag(call.query, "ignore_consistency_check")
    (deleted,) = _remove(call, [call.params["record_id"]])
    return deleted


def batch_delete(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_delete`."""
    record_ids = _batch(_body(call), MOST_DELETED)
    if not all(isinstance(record_id, str) for record_id in record_ids):
        raise RefusedError(codes.WRONG_BODY)
    return {"records": _remove(call, list(dict.fromkeys(record_ids)))}


def batch_get(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_get`; what is not there is listed apart."""
    table = table_of(call)
    body = json_object(call, codes.WRONG_JSON)
    record_ids = text_list(body, "record_ids", most=MOST_GOT)
    if not record_ids:
        violation("record_ids", None, "record_ids is required")
    converter = Rows(
        call, base_of(call), table, choice(body, "user_id_type", USER_ID_TYPES, default="open_id")
    )
    found = [table.records[record_id] for record_id in record_ids if record_id in table.records]
    automatic = body.get("automatic_fields") is True
    return {
        "records": [converter.shown(record, automatic=automatic) for record in found],
        "forbidden_record_ids": [],
        "absent_record_ids": [record_id for record_id in record_ids if record_id not in table.records],
    }


def get(call: Call) -> dict[str, Any]:
    """Answer the legacy `GET …/records/:record_id`."""
    table = table_of(call)
    converter = Rows(call, base_of(call), table, user_id_type(call))
    (record,) = _existing(table, [call.params["record_id"]])
    return {"record": {**_legacy(call, converter, record), "id": record.record_id}}


def list_records(call: Call) -> dict[str, Any]:
    """Answer the legacy `GET …/records`, without its formula language."""
    table = table_of(call)
    if call.query.get("filter"):
        raise RefusedError(codes.INVALID_FILTER, "the emulator knows no formula filter, use search")
    if call.query.get("sort"):
        raise RefusedError(codes.INVALID_SORT, "the emulator sorts in search only")
    if (call.query.get("view_id") or table.view_id) != table.view_id:
        raise RefusedError(codes.VIEW_NOT_FOUND)
    size = page_size(call, most=MOST_PER_PAGE, code_for_zero=codes.PAGE_SIZE)
    converter = Rows(call, base_of(call), table, user_id_type(call))
    items, more = page(list(table.records.values()), call, size, codes.INVALID_PAGE_TOKEN)
    return {
        "items": [{**_legacy(call, converter, record), "id": record.record_id} for record in items],
        **more,
        "total": len(table.records),
    }


def _legacy(call: Call, converter: Rows, record: Record) -> dict[str, Any]:
    return converter.shown(
        record,
        automatic=flag(call.query, "automatic_fields"),
        plain_text=not flag(call.query, "text_field_as_array"),
    )


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
_STATUS = "HTTP status of errors: as this endpoint's page says (settable, `bitable_error_status`)"
_VALUES = (
    "values for read-only, location and group fields that do not fit get 1254015",
    "attachments cannot be written: uploads are not emulated, so every file_token gets 1254303",
)
_ECHO = "create and update echo the fields that were written, in the write shape"

ROUTES = (
    Route("POST", _PATH, create, unconfirmed=(CLIENT_TOKEN, _STATUS, _ECHO, *_VALUES)),
    Route(
        "POST", f"{_PATH}/batch_create", batch_create, unconfirmed=(CLIENT_TOKEN, _STATUS, _ECHO, *_VALUES)
    ),
    Route("PUT", f"{_PATH}/:record_id", update, unconfirmed=(UNCHANGED, _STATUS, _ECHO, *_VALUES)),
    Route("POST", f"{_PATH}/batch_update", batch_update, unconfirmed=(UNCHANGED, _STATUS, _ECHO, *_VALUES)),
    Route("DELETE", f"{_PATH}/:record_id", delete, unconfirmed=(_STATUS,)),
    Route("POST", f"{_PATH}/batch_delete", batch_delete, unconfirmed=(_STATUS,)),
    Route("POST", f"{_PATH}/batch_get", batch_get, unconfirmed=("`with_shared_url` is ignored",)),
    Route("GET", f"{_PATH}/:record_id", get, unconfirmed=("`with_shared_url` is ignored",)),
    Route(
        "GET",
        _PATH,
        list_records,
        unconfirmed=("`filter` and `sort` are not emulated (1254018, 1254016); `field_names` is ignored",),
    ),
)
