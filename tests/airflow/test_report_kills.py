"""A report that is killed at random moments and retried is one spreadsheet and one card."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.storage import urls
from tests.airflow.conftest import CHAT
from tests.airflow.sql import Database
from tests.loads.attempts import Attempts
from tests.services.postgres import Databases
from tests.storage import prepared

SEEDS, ROWS, KILLS, UNDISTURBED = 8, 240, 3, 8
FAULTS: list[dict[str, Any]] = [
    {"drop": "before"},
    {"drop": "after"},
    {"status": 502, "body": "<html>502 Bad Gateway</html>", "perform": "first"},
]


@pytest.fixture
def attempts(lark: Emulator, sqlite: Database, databases: Databases) -> Iterator[Attempts]:
    sqlite.run(
        "CREATE TABLE orders (no TEXT, customer TEXT, amount NUMERIC)",
        f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
        INSERT INTO orders SELECT printf('%05d', i), 'customer ' || i, i / 4.0 FROM n""",  # noqa: S608
    )
    url = databases.make()
    prepared.upgrade(urls.parse(url, "test"))
    environ = {
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_BASE_URL": lark.base_url,
        "LARK_DATABASE_URL": url,
        "LARK_PACING": "0",
    }
    with Attempts(environ, preload="tests.airflow.report_attempt") as runner:
        yield runner


def test_a_report_that_is_killed_is_one_spreadsheet_and_one_card(
    lark: Emulator, sqlite: Database, attempts: Attempts
) -> None:
    lark.settings(rate_limits=False, latency_ms=5.0, sheet_write_ms=2.0, list_lag_s=0.3)
    killed = 0
    for seed in range(SEEDS):
        draw = random.Random(seed)  # noqa: S311 - a test's schedule
        spec = {
            "module": "tests.airflow.report_attempt",
            "sql": "SELECT no, customer, amount FROM orders ORDER BY no",
            "conn_id": sqlite.conn_id,
            "title": f"Orders {seed}",
            "folder": f"Reports/{seed}",
            "key": f"orders {seed}",
            "receiver_id": CHAT,
        }
        for _ in range(KILLS):
            for fault in draw.sample(FAULTS, draw.randint(0, 1)):
                lark.fault("*", "*/sheets/*", skip=draw.randint(0, 6), **fault)
            ended = attempts.wait_until_ended(attempts.start({**spec, "kill_after": draw.uniform(0.02, 0.9)}))
            assert ended is not None
            killed += ended["status"] == signal.SIGKILL
        lark.clear_faults()
        for _ in range(UNDISTURBED):
            said = attempts.run(spec)
            if "rows_written" in said:
                break
        assert said["rows_written"] == ROWS, said
        files = [
            document
            for document in lark.documents()
            if document["type"] == "sheet" and str(seed) in document["title"]
        ]
        assert [file["title"] for file in files] == [f"Orders {seed}"], seed
        values = [row for row in lark.sheet(files[0]["token"])["values"] if any(cell for cell in row)]
        wanted = [[f"{n:05}", f"customer {n}", n / 4] for n in range(1, ROWS + 1)]
        assert [row[:3] for row in values] == [["no", "customer", "amount"], *wanted], seed
    [chat] = [chat for chat in lark.state()["chats"] if chat["chat_id"] == CHAT]
    cards = [str(message["content"]) for message in chat["messages"]]
    for seed in range(SEEDS):
        assert sum(f"Orders {seed}" in card for card in cards) == 1, seed
    assert killed > 0
