from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.emulator.app_server import Received, Reply, accept_everything

if TYPE_CHECKING:
    from tests.page.conftest import Page


def _card(title: str, template: str, *elements: Any) -> dict[str, Any]:
    header = {"title": {"tag": "plain_text", "content": title}, "template": template}
    return {"schema": "2.0", "header": header, "body": {"elements": list(elements)}}


def _button(label: str, **more: Any) -> dict[str, Any]:
    return {"tag": "button", "text": {"tag": "plain_text", "content": label}, **more}


def test_a_card_arrives_is_clicked_and_changes_before_the_eyes(page: Page) -> None:
    after = _card("Deployed", "green", {"tag": "markdown", "content": "by **李雷**"})

    def answer(request: Received) -> Reply:
        if "event" not in request.json:
            return accept_everything(request)
        toast = {"type": "success", "content": "Approved", "i18n": {"zh_cn": "已同意"}}
        card = {"type": "raw", "data": after}
        return Reply(body=json.dumps({"toast": toast, "card": card}).encode())

    page.app.answer = answer
    page.open()
    page.browser.wait("document.querySelector('.empty')")
    page.browser.ask("window.neverReloaded = true")
    button = _button("Approve", behaviors=[{"type": "callback", "value": {"id": 7}}])
    sent = page.send(_card("Deploy?", "blue", {"tag": "markdown", "content": "to *production*"}, button))
    card = page.wait_until_drawn(sent)
    assert "Deploy?" in page.browser.ask(f"{card}.innerText")
    page.click_label(card, "Approve")
    page.browser.wait("document.querySelector('.toast-success')?.innerText === 'Approved'")
    page.browser.wait(f"{card}.querySelector('[data-template=green]')?.innerText === 'Deployed'")
    page.browser.wait(
        f"{card}.innerText.includes('updated') && {card}.innerText.includes('clicked by Alice')"
    )
    assert page.browser.ask("window.neverReloaded") is True
    [action] = page.actions()
    assert (action["tag"], action["value"]) == ("button", {"id": 7})
    [click] = page.lark.state()["clicks"]
    assert click["user"] == "alice"
    # By the message API, too, and a recall; then a reply in a thread.
    later = {"content": json.dumps(_card("Rolled back", "red"))}
    page.api.data("PATCH", f"/im/v1/messages/{sent}", later)
    page.browser.wait(f"{card}.querySelector('[data-template=red]')?.innerText === 'Rolled back'")
    reply = {"msg_type": "text", "content": '{"text":"why?"}', "reply_in_thread": True}
    answered = page.api.data("POST", f"/im/v1/messages/{sent}/reply", reply)
    assert "Reply to Emulator bot" in page.browser.ask(
        f"{page.wait_until_drawn(answered['message_id'])}.innerText"
    )
    page.browser.click(f"{card}.querySelector('a.state')")
    page.browser.wait("document.querySelectorAll('article').length === 2")
    post = page.api.http.post
    react = {"message_id": sent, "user": "bob", "emoji_type": "OK"}
    assert post("/_emulator/messages/react", json=react).status_code == 200
    page.browser.wait(f"{card}.querySelector('.reaction')?.innerText === '👌 Bob'")
    page.api.data("DELETE", f"/im/v1/messages/{sent}")
    page.browser.wait(f"{card}.innerText.includes('This message was recalled')")


def test_each_person_sees_their_chats_and_clicks_as_themselves(page: Page) -> None:
    page.lark.add_user("dora", name="Dora")
    page.lark.change_chat("oc_emulator_data_team", remove_users=["bob"])
    card = page.send(_card("Hi", "grey", _button("Go", behaviors=[{"type": "callback", "value": {}}])))
    body = {"receive_id": "dora", "msg_type": "text", "content": '{"text":"only for Dora"}'}
    page.api.data("POST", "/im/v1/messages", body, receive_id_type="user_id")
    page.open()
    shown = page.wait_until_drawn(card)

    def become(user: str) -> None:
        page.browser.ask(
            f"(one => {{ one.value = '{user}'; one.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
            "(document.querySelector('.who select'))"
        )

    become("carol")
    page.browser.wait("document.querySelector('.who .avatar').textContent === 'C'")
    page.click_label(shown, "Go")
    page.wait_for_actions(1)
    page.browser.wait_for(lambda: page.lark.state()["clicks"])
    assert page.lark.state()["clicks"][0]["user"] == "carol"
    become("dora")
    page.browser.wait("document.body.innerText.includes('only for Dora')")
    assert page.browser.ask("document.querySelectorAll('.chat-line').length") == 1
    become("bob")
    page.browser.wait("document.body.innerText.includes('is in no chat')")
    # What a person sends by an app is theirs, and not a bot's.
    token = page.lark.user_token("alice")["user_access_token"]
    page.api.http.headers["Authorization"] = f"Bearer {token}"
    become("carol")
    message = page.wait_until_drawn(page.send({"text": "from Alice"}, "text"))
    own = f"{message}.querySelector('.message-top').innerText"
    assert page.browser.ask(own).startswith("Alice")
    assert "bot" not in page.browser.ask(own)


def test_an_app_that_does_not_answer_is_said_and_the_emulator_may_come_back(page: Page) -> None:
    page.app.answer = lambda request: (
        Reply(status=500) if "event" in request.json else accept_everything(request)
    )
    page.open()
    card = page.wait_until_drawn(
        page.send(_card("Hi", "blue", _button("Go", behaviors=[{"type": "callback", "value": {}}])))
    )
    page.click_label(card, "Go")
    page.browser.wait("document.querySelector('.toast-error')?.innerText.includes('200671')")
    page.lark.reset()
    page.browser.wait("document.body.innerText.includes('No messages yet')")


def test_a_card_that_streams_grows_and_keeps_what_is_open(page: Page) -> None:
    panel = {
        "tag": "collapsible_panel",
        "header": {"title": {"tag": "plain_text", "content": "Details"}},
        "elements": [{"tag": "markdown", "content": "inside"}],
    }
    card = _card("Report", "blue", {"tag": "markdown", "element_id": "text", "content": "one"}, panel)
    card["config"] = {"streaming_mode": True}
    body = {"type": "card_json", "data": json.dumps(card)}
    card_id = page.api.data("POST", "/cardkit/v1/cards", body)["card_id"]
    page.open()
    shown = page.wait_until_drawn(page.send({"type": "card", "data": {"card_id": card_id}}))
    page.browser.click(f"{shown}.querySelector('.panel-header')")
    page.browser.wait(f"{shown}.innerText.includes('inside')")
    path = f"/cardkit/v1/cards/{card_id}/elements/text/content"
    page.api.data("PUT", path, {"content": "one **two**", "sequence": 1})
    page.browser.wait(f"{shown}.querySelector('strong')?.innerText === 'two'")
    assert "inside" in page.browser.ask(f"{shown}.innerText")
