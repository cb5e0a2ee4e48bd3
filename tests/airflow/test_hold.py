"""Holding answers: what a look at Airflow's database takes, it gives back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lark_provider.plugins import hold
from lark_provider.plugins.hold import Hold
from lark_provider.support import threads


def test_a_look_for_which_no_thread_could_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four such looks took all places, and no answer was held any more."""

    async def app(*_given: Any) -> None:
        raise AssertionError

    def refuse(_work: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "start", refuse)

    async def look() -> None:
        holding = Hold(app, 5.0)
        for _ in range(hold._MAX_LOOKS + 1):
            with pytest.raises(RuntimeError, match="new thread"):
                await holding._read_status("d", "r", "t", -1)

    asyncio.run(look())
