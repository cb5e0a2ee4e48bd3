"""Questions of a real Airflow on PostgreSQL while bridges are killed, frozen and restarted at random.

`.venv/bin/python -m tests.soak.bridge --questions 200 --seed 1`. The listener, the API servers and the
database fail, too. Each question is answered on its card, on Airflow's own page, or on both at once. Every
receiver must get one card for each question, each card must show the end that Airflow has, and each click
that was accepted must have a result that was shown. The last questions are clicked on after the faults have
ended: how long does it take from a click until its task is scheduled?
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL, make_url

from lark_provider.storage.errors import StorageError
from tests.airflow.bridge_place import BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome, metadata_setting
from tests.bridge.builders import execute
from tests.failures.waiting import wait_until
from tests.services import postgres
from tests.services.processes import end_on_sigterm, tree
from tests.soak.saying import say

_DAGS = """
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

BOB = [{{"id": "bob", "name": "bob"}}]
with DAG("soak", max_active_tasks=64):
    ApprovalOperator.partial(task_id="q", assigned_users=BOB).expand(
        subject=[f"Question number {{n:05}}?" for n in range({count})]
    )
"""
_SECONDS = 900.0
_BETWEEN = 0.6
"""Seconds between two clicks whose latency is measured."""


class Soak:
    """One run.

    Args:
        place: Airflow, the emulator and the processes.
        count: How many questions.
        rng: Decides everything.
        ours: The server of our database.
    """

    def __init__(
        self, place: BridgeSetup, count: int, rng: random.Random, ours: postgres.OwnPostgres
    ) -> None:
        self.place, self.count, self.rng, self.ours = place, count, rng, ours
        self.done = threading.Event()
        self.faults: Counter[str] = Counter()
        self.clicks = self.pages = 0
        self._counting = threading.Lock()
        self.clicked: dict[str, datetime] = {}
        """When each question was clicked on that is measured."""
        self.bridges = [place.bridge(), place.bridge()]
        self.listener = place.start("callbacks", "listen")

    def chaos(self) -> None:
        """Kill, freeze and restart until the questions are answered."""
        rng = random.Random(self.rng.random())  # noqa: S311 - not for secrets
        while not self.done.wait(rng.uniform(2, 6)):
            self._supervise()
            place = rng.randrange(2)
            process = self.bridges[place]
            fault = rng.choice(["kill", "kill", "freeze", "terminate", "listener", "api", "database"])
            self.faults[fault] += 1
            if fault == "freeze":  # Past its lease, so that another one takes over what it was doing.
                process.send_signal(signal.SIGSTOP)
                self.done.wait(rng.choice([5, 40]))
                process.send_signal(signal.SIGCONT)
            elif fault == "listener":
                self.listener.kill()
                self.listener.wait()
                self.done.wait(rng.uniform(0, 5))
                self.listener = self.place.start("callbacks", "listen")
            elif fault == "database":
                self.ours.stop("immediate")
                self.done.wait(rng.uniform(0, 8))
                self.ours.start()
            elif fault == "api":
                pids = _api_servers(self.place)
                for pid in pids:
                    os.kill(pid, signal.SIGSTOP)
                self.done.wait(rng.uniform(1, 8))
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            else:
                process.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
                process.wait()
                self.bridges[place] = self.place.bridge()

    def _supervise(self) -> None:
        """Start again what has ended by itself, as a process does that starts without a database."""
        for place, process in enumerate(self.bridges):
            if process.poll() is not None:
                self.bridges[place] = self.place.bridge()
        if self.listener.poll() is not None:
            self.listener = self.place.start("callbacks", "listen")

    def answer(self, count: int) -> set[str]:
        """Answer questions whose cards are there, and return them: on the card, on the page, or on both."""
        answered: set[str] = set()
        until = time.monotonic() + _SECONDS
        with ThreadPoolExecutor(8) as pool:
            while len(answered) < count and time.monotonic() < until:
                for ti_id, some in self.cards().items():
                    if ti_id in answered or len(answered) == count or self.rng.random() < 0.5:
                        continue
                    answered.add(ti_id)
                    way = self.rng.choice(["card", "cards", "page", "race"])
                    option = self.rng.choice(["Approve", "Reject"])
                    if way in {"card", "race"}:
                        pool.submit(self._click, some[0].message_id, option)
                    if way == "cards":
                        for card in some:
                            pool.submit(self._click, card.message_id, self.rng.choice(["Approve", "Reject"]))
                    if way in {"page", "race"}:
                        pool.submit(self._answer_page, some[0])
                time.sleep(0.5)
        assert len(answered) == count, f"{len(answered)} of {count} asked"
        return answered

    def measure(self, answered: set[str]) -> None:
        """Click on the other questions, one after the other."""
        until = time.monotonic() + _SECONDS
        while len(self.clicked) < self.count - len(answered):
            assert time.monotonic() < until, f"{len(answered) + len(self.clicked)} of {self.count} asked"
            for ti_id, some in self.cards().items():
                if ti_id not in answered and ti_id not in self.clicked:
                    self.clicked[ti_id] = self._click(some[0].message_id, "Approve")
                    time.sleep(self.rng.uniform(0, 2 * _BETWEEN))

    def latencies(self, metadata: URL) -> list[float]:
        """Return the seconds from each click that is measured until its task was scheduled, longest last."""
        engine = sa.create_engine(metadata)
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT id, scheduled_dttm FROM task_instance")).all()
        engine.dispose()
        at = {str(row.id): row.scheduled_dttm for row in rows}
        return sorted((at[ti_id] - clicked).total_seconds() for ti_id, clicked in self.clicked.items())

    def cards(self) -> dict[str, list[Any]]:
        """Return the cards of each question that is open."""
        rows = self.read(
            "SELECT c.message_id, q.ti_id, q.run_id, q.map_index FROM hitl_cards c "
            "JOIN hitl_questions q ON q.ti_id = c.ti_id WHERE c.state = 'sent' ORDER BY q.map_index"
        )
        cards: dict[str, list[Any]] = {}
        for row in rows:
            cards.setdefault(row.ti_id, []).append(row)
        return cards

    def read(self, statement: str) -> list[Any]:
        """Query our database, once it is there."""
        until = time.monotonic() + 60
        while True:
            try:
                return execute(self.place.database, statement)
            except StorageError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def _click(self, message_id: str, option: str) -> datetime:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            # The card is over, or the listener is not there.
            with suppress(ValueError, OSError, AssertionError):
                wait_until(self.place.lark.connections, 10)
                at = datetime.now(UTC)
                clicked = self.place.lark.click(message_id, "bob", option)
                # One that could not be stored is answered in time as well: the person reads that it was not.
                if clicked["code"] == 0 and (clicked["toast"] or {}).get("type") != "error":
                    with self._counting:
                        self.clicks += 1
                    return at
            time.sleep(0.5)
        return datetime.now(UTC)

    def _answer_page(self, row: Any) -> None:
        path = f"dags/soak/dagRuns/{row.run_id}/taskInstances/q/{row.map_index}/hitlDetails"
        body = {"chosen_options": ["Approve"], "params_input": {}}
        for _ in range(30):
            try:
                self.place.call("PATCH", path, body, user="bob")
            except urllib.error.HTTPError as error:
                if error.code == 409:
                    return
            except OSError:
                pass
            else:
                self.pages += 1
                return
            time.sleep(1)

    def is_settled(self) -> bool:
        """Return whether every card is over, and every click has been shown."""
        (left,) = self.read(
            "SELECT (SELECT count(*) FROM hitl_cards WHERE state NOT IN ('over')) + "
            "(SELECT count(*) FROM hitl_questions WHERE state <> 'over') + "
            "(SELECT count(*) FROM applied_clicks WHERE shown_at IS NULL) AS n"
        )
        return int(left.n) == 0

    def problems(self, run_id: str) -> list[str]:
        """Return what is wrong at the end."""
        problems: list[str] = []
        messages = [
            (chat["chat_id"], json.dumps(message["content"], ensure_ascii=False))
            for chat in self.place.lark.state()["chats"]
            for message in chat["messages"]
        ]
        details: dict[int, Any] = {}
        for offset in range(0, self.count, 100):
            page = self.place.call(
                "GET", f"dags/soak/dagRuns/{run_id}/hitlDetails?limit=100&offset={offset}&order_by=ti_id"
            )
            details |= {
                hitl_detail["task_instance"]["map_index"]: hitl_detail for hitl_detail in page["hitl_details"]
            }
        for number in range(self.count):
            of_it = [(chat, text) for chat, text in messages if f"Question number {number:05}?" in text]
            chats = Counter(chat for chat, _ in of_it)
            if len(chats) != 2 or set(chats.values()) != {1}:
                problems.append(f"question {number}: cards {dict(chats)}")
            detail = details[number]
            if not detail["response_received"]:
                problems.append(f"question {number}: unanswered")
                continue
            (option,) = detail["chosen_options"]
            for _, text in of_it:
                if "lark_wait" in text or option not in text or "bob" not in text:
                    problems.append(
                        f"question {number}: {option} in Airflow, and the card shows {text[:600]}"
                    )
        recorded = execute(self.place.database, "SELECT count(*) AS n FROM applied_clicks")[0].n
        if recorded < self.clicks:
            stored = execute(self.place.database, "SELECT count(*) AS n FROM card_callbacks")[0].n
            problems.append(f"{self.clicks} clicks, {stored} stored, {recorded} recorded")
        return problems


def _api_servers(place: BridgeSetup) -> list[int]:
    pids = []
    for pid in tree(place.airflow._process.pid):
        with suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            if b"api-server" in line or b"api_server" in line or b"uvicorn" in line:
                pids.append(pid)
    return pids


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--measured", type=int, default=50, help="questions answered after the faults")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    rng = random.Random(args.seed)  # noqa: S311 - not for secrets
    say(f"seed {args.seed}")
    home = Path(tempfile.mkdtemp(prefix="bridge-soak-"))
    with (
        closing(postgres.OwnPostgres().start()) as own,
        postgres.find(os.environ).server.databases() as databases,
        own.server.databases() as ours,
        Emulator() as lark,
    ):
        lark.settings(rate_limits=False)
        metadata = make_url(databases.make()).set(drivername="postgresql+psycopg2")
        settings = {
            **metadata_setting(metadata),
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__API__WORKERS": "2",
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
        }
        (home / "model").mkdir()
        model = AirflowHome(home / "model")
        place = BridgeSetup(model, home, ours.make(), lark, _DAGS.format(count=args.questions), settings)
        with closing(place):
            place.link()
            routes = home / "lark.yaml"
            routes.write_text(
                "defaults: {language: en}\n"
                f"routes:\n  - {{dag: soak, to: [{CHAT}, {place.bob.open_id}], what: questions}}\n"
            )
            place.environment["LARK_ROUTES_PATH"] = str(routes)
            soak = Soak(place, args.questions, rng, own)
            run_id = place.run("soak")
            chaos = threading.Thread(target=soak.chaos)
            chaos.start()
            try:
                answered = soak.answer(args.questions - args.measured)
            finally:
                soak.done.set()
                chaos.join()
                soak._supervise()
            # Once what was clicked during the faults is done, the bridges are there again.
            shown = "SELECT count(*) AS n FROM applied_clicks WHERE shown_at IS NOT NULL"
            wait_until(lambda: soak.read(shown)[0].n >= soak.clicks, 150)
            load = os.getloadavg()[0]
            soak.measure(answered)
            with suppress(AssertionError):
                wait_until(soak.is_settled, 150)
            problems = soak.problems(run_id)
            outcomes = execute(
                place.database, "SELECT state, status, count(*) AS n FROM applied_clicks GROUP BY 1, 2"
            )
            say(
                f"{dict(soak.faults)}; {soak.clicks} clicks, {soak.pages} answers on the page; results "
                f"{[tuple(row) for row in outcomes]}"
            )
            took = soak.latencies(metadata)
            if took:
                at = [took[min(len(took) - 1, int(share * len(took)))] for share in (0.5, 0.99)]
                say(
                    f"{len(took)} clicks measured, load {load:.1f} to {os.getloadavg()[0]:.1f}: click to "
                    f"task scheduled p50 {at[0]:.2f} s, p99 {at[1]:.2f} s, longest {took[-1]:.2f} s"
                )
            if not soak.is_settled():
                problems.append("not settled")
            say("\n".join([*problems, f"{len(problems)} problems; logs in {home}"]))
            return min(len(problems), 1)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
