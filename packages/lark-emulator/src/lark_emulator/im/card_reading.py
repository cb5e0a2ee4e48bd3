"""What a card reads as: degraded, as Lark shows it by default, or as its JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from lark_emulator.im.card_markdown import remove_marks

if TYPE_CHECKING:
    from collections.abc import Iterator

# Values of `card_msg_content_type`.
RAW, SENT = "raw_card_content", "user_card_content"
#: What takes the place of a card 2.0, whatever it holds.
UPGRADE = "请升级至最新版本客户端，以查看内容"
UPGRADE_PICTURE = "img_v2_emulator_upgrade"
_MARKED = ("lark_md", "markdown")


def degrade(card: dict[str, Any]) -> str:
    """Return what a card reads as by default: a card 1.0 by its texts, a card 2.0 as a hint to upgrade."""
    header = card.get("header")
    title = header.get("title") if isinstance(header, dict) else None
    shown = title.get("content") if isinstance(title, dict) else None
    if card.get("schema") == "2.0":
        picture = {"tag": "img", "image_key": UPGRADE_PICTURE}
        lines = [[picture, {"tag": "text", "text": UPGRADE}]]
    else:
        lines = [line for line in (list(_iterate_parts(block)) for block in _get_blocks(card)) if line]
    return orjson.dumps({"title": shown, "elements": lines}).decode()


def render_raw(sent: str) -> str:
    """Return the answer to `raw_card_content`: the card as text within an envelope."""
    schema = 2 if orjson.loads(sent).get("schema") == "2.0" else 1
    return orjson.dumps({"json_card": sent, "card_schema": schema}).decode()


def _get_blocks(card: dict[str, Any]) -> list[Any]:
    locales = card.get("i18n_elements")
    blocks = card.get("elements")
    if not blocks and isinstance(locales, dict):
        blocks = next(iter(locales.values()), None)
    return blocks if isinstance(blocks, list) else []


def _iterate_parts(value: Any) -> Iterator[dict[str, Any]]:
    """Walk through a block and yield what is left of it."""
    if isinstance(value, list):
        for item in value:
            yield from _iterate_parts(item)
    if not isinstance(value, dict):
        return
    tag, content = value.get("tag"), value.get("content")
    if tag == "hr":
        yield {"tag": "hr"}
    elif tag == "img":
        yield {"tag": "img", "image_key": value.get("img_key")}
    elif isinstance(content, str):
        yield {"tag": "text", "text": remove_marks(content) if tag in _MARKED else content}
    else:
        for member in value.values():
            yield from _iterate_parts(member)
