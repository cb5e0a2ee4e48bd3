"""A pytest fixture: `pytest_plugins = ["lark_emulator.pytest_plugin"]`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lark_emulator.runner import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator


_FAIL_ON_GAPS = "lark_fail_on_gaps"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting that makes gaps fail."""
    parser.addini(
        _FAIL_ON_GAPS, "Fail a test that asks the emulator for an endpoint it does not have.", "bool"
    )


@pytest.fixture
def lark(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Iterator[Emulator]:
    """Run a fresh emulator for one test and point the environment at it.

    Sets `AIRFLOW_CONN_LARK_DEFAULT`, `LARK_APP_ID`, `LARK_APP_SECRET` and `LARK_BASE_URL`. A crash of the
    emulator itself fails the test; with `lark_fail_on_gaps = true` in pytest's settings, so does a request
    for an endpoint that is not emulated.
    """
    with Emulator() as emulator:
        connection = {
            "conn_type": "lark",
            "login": emulator.app_id,
            "password": emulator.app_secret,
            "host": emulator.base_url,
        }
        monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("LARK_APP_ID", emulator.app_id)
        monkeypatch.setenv("LARK_APP_SECRET", emulator.app_secret)
        monkeypatch.setenv("LARK_BASE_URL", emulator.base_url)
        yield emulator
        state = emulator.state(summary=True)
        if state["crashes"]:
            pytest.fail("the emulator crashed, see stderr")
        if pytestconfig.getini(_FAIL_ON_GAPS) and state["not_emulated"]:
            pytest.fail(f"not emulated: {', '.join(state['not_emulated'])}")
