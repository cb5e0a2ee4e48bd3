"""A headless Chromium, driven over its DevTools protocol on a pair of pipes: no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # the tests run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9, " ": 32}


def find_chromium() -> str | None:
    """Return the Chromium on PATH, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class PageLeftError(Exception):
    """The page went to another address while it was asked."""


class Browser:
    """One page in a browser of its own.

    Args:
        profile: A folder for its profile.
        chromium: The program.
        language: Of the browser, as in `Accept-Language`.
    """

    def __init__(self, profile: Path, chromium: str, language: str = "en-GB") -> None:
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()

        def connect() -> None:
            # Chromium reads descriptor 3 and writes 4; duplicates first, since the numbers may overlap.
            commands, answers = os.dup(read_commands), os.dup(write_answers)
            os.dup2(commands, 3)
            os.dup2(answers, 4)

        self._process = subprocess.Popen(  # noqa: S603 - ours
            [chromium, f"--user-data-dir={profile}", f"--lang={language}", *_ARGUMENTS, "about:blank"],
            preexec_fn=connect,  # noqa: PLW1509 - nothing else can give a child these descriptors
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_commands)
        os.close(write_answers)
        self._number, self._rest, self._session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        """What the browser told unasked, if `listen` was called."""
        targets = self.call("Target.getTargets")["targetInfos"]
        [page] = [target["targetId"] for target in targets if target["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        self.resize(1200, 1600)

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the size of the window in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def dark(self, *, on: bool = True) -> None:
        """Prefer dark colours, or not."""
        value = "dark" if on else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def speak(self, language: str) -> None:
        """Set `navigator.language` of the pages that are opened from now on."""
        agent = self.ask("navigator.userAgent")
        self.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def listen(self) -> None:
        """Note what is written to the console, exceptions, and what the security policy refuses."""
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, exceptions and refusals since the last call."""
        self.ask("0")  # what was written before comes before this answer
        messages = []
        for event in self.events:
            kind, params = event["method"], event["params"]
            if kind == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                messages.append(
                    " ".join(
                        str(argument.get("value", argument.get("description"))) for argument in params["args"]
                    )
                )
            elif kind == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                messages.append(details.get("exception", {}).get("description") or details["text"])
            elif kind == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                messages.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        self.events.clear()
        return messages

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its value; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 60) -> Any:
        """Wait until JavaScript returns something truthy, and return it; an element is returned as true."""
        end = time.monotonic() + seconds
        seen = f"(one => one instanceof Node ? true : one)({expression})"
        while True:
            result = None
            with suppress(PageLeftError):
                if result := self.ask(seen):
                    return result
            time.sleep(0.05)
            assert time.monotonic() < end, (
                f"{expression} stays {result!r}: {self.ask('document.body.innerText')}"
            )

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until something outside of the page is so, and return it."""
        end = time.monotonic() + seconds
        while not (result := condition()):
            time.sleep(0.05)
            assert time.monotonic() < end, f"still not: {self.ask('document.body.innerText')}"
        return result

    def type_text(self, expression: str, text: str) -> None:
        """Type into a field that JavaScript names."""
        self.ask(f"{expression}.focus()")
        self.call("Input.insertText", text=text)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key such as Enter."""
        text = {"Enter": "\r", " ": " "}.get(key)
        about: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        about["modifiers"] = 8 if shift else 0
        typed: dict[str, Any] = {} if text is None else {"text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, expression: str) -> None:
        """Click an element that JavaScript names, wherever an animation has it at the moment."""
        with suppress(PageLeftError):  # a link may lead away before the answer is there
            # Some listen only with the focus.
            self.ask(f"(one => {{ one.focus(); one.click() }})({expression})")

    def picture(self, path: Path, **params: Any) -> None:
        """Save what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **params)["data"]))

    def close(self) -> None:
        """End it and all processes it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, *, within: float = 120, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol.

        Args:
            method: Its name.
            within: Seconds that it may take: a page that hangs fails its test, and not the whole run.
            params: Its parameters.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + within
        while True:
            while b"\0" not in self._rest:
                ready, _, _ = select.select([self._answers], [], [], max(0.0, end - time.monotonic()))
                assert ready, f"Chromium did not answer {method} within {within:g} s"
                more = os.read(self._answers, 1 << 20)
                assert more, "Chromium has ended"
                self._rest += more
            line, _, self._rest = self._rest.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._number:
                if answer.get("error", {}).get("message") == "Inspected target navigated or closed":
                    raise PageLeftError(method)
                assert "error" not in answer, answer
                return dict(answer["result"])
            if "method" in answer:
                self.events.append(answer)
