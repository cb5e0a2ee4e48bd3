"""The fixtures, in a pytest of its own: what a failing test reports, xdist, and the checks at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import json, os, urllib.request
import pytest

def get(lark, path):
    return json.load(urllib.request.urlopen(lark.base_url + path))

def log_in(lark, secret):
    body = json.dumps({"app_id": lark.app_id, "app_secret": secret}).encode()
    path = "/open-apis/auth/v3/tenant_access_token/internal"
    request = urllib.request.Request(lark.base_url + path, body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

@pytest.mark.parametrize("n", range(4))
def test_shared(lark_shared, lark_session, n):
    assert lark_shared is lark_session
    assert lark_shared.state(summary=True)["requests"] == 0
    for brand in ("LARK", "FEISHU"):
        assert os.environ[brand + "_BASE_URL"] == lark_shared.base_url
        assert os.environ[brand + "_APP_SECRET"] == lark_shared.app_secret
    log_in(lark_shared, lark_shared.app_secret)

def test_that_fails(lark):
    lark.stub("GET", "/open-apis/x/:id", json={"id": "{{path.id}}"})
    log_in(lark, "the-wrong-one-0123")
    assert get(lark, "/open-apis/x/17") == {"id": "18"}

def test_unused(lark):
    lark.stub("GET", "/open-apis/never", json={})
"""


def run(folder: Path, *arguments: str, settings: str = "") -> tuple[int, str]:
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
    (folder / "conftest.py").write_text('pytest_plugins = ["lark_emulator.pytest_plugin"]\n')
    (folder / "test_it.py").write_text(TESTS)
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_failing_test_reports_what_was_asked_and_answered(tmp_path: Path, processes: str) -> None:
    code, printed = run(tmp_path, "-n", processes)
    assert (code, "1 failed, 5 passed" in printed) == (1, True), printed
    assert "Lark emulator at http://127.0.0.1:" in printed
    assert "the last 2 of 2 requests:" in printed
    assert "1  POST /open-apis/auth/v3/tenant_access_token/internal  ->  200, code 10014" in printed
    assert '{"app_id":"cli_1a2b3c4d5e6f0001","app_secret":"***"}' in printed
    assert "2  GET /open-apis/x/17  ->  200, code None   by stub 1" in printed
    assert '< {"id":"17"}' in printed
    shown = printed.partition("Lark emulator at")[2]
    assert "the-wrong-one-0123" not in shown


def test_an_unused_stub_can_fail_a_test(tmp_path: Path) -> None:
    code, printed = run(tmp_path, "-k", "unused", settings="lark_fail_on_unused_stubs = true")
    assert (code, "unused stubs: GET /open-apis/never (id 1)" in printed) == (1, True), printed
