"""SqlToLarkBitableOperator: queries of PostgreSQL and SQLite into a table."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from lark_provider.errors import InvalidRequestError
from lark_provider.storage import urls
from lark_provider.transfers import LarkBitableToSqlOperator, SqlToLarkBitableOperator
from lark_provider.transfers.database import get_sql_hook, is_ordered, select
from tests.airflow.sql import SQLITE, Database, table
from tests.storage import prepared

Context = Callable[..., Any]
COLUMNS = (
    ("No", fields.TEXT),
    ("Paid", fields.NUMBER),
    ("Done", fields.CHECKBOX),
    ("At", fields.DATE),
    ("Day", fields.DATE),
    ("Meta", fields.TEXT),
    ("Tags", fields.MULTI_SELECT),
)
ORDERS = """SELECT no AS "No", paid AS "Paid", done AS "Done", at AS "At", day AS "Day", meta AS "Meta"
FROM orders"""


def records(link: str) -> dict[str, Any]:
    stored = LarkServiceClient().clouddoc.bitable.search_records(link)
    return {record["fields"]["No"]: record["fields"] for record in stored}


@pytest.fixture
def link(lark: Emulator) -> str:
    lark.settings(rate_limits=False)
    return table(COLUMNS)


@pytest.fixture
def orders(database: Database) -> Database:
    database.run(
        "CREATE TABLE orders (no VARCHAR(20), paid NUMERIC(12, 2), done BOOLEAN, "
        f"at {database.aware}, day DATE, meta {database.json})",
        """INSERT INTO orders VALUES
        ('A-1', 12.50, TRUE, '2026-01-31 09:00:00+08:00', '2026-01-31', '{"a": [1, "ü"]}'),
        ('A-2', NULL, FALSE, NULL, NULL, NULL)""",
    )
    return database


def test_types_and_a_second_run(lark: Emulator, context: Context, orders: Database, link: str) -> None:
    sync = SqlToLarkBitableOperator(
        task_id="t", sql=ORDERS, sql_conn_id=orders.conn_id, table=link, key_fields="No", zone="Asia/Shanghai"
    )
    assert sync.execute(context())["created"] == 2
    assert sync.bitable_link == link
    stored = records(link)
    at = dt.datetime(2026, 1, 31, 1, tzinfo=dt.UTC)
    first = stored["A-1"]
    assert (first["Paid"], first["Done"], first["At"]) == (12.5, True, at)
    assert first["Day"].astimezone(dt.timezone(dt.timedelta(hours=8))).date() == dt.date(2026, 1, 31)
    assert first["Meta"] == '{"a": [1, "ü"]}'
    assert [stored["A-2"].get(name) for name in ("Paid", "At", "Day", "Meta")] == [None] * 4
    orders.run("UPDATE orders SET paid = 13 WHERE no = 'A-1'", "INSERT INTO orders (no) VALUES ('A-3')")
    again = sync.execute(context())
    assert (again["created"], again["updated"], again["unchanged"]) == (1, 1, 1)
    orders.run("DELETE FROM orders WHERE no = 'A-3'")
    mirror = SqlToLarkBitableOperator(
        task_id="t", sql=ORDERS, sql_conn_id=orders.conn_id, table=link, key_fields="No", mode="mirror",
        max_deletes=1, zone="Asia/Shanghai",
    )  # fmt: skip
    assert mirror.execute(context())["deleted"] == 1
    assert set(records(link)) == {"A-1", "A-2"}


def test_lists_that_a_database_holds_as_text_come_back_as_lists(
    lark: Emulator, context: Context, database: Database, link: str
) -> None:
    """As `LarkBitableToSqlOperator` writes them where there is no type for JSON."""
    sync = SqlToLarkBitableOperator(
        task_id="t",
        sql="""SELECT 'A-9' AS "No", '["x", "y"]' AS "Tags", '["z"]' AS "Meta" """,
        sql_conn_id=database.conn_id,
        table=link,
        key_fields="No",
    )
    sync.execute(context())
    [record] = records(link).values()
    assert (record["Tags"], record["Meta"]) == (["x", "y"], '["z"]')


def test_arrays_uuids_and_intervals_of_postgres(
    lark: Emulator, context: Context, postgres: Database, link: str
) -> None:
    sql = """SELECT '6f1c2a9e-0000-4000-8000-000000000001'::uuid AS "No", ARRAY['x', 'y'] AS "Tags",
        INTERVAL '90 minutes' AS "Meta" """
    sync = SqlToLarkBitableOperator(
        task_id="t", sql=sql, sql_conn_id=postgres.conn_id, table=link, key_fields="No"
    )
    sync.execute(context())
    [record] = records(link).values()
    assert (record["No"], record["Tags"], record["Meta"]) == (
        "6f1c2a9e-0000-4000-8000-000000000001",
        ["x", "y"],
        "1:30:00",
    )


def test_parameters_columns_and_templates(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    mark = "?" if orders.conn_id == SQLITE else "%s"
    sync = SqlToLarkBitableOperator(
        task_id="t",
        sql=f"SELECT * FROM {{{{ params.table }}}} WHERE no = {mark};",  # noqa: S608 - a placeholder
        sql_conn_id=orders.conn_id,
        parameters=["{{ params.no }}"],
        columns={"No": "no", "Paid": "paid"},
        table="{{ params.link }}",
        key_fields="No",
    )
    sync.render_template_fields({"params": {"table": "orders", "no": "A-1", "link": link}})
    sync.execute(context())
    [record] = records(link).values()
    assert (record["No"], record["Paid"], record.get("Done")) == ("A-1", 12.5, None)
    sync.columns = {"No": "nope"}
    with pytest.raises(AirflowFailException, match="columns names 'nope', which the query does not return"):
        sync.execute(context())


def test_insert_is_a_load_and_wants_an_order(
    lark: Emulator, context: Context, orders: Database, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {"sql_conn_id": orders.conn_id, "table": link, "mode": "insert"}
    plain = 'SELECT no AS "No", paid AS "Paid" FROM orders'
    load = SqlToLarkBitableOperator(task_id="t", sql=f"{plain} ORDER BY no", chunk_size=1, **settings)
    assert load.execute(context()) == {"written": 2, "replayed": 0, "chunks": 2}
    assert "ORDER BY" not in capsys.readouterr().out
    SqlToLarkBitableOperator(task_id="u", sql=plain, **settings).execute(context(task_id="u"))
    assert "The query has no ORDER BY." in capsys.readouterr().out
    assert len(list(LarkServiceClient().clouddoc.bitable.search_records(link))) == 4


def test_what_is_wrong_is_said_before_anything_is_written(
    lark: Emulator, context: Context, orders: Database, link: str
) -> None:
    def execute(sql: str, **changes: Any) -> None:
        usual = {"task_id": "t", "sql_conn_id": orders.conn_id, "table": link, "key_fields": "No"}
        SqlToLarkBitableOperator(sql=sql, **(usual | changes)).execute(context())

    for sql, problem in (
        ('SELECT no AS "No", paid AS "No" FROM orders', "two columns named 'No'"),
        ('SELECT no AS "No", paid AS "Nope" FROM orders', "Nope"),
        ('SELECT no AS "No", no AS "Paid" FROM orders', "row 1, field 'Paid'"),
        ('SELECT NULL AS "No" FROM orders', "No"),
        ("missing.sql", "names the file 'missing.sql', which does not exist"),
    ):
        with pytest.raises(AirflowFailException, match=problem):
            execute(sql)
    with pytest.raises(Exception, match="nowhere"):
        execute("SELECT * FROM nowhere")
    with pytest.raises(AirflowFailException, match="must be one to a SQL database, got one of LarkHook"):
        execute("SELECT 1", sql_conn_id="lark_default")
    assert records(link) == {}


def test_settings_that_do_not_fit_each_other() -> None:
    usual: dict[str, Any] = {"task_id": "t", "sql": "SELECT 1", "sql_conn_id": "c", "table": "x"}
    for changes, problem in (
        ({"mode": "replace"}, "mode must be one of upsert, mirror, insert_missing, insert"),
        ({}, "key_fields must be given with mode='upsert'"),
        ({"mode": "insert", "max_deletes": 1}, "max_deletes has no meaning"),
        ({"key_fields": "No", "on_clear": "x"}, "on_clear must be resume or restart"),
    ):
        with pytest.raises(InvalidRequestError, match=problem):
            SqlToLarkBitableOperator(**usual, **changes)


def test_a_task_that_is_ended_stops_after_the_chunk_in_flight(
    lark: Emulator, context: Context, sqlite: Database, link: str
) -> None:
    sqlite.run("CREATE TABLE many (no INTEGER)")
    sqlite.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
               "INSERT INTO many SELECT i FROM n")  # fmt: skip
    settings: dict[str, Any] = {
        "task_id": "t", "sql": 'SELECT CAST(no AS TEXT) AS "No" FROM many ORDER BY no',
        "sql_conn_id": sqlite.conn_id, "table": link,
    }  # fmt: skip
    choices: tuple[dict[str, Any], ...] = ({"mode": "insert"}, {"key_fields": "No"})
    for changes in choices:
        operator = SqlToLarkBitableOperator(**settings, **changes)
        wrote = operator.progress.wrote

        def kill_after_chunk(done: int, total: int, operator: Any = operator, wrote: Any = wrote) -> None:
            operator.on_kill()
            wrote(done, total)

        if operator.is_insert:
            operator.on_kill()
        else:
            operator.progress.wrote = kill_after_chunk  # type: ignore[method-assign]  # a SIGTERM before the first batch
        with pytest.raises(AirflowException, match="stopped by Airflow"):
            operator.execute(context())
    assert records(link) == {}


def test_memory_stays_flat(postgres: Database) -> None:
    hook = get_sql_hook(postgres.conn_id)
    peaks = []
    for count in (20_000, 200_000):
        sql = f"SELECT i, repeat('x', 100) AS text FROM generate_series(1, {count}) AS i"  # noqa: S608 - a number
        tracemalloc.start()
        assert sum(1 for _ in select(hook, sql)) == count + 1  # the names first
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 100_000


def test_the_order_of_a_query() -> None:
    assert is_ordered("select 1 order\n by 1")
    assert not is_ordered("select 1 -- order by 1\n/* order by 2 */")
    assert not is_ordered("select row_number() over (partition by coalesce(a, 1) order by a) from t")
    assert not is_ordered("select 'order by 1', \"order by\" from (select a from t order by a) as s")
    assert is_ordered("select max(a) from t order by count(*), (b)")


def test_a_cursor_is_closed_when_the_reader_stops(sqlite: Database) -> None:
    reader = select(get_sql_hook(sqlite.conn_id), "SELECT 1 AS a")
    assert [next(reader), tuple(next(reader))] == [["a"], (1,)]
    reader.close()
    with sqlite3.connect(sqlite.path) as connection:
        connection.execute("CREATE TABLE free (a)")
    connection.close()


def test_openlineage_names_both_sides(
    lark: Emulator, postgres: Database, sqlite: Database, link: str
) -> None:
    for conn_id, names in ((postgres.conn_id, ["public.orders"]), (sqlite.conn_id, [])):
        into = SqlToLarkBitableOperator(
            task_id="t", sql="SELECT * FROM orders", sql_conn_id=conn_id, table=link, key_fields="No"
        )
        facets: Any = into.get_openlineage_facets_on_complete(None)
        assert [dataset.name.partition(".")[2] for dataset in facets.inputs] == names
        back = LarkBitableToSqlOperator(task_id="t", sql_table="orders", sql_conn_id=conn_id, table=link)
        reverse: Any = back.get_openlineage_facets_on_complete(None)
        assert [dataset.name.partition(".")[2] for dataset in reverse.outputs] == names
        assert [dataset.name for dataset in facets.outputs] == [dataset.name for dataset in reverse.inputs]
        assert link.endswith(facets.outputs[0].name.partition("/")[2])


def test_without_common_sql_the_error_says_what_to_install(sqlite: Database) -> None:
    code = """
        import sys
        from airflow.sdk import BaseHook

        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.startswith("airflow.providers.common.sql"):
                    raise ImportError("blocked " + name)

        sys.meta_path.insert(0, Block())
        from lark_provider.errors import ConfigurationError
        from lark_provider.transfers import LarkBitableToSqlOperator, SqlToLarkBitableOperator
        from lark_provider.transfers.database import get_sql_hook

        try:
            get_sql_hook("orders_sqlite")
        except ConfigurationError as error:
            print(error)
    """
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "Next: install 'airflow-provider-lark[sql]'" in done.stdout


def test_a_transfer_can_be_mapped(orders: Database) -> None:
    with DAG("mapped", schedule=None) as dag:
        SqlToLarkBitableOperator.partial(
            task_id="t",
            sql=ORDERS,
            sql_conn_id=orders.conn_id,
            key_fields="No",
            zone="Asia/Shanghai",
            dry_run=True,
        ).expand(table=["https://x.feishu.cn/base/a?table=b", "https://x.feishu.cn/base/a?table=c"])
    assert dag.get_task("t").is_mapped


def test_a_query_that_fails_half_way(
    lark: Emulator,
    context: Context,
    postgres: Database,
    link: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    database = f"sqlite:///{tmp_path}/lark.db"
    prepared.upgrade(urls.parse(database, "test"))
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database)
    postgres.run("CREATE TABLE many AS SELECT i, 1 AS by FROM generate_series(1, 2500) AS i",
                 "UPDATE many SET by = 0 WHERE i = 1500")  # fmt: skip
    settings: dict[str, Any] = {
        "task_id": "t", "sql": 'SELECT (i / by)::text AS "No" FROM (SELECT * FROM many ORDER BY i) AS sorted',
        "sql_conn_id": postgres.conn_id, "table": link,
    }  # fmt: skip
    mirror = SqlToLarkBitableOperator(**settings, key_fields="No", mode="mirror", max_deletes=1.0)
    LarkServiceClient().clouddoc.bitable.bulk_insert(link, None, [{"No": "kept"}])
    with pytest.raises(Exception, match="division by zero"):
        mirror.execute(context())
    assert set(records(link)) == {"kept"}
    load = SqlToLarkBitableOperator(**settings, mode="insert")
    with pytest.raises(Exception, match="division by zero"):
        load.execute(context())
    assert len(records(link)) == 1_001
    postgres.run("UPDATE many SET by = 1")
    assert load.execute(context(try_number=2)) == {"written": 2_500, "replayed": 1_000, "chunks": 3}
    assert len(records(link)) == 2_501


def test_rejects_are_listed(
    lark: Emulator, context: Context, orders: Database, link: str, tmp_path: Path
) -> None:
    orders.run("INSERT INTO orders (no) VALUES (NULL)")
    for mode, key_fields in (("upsert", "No"), ("insert", ())):
        path = tmp_path / f"{mode}.csv"
        sql = 'SELECT no AS "No", no AS "Paid" FROM orders ORDER BY no'
        operator = SqlToLarkBitableOperator(
            task_id=mode, sql=sql, sql_conn_id=orders.conn_id, table=link, mode=mode, key_fields=key_fields,  # type: ignore[arg-type]  # of the loop
            on_bad_row="skip", rejects_path=f"file://{path}",
        )  # fmt: skip
        assert operator.execute(context(task_id=mode))["rejected"] >= 2
        assert "'A-1'" in path.read_text()
