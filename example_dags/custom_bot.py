"""Tell a chat by a custom bot (自定义机器人): its webhook is all it takes, and one chat all it reaches.

Runs as is: `airflow dags test custom_bot`, with a connection `lark_webhook_default` of the type
`lark_webhook`, whose password is the URL.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from lark_provider.notifications.webhook import LarkWebhookNotifier
from lark_provider.operators.webhook import LarkWebhookOperator

# [START custom_bot]
with DAG(
    "custom_bot",
    description="A message by a custom bot, and another one when the run succeeds or fails.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule="@daily",
    catchup=False,
    on_success_callback=LarkWebhookNotifier(language="en"),
    on_failure_callback=LarkWebhookNotifier(language="en", mentions=["all"]),
    tags=["lark", "example"],
) as dag:
    LarkWebhookOperator(
        task_id="tell",
        msg_type="post",
        title="Orders of {{ ds }}",
        content="All sources are there; loading begins.",
    )
# [END custom_bot]
