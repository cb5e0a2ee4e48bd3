from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.page.conftest import Page


def _plain(content: str) -> dict[str, Any]:
    return {"tag": "plain_text", "content": content}


def _make_options(*values: str) -> list[dict[str, Any]]:
    return [{"text": _plain(value.upper()), "value": value} for value in values]


def _element(card: str, tag: str, number: int = 0) -> str:
    return f"{card}.querySelectorAll('[data-tag={tag}]')[{number}]"


def _set(page: Page, name: str, value: str) -> None:
    """Set a field as the browser's own picker does."""
    page.browser.ask(
        f"(one => {{ one.dispatchEvent(new PointerEvent('pointerdown', {{bubbles: true}}));"
        f" one.value = {json.dumps(value)};"
        f" one.dispatchEvent(new Event('input', {{bubbles: true}})) }})({name})"
    )


def _choose(page: Page, element: str, value: str) -> None:
    if not page.browser.ask(f"Boolean({element}.querySelector('.menu'))"):
        page.browser.click(f"{element}.querySelector('.select-box')")
    option = f"{element}.querySelector('[data-value={json.dumps(value)}]')"
    page.browser.wait(option)
    page.browser.click(option)


def test_a_form_submits_what_was_filled_in(page: Page) -> None:
    fields = [
        {"tag": "input", "name": "note", "required": True, "label": _plain("Note")},
        {"tag": "input", "name": "secret", "input_type": "password", "default_value": "s3"},
        {"tag": "input", "name": "untouched"},
        {"tag": "select_static", "name": "env", "options": _make_options("a", "b")},
        {"tag": "select_static", "name": "preset", "options": _make_options("a", "b"), "initial_option": "b"},
        {
            "tag": "multi_select_static",
            "name": "many",
            "options": _make_options("x", "y", "z"),
            "selected_values": ["z"],
        },
        {"tag": "select_person", "name": "who"},
        {"tag": "multi_select_person", "name": "people"},
        {"tag": "date_picker", "name": "day", "initial_date": "2026-01-31"},
        {"tag": "picker_time", "name": "at"},
        {"tag": "picker_datetime", "name": "when"},
        {"tag": "checker", "name": "sure", "text": _plain("Sure")},
        {"tag": "checker", "name": "no", "text": _plain("No")},
    ]
    buttons = [
        {"tag": "button", "name": "ok", "text": _plain("Submit"), "form_action_type": "submit"},
        {"tag": "button", "name": "undo", "text": _plain("Undo"), "form_action_type": "reset"},
    ]
    row = {"tag": "column_set", "columns": [{"tag": "column", "elements": [button]} for button in buttons]}
    form = {"tag": "form", "name": "f", "elements": [*fields, row]}
    sent = page.send({"schema": "2.0", "body": {"elements": [form]}})
    page.browser.call("Emulation.setTimezoneOverride", timezoneId="Asia/Shanghai")
    page.open()
    card = page.wait_until_drawn(sent)
    page.click_label(card, "Submit")
    page.browser.wait(f"{_element(card, 'input')}.innerText.includes('Required')")
    assert page.actions() == []

    note = f"{_element(card, 'input')}.querySelector('input')"
    page.browser.type_text(note, "gone with the reset")
    page.click_label(card, "Undo")
    page.browser.wait(f"{note}.value === ''")
    page.browser.type_text(note, "looks <b>right</b>")
    _choose(page, _element(card, "select_static", 0), "a")
    many = _element(card, "multi_select_static")
    _choose(page, many, "x")
    _choose(page, many, "z")
    page.browser.press("Escape")
    users = {user["user_id"]: user["open_ids"][page.lark.app_id] for user in page.lark.state()["users"]}
    _choose(page, _element(card, "select_person"), users["bob"])
    _choose(page, _element(card, "multi_select_person"), users["carol"])
    _choose(page, _element(card, "multi_select_person"), users["alice"])
    _set(page, f"{_element(card, 'picker_time')}.querySelector('input')", "09:05")
    _set(page, f"{_element(card, 'picker_datetime')}.querySelector('input')", "2026-02-28T23:59")
    page.browser.click(f"{_element(card, 'checker')}.querySelector('input')")
    page.click_label(card, "Submit")
    [action] = page.wait_for_actions(1)
    page.browser.call("Emulation.setTimezoneOverride", timezoneId="")
    assert (action["name"], action["timezone"]) == ("ok", "Asia/Shanghai")
    assert action["form_value"] == {
        "note": "looks <b>right</b>",
        "secret": "s3",
        "untouched": "",
        "env": "a",
        "preset": "b",
        "many": ["x"],
        "who": users["bob"],
        "people": [users["carol"], users["alice"]],
        "day": "2026-01-31 +0800",
        "at": "09:05 +0800",
        "when": "2026-02-28 23:59 +0800",
        "sure": True,
        "no": False,
    }


def test_controls_outside_a_form_call_back_at_once(page: Page) -> None:
    behaviors = [{"type": "callback", "value": {"k": 1}}]
    buttons = [
        {"tag": "button", "text": _plain("Same"), "behaviors": [{"type": "callback", "value": n}]}
        for n in "ab"
    ]
    elements = [
        {"tag": "select_static", "options": _make_options("a", "b"), "behaviors": behaviors},
        {"tag": "select_person", "behaviors": behaviors},
        {"tag": "date_picker", "behaviors": behaviors},
        {"tag": "input", "behaviors": behaviors},
        {"tag": "checker", "text": _plain("Done"), "behaviors": behaviors},
        {"tag": "overflow", "options": _make_options("first", "second"), "behaviors": behaviors},
        *buttons,
        {
            "tag": "interactive_container",
            "behaviors": behaviors,
            "confirm": {"title": _plain("Sure?"), "text": _plain("It is <b>all</b>")},
            "elements": [{"tag": "markdown", "content": "box"}],
        },
        {"tag": "button", "text": _plain("Off"), "disabled": True, "behaviors": behaviors},
    ]
    sent = page.send({"schema": "2.0", "body": {"elements": elements}})
    page.browser.call("Emulation.setTimezoneOverride", timezoneId="America/St_Johns")
    page.open()
    card = page.wait_until_drawn(sent)
    _choose(page, _element(card, "select_static"), "b")
    assert page.wait_for_actions(1)[-1] == {"tag": "select_static", "option": "b", "value": {"k": 1}}
    # With the keys: open, down to the third person, take.
    page.browser.ask(f"{_element(card, 'select_person')}.querySelector('.select-box').focus()")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.browser.press(key)
    assert page.wait_for_actions(2)[-1]["option"].endswith("_carol")
    # While a date is typed nothing is told; then once.
    day = f"{_element(card, 'date_picker')}.querySelector('input')"
    page.browser.ask(f"{day}.dispatchEvent(new KeyboardEvent('keydown', {{key: '2', bubbles: true}}))")
    page.browser.ask(
        f"{day}.value = '2026-07-01'; {day}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    )
    page.browser.ask(f"{day}.dispatchEvent(new FocusEvent('blur'))")
    action = page.wait_for_actions(3)[-1]
    assert (action["option"], action["timezone"]) == ("2026-07-01 -0230", "America/St_Johns")
    page.browser.call("Emulation.setTimezoneOverride", timezoneId="")
    page.browser.type_text(f"{_element(card, 'input')}.querySelector('input')", "Zhang Min")
    page.browser.press("Enter")
    assert page.wait_for_actions(4)[-1]["input_value"] == "Zhang Min"
    page.browser.click(f"{_element(card, 'checker')}.querySelector('input')")
    assert page.wait_for_actions(5)[-1]["checked"] is True
    page.browser.click(f"{_element(card, 'overflow')}.querySelector('button')")
    page.browser.wait(f"{_element(card, 'overflow')}.querySelector('.menu')")
    page.click_label(_element(card, "overflow"), "SECOND")
    assert page.wait_for_actions(6)[-1]["option"] == "second"
    page.browser.click(f"{_element(card, 'button', 1)}.querySelector('button')")
    assert page.wait_for_actions(7)[-1]["value"] == "b"  # of two with one label and no name
    page.browser.click(f"{_element(card, 'interactive_container')}.querySelector('.interactive')")
    page.browser.wait("document.querySelector('.dialog')?.innerText.includes('It is <b>all</b>')")
    page.browser.press("Escape")
    page.browser.wait("!document.querySelector('.dialog')")
    page.browser.click(f"{_element(card, 'interactive_container')}.querySelector('.interactive')")
    page.browser.wait("document.querySelector('.dialog')?.contains(document.activeElement)")
    page.browser.press("Enter")
    assert page.wait_for_actions(8)[-1]["tag"] == "interactive_container"
    assert page.browser.ask(f"{_element(card, 'button', 2)}.querySelector('button').disabled") is True
    assert len(page.actions()) == 8
