"""`/drive/v1/export_tasks`: documents, spreadsheets and bases as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.rows import Rows as Converter
from lark_emulator.codes import RefusedError
from lark_emulator.conversions.imports import RUNNING, STARTING, compute_status
from lark_emulator.drive.access import VIEW, is_allowed
from lark_emulator.routing import Call, Route
from lark_emulator.sheets.formulas import compute_result as formula_result
from lark_emulator.streams import serve_file
from lark_emulator.validation import read_json_object
from lark_emulator.world.bases import Base, Table
from lark_emulator.world.docx import Docx
from lark_emulator.world.drive import BITABLE, DOCX, SHEET
from lark_emulator.world.grid import Formula, Rich
from lark_emulator.world.media import EXPORT_LIFE, ConversionTask, Media
from lark_emulator.world.sheets import Spreadsheet, Worksheet

if TYPE_CHECKING:
    from lark_emulator.conversions.tabular import Rows
    from lark_emulator.exchange import Answer
    from lark_emulator.world.drive import Document

EXTENSIONS = {"doc": ("docx", "pdf"), DOCX: ("docx", "pdf"), SHEET: ("xlsx", "csv"), BITABLE: ("xlsx", "csv")}
INTERNAL, DELETED = 3, 111
EXPORT = "export"


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /drive/v1/export_tasks`."""
    body = read_json_object(call, codes.TASK_PARAM)
    spec = {name: body.get(name) or "" for name in ("file_extension", "token", "type", "sub_id")}
    if not all(isinstance(value, str) for value in spec.values()) or not spec["token"]:
        raise RefusedError(codes.TASK_PARAM)
    if spec["type"] not in EXTENSIONS:
        raise RefusedError(codes.TASK_TYPE)
    if spec["file_extension"] not in EXTENSIONS[spec["type"]]:
        raise RefusedError(codes.EXPORT_TYPE)
    if (spec["file_extension"] == "csv") != bool(spec["sub_id"]):
        raise RefusedError(codes.TASK_PARAM)
    document = call.world.drive.documents.get(spec["token"])
    if document is None or document.type != spec["type"]:
        raise RefusedError(codes.TASK_NOT_FOUND)
    if not is_allowed(call, document, VIEW):
        raise RefusedError(codes.TASK_DENIED)
    ticket = str(int(call.world.make_id("", 15), 16))
    task = ConversionTask(
        ticket, call.app.app_id, spec, call.world.clock.get_time(), name=document.title or "Untitled"
    )
    call.world.drive.exports[ticket] = task
    if document.deleted:
        task.status, task.error = DELETED, "the document was deleted"
    else:
        content = _write(call, document, spec)
        if content is None:
            task.status, task.error = INTERNAL, "the emulator does not write this"
        else:
            task.token = call.world.make_id("boxcn", 22)
            name = f"{task.name}.{spec['file_extension']}"
            media = Media(task.token, EXPORT, ticket, task.app_id, name, content, task.started)
            call.world.drive.medias[task.token] = media
    return {"ticket": ticket}


def _write(call: Call, document: Document, spec: dict[str, str]) -> bytes | None:
    """Return the file, or None for what is not written here.

    Raises:
        RefusedError: 1069904 (no such worksheet or table).
    """
    from lark_emulator.conversions import tabular, words  # take tens of milliseconds to load

    content, sub_id = document.content, spec["sub_id"]
    if isinstance(content, Docx) and spec["file_extension"] == "docx":
        return words.write(content)
    if not isinstance(content, (Spreadsheet, Base)):
        return None
    if sub_id:
        held = content.sheets.get(sub_id) if isinstance(content, Spreadsheet) else content.tables.get(sub_id)
        if held is None:
            raise RefusedError(codes.TASK_PARAM)
        rows = _list_cells(held) if isinstance(held, Worksheet) else _list_records(call, content, held)
        return tabular.write_csv(rows)
    if isinstance(content, Spreadsheet):
        return tabular.write_xlsx([(sheet.title, _list_cells(sheet)) for sheet in content.sheets.values()])
    return tabular.write_xlsx(
        [(table.name, _list_records(call, content, table)) for table in content.tables.values()]
    )


def _list_cells(sheet: Worksheet) -> Rows:
    rows = sheet.grid.rows[: sheet.grid.end_of_data()]
    return [[] if row is None else [_convert_value(sheet, value) for value in row.values] for row in rows]


def _convert_value(sheet: Worksheet, value: Any) -> Any:
    if isinstance(value, Formula):
        value = formula_result(sheet, value)
    return value.text if isinstance(value, Rich) else value


def _list_records(call: Call, base: Any, table: Table) -> Rows:
    assert isinstance(base, Base)  # noqa: S101 - tables are those of bases
    converter = Converter(call, base, table, "open_id")
    names = list(table.names)
    rows: Rows = [names]
    for record in table.records:
        shown = converter.render(record, plain_text=True)["fields"]
        rows.append([_flatten(shown.get(name)) for name in names])
    return rows


def _flatten(value: Any) -> Any:
    """Return a value of a record as the text of a cell."""
    if isinstance(value, dict):
        value = (
            value.get("text") or value.get("link_record_ids") or value.get("value") or value.get("location")
        )
    if isinstance(value, list):
        return ",".join(
            str(item.get("text") or item.get("name") or "") if isinstance(item, dict) else str(item)
            for item in value
        )
    return value


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /drive/v1/export_tasks/:ticket?token=`, to the app that began the export."""
    task = call.world.drive.exports.get(call.params["ticket"])
    if task is None:
        raise RefusedError(codes.TASK_NOT_FOUND)
    if call.query.get("token") != task.spec["token"]:
        raise RefusedError(codes.TASK_PARAM)
    if task.app_id != call.app.app_id:
        raise RefusedError(codes.TASK_DENIED)
    status = compute_status(call, task)
    result: dict[str, Any] = {
        "file_extension": task.spec["file_extension"],
        "type": task.spec["type"],
        "job_status": status,
        "job_error_msg": "" if status in (STARTING, RUNNING) else task.error,
    }
    media = call.world.drive.medias.get(task.token)
    if status == 0 and media is not None:
        result |= {"file_name": task.name, "file_token": task.token, "file_size": len(media.content)}
    return {"result": result}


def download(call: Call) -> Answer:
    """Answer `GET /drive/v1/export_tasks/file/:file_token/download`, for 10 minutes."""
    media = call.world.drive.medias.get(call.params["file_token"])
    if media is None or media.parent_type != EXPORT:
        raise RefusedError(codes.TASK_NOT_FOUND)
    if media.app_id != call.app.app_id:
        raise RefusedError(codes.TASK_DENIED)
    if call.world.clock.get_time() - media.created > call.settings.drive_task_s + EXPORT_LIFE:
        raise RefusedError(codes.TASK_NOT_FOUND)
    return serve_file(media.name, media.content, media.content_type, call.request.headers.get("range", ""))


_PATH = "/open-apis/drive/v1/export_tasks"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            (
                "how long it takes (settable, `drive_task_s`); a PDF is not written: status 3; of documents "
                "headings and text are written, of cells and records their values"
            ),
        ),
    ),
    Route("GET", f"{_PATH}/:ticket", get),
    Route(
        "GET",
        f"{_PATH}/file/:file_token/download",
        download,
        unconfirmed=("a file that is older than 10 minutes gets 1069907",),
    ),
)
