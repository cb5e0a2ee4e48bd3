"""The trampoline: runs an operation, and the steps that its effects need, on one explicit stack.

A generator of steps that yields an effect gets an answer. Some effects are answered at once. Others are
answered by further steps, which are put on top of the stack and may yield effects of their own. The remaining
effects are I/O, which the driver performs. So the loop below runs a call inside a procedure as well as the
token request inside that call, and an error passes through the waiting steps without a Python frame for each
of them. Each entry of the stack has the deadline of its call, which also bounds the entries on top of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeAlias, TypeVar

from lark_provider.protocol.calls import Call
from lark_provider.protocol.effects import Effect
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure

T = TypeVar("T")
NEVER = float("inf")
Steps: TypeAlias = "Generator[Call[Any] | Effect, Any, Any]"


class StackFrame(NamedTuple):
    """An entry of the stack.

    Attributes:
        steps: The generator that is run.
        until: Their deadline, by the monotonic clock. Frames that are put on top of this one get the same
            deadline or an earlier one.
    """

    steps: Steps
    until: float = NEVER


EffectHandler: TypeAlias = "Callable[[Call[Any] | Effect, float], StackFrame | tuple[Any] | None]"
"""Answers an effect, given the deadline of the steps that yielded it: with steps to run, with a value in a
tuple of one, or with None if it is I/O, which the driver performs."""


Io: TypeAlias = "tuple[Effect, float]"
"""An effect that the driver performs, and the deadline of the steps that yielded it."""
Run: TypeAlias = "Generator[Io, Any, T]"


def run(operation: Call[Any] | Procedure[T], answer_to: EffectHandler) -> Run[T]:
    """Run an operation.

    Args:
        operation: A call or a procedure.
        answer_to: The function that answers effects.

    Returns:
        A generator that yields I/O and returns the operation's result.

    Raises:
        InvalidRequestError: It is not an operation.
        Exception: The exception that the operation raised. The error of an effect is thrown into the steps
            that yielded it, so that a bulk write can say how much it has written.
    """
    if isinstance(operation, Call):
        first = answer_to(operation, NEVER)
        assert isinstance(first, StackFrame)  # noqa: S101 - a call is always answered by steps
    elif isinstance(operation, Generator):
        first = StackFrame(operation)
    else:
        raise InvalidRequestError(
            f"perform takes a call or a procedure of lark_provider.api, got {type(operation).__name__}. "
            "Next: read a listing with `iterate`, and pass anything else as its function returns it."
        )
    stack = [first]
    answer: Any = None
    error: Exception | None = None
    try:
        while True:
            top = stack[-1]
            try:
                effect = top.steps.send(answer) if error is None else top.steps.throw(error)
            except StopIteration as stop:
                stack.pop()
                answer, error = stop.value, None
                if not stack:
                    result: T = answer
                    return result
                continue
            except Exception as raised:
                stack.pop()
                if not stack:
                    raise
                error = raised
                continue
            answer = error = None
            try:
                outcome = answer_to(effect, top.until)
                if outcome is None:
                    answer = yield effect, top.until  # type: ignore[misc]  # a call is always answered by steps
                elif isinstance(outcome, StackFrame):
                    stack.append(outcome)
                else:
                    answer = outcome[0]
            except Exception as raised:  # noqa: BLE001 - the steps that yielded it decide
                error = raised
    finally:
        if stack:  # Cancelled, or closed by the driver: all steps are closed, the last ones first.
            with ExitStack() as closing:
                for frame in stack:
                    closing.callback(frame.steps.close)
        answer = error = None  # a traceback holds this frame; a reference back would be a cycle
