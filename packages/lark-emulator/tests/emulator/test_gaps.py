"""Endpoints that Lark has and the emulator has not: they say so, and no client takes it for Lark's answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from lark_emulator import Emulator, gaps
from lark_emulator.routes import ROUTES, TABLE
from lark_emulator.routing import get_path_shape

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.conftest import Api


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/open-apis/okr/v1/periods"),
        ("GET", "/open-apis/search/v1/user"),
        ("GET", "/open-apis/calendar/v4/calendars/c/events/e/instances"),
        ("DELETE", "/open-apis/wiki/v2/spaces/7000/members/ou_1"),
    ],
)
def test_a_gap_answers_501_and_names_itself(api: Api, method: str, path: str) -> None:
    answer = api.http.request(method, path)
    assert (answer.status_code, answer.headers["x-lark-emulator"]) == (501, "not-emulated")
    body = answer.json()
    assert body["code"] == gaps.CODE < -1
    assert f"not emulated: {method} /open-apis/" in body["msg"]
    assert answer.headers["x-tt-logid"]


def test_no_parameter_swallows_a_documented_path(api: Api) -> None:
    for path in (
        "/open-apis/application/v6/applications/underauditlist",
        "/open-apis/approval/v4/instances/initiated",
    ):
        assert api.http.get(path).status_code == 501
    matches = {(method, path): TABLE.match(method, path) for method, path in gaps.list_known()}
    swallowed = [
        (method, path)
        for (method, path), match in matches.items()
        if match is None or get_path_shape(match[0].path) != get_path_shape(path)
    ]
    assert not swallowed


def test_all_that_is_emulated_is_known() -> None:
    shapes = {(method, get_path_shape(path)) for method, path in gaps.list_known()}
    unknown = {
        r.name
        for r in ROUTES
        if r.path.startswith("/open-apis/") and (r.method, get_path_shape(r.path)) not in shapes
    }
    # These are documented, but by no page that lists methods and paths for programs.
    assert unknown <= {
        "POST /open-apis/bot/v2/hook/:key",
        "POST /open-apis/interactive/v1/card/update",
        "POST /open-apis/message/v4/send/",
        "GET /open-apis/user/v1/batch_get_id",
        "GET /open-apis/authen/v1/authorize",
        "GET /open-apis/authen/v1/index",
    }


def test_a_gap_can_be_answered_by_a_test(lark: Emulator, api: Api) -> None:
    lark.fault(path="/open-apis/okr/v1/periods", status=200, body='{"code": 0, "data": {"files": []}}')
    assert api.http.get("/open-apis/okr/v1/periods").json()["code"] == 0
    assert api.http.get("/open-apis/okr/v1/periods").status_code == 501


def test_each_gap_is_counted_and_printed_once(
    lark: Emulator, api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        api.http.get("/open-apis/okr/v1/periods")
    assert lark.state(summary=True)["not_emulated"] == {"GET /open-apis/okr/v1/periods": 3}
    assert capfd.readouterr().err.count("not emulated: GET /open-apis/okr/v1/periods") == 1


TEST = """
import urllib.error, urllib.request
def test_it(lark):
    try:
        urllib.request.urlopen(lark.base_url + "/open-apis/okr/v1/periods")
    except urllib.error.HTTPError as error:
        assert error.code == 501
"""


@pytest.mark.parametrize("fails", [True, False])
def test_the_fixture_can_fail_on_a_gap(tmp_path: Path, *, fails: bool) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nlark_fail_on_gaps = {fails}\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["lark_emulator.pytest_plugin"]\n')
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout
    assert ("not emulated: GET /open-apis/okr/v1/periods" in done.stdout) == fails


def test_the_sentence_holds_a_stub_that_works(api: Api) -> None:
    path = "/open-apis/okr/v1/periods"
    said = api.http.get(path).json()["msg"]
    plan = said[said.index("{") : said.rindex("}") + 1]
    assert api.http.post("/_emulator/stubs", json=json.loads(plan)).status_code == 200
    assert api.http.get(path).json() == {"code": 0, "data": {}}
