"""Airflow's Variables and connections, as tests of `LarkNotifier` need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.notifications import sending
from lark_provider.support.once import Once
from tests.airflow.conftest import connection
from tests.airflow.notifier.contexts import Shelf


@pytest.fixture(autouse=True)
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf()
    monkeypatch.setattr("airflow.sdk.Variable", shelf)
    monkeypatch.setattr(sending, "warned", Once())
    return shelf


@pytest.fixture
def connect(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def give(conn_id: str = "lark_default", **changes: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection(lark, **changes))

    return give
