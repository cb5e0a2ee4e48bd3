"""Which answers the call engine waits for, how long, and how often it tries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    LarkAPIError,
    LarkError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
)
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import NoResponse, Response
from lark_provider.protocol.retry import RetryPolicy
from tests.protocol.flow.playback import KEYED, OK, READ, WRITE, Playback, answer


def test_an_accepted_call_gives_data_and_log_id() -> None:
    played = Playback(READ, [answer(headers={"x-tt-logid": "L1"}, data={"id": "1"})])
    assert (played.result.code, played.result.data, played.result.log_id) == (0, {"id": "1"}, "L1")
    assert [send.token for send in played.sent] == ["t-of-length-0"]


def test_a_rejected_token_is_replaced_exactly_once() -> None:
    played = Playback(WRITE, [answer(99991663, 400), OK])
    assert played.result.data == {"id": "1"}
    assert played.rejected == [None, "t-of-length-0"]
    assert played.sleeps == []

    refused_again = Playback(WRITE, [answer(99991663, 400), answer(99991663, 400)])
    assert isinstance(refused_again.error, PermissionDeniedError)
    assert len(refused_again.sent) == 2


@pytest.mark.parametrize("status", [429, 400])
def test_the_rate_limit_header_is_waited_for_with_little_jitter(status: int) -> None:
    limited = answer(99991400, status, {"x-ogw-ratelimit-reset": "1.5"})
    played = Playback(WRITE, [limited, OK])
    assert played.result
    assert played.sleeps == [pytest.approx(1.5 + 0.5 * 0.15)]


def test_without_a_header_the_back_off_doubles() -> None:
    played = Playback(WRITE, [answer(1254291)] * 3 + [OK])
    assert played.sleeps == [0.25, 0.5, 1.0]


def test_a_long_wait_is_not_begun() -> None:
    played = Playback(READ, [answer(99991400, 429, {"x-ogw-ratelimit-reset": "3600"})])
    assert isinstance(played.error, RateLimitError)
    assert played.error.retry_after == 3600
    assert played.error.retryable
    assert played.sleeps == []


def test_repeats_end_with_the_error_itself() -> None:
    played = Playback(READ, [answer(230020, 400)] * 3, max_retries=2)
    assert isinstance(played.error, RateLimitError)
    assert len(played.sent) == 3


@pytest.mark.parametrize(
    "reply", [Response(503, {"retry-after": "3"}, b"busy"), answer(1255040, 503, {"retry-after": "3"})]
)
def test_retry_after_is_kept_to_on_503(reply: Response) -> None:
    played = Playback(READ, [reply, OK])
    assert played.sleeps == [pytest.approx(3 + 0.5 * 0.3)]
    assert Playback(READ, [Response(503, {"retry-after": "3600"}, b"busy"), OK]).sleeps == []
    assert Playback(WRITE, [reply, OK]).sleeps == []


@given(
    attempt=st.integers(1, 20),
    waited=st.floats(0, 100),
    retry_after=st.none() | st.floats(0, 1e6),
    random=st.floats(0, 1, exclude_max=True),
)
def test_the_policy_keeps_its_bounds(
    attempt: int, waited: float, retry_after: float | None, random: float
) -> None:
    policy = RetryPolicy()
    delay = policy.delay(attempt, waited, retry_after, random)
    if delay is None:
        return
    assert attempt <= policy.max_retries
    assert delay <= policy.max_wait - waited
    if retry_after is None:
        assert 0 <= delay <= policy.cap
    else:
        assert delay >= retry_after


@pytest.mark.parametrize(
    ("call", "status", "tries", "kind"),
    [
        (WRITE, 301, 1, LarkAPIError),  # never performed: a wrong base_url
        (WRITE, 408, 1, OutcomeUnknownError),
        (WRITE, 200, 1, OutcomeUnknownError),
        (READ, 200, 1, LarkAPIError),  # a login page stays a login page
        (READ, 499, 3, LarkAPIError),
    ],
)
def test_pages_instead_of_answers(call: Call[Any], status: int, tries: int, kind: type[LarkError]) -> None:
    played = Playback(call, [Response(status, {}, b"<html>hello</html>")] * 5, max_retries=2)
    assert type(played.error) is kind
    assert len(played.sent) == tries


def test_a_certificate_that_does_not_fit_is_not_tried_again() -> None:
    played = Playback(
        READ, [NoResponse("ConnectError: SSL: WRONG_VERSION_NUMBER", sent=False, is_transient=False)] * 3
    )
    assert len(played.sent) == 1


def test_every_code_of_the_retry_rules_is_waited_for() -> None:
    waits = [
        99991400,
        230020,
        230049,
        232019,
        1254112,
        1254290,
        1254291,
        1254607,
        *range(1255001, 1255006),
        1255040,
    ]
    waits += [1061045, 90217, 90235, 1310235, 1066002, 131009, 11232]
    for code in waits:
        assert Playback(KEYED, [answer(code, 400), OK]).result, code
    for code in (99991663, 99991664, 99991665, 99991671, 99991661):
        assert Playback(WRITE, [answer(code, 400), OK]).result, code


def test_a_call_without_a_token_is_not_repeated_for_a_rejected_one() -> None:
    call = make_request(
        "POST", "/open-apis/auth/v3/tenant_access_token/internal", json={}, safe=True, auth=False
    )
    played = Playback(call, [answer(99991663, 400)] * 3)
    assert isinstance(played.error, PermissionDeniedError)
    assert (len(played.sent), played.tokens) == (1, [])


@pytest.mark.parametrize("sent", [True, False])
def test_what_the_deadline_cut_off_is_not_tried_again(sent: bool) -> None:
    played = Playback(KEYED, [NoResponse("before an answer", sent=sent, is_late=True), OK])
    assert isinstance(played.error, OutcomeUnknownError if sent else DeadlineExceededError)
    assert len(played.sent) == 1


def test_waits_are_added_up_and_may_take_the_whole_of_what_is_allowed() -> None:
    said = {"x-ogw-ratelimit-reset": "4"}
    replies = [answer(99991400, 429, said), answer(99991400, 429, said), OK]
    assert Playback(READ, replies, max_wait=8.4).sleeps == pytest.approx([4.2, 4.2])
    assert Playback(READ, replies, max_wait=8.3).sleeps == pytest.approx([4.2, 4.1])
    cut_short = Playback(READ, replies, max_wait=8.1)
    assert isinstance(cut_short.error, RateLimitError)
    assert cut_short.sleeps == pytest.approx([4.2])


def test_the_bounds_that_a_client_has_by_default() -> None:
    policy = RetryPolicy()
    assert (policy.max_retries, policy.max_wait, policy.base, policy.cap) == (5, 60.0, 0.5, 15.0)
    assert policy.delay(5, 0.0, None, 1.0) == 8.0
    assert RetryPolicy(max_retries=9).delay(9, 0.0, None, 1.0) == 15.0
    assert policy.delay(6, 0.0, None, 1.0) is None
    # A named time that is too short is stretched by the backoff, by a second at most.
    assert policy.delay(5, 0.0, 0.0, 1.0) == 1.0
    assert policy.delay(1, 0.0, 30.0, 1.0) == 33.0
    # Endpoints with a limit per minute ask for up to a minute.
    assert policy.delay(1, 0.0, 60.0, 1.0) == 60.0
    assert policy.delay(1, 0.0, 60.1, 0.0) is None


def test_another_try_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Playback(READ, [answer(99991400, 429, {"x-ogw-ratelimit-reset": "1"}), OK])
    [record] = caplog.records
    assert record.getMessage() == "Retrying after a failed attempt"
    fields = record.__dict__
    assert (fields["call"], fields["attempt"], fields["retry_in_s"]) == ("GET /open-apis/x", 1, 1.05)
    assert "99991400" in fields["error"]


LOCKED = "Failed to create card content, ext=ErrCode: 11310; ErrMsg: card action is lock; "


@pytest.mark.parametrize(
    ("code", "msg"),
    [(230099, LOCKED), (11310, "card action is lock"), (200810, "The card is in an ongoing interaction")],
)
def test_a_card_whose_click_is_being_answered_is_updated_again_for_longer_than_the_answer_may_take(
    code: int, msg: str
) -> None:
    locked = answer(code, 400, msg=msg)
    assert Playback(WRITE, [locked, OK]).result.data == {"id": "1"}
    played = Playback(WRITE, [locked] * 6)
    assert isinstance(played.error, LarkAPIError)
    assert played.error.retryable
    assert "once the click on the card is answered" in str(played.error)
    for random in (0.0, 0.999):
        delays = [RetryPolicy().delay(attempt, 0, 0.75, random) or 0 for attempt in range(1, 6)]
        assert sum(delays) > 3


def test_a_card_over_a_limit_is_not_sent_again() -> None:
    over = answer(230099, 400, msg=LOCKED.replace("card action is lock", "card table number over limit"))
    assert isinstance(Playback(WRITE, [over]).error, InvalidRequestError)
