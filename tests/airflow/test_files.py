"""Tables and files: CSV, JSON Lines and Parquet in storages that ObjectStoragePath knows, both ways."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # has none
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import InvalidRequestError
from lark_provider.operators import LarkBitableBulkInsertOperator, LarkBitableSyncOperator
from lark_provider.transfers import LarkBitableToFileOperator
from tests.airflow.sql import table
from tests.client.conftest import count
from tests.client.sync_table import RECORDS

Context = Callable[..., Any]
COLUMNS = (
    ("No", fields.TEXT), ("Paid", fields.NUMBER), ("Done", fields.CHECKBOX), ("At", fields.DATE),
    ("Tags", fields.MULTI_SELECT),
)  # fmt: skip
AT = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
ROWS: list[dict[str, Any]] = [
    {"No": "A-1", "Paid": 12.5, "Done": True, "At": AT, "Tags": ["x", "ü"]},
    {"No": "A-2", "Paid": 100.0},
]


@pytest.fixture
def link(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    link = table(COLUMNS)
    LarkServiceClient().clouddoc.bitable.bulk_insert(link, None, ROWS)
    return link


@pytest.fixture
def empty(lark: Emulator) -> str:
    return table(COLUMNS)


def records(link: str) -> list[dict[str, Any]]:
    # A checkbox that was never set is False.
    rows = [
        {"Done": False, **record["fields"]}
        for record in LarkServiceClient().clouddoc.bitable.search_records(link)
    ]
    return sorted(rows, key=lambda row: row["No"])


@pytest.mark.parametrize("ending", ["csv", "jsonl", "ndjson", "parquet"])
@pytest.mark.parametrize("form", ["url", "object"])
def test_a_table_goes_into_a_file_and_back(
    context: Context, link: str, empty: str, tmp_path: Path, ending: str, form: str
) -> None:
    url = f"file://{tmp_path}/orders.{ending}"
    place = url if form == "url" else ObjectStoragePath(url)
    export = LarkBitableToFileOperator(task_id="e", table=link, target=place)
    assert export.execute(context()) == {"rows": 2}
    assert [path.name for path in tmp_path.iterdir()] == [f"orders.{ending}"]
    sync = LarkBitableSyncOperator(task_id="s", table=empty, source=place, key_fields="No")
    assert sync.execute(context())["created"] == 2
    assert records(empty) == records(link)
    assert sync.execute(context())["unchanged"] == 2


def test_a_load_from_a_file(lark: Emulator, context: Context, empty: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("No,Paid\nA-1,\nA-2,3\n", encoding="utf-8")
    load = LarkBitableBulkInsertOperator(task_id="t", table=empty, source=f"file://{file}")
    assert load.execute(context())["written"] == 2
    assert [(record["No"], record.get("Paid")) for record in records(empty)] == [("A-1", None), ("A-2", 3)]
    file.write_bytes("No,Paid\nä,1\n".encode("gb18030"))
    other = LarkBitableBulkInsertOperator(
        task_id="o", table=empty, source=f"file://{file}", source_encoding="gb18030"
    )
    assert other.execute(context(task_id="o"))["written"] == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"No,Paid\n" + b"A,1\n" * 1500 + b"B\n", "line 1502: a row must have 2 cells, got 1"),
        ("x.csv", b"No,Paid\n" + b"A,1\n" * 1500 + b"B,x\n", "row 1501, field 'Paid'"),
        ("x.csv", b"No,No\nA,1\n", "'No' twice"),
        ("x.csv", b"No,Paid\n\xff\xfe,1\n", "line 2, byte 1 is not in the encoding utf-8-sig"),
        ("x.jsonl", b'{"No": "A"}\n{', "line 2: "),
        ("x.parquet", b"PAR", "cannot be read"),
        ("x.xlsx", b"", "must be a CSV file"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_broken_file_fails_the_task_and_nothing_is_written(
    lark: Emulator, context: Context, empty: str, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    load = LarkBitableBulkInsertOperator(task_id="t", table=empty, source=f"file://{tmp_path}/{name}")
    with pytest.raises(AirflowFailException, match=said):
        load.execute(context())
    assert count(lark, f"{RECORDS}/batch_create") == 0


def test_a_file_without_the_key_is_refused(context: Context, empty: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("Paid\n1\n", encoding="utf-8")
    sync = LarkBitableSyncOperator(
        task_id="t", table=empty, source=f"file://{tmp_path}/x.csv", key_fields="No"
    )
    with pytest.raises(AirflowFailException, match="no column 'No', which is to be a key"):
        sync.execute(context())


def test_rejects_go_to_a_file_and_only_they_are_loaded_again(
    context: Context, empty: str, tmp_path: Path
) -> None:
    file, rejects = tmp_path / "x.csv", f"file://{tmp_path}/rejects.csv"
    file.write_text("No,Paid\nA,1\nB,?\nC,3\n", encoding="utf-8")
    load = LarkBitableBulkInsertOperator(
        task_id="t", table=empty, source=f"file://{file}", on_bad_row="skip", rejects_path=rejects
    )
    assert load.execute(context())["rejected"] == 1
    file.write_text("No,Paid\nA,1\nB,2\nC,3\n", encoding="utf-8")
    again = LarkBitableBulkInsertOperator(
        task_id="t", table=empty, source=f"file://{file}", retry_rejects=rejects
    )
    assert again.execute(context())["written"] == 1
    assert [record["Paid"] for record in records(empty)] == [1, 2, 3]


def test_a_file_of_a_remote_storage(
    context: Context, link: str, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is uploaded whole; `memory` stands for a storage that is not this machine's disk."""
    attach("memory", fs=MemoryFileSystem())
    place = ObjectStoragePath("memory://bucket/orders.parquet")
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    LarkBitableToFileOperator(task_id="e", table=link, target=place).execute(context())
    LarkBitableSyncOperator(task_id="s", table=empty, source=place, key_fields="No").execute(context())
    assert records(empty) == records(link)


def test_a_task_that_is_ended_leaves_the_file_as_it_was(context: Context, link: str, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("as it was", encoding="utf-8")
    export = LarkBitableToFileOperator(task_id="e", table=link, target=f"file://{file}")
    export.on_kill()
    with pytest.raises(AirflowException, match="stopped by Airflow"):
        export.execute(context())
    assert (file.read_text(encoding="utf-8"), len(list(tmp_path.iterdir()))) == ("as it was", 1)


def test_some_fields_in_their_order(context: Context, link: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"task_id": "e", "table": link, "target": f"file://{tmp_path}/x.jsonl"}
    LarkBitableToFileOperator(**settings, field_names=["Paid", "No"], filter=[("No", "is", "A-2")]).execute(
        context()
    )
    assert json.loads((tmp_path / "x.jsonl").read_bytes()) == {"Paid": 100.0, "No": "A-2"}
    with pytest.raises(AirflowFailException, match="'Nope', which the table does not have"):
        LarkBitableToFileOperator(**settings, field_names=["Nope"]).execute(context())


@pytest.mark.parametrize("arguments", [{}, {"records": [], "source": "file:///x.csv"}])
def test_rows_come_from_one_place(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="Either records or source must be given"):
        LarkBitableBulkInsertOperator(task_id="t", table="https://x", **arguments)


def test_files_are_named_for_openlineage(link: str, tmp_path: Path) -> None:
    load = LarkBitableBulkInsertOperator(task_id="t", table=link, source="s3://aws_default@bucket/a/x.csv")
    (dataset,) = load.get_openlineage_facets_on_complete(None).inputs  # type: ignore[attr-defined]
    assert (dataset.namespace, dataset.name) == ("s3://bucket", "a/x.csv")
    export = LarkBitableToFileOperator(task_id="t", table=link, target=f"file://{tmp_path}/x.csv")
    (dataset,) = export.get_openlineage_facets_on_complete(None).outputs  # type: ignore[attr-defined]
    assert (dataset.namespace, dataset.name) == ("file", f"{tmp_path}/x.csv")


_MEASURED = """
import resource, sys
from lark_provider.operators.object_storage import make_source, write
from lark_provider.files import reading

def peak(count):
    for kind in ("csv", "jsonl", "parquet"):
        place = f"file://{sys.argv[1]}.{kind}"
        rows = ({"No": f"order {number} " + "x" * 100, "Paid": number * 1.5} for number in range(count))
        assert write(place, {"No": "text", "Paid": "number"}, rows) == count
        assert sum(1 for _ in reading.read(make_source(place), "utf-8-sig")) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

print(-peak(60_000) + peak(240_000))
"""


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    """180,000 rows more are 23 MB of text in each format; a list of them would take 80 MB."""
    command = [sys.executable, "-c", _MEASURED, str(tmp_path / "rows")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 20, done.stdout
