"""A call that is tried under several leases: what an attempt under one says about the attempts before it."""

from __future__ import annotations

from typing import Any

import pytest

from lark_provider.api.clouddoc.loads.leasing import MAX_LEASES, TakenOverError, perform_under_leases
from lark_provider.errors import (
    ConflictError,
    DeadlineExceededError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
)
from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import NoResponse, Response
from lark_provider.protocol.ledger import Lease
from lark_provider.protocol.operations import Procedure
from tests.protocol.flow.playback import KEYED, OK, REMOVAL, WRITE, Playback, answer

LOST = NoResponse("ReadTimeout", sent=True)
NOT_SENT_IN_TIME = NoResponse("no connection was free", sent=False, is_late=True)
REFUSED = answer(1254302, 403)


def play(
    call: Call[Any],
    *answers: Response | NoResponse,
    seconds: float = 30.0,
    lost_lease: LarkError | None = None,
    **options: Any,
) -> Playback:
    """Play a call under leases of 30 s.

    Args:
        call: The call.
        answers: The answers to its requests.
        seconds: How long after a lease the next one ends.
        lost_lease: What the second lease raises.
        options: Options of the playback; by default no request is repeated under the same lease.
    """
    ends = 0.0

    def renew() -> Procedure[Lease]:
        nonlocal ends
        if ends and lost_lease is not None:
            raise lost_lease
        ends += seconds
        return Lease("table", "writer", ends)
        yield  # a procedure that needs nothing

    written = perform_under_leases(call, renew, 30.0, is_repeatable=call.idempotent)
    return Playback(written, answers, **{"max_retries": 0, **options})


def test_a_lost_answer_is_repeated_under_the_next_lease_if_the_call_may_be_repeated() -> None:
    repeated = play(KEYED, LOST, OK)
    assert repeated.result.data == {"id": "1"}
    assert repeated.sent[0].call == repeated.sent[1].call

    single = play(WRITE, LOST)
    assert isinstance(single.error, OutcomeUnknownError)
    assert len(single.sent) == 1


def test_a_refusal_of_the_repeat_does_not_prove_that_nothing_was_written() -> None:
    played = play(KEYED, LOST, REFUSED)
    assert isinstance(played.error, OutcomeUnknownError)
    assert "may or may not have happened: ReadTimeout. Next: check" in str(played.error)
    assert isinstance(played.error.__cause__, LarkAPIError)
    assert played.error.__cause__.code == 1254302
    assert len(played.sent) == 2


def test_a_refusal_within_the_same_lease_is_not_followed_by_another_request() -> None:
    played = play(KEYED, LOST, REFUSED, max_retries=1)
    assert isinstance(played.error, OutcomeUnknownError)
    assert len(played.sent) == 2


def test_a_removal_that_a_lost_attempt_has_performed_is_done() -> None:
    assert play(REMOVAL, LOST, answer(1254043, 404)).result.data == {}
    assert isinstance(play(REMOVAL, answer(1254043, 404)).error, LarkAPIError)


@pytest.mark.parametrize(
    ("first", "kind"), [(LOST, OutcomeUnknownError), (NOT_SENT_IN_TIME, DeadlineExceededError)]
)
def test_leases_that_end_too_early_leave_open_what_was_open_before(
    first: NoResponse, kind: type[Exception]
) -> None:
    played = play(KEYED, first, *[NOT_SENT_IN_TIME] * (MAX_LEASES - 1))
    assert type(played.error) is kind
    assert len(played.sent) == MAX_LEASES
    assert not played.sleeps


def test_a_retry_that_does_not_fit_into_a_lease_is_made_under_the_next_one() -> None:
    played = play(KEYED, LOST, OK, max_retries=3, longest_sleep=0.0)
    assert played.result
    assert len(played.sent) == 2


def test_a_lease_that_cannot_be_renewed_leaves_open_what_was_open_before() -> None:
    conflict = ConflictError("another writer")
    played = play(KEYED, LOST, lost_lease=conflict)
    assert isinstance(played.error, OutcomeUnknownError)
    assert played.error.__cause__ is conflict
    assert play(KEYED, NOT_SENT_IN_TIME, lost_lease=conflict).error is conflict
    taken_over = TakenOverError("another process")  # its callers decide again what to write
    assert play(KEYED, LOST, lost_lease=taken_over).error is taken_over


def test_a_call_that_gave_up_early_waits_for_the_rest_of_its_lease() -> None:
    played = play(KEYED, NOT_SENT_IN_TIME, OK, seconds=10.0)
    assert played.result
    assert played.sleeps == [20.0]
