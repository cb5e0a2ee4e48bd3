"""Errors of commands name options, not arguments of Python."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from lark_emulator import Emulator

import lark_provider
from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.cli import wording
from tests.cli.conftest import Run, read_failure

TABLES = [value for value in vars(wording).values() if isinstance(value, dict) and "__name__" not in value]


@pytest.fixture
def link(lark: Emulator) -> str:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Base").data["app"]["app_token"]
    columns = [
        fields.Field(field_name="No", type=fields.TEXT),
        fields.Field(field_name="Paid", type=fields.NUMBER),
        fields.Field(field_name="Done", type=fields.CHECKBOX),
    ]
    table_id = bitable.create_table(app_token, "T", columns).data["table_id"]
    lark.add_rows(app_token, table_id, [{"No": "a"}, {"No": "b"}])
    return f"https://x.feishu.cn/base/{app_token}?table={table_id}"


@pytest.mark.parametrize(
    ("row", "options", "said"),
    [
        ('"Paid": "x"', "--key No", "or skip such rows with --skip-bad-rows."),
        ('"Paid": ""', "--key No", "got ''; for an empty cell write null."),
        ('"Paid": 1', "--key No --mode mirror", "missing in the source, more than --max-deletes 0.1 allows."),
        ('"Paid": 1', "--key No --mode mirror", "or allow more with --max-deletes."),
        ('"Paid": 1', "--key No --max-deletes 1.5", "--max-deletes must be a share of the table"),
        ('"Paid": 1', "--key Done", "--key must name fields of text"),
        ('"Paid": 1', "--key Done --mode insert", "--key must be fields of text"),
        ('"Paid": 1', "--key Done --mode insert", "Next: name others."),
        ('"Paid": 1', "--key No --zone Nowhere", "--zone must be an IANA name, got 'Nowhere'"),
    ],
)
def test_a_file_into_a_table(run: Run, link: str, tmp_path: Path, row: str, options: str, said: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f'{{"No": "c", {row}, "Done": true}}\n')
    done = run("bitable", "import", str(file), link, *options.split())
    text = done.err.splitlines()[-1]
    assert (done.code, done.out) == (1, "")
    assert said in text


def test_a_list_of_rejects(run: Run, link: str, tmp_path: Path) -> None:
    file, rejects = tmp_path / "rows.jsonl", tmp_path / "rejects.csv"
    file.write_text('{"No": "c", "Paid": ""}\n')
    options = ("--key", "No", "--skip-bad-rows", "--rejects", str(rejects))
    done = run("bitable", "import", str(file), link, *options)
    assert done.code == 0
    for text in (done.err, rejects.read_text(encoding="utf-8")):
        assert "for an empty cell write null" in text


def test_a_link_without_a_table(run: Run, link: str, tmp_path: Path) -> None:
    text = read_failure(run("bitable", "export", link.partition("?")[0], str(tmp_path / "rows.csv")))
    assert "The link must name a table. Next: pass the link from the address bar" in text


def test_which_app(run: Run, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LARK_APP_ID", "LARK_APP_SECRET", "LARK_REGISTRY_PATH"):
        monkeypatch.delenv(name)
    text = read_failure(run("bitable", "export", link, str(tmp_path / "rows.csv")))
    assert "Next: set LARK_APP_ID and LARK_APP_SECRET" in text


@cache
def collect_strings() -> str:
    """Return all string literals of the package, with None in place of the values in f-strings."""
    strings = []
    for path in Path(lark_provider.__file__).parent.rglob("*.py"):
        if path.name == "wording.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                strings.append(
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "None" for part in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.append(node.value)
    return "\n".join(strings)


@pytest.mark.parametrize("python", sorted({python for table in TABLES for python in table}))
def test_what_is_reworded_is_said(python: str) -> None:
    assert python in collect_strings()


def test_a_missing_database_is_said_without_arguments_of_python(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LARK_DATABASE_URL", raising=False)
    assert "POSTGRES_DB, or LARK_DATABASE_URL.\n" in read_failure(run("outbox", "list"))


def test_a_part_of_a_longer_name_stays() -> None:
    text = "The page ?type=x of receiver_id_type=y and key_fields_of."
    assert wording.in_options(text, wording.DRIVE_SHARE | wording.BITABLE_IMPORT) == text
