"""Cards that are clicked."""

from __future__ import annotations

import json
from typing import Any

from lark_emulator import Emulator
from tests.emulator.conftest import Api

BUTTON = {
    "tag": "button",
    "name": "yes",
    "text": {"tag": "plain_text", "content": "Yes"},
    "behaviors": [{"type": "callback", "value": {"run": 7}}],
}
CARD: dict[str, Any] = {"schema": "2.0", "body": {"elements": [BUTTON]}}
DONE: dict[str, Any] = {"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "done"}]}}
OLD: dict[str, Any] = {
    "config": {"update_multi": True},
    "elements": [{"tag": "action", "actions": [{**BUTTON, "value": {"run": 7}, "behaviors": []}]}],
}
OLD["elements"][0]["actions"][0].pop("behaviors")


def send_card(api: Api, card: Any = CARD, receiver: str = "oc_emulator_data_team") -> str:
    answer = api.send(receiver, msg_type="interactive", content=json.dumps(card))
    return str(answer["data"]["message_id"])


def read_content(lark: Emulator) -> Any:
    return lark.state()["chats"][0]["messages"][-1]["content"]
