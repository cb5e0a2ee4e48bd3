"""The guide's section 3, but for the frameworks: the client."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from tests.failures.waiting import wait_until
from tests.guide.arrived import open_id, read_texts, token_requests
from tests.guide.reader import Database, Reader

LOAD_TO_LARK = """
from lark_provider import LarkServiceClient

client = LarkServiceClient(app_id="cli_airflow_app")

etl_result = {'row_count': 2, 'data': [{"Name": "甲"}, {"Name": "🚀"}]}

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
"""
BUILD = """
import sys

touched = []
watched = ("socket.", "sqlite3.", "subprocess.", "os.fork")
sys.addaudithook(lambda event, _: touched.append(event) if event.startswith(watched) else None)

from lark_provider import AsyncLarkServiceClient, LarkServiceClient

lark_client = LarkServiceClient(app_id="cli_your_app_id")
others = [AsyncLarkServiceClient(app_id="cli_your_app_id"), LarkServiceClient(database_url="postgresql://away/x")]
assert not touched, touched
assert not {"sqlalchemy", "psycopg2"} & sys.modules.keys()
"""
SEND = """
from lark_provider import LarkServiceClient

with LarkServiceClient(app_id="cli_your_app_id") as client:
    client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello")
"""


def test_guide_15_clients_of_several_apps_in_one_process(lark: Emulator, apps: object) -> None:
    app_ids = ["cli_your_app_id", "cli_airflow_app", "cli_your_app_id"]
    for app_id in app_ids:
        client = LarkServiceClient(app_id=app_id)
        client.messaging.send_text(receiver_id=open_id(lark, app_id), content="Hello")
    # Not by the time of the messages: two may be of the same millisecond.
    requests = [request for request in lark.requests() if request["path"].endswith("/im/v1/messages")]
    assert [request["app_id"] for request in requests] == app_ids
    assert token_requests(lark) == 2


def test_guide_20_records_in_a_loop(lark: Emulator, apps: object, reader: Reader) -> None:
    """As the DAG of section 3.3 writes them; the DAG itself is tested with Airflow."""
    with LarkServiceClient(app_id="cli_airflow_app") as client:
        base = client.clouddoc.bitable.create_app("ETL").data["app"]["app_token"]
        table = client.clouddoc.bitable.create_table(base, "Rows", [{"field_name": "Name", "type": 1}])
    script = LOAD_TO_LARK.replace("bascnxxxxxx", base).replace("tblxxxxxx", table.data["table_id"])
    reader.python(script.replace("ou_team_leader", open_id(lark, "cli_airflow_app")))
    assert read_texts(lark) == ["✅ ETL 完成! 数据量: 2"]
    tables = {stored["table_id"]: stored for stored in lark.state()["bitables"][-1]["tables"]}
    rows = [record["fields"]["Name"] for record in tables[table.data["table_id"]]["records"]]
    assert rows == ["甲", "🚀"]


def test_guide_21_a_client_for_each_request_is_cheap(
    lark: Emulator, apps: object, upgraded: Database, reader: Reader
) -> None:
    """Nothing is opened again, neither here nor, for the token, in other processes."""
    receiver = open_id(lark)
    lark.settings(rate_limits=False, receiver_qps=0)

    def request() -> None:
        client = LarkServiceClient(app_id="cli_your_app_id")
        client.messaging.send_text(receiver_id=receiver, content="Hello")

    def count_open() -> tuple[int, int, int]:
        gc.collect()  # what earlier tests left in cycles closes its files now, not in between
        files = len(list(Path("/proc/self/fd").iterdir()))
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lark_provider'"
        ((connections,),) = upgraded.ask(f"{ours} AND datname = current_database()")
        return files, int(connections), int(lark.state(summary=True)["connections"])

    request()
    before = count_open()
    for _ in range(100):
        request()
    # A connection that was idle for long is replaced, and the server notices its end a moment later. What
    # earlier tests left open in this process may be closed meanwhile.
    wait_until(lambda: all(now <= then for now, then in zip(count_open(), before, strict=True)))
    reader.python(SEND.replace("ou_xxxxxxxx", receiver))
    assert len(read_texts(lark)) == 102
    assert token_requests(lark) == 1


def test_guide_22_a_client_built_at_import_time_touches_nothing(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_HOST", "away.invalid")
    monkeypatch.setenv("LARK_BASE_URL", "https://away.invalid")
    reader.python(BUILD)
    assert [path.name for path in reader.folder.iterdir()] == ["your_app.py"]
