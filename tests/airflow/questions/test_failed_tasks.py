"""A task that fails for good while it waits closes its question; a retry continues with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from airflow.sdk.bases import sensor
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferralError
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from tests.airflow.card_callbacks.clicks_and_cards import buttons, messages
from tests.airflow.questions.question_tasks import Start, approval, defer, read_card, read_question

RETRIED, LAST = 2, 3
NOT_WAITED = ("__fail__", {"error": "Trigger failure"})
Time = Callable[[Callable[[], Any]], None]


@pytest.fixture
def run_out(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Return a function that lets `execution_timeout` pass while a sensor sleeps, after something happens."""

    def run_out(happen: Callable[[], Any]) -> None:
        def sleep(_: float) -> NoReturn:
            happen()
            raise AirflowTaskTimeout("Timeout, PID: 1")

        monkeypatch.setattr(sensor, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))

    return run_out


def approve(lark: Emulator) -> None:
    lark.click(messages(lark)[0]["message_id"], "alice", "Approve")


def check_closed(lark: Emulator, url: URL) -> None:
    question = read_question(url)
    assert (question.state, question.reason) == ("closed", "failed")
    assert not list(buttons(messages(lark)[0]["content"]))
    assert "clear it to be asked again" in read_card(lark)


def check_open(lark: Emulator, url: URL) -> None:
    assert read_question(url).state == "open"
    assert list(buttons(messages(lark)[0]["content"]))


def test_execution_timeout_on_the_worker(lark: Emulator, url: URL, start: Start, run_out: Time) -> None:
    run_out(lambda: None)
    for try_number, check in ((RETRIED, check_open), (LAST, check_closed)):
        with pytest.raises(AirflowTaskTimeout):
            approval(deferrable=False).execute(start(try_number=try_number))
        check(lark, url)


def test_a_click_before_execution_timeout_decides(
    lark: Emulator, gateway: None, start: Start, run_out: Time
) -> None:
    run_out(lambda: approve(lark))
    assert approval(deferrable=False).execute(start(try_number=LAST))["decision"] == "approve"


def test_a_triggerer_that_cannot_wait(lark: Emulator, url: URL, start: Start) -> None:
    defer(approval(), start(try_number=RETRIED))
    for try_number, check in ((RETRIED, check_open), (LAST, check_closed)):
        with pytest.raises(TaskDeferralError):
            approval().resume_execution(*NOT_WAITED, start(try_number=try_number))
        check(lark, url)


def test_a_click_that_no_triggerer_saw_decides(lark: Emulator, gateway: None, url: URL, start: Start) -> None:
    defer(approval(), start(try_number=LAST))
    approve(lark)
    assert approval().resume_execution(*NOT_WAITED, start(try_number=LAST))["decision"] == "approve"


def test_a_database_that_is_unavailable_leaves_the_error_of_the_triggerer(
    lark: Emulator,
    url: URL,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    defer(approval(), start(try_number=LAST))
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", "postgresql://lark@127.0.0.1:1/lark")
    with pytest.raises(TaskDeferralError):
        approval().resume_execution(*NOT_WAITED, start(try_number=LAST))
    assert "Failed to close the question" in capsys.readouterr().out
