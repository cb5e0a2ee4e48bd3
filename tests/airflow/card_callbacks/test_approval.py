"""An approval asks once, waits, follows the decision and shows it; clicks are put straight into the inbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from lark_emulator import Emulator

from lark_provider.api.cards import Input
from lark_provider.errors import OutcomeUnknownError
from lark_provider.storage.inbox import Inbox
from tests.airflow.card_callbacks.clicks_and_cards import (
    BOB,
    BOSS,
    Start,
    approval,
    buttons,
    click,
    elements,
    messages,
)
from tests.airflow.conftest import CHAT, connection
from tests.bridge.builders import execute


def test_a_decision_is_asked_for_waited_for_followed_and_shown(
    lark: Emulator, approve: Callable[..., str]
) -> None:
    clicks = [("approve", BOB), ("approve", BOSS), ("reject", BOSS)]
    printed = approve(clicks, "branches={'approve': 'publish', 'reject': 'drop'}, soft_fail=True")
    assert "DECIDED approve ou_emulator0001_alice" in printed
    assert "DROPPED" not in printed
    assert "still shows its buttons" not in printed
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))
    shown = json.dumps(card["content"])
    assert "<at id=ou_emulator0001_alice></at>" in shown
    assert "UTC" in shown


def test_a_rejection_fails_the_task_without_a_retry(lark: Emulator, approve: Callable[..., str]) -> None:
    with pytest.raises(AssertionError, match="ou_emulator0001_alice answered 'reject'"):
        approve([("reject", BOSS)], "retries=2, deferrable=False, poke_interval=0.2")
    (card,) = messages(lark)
    assert card["content"]["header"]["template"] == "red"


def test_a_task_that_execution_timeout_ends_closes_its_card(
    lark: Emulator, approve: Callable[..., str]
) -> None:
    limit = "execution_timeout=pendulum.duration(seconds=10)"
    with pytest.raises(AssertionError, match="AirflowTaskTimeout"):
        approve([], f"deferrable=False, poke_interval=60, {limit}")
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))


@pytest.mark.parametrize(
    ("soft_fail", "expected"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_nobody_answers_in_time_and_the_card_says_so(
    soft_fail: bool, expected: type[Exception], lark: Emulator, inbox: Inbox, start: Start
) -> None:
    with pytest.raises(expected):
        approval(timeout=0, poke_interval=0, deferrable=False, soft_fail=soft_fail).execute(start())
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))


def test_however_often_it_starts_it_asks_once(lark: Emulator, inbox: Inbox, start: Start) -> None:
    for _ in range(3):
        with pytest.raises(AirflowRescheduleException):
            approval(deferrable=False, mode="reschedule").execute(start())
        lark.advance(3601)  # Lark has forgotten the message's key
    with pytest.raises(TaskDeferred):
        approval().execute(start(try_number=2))  # a retry
    (card,) = messages(lark)
    with pytest.raises(TaskDeferred):
        approval().execute(start(try_number=3, max_tries=4))  # cleared
    again = messages(lark)[-1]
    assert again["message_id"] != card["message_id"]
    assert not list(buttons(messages(lark)[0]["content"]))  # and what it asked before is withdrawn
    value = next(iter(buttons(card["content"])))
    inbox.store([click("e1", card["message_id"], value)])
    with pytest.raises(TaskDeferred):
        approval().execute(start(try_number=3, max_tries=4))  # that was for the one before
    with pytest.raises(AirflowFailException, match="Attempt 2 of task 't' was replaced by attempt 3"):
        approval().execute(start(try_number=2))  # its worker was cut off when the task was cleared
    inbox.store([click("e2", again["message_id"], next(iter(buttons(again["content"]))))])
    assert approval().execute(start(try_number=4, max_tries=4))["decision"] == "approve"
    assert len(messages(lark)) == 2


def test_nobody_is_asked_whose_answer_would_not_be_seen(lark: Emulator, start: Start) -> None:
    with pytest.raises(AirflowFailException, match="No database is configured"):
        approval().execute(start())
    assert messages(lark) == []


def test_another_card_does_not_answer_for_the_one_that_asks(
    lark: Emulator, inbox: Inbox, start: Start
) -> None:
    """Whoever knows the run knows its correlation, and can have a card of their own clicked."""
    with pytest.raises(TaskDeferred):
        approval(approvers=BOSS).execute(start())
    (card,) = messages(lark)
    genuine = next(value for value in buttons(card["content"]) if value["action"] == "approve")
    wait = {"lark_wait": genuine["lark_wait"]}
    forged: list[dict[str, Any]] = [
        {"value": wait | {"action": "approve"}, "open_id": BOB},
        {"value": wait | {"action": "approve", "lark_allowed": [BOB]}, "open_id": BOB},
        {"value": wait | {"action": "approve", "lark_allowed": []}, "open_id": BOB},
        {"value": genuine, "open_id": BOSS, "app_id": "cli_another"},
        {"value": wait | {"action": "delete everything"}, "open_id": BOSS},
        {"value": wait, "open_id": BOSS},
    ]
    inbox.store([click(f"e{n}", f"om_forged_{n}", **changes) for n, changes in enumerate(forged)])
    with pytest.raises(TaskDeferred):
        approval(approvers=BOSS).execute(start())
    inbox.store([click("e-genuine", card["message_id"], genuine, BOSS)])
    decided = approval(approvers=BOSS).execute(start())
    assert (decided["decision"], decided["operator"]["open_id"]) == ("approve", BOSS)


@pytest.mark.parametrize("length", [10, 40_000])
def test_what_was_filled_in_is_returned_and_shown_as_it_is(
    length: int, lark: Emulator, inbox: Inbox, start: Start
) -> None:
    fields = [Input("reason"), Input("odd")]
    with pytest.raises(TaskDeferred):
        approval(fields=fields).execute(start())
    (card,) = messages(lark)
    assert [part["name"] for part in elements(card["content"], "input")] == ["reason", "odd"]
    value = next(buttons(card["content"]))
    form = {"reason": "<at id=all></at> **now**\0", "odd": {"a": [1, None]}, "long": "x" * length}
    inbox.store([click("e1", card["message_id"], value, BOSS, form=form)])
    decided = approval(fields=fields).execute(start())
    assert decided["form_value"] == form | {"reason": "<at id=all></at> **now**\ufffd"}
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))
    shown = "".join(part["content"] for part in elements(card["content"], "markdown"))
    assert f"**Approve** · <at id={BOSS}></at>" in shown
    assert "<at id=all>" not in shown
    assert ("reason" in shown) is (length == 10)  # else it would be too large for a card


@pytest.mark.parametrize("where", [None, "om_forwarded"])
def test_the_card_loses_its_buttons_also_when_another_one_was_clicked(
    where: str | None, lark: Emulator, inbox: Inbox, start: Start
) -> None:
    with pytest.raises(TaskDeferred):
        approval().execute(start())
    (card,) = messages(lark)
    inbox.store([click("e1", where, next(buttons(card["content"])), BOSS)])
    assert approval().execute(start(resumed=True))["message_id"] == where
    (card,) = messages(lark)
    assert not list(buttons(card["content"]))


def test_where_all_is_sent_elsewhere_everybody_there_may_answer(
    lark: Emulator, inbox: Inbox, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"redirect_all_to": CHAT}))
    with pytest.raises(TaskDeferred):
        approval(receiver_id=BOSS, approvers=BOSS).execute(start())
    (card,) = messages(lark)
    value = next(buttons(card["content"]))
    inbox.store([click("e1", card["message_id"], value, BOB)])
    assert approval(receiver_id=BOSS, approvers=BOSS).execute(start())["operator"]["open_id"] == BOB


@pytest.mark.parametrize("never_fail", [False, True])
def test_a_rejection_is_for_on_reject_to_judge(
    never_fail: bool, lark: Emulator, inbox: Inbox, start: Start
) -> None:
    options = {"soft_fail": not never_fail, "never_fail": never_fail}
    with pytest.raises(TaskDeferred):
        approval(**options).execute(start())
    (card,) = messages(lark)
    rejecting = next(value for value in buttons(card["content"]) if value["action"] == "reject")
    inbox.store([click("e1", card["message_id"], rejecting)])
    resumed = {"event": {"status": "answered"}}
    with pytest.raises(AirflowFailException, match="answered 'reject'"):
        approval(**options).resume_execution("execute_complete", resumed, start(resumed=True))
    with pytest.raises(AirflowSkipException):
        approval(on_reject="skip").resume_execution("execute_complete", resumed, start(resumed=True))
    decided = approval(on_reject="return").resume_execution("execute_complete", resumed, start(resumed=True))
    assert decided["decision"] == "reject"
    updates = {name: count for name, count in lark.state()["by_endpoint"].items() if name.startswith("PATCH")}
    assert list(updates.values()) == [3]  # the card was changed once for each


def test_a_card_that_cannot_be_sent_in_the_last_try_leaves_no_question_open(
    lark: Emulator, inbox: Inbox, start: Start
) -> None:
    """The message may have arrived: who clicks on it later is told that nobody waits any more."""
    lark.fault("POST", "*/im/v1/messages", times=99, drop="after")
    with pytest.raises(OutcomeUnknownError):
        approval().execute(start(try_number=1, max_tries=1))
    assert read_states(inbox) == [("open", None)]  # a retry goes on with it
    with pytest.raises(OutcomeUnknownError):
        approval().execute(start(try_number=2, max_tries=1))
    assert read_states(inbox) == [("closed", "failed")]


def read_states(inbox: Inbox) -> list[tuple[str, str | None]]:
    rows = execute(inbox._url, "SELECT state, reason FROM waits")
    return [(row.state, row.reason) for row in rows]
