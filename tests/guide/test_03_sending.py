"""The guide's section 3: what is sent, to whom, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.storage.applications import ApplicationManager
from tests.guide.arrived import messages, open_id, read_texts
from tests.guide.reader import Reader

SENT = """
from lark_provider import LarkServiceClient

client = LarkServiceClient(app_id="cli_your_app_id")
response = client.messaging.send_text(
    receiver_id="ou_xxxxxxxx",
    content="您有新的订单通知!"
)
print(response.data['message_id'])
"""
ADD = 'python -m lark_provider.cli app add --app-id "{}" --app-secret "your_app_secret"'


@pytest.fixture
def alice(lark: Emulator) -> dict[str, Any]:
    """Return the user alice, with all her ids."""
    (user,) = (user for user in lark.state()["users"] if user["user_id"] == "alice")
    return dict(user)


def test_guide_16_send_text_takes_a_receiver_and_a_content(lark: Emulator, apps: object) -> None:
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello from Flask!")
    (message,) = messages(lark)
    assert (message["sender"], read_texts(lark)) == ("cli_your_app_id", ["Hello from Flask!"])


def test_guide_17_the_answer_has_the_message_id(lark: Emulator, apps: object, reader: Reader) -> None:
    printed = reader.python(SENT.replace("ou_xxxxxxxx", open_id(lark))).stdout.strip()
    assert [message["message_id"] for message in messages(lark)] == [printed]
    assert printed.startswith("om_")


@pytest.mark.parametrize("is_named", [False, True], ids=["by its shape", "named"])
@pytest.mark.parametrize("kind", ["open_id", "union_id", "user_id", "email", "chat_id"])
def test_guide_18_a_receiver_of_any_kind(
    kind: str, is_named: bool, lark: Emulator, apps: object, alice: dict[str, Any]
) -> None:
    lark.add_chat("guide", users=["bob"], bots=["cli_your_app_id"], chat_id="oc_guide")
    receiver = {**alice, "open_id": open_id(lark), "chat_id": "oc_guide"}[kind]
    named: dict[str, Any] = {"receiver_id_type": kind} if is_named else {}
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        sent = client.messaging.send_text(receiver_id=receiver, content=kind, **named)
    (chat,) = [chat for chat in lark.state()["chats"] if chat["messages"]]
    assert [message["content"]["text"] for message in chat["messages"]] == [kind]
    assert sent.data["chat_id"] == chat["chat_id"]
    assert chat["users"] == (["bob"] if kind == "chat_id" else ["alice"])


CONTENTS = {
    "chinese": "您有新的订单通知!",
    "emoji": "✅ ETL 完成! 数据量: 2",
    "joined": "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e8\U0001f1f3 \U00020bb7野家",
    "marks": 'quotes " \\ and\nlines\t<tag> & </tag>',
    "combining": "e\u0301",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_guide_19_chinese_and_emoji_arrive_intact(content: str, lark: Emulator, apps: object) -> None:
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content=content)
    assert read_texts(lark) == [content]


@pytest.mark.parametrize("app_id", ["cli_your_app_id", "cli_airflow_app"])
def test_guide_26_the_guides_app_ids_are_accepted(app_id: str, lark: Emulator, reader: Reader) -> None:
    """By the command line, the registry and the client."""
    reader.run(ADD.format(app_id))
    assert [app.app_id for app in ApplicationManager().list_applications()] == [app_id]
    with LarkServiceClient(app_id=app_id) as client:
        client.messaging.send_text(receiver_id=open_id(lark, app_id), content="Hello")
    assert [message["sender"] for message in messages(lark)] == [app_id]
