"""Send a card of your own making, and go on when a person clicks one of its buttons.

Runs as is: `airflow dags test wait_for_click --conf '{"chat_id": …}'`, with a connection
`lark_default`, a database that the workers share (`[lark] database_url`) and `lark-provider callbacks serve`
or `callbacks listen` receiving the clicks. The task occupies no worker while it waits.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from lark_provider.api.cards import Button, Card2, Markdown
from lark_provider.operators.message import LarkSendMessageOperator
from lark_provider.sensors.card_callback import LarkCardCallbackSensor

# [START wait_for_click]
with DAG(
    "wait_for_click",
    description="Go on when a person has clicked.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule=None,
    params={"chat_id": Param("oc_your_chat", type="string")},
    tags=["lark", "example"],
) as dag:
    send = LarkSendMessageOperator(
        task_id="send",
        receiver_id="{{ params.chat_id }}",
        msg_type="interactive",
        content=Card2([Markdown("The source is late."), Button("Load again", value={"action": "again"})]),
    )
    wait = LarkCardCallbackSensor(
        task_id="wait",
        message_id="{{ ti.xcom_pull(task_ids='send') }}",
        actions=["again"],
        deferrable=True,
        timeout=3600,
    )

    @task
    def load(click: dict[str, Any]) -> str:
        """Load again, and return who wanted it."""
        return str(click["operator"]["open_id"])

    send >> wait
    load(wait.output)  # type: ignore[arg-type]  # an XCom
# [END wait_for_click]
