"""Operations that are played against a list of answers, without network and clock."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import orjson

from lark_provider.errors import DeadlineExceededError, LarkError
from lark_provider.protocol.attempts import LEASE, attempt_call
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.effects import (
    NeedAppToken,
    NeedTicket,
    NeedToken,
    NoResponse,
    Random,
    Response,
    Send,
    Sleep,
)
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.protocol.store import Leased
from lark_provider.protocol.trampoline import Run, StackFrame
from lark_provider.protocol.trampoline import run as trampoline

READ = make_request("GET", "/open-apis/x")
WRITE = make_request("POST", "/open-apis/x", json={"a": 1})
REMOVAL = make_request("DELETE", "/open-apis/x")
KEYED = make_request("POST", "/open-apis/x", json={"a": 1}, idempotent=True)


def answer(code: int = 0, status: int = 200, headers: dict[str, str] | None = None, **body: Any) -> Response:
    return Response(status, headers or {}, orjson.dumps({"code": code, "msg": "said", **body}))


OK = answer(data={"id": "1"})


def run(operation: Call[Any] | Procedure[Any], policy: RetryPolicy) -> Run[Any]:
    def answer_to(effect: Any, until: float) -> StackFrame | None:
        match effect:
            case Call():
                return StackFrame(attempt_call(effect, policy), until)
            case Leased(call, _, uncertain):
                return StackFrame(attempt_call(call, policy, LEASE, uncertain), until)
        return None

    return trampoline(operation, answer_to)


class Playback:
    """Plays an operation against a list of answers and notes what it asked for.

    Args:
        operation: A call or a procedure.
        answers: To its requests, in order; an error is raised.
        no_token: What each request for a token but the first raises.
        longest_sleep: The most seconds that a sleep may take, which ends after the deadline else.
        policy: Of retries.
    """

    def __init__(
        self,
        operation: Call[Any] | Procedure[Any],
        answers: Iterable[Response | NoResponse | LarkError],
        no_token: LarkError | None = None,
        longest_sleep: float = math.inf,
        **policy: Any,
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
                effect = flow.throw(reply) if isinstance(reply, LarkError) else flow.send(reply)
                match effect[0]:
                    case NeedToken() if self.tokens and no_token is not None:
                        reply = no_token
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
                    case Sleep(seconds) if seconds > longest_sleep:
                        reply = DeadlineExceededError("late")
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
