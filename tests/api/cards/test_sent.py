"""Built cards on their way through the client to the emulator."""

from __future__ import annotations

from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.cards import (
    Button,
    Card2,
    DatePicker,
    Form,
    Header,
    Input,
    Markdown,
    SelectStatic,
    Table,
    mention,
    notice_card,
    table_card,
)
from lark_provider.errors import InvalidRequestError

CHAT = "oc_emulator_data_team"
ALICE = "ou_emulator0001_alice"


def messages(lark: Emulator) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = lark.state()["chats"][0]["messages"]
    return sent


@pytest.mark.parametrize(
    "card",
    [
        notice_card(
            "Load finished",
            "all **good**",
            level="success",
            fields={"rows": 336_776},
            link="https://a.example",
        ),
        table_card("Flights", ({"carrier": "UA", "flights": n} for n in range(5_000)), max_rows=5_000),
        Card2(
            [
                Markdown(f"{mention(ALICE)} which version?"),
                Table(["version"], [{"version": "1.2"}]),
                Form(
                    "answer",
                    [
                        Input("why", max_length=200),
                        SelectStatic("version", ["1.1", "1.2"]),
                        DatePicker("due"),
                    ],
                    submit="Send",
                ),
                Button("Stop", type="danger", value={"stop": True}),
            ],
            header=Header("Release", template="orange", text_tag_list=["P0"]),
        ),
    ],
)
def test_a_built_card_arrives_as_it_was_built(lark: Emulator, card: Card2) -> None:
    with LarkServiceClient() as client:
        sent = client.messaging.send_card(CHAT, card)
    (message,) = messages(lark)
    assert message["message_id"] == sent.data["message_id"]
    assert message["content"] == card


def test_mentions_are_added_at_the_end(lark: Emulator) -> None:
    with LarkServiceClient() as client:
        client.messaging.send_card(CHAT, notice_card("T", "a"), mentions=[ALICE])
    (message,) = messages(lark)
    assert message["content"]["body"]["elements"][-1] == {"tag": "markdown", "content": mention(ALICE)}


def test_a_refused_card_is_never_sent(lark: Emulator) -> None:
    card = Card2([Markdown("a")])
    card["body"]["elements"][0]["text_color"] = "red"
    with (
        LarkServiceClient() as client,
        pytest.raises(InvalidRequestError, match=r"body\.elements\[0\]\.text_color"),
    ):
        client.messaging.send_card(CHAT, card)
    assert lark.state(summary=True)["requests"] == 0
