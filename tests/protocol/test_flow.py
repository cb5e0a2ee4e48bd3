"""The call engine without network and clock: which effects follow which answers."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import (
    LarkAPIError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)
from lark_provider.protocol.calls import (
    Call,
    Lost,
    NeedToken,
    Procedure,
    Random,
    Response,
    Send,
    Sleep,
    perform,
    request,
)
from lark_provider.protocol.codes import TABLE, Kind
from lark_provider.protocol.flow import run
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App, fetch

READ = request("GET", "/open-apis/x")
WRITE = request("POST", "/open-apis/x", json={"a": 1})
KEYED = request("POST", "/open-apis/x", json={"a": 1}, idempotent=True)


def answer(code: int = 0, status: int = 200, headers: dict[str, str] | None = None, **body: Any) -> Response:
    return Response(status, headers or {}, orjson.dumps({"code": code, "msg": "said", **body}))


OK = answer(data={"id": "1"})


class Run:
    """Plays an operation against a list of answers and notes what it asked for."""

    def __init__(
        self, operation: Call[Any] | Procedure[Any], answers: Iterable[Response | Lost], **policy: Any
    ) -> None:
        self.tokens: list[str] = []
        self.rejected: list[str | None] = []
        self.sleeps: list[float] = []
        self.sent: list[Send] = []
        self.result: Any = None
        self.error: LarkError | None = None
        waiting = iter(answers)
        flow = run(operation, RetryPolicy(**policy))
        reply: Any = None
        try:
            while True:
                match flow.send(reply):
                    case NeedToken(rejected):
                        self.rejected.append(rejected)
                        self.tokens.append(f"t-{len(self.tokens)}")
                        reply = self.tokens[-1]
                    case Send() as send:
                        self.sent.append(send)
                        reply = next(waiting)
                    case Sleep(seconds):
                        self.sleeps.append(seconds)
                        reply = None
                    case Random():
                        reply = 0.5
                    case other:
                        raise AssertionError(other)
        except StopIteration as stop:
            self.result = stop.value
        except LarkError as error:
            self.error = error


def test_an_accepted_call_gives_data_and_log_id() -> None:
    played = Run(READ, [answer(headers={"x-tt-logid": "L1"}, data={"id": "1"})])
    assert (played.result.code, played.result.data, played.result.log_id) == (0, {"id": "1"}, "L1")
    assert [send.token for send in played.sent] == ["t-0"]


def test_a_rejected_token_is_replaced_exactly_once() -> None:
    played = Run(WRITE, [answer(99991663, 400), OK])
    assert played.result.data == {"id": "1"}
    assert played.rejected == [None, "t-0"]
    assert played.sleeps == []

    refused_again = Run(WRITE, [answer(99991663, 400), answer(99991663, 400)])
    assert isinstance(refused_again.error, PermissionDeniedError)
    assert len(refused_again.sent) == 2


@pytest.mark.parametrize("status", [429, 400])
def test_the_rate_limit_header_is_waited_for_with_little_jitter(status: int) -> None:
    limited = answer(99991400, status, {"x-ogw-ratelimit-reset": "1.5"})
    played = Run(WRITE, [limited, OK])
    assert played.result
    assert played.sleeps == [pytest.approx(1.5 + 0.5 * 0.15)]


def test_without_a_header_the_back_off_doubles() -> None:
    played = Run(WRITE, [answer(1254291)] * 3 + [OK])
    assert played.sleeps == [0.25, 0.5, 1.0]


def test_a_long_wait_is_not_begun() -> None:
    played = Run(READ, [answer(99991400, 429, {"x-ogw-ratelimit-reset": "3600"})])
    assert isinstance(played.error, RateLimitError)
    assert played.error.retry_after == 3600
    assert played.error.retryable
    assert played.sleeps == []


def test_repeats_end_with_the_error_itself() -> None:
    played = Run(READ, [answer(230020, 400)] * 3, max_retries=2)
    assert isinstance(played.error, RateLimitError)
    assert len(played.sent) == 3


@pytest.mark.parametrize(
    "failure", [Lost("ReadTimeout", sent=True), answer(1255040, 504), Response(502, {}, b"<html>")]
)
def test_what_may_have_been_written_is_repeated_only_with_a_key(failure: Response | Lost) -> None:
    bare = Run(WRITE, [failure])
    assert isinstance(bare.error, OutcomeUnknownError)
    assert len(bare.sent) == 1

    keyed = Run(KEYED, [failure, OK])
    assert keyed.result
    assert keyed.sent[0].call.body == keyed.sent[1].call.body

    read = Run(READ, [failure, OK])
    assert read.result


def test_a_request_that_never_left_is_repeated_always() -> None:
    assert Run(WRITE, [Lost("ConnectError", sent=False), OK]).result
    played = Run(WRITE, [Lost("ConnectError", sent=False)] * 3, max_retries=2)
    assert type(played.error) is TransportError
    assert played.error.retryable


def test_a_refusal_after_a_lost_answer_does_not_prove_that_nothing_was_written() -> None:
    played = Run(KEYED, [Lost("ReadTimeout", sent=True), answer(1254608, 403)])
    assert isinstance(played.error, OutcomeUnknownError)
    assert isinstance(played.error.__cause__, LarkAPIError)
    assert played.error.__cause__.code == 1254608


@pytest.mark.parametrize("code", [1254608, 1255006])
def test_a_repeated_token_leaves_the_outcome_open(code: int) -> None:
    assert isinstance(Run(KEYED, [answer(code, 400)]).error, OutcomeUnknownError)


def test_an_answer_that_is_not_json_is_quoted_with_its_log_id() -> None:
    played = Run(READ, [Response(404, {"x-tt-logid": "L9"}, b"404 page not found")])
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
    played = Run(READ, [answer(99991672, 400, error=details)])
    assert isinstance(played.error, PermissionDeniedError)
    assert played.error.scopes == ("im:message",)
    assert played.error.apply_url == "https://open.feishu.cn/app/cli_x/auth"
    assert "im:message" in str(played.error)
    older = {"permission_violations": [{"scope": "im:chat", "url": "https://x.example"}]}
    error = Run(READ, [answer(99991672, 400, error=older)]).error
    assert isinstance(error, PermissionDeniedError)
    assert (error.scopes, error.apply_url) == (("im:chat",), "https://x.example")


def test_a_token_that_an_answer_quotes_is_masked() -> None:
    echoed = Response(
        400, {}, orjson.dumps({"code": 1, "msg": "you sent Bearer t-0 and t-g1044ghJKLmnopQRST"})
    )
    text = str(Run(READ, [echoed]).error)
    assert "t-0" not in text
    assert "ghJKL" not in text


def test_flat_answers_keep_their_content() -> None:
    assert Run(READ, [answer(bot={"app_name": "x"})]).result.data == {"bot": {"app_name": "x"}}


def test_a_procedure_sees_the_failure_of_its_call() -> None:
    def steps() -> Procedure[str]:
        try:
            yield from perform(READ)
        except NotFoundError:
            answered = yield from perform(KEYED)
            return str(answered.data["id"])
        return "no failure"

    assert Run(steps(), [answer(230034, 400), OK]).result == "1"


def test_errors_survive_pickling() -> None:
    error = Run(READ, [answer(99991400, 429, {"x-ogw-ratelimit-reset": "99", "x-tt-logid": "L"})]).error
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy), copy.__dict__) == (
        type(error),
        str(error),
        error.__dict__ if error else None,
    )


@given(
    code=st.sampled_from([*(code for code in TABLE if TABLE[code].kind is not Kind.DONE), 1, 424242]),
    status=st.sampled_from([200, 400, 403, 404, 429, 500, 504]),
    keyed=st.booleans(),
)
def test_no_write_is_sent_twice_without_key_unless_lark_says_it_was_not_done(
    code: int, status: int, *, keyed: bool
) -> None:
    call = KEYED if keyed else WRITE
    played = Run(call, [answer(code, status)] * 10)
    assert isinstance(played.error, LarkError)
    assert "Next: " in str(played.error)
    not_done = code in TABLE and TABLE[code].kind in {Kind.RATE, Kind.BUSY, Kind.TOKEN}
    limited = status == 429 and (code not in TABLE or TABLE[code].kind is Kind.REFUSED)
    if not (keyed or not_done or limited):
        assert len(played.sent) == 1
    assert sum(played.sleeps) <= 60


@given(content=st.binary(max_size=300), status=st.integers(100, 599))
def test_no_answer_whatever_escapes_the_types(content: bytes, status: int) -> None:
    played = Run(WRITE, [Response(status, {}, content)] * 10)
    assert played.result is not None or isinstance(played.error, LarkError)


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
    assert waited + delay <= policy.max_wait
    if retry_after is None:
        assert 0 <= delay <= policy.cap
    else:
        assert delay >= retry_after


def test_nothing_to_change_is_as_good_as_done() -> None:
    assert Run(WRITE, [answer(1254606)]).result.data == {}


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
    played = Run(call, [Response(status, {}, b"<html>hello</html>")] * 5, max_retries=2)
    assert type(played.error) is kind
    assert len(played.sent) == tries


def test_a_certificate_that_does_not_fit_is_not_tried_again() -> None:
    played = Run(READ, [Lost("ConnectError: SSL: WRONG_VERSION_NUMBER", sent=False, passing=False)] * 3)
    assert len(played.sent) == 1


@pytest.mark.parametrize(
    "details", [{"field_violations": 5}, {"helps": 5}, {"permission_violations": "x"}, [], 5]
)
def test_details_of_any_shape_are_survived(details: Any) -> None:
    assert isinstance(Run(READ, [answer(230001, 400, error=details)]).error, LarkAPIError)


def test_nothing_that_an_answer_quotes_shows_the_token_or_the_secret() -> None:
    violations = [{"field": "authorization", "value": "Bearer t-0", "description": "t-0 is bad"}]
    error = Run(
        READ, [answer(99992402, 400, error={"field_violations": violations, "troubleshooter": "?t-0"})]
    ).error
    assert error is not None
    assert "t-0" not in str(error) + repr(vars(error))


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
    error = Run(fetch(App("https://x", "cli_1", "the-secret")), [quoting] * 10).error
    assert error is not None
    chain = [error, error.__cause__, error.__context__]
    assert "the-secret" not in "".join(str(one) + repr(vars(one)) for one in chain if one is not None)


@pytest.mark.parametrize(
    "data", [{}, {"tenant_access_token": "t", "expire": None}, {"tenant_access_token": "t\n", "expire": 1}]
)
def test_an_answer_without_a_token_is_no_token(data: dict[str, Any]) -> None:
    error = Run(fetch(App("https://x", "cli_1", "s")), [answer(**data)]).error
    assert isinstance(error, LarkAPIError)
    assert "without a token" in str(error)


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
        assert Run(KEYED, [answer(code, 400), OK]).result, code
    for code in (99991663, 99991664, 99991665, 99991671, 99991661):
        assert Run(WRITE, [answer(code, 400), OK]).result, code
