"""An approval that was defined in Lark (审批), asked for by a DAG: docs/en/how-to/approvals.md.

`approval_code` stands in the address of the definition's page in the approval console (definitionCode=…).
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from lark_provider.operators.message import LarkSendMessageOperator
from lark_provider.operators.native_approval import LarkNativeApprovalOperator

# [START release_approval]
with DAG(
    "release_approval",
    description="Release once the approval in Lark is granted.",
    start_date=pendulum.datetime(2026, 1, 1, tz="Asia/Shanghai"),
    schedule=None,
    tags=["lark", "example"],
) as dag:
    ask = LarkNativeApprovalOperator(
        task_id="ask",
        approval_code="{{ dag_run.conf['approval_code'] }}",
        submitter="{{ dag_run.conf['submitter'] }}",
        form={
            "Version": "{{ dag_run.conf['version'] }}",
            "Environment": "Production",
            "Day": "{{ dag_run.run_after.isoformat() }}",
        },
        poll_interval=5,
        timeout=7 * 24 * 3600,
    )
    tell = LarkSendMessageOperator(
        task_id="tell",
        receiver_id="{{ dag_run.conf['chat_id'] }}",
        content="Approval {{ ti.xcom_pull(task_ids='ask')['serial_number'] }} granted: releasing "
        "{{ ti.xcom_pull(task_ids='ask')['form']['Version'] }}.",
    )
    ask >> tell
# [END release_approval]
