"""Ask a person on a card before the DAG continues.

Runs as is: `airflow dags test approve_publish --conf '{"chat_id": …}'`, with a connection
`lark_default`, a database that the workers share (`[lark] database_url`) and `lark-provider callbacks serve`
or `callbacks listen` receiving the clicks. The task occupies no worker while it waits.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from lark_provider.api.cards import Input
from lark_provider.operators.approval import LarkApprovalOperator
from lark_provider.operators.message import LarkSendMessageOperator

# [START approve_publish]
with DAG(
    "approve_publish",
    description="Publish a report once a person has approved it on a card.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule=None,
    params={
        "chat_id": Param("oc_your_chat", type="string", description="Where to ask"),
        "approvers": Param([], type="array", description="The open_ids of those who may answer"),
    },
    render_template_as_native_obj=True,
    tags=["lark", "example"],
) as dag:

    @task
    def prepare() -> str:
        """Prepare the report, and return a summary of it."""
        return "Flights out of New York on 1 January 2013: **842** rows"

    ask = LarkApprovalOperator(
        task_id="ask",
        receiver_id="{{ params.chat_id }}",
        title="Publish the daily report?",
        text="{{ ti.xcom_pull(task_ids='prepare') }}",
        options={"publish": "Publish", "drop": "Drop"},
        rejections=["drop"],
        on_reject="skip",
        fields=[Input("note", placeholder="A note for the readers")],
        approvers="{{ params.approvers }}",
        timeout=3600,
    )

    @task
    def publish(decision: dict[str, Any]) -> str:
        """Publish the report, with the note of the approver."""
        return f"Published. {decision['form_value'].get('note') or ''}".strip()

    tell = LarkSendMessageOperator(
        task_id="tell", receiver_id="{{ params.chat_id }}", content="{{ ti.xcom_pull(task_ids='publish') }}"
    )

    prepare() >> ask
    publish(ask.output) >> tell  # type: ignore[arg-type]  # an XCom
# [END approve_publish]
