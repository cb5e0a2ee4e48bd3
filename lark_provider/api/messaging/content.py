"""Build and check the `content` of messages of each type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeGuard, get_args

import orjson

from lark_provider.api.cards import card_content, mention_ids
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.calls import encode
from lark_provider.protocol.errors import InvalidRequestError

MAX_TEXT_BYTES = 150 * 1024
MAX_POST_BYTES = 30 * 1024

MessageType: TypeAlias = Literal[
    "text", "post", "interactive", "image", "file", "audio", "media", "sticker", "share_chat", "share_user"
]
#: The member that the content object of each type must have.
_MEMBERS = {
    "image": "image_key",
    "file": "file_key",
    "audio": "file_key",
    "media": "file_key",
    "sticker": "file_key",
    "share_chat": "chat_id",
    "share_user": "user_id",
}


def make_text_content(text: object, mentions: Sequence[str] = ()) -> dict[str, str]:
    """Build the content object of a text.

    Args:
        text: The text.
        mentions: Open_ids, or "all", of people to be named at the end.

    Raises:
        InvalidRequestError: The text is empty or a mention is not an id.
    """
    if not (isinstance(text, str) and text):
        raise InvalidRequestError(
            f"content must be a non-empty string, got {text!r}. Next: pass the text of the message.",
            code=230001,
        )
    if mentions != ():
        text += "".join(f' <at user_id="{who}"></at>' for who in mention_ids(mentions))
    return {"text": text}


def encode_text(text: object, mentions: Sequence[str] = ()) -> str:
    """Build the `content` of a text: a JSON text. Arguments and errors as for `make_text_content`."""
    return _within(encode(make_text_content(text, mentions), "content").decode(), "text")


def make_post_content(
    content: Mapping[str, Any] | str, *, title: str = "", mentions: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Build the content object of a post.

    Args:
        content: Markdown, or Lark's own form.
        title: The title of a post from Markdown.
        mentions: Open_ids, or "all", of people to be named at the end.

    Raises:
        InvalidRequestError: It is empty, or is not in Lark's form.
    """
    if isinstance(content, str):
        if not content:
            raise InvalidRequestError(
                "content must be a non-empty string, got ''. Next: pass the Markdown of the post.",
                code=230001,
            )
        content = {"zh_cn": {"title": title, "content": [[{"tag": "md", "text": content}]]}}
    elif title:
        raise InvalidRequestError(
            "title must be given with Markdown only, got it with a post object. Next: put it into the post.",
            code=230001,
        )
    if not isinstance(content, Mapping):
        raise InvalidRequestError(
            f"The post must be a string or a dict by language, got {type(content).__name__}. Next: pass "
            "Markdown as a string.",
            code=230001,
        )
    if not content or not all(_is_localised(post) for post in content.values()):
        raise InvalidRequestError(
            f"The post must map languages to title and lines, got the keys {list(content)}. Next: write "
            '{"zh_cn": {"title": …, "content": [[…]]}}, without an outer "post".',
            code=230001,
        )
    if mentions:
        line = [{"tag": "at", "user_id": who} for who in mention_ids(mentions)]
        content = {lang: {**post, "content": [*post["content"], line]} for lang, post in content.items()}
    return content


def _is_localised(post: object) -> bool:
    lines = post.get("content") if isinstance(post, Mapping) else None
    return isinstance(lines, list | tuple) and all(isinstance(line, list | tuple) for line in lines)


def serialise(content: Mapping[str, Any] | str, msg_type: str, mentions: Sequence[str] = ()) -> str:
    """Build the `content` of any message: a JSON text.

    Args:
        content: The content: text; for `post` Markdown or Lark's own form; for `interactive` a card; for
            other types their content object, as a dict or as JSON text.
        msg_type: Lark's name for the type.
        mentions: Open_ids, or "all", of people to be named at the end of a text, post or card.

    Raises:
        InvalidRequestError: It does not fit its type, is too large, or cannot carry mentions.
    """
    check_choice("msg_type", msg_type, get_args(MessageType), 230001)
    if msg_type == "interactive":
        return card_content(content, mentions=mentions)
    if msg_type == "post":
        content = make_post_content(content, mentions=mentions)
    elif msg_type == "text":
        words = content.get("text") if isinstance(content, Mapping) else content
        content = {**(content if isinstance(content, Mapping) else {}), **make_text_content(words, mentions)}
    elif mentions:
        raise InvalidRequestError(
            f"mentions must not be given with {msg_type}. Next: leave them out.", code=230001
        )
    return _within(_encode_object(content, msg_type), msg_type)


def _encode_object(content: object, msg_type: str) -> str:
    """Return a content object as JSON text; return such a text unchanged."""
    parsed = content
    if isinstance(content, str):
        try:
            parsed = orjson.loads(content)
        except orjson.JSONDecodeError:
            parsed = None
    member = _MEMBERS.get(msg_type)
    if not isinstance(parsed, Mapping) or (member is not None and not _holds(parsed, member)):
        raise InvalidRequestError(
            f"content must be the content object of {msg_type}, got {str(content)[:80]!r}. Next: pass it as "
            "a dict, "
            f'{{"{member}": …}}.',
            code=230001,
        )
    return content if isinstance(content, str) else encode(content, "content").decode()


def _holds(content: object, member: str) -> TypeGuard[Mapping[str, Any]]:
    value = content.get(member) if isinstance(content, Mapping) else None
    return isinstance(value, str) and value != ""


def _within(content: str, msg_type: str) -> str:
    """Return a content that is within the limit of its type.

    Raises:
        InvalidRequestError: It is larger.
    """
    limit, size = {"text": MAX_TEXT_BYTES, "post": MAX_POST_BYTES}.get(msg_type), len(content.encode())
    if limit is not None and size > limit:
        raise InvalidRequestError(
            f"The {msg_type} must have at most {limit} bytes, got {size}. Next: shorten it, or send it as a "
            "file.",
            code=230025,
        )
    return content
