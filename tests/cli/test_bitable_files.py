"""`lark-provider bitable import` and `export`: pipes, links and folders, great numbers and early dates."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it has no type hints
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # likewise
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from tests.cli.conftest import COMMAND, Run
from tests.client.bitable_table import make_table

KINDS = (("No", fields.TEXT), ("Paid", fields.NUMBER), ("At", fields.DATE), ("Note", fields.TEXT))


@pytest.fixture
def link(lark: Emulator) -> str:
    return make_table(lark, [fields.Field(field_name=name, type=kind) for name, kind in KINDS]).link


def read_records(link: str) -> dict[str, dict[str, Any]]:
    records = LarkServiceClient().clouddoc.bitable.search_records(link)
    return {record["fields"]["No"]: record["fields"] for record in records}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_great_numbers_and_early_dates_come_back_as_they_went(
    run: Run, lark: Emulator, link: str, tmp_path: Path, ending: str
) -> None:
    """CSV refused its own `1e+16`; JSON Lines lost the 43 seconds of Shanghai's offset before 1901."""
    bitable = LarkServiceClient().clouddoc.bitable
    numbers = (1e16, -1e16, 1e300, 5e-324, 0.1 + 0.2, 2**53)
    rows: list[dict[str, Any]] = [{"No": f"n{number}", "Paid": number} for number in numbers]
    rows += [{"No": day, "At": day} for day in ("1900-01-01", "0001-01-02", "9999-12-30")]
    bitable.sync(link, None, rows, key_fields="No")
    file = str(tmp_path / f"x.{ending}")
    assert run("bitable", "export", link, file, "--zone", "Asia/Shanghai").code == 0
    again = run("bitable", "import", file, link, "--key", "No", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["unchanged"] == len(rows), again.out


def test_ints_beyond_64_bits_are_not_rounded(run: Run, link: str, tmp_path: Path) -> None:
    """They were floats once: other text, another key, and a number that the check let pass."""
    number, key = -9223372036854775809, 98765432109876543210987
    file = tmp_path / "x.jsonl"
    file.write_text(f'{{"No": {key}, "Note": {number}}}\n')
    assert run("bitable", "import", str(file), link, "--key", "No").code == 0
    assert read_records(link) == {str(key): {"No": str(key), "Note": str(number)}}
    file.write_text(f'{{"No": "a", "Paid": {number}}}\n')
    refused = run("bitable", "import", str(file), link, "--key", "No")
    assert (refused.code, "row 1, field 'Paid': must be at most 9007199254740992" in refused.err) == (
        1,
        True,
    )
    file.write_text(f'{{"No": "a", "Note": {"9" * 5000}}}\n')
    refused = run("bitable", "import", str(file), link, "--key", "No")
    assert (refused.code, f"{file}, line 1: " in refused.err) == (2, True)


def test_a_list_of_rejects_in_another_encoding_names_its_rows(run: Run, link: str, tmp_path: Path) -> None:
    """A spreadsheet that saves Chinese keys in its local encoding ended the command with a traceback."""
    file, rejects = tmp_path / "x.csv", tmp_path / "r.csv"
    file.write_text("No,Paid\n甲,1\n乙,2\n")
    rejects.write_bytes("row,field,key,code,reason\r\n2,Paid,乙,1254015,错\r\n".encode("gb18030"))
    done = run("bitable", "import", str(file), link, "--key", "No", "--retry-rejects", str(rejects))
    assert (done.code, list(read_records(link))) == (0, ["乙"])


@pytest.mark.parametrize("day", ["0000-00-00", "2026-02-31", "2026-01-01T25:00:00Z"])
def test_a_day_that_does_not_exist_makes_a_column_of_text(
    run: Run, link: str, tmp_path: Path, day: str
) -> None:
    """A column of dates was made, and then refused each such row."""
    file = tmp_path / "x.csv"
    file.write_text(f"No,When\na,{day}\nb,2026-01-31\n")
    make = ("bitable", "import", str(file), link.partition("?")[0], "--key", "No", "--create-table", "New")
    done = run(*make)
    assert (done.code, done.out) == (0, "2 created\n"), done.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "No, Note\na,b\n", "must not begin or end with a space, got ' Note'"),
        ("x.jsonl", '{"No": "a"}\n{"No": "b", "Tags": [1, 2]}\n', "Column 'Tags' has a value in row 2"),
        ("x.jsonl", '{"No": "a", "Tags": {"b": 1}}\n', "Column 'Tags' has a value in row 1"),
        ("x.jsonl", '{"No": "a", "Tags": ["b"]}\n{"No": "b", "Tags": "c"}\n', "has a value in row 1"),
    ],
)
def test_a_file_whose_rows_a_new_table_would_refuse_makes_none(
    run: Run, lark: Emulator, link: str, tmp_path: Path, name: str, content: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    before = lark.state()["by_endpoint"]
    done = run("bitable", "import", str(file), link, "--key", "No", "--create-table", "New")
    assert (done.code, said in done.err) == (2, True), done.err
    assert lark.state()["by_endpoint"] == before


def test_nested_values_of_a_new_table_can_be_left_out(run: Run, link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"No": "a", "Tags": {"b": 1}}\n{"No": "b", "Tags": "c"}\n')
    base = link.partition("?")[0]
    make = ("bitable", "import", str(file), base, "--key", "No", "--create-table", "New", "--skip-bad-rows")
    done = run(*make)
    assert (done.code, done.out) == (0, "1 created, 1 rejected\n"), done.err


def test_a_column_of_numbers_may_have_nan(run: Run, link: str, tmp_path: Path) -> None:
    """As polars and Spark write a number that is missing; it made the column one of text."""
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"No": ["a", "b"], "Paid": [1.5, float("nan")]}), file)
    make = ("bitable", "import", str(file), link.partition("?")[0], "--key", "No", "--create-table", "New")
    shown = run(*make, "--dry-run", "--json")
    assert [field["type"] for field in json.loads(shown.out)["fields"]] == [fields.TEXT, fields.NUMBER]
    done = run(*make)
    assert (done.code, done.out) == (0, "2 created\n"), done.err


def test_a_long_id_in_a_field_of_numbers_is_exported_to_parquet(run: Run, link: str, tmp_path: Path) -> None:
    number = 110101199003071232.0
    LarkServiceClient().clouddoc.bitable.create_record(link, None, {"No": "a", "Paid": number}, convert=False)
    file = tmp_path / "x.parquet"
    done = run("bitable", "export", link, str(file))
    assert done.code == 0, done.err
    assert pq.read_table(file)["Paid"].to_pylist() == [number]


def test_a_new_table_whose_rows_are_refused_is_named_for_the_next_import(
    run: Run, link: str, tmp_path: Path
) -> None:
    file, base = tmp_path / "x.csv", link.partition("?")[0]
    file.write_text("No,Note\na,1\na,2\n")
    refused = run("bitable", "import", str(file), base, "--key", "No", "--create-table", "New")
    named = re.search(r"Table 'New' \((tbl\w+)\) stays\. To go on, import into that table", refused.err)
    assert refused.code == 1
    assert named is not None, refused.err
    file.write_text("No,Note\na,1\nb,2\n")
    done = run("bitable", "import", str(file), f"{base}?table={named[1]}", "--key", "No")
    assert (done.code, done.out) == (0, "2 created\n"), done.err


def test_a_list_of_rejects_that_cannot_be_written_is_known_before(
    run: Run, link: str, tmp_path: Path
) -> None:
    """The rows were written, and the list of the others lost."""
    file, old = tmp_path / "x.csv", tmp_path / "old.csv"
    file.write_text("No,Paid\na,1\nb,x\n")
    old.write_text("old")
    command = ("bitable", "import", str(file), link, "--key", "No", "--skip-bad-rows", "--rejects")
    for rejects in (str(tmp_path), "/proc/rejects.csv", str(tmp_path / ("r" * 300))):
        refused = run(*command, rejects)
        assert (refused.code, read_records(link)) == (2, {}), rejects
        assert "--rejects must name a file that can be written" in refused.err
    listed = sorted(tmp_path.iterdir())
    assert run(*command, str(old), "--dry-run").code == 0
    assert (read_records(link), sorted(tmp_path.iterdir())) == ({}, listed)
    assert (run(*command, str(old)).code, old.read_text().count("\n")) == (0, 2)
    behind = tmp_path / "link.csv"
    behind.symlink_to(tmp_path / "new.csv")
    assert run(*command, str(behind)).code == 0
    assert (behind.is_symlink(), behind.read_text().count("\n")) == (True, 2)


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"No,Note\na,b\n", (), 0),
        (b"No,Note\na,\xff\n", (), 2),
        (b"No,Note\na,b\n", ("--create-table", "New"), 2),
    ],
)
def test_a_pipe_is_read_once(
    lark: Emulator, link: str, tmp_path: Path, content: bytes, options: tuple[str, ...], code: int
) -> None:
    """It was opened again, for a second reading or to find a line, and waited without end."""
    pipe = tmp_path / "x.csv"
    os.mkfifo(pipe)
    command = [*COMMAND, "bitable", "import", str(pipe), link, "--key", "No", *options]
    writer = subprocess.Popen(["/bin/sh", "-c", 'cat > "$0"', str(pipe)], stdin=subprocess.PIPE)  # noqa: S603 - ours
    try:
        assert writer.stdin is not None
        writer.stdin.write(content)
        writer.stdin.close()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours
    finally:
        writer.kill()
        writer.wait()
    assert done.returncode == code, done.stderr
    assert ("a" in read_records(link)) == (code == 0)


def test_an_export_keeps_the_link_and_refuses_a_folder(run: Run, link: str, tmp_path: Path) -> None:
    real, named, folder = tmp_path / "real.csv", tmp_path / "named.csv", tmp_path / "folder.csv"
    real.write_text("old")
    named.symlink_to(real)
    folder.mkdir()
    assert run("bitable", "export", link, str(named)).code == 0
    assert (named.is_symlink(), real.read_text(encoding="utf-8-sig")[:2]) == (True, "No")
    refused = run("bitable", "export", link, str(folder))
    assert (refused.code, "it is not a file" in refused.err) == (2, True)
    long = str(tmp_path / f"{'x' * 300}.csv")
    for argv in (("export", link, long), ("import", long, link, "--key", "No")):
        refused = run("bitable", *argv)
        assert (refused.code, f"{long} cannot be" in refused.err) == (2, True), refused.err
