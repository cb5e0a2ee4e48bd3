"""What the plugin costs where it is not needed, and that it is off unless it is configured."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from lark_provider.plugins import settings
from lark_provider.plugins.plugin import LarkPlugin, guard_middleware, serve_lark
from lark_provider.protocol.hitl.proof import CLICK_PATH
from tests.package.test_imports import list_loaded

SECRET = "0123456789abcdef0123456789abcdef"


def statuses(method: str = "POST") -> list[int]:
    """Mount the plugin as Airflow does, and return the status codes of the click path and the link page."""
    app = Starlette(routes=[Mount("/lark", serve_lark)])

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return [(await http.request(method, path)).status_code for path in (CLICK_PATH, "/lark/link")]

    return asyncio.run(ask())


async def airflow(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("not called")


def test_airflow_finds_it() -> None:
    (entry_point,) = [
        candidate for candidate in entry_points(group="airflow.plugins") if candidate.name == "lark"
    ]
    assert entry_point.load() is LarkPlugin


def test_every_component_loads_almost_nothing_of_it() -> None:
    code = "import airflow.plugins_manager; before = set(sys.modules)\nimport lark_provider.plugins.plugin"
    assert list_loaded(code) <= {
        "airflow._shared.listeners",
        "airflow.listeners",
        "lark_provider.plugins",
        "lark_provider.plugins.listener",
        "lark_provider.plugins.plugin",
    }


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LARK_BRIDGE_SECRET": SECRET},
        {"LARK_DATABASE_URL": "sqlite:////tmp/none.db"},
    ],
)
def test_it_is_off_unless_it_is_configured(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert guard_middleware(airflow) is airflow
    assert statuses() == [404, 404]


@pytest.mark.parametrize(
    "wrong",
    [
        {"LARK_BRIDGE_SECRET": "short-secret"},
        {"LARK_ANSWER_HOLD": "soon"},
        {"LARK_ANSWER_HOLD": "301"},
        {"LARK_ANSWER_HOLD": "nan"},
    ],
)
def test_a_wrong_setting_turns_it_off_with_an_error(
    wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "_PROBLEM", settings._Problem())
    environment = {"LARK_BRIDGE_SECRET": SECRET, "LARK_DATABASE_URL": "sqlite:////tmp/none.db"} | wrong
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.ERROR):
        assert guard_middleware(airflow) is airflow
        assert statuses() == [404, 404]
    assert caplog.text.count("Lark plugin is off: its settings are invalid") == 1
    assert "short-secret" not in caplog.text + str([vars(record) for record in caplog.records])


def test_a_wrong_setting_is_logged_once_until_it_changes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "_PROBLEM", settings._Problem())
    monkeypatch.setattr(settings, "HOLD", settings._Hold())
    monkeypatch.setenv("LARK_DATABASE_URL", "sqlite:////tmp/none.db")
    secrets = ("short", "short", "another", "another", SECRET, "another", "", "another", "another")
    logged = []
    for text in secrets:
        monkeypatch.setenv("LARK_BRIDGE_SECRET", text)
        assert (settings.find_active_secrets() is not None) == (text == SECRET)
        logged.append(len(caplog.records))
    assert logged == [1, 1, 2, 2, 2, 3, 3, 4, 4]


def test_the_hold_follows_the_heartbeat_of_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings.read_hold_seconds() == 15
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "20")
    assert settings.read_hold_seconds() == 45
    routes = tmp_path / "lark.yaml"
    monkeypatch.setenv("LARK_ROUTES_PATH", str(routes))
    for text, seconds in (("hold: 30", 30), ("defaults: {language: en}", 45), ("hold: 3000", 300)):
        routes.write_text(text)
        assert settings.read_hold_seconds() == seconds
    routes.write_text("hold: soon")
    with caplog.at_level(logging.WARNING):
        assert settings.read_hold_seconds() == 45
    assert "Hold of lark.yaml unknown" in caplog.text
    monkeypatch.setenv("AIRFLOW__LARK__ANSWER_HOLD", "7.5")
    assert settings.read_hold_seconds() == 7.5
    monkeypatch.setenv("LARK_ANSWER_HOLD", "0")
    assert settings.read_hold_seconds() == 0


def test_a_model_that_differs_is_reported_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lark_provider.plugins import guard

    monkeypatch.setattr(guard, "_QUESTION", ("ti_id", "answered_at"))
    with caplog.at_level(logging.ERROR):
        assert guard.install() == "The model HITLDetail has no answered_at"
    assert "Answer guard does not fit this Airflow" in caplog.text
