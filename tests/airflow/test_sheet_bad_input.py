"""Bad input of tables: the same error by clients, command line and operator, and nothing is left unsaid."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.clouddoc.drive.people import Share
from lark_provider.api.clouddoc.sheets.targets import SheetRef
from lark_provider.errors import ConflictError, InvalidRequestError, LarkError, NotFoundError
from lark_provider.errors import PermissionDeniedError as Denied
from lark_provider.storage import urls
from lark_provider.transfers import SqlToLarkSheetOperator
from lark_provider.transfers.database import get_sql_hook
from tests.airflow.sql import Database
from tests.cli.conftest import Run, run
from tests.storage import prepared

__all__ = ["run"]
Context = Callable[..., Any]
WAYS = ("sync", "async", "command line", "operator")
ALICE = "ou_emulator0001_alice"
GOOD = {"no": 1, "name": "a"}


@dataclass(frozen=True)
class Case:
    """Bad input, and what is said of it.

    Attributes:
        said: A part of the error.
        kind: Of the error.
        rows: The source.
        options: What `write_table` is given.
        worksheet: Of the spreadsheet; None for a new spreadsheet.
        setup: Prepares the local Lark, and returns further options.
        asks_lark: Whether Lark has to be asked for it.
        without: Ways in which there is no such input.
    """

    said: str
    kind: type[LarkError] = InvalidRequestError
    rows: list[dict[str, Any]] = field(default_factory=lambda: [GOOD])
    options: dict[str, Any] = field(default_factory=dict)
    worksheet: str | None = "Sheet1"
    setup: Callable[[Emulator, str], dict[str, Any]] = lambda _, __: {}
    asks_lark: bool = False
    without: tuple[str, ...] = ()


def _merge(_: Emulator, token: str) -> dict[str, Any]:
    LarkServiceClient().clouddoc.sheets.merge(token, "A2:B3")
    return {}


def _no_bot(lark: Emulator, _: str) -> dict[str, Any]:
    lark.add_chat("No bot", chat_id="oc_no_bot", users=["alice"])
    return {}


def _full(lark: Emulator, _: str) -> dict[str, Any]:
    lark.settings(folder_children=0)
    return {}


def _private(lark: Emulator, _: str) -> dict[str, Any]:
    return {"folder": lark.add_document("Private", type="folder", owner="user:alice")}


NEW: dict[str, Any] = {"worksheet": None, "asks_lark": True}
CASES = {
    "unknown worksheet": Case(
        "has no worksheet 'Nope'; its worksheets: 'Sheet1'", NotFoundError, worksheet="Nope", asks_lark=True
    ),
    "outside the grid": Case(
        "must end within 13,000 columns and 5,000,000 rows", options={"start": "A5000001"}
    ),
    "beyond the last column": Case("must end within 13,000 columns, got 2", options={"start": "SEZ1"}),
    "too many cells": Case("takes 5,000,000 cells", options={"start": "A250000"}, asks_lark=True),
    "another column": Case(
        "Row 2 of the source has the column 'other'",
        rows=[GOOD, {**GOOD, "other": 1}],
        without=("command line", "operator"),
    ),
    "long text": Case(
        "Row 2 of the source, column 'name': the value must have at most 50,000 characters and has 50,001",
        rows=[GOOD, {"no": 2, "name": "x" * 50_001}],
    ),
    "control character": Case(
        "Row 2 of the source, column 'name': the value must have no control characters",
        rows=[GOOD, {"no": 2, "name": "a\x01b"}],
    ),
    "infinity": Case(
        "Row 2 of the source, column 'no': the value must be a finite number",
        rows=[GOOD, {"no": float("inf"), "name": "b"}],
        without=("command line",),  # JSON has none
    ),
    "NaN": Case(
        "Row 1 of the source, column 'no': the value must be a finite number",
        rows=[{"no": float("nan"), "name": "b"}],
        without=("command line", "operator"),  # SQLite takes it for NULL
    ),
    "title of a column": Case(
        "The title 'na\\x02me' of a column must have no control characters",
        rows=[{"no": 1, "na\x02me": "a"}],
        without=("operator",),
    ),
    "title of a file": Case(
        "The title of a spreadsheet must have 1 to 255",
        options={"title": "x" * 256},
        worksheet=None,
    ),
    "merged cells": Case(
        "has merged cells where the table is written: A2:B3", ConflictError, setup=_merge, asks_lark=True
    ),
    "unknown folder": Case("(Daily [", NotFoundError, options={"folder": "fldcnOfAnother00000000001"}, **NEW),
    "folder of a person": Case("(Daily [", Denied, setup=_private, **NEW),
    "full folder": Case("use another folder, such as one a month", ConflictError, setup=_full, **NEW),
    "unknown person": Case(
        "nobody@example.com", NotFoundError, options={"share_with": [Share("nobody@example.com")]}, **NEW
    ),
    "department": Case(
        "Lark lets no app share with departments",
        options={"share_with": [Share("od-1")]},
        worksheet=None,
    ),
    "chat without the bot": Case(
        "The table is in https://", Denied, options={"share_with": [Share("oc_no_bot")]}, setup=_no_bot, **NEW
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_bad_input(
    name: str,
    way: str,
    lark: Emulator,
    run: Run,
    context: Context,
    sqlite: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES[name]
    if way in case.without:
        pytest.skip("there is no such input")
    for variable in ("LARK_DATABASE_URL", "AIRFLOW__LARK__DATABASE_URL"):
        monkeypatch.setenv(variable, f"sqlite:///{tmp_path}/ledger.db")
    prepared.upgrade(urls.parse(f"sqlite:///{tmp_path}/ledger.db", "test"))
    token = LarkServiceClient().clouddoc.sheets.create("Report").token
    more = case.setup(lark, token)
    options = {**({} if case.worksheet else {"title": "Daily"}), **case.options, **more}
    before = len(lark.requests())
    if way in ("sync", "async"):
        with pytest.raises(case.kind) as raised:
            _client(way, SheetRef(token, case.worksheet) if case.worksheet else None, case.rows, options)
        said = str(raised.value)
        assert type(raised.value) is case.kind
    elif way == "command line":
        done = run("sheet", "import", _file(tmp_path, case.rows), *_arguments(case, token, options))
        assert (done.code, done.out) == (1, "")
        said = done.err.splitlines()[-1]
        assert said.startswith("lark-provider: ")
    else:
        _table(sqlite, case.rows)
        if case.worksheet:
            options |= {"sheet": token, "worksheet": case.worksheet}
        with pytest.raises((AirflowFailException, InvalidRequestError)) as failure:
            SqlToLarkSheetOperator(
                task_id="t", sql="SELECT * FROM source", sql_conn_id=sqlite.conn_id, **options
            ).execute(context())
        said = str(failure.value)
    assert case.said in said
    assert " Next: " in said
    assert case.asks_lark or len(lark.requests()) == before
    if name != "chat without the bot":  # where the text says that the table is there
        assert [document["title"] for document in lark.documents() if document["type"] == "sheet"] == [
            "Report"
        ]
        assert lark.sheet(token)["values"] == []


def _client(way: str, target: SheetRef | None, rows: list[dict[str, Any]], options: dict[str, Any]) -> None:
    if way == "sync":
        LarkServiceClient().clouddoc.sheets.write_table(target, rows, **options)
        return

    async def write() -> None:
        async with AsyncLarkServiceClient() as client:
            await client.clouddoc.sheets.write_table(target, rows, **options)

    asyncio.run(write())


def _file(folder: Path, rows: list[dict[str, Any]]) -> str:
    path = folder / "source.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _arguments(case: Case, token: str, options: dict[str, Any]) -> list[str]:
    arguments = [token, "--worksheet", case.worksheet] if case.worksheet else []
    for name in ("title", "folder", "start"):
        if name in options:
            arguments += [f"--{name}", options[name]]
    return arguments + [f"--share={share.who}:{share.role}" for share in options.get("share_with", ())]


def _table(database: Database, rows: list[dict[str, Any]]) -> None:
    database.run("CREATE TABLE source (no REAL, name TEXT)")
    with closing(get_sql_hook(database.conn_id).get_conn()) as connection:
        connection.executemany("INSERT INTO source VALUES (?, ?)", [list(row.values()) for row in rows])
        connection.commit()
