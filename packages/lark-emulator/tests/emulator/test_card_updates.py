"""Cards that are changed by the token of a click: `POST /interactive/v1/card/update`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import PATIENT, AppServer, Received, Reply
from tests.emulator.clicks.card_buttons import CARD, DONE, OLD, read_content, send_card
from tests.emulator.conftest import Api

UPDATE = "/interactive/v1/card/update"


@pytest.fixture
def app(lark: Emulator) -> Iterator[AppServer]:
    lark.settings(**PATIENT)
    with AppServer() as server:
        yield server


@pytest.fixture
def token(lark: Emulator, api: Api, app: AppServer) -> str:
    lark.set_callback(app.url, verify=False)
    return str(lark.click(send_card(api), "alice")["token"])


def test_a_token_updates_the_card_twice(lark: Emulator, api: Api, token: str) -> None:
    answer = api("POST", UPDATE, {"token": token, "card": DONE})
    assert answer == {"code": 0, "msg": "ok", "http": 200}
    assert read_content(lark) == DONE
    again = {"token": token, "card": CARD}
    assert [api("POST", UPDATE, again)["code"] for _ in range(2)] == [0, 300040]
    lark.settings(card_update_uses=3)
    assert [api("POST", UPDATE, again)["code"] for _ in range(2)] == [0, 300040]


def test_a_token_lives_for_thirty_minutes(lark: Emulator, api: Api, token: str) -> None:
    lark.advance(1799)
    assert api("POST", UPDATE, {"token": token, "card": DONE})["code"] == 0
    lark.advance(2)
    assert api("POST", UPDATE, {"token": token, "card": DONE})["code"] == 300030


def test_a_token_is_good_only_after_the_answer(lark: Emulator, api: Api, app: AppServer) -> None:
    early = []

    def answer(request: Received) -> Reply:
        body = {"token": request.json["event"]["token"], "card": DONE}
        early.append(api("POST", UPDATE, body)["code"])
        return Reply()

    app.answer = answer
    lark.set_callback(app.url, verify=False)
    token = lark.click(send_card(api), "alice")["token"]
    assert early == [300020]
    assert api("POST", UPDATE, {"token": token, "card": DONE})["code"] == 0


@pytest.mark.parametrize(
    ("rules", "refused", "number"), [(["lock"], [230099, 200810], 200810), ([], [0, 0], 0)]
)
def test_a_card_cannot_be_updated_before_the_answer(
    lark: Emulator, api: Api, app: AppServer, rules: list[str], refused: list[int], number: int
) -> None:
    lark.settings(card_rules=rules)
    message_id = send_card(api)
    card_id = api.data("POST", "/cardkit/v1/cards/id_convert", {"message_id": message_id})["card_id"]
    codes: list[int] = []

    def change(path: str, method: str, sequence: int, **body: Any) -> Any:
        return api(method, f"/cardkit/v1/cards/{card_id}{path}", {"sequence": sequence, **body})

    def answer(_: Received) -> Reply:
        card = json.dumps(DONE)
        codes.append(api("PATCH", f"/im/v1/messages/{message_id}", {"content": card})["code"])
        settings = change("/settings", "PATCH", 1, settings='{"config":{}}', uuid="u")
        codes.append(settings["code"])
        assert settings["http"] == (400 if number else 200)
        changes = [
            change("", "PUT", 2, card={"type": "card_json", "data": card}),
            change("/batch_update", "POST", 3, actions="[]"),
            change("/elements", "POST", 4, type="append", elements="[]"),
            change("/elements/x", "PUT", 5, element="{}"),
            change("/elements/x", "PATCH", 6, partial_element="{}"),
            change("/elements/x", "DELETE", 7),
            change("/elements/x/content", "PUT", 8, content="x"),
        ]
        locked = [changed["code"] == 200810 for changed in changes]
        assert locked == [bool(number)] * len(changes)
        return Reply()

    app.answer = answer
    lark.set_callback(app.url, verify=False)
    assert lark.click(message_id, "alice")["code"] == 0
    assert codes == refused
    # A change that was refused has used up neither its uuid nor its sequence.
    again = change("/settings", "PATCH", 1, settings='{"config":{}}', uuid="u")["code"]
    assert again == (0 if number else 200770)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"token": "c-none"}, 300020),
        ({"token": 1}, 10002),
        ({"card": "{}"}, 10002),
        ({"card": {"schema": "2.0", "elements": []}}, 11311),
        ({"card": OLD}, 11311),
        ({"card": {"schema": "2.0", "header": {"title": {"content": "x" * 31_000}}}}, 100000),
        ({"card": {"elements": []}}, 300090),
        ({"card": {"elements": [], "open_ids": ["ou_emulator0001_nobody"]}}, 200320),
    ],
)
def test_updates_that_are_refused(lark: Emulator, api: Api, token: str, body: Any, code: int) -> None:
    answer = api("POST", UPDATE, {"token": token, "card": DONE, **body})
    assert (answer["code"], answer["http"]) == (code, 400)
    assert read_content(lark) == CARD
    assert api("POST", UPDATE, {"token": token, "card": DONE})["code"] == 0


def test_a_body_that_is_not_json(api: Api, token: str) -> None:
    assert api.http.post(f"/open-apis{UPDATE}", content=b"{").json()["code"] == 100030
    assert token


def test_an_exclusive_card_names_its_readers(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, verify=False)
    token = lark.click(send_card(api, {**OLD, "config": {}}), "alice")["token"]
    card = {"elements": [{"tag": "div"}], "open_ids": ["ou_emulator0001_alice"]}
    assert api("POST", UPDATE, {"token": token, "card": card})["code"] == 0
    assert read_content(lark) == {"elements": [{"tag": "div"}]}


def test_other_apps_and_recalled_cards(lark: Emulator, api: Api, token: str) -> None:
    other_app = lark.add_app("cli_other")
    other = Api(lark, other_app["app_id"], other_app["app_secret"])
    assert other("POST", UPDATE, {"token": token, "card": DONE})["code"] == 200310
    other.http.close()
    api("DELETE", f"/im/v1/messages/{lark.state()['chats'][0]['messages'][-1]['message_id']}")
    assert api("POST", UPDATE, {"token": token, "card": DONE})["code"] == 200000


def test_the_status_of_a_refused_update_is_a_setting(lark: Emulator, api: Api) -> None:
    for status in (400, 200):
        lark.settings(card_update_status=str(status))
        assert api("POST", UPDATE, {"token": "c-none", "card": DONE})["http"] == status
