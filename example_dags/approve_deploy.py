"""Airflow's own question, answered on a Lark card: nothing in this file asks in Lark.

`lark-provider airflow bridge` sends the card to the receivers of `lark.yaml` and to the assignees, and the
plugin in the API servers answers as the person who clicked: docs/en/reference/bridge.md.
"""

from __future__ import annotations

import pendulum
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param

from lark_provider.operators.message import LarkSendMessageOperator

# [START approve_deploy]
with DAG(
    "approve_deploy",
    description="Deploy once a person has approved it.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule=None,
    tags=["lark", "example"],
) as dag:
    ask = ApprovalOperator(
        task_id="ask",
        subject="Deploy version {{ dag_run.conf['version'] }}?",
        body="**12** changes since the last one. Tests: passed.",
        params={"note": Param("", type=["null", "string"], title="A note for the team")},
        assigned_users=[{"id": "alice", "name": "alice"}],
    )
    tell = LarkSendMessageOperator(
        task_id="tell",
        receiver_id="{{ dag_run.conf['chat_id'] }}",
        content="Deployed {{ dag_run.conf['version'] }}. "
        "{{ ti.xcom_pull(task_ids='ask')['params_input']['note'] or '' }}",
    )
    ask >> tell
# [END approve_deploy]
