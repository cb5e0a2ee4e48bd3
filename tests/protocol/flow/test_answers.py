"""What becomes of an answer: data, or an error that says enough and shows no secret."""

from __future__ import annotations

import pickle
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import (
    LarkAPIError,
    LarkError,
    NotFoundError,
    PermissionDeniedError,
)
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import NeedToken, Random, Response
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.tokens import App, fetch
from lark_provider.protocol.trampoline import StackFrame
from lark_provider.protocol.trampoline import run as trampoline
from tests.protocol.flow.playback import KEYED, OK, READ, WRITE, Playback, answer


def test_an_answer_that_is_not_json_is_quoted_with_its_log_id() -> None:
    played = Playback(READ, [Response(404, {"x-tt-logid": "L9"}, b"404 page not found")])
    assert isinstance(played.error, NotFoundError)
    assert "404 page not found" in str(played.error)
    assert "L9" in str(played.error)
    assert played.error.log_id == "L9"


def test_a_missing_scope_names_scopes_and_link() -> None:
    details = {
        "permission_violations": [
            {"type": "action_scope_required", "subject": "im:message", "description": ""}
        ],
        "helps": [{"url": "https://open.feishu.cn/app/cli_x/auth", "description": ""}],
    }
    played = Playback(READ, [answer(99991672, 400, error=details)])
    assert isinstance(played.error, PermissionDeniedError)
    assert played.error.scopes == ("im:message",)
    assert played.error.apply_url == "https://open.feishu.cn/app/cli_x/auth"
    assert "im:message" in str(played.error)
    older = {"permission_violations": [{"scope": "im:chat", "url": "https://x.example"}]}
    error = Playback(READ, [answer(99991672, 400, error=older)]).error
    assert isinstance(error, PermissionDeniedError)
    assert (error.scopes, error.apply_url) == (("im:chat",), "https://x.example")


def test_a_token_that_an_answer_quotes_is_masked() -> None:
    echoed = Response(
        400, {}, orjson.dumps({"code": 1, "msg": "you sent Bearer t-of-length-0 and t-g1044ghJKLmnopQRST"})
    )
    text = str(Playback(READ, [echoed]).error)
    assert "t-of-length-0" not in text
    assert "ghJKL" not in text


def test_no_part_of_a_secret_is_shown_where_a_quoted_page_is_cut() -> None:
    secret = "0123456789abcdef" * 2
    signing_in = make_request("POST", "/open-apis/x", json={}, auth=False, secret=secret)
    for before in range(85, 125):
        page = Response(502, {}, b"." * before + secret.encode())
        shown = str(Playback(signing_in, [page], max_retries=0).error)
        assert "01" not in shown, before


def test_flat_answers_keep_their_content() -> None:
    assert Playback(READ, [answer(bot={"app_name": "x"})]).result.data == {"bot": {"app_name": "x"}}


def test_a_procedure_sees_the_failure_of_its_call() -> None:
    def steps() -> Procedure[str]:
        try:
            yield from perform(READ)
        except NotFoundError:
            answered = yield from perform(KEYED)
            return str(answered.data["id"])
        return "no failure"

    assert Playback(steps(), [answer(230034, 400), OK]).result == "1"


def test_errors_survive_pickling() -> None:
    error = Playback(READ, [answer(99991400, 429, {"x-ogw-ratelimit-reset": "99", "x-tt-logid": "L"})]).error
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy), copy.__dict__) == (
        type(error),
        str(error),
        error.__dict__ if error else None,
    )


@given(content=st.binary(max_size=300), status=st.integers(100, 599))
def test_no_answer_whatever_escapes_the_types(content: bytes, status: int) -> None:
    played = Playback(WRITE, [Response(status, {}, content)] * 10)
    assert played.result is not None or isinstance(played.error, LarkError)


@pytest.mark.parametrize(
    "details", [{"field_violations": 5}, {"helps": 5}, {"permission_violations": "x"}, [], 5]
)
def test_details_of_any_shape_are_survived(details: Any) -> None:
    assert isinstance(Playback(READ, [answer(230001, 400, error=details)]).error, LarkAPIError)


def test_nothing_that_an_answer_quotes_shows_the_token_or_the_secret() -> None:
    violations = [
        {"field": "authorization", "value": "Bearer t-of-length-0", "description": "t-of-length-0 is bad"}
    ]
    error = Playback(
        READ,
        [answer(99992402, 400, error={"field_violations": violations, "troubleshooter": "?t-of-length-0"})],
    ).error
    assert error is not None
    assert "t-of-length-0" not in str(error) + repr(vars(error))


@pytest.mark.parametrize(
    "reply",
    [
        answer(10014, msg_="x", echo="the-secret"),
        answer(99991400, 429, {"x-ogw-ratelimit-reset": "9999"}),
        Response(502, {}, b'{\\"app_secret\\":\\"the-secret\\"} the-secret'),
    ],
)
def test_the_app_secret_shows_in_no_error_of_the_token_endpoint(reply: Response) -> None:
    quoting = Response(reply.status, reply.headers, reply.content.replace(b'"said"', b'"said the-secret"'))
    error = Playback(fetch(App("https://x", "cli_1", "the-secret")), [quoting] * 10).error
    assert error is not None
    chain = [error, error.__cause__, error.__context__]
    assert "the-secret" not in "".join(str(cause) + repr(vars(cause)) for cause in chain if cause is not None)


@pytest.mark.parametrize(
    "data", [{}, {"tenant_access_token": "t", "expire": None}, {"tenant_access_token": "t\n", "expire": 1}]
)
def test_an_answer_without_a_token_is_no_token(data: dict[str, Any]) -> None:
    error = Playback(fetch(App("https://x", "cli_1", "s")), [answer(**data)]).error
    assert isinstance(error, LarkAPIError)
    assert "without a token" in str(error)


def test_an_operation_that_is_closed_closes_its_steps_the_last_one_first() -> None:
    closed = []

    def inner() -> Procedure[None]:
        try:
            yield Random()
        finally:
            closed.append("inner")

    def outer() -> Procedure[None]:
        try:
            yield NeedToken()
        finally:
            closed.append("outer")

    def answer_to(effect: Any, until: float) -> StackFrame | None:
        return StackFrame(inner(), until) if isinstance(effect, NeedToken) else None

    running = trampoline(outer(), answer_to)
    next(running)
    running.close()
    assert closed == ["inner", "outer"]


@pytest.mark.parametrize(
    ("path", "idempotent", "is_done"),
    [
        ("values_batch_update", True, True),
        ("values_batch_update", False, True),
        ("sheets_batch_update", True, True),
        ("sheets_batch_update", False, False),
        ("values_append", True, False),
    ],
)
def test_an_update_of_a_sheet_that_changes_nothing_is_done(
    path: str, idempotent: bool, is_done: bool
) -> None:
    """One that adds a worksheet is no update: what it should have made does not exist."""
    call: Call[Any] = make_request("POST", f"/open-apis/sheets/v2/{path}", json={}, idempotent=idempotent)
    assert (Playback(call, [answer(90216)]).error is None) is is_done
