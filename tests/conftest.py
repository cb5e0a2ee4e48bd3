from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lark_provider.core import credentials, people, shared
from lark_provider.core.session import PROCESS_MEMORY
from lark_provider.core.tokens import PROCESS_CACHE, TokenCache

pytest_plugins = ["lark_provider.emulator.pytest_plugin", "tests.services.plugin"]

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test starts as a new process would: nothing is known, and nothing is configured."""
    for name in [name for name in os.environ if name.startswith(("LARK_", "POSTGRES_", "RABBITMQ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "config" / "applications.db"))
    fresh = TokenCache()
    for name in ("_tokens", "_flights", "_renewed_at", "_refusals"):
        setattr(PROCESS_CACHE, name, getattr(fresh, name))
    PROCESS_MEMORY.clear()
    credentials.forget()
    people.forget()
    shared.forget()


def pytest_sessionfinish() -> None:
    """Close the loop that the official SDK makes when it is imported, and leaves open."""
    if "lark_oapi" not in sys.modules:
        return
    from lark_oapi.ws import client  # noqa: PLC0415 - only where it is loaded anyway

    client.loop.close()
