from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lark_provider.engine.runtime import PROCESS
from lark_provider.storage import deadlines
from lark_provider.utils import logger


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reset the environment and the package's state, so that each test starts as a new process would."""
    for name in [name for name in os.environ if name.startswith(("LARK_", "POSTGRES_", "RABBITMQ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "config" / "applications.db"))
    monkeypatch.setenv("LARK_PACING", "0")  # Tests of the pace set it; the others need not wait.
    # A busy machine suspends a process for seconds; tests of the limits set their own.
    monkeypatch.setattr(deadlines, "STATEMENT", replace(deadlines.STATEMENT, idle=30.0))
    PROCESS.reset()


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """Restore the logging configuration after each test, since later tests read log lines."""
    loggers = [logging.getLogger(name) for name in ("lark_provider", "asyncio", "uvicorn")]
    before = [(configured.handlers[:], configured.level, configured.propagate) for configured in loggers]
    yield
    for configured, (handlers, level, propagate) in zip(loggers, before, strict=True):
        configured.handlers[:] = handlers
        configured.setLevel(level)
        configured.propagate = propagate
    for handler in logger._ours:
        handler.close()
    logger._ours.clear()
    logger._default[:] = [handler for handler in logger._default if handler in loggers[0].handlers]
