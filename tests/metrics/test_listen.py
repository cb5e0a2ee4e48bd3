"""`callbacks listen` counts as the gateway does, and shows which connections are open."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lark_provider.callbacks.http import stores
from lark_provider.callbacks.http.gateway import Gateway
from lark_provider.callbacks.http.keys import KeyRing
from lark_provider.callbacks.websocket.dedup import StoredEvents
from lark_provider.callbacks.websocket.intake import Intake
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from lark_provider.support.throttle import Throttle
from tests.callbacks.longconn.larkside import LarkSide, lark_side
from tests.callbacks.longconn.listening import IMPATIENT, SECRET, Listening, click, until
from tests.cli.conftest import COMMAND
from tests.failures.waiting import wait_until
from tests.metrics.conftest import Counted
from tests.protocol.callbacks import sender
from tests.services.processes import free_port


def test_a_listener_counts_its_clicks_and_its_connections(tmp_path: Path) -> None:
    port = free_port()
    words = (*COMMAND, "callbacks", "listen", "--metrics-port", str(port))
    with lark_side() as lark:
        listening = Listening(lark, tmp_path, words)
        try:
            link = listening.link()
            for _ in range(3):
                link.ask(click())

            def read_metrics() -> str:
                return httpx.get(f"http://127.0.0.1:{port}/metrics").text

            wait_until(lambda: 'lark_delivery_answer_seconds_count{kind="click"} 3.0' in read_metrics())
            metrics_text = read_metrics()
        finally:
            listening.close()
    app = 'app="' + metrics_text.partition('lark_long_connection_up{app="')[2].partition('"')[0] + '"'
    assert f"lark_long_connection_up{{{app}}} 1.0" in metrics_text
    assert f'lark_deliveries_received_total{{{app},kind="click"}} 3.0' in metrics_text
    assert f'lark_deliveries_stored_total{{{app},kind="click",sink="database"}} 3.0' in metrics_text
    assert 'lark_database_clicks_total{outcome="new"} 3.0' in metrics_text


@pytest.fixture
def lark() -> Iterator[LarkSide]:
    with lark_side() as side:
        yield side


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApplicationManager:
    """Return an empty registry."""
    monkeypatch.setenv(KEY_VARIABLE, generate_key())
    monkeypatch.setenv("LARK_REGISTRY_PATH", str(tmp_path / "applications.db"))
    return ApplicationManager()


class Scraped:
    """The metrics of a listener of a registry, with short times."""

    def __init__(self, lark: LarkSide, folder: Path) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/metrics"
        registry = {name: os.environ[name] for name in (KEY_VARIABLE, "LARK_REGISTRY_PATH")}
        own = {"LARK_APP_ID": "", "LARK_APP_SECRET": "", "METRICS_PORT": str(port)}
        self.listening = Listening(lark, folder, (*IMPATIENT, "", "", ""), own | registry)

    def read_lines(self, name: str) -> list[str]:
        """Return the lines of a metric."""
        return [line for line in httpx.get(self._url).text.splitlines() if line.startswith(name)]

    def up(self) -> list[str]:
        """Return the lines that say which connections are open, and which are not."""
        return sorted(self.read_lines("lark_long_connection_up"))


@pytest.fixture
def scraped(lark: LarkSide, apps: ApplicationManager, tmp_path: Path) -> Iterator[Scraped]:
    for name in ("cli_a", "cli_b"):
        apps.create_application(name, SECRET)
    lark.secrets["cli_b"] = SECRET
    listener = Scraped(lark, tmp_path)
    yield listener
    listener.listening.close()


def test_an_app_that_is_disabled_or_removed_is_not_shown_as_down_or_up(
    lark: LarkSide, apps: ApplicationManager, scraped: Scraped
) -> None:
    lark.wait_for_links("cli_a", "cli_b")
    a, b = (f'lark_long_connection_up{{app="{app}"}} 1.0' for app in ("cli_a", "cli_b"))
    wait_until(lambda: scraped.up() == [a, b])
    apps.disable_application("cli_a")
    wait_until(lambda: scraped.up() == [b])
    apps.enable_application("cli_a")
    wait_until(lambda: scraped.up() == [a, b])


def test_a_mistyped_secret_does_not_show_an_open_connection_as_down(
    lark: LarkSide, apps: ApplicationManager, scraped: Scraped
) -> None:
    link = lark.wait_for_links("cli_a", "cli_b")["cli_b"]
    apps.update_application("cli_b", app_secret="mistyped")
    refused = "Lark refuses the long connection of the app"
    until(lambda: refused in scraped.listening.log, "it was not tried")
    link.ask(click("cli_b"))
    assert 'lark_long_connection_up{app="cli_b"} 1.0' in scraped.up()
    lark.secrets["cli_b"] = "one that nobody has"
    link.cut()
    wait_until(lambda: 'lark_long_connection_up{app="cli_b"} 0.0' in scraped.up())


def test_unreadable_and_foreign_deliveries_are_counted_as_rejected(lark: LarkSide, scraped: Scraped) -> None:
    link = lark.wait_for_links("cli_a", "cli_b")["cli_a"]
    link.ask(["no", "object"])
    link.ask(click("cli_b"))
    lines = scraped.read_lines("lark_deliveries_rejected_total")
    assert 'lark_deliveries_rejected_total{app="cli_a",reason="unreadable"} 1.0' in lines
    assert 'lark_deliveries_rejected_total{app="cli_a",reason="other_app"} 1.0' in lines
    assert not any("cli_b" in line and line.endswith(" 1.0") for line in lines)


@pytest.mark.parametrize("kind", ["click", "event"])
def test_what_is_rejected_at_the_end_is_counted_as_not_stored(
    kind: str, counted: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARK_DATABASE_URL", f"sqlite:///{tmp_path}/lark.db")
    content = click() if kind == "click" else sender.make_event()

    async def work() -> bytes:
        sinks, _ = stores.configured_sinks()
        intake = Intake(Gateway(KeyRing(dict), sinks), StoredEvents.from_config(), Throttle())
        began = asyncio.get_running_loop().time()
        return (await intake.take(sender.APP, json.dumps(content).encode(), began, is_leaving=True)).body

    asyncio.run(work())
    assert counted("lark_deliveries_received_total", app=sender.APP, kind=kind) == 1
    assert counted("lark_deliveries_failed_total", app=sender.APP, kind=kind) == 1
    assert counted("lark_deliveries_stored_total") == 0
