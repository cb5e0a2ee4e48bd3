"""Keep a Bitable table in step with rows of Python, read it, and send it to a chat as a file.

Runs as is: `airflow dags test table_and_files --conf '{"chat_id": …, "table": …, "folder": …}'`,
with a connection `lark_default` whose app may edit the base and is in the chat. The table needs the fields
Order (text) and Amount (number); the folder is one that all workers see, such as
`s3://aws_default@bucket/orders`.
The card in the chat says what goes on, and is changed when all is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from lark_provider.api.cards import Card2, Markdown
from lark_provider.notifications.lark import LarkNotifier
from lark_provider.operators.bitable import LarkBitableSearchOperator
from lark_provider.operators.bitable_sync import LarkBitableSyncOperator
from lark_provider.operators.file import LarkSendFileOperator
from lark_provider.operators.message import LarkSendMessageOperator
from lark_provider.operators.update import LarkUpdateMessageOperator
from lark_provider.transfers.bitable_to_file import LarkBitableToFileOperator


def orders() -> Iterator[dict[str, Any]]:
    """Yield the orders of the day; a query or a file in your DAG."""
    yield {"Order": "A-1", "Amount": 120.5}
    yield {"Order": "A-2", "Amount": 7}


# [START table_and_files]
with DAG(
    "table_and_files",
    description="Orders into a Bitable, and as a file into a chat.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule="@daily",
    catchup=False,
    params={
        "chat_id": Param("oc_your_chat", type="string"),
        "table": Param("https://x.feishu.cn/base/…?table=tbl…", type="string"),
        "folder": Param("s3://aws_default@bucket/orders", type="string"),
    },
    on_success_callback=LarkNotifier(receiver_id="{{ params.chat_id }}", language="en"),
    tags=["lark", "example"],
) as dag:
    # [START send_message]
    begin = LarkSendMessageOperator(
        task_id="begin",
        receiver_id="{{ params.chat_id }}",
        msg_type="interactive",
        content=Card2([Markdown("Orders of {{ ds }}: being loaded …")]),
    )
    # [END send_message]

    # [START bitable_sync]
    sync = LarkBitableSyncOperator(
        task_id="sync", table="{{ params.table }}", records=orders, key_fields="Order", mode="upsert"
    )
    # [END bitable_sync]

    # [START bitable_search]
    large = LarkBitableSearchOperator(
        task_id="large",
        table="{{ params.table }}",
        filter=[("Amount", "isGreater", 100)],
        sort=["-Amount"],
        field_names=["Order", "Amount"],
        limit=10,
    )
    # [END bitable_search]

    # [START bitable_to_file]
    export = LarkBitableToFileOperator(
        task_id="export",
        table="{{ params.table }}",
        target="{{ params.folder }}/orders-{{ ds }}.csv",
        field_names=["Order", "Amount"],
    )
    # [END bitable_to_file]

    # [START send_file]
    send = LarkSendFileOperator(
        task_id="send",
        receiver_id="{{ params.chat_id }}",
        file="{{ params.folder }}/orders-{{ ds }}.csv",
    )
    # [END send_file]

    # [START update_message]
    done = LarkUpdateMessageOperator(
        task_id="done",
        message_id="{{ ti.xcom_pull(task_ids='begin') }}",
        content=Card2(
            [
                Markdown(
                    "Orders of {{ ds }}: **{{ ti.xcom_pull(task_ids='export')['rows'] }}**, of which "
                    "**{{ ti.xcom_pull(task_ids='large') | length }}** are large"
                )
            ]
        ),
    )
    # [END update_message]

    begin >> sync >> [large, export]
    export >> send >> done
    large >> done
# [END table_and_files]
