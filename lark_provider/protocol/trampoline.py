"""The trampoline: runs an operation, and all that its effects entail, on one explicit stack.

A step that yields an effect gets an answer. Some effects are answered at once, some by further steps, which
are put on top of the stack and may yield effects of their own; what is left over is I/O, and goes to the
driver. So a call inside a procedure, and the token request inside that call, are all run by the loop below,
and an error passes through the steps that were waiting, without a frame for each of them. Each frame has the
deadline of its call, and what is put on top of it ends by that deadline, too.
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
    """Steps on the stack.

    Attributes:
        steps: What is run.
        until: Their deadline, by the monotonic clock. Frames that are put on top of this one get the same
            deadline or an earlier one.
    """

    steps: Steps
    until: float = NEVER


EffectHandler: TypeAlias = "Callable[[Call[Any] | Effect, float], StackFrame | tuple[Any] | None]"
"""Answers an effect, given the deadline of the steps that yielded it: by steps to run, by a value in a tuple
of one, or by None if it is I/O, which the driver does."""


Io: TypeAlias = "tuple[Effect, float]"
"""An effect that the driver performs, and the deadline of the steps that yielded it."""
Run: TypeAlias = "Generator[Io, Any, T]"


def run(operation: Call[Any] | Procedure[T], answer_to: EffectHandler) -> Run[T]:
    """Run an operation.

    Args:
        operation: A call or a procedure.
        answer_to: Answers effects.

    Returns:
        A generator that yields I/O and returns the operation's result.

    Raises:
        InvalidRequestError: It is not an operation.
        Exception: What the operation raised. What an effect raises is thrown into the steps that asked, so
            that a bulk write can say how far it came.
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
        if stack:  # Cancelled, or closed by the driver: each step learns of it, the last one first.
            with ExitStack() as closing:
                for frame in stack:
                    closing.callback(frame.steps.close)
        answer = error = None  # a traceback holds this frame; a reference back would be a cycle
