"""What people do to a spreadsheet, at once or just before a request: type, insert, sort, rename, move."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lark_emulator.control.sheet_view import render
from lark_emulator.control.specs import (
    read_choice,
    read_count,
    read_flag,
    read_text,
    read_whole_number,
    refuse_unknown,
    require_known,
)
from lark_emulator.drive.files import remove
from lark_emulator.sheets.dimensions import MAX_AT_ONCE
from lark_emulator.sheets.formulas import compute_result
from lark_emulator.sheets.ranges import parse_column
from lark_emulator.slicing import at_once, with_turns
from lark_emulator.world.drive import FOLDER
from lark_emulator.world.grid import COLUMNS, ROWS, Formula, Rich
from lark_emulator.world.sheet_plans import ANY, READ, WRITE, SheetPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lark_emulator.lark import Lark
    from lark_emulator.routing import Slices
    from lark_emulator.world.drive import Document
    from lark_emulator.world.sheets import Spreadsheet, Worksheet

#: A row or column; no worksheet has more.
_FARTHEST = 1_000_000
_CELL = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def read(lark: Lark, spec: dict[str, Any]) -> dict[str, Any] | Coroutine[None, None, dict[str, Any]]:
    """Return a spreadsheet (`token`) with all its worksheets, or with one (`sheet`: its title or id).

    Args:
        lark: The emulator that holds the spreadsheet.
        spec: Arguments by name: `token`; `sheet`; `cells` (absent = true): whether to show values and
            formats.

    Returns:
        `title`, `revision`, `folder_token`, `deleted`, and `sheets`, see `sheet_view.render`.
    """
    refuse_unknown(spec, "token", "sheet", "cells")
    document, book = _find_book(lark, read_text(spec, "token"), must_exist=False)
    name = read_text(spec, "sheet")
    sheets = [_find_sheet(book, name)] if name else list(book.sheets.values())
    cells = read_flag(spec, "cells", default=True)
    steps = _read(document, book, sheets, cells=cells)
    return at_once(steps) if lark.loop is None else with_turns(steps)


def _read(document: Document, book: Spreadsheet, sheets: list[Worksheet], *, cells: bool) -> Slices:
    view: dict[str, Any] = {
        "title": document.title,
        "revision": book.revision,
        "folder_token": document.parent,
        "deleted": document.deleted,
        "sheets": [],
    }
    for sheet in sheets:
        sheet_view = yield from render(book, sheet, cells=cells)
        view["sheets"].append(sheet_view)
    return view


def edit_sheet(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Edit a spreadsheet (`token`) in the name of `user_id` (absent = the first user), edit by edit.

    Args:
        lark: The emulator that holds the spreadsheet.
        spec: Arguments by name: `edits`, a list of objects, each with `do`, where it matters `sheet` (title
            or id; absent = the first worksheet), and
            for `type`: `cell` (such as `B3`), and `values` (rows), which are stored as they are; a text that
            begins with `=` is a formula, for which `{"formula", "result"}` can be passed instead;
            for `insert_rows`, `insert_columns`, `delete_rows`, `delete_columns`: `at` (from 1) and `count`;
            for `sort`: `column` (such as `B`), `first_row` (absent = 2), `descending`;
            for `rename_sheet`, `rename`: `title`; for `move`: `folder_token`; for `delete`: nothing.

    Returns:
        `edits`, as they were given, with `time` and `user_id`.
    """
    refuse_unknown(spec, "token", "user_id", "edits")
    user_id = _find_user(lark, spec)
    edits = _check(spec)
    document, book = _find_book(lark, read_text(spec, "token"))
    return {"edits": _perform(lark, document, book, edits, user_id)}


def plan_edits(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Plan edits of a spreadsheet just before a request to it is performed.

    Args:
        lark: The emulator that holds the spreadsheet.
        spec: Arguments by name: those of `sheets/edit`; `before`, the kind of request (`read`, `write`;
            absent = `any`), and `skip`, how many of them pass first.
    """
    refuse_unknown(spec, "token", "user_id", "edits", "before", "skip")
    user_id = _find_user(lark, spec)
    edits = _check(spec)
    before = read_choice({"before": read_text(spec, "before") or ANY}, "before", (READ, WRITE, ANY))
    document, book = _find_book(lark, read_text(spec, "token"))

    def perform() -> None:
        _perform(lark, document, book, edits, user_id)

    lark.world.sheet_plans.planned.append(
        SheetPlan(document.token, before, read_whole_number(spec, "skip"), edits, perform)
    )
    return list_plans(lark, {})


def list_plans(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the edits still to come."""
    return {"plans": [plan.to_dict() for plan in lark.world.sheet_plans.planned]}


def clear_plans(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Forget all planned edits."""
    lark.world.sheet_plans.planned.clear()
    return {}


def _find_user(lark: Lark, spec: dict[str, Any]) -> str:
    users = lark.world.users
    return require_known(users, "user", read_text(spec, "user_id") or next(iter(users))).user_id


def _find_book(lark: Lark, token: str, *, must_exist: bool = True) -> tuple[Document, Spreadsheet]:
    document = lark.world.drive.documents.get(token)
    book = None if document is None else document.content
    if document is None or not hasattr(book, "sheets") or (must_exist and document.deleted):
        raise ValueError(f"no spreadsheet {token!r}")
    return document, book  # type: ignore[return-value]


def _find_sheet(book: Spreadsheet, name: str) -> Worksheet:
    if not name:
        return next(iter(book.sheets.values()))
    return book.sheets.get(name) or require_known(
        {sheet.title: sheet for sheet in book.sheets.values()}, "worksheet", name
    )


def _check(spec: dict[str, Any]) -> list[dict[str, Any]]:
    edits = spec.get("edits")
    if not isinstance(edits, list) or not edits or not all(isinstance(entry, dict) for entry in edits):
        raise ValueError(f"'edits' must be a list of objects, not {edits!r}")
    for edit in edits:
        doing = read_choice(edit, "do", _DOINGS)
        refuse_unknown(edit, "do", "sheet", *_DOINGS[doing][0])
        if doing == "type":
            _read_cell(edit)
            rows = edit.get("values")
            if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
                raise ValueError(f"'values' must be a list of lists, not {rows!r}")
        elif "at" in _DOINGS[doing][0]:
            read_count(edit, "at", limit=_FARTHEST)
            read_count(edit, "count", limit=MAX_AT_ONCE)
        elif "title" in _DOINGS[doing][0] and not read_text(edit, "title"):
            raise ValueError("'title' is required")
    return edits


def _perform(
    lark: Lark, document: Document, book: Spreadsheet, edits: list[dict[str, Any]], user_id: str
) -> list[dict[str, Any]]:
    for edit in edits:
        _DOINGS[edit["do"]][1](lark, document, book, edit)
        book.revision += 1
        document.modified = lark.clock.get_time()
    done = [
        {"time": lark.clock.get_time(), "token": document.token, "user_id": user_id, **entry}
        for entry in edits
    ]
    lark.world.people_edits.extend(done)
    return done


def _read_cell(spec: dict[str, Any]) -> tuple[int, int]:
    match = _CELL.fullmatch(read_text(spec, "cell"))
    if match is None:
        raise ValueError(f"'cell' must look like B3, not {spec.get('cell')!r}")
    return int(match[2]) - 1, parse_column(match[1])


def _type_cells(_: Lark, __: Document, book: Spreadsheet, spec: dict[str, Any]) -> None:
    grid = _find_sheet(book, read_text(spec, "sheet")).grid
    row, column = _read_cell(spec)
    for n, values in enumerate(spec["values"]):
        cells = [_read_value(value) for value in values]
        grid.put(row + n, column, cells, rich=any(isinstance(cell, (Formula, Rich)) for cell in cells))
        grid.row_count = max(grid.row_count, row + n + 1)
        grid.column_count = max(grid.column_count, column + len(cells))


def _read_value(value: Any) -> Any:
    if isinstance(value, dict) and "formula" in value:
        return Formula(str(value["formula"]), value.get("result"))
    if isinstance(value, str):
        return Formula(value) if value.startswith("=") else value or None
    if isinstance(value, list):
        return Rich([dict(segment) for segment in value])
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise ValueError(f"no cell holds {value!r}")


def _make_insert(axis: str) -> _Doing:
    def insert(_: Lark, __: Document, book: Spreadsheet, spec: dict[str, Any]) -> None:
        at = read_count(spec, "at") - 1
        _find_sheet(book, read_text(spec, "sheet")).insert(
            axis, at, read_count(spec, "count"), at - 1 if at else None
        )

    return insert


def _make_delete(axis: str) -> _Doing:
    def delete(_: Lark, __: Document, book: Spreadsheet, spec: dict[str, Any]) -> None:
        _find_sheet(book, read_text(spec, "sheet")).remove(
            axis, read_count(spec, "at") - 1, read_count(spec, "count")
        )

    return delete


def _sort(_: Lark, __: Document, book: Spreadsheet, spec: dict[str, Any]) -> None:
    """Sort the rows from `first_row` down to the end of the data; blank cells come last."""
    sheet = _find_sheet(book, read_text(spec, "sheet"))
    grid = sheet.grid
    column = parse_column(read_text(spec, "column") or "A")
    start = (read_whole_number(spec, "first_row") or 2) - 1
    end = grid.end_of_data()
    down = read_flag(spec, "descending", default=False)

    def compute_key(number: int) -> tuple[bool, Any]:
        value = grid.get_value(number, column)
        value = compute_result(sheet, value) if isinstance(value, Formula) else value
        number_first = isinstance(value, (int, float))
        return not number_first, value if number_first else str(value)

    filled = [n for n in range(start, end) if grid.get_value(n, column) is not None]
    blank = [n for n in range(start, end) if grid.get_value(n, column) is None]
    order = [*sorted(filled, key=compute_key, reverse=down), *blank]
    grid.rows[start:end] = [grid.rows[n] for n in order]


def _rename_sheet(_: Lark, __: Document, book: Spreadsheet, spec: dict[str, Any]) -> None:
    _find_sheet(book, read_text(spec, "sheet")).title = read_text(spec, "title")


def _rename(lark: Lark, document: Document, _: Spreadsheet, spec: dict[str, Any]) -> None:
    document.own_title = read_text(spec, "title")
    document.note(lark.clock.get_time())


def _move(lark: Lark, document: Document, _: Spreadsheet, spec: dict[str, Any]) -> None:
    folder = require_known(lark.world.drive.documents, "folder", read_text(spec, "folder_token"))
    if folder.type != FOLDER:
        raise ValueError(f"{folder.token!r} is not a folder")
    document.parent = folder.token
    document.note(lark.clock.get_time())


def _delete(lark: Lark, document: Document, _: Spreadsheet, __: dict[str, Any]) -> None:
    remove(lark.world.bases, document, lark.clock.get_time())


if TYPE_CHECKING:
    _Doing = Callable[[Lark, Document, Spreadsheet, dict[str, Any]], None]

#: For each edit its members, and what does it.
_DOINGS: dict[str, tuple[tuple[str, ...], _Doing]] = {
    "type": (("cell", "values"), _type_cells),
    "insert_rows": (("at", "count"), _make_insert(ROWS)),
    "insert_columns": (("at", "count"), _make_insert(COLUMNS)),
    "delete_rows": (("at", "count"), _make_delete(ROWS)),
    "delete_columns": (("at", "count"), _make_delete(COLUMNS)),
    "sort": (("column", "first_row", "descending"), _sort),
    "rename_sheet": (("title",), _rename_sheet),
    "rename": (("title",), _rename),
    "move": (("folder_token",), _move),
    "delete": ((), _delete),
}
