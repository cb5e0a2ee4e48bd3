"""Cards that the real Lark refused or took, as far as answers or samples of it are known."""

from __future__ import annotations

from typing import Any

Card = dict[str, Any]

HR: Card = {"tag": "hr"}
SEND: Card = {"tag": "button", "name": "send", "form_action_type": "submit"}
TABLE: Card = {"tag": "table", "columns": [{"name": "a", "data_type": "text"}], "rows": []}
MARKDOWN_TABLE = "|a|b|\n|-|-|\n|1|2|\n\n"


def card(*elements: Any, **root: Any) -> Card:
    """Return a card 2.0 with some elements."""
    return {"schema": "2.0", "body": {"elements": list(elements)}, **root}


def old(*elements: Any, **root: Any) -> Card:
    """Return a card 1.0 with some elements."""
    return {"elements": list(elements), **root}


def plain(content: str = "a", **more: Any) -> Card:
    return {"tag": "plain_text", "content": content, **more}


def markdown(content: str) -> Card:
    return {"tag": "markdown", "content": content}


def make_columns(*elements: Any) -> Card:
    return {"tag": "column_set", "columns": [{"tag": "column", "elements": list(elements)}]}


def panel(*elements: Any, **more: Any) -> Card:
    return {"tag": "collapsible_panel", "header": {"title": plain()}, "elements": list(elements), **more}


def form(*elements: Any, **more: Any) -> Card:
    return {"tag": "form", "name": "f", "elements": list(elements), **more}


def buttons(count: int) -> list[Card]:
    return [{"tag": "button", "text": plain(str(number))} for number in range(count)]


def _describe_unknown(name: str) -> str:
    return f"unknown property, property: {name}, path: ROOT"


def _tag(tag: str) -> str:
    return f"type of element is not supported tag: {tag}, path: ROOT -> body -> elements -> [0]"


_PARSE = "parse card json err, please check whether the card json is correct"
_DROPPED = "ErrMsg: cards of schema V2 no longer support this capability; ErrorValue: unsupported tag "
_BLOCK = "ErrMsg: unsupported type of block; ErrorValue: "
_NO_SUBMIT = "there is no submit button in the form container, at least one"
_PERSON = "there is an invalid user resource (at/person) in your card; ErrorValue: "
_PICTURE = "card contains invalid image keys; ErrorValue: image key "

#: Each with the sub-code and what its text says.
REFUSED: list[tuple[Card | str, int, str]] = [
    ("{", 200621, _PARSE),
    ("[]", 200621, _PARSE),
    ('"{\\"schema\\":\\"2.0\\"}"', 200621, _PARSE),
    ({"msg_type": "interactive", "card": card()}, 200621, _PARSE),
    ({"schema": "2.0", "elements": []}, 200621, _describe_unknown("elements")),
    ({"schema": "2.0", "card": {}}, 200621, _describe_unknown("card")),
    (
        card({"tag": "column_set", "columns": [], "corner_radius": "8px"}),
        200621, _describe_unknown("corner_radius"),
    ),
    (card({**markdown("a"), "text_color": "red"}), 200621, _describe_unknown("text_color")),
    (card({"tag": "div", "text": plain(text_weight="bold")}), 200621, _describe_unknown("text_weight")),
    (card({"tag": "input", "name": "a", "multiline": True}), 200621, _describe_unknown("multiline")),
    (card({"tag": "select_static", "label": plain()}), 200621, _describe_unknown("label")),
    (card({"tag": "div", "elements": []}), 200621, _describe_unknown("elements")),
    (card({"tag": "chart", "chart_spec": {}, "color": "red"}), 200621, _describe_unknown("color")),
    (card(panel(border={"type": "solid"})), 200621, _describe_unknown("type")),
    (card(panel(expand=True)), 200621, _describe_unknown("expand")),
    (card(header={"tag": "header", "title": plain()}), 200621, _describe_unknown("tag") + " -> header"),
    (card({"tag": "button", "horizontal_align": "left"}), 200621, _describe_unknown("horizontal_align")),
    (card({"tag": "select_static", "initial_option": {"value": "1"}}), 200621, "expected string for"),
    (card({"tag": "img", "alt": "a"}), 200621, "for plain"),
    (card(header={"title": "a"}), 200621, "for text"),
    (card({"tag": "action", "actions": []}), 200861, f"{_DROPPED}action; "),
    (card(HR, {"tag": "note", "elements": []}), 200861, f"{_DROPPED}note; "),
    (card(form({"tag": "action", "actions": []}, SEND)), 200621, _tag("action")),
    (card(make_columns(form(SEND))), 200621, _tag("form")),
    (card(panel(TABLE)), 200621, _tag("table")),
    (card(make_columns(TABLE)), 200621, _tag("table")),
    (card(form(TABLE, SEND)), 200621, _tag("table")),
    (card({"tag": "div", "text": markdown("a")}), 200621, _tag("markdown")),
    (card({"tag": "checker", "text": markdown("a")}), 200621, _tag("markdown")),
    (card({"tag": "code_block"}), 200621, _tag("code_block")),
    (old({"tag": "divider"}), 11310, f"{_BLOCK}divider; "),
    (old({"tag": "actions"}), 11310, f"{_BLOCK}actions; "),
    (old({"tag": "ul"}), 11310, f"{_BLOCK}ul; "),
    (old({"tag": "checkbox_group"}), 11310, f"{_BLOCK}checkbox_group; "),
    (old(make_columns({"tag": "action", "actions": []})), 200410, "action components are not allowed"),
    (card({"tag": "form", "elements": [SEND]}), 11310, "form's name is required and can not be"),
    (old({"tag": "form", "name": "", "elements": [SEND]}), 11310, "form's name is required"),
    (card(form({"tag": "input", "name": "f"}, SEND)), 11310, "name(f) duplicate"),
    (card(form({"tag": "input", "name": "a"}, {"tag": "input", "name": "a"}, SEND)), 11310, "name(a) dup"),
    (card(form({"tag": "input", "name": "a"})), 300123, _NO_SUBMIT),
    (card(form({**SEND, "form_action_type": "reset"})), 300123, _NO_SUBMIT),
    (old(form(make_columns({**SEND, "action_type": "form_submit"}))), 300123, _NO_SUBMIT),
    (old(form({**SEND, "behaviors": [{"type": "callback", "value": {}}]})), 300123, _NO_SUBMIT),
    (card(SEND), 11310, "formActionType only in form"),
    (card({**HR, "element_id": "1a"}), 300301, "ElementID 1a: Code 1002: elementID format"),
    (card({**HR, "element_id": "a"}, {**HR, "element_id": "a"}), 300301, "ElementID a: Code 1001"),
    (card(markdown("a"), *buttons(100)), 11310, "element exceeds the limit"),
    (old({"tag": "action", "actions": buttons(100)}), 11310, "element exceeds the limit"),
    (card(*[TABLE] * 6), 11310, "card table number over limit; ErrorValue: table; "),
    (card(markdown(MARKDOWN_TABLE * 6)), 11310, "card table number over limit; ErrorValue: table; "),
    (card(TABLE, panel(markdown(MARKDOWN_TABLE * 5))), 11310, "card table number over limit"),
    (card({"tag": "div", "text": plain(text_color="#067062")}), 10002, "invalid color: #067062; "),
    (card(header={"title": plain(), "template": "#067062"}), 10002, "invalid color: #067062; "),
    (old(header={"title": plain(), "template": "#067062"}), 10002, "invalid color: #067062; "),
    (card({**panel(), "header": {"title": plain(), "padding": "4px 8px"}}), 10002, "invalid panel header"),
    (card(markdown("![a](https://a.example/b.png)")), 200570, f"{_PICTURE}https://a.example/b.png; "),
    (card(markdown("![a](pictures/b.png)")), 200570, f"{_PICTURE}pictures/b.png; "),
    (card({"tag": "img", "img_key": "http://a.example/b.png", "alt": plain()}), 200570, _PICTURE),
    (card(markdown("<at id=on_emulator_alice></at>")), 100290, f"{_PERSON}on_emulator_alice; "),
    (
        card({"tag": "chart", "chart_spec": {"axes": None}}),
        200550, "chart spec is invalid; ErrorValue: - axes: Invalid type. Expected: array, given: null; ",
    ),
    (card({**TABLE, "rows": [{"a": 1}]}), 200914, "table rows is invalid"),
    (card({**TABLE, "rows": [{"b": "1"}]}), 200915, "table rows name is invalid"),
    (card({"tag": "audio", "file_key": "file_1"}), 300220, "audio elem don't support forward"),
]  # fmt: skip

#: What only the server can know, beyond the form of the card.
REFUSED_BY_LOOKUP: list[tuple[Card | str, int, str]] = [
    (card({"tag": "img", "img_key": "img_none", "alt": plain()}), 200570, f"{_PICTURE}img_none; "),
    (old({"tag": "img", "img_key": "img_none", "alt": plain()}), 200570, f"{_PICTURE}img_none; "),
    (card(markdown("![a](img_none)")), 200570, f"{_PICTURE}img_none; "),
    (card(markdown("<at id=ou_nobody></at>")), 100290, f"{_PERSON}ou_nobody; "),
    (card(markdown("<at ids=alice,ou_nobody></at>")), 100290, f"{_PERSON}ou_nobody; "),
    (card({"tag": "person", "user_id": "ou_nobody"}), 100290, f"{_PERSON}ou_nobody; "),
    (card({"tag": "person_list", "persons": [{"id": "ou_nobody"}]}), 100290, f"{_PERSON}ou_nobody; "),
    (
        {"type": "template", "data": {"template_id": "AAq"}},
        200380, "template does not exist, please confirm whether this template has been released",
    ),
    ({"type": "card", "data": {"card_id": "1"}}, 11310, "cardid is invalid"),
    (
        card({"tag": "audio", "file_key": "file_1"}, config={"enable_forward": False}),
        300240, "This application cannot retrieve audio information",
    ),
]  # fmt: skip

ACCEPTED: list[Card] = [
    {},
    {"schema": "1.0"},
    card(config={"wide_screen_mode": True}),
    card(config={"width_mode": "fill"}),
    card({"tag": "button", "text": plain(), "value": {"a": 1}}),
    card({"tag": "button", "text": plain(), "url": "https://a.example"}),
    card(form({"tag": "button", "name": "b", "action_type": "form_submit"})),
    card(form(make_columns({**SEND, "behaviors": [{"type": "callback", "value": {}}]}))),
    card({"tag": "select_static", "name": "s", "options": [{"text": plain(), "value": "1"}]}),
    card(form({"tag": "input"}, SEND)),
    card({"tag": "input", "name": "claude.stopGraceMs"}, {"tag": "input", "name": "a|b=c"}),
    card({**markdown("a"), "text_size": "notation_small_v2"}),
    card(markdown("<font color='#B0B0B0'>a</font>")),
    card({"tag": "chart", "chart_spec": {"type": "no_such_chart"}}),
    card({"tag": "div", "text": plain(), "icon": {"tag": "standard_icon", "token": "no_such_icon"}}),
    card(header={"title": plain(), "text_tag_list": [{"tag": "text_tag", "text": plain()}] * 4}),
    card({**TABLE, "columns": [{"name": str(number)} for number in range(51)]}),
    card({"tag": "select_static", "options": [{"text": plain(), "value": "1"}] * 2}),
    card({"tag": "div", "fields": [{"is_short": True, "text": {"tag": "lark_md", "content": "a"}}]}),
    card(form(SEND, fallback={"trigger_conditions": []})),
    card({"tag": "date_picker", "placeholder": plain(), "value": {"a": 1}}),
    card(header={"title": {"tag": "plain_text", "i18n_content": {"en_us": "a"}}}),
    card(config={"style": {"color": {"mine": {"light_mode": "rgba(1,2,3,0.5)"}}}}),
    card(markdown("a"), *buttons(99)),
    card(*[TABLE] * 5),
    card(markdown("```\n" + MARKDOWN_TABLE * 9 + "```")),
    card(markdown("<at id=all></at> <at id=alice></at> <at email=alice@example.com></at>")),
    card({**panel(), "header": {"title": plain(), "padding": "4px"}}),
    card({"tag": "person_list", "persons": [{"id": "ou_nobody"}], "drop_invalid_user_id": True}),
    old({"tag": "div", "text": plain(), "unknown": 1}, unknown=1),
    old({"tag": "action", "actions": buttons(2)}, {"tag": "note", "elements": [plain()]}),
    old(form({"tag": "button", "name": "b", "action_type": "form_submit"})),
    {"i18n_elements": {"zh_cn": [HR]}},
]
