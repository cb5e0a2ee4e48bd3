"""What a sensor's arguments mean when its wait has ended, deferred or not."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from lark_provider.storage.errors import StorageError
from lark_provider.storage.inbox import Inbox
from tests.airflow.card_callbacks.clicks_and_cards import Start, click, defer, sensor

End = tuple[str, dict[str, Any]]
TIMED_OUT: End = ("__fail__", {"error": "Trigger timeout"})
ANSWERED: End = ("execute_complete", {"event": {"status": "answered"}})
REFUSED: End = (
    "execute_complete",
    {"event": {"status": "error", "message": "Another database. Next: …"}},
)


@pytest.mark.parametrize("end", [TIMED_OUT, ANSWERED, REFUSED])
def test_an_answer_counts_however_the_wait_has_ended(end: End, inbox: Inbox, start: Start) -> None:
    defer(sensor(), start())
    inbox.store([click("e1")])
    assert sensor().resume_execution(*end, start(resumed=True))["event_id"] == "e1"


@pytest.mark.parametrize(
    ("end", "expected"),
    [(TIMED_OUT, AirflowSensorTimeout), (ANSWERED, AirflowFailException), (REFUSED, AirflowFailException)],
)
@pytest.mark.parametrize("option", [None, "soft_fail", "never_fail", "silent_fail"])
def test_a_wait_that_ends_without_an_answer(
    option: str | None, end: End, expected: type[Exception], inbox: Inbox, start: Start
) -> None:
    options: dict[str, Any] = {} if option is None else {option: True}
    skips = option in {"soft_fail", "never_fail"}
    with pytest.raises(AirflowSkipException if skips else expected):
        sensor(**options).resume_execution(*end, start(resumed=True))


class TestWithoutADatabase:
    """What a look that fails means, before and after the wait in the triggerer."""

    @pytest.fixture(autouse=True)
    def _away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", "postgresql://lark@127.0.0.1:1/lark")

    def test_the_task_is_tried_again(self, start: Start) -> None:
        with pytest.raises(StorageError, match="cannot be used"):
            sensor().execute(start())
        with pytest.raises(StorageError, match="cannot be used"):
            sensor(soft_fail=True).resume_execution(*ANSWERED, start(resumed=True))

    def test_never_fail_skips(self, start: Start) -> None:
        with pytest.raises(AirflowSkipException):
            sensor(never_fail=True).execute(start())
        with pytest.raises(AirflowSkipException):
            sensor(never_fail=True).resume_execution(*ANSWERED, start(resumed=True))

    def test_silent_fail_goes_on_for_the_time_that_is_left(self, start: Start) -> None:
        """What is waited for is not recorded, so there is nothing yet that a trigger could wait for."""
        with pytest.raises(AirflowRescheduleException):
            sensor(silent_fail=True, timeout=90).execute(start())
        with pytest.raises(AirflowRescheduleException):
            sensor(silent_fail=True, soft_fail=True, timeout=90).resume_execution(
                "execute_complete", {"event": {"status": "answered", "wait_id": "w"}}, start(resumed=True)
            )
        with pytest.raises(AirflowSensorTimeout):
            sensor(silent_fail=True, timeout=90).resume_execution(*TIMED_OUT, start(resumed=True))
