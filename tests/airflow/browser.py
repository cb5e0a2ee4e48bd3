"""A headless Chromium, driven over its DevTools protocol on a pair of pipes: no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.services.binaries import program

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # the tests run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--window-size=1200,1600",
    "--remote-debugging-pipe",
    "about:blank",
)


class Browser:
    """One page in a browser of its own.

    Args:
        profile: A folder for its profile.
    """

    def __init__(self, profile: Path) -> None:
        chromium = program("chromium", package="chromium", folders="/usr/bin")
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()

        def connect() -> None:
            # Chromium reads descriptor 3 and writes 4; duplicates first, since the numbers may overlap.
            commands, answers = os.dup(read_commands), os.dup(write_answers)
            os.dup2(commands, 3)
            os.dup2(answers, 4)

        self._process = subprocess.Popen(  # noqa: S603 - ours
            [chromium, f"--user-data-dir={profile}", *_ARGUMENTS],
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
        targets = self._call("Target.getTargets")["targetInfos"]
        [page] = [one["targetId"] for one in targets if one["type"] == "page"]
        attached = self._call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page and return its value; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 60) -> Any:
        """Wait until JavaScript returns something truthy, and return it."""
        end = time.monotonic() + seconds
        while not (found := self.ask(expression)):
            time.sleep(0.05)
            assert time.monotonic() < end, (
                f"{expression} stays {found!r}: {self.ask('document.body.innerText')}"
            )
        return found

    def type(self, expression: str, text: str) -> None:
        """Type into a field that JavaScript names."""
        self.ask(f"{expression}.focus()")
        self._call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key such as Enter."""
        code = {"Enter": 13, "ArrowDown": 40}[key]
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def click(self, expression: str) -> None:
        """Click an element that JavaScript names, wherever an animation has it at the moment."""
        self.ask(f"(one => {{ one.focus(); one.click() }})({expression})")  # some listen only with the focus

    def picture(self, path: Path) -> None:
        """Save what is seen as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """End it and all processes it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                more = os.read(self._answers, 1 << 20)
                assert more, "Chromium has ended"
                self._rest += more
            line, _, self._rest = self._rest.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
