"""The local Lark as a Node developer meets it: its README, its wheel, Node.js, and nothing else of ours."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from lark_emulator import options

from tests.package.environments import EMULATOR, environment

README = (EMULATOR / "README.md").read_text("utf-8")
SECONDS = 120


def test_the_readme_is_all_that_a_node_developer_needs(emulator_wheel: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("node must be installed for this test. Next: apt-get install nodejs.")
    (shell,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    install, start = shell.splitlines()
    assert (install, start) == (
        "pip install lark-emulator",
        f"lark-emulator --port {options.DEFAULT_PORT}",
    )
    (program,) = re.findall(r"```js\n// hello\.mjs\n(.*?)```", README, re.DOTALL)
    (tmp_path / "hello.mjs").write_text(program, "utf-8")

    bin_ = environment(tmp_path / "fresh", emulator_wheel)
    command = [bin_ / start.split()[0], "--port", "0"]  # the port of the page may be in use here
    clean = {"PATH": str(bin_), "HOME": str(tmp_path)}
    with subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, text=True) as emulator:  # noqa: S603 - ours
        try:
            assert emulator.stdout is not None
            match = re.search(r"http://\S+", emulator.stdout.readline())
            assert match is not None
            done = subprocess.run(  # noqa: S603 - the README's own program
                [node, "hello.mjs"],
                cwd=tmp_path,
                env={**clean, "LARK_BASE_URL": match.group()},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        finally:
            emulator.send_signal(signal.SIGTERM)
    assert re.fullmatch(r"success om_\w+\nhello\n", done.stdout), done.stderr
    assert emulator.returncode == 0
