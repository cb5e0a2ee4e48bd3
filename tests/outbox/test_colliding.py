"""Many tasks of a run fail at the same moment: nothing is lost, and one card says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.outbox import delivering
from lark_provider.storage.engine import get_engine
from lark_provider.storage.outbox import Outbox
from tests.failures.crowd import Crowd, unwrap_values
from tests.failures.waiting import SECONDS
from tests.outbox import work


def count_on(url: URL) -> int:
    """Return how many processes to start; SQLite's lock is unfair, and the last of 30 would wait too long."""
    return 10 if url.get_backend_name() == "sqlite" else 30


def cards(lark: Emulator) -> list[dict[str, Any]]:
    messages = [message for chat in lark.state()["chats"] for message in chat["messages"]]
    return [message["content"] for message in messages]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for the database: these tests load the machine themselves."""
    monkeypatch.setattr(delivering, "_DATABASE_SECONDS", SECONDS)


def test_what_many_processes_record_at_once_is_all_in_the_card(app: Emulator, url: URL) -> None:
    count = count_on(url)
    with Crowd(count) as crowd:
        unwrap_values(crowd.all(work.warm))
        for number, pid in enumerate(crowd.pids):
            crowd.begin(work.fail, number, who=pid)
        versions = unwrap_values(crowd.outcomes())
    assert sorted(versions) == list(range(1, count + 1))
    incident = work.recorder().open(work.place())
    assert incident is not None
    assert incident.incident.count == count
    assert {failure.label for failure in incident.incident.failures} == {f"mapped_{n}" for n in range(count)}
    assert {failure.ti_id for failure in incident.incident.failures} == {f"ti-{n}" for n in range(count)}
    assert Outbox(url).measure_backlog()[0] == 1  # the last version makes the others obsolete

    assert work.deliver() == 1
    (card,) = cards(app)
    shown = json.dumps(card)
    assert f"{count} failures" in shown
    assert f"({count})" in shown


def test_each_of_many_failures_takes_the_same_few_statements(app: Emulator, url: URL) -> None:
    work.warm()
    sent: list[str] = []
    counts = set()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    sa.event.listen(get_engine(url), "before_cursor_execute", note)
    for number in range(30):
        sent.clear()
        work.fail(number)
        counts.add(len(sent))
    assert len(counts) == 1
    assert max(counts) <= 10


def test_many_processes_deliver_their_own_failures_to_one_card(app: Emulator, url: URL) -> None:
    count = count_on(url)
    with Crowd(count) as crowd:
        unwrap_values(crowd.all(work.warm))
        for number, pid in enumerate(crowd.pids):
            crowd.begin(work.fail_and_deliver, number, who=pid)
        unwrap_values(crowd.outcomes())
    (card,) = cards(app)
    assert f"{count} failures" in json.dumps(card)
    assert Outbox(url).measure_backlog()[0] == 0
    calls = app.state()["by_endpoint"]
    assert calls["POST /open-apis/im/v1/messages"] == 1
    # One for each later version at most, and one more where SQLite was too busy to record the delivery.
    assert calls.get("PATCH /open-apis/im/v1/messages/:message_id", 0) <= count
