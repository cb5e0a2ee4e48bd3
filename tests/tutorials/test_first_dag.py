"""docs/en/tutorials/first-dag.md, followed word by word: pip, Airflow, and a click in a browser."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.airflow.browser import Browser
from tests.failures.waiting import wait_until
from tests.services.processes import free_port
from tests.tutorials.conftest import Open
from tests.tutorials.following import state

APPROVE = "[...document.querySelectorAll('.card button')].find(one => one.innerText.trim() === 'Approve')"
BOB = (
    "(one => { one.value = 'bob'; one.dispatchEvent(new Event('change', {bubbles: true})) })"
    "(document.querySelector('.who select'))"
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with closing(Browser(tmp_path / "profile")) as opened:
        yield opened


@pytest.mark.takes_minutes
def test_a_reader_comes_from_an_empty_machine_to_an_answered_question(
    opened: Open, port: int, browser: Browser, tmp_path: Path
) -> None:
    airflow = str(free_port())
    machine = {
        "LARK_EMULATOR_PORT": str(port),
        "AIRFLOW__API__PORT": airflow,
        "AIRFLOW__API__BASE_URL": f"http://localhost:{airflow}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{airflow}/execution/",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # on a busy machine
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }
    reader = opened("tutorials/first-dag.md", machine, {"8765": str(port)})

    def read_messages() -> list[str]:
        return [str(message["content"]) for message in state(port)["chats"][0]["messages"]]

    def answer() -> None:
        browser.open(f"http://127.0.0.1:{port}")
        browser.wait("document.querySelector('.who select') !== null")
        browser.ask(BOB)
        browser.wait(f"{APPROVE} !== undefined", 300)
        browser.click(APPROVE)
        wait_until(lambda: "Published, said bob" in read_messages()[-1], 300)
        with closing(sqlite3.connect(tmp_path / "reader" / "airflow" / "airflow.db")) as database:
            states = "SELECT state FROM dag_run WHERE run_id = 'first'"
            wait_until(lambda: database.execute(states).fetchall() == [("success",)], 300)

    for section, blocks in reader.sections():
        if section == "8. Answer":
            answer()
        for block in blocks:
            reader.follow(block)
    notice, card, published = read_messages()
    assert "3 orders loaded" in notice
    assert ("Approve" in card, "'button'" in card) == (True, False)
    assert "Published, said bob" in published
    [base] = state(port)["bitables"]
    [orders] = [table for table in base["tables"] if table["name"] == "Orders"]
    assert [record["fields"].get("Paid") for record in orders["records"]] == [19.9, 7, None]
