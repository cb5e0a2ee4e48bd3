"""A query becomes a spreadsheet and a card, and what people write into a spreadsheet comes back.

Runs as is: `airflow dags test sheets_and_sql --conf '{"chat_id": …, "sheet": …}'`, with a connection
`lark_default`, and a connection `orders_db` to a database with

    CREATE TABLE orders (no VARCHAR(20) PRIMARY KEY, customer VARCHAR(100), amount NUMERIC(12, 2));
    CREATE TABLE budgets (team VARCHAR(50) PRIMARY KEY, budget NUMERIC(12, 2));

The first worksheet of the spreadsheet has the columns Team and Budget, which people fill.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from lark_provider.transfers.sheet_to_sql import LarkSheetToSqlOperator
from lark_provider.transfers.sql_to_message import SqlToLarkMessageOperator
from lark_provider.transfers.sql_to_sheet import SqlToLarkSheetOperator

# [START sheets_and_sql]
with DAG(
    "sheets_and_sql",
    description="Orders into a spreadsheet and a card, budgets back.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule="@daily",
    catchup=False,
    params={
        "chat_id": Param("oc_your_chat", type="string"),
        "sheet": Param("https://x.feishu.cn/sheets/shtcn…", type="string"),
    },
    tags=["lark", "example"],
) as dag:
    # [START sql_to_sheet]
    publish = SqlToLarkSheetOperator(
        task_id="publish",
        sql="SELECT no, customer, amount FROM orders ORDER BY no",
        sql_conn_id="orders_db",
        title="Orders {{ ds }}",
        columns={"no": "Order", "customer": "Customer", "amount": "Amount"},
        formats={"amount": "#,##0.00"},
        share_with=["{{ params.chat_id }}"],
    )
    # [END sql_to_sheet]

    # [START sheet_to_sql]
    collect = LarkSheetToSqlOperator(
        task_id="collect",
        sheet="{{ params.sheet }}",
        columns={"Team": "team", "Budget": "budget"},
        sql_table="budgets",
        sql_conn_id="orders_db",
        mode="merge",
        key_fields="Team",
    )
    # [END sheet_to_sql]

    # [START sql_to_message]
    tell = SqlToLarkMessageOperator(
        task_id="tell",
        sql="SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer ORDER BY total DESC",
        sql_conn_id="orders_db",
        receiver_id="{{ params.chat_id }}",
        title="Customers of {{ ds }}",
        text="[All orders]({{ ti.xcom_pull(task_ids='publish')['url'] }})",
        max_rows=10,
    )
    # [END sql_to_message]

    publish >> tell
# [END sheets_and_sql]
