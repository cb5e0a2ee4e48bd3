"""Questions of a real Airflow on PostgreSQL that are answered at once: does an early answer fail a task?

`.venv/bin/python -m tests.soak.early --tasks 500 --seed 1`. As many tasks ask at a time as the machine runs.
Each question is answered at a random moment of the 20 s after Airflow has recorded it, which is before its
task has ended its process: on Airflow's own page, by a signed click, or by both; at any time many answers are
on their way. The plugin holds each answer until it can no longer fail the task. No task may fail, what was
accepted must be what Airflow has, and of two answers one must count.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL, make_url

from lark_provider.bridge.clicks import FINAL
from lark_provider.protocol.callbacks import Action, Operator
from lark_provider.protocol.hitl.delivery import DeliveredClick
from lark_provider.protocol.hitl.keys import make_button_value
from lark_provider.protocol.hitl.model import Assignee, HitlQuestion, TaskInstance
from lark_provider.protocol.hitl.proof import CLICK_PATH, BridgeSecrets
from lark_provider.storage.hitl_cards import NewCard, QuestionCards
from lark_provider.storage.hitl_questions import Questions
from tests.airflow.bridge_place import SECRET, BridgeSetup
from tests.airflow.conftest import CHAT, AirflowHome, metadata_setting
from tests.services import postgres
from tests.services.processes import end_on_sigterm
from tests.soak.saying import say

OPTIONS = ("Approve", "Reject")
WAYS = ("page", "click", "both")
LATEST = 20.0
"""Seconds after which a question is answered at the latest, from when Airflow has recorded it."""
HOLD = 15.0
"""That of the default `[workers] min_heartbeat_interval`, which is here what it is by default, too."""
_DAGS = """
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG

BOB = [{{"id": "bob", "name": "bob"}}]
with DAG("early", max_active_tasks={width}):
    HITLOperator.partial(task_id="q", options=["Approve", "Reject"], assigned_users=BOB).expand(
        subject=[f"Question {{n}}?" for n in range({tasks})]
    )
"""
_ASKED = sa.text(
    "SELECT t.id::text AS id, t.map_index FROM hitl_detail d JOIN task_instance t ON t.id = d.ti_id "
    "WHERE t.dag_id = 'early'"
)
_ENDED = sa.text(
    "SELECT t.id::text AS id, t.map_index, t.state, d.chosen_options, d.ti_id IS NOT NULL AS asked "
    "FROM task_instance t LEFT JOIN hitl_detail d ON d.ti_id = t.id WHERE t.dag_id = 'early'"
)
_MISMATCHES = sa.text("SELECT count(*) FROM log WHERE event LIKE 'state mismatch%'")
_OVER = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})
_LATER = frozenset({401, 408, 429, 502, 503, 504})
"""What a person tries again: an expired token, and a server that has no time."""
_LOOK_SECONDS, _PATIENCE_SECONDS = 0.2, 2.0


@dataclass
class Answer:
    """An answer, and what was said of it.

    Attributes:
        ti_id: The question.
        way: `page` or `click`.
        option: What was chosen.
        delay: Seconds from when the question was seen until the answer was sent.
        seconds: Until it was said what became of it.
        said: The outcome: `accepted`, or why not.
        tries: How often it was delivered.
    """

    ti_id: str
    way: str
    option: str
    delay: float
    seconds: float = 0.0
    said: str = ""
    tries: int = 0


@dataclass
class Early:
    """One run.

    Attributes:
        place: Airflow and our database.
        metadata: Airflow's database.
        tasks: How many tasks ask.
        rng: Decides everything.
    """

    place: BridgeSetup
    metadata: sa.Engine
    tasks: int
    rng: random.Random
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._secrets = BridgeSecrets(SECRET)
        self._questions, self._cards = Questions(self.place.database), QuestionCards(self.place.database)
        limits = httpx.Limits(max_connections=100)
        self._http = httpx.Client(base_url=self.place.airflow.url, timeout=120, limits=limits)
        self._on_their_way, self._lock, self.most_at_once = 0, threading.Lock(), 0

    def answer_all(self, run_id: str, seconds: float) -> None:
        """Answer each question at its own moment, until all tasks or the time are over."""
        seen: set[str] = set()
        pending: list[Future[None]] = []
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(100) as pool:
            while time.monotonic() < until and self._over() < self.tasks:
                for ti_id, map_index in self._read_asked():
                    if ti_id in seen:
                        continue
                    seen.add(ti_id)
                    task = TaskInstance(ti_id, "early", run_id, "q", map_index)
                    card = self._card(task)
                    way = self.rng.choice(WAYS)
                    for channel in ("page", "click") if way == "both" else (way,):
                        answer = Answer(ti_id, channel, self.rng.choice(OPTIONS), self.rng.uniform(0, LATEST))
                        self.answers.append(answer)
                        send = self._on_page(task) if channel == "page" else self._by_click(card, answer)
                        pending.append(pool.submit(self._answer, answer, send))
                time.sleep(_LOOK_SECONDS)
            for one_more in pending:
                one_more.result()

    def problems(self) -> list[str]:
        """Return what is wrong at the end."""
        rows = {row.id: row for row in self._read(_ENDED)}
        problems = [
            f"task {row.map_index}: {row.state}, {'asked' if row.asked else 'never asked'}"
            for row in rows.values()
            if row.state != "success"
        ]
        accepted: dict[str, list[str]] = {}
        for answer in self.answers:
            if answer.said == "accepted":
                accepted.setdefault(answer.ti_id, []).append(answer.option)
            elif answer.said not in {"409", "already_answered"}:
                problems.append(f"answer lost: {answer}")
        for ti_id in {sent.ti_id for sent in self.answers}:
            row, options = rows.get(ti_id), accepted.get(ti_id, [])
            chosen = None if row is None else row.chosen_options
            # The second one of a person who answers twice alike is told the same as the first.
            if chosen is None or set(options) != set(chosen):
                problems.append(f"question {ti_id}: accepted {options}, Airflow has {chosen}")
        if len(rows) != self.tasks:
            problems.append(f"{len(rows)} of {self.tasks} tasks")
        (mismatches,) = (row[0] for row in self._read(_MISMATCHES))
        return [*problems, f"{mismatches} state mismatches"] if mismatches else problems

    def report(self) -> str:
        """Return the figures."""
        states = Counter(row.state for row in self._read(_ENDED))
        said = Counter((answer.way, answer.said) for answer in self.answers)
        early = [answer for answer in self.answers if answer.delay < HOLD]
        waited = sorted(answer.seconds for answer in self.answers if answer.said == "accepted")
        tries = max(answer.tries for answer in self.answers)
        return (
            f"{len(self.answers)} answers, {len(early)} of them within {HOLD:g} s, at most "
            f"{self.most_at_once} on their way at once, each sent up to {tries} times; {dict(said)}; taken "
            f"after p50 {_at(waited, 0.5):.1f} s, longest {_at(waited, 1):.1f} s; tasks {dict(states)}"
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _over(self) -> int:
        return sum(row.state in _OVER for row in self._read(_ENDED))

    def _read_asked(self) -> list[tuple[str, int]]:
        return [(row.id, row.map_index) for row in self._read(_ASKED)]

    def _read(self, statement: sa.TextClause) -> list[Any]:
        with self.metadata.connect() as connection:
            return list(connection.execute(statement).all())

    def _card(self, task: TaskInstance) -> str:
        """Record the card of a question, which the bridge would only send after the hold; return its key."""
        bob = (Assignee("bob", "bob"),)
        question = HitlQuestion(task, "Question?", options=OPTIONS, assignees=bob)
        card = NewCard(task.ti_id, self.place.bob.app_id, CHAT, "chat_id", "en")
        self._questions.record({task.ti_id: datetime.now(UTC)}, [question])
        self._questions.open({task.ti_id: [card]})
        self._cards.record_sent(card.key, f"om_{task.ti_id}", CHAT, "shown")
        return card.key

    def _answer(self, answer: Answer, send: Callable[[Answer], str | None]) -> None:
        time.sleep(answer.delay)
        with self._lock:
            self._on_their_way += 1
            self.most_at_once = max(self.most_at_once, self._on_their_way)
        began = time.monotonic()
        try:
            # As the bridge and an impatient person do: what can succeed later is tried again.
            while time.monotonic() - began < 300:
                answer.tries += 1
                said = send(answer)
                if said is not None:
                    answer.said = said
                    return
                time.sleep(_PATIENCE_SECONDS)
            answer.said = "no answer within 300 s"
        finally:
            answer.seconds = time.monotonic() - began
            with self._lock:
                self._on_their_way -= 1

    def _on_page(self, task: TaskInstance) -> Callable[[Answer], str | None]:
        path = f"/api/v2{task.path}/hitlDetails"

        def send(answer: Answer) -> str | None:
            body = {"chosen_options": [answer.option], "params_input": {}}
            token = self.place.get_token("bob")
            done = self._http.request("PATCH", path, json=body, headers={"Authorization": f"Bearer {token}"})
            if done.is_success:
                return "accepted"
            return None if done.status_code in _LATER else str(done.status_code)

        return send

    def _by_click(self, card: str, answer: Answer) -> Callable[[Answer], str | None]:
        bob = self.place.bob
        click = DeliveredClick(
            event_id=uuid.uuid4().hex,
            app_id=bob.app_id,
            tenant_key=bob.tenant_key,
            operator=Operator(bob.open_id, tenant_key=bob.tenant_key),
            action=Action(tag="button", value=make_button_value(card, "answer", option=answer.option)),
            message_id=f"om_{answer.ti_id}",
            chat_id=CHAT,
            clicked_at=datetime.now(UTC),
        )
        body = click.encode_body()

        def send(_: Answer) -> str | None:
            headers = self._secrets.make_headers("POST", CLICK_PATH, int(time.time()), click.event_id, body)
            done = self._http.post(CLICK_PATH, content=body, headers=headers)
            if done.status_code not in FINAL:  # 408, too: the body came too slowly for a busy server
                return None
            outcome = str(done.json()["outcome"])
            return "accepted" if outcome == "answered" else outcome

        return send


def main() -> int:
    """Run it, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--width", type=int, default=32, help="how many of them are active at once")
    parser.add_argument("--seconds", type=float, default=3600, help="until all must have asked")
    parser.add_argument("--hold", type=float, default=HOLD, help="of the plugin; 0 shows what it is for")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    say(f"seed {args.seed}")
    home = Path(tempfile.mkdtemp(prefix="early-soak-"))
    with postgres.find(os.environ).server.databases() as databases, Emulator() as lark:
        metadata = make_url(databases.make()).set(drivername="postgresql+psycopg2")
        settings = {
            **metadata_setting(metadata),
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__API__WORKERS": "2",
            "AIRFLOW__API_AUTH__JWT_SECRET": "shared-by-all-workers-of-this-test-0123456789abcdef",
            "AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME": "3600",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
            "LARK_ANSWER_HOLD": str(args.hold),
        }
        (home / "model").mkdir()
        dags = _DAGS.format(tasks=args.tasks, width=args.width)
        place = BridgeSetup(AirflowHome(home / "model"), home, databases.make(), lark, dags, settings)
        with closing(place):
            place.link()
            return _measure(place, metadata, args, home)


def _measure(place: BridgeSetup, metadata: URL, args: argparse.Namespace, home: Path) -> int:
    engine = sa.create_engine(metadata)
    soak = Early(place, engine, args.tasks, random.Random(args.seed))  # noqa: S311 - not for secrets
    with closing(soak):
        began, load = time.monotonic(), os.getloadavg()[0]
        soak.answer_all(place.run("early"), args.seconds)
        seconds, now = time.monotonic() - began, os.getloadavg()[1]
        say(f"{args.tasks} tasks in {seconds:.0f} s, load {load:.1f} to {now:.1f}; {soak.report()}")
        problems = soak.problems()
    engine.dispose()
    say("\n".join([*problems, f"{len(problems)} problems; logs in {home}"]))
    return min(len(problems), 1)


def _at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
