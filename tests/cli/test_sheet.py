"""`lark-provider sheet` and `lark-provider drive`."""

from __future__ import annotations

import csv
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it has no type hints
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # likewise
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.storage import urls
from tests.cli.conftest import Run, read_failure
from tests.storage import prepared

ALICE = "ou_emulator0001_alice"
LINES = """no,paid,done,day,code,id
A-1,12.50,true,2026-01-31,00123,6222021234567890
"a, ü",7,false,,9,1
"""


@pytest.fixture
def file(lark: Emulator, tmp_path: Path) -> Path:
    lark.settings(rate_limits=False)
    path = tmp_path / "orders.csv"
    path.write_text(LINES, "utf-8")
    return path


def read_cells(lark: Emulator, token: str) -> list[list[Any]]:
    rows = [["" if cell is None else cell for cell in row] for row in lark.sheet(token)["values"]]
    return [row[:6] for row in rows if any(cell != "" for cell in row)]


def test_a_file_becomes_a_shared_spreadsheet_and_comes_back(
    run: Run, lark: Emulator, file: Path, tmp_path: Path
) -> None:
    done = run("sheet", "import", str(file), "--title", "Orders", "--share", f"{ALICE}:edit", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["rows_written"], result["range"]) == (2, "A1:F3")
    assert read_cells(lark, result["spreadsheet_token"]) == [
        ["no", "paid", "done", "day", "code", "id"],
        ["A-1", 12.5, True, 46053, "00123", "6222021234567890"],
        ["a, ü", 7, False, "", "9", "1"],
    ]
    done = run("drive", "share", result["url"], "--json")
    assert {member["id"]: member["role"] for member in json.loads(done.out)}[ALICE] == "edit"

    back = tmp_path / "back.csv"
    assert run("sheet", "export", result["url"], str(back)).out == f"Wrote 2 rows to {back}.\n"
    with back.open(encoding="utf-8-sig", newline="") as opened:
        assert list(csv.reader(opened)) == [
            ["no", "paid", "done", "day", "code", "id"],
            ["A-1", "12.5", "true", "2026-01-31", "00123", "6222021234567890"],
            ["a, ü", "7", "false", "", "9", "1"],
        ]
    lines = tmp_path / "back.jsonl"
    assert json.loads(run("sheet", "export", result["url"], str(lines), "--range", "A1:B", "--json").out) == {
        "rows": 2
    }
    assert [json.loads(line) for line in lines.read_text("utf-8").splitlines()] == [
        {"no": "A-1", "paid": 12.5}, {"no": "a, ü", "paid": 7},
    ]  # fmt: skip

    shown = run("sheet", "show", result["url"])
    assert shown.code == 0
    assert [text in shown.out for text in ("Orders", result["url"], "worksheet", "00123", "2026-01-31")] == [
        True
    ] * 5
    shown = run("sheet", "show", result["url"], "--rows", "1", "--json")
    assert json.loads(shown.out)["rows"] == [["no", "paid", "done", "day", "code", "id"]]


def test_modes_and_a_resumed_import(
    run: Run, lark: Emulator, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    spreadsheet = LarkServiceClient().clouddoc.sheets.create("Orders")
    first = run("sheet", "import", str(file), spreadsheet.url, "--mode", "append", "--text")
    assert first.code == 0, first.err
    name = first.err.partition("This is import ")[2].partition(".")[0]
    again = run(
        "sheet",
        "import",
        str(file),
        spreadsheet.url,
        "--mode",
        "append",
        "--text",
        "--resume",
        name,
        "--json",
    )
    assert json.loads(again.out)["replayed"] == 2
    for wrong in (f"{name}x", ""):
        refused = run("sheet", "import", str(file), spreadsheet.url, "--mode", "append", "--resume", wrong)
        assert "--resume must name an import" in read_failure(refused, 2)
    assert [row[1] for row in read_cells(lark, spreadsheet.token)] == ["paid", "12.50", "7"]
    file.write_text(LINES.replace("12.50", "99"), "utf-8")
    done = run("sheet", "import", str(file), spreadsheet.url, "--mode", "update_by_key", "--key", "no")
    assert done.code == 0, done.err
    assert [row[1] for row in read_cells(lark, spreadsheet.token)] == ["paid", 99, 7]


def test_what_json_has_no_type_for_is_text_in_a_cell(run: Run, lark: Emulator, tmp_path: Path) -> None:
    lines, table = tmp_path / "x.jsonl", tmp_path / "x.parquet"
    lines.write_text('{"no": 1, "ids": [123456789012345678901234567890]}\n')
    pq.write_table(pa.table({"no": [1], "ids": [[Decimal("1.10")]]}), table)
    odd = tmp_path / "y.parquet"
    pq.write_table(pa.table({"no": [1], "ids": [[{"a": Decimal(1), "b": float("nan")}]]}), odd)
    for file, expected in (
        (lines, "[123456789012345678901234567890]"),
        (table, '["1.10"]'),
        (odd, '[{"a":"1","b":null}]'),
    ):
        done = run("sheet", "import", str(file), "--title", "Nested", "--json")
        assert done.code == 0, done.err
        token = json.loads(done.out)["spreadsheet_token"]
        assert read_cells(lark, token)[1][1] == expected


def test_sharing_listing_and_taking_back(run: Run, lark: Emulator, file: Path) -> None:
    client = LarkServiceClient()
    folder = client.clouddoc.drive.ensure_folder("Reports/2026-11")
    spreadsheet = client.clouddoc.sheets.create("Orders", folder=folder)
    listed = run("drive", "ls", "Reports/2026-11", "--json")
    assert [document["token"] for document in json.loads(listed.out)] == [spreadsheet.token]
    assert "Orders" in run("drive", "ls", "Reports/2026-11").out
    assert "Reports" in run("drive", "ls").out

    def roles(*argv: str) -> dict[str, str]:
        done = run("drive", "share", spreadsheet.url, *argv, "--json")
        assert done.code == 0, done.err
        return {member["id"]: member["role"] for member in json.loads(done.out)}

    assert ALICE not in roles()
    assert roles(ALICE)[ALICE] == "view"
    assert roles(f"{ALICE}:edit")[ALICE] == "edit"
    assert roles(f"{ALICE}:view")[ALICE] == "edit"  # never lowered
    assert ALICE not in roles("--remove", ALICE)
    shown = run("drive", "share", spreadsheet.token, f"{ALICE}:full_access", "--type", "sheet")
    assert [text in shown.out for text in ("role", ALICE, "full_access")] == [True] * 3


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("import", "FILE"), "Either a link or --title"),
        (("import", "FILE", "shtcn1", "--title", "x"), "Either a link or --title"),
        (("import", "FILE", "shtcn1", "--folder", "x"), "--folder is for a new"),
        (("import", "FILE", "--title", "x", "--worksheet", "y"), "--worksheet is one of"),
        (("import", "FILE", "shtcn1", "--key", "no"), "--key goes with"),
        (("import", "FILE", "shtcn1", "--resume", "x"), "--resume needs the database"),
        (("export", "shtcn1", "x.parquet"), "must be .csv or .jsonl"),
    ],
)
def test_wrong_use(run: Run, file: Path, argv: tuple[str, ...], text: str) -> None:
    done = run("sheet", *(str(file) if word == "FILE" else word for word in argv))
    assert text in read_failure(done, 2)


def test_a_pipe_is_not_read_twice(run: Run, tmp_path: Path) -> None:
    """It waited without end for a second writer."""
    pipe = tmp_path / "x.csv"
    os.mkfifo(pipe)
    assert "is a pipe. Next: save it as a file" in read_failure(
        run("sheet", "import", str(pipe), "--title", "x"), 2
    )


def test_what_the_parser_refuses(run: Run, file: Path) -> None:
    done = run("sheet", "import", str(file), "--title", "x", "--share", "ou_1:owner")
    assert (done.code, "got 'ou_1:owner'" in done.err) == (2, True)
    assert (run("sheet", "show", "x", "--rows", "-1").code, run("drive", "share", "x", "--remove").code) == (
        2,
        2,
    )


def test_what_lark_refuses(run: Run, lark: Emulator, file: Path) -> None:
    assert "Next:" in read_failure(run("sheet", "show", "shtcnNone"))
    spreadsheet = LarkServiceClient().clouddoc.sheets.create("Orders")
    assert "Next:" in read_failure(run("drive", "share", spreadsheet.url, "nobody@example.com"))
    assert "has no titles" in read_failure(
        run("sheet", "export", spreadsheet.url, str(file.with_suffix(".jsonl")))
    )
