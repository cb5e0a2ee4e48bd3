"""Airflow itself runs the transfers: the example DAG, twice; and a load that is terminated."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc import fields
from tests.airflow.conftest import AirflowHome, connection
from tests.airflow.sql import table
from tests.failures.waiting import wait_until

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "sql_and_lark.py"
COLUMNS = (
    ("Order", fields.TEXT), ("Customer", fields.TEXT), ("Amount", fields.NUMBER), ("Paid", fields.DATE),
    ("Remark", fields.TEXT), ("Approved", fields.CHECKBOX),
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path, airflow_home: AirflowHome) -> Iterator[Path]:
    db_path = tmp_path / "orders.db"
    airflow_home.env["AIRFLOW_CONN_ORDERS_DB"] = json.dumps({"conn_type": "sqlite", "host": str(db_path)})
    yield db_path
    del airflow_home.env["AIRFLOW_CONN_ORDERS_DB"]


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def test_the_example_goes_both_ways_and_runs_again(
    lark: Emulator, airflow_home: AirflowHome, path: Path
) -> None:
    [orders, remarks] = [line.strip() for line in EXAMPLE.read_text().splitlines() if "CREATE TABLE" in line]
    query(path, orders)
    query(path, remarks)
    query(path, "INSERT INTO orders VALUES ('A-1', 'Ann', 12.5, '2026-01-31'), ('A-2', 'Bo', 7, NULL)")
    link = table(COLUMNS)
    shutil.copy(EXAMPLE, airflow_home.dags)
    conf = json.dumps({"table": link})
    logged = airflow_home.airflow("dags", "test", "sql_and_lark", "--conf", conf, lark=lark)
    assert "2 created" in logged
    bitable = LarkServiceClient().clouddoc.bitable
    records = {record["fields"]["Order"]: record for record in bitable.search_records(link)}
    assert (records["A-1"]["fields"]["Customer"], records["A-1"]["fields"]["Amount"]) == ("Ann", 12.5)
    assert query(path, "SELECT * FROM remarks") == []
    remark = {"Remark": "call them", "Approved": True}
    bitable.update_record(link, None, records["A-1"]["record_id"], remark)
    query(path, "UPDATE orders SET amount = 8 WHERE no = 'A-2'")
    logged = airflow_home.airflow("dags", "test", "sql_and_lark", "--conf", conf, lark=lark)
    assert "1 updated, 1 unchanged" in logged
    assert query(path, "SELECT * FROM remarks") == [("A-1", "call them", 1)]


DAG_FILE = """
from __future__ import annotations
import os
import pendulum
from airflow.sdk import DAG
from lark_provider.transfers.sql_to_bitable import SqlToLarkBitableOperator

with DAG("long_load", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    SqlToLarkBitableOperator(
        task_id="load", sql="many.sql", sql_conn_id="orders_db", table=os.environ.get("TABLE", "x"),
        mode="insert")
"""
MANY = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
SELECT CAST(i AS TEXT) AS "Order" FROM n ORDER BY i"""


def test_a_task_that_airflow_terminates_stops_after_the_chunk_in_flight(
    lark: Emulator, airflow_home: AirflowHome, path: Path, tmp_path: Path
) -> None:
    link = table(COLUMNS)
    (airflow_home.dags / "long_load.py").write_text(DAG_FILE)
    (airflow_home.dags / "many.sql").write_text(MANY)
    env = airflow_home.env | {"AIRFLOW_CONN_LARK_DEFAULT": connection(lark), "TABLE": link}
    command = [sys.executable, "-m", "airflow", "dags", "test", "long_load"]
    log = tmp_path / "log"
    with log.open("w") as file:
        task = subprocess.Popen(command, env=env, stdout=file, stderr=file)  # noqa: S603 - ours

    def count_written() -> int:
        endpoints = lark.state()["by_endpoint"]
        return sum(count for name, count in endpoints.items() if name.endswith("/records/batch_create"))

    try:
        wait_until(lambda: count_written() >= 2 or task.poll() is not None, 300)
        task.send_signal(signal.SIGTERM)
        assert task.wait(120) == 1
    finally:
        task.kill()
        task.wait()
    assert "The task was stopped by Airflow" in log.read_text()
    sent = count_written()
    app_token, _, table_id = link.rpartition("/")[2].partition("?table=")
    stored_count = sum(1 for _ in LarkServiceClient().clouddoc.bitable.search_records(app_token, table_id))
    assert 2_000 <= stored_count == 1_000 * sent < 100_000
