"""Messages, sent over HTTP to the emulator by both clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import (
    ConfigurationError,
    InvalidRequestError,
    LarkAPIError,
    NotFoundError,
    PermissionDeniedError,
    TokenAcquisitionError,
)
from tests.client.conftest import CHAT, MESSAGES, TOKENS, Do, count, messages

CARD = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "**hi**"}]}}
GET_ID = "POST /open-apis/contact/v3/users/batch_get_id"
UPLOADS = ("POST /open-apis/im/v1/images", "POST /open-apis/im/v1/files")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
WAYS: dict[str, Callable[[Any, str], Any]] = {
    "text": lambda messaging, to: messaging.send_text(to, "hi"),
    "any": lambda messaging, to: messaging.send(to, "hi", msg_type="post"),
    "post": lambda messaging, to: messaging.send_post(to, "**hi**"),
    "card": lambda messaging, to: messaging.send_card(to, CARD),
    "image": lambda messaging, to: messaging.send_image(to, PNG),
    "file": lambda messaging, to: messaging.send_file(to, b"hi", file_name="hi.txt"),
}


def test_text_arrives_as_it_was_written(lark: Emulator, do: Do) -> None:
    answer = do(lambda c: c.messaging.send_text(CHAT, "✅ ETL 完成! 数据量: 842 🎉"))
    (arrived,) = messages(lark)
    assert answer.data["message_id"] == arrived["message_id"]
    assert arrived["content"] == {"text": "✅ ETL 完成! 数据量: 842 🎉"}
    assert answer.code == 0
    assert answer.log_id


@pytest.mark.parametrize("kind", ["open_id", "union_id", "user_id", "email"])
def test_people_are_reached_by_every_kind_of_id(lark: Emulator, do: Do, kind: str) -> None:
    (alice,) = [user for user in lark.state()["users"] if user["user_id"] == "alice"]
    receiver = alice["open_ids"][lark.app_id] if kind == "open_id" else alice[kind]
    answer = do(lambda c: c.messaging.send_text(receiver, "hi"))
    assert messages(lark, answer.data["chat_id"])[0]["content"] == {"text": "hi"}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_has_a_mobile_number_is_reached_by_it(lark: Emulator, do: Do, way: str) -> None:
    PROCESS.users.clear()
    for number in ("+8613800000002", "+86 138-0000-0002"):
        answer = do(lambda c: WAYS[way](c.messaging, number))  # noqa: B023 - performed at once
        message = do(lambda c: c.messaging.get(answer.data["message_id"]))  # noqa: B023 - same reason as the line before
        assert message.data["items"][0]["chat_id"] == answer.data["chat_id"]
    bob = do(lambda c: c.messaging.send_text("bob", "hi")).data["chat_id"]
    assert (answer.data["chat_id"], len(messages(lark, bob))) == (bob, 3)
    assert count(lark, GET_ID) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_mobile_number_that_nobody_has(lark: Emulator, do: Do, way: str) -> None:
    PROCESS.users.clear()
    for _ in range(2):
        with pytest.raises(NotFoundError, match=r"mobile number \+12025550100\. Next: check it") as refused:
            do(lambda c: WAYS[way](c.messaging, "+1 202 555 0100"))
        assert not refused.value.retryable
    assert count(lark, GET_ID) == 1
    assert sum(count(lark, endpoint) for endpoint in (MESSAGES, *UPLOADS)) == 0


def test_messages_to_mobile_numbers_are_checked_and_keyed_as_all_are(lark: Emulator, do: Do) -> None:
    PROCESS.users.clear()
    wrong: list[Callable[[Any], Any]] = [
        lambda c: c.messaging.send_text("+8613800000002", ""),
        lambda c: c.messaging.send_text("+8613800000002", "x", idempotency_key="k", uuid="u"),
        lambda c: c.messaging.send_image("+8613800000002", PNG, idempotency_key=""),
        lambda c: c.messaging.send_text("+86138", "x"),
        lambda c: c.messaging.send_text("12345", "x", receiver_id_type="mobile"),
    ]
    for work in wrong:
        with pytest.raises(InvalidRequestError, match="Next: "):
            do(work)
    assert lark.state(summary=True)["requests"] == 0
    sent = {
        do(lambda c: c.messaging.send_text(number, "x", idempotency_key="k", receiver_id_type="mobile")).data[  # noqa: B023 - performed at once
            "message_id"
        ]
        for number in ("+8613800000002", "13800000002")
    }
    assert len(sent) == 1


def test_an_address_goes_to_lark_as_it_is(lark: Emulator, do: Do) -> None:
    do(lambda c: c.messaging.send_text("alice@example.com", "hi"))
    assert count(lark, GET_ID) == 0


def test_posts_and_cards_arrive(lark: Emulator, do: Do) -> None:
    do(lambda c: c.messaging.send_post(CHAT, "**bold**", title="T", mentions=["all"]))
    do(lambda c: c.messaging.send_card(CHAT, CARD))
    assert [message["msg_type"] for message in messages(lark)] == ["post", "interactive"]


def test_a_key_sends_once(lark: Emulator, do: Do) -> None:
    first = do(lambda c: c.messaging.send_text(CHAT, "once", idempotency_key="k"))
    second = do(lambda c: c.messaging.send_text(CHAT, "once", idempotency_key="k"))
    assert first.data["message_id"] == second.data["message_id"]
    assert len(messages(lark)) == 1


def test_wrong_credentials_are_named_once_and_not_hammered(lark: Emulator, do: Do) -> None:
    for _ in range(3):
        with pytest.raises(TokenAcquisitionError, match="Failed to get token: 10014") as refused:
            do(lambda c: c.messaging.send_text(CHAT, "x"), app_id=lark.app_id, app_secret="wrong-secret-77")
        assert "wrong-secret-77" not in str(refused.value) + repr(refused.value)
        assert "Next: " in str(refused.value)
    assert count(lark, TOKENS) == 1
    assert count(lark, MESSAGES) == 0


def test_missing_credentials_name_the_ways(
    lark: Emulator, do: Do, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("LARK_APP_SECRET", "LARK_REGISTRY_PATH"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # where there is no registry
    with pytest.raises(ConfigurationError, match="LARK_APP_SECRET"):
        do(lambda c: c.messaging.send_text(CHAT, "x"))
    assert lark.state(summary=True)["requests"] == 0


def test_an_unknown_receiver(lark: Emulator, do: Do) -> None:
    with pytest.raises(LarkAPIError) as refused:
        do(lambda c: c.messaging.send_text("ou_emulator0001_nobody", "x"))
    assert isinstance(refused.value, NotFoundError | PermissionDeniedError | InvalidRequestError)
    assert not refused.value.retryable
    assert "Next: " in str(refused.value)


def test_a_chat_without_the_bot(lark: Emulator, do: Do) -> None:
    chat = lark.add_chat("Others", users=["alice"], bots=[])
    with pytest.raises(PermissionDeniedError, match="add the bot to the chat") as refused:
        do(lambda c: c.messaging.send_text(chat["chat_id"], "x"))
    assert refused.value.code == 230002


def test_a_missing_scope_names_it_and_the_link(lark: Emulator, do: Do) -> None:
    app = lark.add_app(app_id="cli_poor", secret="poor-secret", scopes=["contact:user.base:readonly"])
    with pytest.raises(PermissionDeniedError) as refused:
        do(lambda c: c.messaging.send_text(CHAT, "x"), app_id=app["app_id"], app_secret="poor-secret")
    assert refused.value.code == 99991672
    assert any(scope.startswith("im:message") for scope in refused.value.scopes)
    assert refused.value.apply_url
    assert refused.value.apply_url in str(refused.value)


@pytest.mark.parametrize(
    "work",
    [
        lambda c: c.messaging.send_text("", "x"),
        lambda c: c.messaging.send_text(CHAT, ""),
        lambda c: c.messaging.send_text(CHAT, "x" * 160_000),
        lambda c: c.messaging.send_card(CHAT, "{not json"),
        lambda c: c.messaging.send_card(CHAT, {"elements": [{"tag": "markdown", "content": "x" * 31_000}]}),
        lambda c: c.messaging.send_card(CHAT, {"schema": "2.0", "elements": []}),
    ],
)
def test_what_can_be_known_is_refused_before_the_network(lark: Emulator, do: Do, work: Any) -> None:
    with pytest.raises(InvalidRequestError, match="Next: "):
        do(work)
    assert lark.state(summary=True)["requests"] == 0


def test_a_card_that_lark_refuses_keeps_its_reason(lark: Emulator, do: Do) -> None:
    """Only Lark knows which templates there are."""
    card = {"type": "template", "data": {"template_id": "ctp_none"}}
    with pytest.raises(InvalidRequestError, match=r"ErrCode: 200380; .*templateID: ctp_none") as refused:
        do(lambda c: c.messaging.send_card(CHAT, card))
    assert refused.value.code == 230099
    assert refused.value.http_status == 400


def test_any_endpoint_can_be_called(lark: Emulator, do: Do) -> None:
    chats = do(lambda c: c.call("GET", "/im/v1/chats"))
    assert CHAT in [chat["chat_id"] for chat in chats.data["items"]]
    assert do(lambda c: c.call("get", "/open-apis/bot/v3/info")).data["bot"]["app_name"]
    with pytest.raises(NotFoundError, match="404 page not found"):
        do(lambda c: c.call("GET", "/no/such/thing"))
    with pytest.raises(InvalidRequestError, match="from the root"):
        do(lambda c: c.call("GET", "im/v1/chats"))


def test_no_secret_in_a_repr(lark: Emulator) -> None:
    from lark_provider import AsyncLarkServiceClient, LarkServiceClient  # read as a user would

    for kind in (LarkServiceClient, AsyncLarkServiceClient):
        text = repr(kind("cli_1", "the-secret", proxy="http://u:hidden1@127.0.0.1:1")) + repr(
            vars(kind("cli_1", "the-secret", proxy="http://u:hidden1@127.0.0.1:1"))
        )
        assert "the-secret" not in text
        assert "hidden1" not in text


@pytest.mark.parametrize("written", ["13800000001", "8613800000001", "138 0000 0001", "0086-138-0000-0001"])
def test_a_mobile_number_without_its_country_gets_a_hint(lark: Emulator, do: Do, written: str) -> None:
    with pytest.raises(
        LarkAPIError, match=r"Next: .*is a mobile number, write it as \+8613800000001"
    ) as refused:
        do(lambda c: c.messaging.send_text(written, "x"))
    with pytest.raises(LarkAPIError) as refused:
        do(lambda c: c.messaging.send_text("23800000001", "x"))
    assert "mobile" not in str(refused.value)
