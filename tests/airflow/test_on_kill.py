"""A real triggerer withdraws the question of a task that was cleared or marked, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider import LarkServiceClient
from lark_provider.operators.question_cards import render_question_card
from lark_provider.protocol.questions import Draft, Origin, Question, TaskQuestion
from lark_provider.storage import urls
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from tests.airflow.card_callbacks.clicks_and_cards import buttons, messages
from tests.airflow.conftest import CHAT, AirflowHome, connection
from tests.airflow.triggerer import Triggerer
from tests.failures.waiting import wait_until
from tests.storage import prepared


@pytest.fixture
def url(database_url: str) -> URL:
    parsed_url = urls.parse(database_url, "test")
    prepared.upgrade(parsed_url)
    return parsed_url


@pytest.fixture
def triggerer(
    lark: Emulator, airflow_home: AirflowHome, tmp_path: Path, database_url: str, rabbitmq: str
) -> Iterator[Triggerer]:
    settings = {
        "AIRFLOW__LARK__DATABASE_URL": database_url,
        "AIRFLOW__LARK__RABBITMQ_URL": rabbitmq,
        "AIRFLOW_CONN_LARK_DEFAULT": connection(lark),
    }
    own_triggerer = Triggerer(airflow_home, tmp_path / "airflow", settings)
    yield own_triggerer
    own_triggerer.kill()


def count_started(triggerer: Triggerer, number: int) -> int:
    """Return how often the trigger of a task was started."""
    return triggerer.task_log(number).count("starting")


def count_logged(triggerer: Triggerer, text: str) -> int:
    """Return how often a text was logged by the triggers of all tasks and by the triggerer."""
    return (triggerer.log() + "".join(map(triggerer.task_log, range(4)))).count(text)


def ask(lark: Emulator, url: URL, count: int) -> list[TaskQuestion]:
    """Ask questions as operators do, for tasks of the triggerer's DAG, and return the questions."""
    questions = []
    with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
        for number in range(count):
            origin = Origin("asks", "r", f"wait_{number}", -1, "approval", 1, 0, "lark_default")
            question = Question(receiver=CHAT, title=f"Question {number}", options={"yes": "Yes"})
            task_question = Waits(url).claim(Draft(origin, question, lark.app_id)).question
            sent = client.messaging.send_card(
                CHAT, render_question_card(question, task_question.id), idempotency_key=task_question.id
            )
            questions.append(
                Waits(url).record_sent(task_question.id, sent.data["message_id"]) or task_question
            )
    return questions


def state(url: URL, question: TaskQuestion) -> tuple[str, str | None]:
    stored = Waits(url).get(question.id)
    assert stored is not None
    return stored.state, stored.reason


def test_a_task_that_is_cleared_or_marked_withdraws_its_question(
    lark: Emulator, url: URL, triggerer: Triggerer
) -> None:
    questions = ask(lark, url, 4)
    triggerer.defer([question.id for question in questions], Inbox(url).read_database_id())
    triggerer.start()
    wait_until(lambda: all(count_started(triggerer, number) for number in range(4)), 120)
    # Before a task is cleared: Airflow builds its API at the first query, and does nothing else meanwhile.
    wait_until(lambda: count_logged(triggerer, "Airflow's API is ready: waited_s=") == 1, 120)
    for number, change in enumerate(["cleared", "failed", "success"]):
        triggerer.change(number, change)
    wait_until(
        lambda: all(state(url, question) == ("closed", "withdrawn") for question in questions[:3]), 120
    )
    wait_until(lambda: not any(list(buttons(message["content"])) for message in messages(lark)[:3]), 120)
    assert state(url, questions[3]) == ("open", None)
    assert (
        count_logged(triggerer, "on_kill() timed out")
        == count_logged(triggerer, "Airflow's API is ready") - 1
        == 0
    )
    triggerer.stop()  # that is no person's doing
    assert state(url, questions[3]) == ("open", None)
    assert list(buttons(messages(lark)[3]["content"]))


def test_a_triggerer_whose_waits_another_one_took_over_leaves_their_questions_open(
    lark: Emulator, url: URL, triggerer: Triggerer
) -> None:
    questions = ask(lark, url, 1)
    triggerer.defer([questions[0].id], Inbox(url).read_database_id())
    triggerer.start()
    wait_until(lambda: count_started(triggerer, 0) == 1, 300)
    triggerer.freeze()
    other = triggerer.beside()
    try:
        other.start()
        wait_until(lambda: count_started(triggerer, 0) == 2, 300)
        triggerer.thaw()
        wait_until(lambda: "invoking on_kill" in triggerer.task_log(0), 300)
        wait_until(lambda: "Task still deferred" in triggerer.task_log(0) + triggerer.log(), 300)
        assert state(url, questions[0]) == ("open", None)
        assert list(buttons(messages(lark)[0]["content"]))
    finally:
        other.kill()
