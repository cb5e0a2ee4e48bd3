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
    ConflictError,
    DeadlineExceededError,
    LarkAPIError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TokenAcquisitionError,
    TransportError,
)
from lark_provider.protocol.attempts import attempts
from lark_provider.protocol.calls import Call, request
from lark_provider.protocol.codes import TABLE, Kind
from lark_provider.protocol.effects import (
    Lost,
    NeedAppToken,
    NeedTicket,
    NeedToken,
    Random,
    Response,
    Send,
    Sleep,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.tokens import App, fetch, fetch_app_token
from lark_provider.protocol.trampoline import Frame
from lark_provider.protocol.trampoline import Run as Running
from lark_provider.protocol.trampoline import run as trampoline

READ = request("GET", "/open-apis/x")
WRITE = request("POST", "/open-apis/x", json={"a": 1})
REMOVAL = request("DELETE", "/open-apis/x")
KEYED = request("POST", "/open-apis/x", json={"a": 1}, idempotent=True)


def answer(code: int = 0, status: int = 200, headers: dict[str, str] | None = None, **body: Any) -> Response:
    return Response(status, headers or {}, orjson.dumps({"code": code, "msg": "said", **body}))


OK = answer(data={"id": "1"})


def run(operation: Call[Any] | Procedure[Any], policy: RetryPolicy) -> Running[Any]:
    def answer_to(effect: Any, until: float) -> Frame | None:
        return Frame(attempts(effect, policy), until) if isinstance(effect, Call) else None

    return trampoline(operation, answer_to)


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
                match flow.send(reply)[0]:
                    case NeedToken(rejected):
                        self.rejected.append(rejected)
                        self.tokens.append(f"t-of-length-{len(self.tokens)}")
                        reply = self.tokens[-1]
                    case NeedAppToken(rejected) | NeedTicket(rejected):
                        self.rejected.append(rejected)
                        reply = f"proof-{len(self.rejected)}"
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
    assert [send.token for send in played.sent] == ["t-of-length-0"]


def test_a_rejected_token_is_replaced_exactly_once() -> None:
    played = Run(WRITE, [answer(99991663, 400), OK])
    assert played.result.data == {"id": "1"}
    assert played.rejected == [None, "t-of-length-0"]
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
@pytest.mark.parametrize(
    "before", [[], [answer(1254291)], [answer(99991663, 400)], [Lost("ConnectError", sent=False)]]
)
def test_a_token_that_others_used_is_a_conflict_for_good(code: int, before: list[Response | Lost]) -> None:
    played = Run(KEYED, [*before, answer(code, 400), OK])
    assert type(played.error) is ConflictError
    assert not played.error.retryable
    assert len(played.sent) == len(before) + 1


@pytest.mark.parametrize("code", [1254608, 1255006])
@pytest.mark.parametrize("before", [Lost("ReadTimeout", sent=True), answer(1255040, 504)])
def test_a_token_repeated_after_an_uncertain_try_leaves_the_outcome_open(
    code: int, before: Response | Lost
) -> None:
    assert isinstance(Run(KEYED, [before, answer(code, 400)]).error, OutcomeUnknownError)


@pytest.mark.parametrize("code", [1254043, 1254042, 230011, 230110])
def test_what_is_gone_after_an_uncertain_removal_was_removed(code: int) -> None:
    for failure in (Lost("ReadTimeout", sent=True), answer(1255040, 504), Response(502, {}, b"<html>")):
        played = Run(REMOVAL, [failure, answer(code, headers={"x-tt-logid": "L1"})])
        assert (played.error, played.result.code, played.result.log_id) == (None, 0, "L1")
    for certain in ([], [answer(1254291)], [Lost("ConnectError", sent=False)]):
        refused = Run(REMOVAL, [*certain, answer(code)])
        assert type(refused.error) in {NotFoundError, ConflictError}
    kept = Run(KEYED, [Lost("ReadTimeout", sent=True), answer(code)])
    assert isinstance(kept.error, OutcomeUnknownError)


def test_an_unknown_endpoint_has_removed_nothing() -> None:
    played = Run(REMOVAL, [Lost("ReadTimeout", sent=True), Response(404, {}, b"404 page not found")])
    assert isinstance(played.error, OutcomeUnknownError)


def test_a_removal_that_counts_positions_is_not_repeated() -> None:
    rows = request("DELETE", "/open-apis/sheets/v2/spreadsheets/s/dimension_range", json={"dimension": {}})
    played = Run(rows, [Lost("ReadTimeout", sent=True), OK])
    assert isinstance(played.error, OutcomeUnknownError)
    assert len(played.sent) == 1
    not_so = Run(request("DELETE", "/open-apis/x", idempotent=False), [Lost("ReadTimeout", sent=True), OK])
    assert isinstance(not_so.error, OutcomeUnknownError)


@pytest.mark.parametrize(
    "reply", [Response(503, {"retry-after": "3"}, b"busy"), answer(1255040, 503, {"retry-after": "3"})]
)
def test_retry_after_is_kept_to_on_503(reply: Response) -> None:
    played = Run(READ, [reply, OK])
    assert played.sleeps == [pytest.approx(3 + 0.5 * 0.3)]
    assert Run(READ, [Response(503, {"retry-after": "3600"}, b"busy"), OK]).sleeps == []
    assert Run(WRITE, [reply, OK]).sleeps == []


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
        400, {}, orjson.dumps({"code": 1, "msg": "you sent Bearer t-of-length-0 and t-g1044ghJKLmnopQRST"})
    )
    text = str(Run(READ, [echoed]).error)
    assert "t-of-length-0" not in text
    assert "ghJKL" not in text


def test_no_part_of_a_secret_is_shown_where_a_quoted_page_is_cut() -> None:
    secret = "0123456789abcdef" * 2
    signing_in = request("POST", "/open-apis/x", json={}, auth=False, secret=secret)
    for before in range(85, 125):
        page = Response(502, {}, b"." * before + secret.encode())
        shown = str(Run(signing_in, [page], max_retries=0).error)
        assert "01" not in shown, before


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


@pytest.mark.parametrize("code", [1254040, 1254041, 131005])
def test_what_is_around_it_being_gone_leaves_a_removal_open(code: int) -> None:
    lost = Lost("ReadTimeout", sent=True)
    assert isinstance(Run(REMOVAL, [lost, answer(code, 404)]).error, OutcomeUnknownError)


def test_nothing_to_change_is_as_good_as_done() -> None:
    change = request("PUT", "/open-apis/x", json={"a": 1})
    assert Run(change, [answer(1254606)]).result.data == {}
    assert isinstance(Run(WRITE, [answer(1254606)]).error, LarkAPIError)


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
    violations = [
        {"field": "authorization", "value": "Bearer t-of-length-0", "description": "t-of-length-0 is bad"}
    ]
    error = Run(
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


def test_a_token_endpoint_that_fails_refuses_no_credentials() -> None:
    app = App("https://x", "cli_1", "s")
    busy = Run(fetch(app), [answer(2200, 500)], max_retries=0)
    assert isinstance(busy.error, LarkAPIError)
    lost = Run(fetch(app), [Lost("the connection was reset", sent=True)], max_retries=0)
    assert isinstance(lost.error, TransportError)
    assert not isinstance(lost.error, OutcomeUnknownError)
    page = Run(fetch(app), [Response(404, {}, b"<html>not found</html>")])
    assert isinstance(page.error, LarkAPIError)
    assert (busy.tokens, lost.tokens, page.tokens) == ([], [], []), "a token takes no token"


def test_credentials_that_are_refused_are_named_with_the_id_of_the_log() -> None:
    app = App("https://x", "cli_1", "s")
    refused = Run(fetch(app), [answer(10014, 400, {"x-tt-logid": "L1"})])
    assert isinstance(refused.error, TokenAcquisitionError)
    text = str(refused.error)
    assert "10014" in text
    assert "check app id 'cli_1' and its secret" in text
    assert text.endswith("(log_id L1)")
    assert "tenant" not in text
    assert "log_id" not in str(Run(fetch(app), [answer(10014, 400)]).error)


@pytest.mark.parametrize(
    ("get", "member", "code"),
    [(fetch, "tenant_access_token", 10013), (fetch_app_token, "app_access_token", 10012)],
)
def test_what_a_store_app_proves_itself_with_is_replaced_once(get: Any, member: str, code: int) -> None:
    app = App("https://x", "cli_1", "s", tenant_key="a-tenant")
    granted: dict[str, Any] = {member: "t-2", "expire": 7200}
    played = Run(get(app), [answer(code, 400), answer(**granted)])
    assert played.result == ("t-2", 7200.0)
    assert played.rejected == [None, "proof-1"]
    for replies, times in (([answer(code, 400)] * 2, 2), ([answer(10014, 400)], 1)):
        refused = Run(get(app), replies)
        assert isinstance(refused.error, TokenAcquisitionError)
        assert len(refused.sent) == times
        assert "that tenant 'a-tenant' has installed it" in str(refused.error)
    quoting = Response(400, {}, orjson.dumps({"code": 10014, "msg": "said proof-1"}))
    assert "proof-1" not in str(Run(get(app), [quoting]).error)


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


def test_a_call_without_a_token_is_not_repeated_for_a_rejected_one() -> None:
    call = request("POST", "/open-apis/auth/v3/tenant_access_token/internal", json={}, safe=True, auth=False)
    played = Run(call, [answer(99991663, 400)] * 3)
    assert isinstance(played.error, PermissionDeniedError)
    assert (len(played.sent), played.tokens) == (1, [])


@pytest.mark.parametrize("sent", [True, False])
def test_what_the_deadline_cut_off_is_not_tried_again(sent: bool) -> None:
    played = Run(KEYED, [Lost("before an answer", sent=sent, is_late=True), OK])
    assert isinstance(played.error, OutcomeUnknownError if sent else DeadlineExceededError)
    assert len(played.sent) == 1


def test_an_error_says_whether_the_deadline_came_or_the_connection_was_lost() -> None:
    late = str(Run(READ, [Lost("before an answer", sent=False, is_late=True)]).error)
    assert "the deadline came before an answer." in late
    assert late.endswith("Next: call again later, or pass a longer deadline=.")
    lost = str(Run(READ, [Lost("the certificate is invalid", sent=False, passing=False)]).error)
    assert "the certificate is invalid. Next: check network, proxy and base_url, then call again." in lost
    assert "deadline" not in lost


def test_an_error_says_what_the_deadline_found_the_call_waiting_for() -> None:
    flow = attempts(READ, RetryPolicy())
    assert next(flow) == NeedToken()
    with pytest.raises(DeadlineExceededError, match=r"the deadline came while waiting for a token\. Next: "):
        flow.throw(DeadlineExceededError("late"))

    flow = attempts(READ, RetryPolicy())
    next(flow)
    flow.send("t-1")
    assert flow.send(answer(99991400, 429)) == Random()
    assert isinstance(flow.send(0.5), Sleep)
    with pytest.raises(DeadlineExceededError) as caught:
        flow.throw(DeadlineExceededError("late"))
    before, _, advice = str(caught.value).partition(" Next: ")
    assert "the deadline came before another try; the last one failed: " in before
    assert "99991400" in before
    assert advice == "call again later, or pass a longer deadline=."


def test_a_write_whose_outcome_is_open_says_why_and_advises_once() -> None:
    played = Run(WRITE, [answer(status=502, code=2200)])
    assert isinstance(played.error, OutcomeUnknownError)
    before, _, advice = str(played.error).partition(" Next: ")
    assert "may or may not have happened: " in before
    assert "2200" in before
    assert advice.startswith("check whether it was written before repeating it")
    assert " Next: " not in advice


def test_waits_are_added_up_and_may_take_the_whole_of_what_is_allowed() -> None:
    said = {"x-ogw-ratelimit-reset": "4"}
    replies = [answer(99991400, 429, said), answer(99991400, 429, said), OK]
    assert Run(READ, replies, max_wait=8.4).sleeps == pytest.approx([4.2, 4.2])
    cut_short = Run(READ, replies, max_wait=8.3)
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


@pytest.mark.parametrize(("call", "advice"), [(WRITE, True), (KEYED, False)])
def test_a_key_is_advised_where_it_was_missing(call: Call[Any], advice: bool) -> None:
    played = Run(call, [Lost("the connection was reset", sent=True)], max_retries=0)
    assert isinstance(played.error, OutcomeUnknownError)
    assert ("with an idempotency key" in str(played.error)) is advice


def test_another_try_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Run(READ, [answer(99991400, 429, {"x-ogw-ratelimit-reset": "1"}), OK])
    [record] = caplog.records
    assert record.getMessage() == "Retrying after a failed attempt"
    fields = record.__dict__
    assert (fields["call"], fields["attempt"], fields["retry_in_s"]) == ("GET /open-apis/x", 1, 1.05)
    assert "99991400" in fields["error"]


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

    def answer_to(effect: Any, until: float) -> Frame | None:
        return Frame(inner(), until) if isinstance(effect, NeedToken) else None

    running = trampoline(outer(), answer_to)
    next(running)
    running.close()
    assert closed == ["inner", "outer"]
