"""The example DAGs: each class has one, and those that no other test runs are run here by Airflow."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient, notifications, operators, sensors, transfers
from lark_provider.api.clouddoc import fields
from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.stores import configured_sinks
from lark_provider.storage import urls
from tests.airflow.card_callbacks.clicks_and_cards import messages
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.airflow.sql import table
from tests.callbacks.parts import KnownKeys
from tests.callbacks.serving import serve
from tests.failures.waiting import wait_until
from tests.storage import prepared

FOLDER = Path(__file__).parents[2] / "example_dags"
EXAMPLES = sorted(FOLDER.glob("*.py"))
KEY, TOKEN = "the app's key", "the app's token"
DEMO = FOLDER.parent / "lark_provider" / "cli" / "demo"  # run by test_wheel.py
TESTS = (Path(__file__).parent, Path(__file__).parents[1] / "package")


def used(file: Path) -> set[str]:
    """Return the names of the classes and functions that a file calls."""
    calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name)}


def test_each_class_has_an_example() -> None:
    exported = {name for module in (operators, sensors, transfers, notifications) for name in module.__all__}
    assert exported - {name for file in EXAMPLES for name in used(file)} == set()
    assert len(exported) > 15


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_each_example_is_run_by_a_test_and_can_be_quoted(file: Path) -> None:
    others = [*(path for folder in TESTS for path in folder.rglob("*.py")), *DEMO.glob("*.py")]
    assert [path for path in others if re.search(rf'"{file.stem}(\.py)?"', path.read_text())]
    text = file.read_text()
    assert f"# [START {file.stem}]" in text
    assert f"# [END {file.stem}]" in text


@pytest.fixture
def run(lark: Emulator, airflow_home: AirflowHome) -> Iterator[Any]:
    """Yield a function that runs an example to its end and returns what it logged."""
    before = dict(airflow_home.env)
    airflow_home.env["AIRFLOW_CONN_LARK_DEFAULT"] = connection(lark)

    def to_its_end(dag_id: str, environ: dict[str, str] | None = None, **conf: str) -> str:
        shutil.copy(FOLDER / f"{dag_id}.py", airflow_home.dags)
        airflow_home.env |= environ or {}
        return airflow_home.airflow("dags", "test", dag_id, "--conf", json.dumps(conf))

    yield to_its_end
    airflow_home.env.clear()
    airflow_home.env.update(before)


def read_received(lark: Emulator) -> list[Any]:
    [chat] = [chat for chat in lark.state()["chats"] if chat["chat_id"] == CHAT]
    return [message["content"] for message in chat["messages"]]


def test_a_table_is_kept_in_step_read_and_sent_as_a_file(lark: Emulator, run: Any, tmp_path: Path) -> None:
    link = table((("Order", fields.TEXT), ("Amount", fields.NUMBER)))
    for _ in range(2):
        run("table_and_files", chat_id=CHAT, table=link, folder=f"file://{tmp_path}")
    rows = [record["fields"] for record in LarkServiceClient().clouddoc.bitable.search_records(link)]
    assert [(row["Order"], row["Amount"]) for row in rows] == [("A-1", 120.5), ("A-2", 7)]
    [file] = tmp_path.glob("orders-*.csv")
    assert file.read_text("utf-8-sig").splitlines() == ["Order,Amount", "A-1,120.5", "A-2,7"]
    card, sent, *_ = read_received(lark)
    assert "**2**, of which **1** are large" in json.dumps(card)
    assert "file_key" in sent
    assert "table_and_files" in json.dumps(read_received(lark))  # the notifier


def test_sheets_and_sql(lark: Emulator, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    sheets = LarkServiceClient().clouddoc.sheets
    sheet_url = str(sheets.create("Budgets").url)
    sheets.write_table(sheet_url, [{"Team": "Data", "Budget": 100.5}, {"Team": "Ops", "Budget": 7}])
    lines = (FOLDER / "sheets_and_sql.py").read_text().splitlines()
    with closing(sqlite3.connect(path)) as database, database:
        for line in (line for line in lines if "CREATE TABLE" in line):
            database.execute(line.strip())
        database.execute("INSERT INTO orders VALUES ('A-1', 'Ann', 12.5), ('A-2', 'Bo', 7)")
    conn = {"AIRFLOW_CONN_ORDERS_DB": json.dumps({"conn_type": "sqlite", "host": str(path)})}
    run("sheets_and_sql", conn, chat_id=CHAT, sheet=sheet_url)
    with closing(sqlite3.connect(path)) as database:
        budgets = database.execute("SELECT * FROM budgets ORDER BY team").fetchall()
    assert budgets == [("Data", 100.5), ("Ops", 7)]
    [card, *_] = read_received(lark)
    assert "Ann" in json.dumps(card)
    [token] = set(re.findall(r"/sheets/(\w+)", json.dumps(card)))
    assert [row[:2] for row in lark.sheet(token)["values"]][:2] == [["Order", "Customer"], ["A-1", "Ann"]]


def test_a_custom_bot_tells(lark: Emulator, run: Any) -> None:
    url = lark.add_webhook(token="hook-token-0123456789")
    conn = json.dumps({"conn_type": "lark_webhook", "password": url})
    run("custom_bot", {"AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT": conn})
    [bot] = lark.state()["webhooks"]
    first, second = (json.dumps(message["content"]) for message in bot["messages"])
    assert "All sources are there" in first
    assert "custom_bot" in second


def test_a_click_lets_it_go_on(
    lark: Emulator, airflow_home: AirflowHome, database_url: str, tmp_path: Path
) -> None:
    prepared.upgrade(urls.parse(database_url, "test"))
    shutil.copy(FOLDER / "wait_for_click.py", airflow_home.dags)
    env = airflow_home.env | {
        "AIRFLOW__LARK__DATABASE_URL": database_url, "AIRFLOW_CONN_LARK_DEFAULT": connection(lark),
    }  # fmt: skip
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    gateway = Gateway(keys, configured_sinks(database_url=database_url)[0], endpoint=Endpoint())
    conf = json.dumps({"chat_id": CHAT})
    command = [sys.executable, "-m", "airflow", "dags", "test", "wait_for_click", "--conf", conf]
    log = tmp_path / "run.log"
    with serve(application(gateway)) as address:
        url = f"{address}/lark/callbacks/{lark.app_id}"
        lark.set_callback(url, encrypt_key=KEY, verification_token=TOKEN)
        with log.open("wb") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as run:  # noqa: S603 - ours
            try:
                wait_until(lambda: run.poll() is not None or messages(lark), 180)
                [asking] = messages(lark)
                lark.click(asking["message_id"], user="bob", component="Load again")
                assert run.wait(180) == 0, log.read_text()[-4000:]
            finally:
                run.kill()
    assert "ou_emulator0001_bob" in log.read_text()


def test_airflow_shows_the_provider(airflow_home: AirflowHome) -> None:
    [shown] = json.loads(
        airflow_home.airflow("providers", "get", "airflow-provider-lark", "--full", "-o", "json")
    )
    assert "Lark Bitable" in json.dumps(shown)
