"""The bridge's poller on a real API server, when thousands of questions end at one moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import sqlalchemy as sa

from lark_provider.bridge import questions
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.audit_log import AuditLog
from lark_provider.bridge.question_ends import QuestionEnds
from lark_provider.bridge.questions import QuestionPoller
from lark_provider.bridge.settings import BridgeSettings, Credentials
from lark_provider.protocol.hitl.proof import BridgeSecrets
from lark_provider.storage.hitl_questions import Questions
from lark_provider.support.secret import Secret
from tests.airflow.api_server import ApiServer
from tests.bridge.builders import execute

COUNT = 500
_COPY = """
INSERT INTO task_instance (id, map_index, state, try_number, updated_at, {columns})
SELECT gen_random_uuid(), n, 'awaiting_input', 1, now() - interval '1 hour', {columns}
FROM task_instance, generate_series(0, :last) n
WHERE dag_id = 'ask' AND run_id = :run AND task_id = 'q' AND map_index = -1
"""
_ASK = """
INSERT INTO hitl_detail (ti_id, options, subject, multiple, params, assignees, params_input, created_at)
SELECT id, '["Approve", "Reject"]', 'Deploy?', false, '{}', '[]', '{}', now()
FROM task_instance WHERE run_id = :run AND map_index >= 0
"""


class Run:
    """A run whose task waits for answers, once for each map index, and the poller that follows them."""

    def __init__(self, server: ApiServer) -> None:
        self.server, self.run_id = server, server.run("ask")
        # Questions that earlier tests have left open would take places among those that are read.
        execute(server.database, "DELETE FROM hitl_questions")
        with server.sql.begin() as connection:
            connection.execute(sa.text("DELETE FROM hitl_detail"))
            names = sa.inspect(connection).get_columns("task_instance")
            own = {"id", "map_index", "state", "try_number", "updated_at"}
            columns = ", ".join(f'"{column["name"]}"' for column in names if column["name"] not in own)
            copied = sa.text(_COPY.format(columns=columns))
            connection.execute(copied, {"last": COUNT - 1, "run": self.run_id})
            connection.execute(sa.text(_ASK), {"run": self.run_id})

    def change(self, statement: str) -> None:
        with self.server.sql.begin() as connection:
            connection.execute(sa.text(statement), {"run": self.run_id})

    def over(self) -> int:
        query = "SELECT count(*) AS n FROM hitl_questions WHERE run_id = :run AND state = 'over'"
        count: int = execute(self.server.database, query, run=self.run_id)[0].n
        return count

    def poll(self, work: Callable[[QuestionPoller], Awaitable[object]]) -> None:
        credentials = Credentials(self.server.url, "eve", Secret("eve"))
        settings = BridgeSettings(credentials, BridgeSecrets("s" * 32))

        async def poll() -> None:
            api = AirflowApi(credentials)
            try:
                store = Questions(self.server.database)
                ends = QuestionEnds(api, store, AuditLog(api, store))
                await work(QuestionPoller(api, store, ends, settings))
            finally:
                await api.close()

        asyncio.run(poll())


@pytest.fixture
def run(api_server: ApiServer) -> Iterator[Run]:
    run = Run(api_server)
    yield run
    run.change("DELETE FROM task_instance WHERE run_id = :run")
    execute(api_server.database, "DELETE FROM hitl_questions WHERE run_id = :run", run=run.run_id)


def test_many_answers_of_one_moment_are_read_soon(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_ANSWERED_EVERY", 1)
    monkeypatch.setattr(questions, "_MAX_PAGES", 2)
    monkeypatch.setattr(questions, "_MAX_SETTLED", 20)

    async def work(poller: QuestionPoller) -> None:
        await poller.poll()
        poller._complete_due = time.monotonic() + 600
        run.change(
            "UPDATE hitl_detail SET responded_at = now(), chosen_options = '[\"Approve\"]', "
            'responded_by = \'{"id": "bob", "name": "bob"}\' '
            "WHERE ti_id IN (SELECT id FROM task_instance WHERE run_id = :run)"
        )
        run.change("UPDATE task_instance SET state = 'success', updated_at = now() WHERE run_id = :run")
        for _ in range(3):
            await poller.poll()

    run.poll(work)
    assert run.over() == COUNT


def test_many_questions_that_are_withdrawn_are_settled_with_each_poll(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_MAX_SETTLED", 200)

    async def work(poller: QuestionPoller) -> None:
        await poller.poll()
        run.change("UPDATE task_instance SET state = 'skipped', updated_at = now() WHERE run_id = :run")
        await poller.complete()
        assert run.over() == 200
        poller._complete_due = time.monotonic() + 600
        await poller.poll()
        await poller.poll()

    run.poll(work)
    assert run.over() == COUNT
