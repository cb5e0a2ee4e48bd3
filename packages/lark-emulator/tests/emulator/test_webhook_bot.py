"""The custom bot by plain HTTP; the signature is recomputed and compared with Lark's check value."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import httpx
import pytest
from lark_emulator import Emulator

TEXT = {"msg_type": "text", "content": {"text": "deploy done"}}
CARD = {"schema": "2.0", "body": {"elements": []}}
POST = {"zh_cn": {"title": "", "content": [[{"tag": "text", "text": "x"}]]}}


def sign(secret: str, timestamp: str) -> dict[str, str]:
    digest = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": timestamp, "sign": base64.b64encode(digest).decode()}


def send(url: str, body: Any) -> Any:
    answer = httpx.post(url, json=body)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        {"msg_type": "post", "content": {"post": POST}},
        {"msg_type": "image", "content": {"image_key": "img_1"}},
        {"msg_type": "share_chat", "content": {"share_chat_id": "oc_1"}},
        {"msg_type": "interactive", "card": CARD},
    ],
)
def test_every_type_is_taken_and_shown(lark: Emulator, body: dict[str, Any]) -> None:
    answer = send(lark.add_webhook(), body)
    assert answer == {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success"}
    (bot,) = lark.state()["webhooks"]
    (message,) = bot["messages"]
    assert (message["msg_type"], message["content"]) == (
        body["msg_type"],
        body.get("card", body.get("content")),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"msg_type": "text"}, {"msg_type": "text", "content": '{"text": "x"}'}, [1],
        {"msg_type": "text", "content": {"text": ""}}, {"msg_type": "post", "content": POST},
        {"msg_type": "post", "content": {"post": {"klingon": {"content": []}}}},
        {"msg_type": "interactive", "content": CARD}, {"msg_type": "file", "content": {"file_key": "f"}},
        {"msg_type": "image", "content": {"key": "x"}},
        {"msg_type": "text", "content": {"text": "x" * 20_480}},
    ],
)  # fmt: skip
def test_other_bodies_are_bad_requests(lark: Emulator, body: Any) -> None:
    assert send(lark.add_webhook(), body)["code"] == 9499
    assert lark.state()["webhooks"][0]["messages"] == []


def test_an_unknown_token(lark: Emulator) -> None:
    url = lark.add_webhook(token="known-token")
    assert send(url, TEXT)["code"] == 0
    answer = send(url.replace("known", "other"), TEXT)
    msg = "param invalid: incoming webhook access token invalid"
    assert answer == {"code": 19001, "data": {}, "msg": msg}


def test_signatures_are_checked_for_an_hour(lark: Emulator) -> None:
    assert sign("demo", "1700000000")["sign"] == "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo="
    lark.settings(rate_limits=False)
    url, now = lark.add_webhook(secret="demo"), int(time.time())
    assert send(url, TEXT | sign("demo", str(now)))["code"] == 0
    assert send(url, TEXT | sign("demo", str(now - 3500)))["code"] == 0
    for wrong in (
        {},
        sign("other", str(now)),
        sign("demo", str(now - 3700)),
        sign("demo", str(now + 3700)),
        sign("demo", "x"),
        sign("demo", str(now)) | {"timestamp": float(now)},
    ):
        assert send(url, TEXT | wrong)["code"] == 19021


def test_one_keyword_of_several_is_enough(lark: Emulator) -> None:
    url = lark.add_webhook(keywords=["alert", "deploy"])
    assert send(url, TEXT)["code"] == 0
    assert send(url, {"msg_type": "text", "content": {"text": "hello"}})["code"] == 19024
    with pytest.raises(ValueError, match="at most 10"):
        lark.add_webhook(keywords=["k"] * 11)


def test_limits_count_for_each_bot(lark: Emulator) -> None:
    webhook, other = lark.add_webhook(), lark.add_webhook()
    with httpx.Client() as http:
        codes = [http.post(webhook, json=TEXT).json()["code"] for _ in range(7)]
    assert codes.count(11232) >= 1
    assert codes[:5] == [0] * 5
    assert send(other, TEXT)["code"] == 0
    lark.advance(61)
    assert send(webhook, TEXT)["code"] == 0


def test_the_credentials_never_show(lark: Emulator) -> None:
    url = lark.add_webhook(token="hook-token-1", secret="sign-secret-1")
    send(url, TEXT)
    seen = repr(lark.state()) + repr(lark.requests())
    assert "POST /open-apis/bot/v2/hook/:token" in seen
    assert "hook-token-1" not in seen
    assert "sign-secret-1" not in seen


def test_a_bot_is_made_over_http_as_well(lark: Emulator) -> None:
    control = f"{lark.base_url}/_emulator/webhooks"
    webhook = httpx.post(control, json={"name": "Ops", "token": "t1"}).json()
    assert webhook == {"token": "t1", "path": "/open-apis/bot/v2/hook/t1"}
    assert httpx.post(control, json={"token": "t1"}).status_code == 400
    assert httpx.post(control, json={"url": "t1"}).status_code == 400
