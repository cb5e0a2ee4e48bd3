"""`lark-provider migrate --scan`: what it finds, and that what it names exists."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from lark_provider.cli import migration
from lark_provider.cli.migration import scan
from tests.cli.conftest import Run

SDK = """
import lark_oapi as lark
from lark_oapi.api.im.v1 import CreateMessageRequest, CreateMessageRequestBody

def tell():
    client = lark.Client.builder().app_id("cli_1").app_secret("x").build()
    request = CreateMessageRequest.builder().receive_id_type("chat_id").build()
    client.im.v1.message.create(request)
    await_ = client.bitable.v1.app_table_record.abatch_create(request)
    client.calendar.v4.calendar.list(request)
"""
REQUESTS = """
import requests
from httpx import post as send
HOOK = "https://open.feishu.cn/open-apis/bot/v2/hook/0a1b2c"
BASE = "https://open.feishu.cn/open-apis"

def tell(url, chat):
    requests.post(HOOK, json={"msg_type": "text", "content": {"text": "x"}})
    send(f"{BASE}/im/v1/messages?receive_id_type=chat_id", json={})
    requests.post(BASE + "/auth/v3/tenant_access_token/internal", json={})
    requests.post(url, json={"msg_type": "interactive", "card": {}})
    requests.post("https://example.com/", json={"text": "x"})
    requests.get(BASE + "/im/v1/chats")
    {}.get("https://open.feishu.cn/open-apis/im/v1/messages")
"""
SLACK = """
from airflow.providers.slack.operators.slack import SlackAPIPostOperator
from airflow.providers.slack.notifications import slack as notes
from mine import SlackHook

SlackAPIPostOperator(task_id="t", channel="#data", text="x")
notes.SlackNotifier(text="x")
SlackHook()
"""


def list_findings(source: str) -> list[tuple[int, str, str]]:
    """Return the line, the call and the first word of the replacement of each finding in a source text."""
    return [(finding.line, finding.call, re.split(r"[(:, ]", finding.becomes)[0]) for finding in scan(source)]


def test_calls_of_the_official_sdk() -> None:
    assert list_findings(SDK) == [
        (6, "lark_oapi.Client.builder", "nothing"),
        (8, "im.v1.message.create", "LarkSendMessageOperator"),
        (9, "bitable.v1.app_table_record.abatch_create", "LarkBitableBulkInsertOperator"),
        (10, "calendar.v4.calendar.list", "LarkHook"),
    ]
    assert list_findings(SDK.replace("lark_oapi", "other")) == []
    chain = "import lark_oapi\nlark_oapi.Client.builder().app_id(1).build().im.v1.message.create(1)"
    assert list_findings(chain)[0] == (2, "im.v1.message.create", "LarkSendMessageOperator")


def test_requests_and_webhooks_and_no_address_of_a_bot_is_shown() -> None:
    assert list_findings(REQUESTS) == [
        (8, "requests.post to /open-apis/bot/v2/hook/…", "LarkWebhookOperator"),
        (9, "httpx.post to /open-apis/im/v1/messages", "LarkSendMessageOperator"),
        (10, "requests.post to /open-apis/auth/v3/tenant_access_token/internal", "nothing"),
        (11, "requests.post with a message of Lark's", "LarkWebhookOperator"),
        (13, "requests.get to /open-apis/im/v1/chats", "LarkHook"),
    ]
    later = (
        'import os, requests\nrequests.get(os.getenv("X", "https://open.feishu.cn/open-apis/{}").format("x"))'
    )
    assert list_findings(later) == [(2, "requests.get to /open-apis/{}", "LarkHook")]
    session = "    requests.Session().post(HOOK)\n    session.post(HOOK)\n    other.get(HOOK)\n"
    assert [line for line, *_ in list_findings(REQUESTS + session)] == [8, 9, 10, 11, 13, 15, 16]
    two = f'{REQUESTS}    tell("https://open.feishu.cn/open-apis/bot/v2/hook/s3cret")'
    assert list_findings(two)[-1] == (15, "the address of a custom bot", "LarkWebhookOperator")
    own = 'tell("https://open.larksuite.com/open-apis/bot/v2/hook/s3cret", "x")'
    assert list_findings(own) == [(1, "the address of a custom bot", "LarkWebhookOperator")]


def test_classes_of_airflows_slack_provider_by_whatever_name() -> None:
    assert list_findings(SLACK) == [
        (6, "SlackAPIPostOperator", "LarkSendMessageOperator"),
        (7, "SlackNotifier", "LarkNotifier"),
    ]


def test_the_command_prints_places_and_counts(run: Run, tmp_path: Path) -> None:
    dags = tmp_path / "dags"
    (dags / "venv").mkdir(parents=True)
    for name, text in (("a.py", SDK), ("b.py", "x = 1\n"), ("venv/c.py", SDK), ("d.txt", SDK)):
        (dags / name).write_text(text)
    done = run("migrate", "--scan", str(dags))
    assert (done.code, done.err) == (0, "")
    assert (
        f"{dags}/a.py:8: im.v1.message.create\n    → {migration.SDK_CALLS['im.v1.message.create']}\n"
        in done.out
    )
    assert done.out.endswith("4 place(s) in 1 of 2 file(s)\n")
    listed = json.loads(run("migrate", "--json", "--scan", str(dags / "a.py")).out)
    assert [finding["line"] for finding in listed] == [6, 8, 9, 10]


@pytest.mark.parametrize(
    "broken", [b"def :\n", b"\xff\xfe\n", b"# coding: nothing\n", b"x = 1\0\n", b"(" * 2000]
)
def test_a_file_that_is_no_python_is_named_and_the_others_are_scanned(
    run: Run, tmp_path: Path, broken: bytes
) -> None:
    (tmp_path / "a.py").write_bytes(broken)
    (tmp_path / "b.py").write_text(SDK)
    done = run("migrate", "--scan", str(tmp_path))
    assert done.code == 1
    assert f"{tmp_path}/a.py cannot be read as Python: " in done.err
    assert "Next: scan it with the Python that runs it." in done.err
    assert done.out.endswith("4 place(s) in 1 of 2 file(s)\n")


def test_warnings_of_a_scanned_file_are_its_own_and_a_folder_is_not_a_file(run: Run, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scan(r"pattern = '\d'") == []
    (tmp_path / "old.py").mkdir()
    (tmp_path / "old.py" / "dag.py").write_text("x = 1\n")
    done = run("migrate", "--scan", str(tmp_path))
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("of 1 file(s)\n")


def test_a_path_that_is_not_there_is_wrong_use(run: Run, tmp_path: Path) -> None:
    done = run("migrate", "--scan", str(tmp_path / "none"))
    assert (done.code, done.out) == (2, "")
    assert "must name a file or a folder" in done.err
    assert run("migrate").code == 2


def home(name: str) -> Any:
    """Return the class with a name, from the module that Airflow's users import it from."""
    for module in ("operators", "transfers", "notifications", "hooks.lark", "hooks.webhook"):
        if candidate := getattr(importlib.import_module(f"lark_provider.{module}"), name, None):
            return candidate
    raise AssertionError(name)


def test_what_is_named_exists_with_its_arguments() -> None:
    texts = {*migration.SDK_CALLS.values(), *(what for _, what in migration.PATHS), *migration.SLACK.values()}
    named = [match for text in texts for match in re.findall(r"(\w*Lark\w*)(\(([^)]*)\))?", text)]
    assert len(named) > 15
    for name, _, arguments in named:
        known = parameters(home(name))
        assert set(re.findall(r"(\w+)=", arguments)) <= known, name
    for text in migration.SLACK.values():
        name, _, rest = text.partition(":")
        if rest:
            assert set(re.findall(r"→ ([a-z_]+)", rest)) <= parameters(home(name)), text


def parameters(class_: Any) -> set[str]:
    """Return the argument names of a class and of its base classes."""
    return {name for base in class_.__mro__ for name in inspect.signature(base.__init__).parameters}
