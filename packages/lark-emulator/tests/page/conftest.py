"""A browser for all tests of a process, and an emulator with a page for each."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import PATIENT, AppServer
from tests.emulator.conftest import Api
from tests.page.browser import Browser, find_chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = "oc_emulator_data_team"


def _chromium() -> str:
    """Return the program; in the repository it is installed like the servers of other tests."""
    program = find_chromium()
    if program is None:
        binaries = pytest.importorskip("tests.services.binaries", reason="Chromium is not installed")
        program = str(binaries.chromium())
    return program


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"), _chromium())
    browser.listen()
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Yield the browser with a blank page; what it complains about fails the test."""
    chromium.open("about:blank")
    chromium.wait("location.href === 'about:blank'")
    chromium.resize(1200, 1600)
    chromium.dark(on=False)
    chromium.speak("en-GB")
    chromium.complaints()
    yield chromium
    assert chromium.complaints() == []


class Page:
    """The page of an emulator in a browser, and an app that writes to its chat."""

    def __init__(self, lark: Emulator, browser: Browser, app: AppServer) -> None:
        self.lark, self.browser, self.app = lark, browser, app
        self.api = Api(lark)

    def open(self, path: str = "") -> None:
        self.browser.open(f"{self.lark.base_url}/{path}")
        self.browser.wait("document.querySelector('.live.on')")

    def send(self, content: Any, kind: str = "interactive") -> str:
        body = {"receive_id": CHAT, "msg_type": kind, "content": json.dumps(content)}
        sent = self.api.data("POST", "/im/v1/messages", body, receive_id_type="chat_id")
        return str(sent["message_id"])

    def wait_until_drawn(self, message_id: str) -> str:
        """Wait until a message is drawn, and return the JavaScript that names it."""
        name = f"document.querySelector('[data-message=\"{message_id}\"]')"
        self.browser.wait(name)
        return name

    def click_label(self, within: str, label: str) -> None:
        """Click the button of a label."""
        buttons = f"[...{within}.querySelectorAll('button')]"
        self.browser.click(f"{buttons}.find(one => one.textContent.trim() === {json.dumps(label)})")

    def actions(self) -> list[Any]:
        """Return the actions of all callbacks that the app received."""
        return [
            request.json["event"]["action"]
            for request in list(self.app.received)
            if request.json.get("header", {}).get("event_type") == "card.action.trigger"
        ]

    def wait_for_actions(self, count: int, seconds: float = 60) -> list[Any]:
        """Wait until the app has received so many callbacks, and return their actions."""
        end = time.monotonic() + seconds
        while len(actions := self.actions()) < count:
            assert time.monotonic() < end, (actions, self.browser.ask("document.body.innerText"))
            time.sleep(0.05)
        return actions


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with Emulator(settings={"rate_limits": False, **PATIENT}) as lark, AppServer() as app:
        lark.set_callback(app.url)
        new_page = Page(lark, browser, app)
        yield new_page
        new_page.api.http.close()
        browser.open("about:blank")
        browser.wait("location.href === 'about:blank'")
        assert lark.state(summary=True)["crashes"] == 0
