"""Names of the connection for receivers, and one place for everything in a test environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from lark_emulator import Emulator

from lark_provider.errors import ConfigurationError
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.receivers import NamedReceiver, mark_redirected
from lark_provider.operators import LarkSendMessageOperator
from tests.airflow.conftest import CHAT, connection

Context = Callable[..., Any]


def read_messages(lark: Emulator) -> list[Any]:
    """Return the contents of the test chat's messages."""
    return [message["content"] for message in lark.state()["chats"][0]["messages"]]


@pytest.fixture
def extra(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def give(**extra: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra))

    return give


@pytest.mark.parametrize("as_text", [False, True])
def test_a_name_stands_for_an_id(extra: Callable[..., None], as_text: bool) -> None:
    names = {"oncall": "oc_1", "boss": "boss@example.com"}
    extra(receivers=json.dumps(names) if as_text else names)
    assert LarkHook().receiver("oncall") == NamedReceiver("oc_1")
    assert LarkHook().receiver("boss", "user_id") == NamedReceiver("boss@example.com")
    assert LarkHook().receiver("oc_2", "chat_id") == NamedReceiver("oc_2", "chat_id")


@pytest.mark.parametrize("value", [None, ["oc_1"], {}, "", True])
def test_an_entry_other_than_an_id_is_named(extra: Callable[..., None], value: Any) -> None:
    says = "Entry 'team' of the extra 'receivers' must be an id, got .*Next: "
    extra(receivers={"team": value})
    with pytest.raises(ConfigurationError, match=says):
        LarkHook().receiver("team")
    with pytest.raises(ConfigurationError, match=says):
        LarkHook().alias("team")
    extra(receivers={"team": value}, redirect_all_to="team")
    with pytest.raises(ConfigurationError, match=says):
        LarkHook().receiver("oc_1")


def test_an_entry_may_be_a_user_id_of_digits(extra: Callable[..., None]) -> None:
    extra(receivers={"boss": 4711})
    assert LarkHook().receiver("boss") == NamedReceiver("4711")
    assert LarkHook().alias("boss") == "4711"


def test_everything_can_go_to_one_place(extra: Callable[..., None]) -> None:
    extra(receivers={"oncall": "oc_1", "tests": "oc_9"}, redirect_all_to="tests")
    assert LarkHook().receiver("oncall") == NamedReceiver("oc_9", None, "oncall")
    assert LarkHook().receiver("ou_1", "open_id") == NamedReceiver("oc_9", None, "ou_1")


@pytest.mark.parametrize("value", ["oncall", "[1]", ["oncall"], 5])
def test_an_extra_that_is_no_object_is_named(extra: Callable[..., None], value: Any) -> None:
    extra(receivers=value, owners=value)
    with pytest.raises(
        ConfigurationError, match="'receivers' of connection 'lark_default' must be a JSON object"
    ):
        LarkHook().receiver("oncall")
    with pytest.raises(ConfigurationError, match="'owners'"):
        LarkHook().owners  # noqa: B018 - reading it is the test


def test_the_operator_takes_names(lark: Emulator, extra: Callable[..., None], context: Context) -> None:
    extra(receivers={"team": CHAT})
    LarkSendMessageOperator(task_id="t", receiver_id="team", content="hi").execute(context())
    assert read_messages(lark) == [{"text": "hi"}]


def test_the_operator_names_an_extra_that_cannot_be(extra: Callable[..., None], context: Context) -> None:
    extra(receivers="oc_1")
    with pytest.raises(AirflowFailException, match="must be a JSON object"):
        LarkSendMessageOperator(task_id="t", receiver_id="team", content="hi").execute(context())


CARD_1 = {"elements": [{"tag": "markdown", "content": "hi"}]}
CARD_2 = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "hi"}]}}
POST = {"zh_cn": {"title": "", "content": [[{"tag": "text", "text": "hi"}]]}}


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("text", "hi"),
        ("post", "hi"),
        ("post", POST),
        ("interactive", CARD_1),
        ("interactive", CARD_2),
        ("interactive", json.dumps(CARD_2)),
    ],
)
def test_a_redirected_message_says_for_whom_and_mentions_nobody(
    lark: Emulator, extra: Callable[..., None], context: Context, msg_type: Any, content: Any
) -> None:
    extra(redirect_all_to=CHAT)
    LarkSendMessageOperator(
        task_id="t", receiver_id="oc_customers", content=content, msg_type=msg_type, mentions=["ou_boss"]
    ).execute(context())
    (text,) = [json.dumps(message, ensure_ascii=False) for message in read_messages(lark)]
    assert "[→ oc_customers @ou_boss]" in text
    assert text.index("[→ oc_customers") < text.index("hi")
    assert "<at" not in text
    assert '"at"' not in text


def test_two_receivers_stay_two_messages_in_one_place(
    lark: Emulator, extra: Callable[..., None], context: Context
) -> None:
    extra(redirect_all_to=CHAT)
    for receiver in ("ou_1", "ou_2", "ou_2"):
        LarkSendMessageOperator(
            task_id="t", receiver_id=receiver, content="hi", idempotency_key="one"
        ).execute(context())
    assert read_messages(lark) == [{"text": "[→ ou_1] hi"}, {"text": "[→ ou_2] hi"}]


def test_what_holds_no_text_goes_as_it_is() -> None:
    template = {"type": "template", "data": {"template_id": "AAq"}}
    assert mark_redirected(template, "interactive", "oc_1") == template
    assert mark_redirected("{no", "interactive", "oc_1") == "{no"
    assert mark_redirected({"image_key": "img_1"}, "image", "oc_1") == {"image_key": "img_1"}
    assert mark_redirected({"zh_cn": 5}, "post", "oc_1") == {"zh_cn": 5}
