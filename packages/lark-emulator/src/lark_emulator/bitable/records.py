"""`…/tables/:table_id/records`: create, update, delete, read by id; batches are all-or-nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable import duplex
from lark_emulator.bitable.access import (
    UNCHANGED,
    begin_record_write,
    find_base,
    find_table,
    hold,
    refuse_unchanged,
)
from lark_emulator.bitable.base_events import Changes
from lark_emulator.bitable.client_tokens import UNCONFIRMED as CLIENT_TOKEN
from lark_emulator.bitable.client_tokens import find_replay, remember
from lark_emulator.bitable.rows import Rows
from lark_emulator.bitable.visibility import UNCONFIRMED as VISIBILITY
from lark_emulator.bitable.visibility import by_id, to_write
from lark_emulator.codes import RefusedError
from lark_emulator.routing import Call, Route
from lark_emulator.validation import (
    read_choice,
    read_json_object,
    read_text_list,
    read_user_id_type,
    refuse_parameter,
)
from lark_emulator.world.users import USER_ID_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.world.bases import Table

MAX_WRITTEN = 1000
MAX_DELETED = 500
MAX_GOT = 100


@contextmanager
def _undo_options_on_refusal(table: Table) -> Iterator[None]:
    """Take back options that a write created before one of its values was refused."""
    before = {field_id: len(column.options) for field_id, column in table.fields.items()}
    try:
        yield
    except RefusedError:
        for field_id, count in before.items():
            column = table.fields[field_id]
            for name in list(column.options)[count:]:
                del column.options[name], column.colors[name]
        raise


def _read_body(call: Call) -> dict[str, Any]:
    return read_json_object(call, codes.WRONG_JSON)


def _read_batch(body: dict[str, Any], limit: int) -> list[Any]:
    records = body.get("records")
    if not isinstance(records, list):
        raise RefusedError(codes.WRONG_BODY)
    if not records:
        raise RefusedError(codes.EMPTY_VALUE)
    if len(records) > limit:
        raise RefusedError(codes.BATCH_EXCEEDED)
    return records


def _insert(call: Call, rows: list[Any]) -> list[dict[str, Any]]:
    """Add rows to the table of the path: all of them, or none if one is refused."""
    table = begin_record_write(call)
    limit = call.settings.records_per_table
    if limit and len(table.records) + len(rows) > limit:
        raise RefusedError(codes.RECORDS_EXCEEDED)
    base, paired = find_base(call), duplex.links_both_ways(table)
    converter = Rows(call, base, table, read_user_id_type(call))
    with _undo_options_on_refusal(table):
        converted = [
            converter.convert_cells(row.get("fields") if isinstance(row, dict) else None) for row in rows
        ]
    now = call.world.clock.get_time()
    changes = _make_changes(call, table)
    answers = []
    for cells in converted:
        filled = {field_id: value for field_id, value in cells.items() if value is not None}
        record_id = call.world.make_id("rec", 11)
        record = table.records.add(record_id, filled, call.author, int(now * 1000), now=now)
        if paired:
            duplex.follow(base, table, record, {}, call.author, now=now)
        changes.note_added(record)
        answers.append(converter.echo(record, filled))
    _finish_write(call, table, changes)
    return answers


def _change(call: Call, changes: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Change rows by id: all of them, or none if one is refused."""
    table = begin_record_write(call)
    base, paired = find_base(call), duplex.links_both_ways(table)
    converter = Rows(call, base, table, read_user_id_type(call))
    records = to_write(call, base, table, [record_id for record_id, _ in changes])
    with _undo_options_on_refusal(table):
        converted = [converter.convert_cells(fields) for _, fields in changes]
    refuse_unchanged(
        call,
        changed=any(
            record.cells.get(field_id) != value
            for record, cells in zip(records, converted, strict=True)
            for field_id, value in cells.items()
        ),
    )
    now = call.world.clock.get_time()
    noted = _make_changes(call, table)
    answers = []
    for record, cells in zip(records, converted, strict=True):
        before = table.records[record.record_id]  # a batch may name a record twice
        after = table.records.change(record.record_id, cells, call.author, int(now * 1000), now=now)
        if paired:
            duplex.follow(base, table, after, before.cells, call.author, now=now)
        noted.note_edited(after, before)
        answers.append(converter.echo(after, cells))
    _finish_write(call, table, noted)
    return answers


def _remove(call: Call, record_ids: list[str]) -> list[dict[str, Any]]:
    table = begin_record_write(call)
    to_write(call, find_base(call), table, record_ids)
    now = call.world.clock.get_time()
    changes = _make_changes(call, table)
    for record_id in record_ids:
        changes.note_deleted(table.records[record_id])
        table.records.remove(record_id, now=now)
    _finish_write(call, table, changes)
    return [{"deleted": True, "record_id": record_id} for record_id in record_ids]


def _make_changes(call: Call, table: Table) -> Changes:
    return Changes(call.world, call.settings, find_base(call), table, call.author)


def _finish_write(call: Call, table: Table, changes: Changes) -> None:
    find_base(call).touch(table)
    changes.send()
    hold(call, table)


def create(call: Call) -> dict[str, Any]:
    """Answer `POST …/records`."""
    base = find_base(call)
    answer = find_replay(call, base)
    if answer is not None:
        return answer
    (record,) = _insert(call, [_read_body(call)])
    return remember(call, base, {"record": record})


def batch_create(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_create`."""
    base = find_base(call)
    answer = find_replay(call, base)
    if answer is not None:
        return answer
    return remember(call, base, {"records": _insert(call, _read_batch(_read_body(call), MAX_WRITTEN))})


def update(call: Call) -> dict[str, Any]:
    """Answer `PUT …/records/:record_id`: the fields that are named; null empties a cell."""
    (record,) = _change(call, [(call.params["record_id"], _read_body(call).get("fields"))])
    return {"record": record}


def batch_update(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_update`."""
    changes = []
    for row in _read_batch(_read_body(call), MAX_WRITTEN):
        if not isinstance(row, dict) or not isinstance(row.get("record_id"), str):
            raise RefusedError(codes.WRONG_BODY)
        changes.append((row["record_id"], row.get("fields")))
    return {"records": _change(call, changes)}


def delete(call: Call) -> dict[str, Any]:
    """Answer `DELETE …/records/:record_id`."""
    (deleted,) = _remove(call, [call.params["record_id"]])
    return deleted


def batch_delete(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_delete`."""
    record_ids = _read_batch(_read_body(call), MAX_DELETED)
    if not all(isinstance(record_id, str) for record_id in record_ids):
        raise RefusedError(codes.WRONG_BODY)
    return {"records": _remove(call, list(dict.fromkeys(record_ids)))}


def batch_get(call: Call) -> dict[str, Any]:
    """Answer `POST …/records/batch_get`; what is not there is listed apart."""
    base, table = find_base(call), find_table(call)
    body = read_json_object(call, codes.WRONG_JSON)
    record_ids = read_text_list(body, "record_ids", limit=MAX_GOT)
    if not record_ids:
        refuse_parameter("record_ids", None, "record_ids is required")
    converter = Rows(call, base, table, read_choice(body, "user_id_type", USER_ID_TYPES, default="open_id"))
    records, hidden, absent = by_id(call, base, table, record_ids)
    automatic = body.get("automatic_fields") is True
    link = "shared_url" if body.get("with_shared_url") is True else ""
    return {
        "records": [converter.render(record, automatic=automatic, link=link) for record in records],
        "forbidden_record_ids": hidden,
        "absent_record_ids": absent,
    }


_PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
_STATUS = "HTTP status of errors: as this endpoint's page says (settable, `bitable_error_status`)"
_VALUES = (
    "values for read-only, location and group fields that do not fit get 1254015",
    "a file_token that was not uploaded to this very base gets 1254303",
)
_ECHO = "create and update echo the fields that were written, in the write shape"

ROUTES = (
    Route("POST", _PATH, create, unconfirmed=(CLIENT_TOKEN, _STATUS, _ECHO, *_VALUES)),
    Route(
        "POST", f"{_PATH}/batch_create", batch_create, unconfirmed=(CLIENT_TOKEN, _STATUS, _ECHO, *_VALUES)
    ),
    Route("PUT", f"{_PATH}/:record_id", update, unconfirmed=(UNCHANGED, _STATUS, _ECHO, *_VALUES)),
    Route("POST", f"{_PATH}/batch_update", batch_update, unconfirmed=(UNCHANGED, _STATUS, _ECHO, *_VALUES)),
    Route("DELETE", f"{_PATH}/:record_id", delete, unconfirmed=(_STATUS, VISIBILITY)),
    Route("POST", f"{_PATH}/batch_delete", batch_delete, unconfirmed=(_STATUS, VISIBILITY)),
    Route(
        "POST", f"{_PATH}/batch_get", batch_get, unconfirmed=("nothing is served at `shared_url`", VISIBILITY)
    ),
)
