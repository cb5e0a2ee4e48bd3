"""SqlToLarkSheetOperator: queries of PostgreSQL and SQLite into a worksheet, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import InvalidRequestError, LarkError
from lark_provider.storage import urls
from lark_provider.transfers import LarkSheetToSqlOperator, SqlToLarkSheetOperator
from tests.airflow.sql import Database
from tests.storage import prepared

Context = Callable[..., Any]
ORDERS = """SELECT no AS "No", paid AS "Paid", done AS "Done", day AS "Day", meta AS "Meta"
FROM orders ORDER BY no"""
ALICE = "ou_emulator0001_alice"


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/ledger.db"
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", url)
    return url


@pytest.fixture
def orders(database: Database) -> Database:
    database.run(
        "CREATE TABLE orders (no VARCHAR(20), paid NUMERIC(12, 2), done BOOLEAN, day DATE, "
        f"meta {database.json})",
        """INSERT INTO orders VALUES ('00123', 12.50, TRUE, '2026-01-31', '{"a": "ü"}'),
        ('A-2', NULL, FALSE, NULL, NULL)""",
    )
    return database


def to_sheet(orders: Database, **changes: Any) -> SqlToLarkSheetOperator:
    usual: dict[str, Any] = {"task_id": "t", "sql": ORDERS, "sql_conn_id": orders.conn_id}
    return SqlToLarkSheetOperator(**(usual | changes))


def read_cells(lark: Emulator, token: str) -> list[list[Any]]:
    rows = [["" if cell is None else cell for cell in row] for row in lark.sheet(token)["values"]]
    while rows and not any(cell != "" for cell in rows[-1]):
        rows.pop()
    return rows


def spreadsheets() -> list[Any]:
    return [file for file in LarkServiceClient().clouddoc.drive.list_files() if file.get("type") == "sheet"]


@pytest.mark.usefixtures("ledger")
def test_a_new_spreadsheet_is_typed_shared_and_made_once(
    lark: Emulator, context: Context, orders: Database
) -> None:
    report = to_sheet(orders, title="Orders", share_with=[(ALICE, "edit")], filter=True)
    result = report.execute(context())
    token = result["spreadsheet_token"]
    assert (result["rows_written"], result["range"], report.sheet_link) == (2, "A1:E3", result["url"])
    [header, first, second] = read_cells(lark, token)
    assert header[:5] == ["No", "Paid", "Done", "Day", "Meta"]
    assert (first[0], first[1], first[4]) == ("00123", 12.5, '{"a": "ü"}')
    if not orders.path:  # SQLite has neither booleans nor dates
        assert (first[2], first[3], second[2]) == (True, 46053, False)
    grants = LarkServiceClient().clouddoc.drive.permissions.list(result["url"])
    assert {grant.id: grant.role for grant in grants}[ALICE] == "edit"

    # A retry, and the task after it was cleared, write the same spreadsheet; another run has its own.
    orders.run("UPDATE orders SET paid = 13 WHERE no = 'A-2'")
    again = report.execute(context(try_number=3, max_tries=5))
    assert again["spreadsheet_token"] == token
    assert read_cells(lark, token)[2][1] == 13
    assert report.execute(context(run_id="other"))["spreadsheet_token"] != token
    assert len(spreadsheets()) == 2


@pytest.mark.usefixtures("ledger")
def test_append_adds_a_runs_rows_once(lark: Emulator, context: Context, sqlite: Database) -> None:
    sqlite.run(
        "CREATE TABLE orders (no TEXT, paid INTEGER)", "INSERT INTO orders VALUES ('A-1', 1), ('A-2', 2)"
    )
    link = LarkServiceClient().clouddoc.sheets.create("Orders").url
    append = to_sheet(sqlite, sql="SELECT no, paid FROM orders ORDER BY no", sheet=link, mode="append")
    first = append.execute(context())
    assert append.execute(context(try_number=2)) == {**first, "replayed": 2}
    append.execute(context(run_id="next"))
    token = first["spreadsheet_token"]
    assert [row[0] for row in read_cells(lark, token)] == ["no", "A-1", "A-2", "A-1", "A-2"]


@pytest.mark.usefixtures("ledger")
def test_another_link_to_the_same_worksheet_is_the_same_write(
    lark: Emulator, context: Context, sqlite: Database
) -> None:
    sqlite.run("CREATE TABLE orders (no TEXT)", "INSERT INTO orders VALUES ('A-1'), ('A-2')")
    sheets = LarkServiceClient().clouddoc.sheets
    created = sheets.create("Orders")
    [worksheet] = sheets.list_sheets(created.token)
    for try_number, link in enumerate(
        (created.url, f"{created.url}?sheet={worksheet.sheet_id}", created.token), 1
    ):
        append = to_sheet(sqlite, sql="SELECT no FROM orders ORDER BY no", sheet=link, mode="append")
        done = append.execute(context(try_number=try_number))
        assert done["replayed"] == (0 if try_number == 1 else 2)
    assert [row[0] for row in read_cells(lark, created.token)] == ["no", "A-1", "A-2"]


@pytest.mark.usefixtures("ledger")
def test_update_by_key_titles_and_templates(lark: Emulator, context: Context, sqlite: Database) -> None:
    sqlite.run(
        "CREATE TABLE orders (no TEXT, paid INTEGER)", "INSERT INTO orders VALUES ('A-1', 1), ('A-2', 2)"
    )
    link = LarkServiceClient().clouddoc.sheets.create("Orders").url
    update = to_sheet(
        sqlite,
        sql="SELECT paid, no FROM {{ params.table }} WHERE no >= ?",
        parameters=["{{ params.first }}"],
        sheet="{{ params.link }}",
        mode="update_by_key",
        columns={"no": "Number", "paid": "Paid"},
        key_fields="no",
    )
    update.render_template_fields({"params": {"table": "orders", "first": "A", "link": link}})
    token = update.execute(context())["spreadsheet_token"]
    sqlite.run("UPDATE orders SET paid = 7 WHERE no = 'A-1'", "INSERT INTO orders VALUES ('A-0', 0)")
    update.execute(context(run_id="next"))
    assert [row[:2] for row in read_cells(lark, token)] == [
        ["Number", "Paid"],
        ["A-1", 7],
        ["A-2", 2],
        ["A-0", 0],
    ]


def test_a_query_without_rows_leaves_its_header(lark: Emulator, context: Context, orders: Database) -> None:
    empty = to_sheet(orders, sql="SELECT no, paid FROM orders WHERE no = 'x'", title="Orders")
    assert read_cells(lark, empty.execute(context())["spreadsheet_token"])[0][:2] == ["no", "paid"]


def test_what_no_retry_can_mend_fails_at_once(lark: Emulator, context: Context, sqlite: Database) -> None:
    sqlite.run("CREATE TABLE orders (no TEXT)", "INSERT INTO orders VALUES ('A-1')")
    plain = {"sql": "SELECT no FROM orders"}
    for changes, text in (
        ({"title": "x", "columns": ["nope"]}, "columns names 'nope'"),
        ({"title": "x", "sql": "missing.sql"}, "which does not exist"),
        ({"title": "x", "share_with": ["nobody@example.com"]}, "nobody@example.com"),
        ({"sheet": "shtcnNone"}, "NotFoundError"),
    ):
        with pytest.raises(AirflowFailException, match=text):
            to_sheet(sqlite, **(plain | changes)).execute(context())
    assert spreadsheets() == []
    lark.fault("POST", "*/spreadsheets", status=503, times=9)
    with pytest.raises(LarkError):
        to_sheet(sqlite, **plain, title="x", deadline=2).execute(context())


def test_a_task_that_is_ended_stops(lark: Emulator, context: Context, sqlite: Database) -> None:
    sqlite.run("CREATE TABLE orders (no TEXT)", "INSERT INTO orders VALUES ('A-1')")
    operator = to_sheet(sqlite, sql="SELECT no FROM orders", title="x")
    operator.on_kill()
    with pytest.raises(AirflowException, match="stopped by Airflow"):
        operator.execute(context())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Either sheet or title"),
        ({"sheet": "a", "title": "b"}, "Either sheet or title"),
        ({"sheet": "a", "folder": "b"}, "folder must be given for a new"),
        ({"title": "a", "mode": "upsert"}, "mode must be one of"),
        ({"title": "a", "mode": "update_by_key"}, "key_fields must be given"),
        ({"title": "a", "key_fields": "no"}, "key_fields must be given"),
        ({"title": "a", "share_with": {"ou_1": "view"}}, "share_with must list"),
        ({"title": "a", "share_with": [("ou_1", "view", "x")]}, "share_with must list"),
        ({"title": "a", "share_with": [7]}, "share_with must list"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        SqlToLarkSheetOperator(task_id="t", sql="SELECT 1", sql_conn_id="x", **changes)


def test_shares_may_be_the_outputs_of_tasks() -> None:
    with DAG("d", schedule=None):
        chat: Any = BaseOperator(task_id="pick_chat").output
        forms: list[Any] = [chat, ["ou_1", chat], [(chat, "edit")], [{"who": chat, "role": chat}]]
        tasks = [
            SqlToLarkSheetOperator(
                task_id=f"t{number}", sql="SELECT 1", sql_conn_id="x", title="t", share_with=form
            )
            for number, form in enumerate(forms)
        ]
    assert [task.upstream_task_ids for task in tasks] == [{"pick_chat"}] * len(forms)


def test_shares_are_checked_once_they_are_known(lark: Emulator, context: Context, sqlite: Database) -> None:
    class Output:
        """As much of a task's output as rendering uses."""

        def __init__(self, value: Any) -> None:
            self.value = value

        def resolve(self, _context: Any) -> Any:
            return self.value

    sqlite.run("CREATE TABLE orders (no TEXT)")
    outputs: list[Any] = [Output({"ou_1": "view"}), [Output(7)], [(ALICE, Output(7))]]
    for output in outputs:
        operator = to_sheet(sqlite, sql="SELECT no FROM orders", title="x", share_with=output)
        operator.render_template_fields(context())
        with pytest.raises(AirflowFailException, match="share_with must list"):
            operator.execute(context())
    picked = to_sheet(sqlite, sql="SELECT no FROM orders", title="x", share_with=[(Output(ALICE), "edit")])
    picked.render_template_fields(context())
    grants = LarkServiceClient().clouddoc.drive.permissions.list(picked.execute(context())["url"])
    assert {grant.id: grant.role for grant in grants}[ALICE] == "edit"


def test_shares_name_the_connections_receivers(
    lark: Emulator, context: Context, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.airflow.conftest import connection

    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"receivers": {"boss": ALICE}}))
    sqlite.run("CREATE TABLE orders (no TEXT)")
    operator = to_sheet(sqlite, sql="SELECT no FROM orders", title="x", share_with="boss")
    grants = LarkServiceClient().clouddoc.drive.permissions.list(operator.execute(context())["url"])
    assert {grant.id: grant.role for grant in grants}[ALICE] == "view"


def test_lineage(lark: Emulator, context: Context, postgres: Database) -> None:
    postgres.run("CREATE TABLE orders (no TEXT)")
    operator = to_sheet(postgres, sql="SELECT no FROM orders", title="x")
    token = operator.execute(context())["spreadsheet_token"]
    facets: Any = operator.get_openlineage_facets_on_complete(None)
    back = LarkSheetToSqlOperator(
        task_id="t", sql_table="orders", sql_conn_id=postgres.conn_id, sheet=operator.sheet_link
    )
    reverse: Any = back.get_openlineage_facets_on_complete(None)
    assert [dataset.name.partition(".")[2] for dataset in (*facets.inputs, *reverse.outputs)] == [
        "public.orders"
    ] * 2
    assert [dataset.name for dataset in (*facets.outputs, *reverse.inputs)] == [token] * 2
