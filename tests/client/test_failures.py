"""Lost answers, rejected tokens, limits and foreign answers, over HTTP."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import (
    ConfigurationError,
    LarkAPIError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
    TransportError,
)
from lark_provider.protocol.calls import make_request
from tests.client.conftest import CHAT, MESSAGES, TOKENS, Do, count, messages

PATH = "/open-apis/im/v1/messages"


def test_a_lost_answer_without_a_key_is_not_sent_again(lark: Emulator, do: Do) -> None:
    lark.fault(method="POST", path=PATH, drop="after")
    with pytest.raises(OutcomeUnknownError, match="may or may not have happened"):
        do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert len(messages(lark)) == count(lark, MESSAGES) == 1


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_answer_with_a_key_is_asked_for_again(lark: Emulator, do: Do, drop: str) -> None:
    lark.fault(method="POST", path=PATH, drop=drop, times=2)
    answer = do(lambda c: c.messaging.send_text(CHAT, "x", idempotency_key="k"))
    (only,) = messages(lark)
    assert only["message_id"] == answer.data["message_id"]
    assert count(lark, MESSAGES) == 3


def test_a_repeat_that_lark_answers_with_an_error_leaves_the_outcome_open(lark: Emulator, do: Do) -> None:
    lark.settings(uuid_replay="error")
    lark.fault(method="POST", path=PATH, drop="after")
    with pytest.raises(OutcomeUnknownError):
        do(lambda c: c.messaging.send_text(CHAT, "x", idempotency_key="k"))
    assert len(messages(lark)) == 1


def test_a_token_rejected_under_way_is_replaced_once(lark: Emulator, do: Do) -> None:
    lark.fault(method="POST", path=PATH, status=400, code=99991663, msg="Invalid access token")
    do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert (count(lark, TOKENS), count(lark, MESSAGES), len(messages(lark))) == (2, 2, 1)


def test_an_expired_token_is_replaced(lark: Emulator, do: Do) -> None:
    do(lambda c: c.messaging.send_text(CHAT, "x"))
    lark.advance(7300)
    do(lambda c: c.messaging.send_text(CHAT, "y"))
    assert count(lark, TOKENS) == 2
    assert len(messages(lark)) == 2


@pytest.mark.parametrize("status", [429, 400])
def test_rate_limits_are_waited_for(lark: Emulator, do: Do, status: int) -> None:
    lark.fault(
        method="POST",
        path=PATH,
        status=status,
        code=99991400,
        msg="slow",
        headers={"x-ogw-ratelimit-reset": "0.05"},
    )
    do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert (count(lark, MESSAGES), len(messages(lark))) == (2, 1)


def test_larks_own_limits_are_kept_to(lark: Emulator, do: Do) -> None:
    lark.settings(rate_limit_overrides={f"POST {PATH}": [[4, 4.0]]})

    for _ in range(5):
        do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert len(messages(lark)) == 5
    assert count(lark, MESSAGES) > 5


def test_a_limit_that_lasts_is_an_error_with_its_time(lark: Emulator, do: Do) -> None:
    lark.fault(
        method="POST",
        path=PATH,
        status=429,
        code=99991400,
        msg="slow",
        headers={"x-ogw-ratelimit-reset": "3600"},
    )
    with pytest.raises(RateLimitError) as refused:
        do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert refused.value.retry_after == 3600


def test_a_proxys_page_is_quoted(lark: Emulator, do: Do) -> None:
    lark.fault(method="GET", path="*/chats", status=502, body="<html>Bad Gateway</html>", times=10)
    with pytest.raises(LarkAPIError, match="Bad Gateway") as refused:
        do(lambda c: c.call("GET", "/im/v1/chats"), max_retries=1)
    assert refused.value.retryable
    lark.fault(method="POST", path=PATH, status=502, body="<html>Bad Gateway</html>")
    with pytest.raises(OutcomeUnknownError, match="Bad Gateway"):
        do(lambda c: c.messaging.send_text(CHAT, "x"))


def test_a_slow_answer_ends_at_the_timeout(lark: Emulator, do: Do) -> None:
    lark.fault(method="GET", path="*/chats", delay_ms=2000)
    with pytest.raises(TransportError, match="Timeout"):
        do(lambda c: c.call("GET", "/im/v1/chats"), timeout=0.2, max_retries=0)


def test_nobody_there_is_said_plainly(do: Do) -> None:
    with pytest.raises(TransportError, match="check network, proxy and base_url") as refused:
        do(lambda c: c.messaging.send_text(CHAT, "x"), base_url="http://127.0.0.1:9", max_retries=1)
    assert "ConnectError (for http://127.0.0.1:9): " in str(refused.value)
    assert not isinstance(refused.value, OutcomeUnknownError)


def test_a_failure_of_the_token_endpoint_is_retried(lark: Emulator, do: Do) -> None:
    lark.fault(path="*/tenant_access_token/internal", drop="before")
    lark.fault(path="*/tenant_access_token/internal", status=500, body="oops")
    do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert len(messages(lark)) == 1


def test_no_secret_reaches_a_log(lark: Emulator, do: Do, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lark.fault(method="POST", path=PATH, status=400, code=99991663, msg="Invalid access token")
    do(lambda c: c.messaging.send_text(CHAT, "x"))
    text = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert "POST /open-apis/im/v1/messages" in text
    assert lark.app_secret not in text
    assert "Bearer" not in text
    assert " t-" not in text


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"verify": "/no/such/ca.pem"}, "verify must .* got '/no/such/ca.pem'"),
        ({"proxy": "user:hunter2@proxy:3128"}, "proxy must "),
        ({"proxy": "socks5://proxy:1"}, "proxy must "),
        ({"base_url": "https://host:notaport"}, "base_url must "),
        ({"base_url": "http://:hunter2@host.example"}, "base_url must "),
        ({"base_url": 5}, "base_url must be a str, got int"),
        ({"app_id": 5}, "app_id must be a str, got int"),
        ({"app_id": "cli_x", "app_secret": 5}, "app_secret must be a str, got int"),
        ({"tenant_key": 5}, "tenant_key must be a str, got int"),
        ({"proxy": 5}, "proxy must .* got int"),
        ({"timeout": None}, "timeout must .* got None"),
        ({"max_retries": -1}, "max_retries must be an int of 0 or more, got -1"),
    ],
)
def test_settings_that_cannot_be_are_named_without_their_passwords(
    lark: Emulator, do: Do, settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text) as refused:
        do(lambda c: c.messaging.send_text(CHAT, "x"), **settings)
    assert "hunter2" not in str(refused.value)
    assert lark.state(summary=True)["requests"] == 0


def test_ones_own_http_client_carries_its_own_proxy(lark: Emulator) -> None:
    with httpx.Client() as own:
        with pytest.raises(ConfigurationError, match="http_client must come without"):
            LarkServiceClient(http_client=own, verify=False)
        assert LarkServiceClient(http_client=own).messaging.send_text(CHAT, "x").data["message_id"]
        assert not own.is_closed
    with pytest.raises(ConfigurationError, match=r"must be an httpx\.Client or httpx2\.Client, got object"):
        LarkServiceClient(http_client=object())  # type: ignore[arg-type]  # the point


def test_a_call_without_a_token_can_be_the_first(do: Do) -> None:
    path = "/open-apis/nowhere"
    with pytest.raises(NotFoundError, match="404"):
        do(lambda client: client.perform(make_request("GET", path, auth=False)))
