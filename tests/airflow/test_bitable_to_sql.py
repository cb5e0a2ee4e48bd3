"""LarkBitableToSqlOperator: a table into PostgreSQL and SQLite, in one transaction."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import psycopg.rows
import psycopg2.extras
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import ConflictError, InvalidRequestError, LarkError
from lark_provider.transfers import LarkBitableToSqlOperator
from lark_provider.transfers.target import SqlTarget
from tests.airflow.sql import SQLITE, Database, table

Context = Callable[..., Any]
COLUMNS = (
    ("No", fields.TEXT),
    ("Paid", fields.NUMBER),
    ("Done", fields.CHECKBOX),
    ("At", fields.DATE),
    ("Local", fields.DATE),
    ("Day", fields.DATE),
    ("Tags", fields.MULTI_SELECT),
)
SHANGHAI = dt.timezone(dt.timedelta(hours=8))
MIDNIGHT = dt.datetime(2026, 1, 31, tzinfo=SHANGHAI)
ROWS = (
    {"No": "A-1", "Paid": 12.5, "Done": True, "At": MIDNIGHT, "Local": MIDNIGHT, "Day": MIDNIGHT,
     "Tags": ["x", "ü"]},
    {"No": "A-2", "Paid": 100},
)  # fmt: skip


def insert(link: str, *rows: dict[str, Any]) -> None:
    LarkServiceClient().clouddoc.bitable.bulk_insert(link, None, list(rows))


@pytest.fixture
def link(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    link = table(COLUMNS)
    insert(link, *ROWS)
    return link


@pytest.fixture
def orders(database: Database) -> Database:
    database.run(
        "CREATE TABLE orders (no VARCHAR(20) PRIMARY KEY, paid NUMERIC(12, 2), done BOOLEAN NOT NULL, "
        f"at {database.aware}, local TIMESTAMP, day DATE, tags {database.json}, "
        "\"own 100%\" VARCHAR(20) DEFAULT 'new')",
        """INSERT INTO orders (no, paid, done, "own 100%") VALUES
        ('A-2', 1, TRUE, 'kept'), ('old', 1, TRUE, 'kept')""",
    )
    return database


def copy(orders: Database, link: str, **changes: Any) -> LarkBitableToSqlOperator:
    usual = {"task_id": "t", "sql_table": "orders", "sql_conn_id": orders.conn_id, "table": link}
    return LarkBitableToSqlOperator(**(usual | changes))


def own(orders: Database) -> dict[str, tuple[float, str]]:
    rows = orders.read('SELECT no, paid, "own 100%" FROM orders')
    return {no: (float(paid), own_value) for no, paid, own_value in rows}


def test_replace_and_its_types(lark: Emulator, context: Context, orders: Database, link: str) -> None:
    operator = copy(orders, link, zone="Asia/Shanghai")
    for deleted in (2, 2):
        assert operator.execute(context()) == {"rows": 2, "deleted": deleted}
    assert operator.bitable_link == link
    [first, second] = orders.read("SELECT no, paid, done, at, local, day, tags FROM orders ORDER BY no")
    moments, tags = first[3:6], first[6]
    assert (first[0], float(first[1]), bool(first[2])) == ("A-1", 12.5, True)
    if orders.conn_id == SQLITE:
        assert moments == ("2026-01-31T00:00:00+08:00", "2026-01-31T00:00:00+08:00", "2026-01-31")
        assert json.loads(tags) == ["x", "ü"]
    else:
        assert moments == (MIDNIGHT, MIDNIGHT.replace(tzinfo=None), dt.date(2026, 1, 31))
        assert tags == ["x", "ü"]
    assert (float(second[1]), bool(second[2]), *second[3:]) == (100, False, None, None, None, None)


def test_days_are_those_that_people_see_in_the_base(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    """Without a zone they were UTC's, in which a day of Shanghai begins the day before."""
    copy(orders, link).execute(context())
    [(day,)] = orders.read("SELECT day FROM orders WHERE no = 'A-1'")
    assert str(day) == "2026-01-31"


def test_the_end_of_the_calendar_has_no_local_time_east_of_it(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    end = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    insert(link, {"No": "A-3", "At": end, "Local": end})
    with pytest.raises(AirflowFailException, match=r"9999-12-31T23:59:59\+00:00 .*Next: pass zone='UTC'"):
        copy(orders, link).execute(context())
    assert copy(orders, link, zone="UTC").execute(context())["rows"] == 3
    if orders.conn_id != SQLITE:
        columns = {"No": "no", "Done": "done", "At": "at"}
        assert copy(orders, link, columns=columns).execute(context())["rows"] == 3
        assert orders.read("SELECT at FROM orders WHERE no = 'A-3'") == [(end,)]


def test_merge_keeps_other_rows_and_columns(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    operator = copy(orders, link, mode="merge", key_fields="No", chunk_size=1)
    for _ in range(2):
        assert operator.execute(context())["rows"] == 2
        assert own(orders) == {"A-1": (12.5, "new"), "A-2": (100, "kept"), "old": (1, "kept")}


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_table_may_have_any_name_in_quotes(
    lark: Emulator, context: Context, database: Database, link: str, mode: str
) -> None:
    name = '"crm.50% off %s"'
    database.run(f"CREATE TABLE {name} (no VARCHAR(20) PRIMARY KEY, day DATE)")
    key = "No" if mode == "merge" else ()
    operator = copy(database, link, sql_table=name, columns=["No", "Day"], mode=mode, key_fields=key)
    for _ in range(2):
        assert operator.execute(context())["rows"] == 2
    rows = database.read(f"SELECT no, day FROM {name} ORDER BY no")  # noqa: S608
    assert [(no, day and str(day)) for no, day in rows] == [("A-1", "2026-01-31"), ("A-2", None)]


def test_merge_where_the_driver_has_no_on_conflict(
    lark: Emulator, context: Context, orders: Database, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lark_provider.transfers.target._ON_CONFLICT", frozenset())
    operator = copy(orders, link, mode="merge", key_fields="No")
    for _ in range(2):
        operator.execute(context())
        assert own(orders) == {"A-1": (12.5, "new"), "A-2": (100, "kept"), "old": (1, "kept")}


@pytest.mark.parametrize("on_conflict", [True, False])
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("chunk_size", [1, 1000])
def test_keys_that_the_database_takes_for_the_same_are_refused(
    lark: Emulator,
    context: Context,
    sqlite: Database,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    chunk_size: int,
    on_conflict: bool,
) -> None:
    """MySQL and SQL Server compare texts without regard to case by default."""
    if not on_conflict:
        monkeypatch.setattr("lark_provider.transfers.target._ON_CONFLICT", frozenset())
    lark.settings(rate_limits=False)
    link = table(COLUMNS)
    sqlite.run("CREATE TABLE alike (no TEXT COLLATE NOCASE PRIMARY KEY, paid INTEGER)")
    sqlite.run(*("INSERT INTO alike VALUES ('Ab', 1)" for _ in range(before)))
    insert(link, {"No": "ab", "Paid": 2}, {"No": "c", "Paid": 3})
    operator = copy(
        sqlite, link, sql_table="alike", columns=["No", "Paid"], mode="merge", key_fields="No",
        chunk_size=chunk_size,
    )  # fmt: skip
    for _ in range(2):
        assert operator.execute(context())["rows"] == 2
    stored = sqlite.read("SELECT no, paid FROM alike ORDER BY no")
    assert stored == [("Ab" if before else "ab", 2), ("c", 3)]
    insert(link, {"No": "AB", "Paid": 4})
    with pytest.raises(
        AirflowFailException,
        match=r"takes the keys of two rows for the same one, \('(ab|Ab|AB)',\).*Next: change",
    ):
        operator.execute(context())
    assert sqlite.read("SELECT no, paid FROM alike ORDER BY no") == stored


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_column_of_numbers_tells_no_texts_apart_that_are_one_number(database_url: str, driver: str) -> None:
    hook: Any = SimpleNamespace(placeholder="%s", escape_word_format='"{}"')
    with closing(importlib.import_module(driver).connect(database_url)) as connection:
        with closing(connection.cursor()) as cursor:
            cursor.execute("CREATE TABLE numbers (no INTEGER PRIMARY KEY, paid INTEGER)")
        target = SqlTarget(hook, connection, "numbers")
        target.insert(["no", "paid"], [("7", 1), ("8", 2)], keys=["no"])
        with pytest.raises(ConflictError, match=r"takes the keys of two rows for the same one, \(7,\)"):
            target.insert(["no", "paid"], [("9", 3), ("007", 4)], keys=["no"])


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_row_that_a_trigger_leaves_out_and_rows_as_dicts_can_be_merged(
    database_url: str, driver: str
) -> None:
    hook: Any = SimpleNamespace(placeholder="%s", escape_word_format='"{}"')
    options: dict[str, Any] = (
        {"row_factory": psycopg.rows.dict_row}
        if driver == "psycopg"
        else {"cursor_factory": psycopg2.extras.RealDictCursor}
    )
    with closing(importlib.import_module(driver).connect(database_url, **options)) as connection:
        with closing(connection.cursor()) as cursor:
            cursor.execute("CREATE TABLE numbers (no INTEGER PRIMARY KEY, paid INTEGER)")
            cursor.execute(
                "CREATE TRIGGER unchanged BEFORE UPDATE ON numbers FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            )
        for paid in (1, 2):
            rows = [("7", 1), ("8", paid), ("9", 3)]
            SqlTarget(hook, connection, "numbers").insert(["no", "paid"], rows, keys=["no"])
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT sum(paid) AS paid FROM numbers")
            assert cursor.fetchone() == {"paid": 6}


@pytest.mark.parametrize("columns", [[], {}])
def test_no_columns_are_refused(
    lark: Emulator, context: Context, orders: Database, link: str, columns: Any
) -> None:
    """They were a syntax error of the database, which was retried."""
    with pytest.raises(AirflowFailException, match="columns must name what to copy"):
        copy(orders, link, columns=columns).execute(context())
    assert len(own(orders)) == 2


def test_append_deletes_its_own_batch_first(
    lark: Emulator, context: Context, database: Database, link: str
) -> None:
    database.run("CREATE TABLE history (batch VARCHAR(40), amount NUMERIC(12, 2), rec VARCHAR(40))")
    for task, run, index, count in (
        ("t", "one", -1, 2), ("t", "one", -1, 2), ("t", "two", 0, 4), ("t", "two", 1, 6), ("t", "two", 0, 6),
        ("u", "two", -1, 8),
    ):  # fmt: skip
        operator = copy(
            database, link, sql_table="history", mode="append", columns={"Paid": "amount"},
            batch_id_column="batch", record_id_column="rec",
        )  # fmt: skip
        operator.render_template_fields({"run_id": run, "ti": context(task_id=task, map_index=index)["ti"]})
        operator.execute(context())
        assert len(database.read("SELECT 1 FROM history")) == count
    rows = database.read("SELECT batch, amount, rec FROM history ORDER BY batch, amount")
    assert [(batch, float(amount)) for batch, amount, _ in rows] == [
        ("d/t/one", 12.5), ("d/t/one", 100), ("d/t/two/0", 12.5), ("d/t/two/0", 100),
        ("d/t/two/1", 12.5), ("d/t/two/1", 100), ("d/u/two", 12.5), ("d/u/two", 100),
    ]  # fmt: skip
    assert all(rec.startswith("rec") for _, _, rec in rows)


def test_many_records_and_a_filter(lark: Emulator, context: Context, database: Database, link: str) -> None:
    insert(link, *({"No": f"B-{number}", "Paid": number} for number in range(1_200)))
    database.run("CREATE TABLE few (no VARCHAR(20), paid INTEGER)")
    few = copy(database, link, sql_table="few", columns=["No", "Paid"], filter=[("Paid", "isGreater", 99)])
    assert few.execute(context())["rows"] == 1_101
    assert database.read("SELECT count(*), min(paid), max(paid) FROM few") == [(1_101, 100, 1_199)]


def test_a_failure_leaves_the_table_as_it_was(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    before = own(orders)
    insert(link, {"No": "A-1"})
    with pytest.raises(Exception, match=r"(?i)unique"):  # found when rows are there already
        copy(orders, link, chunk_size=1).execute(context())
    assert own(orders) == before
    with pytest.raises(AirflowFailException, match=r"Record 3 has the key \('A-1',\), as another record has"):
        copy(orders, link, mode="merge", key_fields="No", chunk_size=1).execute(context())
    insert(link, {"Paid": 1})
    with pytest.raises(AirflowFailException, match="Record 2 has no value in its key"):
        copy(
            orders, link, mode="merge", key_fields="No", chunk_size=1, filter=[("Paid", "isLess", 13)]
        ).execute(context())
    insert(link, *({"No": f"B-{number}", "Paid": 2} for number in range(600)))
    lark.fault(path="*/records/search", status=500, times=99, skip=1)
    with pytest.raises(LarkError):
        copy(orders, link, deadline=1, filter=[("Paid", "is", 2)], chunk_size=100).execute(context())
    assert own(orders) == before


def test_an_empty_table_is_not_trusted(lark: Emulator, context: Context, orders: Database) -> None:
    empty = table(COLUMNS)
    before = own(orders)
    with pytest.raises(AirflowFailException, match="has 2 rows, which were not deleted"):
        copy(orders, empty).execute(context())
    assert own(orders) == before
    assert copy(orders, empty, allow_empty_table=True).execute(context()) == {"rows": 0, "deleted": 2}


def test_a_task_that_is_ended_rolls_back(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    before = own(orders)
    operator = copy(orders, link)
    operator.on_kill()
    with pytest.raises(AirflowException, match="stopped by Airflow"):
        operator.execute(context())
    assert own(orders) == before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"columns": ["No", "Nope"]}, "columns names the field 'Nope', which the Bitable table does not"),
        ({"columns": {"No": "nope"}}, "orders has no column 'nope'; it has 'no', 'paid'"),
        ({"columns": {"No": "no", "Paid": "no"}}, "Two fields go into the column 'no'"),
        ({"mode": "merge", "key_fields": "At", "columns": ["No"]}, "key_fields names 'At'"),
        ({"mode": "merge", "key_fields": "No", "columns": ["No"]}, "needs a field besides its key"),
        ({"mode": "append", "batch_id_column": "nope"}, "has no column 'nope', which batch_id_column names"),
        ({"mode": "append", "batch_id_column": "no"}, "takes a field's values in the column 'no'"),
        ({"sql_table": "orders; DROP TABLE orders"}, "sql_table must be the name of a table"),
    ],
)
def test_what_does_not_fit_is_named(
    lark: Emulator, context: Context, orders: Database, link: str, changes: dict[str, Any], problem: str
) -> None:
    before = own(orders)
    with pytest.raises(AirflowFailException, match=problem):
        copy(orders, link, **changes).execute(context())
    assert own(orders) == before


def test_settings_that_do_not_fit_each_other() -> None:
    usual: dict[str, Any] = {"task_id": "t", "sql_table": "x", "sql_conn_id": "c", "table": "x"}
    for changes, problem in (
        ({"mode": "upsert"}, "mode must be one of replace, merge, append"),
        ({"mode": "append"}, "batch_id_column must be given"),
        ({"batch_id_column": "x"}, "batch_id_column must be given"),
        ({"mode": "merge"}, "key_fields must be given"),
        ({"key_fields": "x"}, "key_fields must be given"),
        ({"chunk_size": 0}, "chunk_size must be an int of 1 or more"),
    ):
        with pytest.raises(InvalidRequestError, match=problem):
            LarkBitableToSqlOperator(**usual, **changes)
