"""LarkBitableSyncOperator in tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import InvalidRequestError
from lark_provider.operators import LarkBitableBulkInsertOperator, LarkBitableSyncOperator
from tests.client.bitable_table import make_table

Context = Callable[..., Any]
KINDS = (("No", fields.TEXT), ("Paid", fields.NUMBER))


@pytest.fixture
def link(lark: Emulator) -> str:
    return make_table(lark, [fields.Field(field_name=name, type=kind) for name, kind in KINDS]).link


def read_paid(link: str) -> dict[str, Any]:
    records = LarkServiceClient().clouddoc.bitable.search_records(link)
    return {record["fields"]["No"]: record["fields"].get("Paid") for record in records}


def orders(count: int = 50, amount: float = 1) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"No": f"A-{number}", "Paid": amount}


def test_a_table_is_kept_in_step(lark: Emulator, context: Context, link: str) -> None:
    sync = LarkBitableSyncOperator(task_id="t", table=link, records=orders, key_fields="No", mode="mirror")
    assert sync.execute(context())["created"] == 50
    assert sync.execute(context()) == {
        "created": 0, "updated": 0, "deleted": 0, "marked": 0, "unchanged": 50, "rejected": 0, "vanished": 0,
        "duplicates": 0,
    }  # fmt: skip
    assert sync.bitable_link == link
    fewer = LarkBitableSyncOperator(
        task_id="t",
        table=link,
        records="tests.airflow.test_sync_operator.orders",
        records_kwargs={"count": 48, "amount": 2},
        key_fields=["No"],
        mode="mirror",
    )
    done = fewer.execute(context())
    assert (done["updated"], done["deleted"]) == (48, 2)
    assert read_paid(link) == {f"A-{number}": 2 for number in range(48)}


def test_templates_are_rendered(context: Context, lark: Emulator, link: str) -> None:
    sync = LarkBitableSyncOperator(
        task_id="t",
        table="{{ params.link }}",
        records="{{ params.rows }}",
        key_fields="{{ params.key }}",
        rejects_path="{{ params.path }}",
    )
    sync.render_template_fields({"params": {"link": link, "rows": "x.y", "key": "No", "path": "s3://b/x"}})
    assert (sync.table, sync.records, sync.key_fields, sync.rejects_path) == (link, "x.y", "No", "s3://b/x")


def test_a_dry_run_logs_the_plan(
    lark: Emulator, context: Context, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sync = LarkBitableSyncOperator(task_id="t", table=link, records=orders, key_fields="No", dry_run=True)
    planned = sync.execute(context())
    assert (planned["created"], planned["dry_run"], read_paid(link)) == (50, True, {})
    logged = capsys.readouterr().out
    (planned_line,) = [line for line in logged.splitlines() if "Sync planned" in line]
    assert "50 creates" in planned_line
    assert link in planned_line
    changes = [line for line in logged.splitlines() if "Planned change" in line]
    assert any("create 'A-0' (No: 'A-0', Paid: 1)" in line for line in changes)


def test_rejected_rows_are_listed_and_only_these_are_retried(
    lark: Emulator, context: Context, link: str, tmp_path: Path
) -> None:
    rows = [*orders(5), {"No": "=cmd()", "Paid": "bad"}, {"No": None}]
    settings: dict[str, Any] = {"task_id": "t", "table": link, "key_fields": "No", "on_bad_row": "skip"}
    path = f"file://{tmp_path}/rejects/of/one run.csv"  # in folders that are not there yet
    done = LarkBitableSyncOperator(records=rows, rejects_path=path, **settings).execute(context())
    assert (done["created"], done["rejected"]) == (5, 2)
    text = (tmp_path / "rejects/of/one run.csv").read_text()
    assert "\n6,Paid,'=cmd()," in text
    assert "\n7,No,," in text
    fixed = [*orders(5, amount=99), {"No": "=cmd()", "Paid": 7}, {"No": "late"}]
    done = LarkBitableSyncOperator(records=fixed, retry_rejects=path, **settings).execute(context())
    assert (done["created"], done["updated"], read_paid(link)["A-0"]) == (2, 0, 1)


@pytest.mark.parametrize(
    "place", ["file://{}/file/rejects.csv", "file://{}", "/proc/rejects.csv", "none://x/rejects.csv"]
)
def test_rejects_that_cannot_be_listed_are_known_before(
    lark: Emulator, context: Context, link: str, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    rows = [{"No": "0", "Paid": 1}, {"No": "1", "Paid": "bad"}]
    settings: dict[str, Any] = {"task_id": "t", "table": link, "on_bad_row": "skip", "records": rows}
    path = place.format(tmp_path)
    for operator in (
        LarkBitableSyncOperator(key_fields="No", rejects_path=path, **settings),
        LarkBitableBulkInsertOperator(rejects_path=path, **settings),
    ):
        with pytest.raises(AirflowFailException, match=r"cannot be written: .*Next: name another"):
            operator.execute(context())
    assert read_paid(link) == {}


def test_a_list_of_rejects_that_is_missing_or_in_another_encoding(
    lark: Emulator, context: Context, link: str, tmp_path: Path
) -> None:
    """The first was retried; the second, as a spreadsheet saves Chinese keys, was a UnicodeDecodeError."""
    path = tmp_path / "rejects.csv"
    rows = [{"No": "甲", "Paid": 1}, {"No": "乙", "Paid": 2}]
    sync = LarkBitableSyncOperator(
        task_id="t", table=link, key_fields="No", records=rows, retry_rejects=f"file://{path}"
    )
    with pytest.raises(AirflowFailException, match=r"rejects\.csv cannot be read"):
        sync.execute(context())
    path.write_bytes("row,field,key,code,reason\r\n2,Paid,乙,1254015,错\r\n".encode("gb18030"))
    sync.execute(context())
    assert read_paid(link) == {"乙": 2}


def test_what_no_retry_can_fix_fails_at_once(lark: Emulator, context: Context, link: str) -> None:
    bad = LarkBitableSyncOperator(
        task_id="t", table=link, records=[{"No": "1", "Paid": "x"}], key_fields="No"
    )
    with pytest.raises(AirflowFailException, match="row 1, field 'Paid'"):
        bad.execute(context())
    with pytest.raises(AirflowFailException, match="key_fields"):
        LarkBitableSyncOperator(task_id="t", table=link, records=[], key_fields="Nope").execute(context())


def test_a_table_is_given_once(link: str) -> None:
    for operator in (LarkBitableSyncOperator, LarkBitableBulkInsertOperator):
        with pytest.raises(InvalidRequestError, match="Either app_token or table"):
            operator(task_id="t", records=[], table=link, app_token="bascn", key_fields="No")
        with pytest.raises(InvalidRequestError, match="Either app_token or table"):
            operator(task_id="t", records=[], key_fields="No")
    with pytest.raises(InvalidRequestError, match="uses up"):
        LarkBitableSyncOperator(task_id="t", table=link, records=orders(), key_fields="No")


def test_the_table_is_the_output_in_openlineage(lark: Emulator, link: str) -> None:
    sync = LarkBitableSyncOperator(task_id="t", table=link, records=[], key_fields="No")
    facets: Any = sync.get_openlineage_facets_on_complete(None)
    app_token, _, table_id = link.rpartition("/")[2].partition("?table=")
    assert facets.outputs[0].name == f"{app_token}/{table_id}"
