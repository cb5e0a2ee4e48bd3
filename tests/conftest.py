from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lark_provider.engine.runtime import PROCESS
from lark_provider.storage import deadlines


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test starts as a new process would: nothing is known, and nothing is configured."""
    for name in [name for name in os.environ if name.startswith(("LARK_", "POSTGRES_", "RABBITMQ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "config" / "applications.db"))
    monkeypatch.setenv("LARK_PACING", "0")  # Tests of the pace set it; the others need not wait.
    # A busy machine suspends a process for seconds; tests of the limits set their own.
    monkeypatch.setattr(deadlines, "STATEMENT", replace(deadlines.STATEMENT, idle=30.0))
    PROCESS.reset()
    # Who starts a consumer in this process, or configures logging, sets levels for all tests after it.
    logging.getLogger("lark_provider").setLevel(logging.NOTSET)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("lark_provider")]:
        logging.getLogger(name).disabled = False
