"""What errors of calls say: what happened, once, and the next step, once."""

from __future__ import annotations

import pytest

from lark_provider.errors import DeadlineExceededError, OutcomeUnknownError
from lark_provider.protocol.attempts import attempt_call
from lark_provider.protocol.effects import NeedToken, NoResponse, Random, Sleep
from lark_provider.protocol.retry import RetryPolicy
from tests.protocol.flow.playback import READ, WRITE, Playback, answer


def test_an_error_says_whether_the_deadline_came_or_the_connection_was_lost() -> None:
    late = str(Playback(READ, [NoResponse("before an answer", sent=False, is_late=True)]).error)
    assert "the deadline passed before an answer." in late
    assert late.endswith("Next: call again later, or pass a longer deadline=.")
    lost = str(
        Playback(READ, [NoResponse("the certificate is invalid", sent=False, is_transient=False)]).error
    )
    assert "the certificate is invalid. Next: check network, proxy and base_url, then call again." in lost
    assert "deadline" not in lost


def test_an_error_says_what_the_deadline_found_the_call_waiting_for() -> None:
    flow = attempt_call(READ, RetryPolicy())
    assert next(flow) == NeedToken()
    with pytest.raises(DeadlineExceededError, match=r"passed while waiting for a token\. Next: "):
        flow.throw(DeadlineExceededError("late"))

    flow = attempt_call(READ, RetryPolicy())
    next(flow)
    flow.send("t-1")
    assert flow.send(answer(99991400, 429)) == Random()
    assert isinstance(flow.send(0.5), Sleep)
    with pytest.raises(DeadlineExceededError) as caught:
        flow.throw(DeadlineExceededError("late"))
    before, _, advice = str(caught.value).partition(" Next: ")
    assert "the deadline passed before another try; the last one failed: " in before
    assert "99991400" in before
    assert advice == "call again later, or pass a longer deadline=."


def test_a_write_whose_outcome_is_open_says_why_and_advises_once() -> None:
    played = Playback(WRITE, [answer(status=502, code=2200)])
    assert isinstance(played.error, OutcomeUnknownError)
    before, _, advice = str(played.error).partition(" Next: ")
    assert "may or may not have happened: " in before
    assert "2200" in before
    assert advice.startswith("check whether it was written before repeating it")
    assert " Next: " not in advice
