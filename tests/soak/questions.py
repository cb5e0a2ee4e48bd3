"""10,000 open questions of Airflow's, two bridges, one of them killed again and again: one card each.

`.venv/bin/python -m tests.soak.questions --questions 10000 --seed 1`. The questions are rows, since no
scheduler could ask so many; the API server, our database, the emulator and the bridges are real. Once all
cards are sent, half of the questions are answered in Airflow and the others are marked, all at one moment.
Each person must have one card for each question, and each card must show how its question ended.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from subprocess import Popen
from typing import Any

import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider.storage.crypto import EncryptionKeys
from lark_provider.storage.people import Account, People, Person
from tests.airflow.api_server import SIMPLE, ApiServer
from tests.bridge.builders import execute
from tests.failures.waiting import wait_until
from tests.services import postgres
from tests.services.processes import end_on_sigterm
from tests.soak.polling import bridge, fill
from tests.soak.saying import say

_PEOPLE = 200
_SECONDS = 1200.0
_ANSWER = """
UPDATE hitl_detail SET responded_at = now(), chosen_options = '["Approve"]', responded_by = assignees -> 0
FROM task_instance i WHERE i.id = ti_id AND i.run_id = :run AND i.map_index >= 0 AND i.map_index % 2 = 0
"""
_END = """
UPDATE task_instance SET state = CASE WHEN map_index % 2 = 0 THEN 'success' ELSE 'skipped' END,
                         updated_at = now(), end_date = now()
WHERE run_id = :run AND map_index >= 0
"""


class Bridges:
    """Two bridges, of which one is killed every few seconds and started again."""

    def __init__(self, server: ApiServer, home: Path, lark: Emulator, rng: random.Random) -> None:
        self._server, self._home, self._rng = server, home, rng
        self._settings = {
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
        }
        self.kills = 0
        self._over = threading.Event()
        self._running = [self._start(), self._start()]
        self._killer = threading.Thread(target=self._kill)
        self._killer.start()

    def _start(self) -> Popen[bytes]:
        return bridge(self._server, self._home, self._settings, "--hold-seconds", "1", "--language", "en")

    def _kill(self) -> None:
        while not self._over.wait(self._rng.uniform(10, 30)):
            place = self._rng.randrange(2)
            self._running[place].kill()
            self._running[place].wait()
            self._running[place] = self._start()
            self.kills += 1

    def close(self) -> None:
        """End them."""
        self._over.set()
        self._killer.join()
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(60)


def link_users(server: ApiServer, lark: Emulator) -> list[str]:
    """Make people in Lark, link them to users of Airflow's, and return the users."""
    people, tenant = People(server.database, EncryptionKeys(server.key)), lark.state()["tenant_key"]
    names = [f"p{number}" for number in range(_PEOPLE)]
    for name in names:
        who = lark.add_user(name)
        person = Person(lark.app_id, tenant, who["open_ids"][lark.app_id])
        people.link_person(person, Account(SIMPLE, name, name, {"sub": name, "role": "USER"}))
    return names


def count(server: ApiServer, condition: str) -> int:
    """Return how many cards fulfil a condition."""
    rows = execute(server.database, f"SELECT count(*) AS n FROM hitl_cards WHERE {condition}")  # noqa: S608 - ours
    return int(rows[0].n)


def problems(lark: Emulator, questions: int) -> list[str]:
    """Return what is wrong with the cards at the end."""
    shown: dict[str, list[str]] = {}
    for chat in lark.state()["chats"]:
        for message in chat["messages"]:
            text = json.dumps(message["content"], ensure_ascii=False)
            if "Deploy number " in text:
                shown.setdefault(text.split("Deploy number ")[1].split("?")[0], []).append(text)
    wrong = [f"{len(shown)} questions have cards"] if len(shown) != questions else []
    for number, texts in shown.items():
        said = "Approve" if int(number) % 2 == 0 else ""
        if len(texts) != 1 or "lark_wait" in texts[0] or said not in texts[0]:
            wrong.append(f"question {number}: {len(texts)} cards, the first {texts[0][:400]}")
    return wrong


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    rng = random.Random(args.seed)  # noqa: S311 - not for secrets
    say(f"seed {args.seed}")
    home = Path(tempfile.mkdtemp(prefix="bridge-questions-"))
    own = postgres.OwnPostgres().start()
    with closing(own), own.server.databases() as databases, Emulator() as lark:
        lark.settings(rate_limits=False)
        (home / "api").mkdir()
        metadata = make_url(databases.make()).render_as_string(hide_password=False)
        with ApiServer(home / "api", metadata, databases.make()) as server:
            fill(server, 0, args.questions, link_users(server, lark))
            began, bridges = time.monotonic(), Bridges(server, home, lark, rng)
            with closing(bridges):
                wait_until(lambda: count(server, "state = 'sent'") == args.questions, _SECONDS)
                took = time.monotonic() - began
                say(f"{args.questions} cards sent after {took:.0f} s, {bridges.kills} kills")
                _end(server)
                began = time.monotonic()
                wait_until(lambda: count(server, "state <> 'over'") == 0, _SECONDS)
                say(f"all over after {time.monotonic() - began:.0f} s, {bridges.kills} kills in all")
            wrong = problems(lark, args.questions)
            cards = Counter(row.state for row in execute(server.database, "SELECT state FROM hitl_cards"))
            say("\n".join([*wrong[:20], f"{dict(cards)}; {len(wrong)} problems; logs in {home}"]))
            return min(len(wrong), 1)


def _end(server: ApiServer) -> Any:
    with server.sql.begin() as connection:
        connection.execute(sa.text("SET session_replication_role = replica"))
        run = connection.scalar(sa.text("SELECT run_id FROM task_instance WHERE dag_id = 'ask' LIMIT 1"))
        connection.execute(sa.text(_ANSWER), {"run": run})
        connection.execute(sa.text(_END), {"run": run})


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
