"""Keep a Bitable table in step with a SQL query, and bring what people enter there back into the database.

Runs as is: `airflow dags test sql_and_lark --conf '{"table": "https://…/base/…?table=tbl…"}'`, with a
connection `lark_default` whose app may edit the base, and a connection `orders_db` to a database with

    CREATE TABLE orders (no VARCHAR(20) PRIMARY KEY, customer VARCHAR(100), amount NUMERIC(12, 2), paid DATE);
    CREATE TABLE remarks (no VARCHAR(20) PRIMARY KEY, remark VARCHAR(1000), approved BOOLEAN);

The Bitable table has the fields Order (text), Customer (text), Amount (number) and Paid (date), which the
query fills, and Remark (text) and Approved (checkbox), which people fill.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from lark_provider.transfers.bitable_to_sql import LarkBitableToSqlOperator
from lark_provider.transfers.sql_to_bitable import SqlToLarkBitableOperator

# [START sql_and_lark]
with DAG(
    "sql_and_lark",
    description="Orders into a Bitable, and people's remarks back.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule="@hourly",
    catchup=False,
    params={"table": Param("https://x.feishu.cn/base/…?table=tbl…", type="string")},
    tags=["lark", "example"],
) as dag:
    # [START sql_to_lark]
    publish_orders = SqlToLarkBitableOperator(
        task_id="publish_orders",
        sql='SELECT no AS "Order", customer AS "Customer", amount AS "Amount", paid AS "Paid" FROM orders',
        sql_conn_id="orders_db",
        table="{{ params.table }}",
        key_fields="Order",
        zone="Asia/Shanghai",
    )
    # [END sql_to_lark]

    # [START lark_to_sql]
    collect_remarks = LarkBitableToSqlOperator(
        task_id="collect_remarks",
        table="{{ params.table }}",
        columns={"Order": "no", "Remark": "remark", "Approved": "approved"},
        filter=[("Remark", "isNotEmpty", None)],
        sql_table="remarks",
        sql_conn_id="orders_db",
        mode="merge",
        key_fields="Order",
    )
    # [END lark_to_sql]

    publish_orders >> collect_remarks
# [END sql_and_lark]
