"""Failures of one run share a card, which Airflow's Variables remember."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import pytest
from lark_emulator import Emulator

from lark_provider.notifications.run_cards import RunCards
from lark_provider.protocol.incidents.model import Failure, Incident
from tests.airflow.conftest import CHAT
from tests.airflow.notifier.contexts import (
    Shelf,
    context,
    make_dag_context,
    make_notifier,
    read_messages,
    titles,
)


def test_failures_of_a_run_share_a_card_until_they_recover(lark: Emulator, shelf: Shelf) -> None:
    notify = make_notifier(quiet_success=True)
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    notify(make_dag_context("task_failure"))
    (card,) = read_messages(lark)
    text = json.dumps(card, ensure_ascii=False)
    assert titles(lark) == ["DAG run failed · d"]
    assert "❌ a ValueError: boom" in text
    assert "❌ b ValueError: boom" in text
    assert "2 failures" in text

    notify(context("success", task_id="c"))
    notify(context("success", task_id="a"))
    assert titles(lark) == ["Partly recovered · d"]
    notify(make_dag_context("success"))
    assert titles(lark) == ["Recovered · d"]
    assert shelf.held == {}
    assert "PATCH /open-apis/im/v1/messages/:message_id" in lark.state()["by_endpoint"]

    notify(context(task_id="a", try_number=3))
    assert titles(lark) == ["Recovered · d", "Task failed · d.a"]


def test_what_airflow_knows_of_the_run_completes_the_card(lark: Emulator) -> None:
    def states(dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {"r": {"a": "failed", "b": "failed", "c": "running"}}

    make_notifier()(context(task_id="b", get_task_states=states))
    (card,) = read_messages(lark)
    text = json.dumps(card, ensure_ascii=False)
    assert "2 failures" in text
    assert "❌ a" in text
    assert "❌ c" not in text


def test_runs_are_kept_apart_and_old_ones_forgotten(
    lark: Emulator, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify = make_notifier()
    notify(context())
    notify(context(run_id="r2"))
    assert len(read_messages(lark)) == 2
    assert len(shelf.held) == 1
    later = time.time() + 15 * 24 * 3600
    monkeypatch.setattr("lark_provider.notifications.run_cards.time.time", lambda: later)
    notify(context(run_id="r3"))
    (held,) = shelf.held.values()
    assert list(json.loads(held)) == ["r3"]


def test_tasks_that_fail_in_the_same_moment_share_one_card(lark: Emulator, shelf: Shelf) -> None:
    names = ["a", "b", "c", "d"]
    together = threading.Barrier(len(names))
    original_get = shelf.get

    def get(key: str, default: str | None = None) -> str | None:
        value = original_get(key, default)
        if value is None:  # nobody goes on before all have seen that no card exists
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(1)
        return value

    shelf.get = get  # type: ignore[method-assign]  # as said
    notify = make_notifier(quiet_success=True)
    threads = [threading.Thread(target=notify, args=(context(task_id=name),)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (card,) = read_messages(lark)
    for name in names:
        assert f"❌ {name} " in json.dumps(card, ensure_ascii=False)
    notify(make_dag_context("success"))
    assert titles(lark) == ["Recovered · d"]
    assert shelf.held == {}


def test_a_first_card_that_was_promised_and_never_came_is_sent_by_another(
    lark: Emulator, shelf: Shelf
) -> None:
    now = time.time()
    shelf.held[RunCards("lark_default", CHAT, "d").variable] = json.dumps(
        {"r": {"at": now, "claim": "another process", **Incident().to_json()}}
    )
    make_notifier(deadline=5)(context())
    make_notifier()(context(task_id="b"))
    assert titles(lark) == ["Task failed · d"]


def test_two_cards_that_were_sent_in_spite_of_it_are_both_remembered(shelf: Shelf) -> None:
    cards = RunCards("c", CHAT, "d")
    cards.save("r", Incident(("om_1",), 1, (Failure("a", 1, "E"),)), None)
    cards.save("r", Incident(("om_2",), 1, (Failure("b", 1, "F"),)), None)
    incident = cards.load("r")
    assert incident is not None
    assert (incident.cards, incident.count, [failure.label for failure in incident.failures]) == (
        ("om_2", "om_1"),
        2,
        ["b", "a"],
    )


def test_without_variables_each_failure_has_its_card(lark: Emulator, shelf: Shelf) -> None:
    shelf.works = False
    notify = make_notifier()
    notify(context(task_id="a"))
    notify(context(task_id="b"))
    assert titles(lark) == ["Task failed · d.a", "Task failed · d.b"]


def test_a_card_that_cannot_be_updated_is_replaced(lark: Emulator, shelf: Shelf) -> None:
    notify = make_notifier()
    notify(context(task_id="a"))
    lark.fault("PATCH", status=400, code=230031, msg="The message is too old")
    notify(context(task_id="b"))
    assert titles(lark) == ["Task failed · d.a", "Task failed · d"]
    (held,) = shelf.held.values()
    assert json.loads(held)["r"]["cards"] == [lark.state()["chats"][0]["messages"][1]["message_id"]]
