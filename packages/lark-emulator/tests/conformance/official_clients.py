"""The official clients of the long connection, each in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from lark_emulator import Emulator

FOLDER = Path(__file__).parent / "official"
NODE_SDK = "@larksuiteoapi/node-sdk@1.74.0"
SECONDS = 180.0
"""For how long a test waits for what has to come; never what it shows. To import the Python SDK alone takes
4 s of a free core, and many times that beside other tests."""


def install_node_sdk(folder: Path) -> None:
    """Install the Node SDK into a folder, with npm as it is configured; Node.js too, where it is missing."""
    if (shutil.which("npm") is None or shutil.which("node") is None) and os.geteuid() == 0:
        for words in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", "nodejs", "npm"],
        ):
            apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *words]
            subprocess.run(apt, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)  # noqa: S603 - ours
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.fail(
            "node and npm must be installed for the official Node client. Next: install Node.js 18 or later."
        )
    flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--loglevel=error")
    done = subprocess.run(  # noqa: S603 - found on PATH
        [npm, "install", *flags, "--prefix", str(folder), NODE_SDK],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"npm could not install {NODE_SDK}: {done.stderr}")


class Official:
    """One official client, running.

    Args:
        command: starts it, without its configuration.
        behind: arguments behind the configuration.
        lark: where it connects.
        config: see `official/client.py`.
    """

    def __init__(self, command: list[str], behind: list[str], lark: Emulator, config: dict[str, Any]) -> None:
        options = {"base_url": lark.base_url, **config}
        self._said: queue.Queue[Any] = queue.Queue()
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [*command, json.dumps(options), *behind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # both SDKs log to stdout as well
                self._said.put(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def says(self) -> Any:
        """Wait for what it says next."""
        return self._said.get(timeout=SECONDS)

    @property
    def is_silent(self) -> bool:
        """Return whether the client has said nothing more."""
        return self._said.empty()


def python(lark: Emulator, config: dict[str, Any]) -> Official:
    """Run the Python client."""
    return Official([sys.executable, "-W", "ignore", str(FOLDER / "client.py")], [], lark, config)


def node(folder: Path, lark: Emulator, config: dict[str, Any]) -> Official:
    """Run the Node client that is installed in a folder."""
    return Official(["node", str(FOLDER / "client.js")], [str(folder)], lark, config)
