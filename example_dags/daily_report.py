"""The daily report: a query becomes a spreadsheet in the team's folder, and one card that everybody reads.

Runs as is: `airflow dags test daily_report --conf '{"chat_id": "oc_…"}'`, with a connection
`lark_default`, and a connection `orders_db` to a database with

    CREATE TABLE orders (no VARCHAR(20) PRIMARY KEY, customer VARCHAR(100), amount NUMERIC(12, 2), day DATE);

With `[lark] database_url` it is one spreadsheet and one card a day, however often a task is killed, retried
or cleared; both are updated when the report runs again.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from lark_provider.transfers.report import LarkReportOperator

# [START daily_report]
with DAG(
    "daily_report",
    description="Orders of the day: a spreadsheet, and a card with its link.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule="0 8 * * *",
    catchup=False,
    params={"chat_id": Param("oc_…", type="string")},
    tags=["lark", "example"],
) as dag:
    LarkReportOperator(
        task_id="report",
        sql="SELECT no, customer, amount, day FROM orders ORDER BY amount DESC",
        sql_conn_id="orders_db",
        title="Orders {{ ds }}",
        folder="Reports/{{ ds[:7] }}",
        key="orders {{ ds }}",
        receiver_id="{{ params.chat_id }}",
        text="**{{ report.rows_written }}** orders on {{ ds }}",
    )
# [END daily_report]
