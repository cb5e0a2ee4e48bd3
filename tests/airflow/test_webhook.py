"""The custom bot from Airflow: connection, hook and operator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider.errors import ConfigurationError, RateLimitError
from lark_provider.hooks import LarkWebhookHook
from lark_provider.operators import LarkWebhookOperator
from tests.airflow.conftest import AirflowHome

TOKEN = "hook-token-0123456789"
PATH = "/open-apis/bot/v2/hook/:token"
Connect = Callable[..., None]


@pytest.fixture
def connect(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Set the default connection to a bot of the emulator, and return a function that changes it."""
    url = lark.add_webhook(token=TOKEN)

    def set_to(**changes: Any) -> None:
        connection = {"conn_type": "lark_webhook", "password": url} | changes
        monkeypatch.setenv("AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(connection))

    set_to()
    return set_to


def read_received(lark: Emulator) -> list[Any]:
    return [message["content"] for bot in lark.state()["webhooks"] for message in bot["messages"]]


def tell(**changes: Any) -> LarkWebhookOperator:
    return LarkWebhookOperator(**({"task_id": "t", "content": "hi"} | changes))


def test_the_password_is_a_url_or_a_token_with_a_host(lark: Emulator, connect: Connect) -> None:
    LarkWebhookHook().client.send_text("by url")
    connect(password=TOKEN, host=lark.base_url)
    hook = LarkWebhookHook()
    assert hook.get_conn() is hook.client
    hook.client.send_text("by token")
    assert read_received(lark) == [{"text": "by url"}, {"text": "by token"}]


def test_the_asynchronous_client(lark: Emulator, connect: Connect) -> None:
    async def send() -> None:
        await (await LarkWebhookHook().get_async_conn()).send_text("hi")

    asyncio.run(send())
    assert read_received(lark) == [{"text": "hi"}]


def test_secret_and_keyword_come_from_the_extras(lark: Emulator, connect: Connect) -> None:
    url = lark.add_webhook(secret="sign-secret-1", keywords=["deploy"])
    connect(password=url, extra={"sign_secret": "sign-secret-1", "keyword": ["alert", "deploy"]})
    LarkWebhookHook().client.send_text("a deploy")
    with pytest.raises(AirflowFailException, match="must contain the bot's keyword 'alert' or 'deploy'"):
        tell(content="hello").execute({})
    assert read_received(lark) == [{"text": "a deploy"}]


def test_testing_the_connection_sends_nothing(lark: Emulator, connect: Connect) -> None:
    assert LarkWebhookHook().test_connection() == (
        True,
        f"The webhook is well formed, for {lark.base_url}. Nothing was sent: a test would be a message.",
    )
    assert lark.state(summary=True)["requests"] == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"password": ""}, "must have a password"),
        ({"password": f"https://open.feishu.cn/hook/{TOKEN}"}, "must be the URL of a custom bot"),
        ({"host": f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}"}, "move it to the password"),
        ({"host": "lark"}, "leave base_url out"),
    ],
)
def test_a_connection_that_cannot_work_is_named(connect: Connect, changes: dict[str, Any], text: str) -> None:
    connect(**changes)
    with pytest.raises(ConfigurationError, match=text) as refused:
        LarkWebhookHook().client  # noqa: B018 - making it is the test
    assert TOKEN not in str(refused.value)
    ok, shown = LarkWebhookHook().test_connection()
    assert not ok
    assert TOKEN not in shown


@pytest.mark.parametrize("field", ["password", "sign_secret", "proxy"])
def test_airflow_masks_what_is_secret_in_a_connection(field: str) -> None:
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

    assert should_hide_value_for_key(field)  # type: ignore[no-untyped-call]  # Airflow's


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({"content": "你好"}, {"text": "你好"}),
        (
            {"content": "x", "msg_type": "post", "title": "T"},
            {"post": {"zh_cn": {"title": "T", "content": [[{"tag": "text", "text": "x"}]]}}},
        ),
        (
            {"content": {"elements": [{"tag": "hr"}]}, "msg_type": "interactive"},
            {"elements": [{"tag": "hr"}]},
        ),
        ({"content": "img_1", "msg_type": "image"}, {"image_key": "img_1"}),
        ({"mentions": "all"}, {"text": 'hi <at user_id="all"></at>'}),
        ({"mentions": ["all"]}, {"text": 'hi <at user_id="all"></at>'}),
        ({"mentions": None}, {"text": "hi"}),
    ],
)
def test_messages_of_each_type(
    lark: Emulator, connect: Connect, changes: dict[str, Any], content: dict[str, Any]
) -> None:
    tell(**changes).execute({})
    assert read_received(lark) == [content]


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"content": ""}, None, "content"),
        ({"content": "x" * 20_480}, None, "20480"),
        ({}, 19001, "NotFoundError: .*check the webhook URL"),
        ({}, 19021, "PermissionDeniedError: .*signing secret"),
    ],
)
def test_what_no_retry_can_mend_fails_the_task_at_once(
    lark: Emulator, connect: Connect, changes: dict[str, Any], code: int | None, text: str
) -> None:
    if code:
        lark.fault(method="POST", path=PATH, status=200, code=code, msg="no")
    with pytest.raises(AirflowFailException, match=text):
        tell(**changes).execute({})


def test_a_lost_answer_ends_the_task_for_a_retry_could_send_twice(lark: Emulator, connect: Connect) -> None:
    lark.fault(method="POST", path=PATH, drop="after")
    with pytest.raises(AirflowFailException, match=r"OutcomeUnknownError: .*may or may not have happened"):
        tell().execute({})
    assert read_received(lark) == [{"text": "hi"}]


def test_what_a_retry_can_mend_is_left_to_airflow(lark: Emulator, connect: Connect) -> None:
    slow = {"x-ogw-ratelimit-reset": "3600"}
    lark.fault(method="POST", path=PATH, status=200, code=11232, msg="frequency limited", headers=slow)
    with pytest.raises(RateLimitError):
        tell().execute({})


DAG_FILE = """
from __future__ import annotations
import pendulum
from airflow.sdk import DAG
from lark_provider.operators.webhook import LarkWebhookOperator

with DAG("webhook", start_date=pendulum.datetime(2026, 1, 1), schedule=None) as dag:
    LarkWebhookOperator(task_id="tell", content="run {{ run_id[:6] }}")
"""


def test_a_dag_sends_and_its_log_keeps_the_secret(
    lark: Emulator, airflow_home: AirflowHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "lark_webhook", "password": TOKEN, "host": lark.base_url}
    lark.add_webhook(token=TOKEN)
    monkeypatch.setitem(airflow_home.env, "AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT", json.dumps(connection))
    (airflow_home.dags / "webhook.py").write_text(DAG_FILE)
    printed = airflow_home.airflow("dags", "test", "webhook")
    assert read_received(lark) == [{"text": "run manual"}]
    (line,) = [line for line in printed.splitlines() if "Message sent by a custom bot" in line]
    assert "connection=lark_webhook_default" in line
    assert "msg_type=text" in line
    assert TOKEN not in printed


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"extra": {"keyword": 5}}, "'keyword' of connection 'lark_webhook_default' must be a str"),
        ({"extra": {"keyword": ["a", 5]}}, "'keyword' of connection 'lark_webhook_default' must be a str"),
        ({"conn_type": "lark", "password": "app-secret-1"}, "must be of type 'lark_webhook', got 'lark'"),
        ({"password": "https://[half/open-apis/bot/v2/hook/tok"}, "must be the URL of a custom bot"),
    ],
)
def test_settings_that_are_something_else_are_named(
    connect: Connect, changes: dict[str, Any], text: str
) -> None:
    connect(**changes)
    with pytest.raises(AirflowFailException, match=text) as refused:
        tell().execute({})
    assert "app-secret-1" not in str(refused.value)
    assert LarkWebhookHook().test_connection()[0] is False
