"""Card entities: what each change is refused for, sequences, streaming, and the message that shows one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from lark_emulator import Emulator

CARDS = "/cardkit/v1/cards"


def card(*elements: Any, **config: Any) -> dict[str, Any]:
    return {"schema": "2.0", "config": config, "body": {"elements": list(elements)}}


def make_text(element_id: str, content: str = "x") -> dict[str, str]:
    return {"tag": "markdown", "element_id": element_id, "content": content}


def create(api: Api, value: Any) -> Any:
    data = value if isinstance(value, str) else json.dumps(value)
    return api("POST", CARDS, {"type": "card_json", "data": data})


@pytest.fixture
def where(api: Api) -> str:
    created = create(api, card(make_text("a"), {"tag": "hr", "element_id": "line"}, streaming_mode=True))
    return f"{CARDS}/{created['data']['card_id']}"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("{", 10002),
        ("[]", 200220),
        ({}, 300307),
        ({"elements": []}, 300303),
        (card(update_multi=False), 300302),
        ({"schema": "2.0"}, 200610),
        (card(make_text("a"), make_text("a")), 300301),
        (card(make_text("1a")), 300301),
        (card({"tag": "nonsense"}), 200621),
        (card({"tag": "markdown", "content": "x" * 31 * 1024}), 200860),
        (card(*({"tag": "markdown", "content": "x"} for _ in range(201))), 300305),
    ],
)
def test_cards_that_become_no_entity(api: Api, lark: Emulator, value: Any, code: int) -> None:
    answer = create(api, value)
    assert (answer["code"], answer["http"]) == (code, 400)
    assert lark.state()["card_entities"] == []


def test_a_sequence_grows_and_a_uuid_counts_once(api: Api, where: str) -> None:
    def change(sequence: Any, **more: Any) -> int:
        body = {"settings": '{"config":{"enable_forward":true}}', "sequence": sequence, **more}
        return int(api("PATCH", f"{where}/settings", body)["code"])

    assert [change(5), change(5), change(4), change(6, uuid="u"), change(7, uuid="u")] == [
        0,
        300317,
        300317,
        0,
        200770,
    ]
    assert [change(None), change("8"), change(2**31)] == [99992402] * 3
    assert change(0) == 300317
    assert change(8, uuid="x" * 65) == 99992402
    refused = {"settings": '{"nonsense":{}}', "sequence": 8}
    assert api("PATCH", f"{where}/settings", refused)["code"] == 300122
    assert change(8) == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", "/elements/none/content", {"content": "x"}, 300313),
        ("PUT", "/elements/line/content", {"content": "x"}, 300310),
        ("PUT", "/elements/a/content", {"content": ""}, 99992402),
        ("PATCH", "/elements/none", {"partial_element": "{}"}, 300313),
        ("PATCH", "/elements/a", {"partial_element": '{"tag":"hr"}'}, 300312),
        ("PATCH", "/elements/a", {"partial_element": "{"}, 10002),
        ("PATCH", "/elements/a", {"partial_element": '{"nonsense":1}'}, 300313),
        ("PUT", "/elements/none", {"element": '{"tag":"hr"}'}, 300121),
        ("DELETE", "/elements/none", {}, 300314),
        ("POST", "/elements", {"type": "append", "elements": "[]"}, 300315),
        ("POST", "/elements", {"type": "insert_before", "elements": '[{"tag":"hr"}]'}, 300315),
        ("POST", "/elements", {"type": "append", "elements": json.dumps([make_text("a")])}, 300315),
        ("POST", "/batch_update", {"actions": '[{"action":"nonsense","params":{}}]'}, 10002),
    ],
)
def test_a_refused_change_leaves_the_card(
    api: Api, lark: Emulator, where: str, method: str, path: str, body: Any, code: int
) -> None:
    before = lark.state()["card_entities"]
    assert api(method, where + path, {**body, "sequence": 1})["code"] == code
    assert lark.state()["card_entities"] == before


def test_a_batch_changes_all_or_nothing(api: Api, lark: Emulator, where: str) -> None:
    actions = [
        {"action": "update_element", "params": {"element_id": "a", "element": make_text("b")}},
        {"action": "delete_elements", "params": {"element_ids": ["a"]}},
    ]
    body = {"actions": json.dumps(actions), "sequence": 1}
    assert api("POST", f"{where}/batch_update", body)["code"] == 300314
    assert lark.state()["card_entities"][0]["card"]["body"]["elements"][0] == make_text("a")


def test_the_wrapped_reason_has_lark_s_shape(api: Api, where: str) -> None:
    many = json.dumps([{"tag": "markdown", "content": "x"}] * 201)
    answer = api("POST", f"{where}/elements", {"type": "append", "elements": many, "sequence": 1})
    assert answer["code"] == 300315
    assert answer["msg"].startswith("ErrMsg: msg: [")
    assert answer["msg"].endswith("], code: 300305; ")


def test_streaming_ends_after_ten_minutes(api: Api, lark: Emulator, where: str) -> None:
    def write(sequence: int) -> int:
        body = {"content": "more", "sequence": sequence}
        return int(api("PUT", f"{where}/elements/a/content", body)["code"])

    assert write(1) == 0
    lark.advance(601)
    assert [write(2), write(2)] == [200850, 300309]
    settings = {"settings": '{"config":{"streaming_mode":true}}', "sequence": 2}
    assert api("PATCH", f"{where}/settings", settings)["code"] == 0
    assert write(3) == 0


def test_an_entity_is_sent_once_by_its_app_within_two_weeks(
    api: Api, stranger: Api, lark: Emulator, where: str
) -> None:
    content = json.dumps({"type": "card", "data": {"card_id": where.rpartition("/")[2]}})

    def send(sender: Api, receiver: str) -> Any:
        body = {"receive_id": receiver, "msg_type": "interactive", "content": content}
        return sender("POST", "/im/v1/messages", body, receive_id_type="user_id")

    assert "ErrCode: 11310" in send(stranger, "alice")["msg"]
    assert stranger("PATCH", f"{where}/settings", {"settings": "{}", "sequence": 1})["code"] == 300311
    sent = send(api, "alice")["data"]
    assert "ErrCode: 200780" in send(api, "bob")["msg"]
    assert api("DELETE", f"{where}/elements/line", {"sequence": 1})["code"] == 0
    (shown,) = (chat for chat in lark.state()["chats"] if chat["chat_id"] == sent["chat_id"])
    assert shown["messages"][0]["content"]["body"]["elements"] == [make_text("a")]
    lark.advance(14 * 86400 + 1)
    api.login()
    assert api("DELETE", f"{where}/elements/a", {"sequence": 2})["code"] == 200750
    assert api("DELETE", f"{CARDS}/7000/elements/a", {"sequence": 2})["code"] == 200740


def test_ten_changes_a_second(api: Api, lark: Emulator, where: str) -> None:
    def change(sequence: int) -> int:
        body = {"settings": '{"config":{}}', "sequence": sequence}
        return int(api("PATCH", f"{where}/settings", body)["http"])

    lark.settings(card_entity_qps=2)
    assert [change(n) for n in range(1, 4)] == [200, 200, 429]


def test_a_card_that_was_sent_becomes_an_entity(api: Api) -> None:
    body = {"receive_id": "bob", "msg_type": "interactive", "content": json.dumps(card(make_text("a")))}
    sent = api.data("POST", "/im/v1/messages", body, receive_id_type="user_id")["message_id"]
    card_id = api.data("POST", f"{CARDS}/id_convert", {"message_id": sent})["card_id"]
    assert api.data("POST", f"{CARDS}/id_convert", {"message_id": sent})["card_id"] == card_id
    assert api("DELETE", f"{CARDS}/{card_id}/elements/a", {"sequence": 1})["code"] == 0
    plain = api.send()["data"]["message_id"]
    assert api("POST", f"{CARDS}/id_convert", {"message_id": plain})["code"] == 10002
