"""Airflow itself runs the daily report: the example DAG, twice on one day."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.storage import urls
from tests.airflow.conftest import CHAT, AirflowHome
from tests.storage import prepared

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "daily_report.py"
MOST_LINES = 10
MAPPED = f"""
from __future__ import annotations
import pendulum
from airflow.sdk import DAG, task
from lark_provider.transfers import LarkReportOperator

with DAG("mapped", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    @task
    def customers():
        return ["{{{{ 1 + 1 }}}}", "Ann"]
    usual = {{"sql": "SELECT 1 AS a", "sql_conn_id": "orders_db", "receiver_id": "{CHAT}"}}
    LarkReportOperator.partial(task_id="title", **usual).expand(title=customers())
    LarkReportOperator.partial(task_id="text", title="all", **usual).expand(text=customers())
    LarkReportOperator.partial(task_id="own", title="own", **usual).expand(
        text=["own {{{{ report.rows_written }}}}"])
"""


def query(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def read_cells(lark: Emulator, token: str) -> list[list[Any]]:
    rows = [["" if cell is None else cell for cell in row][:4] for row in lark.sheet(token)["values"]]
    return [row for row in rows if any(cell != "" for cell in row)]


def test_the_daily_report_is_one_spreadsheet_and_one_card(
    lark: Emulator, airflow_home: AirflowHome, tmp_path: Path
) -> None:
    text = EXAMPLE.read_text("utf-8")
    operators = re.findall(r"^    \w+Operator\(.*?^    \)$", text, re.DOTALL | re.MULTILINE)
    assert 0 < sum(operator.count("\n") + 1 for operator in operators) <= MOST_LINES
    orders, ledger = tmp_path / "orders.db", f"sqlite:///{tmp_path}/ledger.db"
    [create] = [line.strip() for line in text.splitlines() if "CREATE TABLE" in line]
    query(orders, create)
    query(orders, "INSERT INTO orders VALUES ('A-1', 'Ann', 12.5, '2026-01-31'), ('007', 'Bo', 70, NULL)")
    prepared.upgrade(urls.parse(ledger, "test"))
    shutil.copy(EXAMPLE, airflow_home.dags)
    added = {
        "AIRFLOW_CONN_ORDERS_DB": json.dumps({"conn_type": "sqlite", "host": str(orders)}),
        "AIRFLOW__LARK__DATABASE_URL": ledger,
    }
    run = ("dags", "test", "daily_report", "2026-11-26", "--conf", json.dumps({"chat_id": CHAT}))
    airflow_home.env |= added
    try:
        airflow_home.airflow(*run, lark=lark)
        query(orders, "INSERT INTO orders VALUES ('A-3', 'Cy', 1, NULL)")
        airflow_home.airflow(*run, lark=lark)
    finally:
        for name in added:
            del airflow_home.env[name]
    drive = LarkServiceClient().clouddoc.drive
    [spreadsheet] = drive.list_files("Reports/2026-11")
    assert spreadsheet["name"] == "Orders 2026-11-26"
    [header, *rows] = read_cells(lark, spreadsheet["token"])
    assert header == ["no", "customer", "amount", "day"]
    assert [row[:3] for row in rows] == [["007", "Bo", 70], ["A-1", "Ann", 12.5], ["A-3", "Cy", 1]]
    assert {grant.id: grant.role for grant in drive.permissions.list(spreadsheet["url"])}[CHAT] == "view"
    [chat] = [chat for chat in lark.state()["chats"] if chat["chat_id"] == CHAT]
    [card] = chat["messages"]
    assert "**3** orders on 2026-11-26" in str(card["content"])
    assert spreadsheet["url"] in str(card["content"])


def test_what_a_mapped_task_is_passed_is_no_template(
    lark: Emulator, airflow_home: AirflowHome, tmp_path: Path
) -> None:
    """Airflow renders no XCom; what the DAG itself lists is rendered, once the report is known."""
    (airflow_home.dags / "mapped.py").write_text(MAPPED)
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    prepared.upgrade(urls.parse(ledger, "test"))
    added = {
        "AIRFLOW_CONN_ORDERS_DB": json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "orders.db")}),
        "AIRFLOW__LARK__DATABASE_URL": ledger,
    }
    airflow_home.env |= added
    try:
        airflow_home.airflow("dags", "test", "mapped", lark=lark)
    finally:
        for name in added:
            del airflow_home.env[name]
    [chat] = [chat for chat in lark.state()["chats"] if chat["chat_id"] == CHAT]
    contents = [message["content"] for message in chat["messages"]]
    titles = [content["header"]["title"]["content"] for content in contents]
    assert sorted(titles) == ["Ann", "all", "all", "own", "{{ 1 + 1 }}"]
    texts = [str(content["body"]) for content in contents]
    assert sum("{{ 1 + 1 }}" in text for text in texts) == 1
    assert sum("own 1" in text for text in texts) == 1
