"""The guide's section 3.3: its DAG, on a real Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.guide.arrived import messages, open_id, read_texts
from tests.guide.reader import Database

# The guide's, but for `schedule`, the standard provider's PythonOperator, the absent `provide_context`, and
# the task `etl_task`, whose result it reads and which it does not have.
DAG = """
# dags/etl_to_lark.py
from airflow.sdk import DAG
from airflow.providers.standard.operators.python import PythonOperator
from datetime import datetime
from lark_provider import LarkServiceClient

def etl():
    return {'row_count': 2, 'data': [{"Name": "甲"}, {"Name": "🚀"}]}

def load_to_lark(**context):
    \"\"\"ETL 完成后将数据加载到飞书\"\"\"
    client = LarkServiceClient(app_id="cli_airflow_app")

    # 获取 ETL 结果
    etl_result = context['task_instance'].xcom_pull(task_ids='etl_task')

    # 发送通知
    client.messaging.send_text(
        receiver_id="ou_team_leader",
        content=f"✅ ETL 完成! 数据量: {etl_result['row_count']}"
    )

    # 写入飞书多维表格
    for record in etl_result['data']:
        client.clouddoc.bitable.create_record(
            app_token="bascnxxxxxx",
            table_id="tblxxxxxx",
            fields=record
        )

with DAG(
    'etl_to_lark',
    start_date=datetime(2026, 1, 1),
    schedule='@daily',
) as dag:

    etl_task = PythonOperator(task_id='etl_task', python_callable=etl)

    load_task = PythonOperator(
        task_id='load_to_lark',
        python_callable=load_to_lark,
    )

    etl_task >> load_task
"""


def airflow(home: Path, *words: str) -> str:
    """Run an `airflow` command with an installation of the test's own, and return what it printed."""
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "airflow", *words],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def test_guide_25_the_dag_etl_to_lark(
    lark: Emulator, apps: object, upgraded: Database, tmp_path: Path
) -> None:
    with LarkServiceClient(app_id="cli_airflow_app") as client:
        base = client.clouddoc.bitable.create_app("ETL").data["app"]["app_token"]
        table = client.clouddoc.bitable.create_table(base, "Rows", [{"field_name": "Name", "type": 1}])
    table_id = str(table.data["table_id"])
    leader = open_id(lark, "cli_airflow_app")
    (tmp_path / "dags").mkdir()
    source = DAG.replace("bascnxxxxxx", base).replace("tblxxxxxx", table_id).replace("ou_team_leader", leader)
    (tmp_path / "dags" / "etl_to_lark.py").write_text(source)
    airflow(tmp_path, "db", "migrate")
    airflow(tmp_path, "dags", "test", "etl_to_lark", "2026-01-02")
    assert read_texts(lark) == ["✅ ETL 完成! 数据量: 2"]
    assert [message["sender"] for message in messages(lark)] == ["cli_airflow_app"]
    tables = {stored["table_id"]: stored for stored in lark.state()["bitables"][-1]["tables"]}
    rows = [record["fields"]["Name"] for record in tables[table_id]["records"]]
    assert rows == ["甲", "🚀"]
    assert upgraded.ask("SELECT app_id FROM tokens") == [("cli_airflow_app",)]  # one token, shared by all
