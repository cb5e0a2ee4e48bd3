"""What the official SDK does with card entities; a part of `test_every_endpoint`."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from tests.conformance.accounts import good

if TYPE_CHECKING:
    from tests.conformance.conftest import Sdk


def card(*elements: Any, **config: Any) -> dict[str, Any]:
    return {"schema": "2.0", "config": config, "body": {"elements": list(elements)}}


def make_text(element_id: str, content: str) -> dict[str, str]:
    return {"tag": "markdown", "element_id": element_id, "content": content}


def drive(sdk: Sdk, client: Any) -> None:
    kit = importlib.import_module("lark_oapi.api.cardkit.v1")
    cards, elements = client.cardkit.v1.card, client.cardkit.v1.card_element
    data = json.dumps(card(make_text("a", "starting"), streaming_mode=True))
    entity = good(cards.create(sdk.request(kit, "CreateCard", {"type": "card_json", "data": data})))
    where = {"card_id": entity.card_id}
    content = json.dumps({"type": "card", "data": where})
    body: dict[str, Any] = {"receive_id": "alice", "msg_type": "interactive", "content": content}
    sent = good(
        client.im.v1.message.create(sdk.request(sdk.im, "CreateMessage", body, receive_id_type="user_id"))
    )

    def read_card() -> Any:
        request = sdk.request(
            sdk.im, "GetMessage", message_id=sent.message_id, card_msg_content_type="user_card_content"
        )
        return json.loads(good(client.im.v1.message.get(request)).items[0].body.content)

    body = {"content": "half", "sequence": 1, "uuid": "u1"}
    good(elements.content(sdk.request(kit, "ContentCardElement", body, element_id="a", **where)))
    assert read_card()["body"]["elements"] == [make_text("a", "half")]
    settings = json.dumps({"config": {"streaming_mode": False}})
    good(cards.settings(sdk.request(kit, "SettingsCard", {"settings": settings, "sequence": 2}, **where)))
    body = {
        "type": "insert_after",
        "target_element_id": "a",
        "elements": json.dumps([make_text("b", "two")]),
        "sequence": 3,
    }
    good(elements.create(sdk.request(kit, "CreateCardElement", body, **where)))
    body = {"partial_element": json.dumps({"content": "deux"}), "sequence": 4}
    good(elements.patch(sdk.request(kit, "PatchCardElement", body, element_id="b", **where)))
    body = {"element": json.dumps(make_text("c", "three")), "sequence": 5}
    good(elements.update(sdk.request(kit, "UpdateCardElement", body, element_id="a", **where)))
    assert read_card()["body"]["elements"] == [make_text("c", "three"), make_text("b", "deux")]
    good(elements.delete(sdk.request(kit, "DeleteCardElement", {"sequence": 6}, element_id="c", **where)))
    actions = [
        {"action": "add_elements", "params": {"type": "append", "elements": [make_text("d", "four")]}},
        {"action": "delete_elements", "params": {"element_ids": ["b"]}},
    ]
    body = {"actions": json.dumps(actions), "sequence": 7}
    good(cards.batch_update(sdk.request(kit, "BatchUpdateCard", body, **where)))
    assert read_card()["body"]["elements"] == [make_text("d", "four")]
    body = {"card": {"type": "card_json", "data": json.dumps(card(make_text("e", "done")))}, "sequence": 8}
    good(cards.update(sdk.request(kit, "UpdateCard", body, **where)))
    assert read_card()["body"]["elements"] == [make_text("e", "done")]
    body = {"message_id": sent.message_id}
    assert good(cards.id_convert(sdk.request(kit, "IdConvertCard", body))).card_id == entity.card_id
