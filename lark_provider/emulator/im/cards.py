"""Cards: what Lark refuses to build (230099), and what a card reads as."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from lark_provider.emulator import codes
from lark_provider.emulator.codes import RefusedError
from lark_provider.emulator.validation import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_provider.emulator.routing import Actor

# Sub-codes, inside the text of 230099.
BAD_AT = 100290
LIMIT_OR_DUPLICATE = 11310
TEMPLATE_MISSING = 200380
CARD_UNPARSABLE = 200621
TAG_DROPPED = 200861
FORM_NAME_EMPTY = 200530
SCHEMA_LOWERED = 200830

MOST_TABLES = 5
ROOT_MEMBERS_2_0 = frozenset({"schema", "config", "card_link", "header", "body"})
#: Tags that a user fills in; inside a form each needs a `name`, unique in the card.
FORM_INPUTS = frozenset(
    {
        "input",
        "select_static",
        "multi_select_static",
        "select_person",
        "multi_select_person",
        "date_picker",
        "picker_time",
        "picker_datetime",
        "checker",
        "select_img",
    }
)

_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{3,}:?\s*(\|\s*:?-{3,}:?\s*)*\|?\s*$", re.MULTILINE)
_AT = re.compile(r"<at\s+(?:id|user_id)\s*=\s*[\"']?([^\"'\s>]+)")


def check_card(actor: Actor, raw: str) -> dict[str, Any]:
    """Check a card as far as Lark's documented refusals go.

    Args:
        actor: whose card it is.
        raw: the card, or the reference to a template, as JSON.

    Returns:
        The card; `{}` for a template.

    Raises:
        RefusedError: 230099 with the sub-code in its text.
    """
    try:
        card = parsed(raw)
    except orjson.JSONDecodeError as error:
        raise _failed(CARD_UNPARSABLE, f"parse card json err, {error}") from None
    if not isinstance(card, dict):
        raise _failed(CARD_UNPARSABLE, "parse card json err, the card is not an object")
    if card.get("type") == "template":
        return _template(actor, card)
    if card.get("schema") == "2.0":
        _check_2_0(card)
    nodes = list(_nodes(card))
    _check_names(nodes)
    _check_tables(nodes)
    _check_mentions(actor, nodes)
    return card


def check_update(actor: Actor, before: str, after: str) -> None:
    """Check that one card may take the place of another; both were checked alone.

    Args:
        actor: whose card it is.
        before: the card as it was sent.
        after: the card that follows.

    Raises:
        RefusedError: 230001 (not shared by all its readers), 230099 with 200830 (from 2.0 back to 1.0).
    """
    check_schema(before, after)
    old, new = orjson.loads(before), orjson.loads(after)
    if actor.settings.update_multi and not (is_shared(old) and is_shared(new)):
        raise RefusedError(codes.IM_PARAM, "This message is NOT a card")


def check_schema(before: str, after: str) -> None:
    """Check that a card 2.0 stays one.

    Raises:
        RefusedError: 230099 with 200830.
    """
    old, new = orjson.loads(before), orjson.loads(after)
    if old.get("schema") == "2.0" and new.get("schema") != "2.0" and not _is_reference(new):
        raise _failed(SCHEMA_LOWERED, "schemaV2 card can not change schemaV1")


def _is_reference(card: dict[str, Any]) -> bool:
    return card.get("type") in ("template", "card")


def is_shared(card: dict[str, Any]) -> bool:
    """Say whether all readers see one card; always so with 2.0, and what a reference holds is not known."""
    config = card.get("config")
    declared = isinstance(config, dict) and config.get("update_multi") is True
    return declared or card.get("schema") == "2.0" or _is_reference(card)


def _template(actor: Actor, card: dict[str, Any]) -> dict[str, Any]:
    data = card.get("data")
    template_id = data.get("template_id") if isinstance(data, dict) else None
    if template_id not in actor.settings.card_templates:
        raise _failed(
            TEMPLATE_MISSING,
            "template does not exist, please confirm whether this template has been released",
            f"templateID: {template_id}",
        )
    return {}


def _check_2_0(card: dict[str, Any]) -> None:
    for member in card:
        if member not in ROOT_MEMBERS_2_0:
            raise _failed(CARD_UNPARSABLE, f"parse card json err, unknown property, property: {member}")
    for node in _nodes(card):
        if node.get("tag") == "action":
            raise _failed(TAG_DROPPED, "cards of schema V2 no longer support this capability", "tag: action")


def _check_names(nodes: list[dict[str, Any]]) -> None:
    for form in (node for node in nodes if node.get("tag") == "form"):
        for node in _nodes(form):
            tag = node.get("tag")
            if isinstance(tag, str) and tag in FORM_INPUTS and not node.get("name"):
                raise _failed(FORM_NAME_EMPTY, "the name of a form element is empty", f"tag: {tag}")
    seen = set()
    for node in nodes:
        name = node.get("name")
        if "tag" not in node or not isinstance(name, str) or not name:
            continue
        if name in seen:
            raise _failed(LIMIT_OR_DUPLICATE, f"name of card element is duplicate, name: {name}")
        seen.add(name)


def _check_tables(nodes: list[dict[str, Any]]) -> None:
    tables = sum(node.get("tag") == "table" for node in nodes)
    for node in nodes:
        if node.get("tag") == "markdown" and isinstance(node.get("content"), str):
            tables += len(_TABLE_RULE.findall(node["content"])) if "|" in node["content"] else 0
    if tables > MOST_TABLES:
        raise _failed(LIMIT_OR_DUPLICATE, "card table number over limit")


def _check_mentions(actor: Actor, nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        text = node.get("content")
        if not isinstance(text, str) or "<at" not in text:
            continue
        for user_id in _AT.findall(text):
            known = user_id == "all" or user_id in actor.world.users
            if not known and actor.world.find_user(actor.app, "open_id", user_id) is None:
                raise _failed(
                    BAD_AT, "There is an invalid user resource(at/person) in your card", f"user_id: {user_id}"
                )


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Walk through all objects of a card, outermost first."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from _nodes(member)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def _failed(sub_code: int, text: str, value: str = "") -> RefusedError:
    tail = f"; ErrorValue: {value}" if value else ""
    return RefusedError(codes.CARD_FAILED, f"ErrCode: {sub_code}; ErrMsg: {text}{tail}")


def readable_card(card: dict[str, Any]) -> str:
    """Return what readers of a chat get for a card: its title and texts, not its JSON."""
    header = card.get("header")
    title = header.get("title") if isinstance(header, dict) else None
    body = {name: member for name, member in card.items() if name != "header"}
    texts = [
        [{"tag": "text", "text": node["content"]}]
        for node in _nodes(body)
        if isinstance(node.get("content"), str)
    ]
    shown = {"title": title.get("content") if isinstance(title, dict) else None, "elements": texts}
    return orjson.dumps(shown).decode()
