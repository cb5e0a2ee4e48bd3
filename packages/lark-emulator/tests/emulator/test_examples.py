"""The examples of other languages run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lark_emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 120


def run(program: str, name: str, **variables: str) -> str:
    executable = shutil.which(program)
    if executable is None:
        pytest.fail(f"{program} must be installed for examples/{name}. Next: apt-get install {program}.")
    done = subprocess.run(  # noqa: S603 - found on PATH
        [executable, str(EXAMPLES / name)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_plain_http(lark: Emulator) -> None:
    printed = run("sh", "plain-http.sh", LARK_BASE_URL=lark.base_url)
    assert '"summary":"On call"' in printed
    assert "hello from curl" in printed
    assert lark.unused_stubs() == []


def test_node(lark: Emulator) -> None:
    assert run("node", "send.mjs", LARK_BASE_URL=lark.base_url).startswith("sent om_")


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(proxy=True, authority=tmp_path) as lark:
        yield lark


def test_node_with_larks_own_address(proxy: Emulator) -> None:
    trust = {"NODE_EXTRA_CA_CERTS": str(proxy.authority_file)}
    printed = run("node", "through-proxy.mjs", HTTPS_PROXY=proxy.base_url, **trust)
    assert printed == "open.feishu.cn: ok\nopen.larksuite.com: ok\n"
    assert [entry["status"] for entry in proxy.requests()] == [200, 200]
