"""The trampoline: what it does for steps that are stopped."""

from __future__ import annotations

from typing import Any

import pytest

from lark_provider.protocol.effects import Now
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.trampoline import StackFrame, run


def test_each_step_is_closed_although_the_cleaning_up_of_one_fails() -> None:
    closed: list[str] = []

    def step(name: str) -> Procedure[Any]:
        try:
            yield Now()
        finally:
            closed.append(name)
            if name == "inner":
                raise RuntimeError("cannot clean up")

    answers = iter([StackFrame(step("inner")), None])
    running = run(step("outer"), lambda _effect, _until: next(answers))
    next(running)
    with pytest.raises(RuntimeError, match="cannot clean up"):
        running.close()
    assert closed == ["inner", "outer"]
