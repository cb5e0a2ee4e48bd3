"""The custom bot over HTTP, by both clients."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkWebhookClient, LarkServiceClient, LarkWebhookClient
from lark_provider.engine import http
from lark_provider.errors import (
    ConfigurationError,
    InvalidRequestError,
    LarkError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)
from tests.client.conftest import count

TOKEN = "hook-token-0123456789"
ENDPOINT = "POST /open-apis/bot/v2/hook/:token"
PATH = "/open-apis/bot/v2/hook/:token"
Do = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest, lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Do:
    """Return a function that calls `work` with a sync or an async webhook client; no app is configured."""
    for name in ("LARK_APP_ID", "LARK_APP_SECRET"):
        monkeypatch.delenv(name)

    def run(work: Callable[[Any], Any], url_or_token: str = TOKEN, **settings: Any) -> Any:
        if request.param == "sync":
            with LarkWebhookClient(url_or_token, **settings) as client:
                return work(client)

        async def work_async() -> Any:
            async with AsyncLarkWebhookClient(url_or_token, **settings) as client:
                return await work(client)

        return asyncio.run(work_async())

    return run


def read_received(lark: Emulator) -> list[tuple[str, Any]]:
    (bot,) = lark.state()["webhooks"]
    return [(message["msg_type"], message["content"]) for message in bot["messages"]]


def test_every_type_arrives(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limits=False)
    url = lark.add_webhook(token=TOKEN)
    card = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "**hi**"}]}}
    answer = do(lambda c: c.send_text("✅ 完成", mentions=["all"]), url)
    assert (answer.code, answer.msg) == (0, "success")
    assert answer.log_id
    do(lambda c: c.send_post("line", title="T"), url)
    do(lambda c: c.send_card(card), url)
    do(lambda c: c.send_image("img_1"), url)
    do(lambda c: c.send_share_chat("oc_1"), url)
    do(lambda c: c.send("text by name", msg_type="text"), url)
    assert read_received(lark) == [
        ("text", {"text": '✅ 完成 <at user_id="all"></at>'}),
        ("post", {"post": {"zh_cn": {"title": "T", "content": [[{"tag": "text", "text": "line"}]]}}}),
        ("interactive", card),
        ("image", {"image_key": "img_1"}),
        ("share_chat", {"share_chat_id": "oc_1"}),
        ("text", {"text": "text by name"}),
    ]
    assert lark.state(summary=True)["token_requests"] == 0


def test_a_bare_token_goes_where_base_url_says(
    lark: Emulator, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    lark.add_webhook(token=TOKEN)
    do(lambda c: c.send_text("by LARK_BASE_URL"))
    monkeypatch.delenv("LARK_BASE_URL")
    do(lambda c: c.send_text("by base_url"), base_url=lark.base_url)
    assert len(read_received(lark)) == 2


def test_a_signed_bot(lark: Emulator, do: Do) -> None:
    lark.add_webhook(token=TOKEN, secret="sign-secret-1")
    do(lambda c: c.send_text("x"), secret=" sign-secret-1 ")
    for secret in (None, "other"):
        with pytest.raises(PermissionDeniedError, match=r"19021 .*signing secret") as refused:
            do(lambda c: c.send_text("x"), secret=secret)
        assert refused.value.http_status == 200
    lark.advance(2 * 3600)
    with pytest.raises(PermissionDeniedError, match="clock is right"):
        do(lambda c: c.send_text("x"), secret="sign-secret-1")
    assert len(read_received(lark)) == 1


def test_keywords(lark: Emulator, do: Do) -> None:
    lark.add_webhook(token=TOKEN, keywords=["alert"])
    do(lambda c: c.send_text("an alert"), keyword="alert")
    do(lambda c: c.send_text("an alert"), keyword=["deploy", "alert"])
    calls_before = count(lark, ENDPOINT)
    with pytest.raises(InvalidRequestError, match="must contain the bot's keyword 'alert'") as known:
        do(lambda c: c.send_text("hello"), keyword="alert")
    assert count(lark, ENDPOINT) == calls_before
    with pytest.raises(InvalidRequestError, match="put one of the bot's keywords") as refused:
        do(lambda c: c.send_text("hello"))
    assert known.value.code == refused.value.code == 19024


def test_a_wrong_token(lark: Emulator, do: Do) -> None:
    lark.add_webhook(token="another")
    with pytest.raises(NotFoundError, match=r"19001 .*check the webhook URL") as refused:
        do(lambda c: c.send_text("x"))
    assert refused.value.code == 19001


def test_an_address_that_is_not_allowed(lark: Emulator, do: Do) -> None:
    lark.add_webhook(token=TOKEN)
    lark.fault(method="POST", path=PATH, status=200, code=19022, msg="Ip Not Allowed")
    with pytest.raises(PermissionDeniedError, match="IP allow-list"):
        do(lambda c: c.send_text("x"))


@pytest.mark.parametrize(
    "work", [lambda c: c.send_text("x" * 20_480), lambda c: c.send_card({"e": "x" * 20_480})]
)
def test_too_large_is_not_sent(lark: Emulator, do: Do, work: Any) -> None:
    lark.add_webhook(token=TOKEN)
    with pytest.raises(InvalidRequestError, match="20480"):
        do(work)
    assert count(lark, ENDPOINT) == 0


def test_a_lost_answer_is_not_repeated(lark: Emulator, do: Do) -> None:
    lark.add_webhook(token=TOKEN)
    lark.fault(method="POST", path=PATH, drop="after")
    with pytest.raises(OutcomeUnknownError, match="may or may not have happened") as lost:
        do(lambda c: c.send_text("x"))
    assert (len(read_received(lark)), count(lark, ENDPOINT)) == (1, 1)
    assert TOKEN not in str(lost.value) + repr(lost.value) + repr(lost.value.__cause__)


def test_a_burst_is_waited_for(lark: Emulator, do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lark_provider.engine.interpreter.random.random", lambda: 0.01)
    lark.add_webhook(token=TOKEN)
    lark.fault(method="POST", path=PATH, status=200, code=11232, msg="frequency limited", times=2)
    do(lambda c: c.send_text("x"))
    assert (len(read_received(lark)), count(lark, ENDPOINT)) == (1, 3)
    lark.fault(method="POST", path=PATH, status=200, code=11232, msg="frequency limited", times=2)
    with pytest.raises(RateLimitError, match="100 messages a minute"):
        do(lambda c: c.send_text("x"), max_retries=1)


def test_a_burst_that_is_refused_as_a_bad_request_is_waited_for(
    lark: Emulator, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lark_provider.engine.interpreter.random.random", lambda: 0.0)
    lark.add_webhook(token=TOKEN)
    lark.fault(method="POST", path=PATH, status=400, code=9499, msg="too many request")
    do(lambda c: c.send_text("x"))
    assert (len(read_received(lark)), count(lark, ENDPOINT)) == (1, 2)


def test_a_refused_connection_is_a_known_outcome(do: Do) -> None:
    with pytest.raises(TransportError, match="check network") as refused:
        do(lambda c: c.send_text("x"), base_url="http://127.0.0.1:9", max_retries=0)
    assert not isinstance(refused.value, OutcomeUnknownError)


def test_the_token_reaches_no_log_and_no_text(
    lark: Emulator, do: Do, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lark_provider.engine.interpreter.random.random", lambda: 0.01)
    caplog.set_level(logging.DEBUG)
    for library in ("httpx", "httpx2"):  # which Airflow quietens where they are loaded
        caplog.set_level(logging.DEBUG, library)
    url, secret = lark.add_webhook(token=TOKEN, secret="sign-secret-1"), "sign-secret-1"
    do(lambda c: c.send_text("x"), url, secret=secret)
    lark.fault(method="POST", path=PATH, status=200, code=11232, msg="frequency limited")
    do(lambda c: c.send_text("x"), url, secret=secret)
    texts = []
    for plan in (
        {"status": 502, "body": f"<html>no route to {url}</html>"},
        {"status": 200, "code": 19001, "msg": f"no such hook: {TOKEN}"},
        {"drop": "before"},
    ):
        lark.fault(method="POST", path=PATH, **plan)
        with pytest.raises(LarkError) as refused:
            do(lambda c: c.send_text("x"), url, secret=secret)
        texts += [str(refused.value), repr(vars(refused.value)), str(pickle.dumps(refused.value))]
    logged = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert "/open-apis/bot/v2/hook/***" in logged
    assert "Retrying after a failed attempt" in logged
    for seen in (logged, *texts):
        assert TOKEN not in seen
        assert secret not in seen


def test_httpx_logs_urls_and_no_webhook(lark: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    for library in ("httpx", "httpx2"):
        caplog.set_level(logging.INFO, library)
    with http.choose_library().Client() as client:
        LarkServiceClient(http_client=client).call("GET", "/im/v1/chats", params={"page_size": "5"})
        client.post(lark.add_webhook(token=TOKEN))
    assert f"GET {lark.base_url}/open-apis/im/v1/chats?page_size=5" in caplog.text
    assert f"POST {lark.base_url}/open-apis/bot/v2/hook/*** " in caplog.text


@pytest.mark.parametrize("kind", [LarkWebhookClient, AsyncLarkWebhookClient])
def test_no_secret_in_a_repr(kind: Any) -> None:
    client = kind(f"https://open.larksuite.com/open-apis/bot/v2/hook/{TOKEN}", secret="sign-secret-1")
    assert repr(client) == f"{kind.__name__}(base_url='https://open.larksuite.com')"
    assert TOKEN not in repr(vars(client))
    assert "sign-secret-1" not in repr(vars(client))


@pytest.mark.parametrize(
    ("given", "settings", "text"),
    [
        ("", {}, "The webhook must not be empty"),
        (f"https://open.feishu.cn/hook/{TOKEN}", {}, "must be the URL of a custom bot"),
        (TOKEN, {"base_url": f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}"}, "which is a secret"),
        (f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}", {"base_url": "lark"}, "leave base_url out"),
        (TOKEN, {"timeout": 0}, "timeout"),
        (TOKEN, {"max_retries": -1}, "max_retries"),
        (TOKEN, {"max_retries": "3"}, "max_retries"),
        (TOKEN, {"secret": 5}, "secret must be a string"),
        (TOKEN, {"keyword": 5}, "keyword must be .*, got 5"),
        (TOKEN, {"keyword": ["a", 5]}, "keyword must be"),
    ],
)
def test_settings_that_are_invalid(given: str, settings: dict[str, Any], text: str) -> None:
    for kind in (LarkWebhookClient, AsyncLarkWebhookClient):
        with pytest.raises(ConfigurationError, match=text) as refused:
            kind(given, **settings)
        assert TOKEN not in str(refused.value)


def test_an_app_has_no_webhook() -> None:
    from lark_provider.api.webhook import send_text  # an operation handed to the wrong client

    with pytest.raises(ConfigurationError, match="must come from a LarkWebhookClient"):
        LarkServiceClient("cli_1", "s").perform(send_text("x"))
