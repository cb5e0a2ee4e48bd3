"""Probes of messages and cards; they write into a chat that was named, or into one that they make."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from lark_provider.verify.probe import (
    TITLE,
    CannotProbeError,
    MadeObject,
    Probe,
    ProbeSteps,
    ProbeTarget,
    Reply,
    Request,
    UnexpectedError,
    probe,
    require,
)

Card = dict[str, Any]
_CARD_REFUSED, _TOO_LONG = 230099, 230025
_HR: Card = {"tag": "hr"}
_SUBMIT: Card = {"tag": "button", "name": "send", "form_action_type": "submit"}
_TABLE: Card = {"tag": "table", "columns": [{"name": "a", "data_type": "text"}], "rows": []}
_KIB = 1024


def _make_card(*elements: Card, **more: Any) -> Card:
    return {"schema": "2.0", "body": {"elements": list(elements)}, **more}


def _make_plain(content: str = "a") -> Card:
    return {"tag": "plain_text", "content": content}


def _make_markdown(content: str) -> Card:
    return {"tag": "markdown", "content": content}


def _make_form(*elements: Card) -> Card:
    return {"tag": "form", "name": "f", "elements": list(elements)}


def _make_nested_panels(levels: int) -> Card:
    inner = _HR
    for _ in range(levels):
        inner = {"tag": "collapsible_panel", "header": {"title": _make_plain()}, "elements": [inner]}
    return inner


_MARKDOWN_TABLE = "|a|b|\n|-|-|\n|1|2|\n\n"

#: For each unconfirmed rule of the emulator: what it refuses, whether it is on by default, and a card.
CARD_RULES: dict[str, tuple[str, bool, Card]] = {
    "schema": ("a `schema` other than 1.0 and 2.0", True, {"schema": "3.0"}),
    "properties": ("an unknown property in a card 2.0", True, _make_card({**_HR, "verify_live": 1})),
    "tags": ("an unknown tag in a card 2.0", True, _make_card({"tag": "verify_live"})),
    "nesting": ("containers nested 6 levels deep", True, _make_card(_make_nested_panels(6))),
    "container_table": (
        "a table in an interactive_container",
        True,
        _make_card({"tag": "interactive_container", "elements": [_TABLE]}),
    ),
    "multi_select": (
        "a choice of several options outside a form",
        True,
        _make_card(
            {
                "tag": "multi_select_static",
                "name": "m",
                "options": [{"text": _make_plain(), "value": "1"}],
            }
        ),
    ),
    "body": ("a card 2.0 without a body", False, {"schema": "2.0"}),
    "values": (
        "a word that a property does not have",
        False,
        _make_card({"tag": "button", "text": _make_plain(), "type": "huge"}),
    ),
    "text_tags": (
        "lark_md where the page names plain_text only",
        False,
        _make_card({"tag": "button", "text": {"tag": "lark_md", "content": "a"}}),
    ),
    "form_names": (
        "a form's component without a name",
        False,
        _make_card(_make_form({"tag": "input"}, _SUBMIT)),
    ),
    "submit_behaviors": (
        "a submit button with `behaviors` as a form's only one",
        False,
        _make_card(_make_form({**_SUBMIT, "behaviors": []})),
    ),
    "fences": (
        "six tables in a code fence",
        False,
        _make_card(_make_markdown(f"```\n{_MARKDOWN_TABLE * 6}```")),
    ),
    "required": (
        "an `img` without `alt`, with an empty key",
        False,
        _make_card({"tag": "img", "img_key": ""}),
    ),
    "lengths": (
        "a button's text of 101 characters",
        False,
        _make_card({"tag": "button", "text": _make_plain("x" * 101)}),
    ),
    "ranges": ("a table with page_size 11", False, _make_card({**_TABLE, "page_size": 11})),
    "places": (
        "a button of a card 1.0 outside an action",
        False,
        {"elements": [{"tag": "button", "text": _make_plain()}]},
    ),
}


def _undo_chat(reply: Reply) -> Request:
    return Request("DELETE", f"/im/v1/chats/{reply.data['chat_id']}")


def _undo_message(reply: Reply) -> Request:
    return Request("DELETE", f"/im/v1/messages/{reply.data['message_id']}")


def _make_chat() -> MadeObject:
    makes = f"a group {TITLE!r} of the app's bot, listed by GET /open-apis/im/v1/chats"
    data = yield from require(Request("POST", "/im/v1/chats", {"name": TITLE}, undo=_undo_chat, makes=makes))
    return data["chat_id"]


def _ensure_chat(target: ProbeTarget) -> MadeObject:
    if target.chat_id is not None:
        return target.chat_id
    return (yield from target.make_once("chat", _make_chat))


def _make_message_request(
    target: ProbeTarget, kind: str, content: Card, uuid: str | None = None
) -> MadeObject:
    """Return the request that sends a message; a chat that the probes made goes with what is in it."""
    chat_id = yield from _ensure_chat(target)
    body = {"receive_id": chat_id, "msg_type": kind, "content": json.dumps(content)}
    if uuid is not None:
        body["uuid"] = uuid
    undo = None if target.chat_id is None else _undo_message
    return Request(
        "POST",
        "/im/v1/messages",
        body,
        params={"receive_id_type": "chat_id"},
        undo=undo,
        makes=f"a message of the app in the chat {chat_id}",
    )


def _probe_uuid_replay(target: ProbeTarget) -> ProbeSteps:
    uuid = f"{target.nonce}-replay"
    request = yield from _make_message_request(target, "text", {"text": TITLE}, uuid)
    first = yield from require(request)
    again = yield request
    if again.code:
        return "error"
    if again.data.get("message_id") != first["message_id"]:
        raise UnexpectedError("a second message was sent: the uuid was ignored")
    return "same"


def _probe_rule(card: Card, target: ProbeTarget) -> ProbeSteps:
    request = yield from _make_message_request(target, "interactive", card)
    reply = yield request
    if reply.code not in (0, _CARD_REFUSED):
        raise CannotProbeError(f"sending answered HTTP {reply.status}, code {reply.code}: {reply.msg}")
    return reply.code == _CARD_REFUSED


def _find_largest(target: ProbeTarget, kind: str, cards: dict[int, Card], refusal: int) -> MadeObject:
    """Return the largest key whose card is taken, of keys that grow; 0 if none is."""
    largest = 0
    for size, card in cards.items():
        request = yield from _make_message_request(target, kind, card)
        reply = yield request
        if reply.code == refusal:
            break
        if reply.code:
            raise UnexpectedError(f"HTTP {reply.status}, code {reply.code}: {reply.msg}")
        largest = size
    return largest


def _probe_max_card_tables(target: ProbeTarget) -> ProbeSteps:
    cards = {count: _make_card(*[_TABLE] * count) for count in range(5, 9)}
    return int((yield from _find_largest(target, "interactive", cards, _CARD_REFUSED)))


def _make_padded_card(size: int) -> Card:
    """Return a card whose JSON has so many bytes."""
    card = _make_card(_make_markdown(""))
    return _make_card(_make_markdown("x" * (size - len(json.dumps(card)))))


def _probe_max_card_bytes(target: ProbeTarget) -> ProbeSteps:
    cards = {size * _KIB: _make_padded_card(size * _KIB) for size in (30, 40, 64, 100)}
    return int((yield from _find_largest(target, "interactive", cards, _TOO_LONG)))


def _probe_update_multi(target: ProbeTarget) -> ProbeSteps:
    card: Card = {"elements": [_HR]}
    request = yield from _make_message_request(target, "interactive", card)
    message_id = (yield from require(request))["message_id"]
    reply = yield Request("PATCH", f"/im/v1/messages/{message_id}", {"content": json.dumps(card)})
    return reply.code != 0


PROBES = (
    probe(
        "uuid_replay",
        "A message repeated with its uuid is the first message again, or an error.",
        answers=("same", "error"),
        calls=2,
        run=_probe_uuid_replay,
    ),
    *(
        Probe(
            name=f"card_rules.{name}",
            fact=f"Whether Lark refuses {what}.",
            setting="card_rules",
            assumed=is_on,
            answers=(True, False),
            calls=1,
            run=partial(_probe_rule, card),
            rule=name,
        )
        for name, (what, is_on, card) in CARD_RULES.items()
    ),
    probe(
        "max_card_tables",
        "How many tables a card may hold (up to 8 are tried).",
        assumed=5,
        calls=4,
        run=_probe_max_card_tables,
    ),
    probe(
        "max_card_bytes",
        "How many bytes of JSON a card may have (30, 40, 64 and 100 KiB are tried).",
        assumed=30 * _KIB,
        calls=4,
        run=_probe_max_card_bytes,
    ),
    probe(
        "update_multi",
        "Whether a card 1.0 must say update_multi to be updated.",
        answers=(True, False),
        calls=2,
        run=_probe_update_multi,
    ),
)
