"""`content` by `msg_type`: a JSON string whose shape, size and mentions are checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.im.card_reading import degrade
from lark_emulator.im.cards import check_card
from lark_emulator.im.uploads import check_sendable
from lark_emulator.validation import parse
from lark_emulator.world.chats import Mention

if TYPE_CHECKING:
    from lark_emulator.routing import Actor

#: Members that a content must have, all of them strings, for the types that are plain references.
REFERENCES: dict[str, tuple[str, ...]] = {
    "image": ("image_key",),
    "file": ("file_key",),
    "audio": ("file_key",),
    "sticker": ("file_key",),
    "media": ("file_key",),
    "share_chat": ("chat_id",),
    "share_user": ("user_id",),
}
POST_TAGS = frozenset({"text", "a", "at", "img", "media", "emotion", "code_block", "hr", "md"})
#: Tags of a post that carry an upload, and the type of message that would carry the same.
_POST_FILES = {"img": "image", "media": "media"}
POST_LOCALES = frozenset({"zh_cn", "en_us", "ja_jp", "zh_hk", "zh_tw", "id_id", "vi_vn", "th_th", "pt_br"})

#: What of all this is a guess, for the coverage list.
UNCONFIRMED = (
    "keys of stickers are not looked up; a `system` message in a group, or of a user, gets 230054",
    "checks of cards that no answer confirms (settable, `card_rules`)",
    "sub-codes of nesting and of `form_action_type` outside a form (11310), of `element_id` (300301)",
    "required properties, lengths, ranges and places in cards 1.0: not checked unless `card_rules` says so",
    "an unknown key gets 230001 (`invalid image_key`), an avatar sent as a message 230055",
    "which bytes the size limits count; wording behind `ext=`",
)

_AT = re.compile(r'<at\s+user_id\s*=\s*"([^"]*)"\s*>(.*?)</at>', re.DOTALL)


class Content(NamedTuple):
    """A checked content: as sent, as readers see it, and whom it mentions."""

    msg_type: str
    sent: str
    shown: str
    mentions: list[Mention]


def check_content(actor: Actor, msg_type: str, raw: str) -> Content:
    """Check a content.

    Args:
        actor: The app, or the user by means of it, that sends the message.
        msg_type: The type that the message claims.
        raw: The content, a JSON string.

    Returns:
        The content in its two shapes.

    Raises:
        RefusedError: 230001 (type or shape), 230025 (size), 230099 (a card that cannot be built), or what
            `check_sendable` raises for uploads.
    """
    if msg_type == "interactive":
        if len(raw.encode()) > actor.settings.max_card_bytes:
            raise RefusedError(codes.CONTENT_TOO_LONG)
        card = check_card(actor, raw)
        return Content(msg_type, raw, degrade(card), [])
    if msg_type not in REFERENCES and msg_type not in ("text", "post", "system"):
        raise RefusedError(codes.IM_PARAM, f"invalid msg_type {msg_type}")
    content = _parse_object(raw)
    if msg_type == "text":
        return _check_text(actor, raw, content)
    if msg_type == "post":
        if len(raw.encode()) > actor.settings.max_card_bytes:
            raise RefusedError(codes.CONTENT_TOO_LONG)
        return Content(msg_type, raw, _post(actor, content), [])
    if msg_type == "system":
        _check_divider(content)
        return Content(msg_type, raw, raw, [])
    for member in REFERENCES[msg_type]:
        if not isinstance(content.get(member), str) or not content[member]:
            raise RefusedError(codes.IM_PARAM, f"content of a {msg_type} message needs {member}")
    _check_keys(actor, msg_type, content)
    return Content(msg_type, raw, raw, [])


def _parse_object(raw: str) -> dict[str, Any]:
    try:
        content = parse(raw)
    except orjson.JSONDecodeError:
        raise RefusedError(codes.IM_PARAM, "content is not a string in json format") from None
    if not isinstance(content, dict):
        raise RefusedError(codes.IM_PARAM, "content is not a json object")
    return content


def _check_divider(content: dict[str, Any]) -> None:
    """Check a system message: a line with a text that divides a chat is the only kind that apps can send."""
    params = content.get("params")
    divider = params.get("divider_text") if isinstance(params, dict) else None
    text = divider.get("text") if isinstance(divider, dict) else None
    if content.get("type") != "divider" or not isinstance(text, str) or not text:
        raise RefusedError(codes.IM_PARAM, "invalid message content")


def _check_text(actor: Actor, raw: str, content: dict[str, Any]) -> Content:
    text = content.get("text")
    if not isinstance(text, str):
        raise RefusedError(codes.IM_PARAM, "invalid message content")
    if len(raw.encode()) > actor.settings.max_text_bytes:
        raise RefusedError(codes.CONTENT_TOO_LONG)
    if not text:
        raise RefusedError(codes.IM_PARAM, "invalid message content")
    mentions: list[Mention] = []

    def mention(match: re.Match[str]) -> str:
        if match[1] == "all":
            return "@_all"
        who = _find_mentioned(actor, match[1])
        if who is None:
            return match[2]  # Lark shows the bare name of a user it does not know
        key = f"@_user_{len(mentions) + 1}"
        mentions.append(Mention(key, who))
        return key

    shown = _AT.sub(mention, text)
    return Content("text", raw, orjson.dumps({"text": shown}).decode(), mentions)


def _find_mentioned(actor: Actor, mentioned_id: str) -> tuple[str, str] | None:
    """Return the user, or the app whose bot, a text mentions by an id; None if the id is unknown."""
    for app in actor.world.apps.values():
        if app.bot_open_id == mentioned_id:
            return "app", app.app_id
    user = actor.world.find_user(actor.app, "open_id", mentioned_id) or actor.world.users.get(mentioned_id)
    return None if user is None else ("user", user.user_id)


def _check_keys(actor: Actor, msg_type: str, content: dict[str, Any]) -> None:
    """Check the uploads that an image, a file, a sound or a video refers to."""
    if msg_type == "image":
        check_sendable(actor, "image_key", content.get("image_key"), "image")
    elif msg_type in ("file", "audio", "media"):
        check_sendable(actor, "file_key", content.get("file_key"), msg_type)
        if content.get("image_key"):  # the cover of a video
            check_sendable(actor, "image_key", content["image_key"], "image")


def _post(actor: Actor, content: dict[str, Any]) -> str:
    if "post" in content:
        raise RefusedError(codes.IM_PARAM, "content of a post message has no outer post")
    locales = [name for name in content if name in POST_LOCALES]
    if not locales or len(locales) != len(content):
        raise RefusedError(codes.IM_PARAM, "content of a post message needs a locale such as zh_cn")
    for locale in locales:
        post = content[locale]
        lines = post.get("content") if isinstance(post, dict) else None
        if not isinstance(lines, list) or not all(isinstance(line, list) for line in lines):
            raise RefusedError(codes.IM_PARAM, f"{locale}.content must be a list of lists")
        for element in (element for line in lines for element in line):
            tag = element.get("tag") if isinstance(element, dict) else None
            if not isinstance(tag, str) or tag not in POST_TAGS:
                raise RefusedError(codes.IM_PARAM, f"unsupported tag {tag} in {locale}.content")
            if tag in _POST_FILES:
                _check_keys(actor, _POST_FILES[tag], element)
    # Readers get one language, without the wrapper that names it.
    first = content[locales[0]]
    return orjson.dumps({"title": first.get("title", ""), "content": first["content"]}).decode()
