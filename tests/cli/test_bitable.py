"""`lark-provider bitable import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from tests.cli.conftest import Run

KINDS = (("No", fields.TEXT), ("Paid", fields.NUMBER), ("At", fields.DATE), ("Note", fields.TEXT))


@pytest.fixture
def link(lark: Emulator) -> str:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    columns = [fields.Field(field_name=name, type=kind) for name, kind in KINDS]
    table_id = bitable.create_table(app_token, "T", columns).data["table_id"]
    lark.add_rows(app_token, table_id, [{"No": "a", "Paid": 1, "Note": "kept"}, {"No": "old"}])
    return f"https://x.feishu.cn/base/{app_token}?table={table_id}"


def read_records(link: str) -> dict[str, Any]:
    records = LarkServiceClient().clouddoc.bitable.search_records(link)
    return {
        record["fields"]["No"]: (record["fields"].get("Paid"), record["fields"].get("Note"))
        for record in records
    }


def test_a_csv_file(run: Run, link: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("\ufeffNo,Paid,At\r\na,2,2026-01-31\r\nb,,\r\n", encoding="utf-8")
    dry = run(
        "bitable",
        "import",
        str(file),
        link,
        "--key",
        "No",
        "--mode",
        "mirror",
        "--max-deletes",
        "1",
        "--dry-run",
    )
    assert dry.code == 0
    for part in ("create", "update", "delete", "│ a ", "1.0", "1 creates, 1 updates, 1 deletes"):
        assert part in dry.out
    assert read_records(link) == {"a": (1, "kept"), "old": (None, None)}
    done = run(
        "bitable",
        "import",
        str(file),
        link,
        "--key",
        "No",
        "--mode",
        "mirror",
        "--max-deletes",
        "1",
        "--json",
    )
    assert json.loads(done.out)["created"] == 1
    assert read_records(link) == {"a": (2, "kept"), "b": (None, None)}


def test_json_lines_and_rejects(run: Run, link: str, tmp_path: Path) -> None:
    file, rejects = tmp_path / "orders.jsonl", tmp_path / "rejects.csv"
    file.write_text('{"No": "a", "Paid": 5}\n\n{"No": "b", "Paid": "x"}\n')
    refused = run("bitable", "import", str(file), link, "--key", "No")
    assert refused.code == 1
    assert "row 2, field 'Paid'" in refused.err
    done = run(
        "bitable", "import", str(file), link, "--key", "No", "--skip-bad-rows", "--rejects", str(rejects)
    )
    assert (done.code, read_records(link)["a"]) == (0, (5, "kept"))
    assert rejects.read_text().splitlines()[1].startswith("2,Paid,b,1254015,")
    file.write_text('{"No": "a", "Paid": 99}\n{"No": "b", "Paid": 7}\n')
    done = run("bitable", "import", str(file), link, "--key", "No", "--retry-rejects", str(rejects))
    assert (done.code, read_records(link)["a"][0], read_records(link)["b"][0]) == (0, 5, 7)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.csv", b"No,No\n1,2\n", "'No' twice"),
        ("x.csv", b"No,\n1,2\n", "a column without a name"),
        ("x.csv", b"", "no lines"),
        ("x.csv", b"No,Paid\n1\n", "line 2: a row must have 2 cells, got 1"),
        ("x.csv", b'No,Paid\n"1,2\n', "line 2: unexpected end of data"),
        ("x.csv", "No,Note\n1,中\n".encode("gb18030"), "not in the encoding"),
        ("x.jsonl", b"{\n", "line 1: "),
        ("x.jsonl", b"[1]\n", "line 1: a row must be a JSON object"),
        (
            "x.jsonl",
            b'{"No": "a", "Paid": 1, "No": "b"}\n',
            "line 1: a row must name each field once, got 'No' twice",
        ),
        (
            "x.jsonl",
            b'{"No": "a", "\\u004eo": "b"}\n',
            "line 1: a row must name each field once, got 'No' twice",
        ),
        ("x.csv", b'No,Paid\n1,2\n"3,4\n5,6\n7,8\n', "line 3: unexpected end of data"),
        ("x.txt", b"No\n", "must be a CSV file"),
        # All that is wrong is in one report.
        ("x.csv", b"No,,No,Paid,Paid\n", "got 'No' twice, 'Paid' twice, a column without a name. "),
        (
            "x.csv",
            b'No,Paid\n1\n2,3\n"4"x,5\n6,7,8\n',
            (
                "x.csv, line 2: a row must have 2 cells, got 1; line 4: ',' expected after '\"'; "
                "line 5: a row must have 2 cells, got 3. Next: fix these lines in the file, or "
                "export it again."
            ),
        ),
        (
            "x.csv",
            b"No,Paid\n" + b"1\n" * 25,
            "line 21: a row must have 2 cells, got 1; and 5 more broken lines. ",
        ),
        (
            "x.jsonl",
            b'{"No": "z"}\n[1]\n{"No": "y"}\n2\n',
            "line 2: a row must be a JSON object; line 4: a row must",
        ),
    ],
)
def test_broken_files_are_named_and_nothing_is_written(
    run: Run, link: str, tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    before = read_records(link)
    done = run("bitable", "import", str(file), link, "--key", "No")
    assert (done.code, read_records(link)) == (2, before)
    assert problem in done.err


def test_a_list_of_rejects_is_that_of_the_last_import(run: Run, link: str, tmp_path: Path) -> None:
    file, rejects = tmp_path / "orders.csv", tmp_path / "rejects.csv"
    command = ("bitable", "import", str(file), link, "--key", "No", "--skip-bad-rows", "--rejects")
    file.write_text("No,Paid\na,5\nb,x\n")
    assert run(*command, str(rejects)).code == 0
    assert len(rejects.read_text().splitlines()) == 2
    file.write_text("No,Paid\na,5\nb,6\n")
    assert run(*command, str(rejects)).code == 0
    assert len(rejects.read_text().splitlines()) == 1
    refused = run(*command, str(file))
    assert (refused.code, "must name another file" in refused.err) == (2, True)
    rejects.write_text("row,field,key,code,reason\n900,,,,\n")
    refused = run("bitable", "import", str(file), link, "--key", "No", "--retry-rejects", str(rejects))
    assert refused.code != 0
    assert "got row 900 of 2" in refused.err


def test_an_export_with_a_very_long_cell_can_be_imported(run: Run, link: str, tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text(f"No,Paid\n{'x' * 140_000},1\n")
    done = run("bitable", "import", str(file), link, "--key", "No")
    assert "field larger than field limit" not in done.err
    assert "characters" in done.err  # what Lark takes


def test_another_encoding_and_a_missing_file(run: Run, link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes("No,Note\na,中文\n".encode("gb18030"))
    assert run("bitable", "import", str(file), link, "--key", "No", "--encoding", "gb18030").code == 0
    assert read_records(link)["a"] == (1, "中文")
    missing = run("bitable", "import", str(tmp_path / "none.csv"), link, "--key", "No")
    assert (missing.code, "cannot be read" in missing.err) == (2, True)


def test_a_load_that_is_not_known_is_not_resumed(
    run: Run, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelled name began a load of its own, which wrote all rows again."""
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")
    assert run("db", "upgrade").code == 0
    file = tmp_path / "new.csv"
    file.write_text("No\nx\ny\n")
    insert = ("bitable", "import", str(file), link, "--mode", "insert")
    name = run(*insert).err.split("This is load ")[1].split(".")[0]
    before = read_records(link)
    for wrong in ("imp0rt", "", " "):
        refused = run(*insert, "--resume", wrong)
        assert (refused.code, "--resume must name a load" in refused.err) == (2, True)
    resumed = run(*insert, "--resume", name)
    assert (resumed.code, resumed.out) == (0, "2 written, 2 replayed\n")
    assert read_records(link) == before


def test_rows_without_a_value_are_reported_when_they_are_inserted(
    run: Run, link: str, tmp_path: Path
) -> None:
    """Spreadsheet programs save such lines below a table; each made an empty record without a word."""
    file = tmp_path / "new.csv"
    file.write_text("No,Note\nx,1\n,\ny,2\n,\n")
    inserted = run("bitable", "import", str(file), link, "--mode", "insert")
    assert (inserted.code, inserted.out) == (0, "4 written\n")
    said = "have only empty cells, row 2 first; each makes an empty record."
    assert f"2 row(s) of {file} {said}" in inserted.err
    file.write_text("No,Note\nx,1\n")
    assert "empty" not in run("bitable", "import", str(file), link, "--mode", "insert").err


def test_a_list_of_rejects_that_cannot_be_written_is_refused_before_the_rows_are(
    run: Run, link: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.csv"
    file.write_text("No,Paid\nb,1\nc,x\n")
    before = read_records(link)
    rejects = str(tmp_path / "none" / "r.csv")
    done = run("bitable", "import", str(file), link, "--key", "No", "--skip-bad-rows", "--rejects", rejects)
    assert (done.code, read_records(link)) == (2, before)
    assert "--rejects must name a file in a folder that exists" in done.err


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_exported_place_can_be_imported_again(
    run: Run, lark: Emulator, link: str, tmp_path: Path, ending: str
) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.create_field(link, None, "Place", fields.LOCATION)
    bitable.sync(link, None, [{"No": "a", "Place": (116.397428, 39.90923)}], key_fields="No")
    file = str(tmp_path / f"x.{ending}")
    assert run("bitable", "export", link, file).code == 0
    again = run("bitable", "import", file, link, "--key", "No", "--json")
    assert (again.code, again.err.count("rejected")) == (0, 0)
    assert json.loads(again.out)["unchanged"] == 2


def test_a_table_is_not_made_for_times_that_have_no_zone(run: Run, link: str, tmp_path: Path) -> None:
    """It was made, and then refused each row; a second try met its name."""
    file = tmp_path / "x.csv"
    file.write_text("Code,When\n1,2026-01-31T10:00:00+08:00\n2,2026-02-01 10:00\n")
    make = ("bitable", "import", str(file), link.partition("?")[0], "--key", "Code", "--create-table", "New")
    refused = run(*make)
    assert (refused.code, "'When' has a time without a zone in row 2" in refused.err) == (2, True)
    assert run(*make, "--zone", "Asia/Shanghai").code == 0
