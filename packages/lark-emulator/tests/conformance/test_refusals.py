"""What the official SDK sees when the emulated Lark refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def text_to(
    sdk: Sdk, client: Any, receive_id: str, kind: str = "open_id", content: str = '{"text":"x"}'
) -> Any:
    body = {"receive_id": receive_id, "msg_type": "text", "content": content}
    return client.im.v1.message.create(sdk.request(sdk.im, "CreateMessage", body, receive_id_type=kind))


def test_wrong_secret(lark: Emulator, sdk: Sdk) -> None:
    client = sdk.client(lark, secret="wrong")
    with pytest.raises(Exception, match="app secret invalid") as caught:
        text_to(sdk, client, "alice", "user_id")
    assert caught.value.code == 10014  # type: ignore[attr-defined] # the SDK's own exception class


def test_unknown_app(lark: Emulator, sdk: Sdk) -> None:
    with pytest.raises(Exception, match="app id not exists"):
        text_to(sdk, sdk.client(lark, app_id="cli_unknown"), "alice", "user_id")


def test_missing_scope_names_the_scopes_and_the_console(lark: Emulator, sdk: Sdk) -> None:
    app = lark.add_app(scopes=["im:chat:readonly"])
    answer = text_to(sdk, sdk.client(lark, app["app_id"], app["app_secret"]), "alice", "user_id")
    assert (answer.code, answer.raw.status_code) == (99991672, 400)
    error = json.loads(answer.raw.content)["error"]
    assert {v["subject"] for v in error["permission_violations"]} >= {"im:message:send_as_bot"}
    assert app["app_id"] in error["helps"][0]["url"]
    assert error["log_id"] == answer.get_log_id()


def test_a_stale_token_is_refused_and_the_sdk_keeps_it(lark: Emulator, sdk: Sdk) -> None:
    client = sdk.client(lark)
    assert text_to(sdk, client, "alice", "user_id").success()
    assert lark.revoke_tokens() == 1
    assert [text_to(sdk, client, "alice", "user_id").code for _ in range(2)] == [99991663, 99991663]
    assert lark.state(summary=True)["token_requests"] == 1


@pytest.mark.parametrize(
    ("receive_id", "kind", "code"),
    [
        ("ou_nobody", "open_id", 230034),
        ("oc_nowhere", "chat_id", 230034),
        ("ou_other_alice", "open_id", 99992361),
        ("alice", "phone", 99992402),
    ],
)
def test_unknown_receivers(lark: Emulator, sdk: Sdk, receive_id: str, kind: str, code: int) -> None:
    lark.add_app("cli_other")
    answer = text_to(sdk, sdk.client(lark), receive_id, kind)
    assert (answer.code, answer.raw.status_code) == (code, 400)


def test_content_that_is_not_json(lark: Emulator, sdk: Sdk) -> None:
    answer = text_to(sdk, sdk.client(lark), "alice", "user_id", content="hello")
    assert answer.code == 230001
    assert "json" in answer.msg


def test_a_bot_outside_the_chat(lark: Emulator, sdk: Sdk) -> None:
    chat = lark.add_chat("Outsiders", users=["alice"])
    assert text_to(sdk, sdk.client(lark), chat["chat_id"], "chat_id").code == 230002


def test_an_unknown_field_is_an_error_in_http_200(lark: Emulator, sdk: Sdk) -> None:
    client = sdk.client(lark)
    app = client.bitable.v1.app.create(
        sdk.request(sdk.bitable, "CreateApp", {"name": "x"}, model="ReqApp")
    ).data.app
    answer = client.bitable.v1.app_table_record.create(
        sdk.request(
            sdk.bitable,
            "CreateAppTableRecord",
            {"fields": {"Nope": 1}},
            model="AppTableRecord",
            app_token=app.app_token,
            table_id=app.default_table_id,
        )
    )
    assert (answer.code, answer.msg, answer.raw.status_code) == (1254045, "FieldNameNotFound", 200)
    assert "fields.Nope" in json.loads(answer.raw.content)["error"]["message"]


def test_too_many_requests(lark: Emulator, sdk: Sdk) -> None:
    lark.settings(rate_limit_overrides={"POST /open-apis/im/v1/messages": [[1, 60]]})
    client = sdk.client(lark)
    assert text_to(sdk, client, "alice", "user_id").success()
    answer = text_to(sdk, client, "alice", "user_id")
    assert (answer.code, answer.raw.status_code) == (99991400, 429)
    assert 0 < float(answer.raw.headers["x-ogw-ratelimit-reset"]) <= 60
