"""Writes whose outcome is not known: what is repeated, and what an answer proves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import (
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    LarkAPIError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    TransportError,
)
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.codes import TABLE, CodeKind
from lark_provider.protocol.effects import NoResponse, Response
from tests.protocol.flow.playback import KEYED, OK, READ, REMOVAL, WRITE, Playback, answer


@pytest.mark.parametrize(
    "failure", [NoResponse("ReadTimeout", sent=True), answer(1255040, 504), Response(502, {}, b"<html>")]
)
def test_what_may_have_been_written_is_repeated_only_with_a_key(failure: Response | NoResponse) -> None:
    bare = Playback(WRITE, [failure])
    assert isinstance(bare.error, OutcomeUnknownError)
    assert len(bare.sent) == 1

    keyed = Playback(KEYED, [failure, OK])
    assert keyed.result
    assert keyed.sent[0].call.body == keyed.sent[1].call.body

    read = Playback(READ, [failure, OK])
    assert read.result


def test_a_request_that_never_left_is_repeated_always() -> None:
    assert Playback(WRITE, [NoResponse("ConnectError", sent=False), OK]).result
    played = Playback(WRITE, [NoResponse("ConnectError", sent=False)] * 3, max_retries=2)
    assert type(played.error) is TransportError
    assert played.error.retryable


def test_a_refusal_after_a_lost_answer_does_not_prove_that_nothing_was_written() -> None:
    played = Playback(KEYED, [NoResponse("ReadTimeout", sent=True), answer(1254608, 403)])
    assert isinstance(played.error, OutcomeUnknownError)
    assert isinstance(played.error.__cause__, LarkAPIError)
    assert played.error.__cause__.code == 1254608


@pytest.mark.parametrize(
    "error",
    [TransportError("no token"), DeadlineExceededError("no token in time"), ConfigurationError("disabled")],
)
def test_no_second_try_after_a_lost_answer_leaves_the_outcome_open(error: LarkError) -> None:
    lost = NoResponse("ReadTimeout", sent=True)
    for played in (Playback(KEYED, [lost], no_token=error), Playback(KEYED, [lost, error])):
        assert isinstance(played.error, OutcomeUnknownError)
    first = Playback(KEYED, [NoResponse("ConnectError", sent=False)], no_token=error)
    assert type(first.error) is type(error)


@pytest.mark.parametrize("code", [1254608, 1255006])
@pytest.mark.parametrize(
    "before", [[], [answer(1254291)], [answer(99991663, 400)], [NoResponse("ConnectError", sent=False)]]
)
def test_a_token_that_others_used_is_a_conflict_for_good(
    code: int, before: list[Response | NoResponse]
) -> None:
    played = Playback(KEYED, [*before, answer(code, 400), OK])
    assert type(played.error) is ConflictError
    assert not played.error.retryable
    assert len(played.sent) == len(before) + 1


@pytest.mark.parametrize("code", [1254608, 1255006])
@pytest.mark.parametrize("before", [NoResponse("ReadTimeout", sent=True), answer(1255040, 504)])
def test_a_token_repeated_after_an_uncertain_try_leaves_the_outcome_open(
    code: int, before: Response | NoResponse
) -> None:
    assert isinstance(Playback(KEYED, [before, answer(code, 400)]).error, OutcomeUnknownError)


@pytest.mark.parametrize("code", [1254043, 1254042, 230011, 230110])
def test_what_is_gone_after_an_uncertain_removal_was_removed(code: int) -> None:
    for failure in (NoResponse("ReadTimeout", sent=True), answer(1255040, 504), Response(502, {}, b"<html>")):
        played = Playback(REMOVAL, [failure, answer(code, headers={"x-tt-logid": "L1"})])
        assert (played.error, played.result.code, played.result.log_id) == (None, 0, "L1")
    for certain in ([], [answer(1254291)], [NoResponse("ConnectError", sent=False)]):
        refused = Playback(REMOVAL, [*certain, answer(code)])
        assert type(refused.error) in {NotFoundError, ConflictError}
    kept = Playback(KEYED, [NoResponse("ReadTimeout", sent=True), answer(code)])
    assert isinstance(kept.error, OutcomeUnknownError)


def test_an_unknown_endpoint_has_removed_nothing() -> None:
    played = Playback(
        REMOVAL, [NoResponse("ReadTimeout", sent=True), Response(404, {}, b"404 page not found")]
    )
    assert isinstance(played.error, OutcomeUnknownError)


def test_a_removal_that_counts_positions_is_not_repeated() -> None:
    rows = make_request(
        "DELETE", "/open-apis/sheets/v2/spreadsheets/s/dimension_range", json={"dimension": {}}
    )
    played = Playback(rows, [NoResponse("ReadTimeout", sent=True), OK])
    assert isinstance(played.error, OutcomeUnknownError)
    assert len(played.sent) == 1
    not_so = Playback(
        make_request("DELETE", "/open-apis/x", idempotent=False), [NoResponse("ReadTimeout", sent=True), OK]
    )
    assert isinstance(not_so.error, OutcomeUnknownError)


@given(
    code=st.sampled_from(
        [*(code for code in TABLE if TABLE[code].kind is not CodeKind.UNCHANGED), 1, 424242]
    ),
    status=st.sampled_from([200, 400, 403, 404, 429, 500, 504]),
    keyed=st.booleans(),
)
def test_no_write_is_sent_twice_without_key_unless_lark_says_it_was_not_done(
    code: int, status: int, *, keyed: bool
) -> None:
    call = KEYED if keyed else WRITE
    played = Playback(call, [answer(code, status)] * 10)
    assert isinstance(played.error, LarkError)
    assert "Next: " in str(played.error)
    not_done = code in TABLE and TABLE[code].kind in {CodeKind.RATE, CodeKind.BUSY, CodeKind.TOKEN}
    limited = status == 429 and (code not in TABLE or TABLE[code].kind is CodeKind.REFUSED)
    if not (keyed or not_done or limited):
        assert len(played.sent) == 1
    assert sum(played.sleeps) <= 60


@pytest.mark.parametrize("code", [1254040, 1254041, 131005])
def test_what_is_around_it_being_gone_leaves_a_removal_open(code: int) -> None:
    lost = NoResponse("ReadTimeout", sent=True)
    assert isinstance(Playback(REMOVAL, [lost, answer(code, 404)]).error, OutcomeUnknownError)


def test_nothing_to_change_is_as_good_as_done() -> None:
    change = make_request("PUT", "/open-apis/x", json={"a": 1})
    assert Playback(change, [answer(1254606)]).result.data == {}
    assert isinstance(Playback(WRITE, [answer(1254606)]).error, LarkAPIError)


@pytest.mark.parametrize(("call", "advice"), [(WRITE, True), (KEYED, False)])
def test_a_key_is_advised_where_it_was_missing(call: Call[Any], advice: bool) -> None:
    played = Playback(call, [NoResponse("the connection was reset", sent=True)], max_retries=0)
    assert isinstance(played.error, OutcomeUnknownError)
    assert ("with an idempotency key" in str(played.error)) is advice
