"""`lark-provider bitable export`, and the way back: new tables, loads that are resumed, progress."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.storage import urls
from tests.cli.conftest import COMMAND, Run
from tests.storage import prepared

KINDS = (
    ("No", fields.TEXT), ("Paid", fields.NUMBER), ("At", fields.DATE), ("Done", fields.CHECKBOX),
    ("Tags", fields.MULTI_SELECT), ("Site", fields.URL),
)  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {"No": "a, ü", "Paid": 1.5, "At": "2026-01-31T09:00:00+08:00", "Done": True, "Tags": ["x", "y"],
     "Site": "https://example.com/a"},
    {"No": "007", "Done": False},
]  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    columns = [fields.Field(field_name=name, type=kind) for name, kind in KINDS]
    table_id = bitable.create_table(app_token, "T", columns).data["table_id"]
    link = f"https://x.feishu.cn/base/{app_token}?table={table_id}"
    if rows:
        bitable.bulk_insert(link, None, rows)
    return link


def records(link: str, table_id: str | None = None) -> dict[str, dict[str, Any]]:
    matches = LarkServiceClient().clouddoc.bitable.search_records(link, table_id)
    return {str(record["fields"]["No"]): record["fields"] for record in matches}


@pytest.fixture
def link(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    return table(ROWS)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_comes_back_as_it_went(run: Run, link: str, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"{'订单' * 41}.{ending}"  # up to 254 bytes; file systems allow 255
    done = run("bitable", "export", link, str(file), "--zone", "Asia/Shanghai")
    assert (done.code, done.out) == (0, f"Wrote 2 rows to {file}.\n")
    empty = table([])
    done = run("bitable", "import", str(file), empty, "--key", "No", "--json")
    assert (done.code, json.loads(done.out)["created"]) == (0, 2)
    assert records(empty) == records(link)
    assert list(tmp_path.iterdir()) == [file]


def test_what_the_files_hold(run: Run, link: str, tmp_path: Path) -> None:
    run("bitable", "export", link, str(tmp_path / "x.csv"), "--zone", "Asia/Shanghai")
    with (tmp_path / "x.csv").open(encoding="utf-8-sig", newline="") as file:
        head, first, second = csv.reader(file)
    assert head == [name for name, _ in KINDS]
    assert first[:5] == ["a, ü", "1.5", "2026-01-31T09:00:00+08:00", "true", '["x","y"]']
    assert json.loads(first[5]) == {"text": "https://example.com/a", "link": "https://example.com/a"}
    assert second == ["007", "", "", "false", "", ""]
    done = run("bitable", "export", link, str(tmp_path / "x.jsonl"), "--field", "Paid", "--json")
    assert json.loads(done.out) == {"rows": 2}
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"Paid": 1.5}, {"Paid": None}]


def test_a_failed_export_leaves_the_old_file(run: Run, lark: Emulator, link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("old")
    lark.fault(path="*/records/search", code=1254302, times=9)
    assert run("bitable", "export", link, str(file)).code == 1
    done = run("bitable", "export", link, str(file), "--field", "Nope")
    assert (done.code, "no field 'Nope'" in done.err) == (2, True)
    assert run("bitable", "export", link, str(tmp_path / "x.doc")).code == 2
    assert run("bitable", "export", link, str(tmp_path / "none" / "x.csv")).code == 2
    assert (list(tmp_path.iterdir()), file.read_text()) == ([file], "old")


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_an_exported_file_has_the_rights_of_any_new_file_or_of_the_one_it_replaces(
    run: Run, link: str, tmp_path: Path, umask: int
) -> None:
    file, other, private = tmp_path / "x.csv", tmp_path / "other", tmp_path / "private.csv"
    private.touch()
    private.chmod(0o440)
    before = os.umask(umask)
    try:
        assert run("bitable", "export", link, str(file)).code == 0
        assert run("bitable", "export", link, str(private)).code == 0
        other.touch()
    finally:
        os.umask(before)
    assert file.stat().st_mode == other.stat().st_mode
    assert private.stat().st_mode & 0o777 == 0o440
    assert private.read_bytes() == file.read_bytes() != b""
    assert len(list(tmp_path.iterdir())) == 3


def test_a_new_table_holds_what_is_in_the_file(run: Run, lark: Emulator, link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(
        "Code,No,Paid,Done,Day,At,Empty,Mixed\n007,a,1.5,true,2026-01-31,2026-01-31 09:30:00,,1\n"
        "123,b,-2,false,,,,x\n"
    )
    base = link.partition("?")[0]
    zone = ("--zone", "Asia/Shanghai")
    command = ("bitable", "import", str(file), base, "--key", "No", "--create-table", "Orders", *zone)
    shown = run(*command, "--dry-run", "--json")
    planned = [(field["field_name"], field["type"]) for field in json.loads(shown.out)["fields"]]
    kinds = [
        ("No", fields.TEXT), ("Code", fields.TEXT), ("Paid", fields.NUMBER), ("Done", fields.CHECKBOX),
        ("Day", fields.DATE), ("At", fields.DATE), ("Empty", fields.TEXT), ("Mixed", fields.TEXT),
    ]  # fmt: skip
    assert planned == kinds
    assert "│ Paid  │ number" in run(*command, "--dry-run").out
    done = run(*command)
    assert (done.code, done.out) == (0, "2 created\n")
    table_id = done.err.partition("(")[2].partition(")")[0]
    listed = LarkServiceClient().clouddoc.bitable.list_fields(base, table_id)
    assert [(field["field_name"], field["type"]) for field in listed] == kinds
    assert records(base, table_id)["a"]["Code"] == "007"
    again = run(*command)
    assert again.code == 1


def test_a_broken_file_makes_no_table(run: Run, lark: Emulator, link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("No,Paid\na,1\nb\n")
    before = lark.state()["by_endpoint"]
    done = run("bitable", "import", str(file), link, "--key", "No", "--create-table", "Orders")
    assert (done.code, "line 3: a row must have 2 cells, got 1" in done.err) == (2, True)
    assert lark.state()["by_endpoint"] == before


def test_an_insert_is_resumed(
    run: Run, lark: Emulator, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("".join(f'{{"No": "n{number}"}}\n' for number in range(2_500)))
    command = ("bitable", "import", str(file), link, "--mode", "insert")
    refused = run(*command, "--resume", "import-x")
    assert (refused.code, "needs the database" in refused.err) == (2, True)
    url = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    lark.fault(path="*/records/batch_create", skip=1, code=1254302)
    stopped = run(*command)
    assert stopped.code == 1
    name = stopped.err.partition("This is load ")[2].partition(".")[0]
    done = run(*command, "--resume", name, "--json")
    assert json.loads(done.out) == {"written": 2_500, "replayed": 1_000, "rejected": 0}
    assert len(records(link)) == 2_502


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "--key must be given"),
        (("--key", "At"), "has no column 'At', which is to be a key; it has 'No', 'Paid'"),
        (("--key", "No", "--resume", "x"), "--resume continues --mode insert"),
        (("--mode", "insert", "--dry-run"), "--mode insert adds every row"),
        (("--mode", "insert", "--strict-options"), "--mode insert does not read them"),
        (("--key", "No", "--create-table", "T", "--retry-rejects", "x"), "--create-table makes a new table"),
    ],
)
def test_wrong_use(run: Run, link: str, tmp_path: Path, options: tuple[str, ...], problem: str) -> None:
    file = tmp_path / "x.csv"
    file.write_text("No,Paid\na,1\n")
    done = run("bitable", "import", str(file), link, *options)
    assert (done.code, problem in done.err) == (2, True), done.err


def test_the_line_of_a_wrong_encoding_and_an_empty_key_are_named(run: Run, link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    before = records(link)
    file.write_bytes(b"No,Paid\n" + b"a,1\n" * 5_000 + "中,1\n".encode("gb18030"))
    done = run("bitable", "import", str(file), link, "--key", "No")
    assert (done.code, "line 5002, byte 1 is not in the encoding utf-8" in done.err) == (2, True), done.err
    file.write_text("No,Paid\na,1\n,2\n")
    done = run("bitable", "import", str(file), link, "--key", "No")
    assert (done.code, "row 2, field 'No'" in done.err) == (1, True), done.err
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    done = run("bitable", "import", str(tmp_path / "x.parquet"), link, "--key", "No")
    assert (done.code, "x.parquet cannot be read" in done.err) == (2, True), done.err
    assert records(link) == before


def test_progress_is_drawn_on_a_terminal_only(link: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("".join(f'{{"No": "n{number}"}}\n' for number in range(1_500)))
    command = [*COMMAND, "bitable", "import", str(file), link, "--key", "No"]
    ours, theirs = pty.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=True)  # noqa: S603 - ours
    os.close(theirs)
    drawn = os.read(ours, 100_000).decode()
    os.close(ours)
    assert (done.stdout, "1,500 of 1,500" in drawn) == (b"1500 created\n", True), drawn
    piped = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - ours
    assert b"1,500" not in piped.stderr


def test_all_that_does_not_fit_is_in_one_report(run: Run, link: str, tmp_path: Path) -> None:
    file, before = tmp_path / "x.jsonl", records(link)
    bad: list[tuple[str, dict[str, Any]]] = [
        ("No", {"No": True}),
        ("No", {"No": None}),
        ("No", {"No": ""}),
        ("No", {"No": ["a"]}),
        ("At", {"No": "b", "At": 1_234}),
        ("At", {"No": "c", "At": "31.1.2026"}),
        ("Paid", {"No": "d", "Paid": "NaN"}),
        ("No", {"No": "x" * 100_001}),
        ("Done", {"No": "e", "Done": "maybe"}),
        ("Tags", {"No": "f", "Tags": ["unknown"]}),
    ]
    file.write_text("".join(json.dumps(row) + "\n" for _, row in bad))
    done = run("bitable", "import", str(file), link, "--key", "No", "--strict-options")
    assert done.code == 1
    for number, (field, _) in enumerate(bad, 1):
        assert f"row {number}, field {field!r}" in done.err
    assert records(link) == before
    rejects = tmp_path / "rejects.csv"
    file.write_text(file.read_text() + '{"No": "good"}\n')
    options = ("--key", "No", "--strict-options", "--skip-bad-rows", "--rejects", str(rejects), "--json")
    done = run("bitable", "import", str(file), link, *options)
    assert (done.code, json.loads(done.out)["created"], json.loads(done.out)["rejected"]) == (0, 1, 10)
    with rejects.open(newline="") as listed:
        assert [(int(row["row"]), row["field"]) for row in csv.DictReader(listed)] == [
            (number, field) for number, (field, _) in enumerate(bad, 1)
        ]


def test_an_empty_source_and_a_read_only_field(run: Run, link: str, tmp_path: Path) -> None:
    bitable = LarkServiceClient().clouddoc.bitable
    bitable.create_field(link, None, "Since", fields.CREATED_TIME)
    file, before = tmp_path / "x.csv", records(link)
    file.write_text("No,Since\na,2026-01-31\n")
    done = run("bitable", "import", str(file), link, "--key", "No")
    assert (done.code, "Since" in done.err) == (1, True), done.err
    file.write_text("No,Paid\n")
    assert run("bitable", "import", str(file), link, "--key", "No").out == "nothing to do\n"
    done = run("bitable", "import", str(file), link, "--key", "No", "--mode", "mirror")
    assert done.code == 1, done.out
    assert {no: record["No"] for no, record in records(link).items()} == {no: no for no in before}
