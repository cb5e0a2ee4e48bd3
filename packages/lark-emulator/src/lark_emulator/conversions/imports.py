"""`/drive/v1/import_tasks`: files that become documents, spreadsheets and bases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.columns import MAX_FIELDS, MAX_TABLES, add_table
from lark_emulator.bitable.values import NUMBER, TEXT
from lark_emulator.codes import RefusedError
from lark_emulator.conversions.unreadable import UnreadableError
from lark_emulator.docx import markdown, nodes
from lark_emulator.docx.making import make_id
from lark_emulator.drive.access import EDIT, VIEW, is_allowed
from lark_emulator.drive.objects import add_object
from lark_emulator.drive.uploads import IMPORT
from lark_emulator.routing import Call, Route
from lark_emulator.validation import read_json_object
from lark_emulator.world import docx
from lark_emulator.world.bases import Base
from lark_emulator.world.docx import Block, Docx
from lark_emulator.world.drive import BITABLE, DOCX, FOLDER, SHEET
from lark_emulator.world.media import IMPORT_LIFE, ConversionTask, Media
from lark_emulator.world.sheets import Spreadsheet, Worksheet

if TYPE_CHECKING:
    from lark_emulator.conversions.tabular import Rows
    from lark_emulator.docx.nodes import BlockNode
    from lark_emulator.world.drive import Document

EXTENSIONS = {
    DOCX: ("docx", "doc", "txt", "md", "mark", "markdown", "html"),
    SHEET: ("xlsx", "xls", "csv"),
    BITABLE: ("xlsx", "csv"),
}
MAX_BLOCKS = 20_000
MAX_CELL_LENGTH = 50_000
MAX_COLUMNS = 13_000
#: Statuses of a task that failed, and what an import has cut off.
UNREADABLE, WRONG_EXTENSION, TOO_MANY_BLOCKS = 112, 118, 7000
CUT_COLUMNS, CUT_CELLS, CUT_TEXT, CUT_FIELDS = "2000", "2001", "2005", "3003"
STARTING, RUNNING = 1, 2


def _read_text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise RefusedError(codes.TASK_PARAM)
    return value


def _find_media(call: Call, token: str) -> Media:
    """Return the file to import.

    Raises:
        RefusedError: 1069914 (none), 1069913 (uploaded for this more than 5 minutes ago), 1069906.
    """
    media = call.world.drive.medias.get(token)
    if media is not None and media.parent_type == IMPORT:
        if media.app_id != call.app.app_id:
            raise RefusedError(codes.TASK_FORBIDDEN)
        if call.world.clock.get_time() - media.created > IMPORT_LIFE:
            raise RefusedError(codes.TASK_UPLOAD_EXPIRED)
        return media
    document = call.world.drive.documents.get(token)
    if document is None or document.deleted or not isinstance(document.content, Media):
        raise RefusedError(codes.TASK_TOKEN)
    if not is_allowed(call, document, VIEW):
        raise RefusedError(codes.TASK_FORBIDDEN)
    return document.content


def _find_folder(call: Call, point: Any) -> str:
    """Return the folder that the document goes to.

    Raises:
        RefusedError: 1069904, 1069912 (none), 1069908 (the app may not write to it).
    """
    key = point.get("mount_key") if isinstance(point, dict) else None
    if not isinstance(key, str) or point.get("mount_type") != 1:
        raise RefusedError(codes.TASK_PARAM)
    drive = call.world.drive
    folder = drive.documents.get(key) if key else drive.ensure_root(call.who)
    if folder is None or folder.deleted or folder.type != FOLDER:
        raise RefusedError(codes.TASK_FOLDER)
    if not is_allowed(call, folder, EDIT):
        raise RefusedError(codes.TASK_MOUNT)
    return folder.token


def create(call: Call) -> dict[str, Any]:
    """Answer `POST /drive/v1/import_tasks`: always a new document."""
    body = read_json_object(call, codes.TASK_PARAM)
    kind, extension, token = (_read_text(body, name) for name in ("type", "file_extension", "file_token"))
    if kind not in EXTENSIONS:
        raise RefusedError(codes.TASK_TYPE)
    if extension not in EXTENSIONS[kind]:
        raise RefusedError(codes.TASK_EXTENSION)
    folder = _find_folder(call, body.get("point"))
    media = _find_media(call, token)
    title = body.get("file_name") or media.name.rpartition(".")[0] or media.name
    if not isinstance(title, str):
        raise RefusedError(codes.TASK_PARAM)
    ticket = str(int(call.world.make_id("", 15), 16))
    task = ConversionTask(ticket, call.app.app_id, {"type": kind}, call.world.clock.get_time())
    call.world.drive.imports[ticket] = task
    _perform(call, task, media, extension, title, folder)
    call.world.drive.medias.pop(token, None)
    return {"ticket": ticket}


def _perform(call: Call, task: ConversionTask, media: Media, extension: str, title: str, folder: str) -> None:
    """Make the document, or note why it cannot be made."""
    kind = task.spec["type"]
    if media.name.rpartition(".")[2].lower() != extension:
        task.status, task.error = WRONG_EXTENSION, "the extension of the file is another one"
        return
    try:
        if kind == DOCX:
            block_nodes = list(_read_blocks(media.content, extension))
            if len(block_nodes) > MAX_BLOCKS:
                task.status, task.error = TOO_MANY_BLOCKS, "too many blocks"
                return
            task.token = _make_document(call, block_nodes, title, folder).token
        else:
            sheets = _read_sheets(media.content, extension)
            make = _make_spreadsheet if kind == SHEET else _make_base
            task.token = make(call, sheets, title, folder, task).token
    except UnreadableError as error:
        task.status, task.error = UNREADABLE, str(error)


def _read_blocks(content: bytes, extension: str) -> Any:
    # What reads Word files, XLSX and HTML takes tens of milliseconds to load.
    if extension == "docx":
        from lark_emulator.conversions import words

        return words.read(content)
    if extension == "doc":
        raise UnreadableError("the emulator reads no .doc")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(str(error)) from error
    if extension == "html":
        from lark_emulator.docx import html

        return html.iterate_blocks(text)
    if extension == "txt":
        return (
            node
            for line in text.splitlines()
            for node in nodes.iterate_text_blocks(docx.TEXT, nodes.make_plain(line))
        )
    return markdown.iterate_blocks(text)


def _read_sheets(content: bytes, extension: str) -> list[tuple[str, Rows]]:
    from lark_emulator.conversions import tabular

    if extension == "csv":
        return [("Sheet1", tabular.read_csv(content))]
    if extension == "xls":
        raise UnreadableError("the emulator reads no .xls")
    return tabular.read_xlsx(content)


def _make_document(call: Call, block_nodes: list[BlockNode], title: str, folder: str) -> Document:
    document = add_object(call, DOCX, title, folder)
    content = document.content
    assert isinstance(content, Docx)  # noqa: S101 - that is what was asked for
    content.root.children = [_add_block(call, content, node, document.token) for node in block_nodes]
    return document


def _add_block(call: Call, content: Docx, node: BlockNode, parent: str) -> str:
    block = Block(make_id(call), node.block_type, node.data, parent)
    content.blocks[block.block_id] = block
    block.children = [_add_block(call, content, child, block.block_id) for child in node.children]
    if block.block_type == docx.TABLE:
        block.data["cells"] = list(block.children)
    return block.block_id


def _make_spreadsheet(
    call: Call, sheets: list[tuple[str, Rows]], title: str, folder: str, task: ConversionTask
) -> Document:
    document = add_object(call, SHEET, title, folder)
    book = document.content
    assert isinstance(book, Spreadsheet)  # noqa: S101 - that is what was asked for
    if sheets:
        book.sheets.clear()
    for name, rows in sheets:
        sheet = Worksheet(call.world.make_id("", 6), name)
        book.sheets[sheet.sheet_id] = sheet
        width = max(map(len, rows), default=0)
        if width > MAX_COLUMNS:
            task.extra.append(CUT_COLUMNS)
            width = MAX_COLUMNS
        fits = call.settings.max_sheet_cells // max(1, width)
        if len(rows) > fits:
            task.extra.append(CUT_CELLS)
        for number, row in enumerate(rows[:fits]):
            sheet.grid.put(number, 0, [_cut_text(value, task) for value in row[:width]], rich=False)
        sheet.grid.row_count = max(sheet.grid.row_count, len(rows[:fits]))
        sheet.grid.column_count = max(sheet.grid.column_count, width)
    return document


def _cut_text(value: Any, task: ConversionTask) -> Any:
    if not isinstance(value, str) or len(value) <= MAX_CELL_LENGTH:
        return value
    if CUT_TEXT not in task.extra:
        task.extra.append(CUT_TEXT)
    return value[:MAX_CELL_LENGTH]


def _make_base(
    call: Call, sheets: list[tuple[str, Rows]], title: str, folder: str, task: ConversionTask
) -> Document:
    document = add_object(call, BITABLE, title, folder)
    base = document.content
    assert isinstance(base, Base)  # noqa: S101 - that is what was asked for
    if any(rows for _, rows in sheets):
        base.tables.clear()
    now = call.world.clock.get_time()
    for name, rows in [sheet for sheet in sheets if sheet[1]][:MAX_TABLES]:
        if len(rows[0]) > MAX_FIELDS:
            task.extra.append(CUT_FIELDS)
        names = _make_field_names(rows[0][:MAX_FIELDS])
        numeric = [_are_numbers(rows[1:], column) for column in range(len(names))]
        specs = [
            {"field_name": field_name, "type": NUMBER if numeric[n] and n else TEXT}
            for n, field_name in enumerate(names)
        ]
        table = add_table(call, base, name, specs)
        columns = list(table.fields.values())
        for row in rows[1:]:
            cells = {
                column.field_id: value if column.type == NUMBER else _cut_text(str(value), task)
                for column, value in zip(columns, row, strict=False)
                if value is not None
            }
            table.records.add(call.world.make_id("rec", 11), cells, call.author, int(now * 1000), now=now)
    return document


def _make_field_names(row: list[Any]) -> list[str]:
    """Return the names of the fields: those of the first row, made different where they are not."""
    names: dict[str, None] = {}
    for number, value in enumerate(row, 1):
        wanted = str(value).strip() if value is not None else ""
        name, again = wanted or f"Field {number}", 2
        while name in names:
            name, again = f"{wanted or f'Field {number}'} {again}", again + 1
        names[name] = None
    return list(names)


def _are_numbers(rows: Rows, column: int) -> bool:
    values = [row[column] for row in rows if column < len(row) and row[column] is not None]
    return bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def compute_status(call: Call, task: ConversionTask) -> int:
    """Return the status of a task now."""
    lasts = call.settings.drive_task_s
    passed = call.world.clock.get_time() - task.started
    if passed < lasts / 2:
        return STARTING
    return RUNNING if passed < lasts else task.status


def get(call: Call) -> dict[str, Any]:
    """Answer `GET /drive/v1/import_tasks/:ticket`, to the app that began the import."""
    task = call.world.drive.imports.get(call.params["ticket"])
    if task is None:
        raise RefusedError(codes.TASK_NOT_FOUND)
    if task.app_id != call.app.app_id:
        raise RefusedError(codes.TASK_DENIED)
    status = compute_status(call, task)
    result: dict[str, Any] = {"ticket": task.ticket, "type": task.spec["type"], "job_status": status}
    if status in (STARTING, RUNNING):
        return {"result": result | {"job_error_msg": ""}}
    result |= {"job_error_msg": task.error, "extra": task.extra}
    if task.token and (call.settings.import_token == "with_status" or "seen" in task.spec):  # noqa: S105
        document = call.world.drive.documents[task.token]
        result |= {"token": task.token, "url": document.url}
    task.spec["seen"] = "yes"
    return {"result": result}


_PATH = "/open-apis/drive/v1/import_tasks"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        unconfirmed=(
            (
                "how long it takes (settable, `drive_task_s`); `.doc` and `.xls` fail with status 112; of "
                "Word files headings and text are read; in a base a column of numbers becomes numbers, all "
                "else text, and the first column is always text"
            ),
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/:ticket",
        get,
        unconfirmed=(
            "when the token comes (settable, `import_token`); `extra` knows 2000, 2001, 2005 and 3003",
        ),
    ),
)
