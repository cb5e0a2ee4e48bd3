"""LarkSheetToSqlOperator: a worksheet into PostgreSQL and SQLite, in one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.sheets.kinds import Link
from lark_provider.errors import InvalidRequestError
from lark_provider.hooks import LarkHook
from lark_provider.hooks.frames import make_frame
from lark_provider.transfers import LarkSheetToSqlOperator
from tests.airflow.sql import Database

Context = Callable[..., Any]
AT = dt.datetime(2026, 1, 31, 9, 30)  # noqa: DTZ001 - cells have no time zone
HEADER = ["no", "paid", "done", "at", "local", "day", "page"]
FIRST = ["A-1", 12.5, True, AT, AT, AT.date(), Link("page", "https://example.com/a")]


@pytest.fixture
def link(lark: Emulator) -> str:
    sheets = LarkServiceClient().clouddoc.sheets
    spreadsheet = sheets.create("Orders")
    sheets.write(
        spreadsheet.token, "A1", [HEADER, FIRST, [None] * 7, ["A-2", 7, False, None, None, None, None]]
    )
    return str(spreadsheet.url)


@pytest.fixture
def orders(database: Database) -> Database:
    database.run(
        "CREATE TABLE orders (no VARCHAR(20) PRIMARY KEY, paid NUMERIC(12, 2), done BOOLEAN, "
        f"at {database.aware}, local TIMESTAMP, day DATE, page VARCHAR(80), run VARCHAR(20))",
        "INSERT INTO orders (no, paid, page) VALUES ('A-2', 1, 'x'), ('old', 1, 'kept')",
    )
    return database


def copy(orders: Database, link: str, **changes: Any) -> LarkSheetToSqlOperator:
    usual: dict[str, Any] = {"sql_table": "orders", "sql_conn_id": orders.conn_id, "sheet": link}
    return LarkSheetToSqlOperator(**({"task_id": "t"} | usual | changes))


def test_replace_and_its_types(lark: Emulator, context: Context, orders: Database, link: str) -> None:
    operator = copy(orders, link, zone="Asia/Shanghai")
    for _ in "12":
        assert operator.execute(context()) == {"rows": 2, "deleted": 2}
    assert operator.sheet_link == link
    [first, second] = orders.read("SELECT no, paid, done, at, local, day, page FROM orders ORDER BY no")
    assert (first[0], float(first[1]), bool(first[2]), first[6]) == (
        "A-1",
        12.5,
        True,
        "https://example.com/a",
    )
    assert (second[0], float(second[1]), bool(second[2]), second[3]) == ("A-2", 7, False, None)
    aware = AT.replace(tzinfo=dt.timezone(dt.timedelta(hours=8)))
    if orders.path:
        assert first[3:6] == (aware.isoformat(), aware.isoformat(), "2026-01-31")
    else:
        assert first[3:6] == (aware, AT, AT.date())


def test_merge_and_append(lark: Emulator, context: Context, orders: Database, link: str) -> None:
    merge = copy(orders, link, mode="merge", key_fields="no", columns=["no", "paid"])
    assert merge.execute(context()) == {"rows": 2, "deleted": 0}
    rows = {no: (float(paid), page) for no, paid, page in orders.read("SELECT no, paid, page FROM orders")}
    assert rows == {"A-1": (12.5, None), "A-2": (7, "x"), "old": (1, "kept")}
    orders.run("DELETE FROM orders")
    append = copy(orders, link, mode="append", batch_id_column="run", batch_id="r1", columns={"no": "no"})
    assert append.execute(context()) == {"rows": 2, "deleted": 0}
    assert append.execute(context()) == {"rows": 2, "deleted": 2}
    assert sorted(orders.read("SELECT no, run FROM orders")) == [("A-1", "r1"), ("A-2", "r1")]


def test_a_row_with_values_beside_the_copied_columns_only_is_left_out(
    lark: Emulator, context: Context, sqlite: Database, link: str
) -> None:
    sqlite.run("CREATE TABLE orders (no TEXT, paid INTEGER)")
    LarkServiceClient().clouddoc.sheets.write(link, "D6", [["checked by Ann"]])
    LarkServiceClient().clouddoc.sheets.write(link, "H7", [["a remark"]])
    assert copy(sqlite, link, columns=["no", "paid"]).execute(context()) == {"rows": 2, "deleted": 0}
    assert sqlite.read("SELECT no FROM orders ORDER BY no") == [("A-1",), ("A-2",)]


def test_a_day_in_a_text_column_stays_a_day(
    lark: Emulator, context: Context, database: Database, link: str
) -> None:
    database.run(f"CREATE TABLE orders (day VARCHAR(40), local TEXT, at {database.aware}, no CHAR(3))")
    columns = {"day": "day", "at": "local", "local": "at", "no": "no"}
    assert copy(database, link, columns=columns, zone="Asia/Shanghai").execute(context())["rows"] == 2
    rows = database.read("SELECT day, local FROM orders ORDER BY no")
    assert rows == [("2026-01-31", "2026-01-31T09:30:00+08:00"), (None, None)]


def test_a_day_in_a_column_of_moments_of_sqlite_begins_in_the_zone(
    lark: Emulator, context: Context, sqlite: Database, link: str
) -> None:
    sqlite.run("CREATE TABLE orders (day DATETIME)")
    copy(sqlite, link, range="F1:F2", zone="Asia/Shanghai").execute(context())
    assert sqlite.read("SELECT day FROM orders") == [("2026-01-31T00:00:00+08:00",)]


def test_a_failure_leaves_the_table_as_it_was(
    lark: Emulator, context: Context, sqlite: Database, link: str
) -> None:
    sqlite.run(
        "CREATE TABLE orders (no TEXT PRIMARY KEY, paid INTEGER)", "INSERT INTO orders VALUES ('old', 1)"
    )
    sheets = LarkServiceClient().clouddoc.sheets
    for changes, text in (
        ({"columns": ["no", "nope"]}, "has no title 'nope'"),
        ({"columns": {"no": "x"}}, "orders has no column 'x'"),
        ({"range": "A300:B301"}, "300"),
        ({"worksheet": "Other"}, "Other"),
        ({"mode": "merge", "key_fields": "paid", "columns": ["no"]}, "not among the fields"),
    ):
        with pytest.raises(AirflowFailException, match=text):
            copy(sqlite, link, **changes).execute(context())
    sheets.write(link, "A5", [["A-1"]])
    with pytest.raises(AirflowFailException, match=r"Row 3 has the key \('A-1',\), as another row has"):
        copy(sqlite, link, mode="merge", key_fields="no", columns=["no", "paid"]).execute(context())
    sheets.write(link, "B1", [["no"]])
    with pytest.raises(AirflowFailException, match="two columns titled 'no'"):
        copy(sqlite, link).execute(context())
    assert sqlite.read("SELECT * FROM orders") == [("old", 1)]


def test_an_empty_worksheet_deletes_nothing(
    lark: Emulator, context: Context, sqlite: Database, link: str
) -> None:
    sqlite.run("CREATE TABLE orders (no TEXT, paid INTEGER)", "INSERT INTO orders VALUES ('old', 1)")
    settings: dict[str, Any] = {"range": "A1:B1", "columns": ["no", "paid"]}
    with pytest.raises(AirflowFailException, match="has no rows below its header"):
        copy(sqlite, link, **settings).execute(context())
    assert copy(sqlite, link, **settings, allow_empty_table=True).execute(context())["deleted"] == 1


def test_a_spreadsheet_that_changes_is_read_again(
    lark: Emulator, context: Context, sqlite: Database, link: str
) -> None:
    sqlite.run("CREATE TABLE orders (no TEXT, paid INTEGER)")
    sheets = LarkServiceClient().clouddoc.sheets
    sheets.write(link, "A1", [["no", "paid"], *([f"A-{number}", number] for number in range(15_000))])
    operator = copy(sqlite, link, range="A1:B15001")
    read, changes = operator._iterate_rows, iter([True])

    def read_while_changing(columns: Any) -> Any:
        for number, row in enumerate(read(columns)):
            if number == 100 and next(changes, False):
                sheets.write(link, "B2", [[7]])
            yield row

    operator._iterate_rows = read_while_changing  # type: ignore[method-assign]
    assert operator.execute(context()) == {"rows": 15_000, "deleted": 0}
    assert sqlite.read("SELECT paid FROM orders WHERE no = 'A-0'") == [(7,)]


@pytest.mark.parametrize("df_type", ["pandas", "polars"])
def test_a_worksheet_as_a_data_frame(lark: Emulator, link: str, df_type: Any) -> None:
    frame = LarkHook().get_sheet_df(link, range="A1:C4", df_type=df_type)
    assert list(frame.columns) == ["no", "paid", "done"]
    assert ([frame["no"][0], frame["no"][2], frame["paid"][2]], len(frame)) == (["A-1", "A-2", 7], 3)
    with pytest.raises(InvalidRequestError, match="has no titles"):
        LarkHook().get_sheet_df(link, range="A10:C12")


@pytest.mark.parametrize("df_type", ["pandas", "polars"])
def test_a_column_of_several_types_keeps_its_values(df_type: Any) -> None:
    columns: dict[str, list[Any]] = {
        "error": [5, {"type": "#UNSUPPORT VALUE"}],
        "day": [5, AT.date()],
        "time": [AT.date(), AT],
        "page": ["page", Link("page", "https://example.com/a")],
        "done": [5, True],
    }
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    frame = make_frame(rows, list(columns), df_type)
    assert {name: list(frame[name]) for name in columns} == columns
    assert [type(value) for value in frame["done"]] == [int, bool]


def test_wrong_arguments_are_refused_when_the_dag_is_parsed() -> None:
    with pytest.raises(InvalidRequestError, match="batch_id_column must be given"):
        LarkSheetToSqlOperator(task_id="t", sql_table="x", sql_conn_id="x", sheet="s", mode="append")
