"""The threads of a hub: as many as it needs, and a caller is told where they cannot be started."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.engine import URL

from lark_provider.callbacks import hub as hubs
from lark_provider.callbacks.broker import pump as pumps
from lark_provider.callbacks.broker.pump import Pump
from lark_provider.callbacks.hub import Hub
from lark_provider.protocol.questions import Draft, Origin, Question
from lark_provider.protocol.waits import mark
from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.waits import Waits
from tests.callbacks import mq
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender


class Refusing(Inbox):
    """An inbox that refuses clicks, whatever is waited for."""

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.checks = 0

    def check_writable(self) -> None:
        self.checks += 1
        raise StorageError("permission denied")


def test_a_pump_that_is_refused_for_good_starts_no_thread_each_time(
    rabbitmq: str, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "_WARN_SECONDS", 0.01)
    monkeypatch.setattr(pumps, "_FIRST_PAUSE", 0.01)
    inbox, stop = Refusing(database), threading.Event()
    running = threading.Thread(target=hubs._run_pump, args=(Pump(mq.at(rabbitmq), inbox), stop))
    running.start()
    try:
        wait_until(lambda: inbox.checks >= 2)
        before = threading.active_count()
        wait_until(lambda: inbox.checks >= 2 * 50)  # it is checked twice in each round
        wait_until(lambda: threading.active_count() <= before, seconds=5)
    finally:
        stop.set()
        running.join(mq.LIMIT)
    assert not running.is_alive()


@pytest.mark.parametrize("name", ["lark-waits", "lark-pump"])
def test_a_hub_whose_thread_cannot_start_says_so_and_tries_again(
    rabbitmq: str, database: URL, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(hubs, "LOOK_SECONDS", 0.05)
    start_really, failures = threading.Thread.start, iter([RuntimeError("can't start new thread")])

    def start(thread: threading.Thread) -> None:
        if thread.name == name:
            for failure in failures:
                raise failure
        start_really(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    draft = Draft(
        Origin("d", "r", "t", -1, "approval", 1, 1), Question(options={"approve": "Yes"}), sender.APP
    )
    wait_id = Waits(database).claim(draft).question.id
    hub = Hub(database.render_as_string(hide_password=False), rabbitmq)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        hub.settle(wait_id)
    settled = hub.settle(wait_id)
    mq.send(rabbitmq, "card.cli_1", mq.card("e1", value=mark({"action": "approve"}, wait_id)))
    assert settled.result(mq.LIMIT).state == "decided"
    wait_until(lambda: hub._stop is None)
    assert hub._pending == {}
