"""Fixtures for pytest: `pytest_plugins = ["lark_emulator.pytest_plugin"]`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from lark_emulator.runner import Emulator

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_FAIL_ON_GAPS = "lark_fail_on_gaps"
_FAIL_ON_UNUSED = "lark_fail_on_unused_stubs"
#: How much of the request log stands in the report of a failing test.
_SHOWN_REQUESTS = 20
_SHOWN_CHARACTERS = 400


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings that make gaps and unused stubs fail."""
    parser.addini(
        _FAIL_ON_GAPS, "Fail a test that asks the emulator for an endpoint it does not have.", "bool"
    )
    parser.addini(_FAIL_ON_UNUSED, "Fail a test that leaves a stub unused.", "bool")


@pytest.fixture
def lark(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> Iterator[Emulator]:
    """Run a fresh emulator for one test and point the environment at it.

    Sets `AIRFLOW_CONN_LARK_DEFAULT`, and `LARK_APP_ID`, `LARK_APP_SECRET` and `LARK_BASE_URL`, also as
    `FEISHU_…`. A crash of the emulator itself fails the test; with `lark_fail_on_gaps = true` in pytest's
    settings, so does a request for an endpoint that is not emulated, and with `lark_fail_on_unused_stubs =
    true` a stub that has answered no request.
    """
    with Emulator() as emulator, _check_after(emulator, pytestconfig):
        _point_at(emulator, monkeypatch)
        yield emulator


@pytest.fixture(scope="session")
def lark_session() -> Iterator[Emulator]:
    """Run one emulator for the whole session; with xdist, one in each of its processes.

    It sets no variables, and nothing resets it: `lark_shared` does both.
    """
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def lark_shared(
    lark_session: Emulator, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Iterator[Emulator]:
    """Reset the session's emulator for one test, and point the environment at it, as `lark` does.

    The address stays the same in all tests, for programs that are configured once.
    """
    lark_session.reset()
    with _check_after(lark_session, pytestconfig):
        _point_at(lark_session, monkeypatch)
        yield lark_session


def _point_at(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "lark",
        "login": emulator.app_id,
        "password": emulator.app_secret,
        "host": emulator.base_url,
    }
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", json.dumps(connection))
    for brand in ("LARK", "FEISHU"):
        monkeypatch.setenv(f"{brand}_APP_ID", emulator.app_id)
        monkeypatch.setenv(f"{brand}_APP_SECRET", emulator.app_secret)
        monkeypatch.setenv(f"{brand}_BASE_URL", emulator.base_url)


@contextmanager
def _check_after(emulator: Emulator, config: pytest.Config) -> Iterator[None]:
    yield
    state = emulator.state(summary=True)
    if state["crashes"]:
        pytest.fail("the emulator crashed, see stderr")
    if config.getini(_FAIL_ON_GAPS) and state["not_emulated"]:
        pytest.fail(f"not emulated: {', '.join(state['not_emulated'])}")
    if config.getini(_FAIL_ON_UNUSED) and state["unused_stubs"]:
        pytest.fail(f"unused stubs: {', '.join(map(_format_stub, state['unused_stubs']))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failing test what its emulators were asked and answered."""
    report = yield
    if report.failed and report.when != "setup":
        arguments: dict[str, Any] = getattr(item, "funcargs", {})
        emulators = {id(value): value for value in arguments.values() if isinstance(value, Emulator)}
        for emulator in emulators.values():
            report.sections.append((f"Lark emulator at {emulator.base_url}", _format_log(emulator)))
    return report


def _format_log(emulator: Emulator) -> str:
    entries = emulator.requests(limit=_SHOWN_REQUESTS)
    lines = [f"the last {len(entries)} of {emulator.state(summary=True)['requests']} requests:"]
    for entry in entries:
        answered = "no answer" if entry["status"] is None else entry["status"]
        query = "".join(f" {name}={value}" for name, value in entry["query"])
        by = "" if entry["answered_by"] == "emulator" else f"   by {entry['answered_by']}"
        lines.append(
            f"{entry['id']}  {entry['method']} {entry['path']}{query}"
            f"  ->  {answered}, code {entry['code']}{by}"
        )
        lines += [f"      {mark} {_cut(entry[name])}" for mark, name in ((">", "request"), ("<", "response"))]
    lines += [f"unused stub: {_format_stub(stub)}" for stub in emulator.unused_stubs()]
    return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _format_stub(stub: dict[str, Any]) -> str:
    match = stub["match"]
    return f"{match.get('method', '*')} {match['path']} (id {stub['id']})"
