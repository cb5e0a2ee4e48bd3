"""The request log: calls can be asserted by their bodies, and no credential shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark_emulator.masking import MASK, SECRET_NAMES, mask_text

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

MESSAGES = "/open-apis/im/v1/messages"


def test_a_call_can_be_asserted_by_what_was_sent_and_answered(api: Api, lark: Emulator) -> None:
    sent = api.send(text="hello")["data"]["message_id"]
    api("GET", f"/im/v1/messages/{sent}")
    (entry,) = lark.requests("POST", MESSAGES)
    assert json.loads(entry["request_json"]["content"]) == {"text": "hello"}
    assert entry["response_json"]["data"]["message_id"] == sent
    assert {"id", "at", "ms", "app_id", "code", "status"} <= entry.keys()
    assert entry["ms"] > 0
    assert [request["path"] for request in lark.requests(path=f"{MESSAGES}/:message_id")] == [
        f"{MESSAGES}/{sent}"
    ]
    assert len(lark.requests(path="*/messages*")) == 2
    assert [request["method"] for request in lark.requests(after=entry["id"])] == ["GET"]
    (newest,) = api.http.get("/_emulator/requests", params={"limit": "1"}).json()["requests"]
    assert newest["path"] == f"{MESSAGES}/{sent}"


@pytest.mark.parametrize("query", [{"limit": "-1"}, {"after": "x"}, {"paths": "*"}])
def test_a_wrong_filter_is_named(api: Api, query: dict[str, str]) -> None:
    answer = api.http.get("/_emulator/requests", params=query)
    assert (answer.status_code, next(iter(query)) in answer.json()["error"]) == (400, True)


def test_no_credential_shows_in_any_body(api: Api, lark: Emulator) -> None:
    """Of apps, of store apps, of callbacks, of webhooks, and of long connections."""
    lark.add_app("cli_isv", "isv-secret-0123", store=True)
    hook = lark.add_webhook(token="hook-token-0123", secret="hook-secret-0123")
    token = api.login()
    wrong = "wrong-secret-0123"
    api.http.post(
        "/open-apis/auth/v3/tenant_access_token/internal",
        json={"app_id": lark.app_id, "app_secret": wrong},
    )
    api.http.post(
        "/open-apis/auth/v3/tenant_access_token/internal",
        data={"app_id": lark.app_id, "app_secret": wrong},
    )
    api.http.post("/callback/ws/endpoint", json={"AppID": lark.app_id, "AppSecret": lark.app_secret})
    httpx.post(hook, json={"msg_type": "text", "content": {"text": token}})
    api("POST", "/interactive/v1/card/update", {"token": "c-click-token-0123", "card": {}})
    api.send(text=f"my token is {token} and my hook {hook}")
    shown = api.http.get("/_emulator/requests").text
    leaked = [
        secret
        for secret in (
            *(lark.app_secret, "isv-secret-0123", wrong, token),
            *("hook-token-0123", "hook-secret-0123", "c-click-token-0123", "access_key=4", "Bearer"),
        )
        if secret in shown
    ]
    assert leaked == []
    assert shown.count(MASK) >= 8


def test_binary_bodies_are_named_and_long_ones_are_not_kept(api: Api, lark: Emulator) -> None:
    lark.settings(log_body_bytes=1000, log_bytes=1500)
    api.http.post("/open-apis/im/v1/images", files={"image": b"\x89PNG" * 10}, data={"image_type": "message"})
    assert lark.requests()[-1]["request"].endswith(" bytes of multipart/form-data>")
    api.send(text="x" * 1000)
    assert lark.requests()[-1]["request"].endswith(" bytes of application/json>")
    for n in range(20):
        api.send(text=f"{n} {'y' * 300}")
    kept = [request for request in lark.requests("POST", MESSAGES) if request["request_json"]]
    assert 1 <= len(kept) < 6
    assert "19 yyy" in kept[-1]["request"]
    lark.settings(log_entries=5)
    api.send()
    assert len(lark.requests()) == 5
    assert lark.state(summary=True)["requests"] == 24


def test_a_body_that_no_text_holds(lark: Emulator) -> None:
    answer = httpx.post(
        f"{lark.base_url}{MESSAGES}", content=b"\xff\xfe", headers={"content-type": "application/json"}
    )
    assert answer.status_code < 500
    assert lark.requests()[-1]["request"] == "<2 bytes of application/json>"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SECRET = "q7Zx-secret-value"


@given(JSON, st.sampled_from(sorted(SECRET_NAMES)), st.integers(0, 3), st.booleans())
def test_a_secret_is_masked_at_any_depth_and_in_json_within_json(
    around: Any, name: str, depth: int, upper: Any
) -> None:
    value: Any = {"around": around, name.upper() if upper else name: SECRET, "kept": "plain"}
    for level in range(depth):
        value = {"inner": orjson.dumps(value).decode()} if level % 2 else [value, around]
    shown = mask_text(orjson.dumps(value).decode())
    assert SECRET not in shown
    assert "plain" in shown
    assert orjson.loads(shown)


@given(JSON)
def test_what_holds_no_secret_stays_as_it_was(value: Any) -> None:
    text = json.dumps(value)
    assert mask_text(text) == text
    assert mask_text('{"app_token": "bascn1", "page_token": "p", "node_token": "n"}').count("*") == 0
