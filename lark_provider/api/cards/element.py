"""The base of all components: a dict without empty properties, texts, and Markdown markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from lark_provider.api.cards.content import mention_id
from lark_provider.protocol.errors import InvalidRequestError

Text: TypeAlias = str | Mapping[str, Any]

_URL = re.compile(r"https?://[^\s()<>\[\]]+")
# The characters that are markup inside a line; Lark shows an entity as the character itself.
_MARKUP = {ord(char): f"&#{ord(char)};" for char in "&<>*_~`[]#|$!\\"}


class Element(dict[str, Any]):
    """A component as its JSON object. Also makes components that have no class here.

    Being a dict, it is templated by Airflow, pickled and serialised like one.

    Args:
        tag: Lark's name of the component.
        **properties: Its properties by Lark's names; those that are None are left out.
    """

    def __init__(self, tag: str, **properties: Any) -> None:
        super().__init__(without_none(tag=tag, **properties))


class Markdown(Element):
    """Rich text. `mention` names people in it.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/rich-text

    Args:
        content: CommonMark without HTML blocks, and Lark's own markup. Escape untrusted text with
            `escape_markdown`.
        text_size: "normal", "notation", "heading", … or a size that the card's config defines.
        **properties: Any other property on Lark's page.
    """

    def __init__(self, content: str, *, text_size: str | None = None, **properties: Any) -> None:
        super().__init__("markdown", content=content, text_size=text_size, **properties)


def without_none(**properties: Any) -> dict[str, Any]:
    """Return the properties that have a value."""
    return {name: value for name, value in properties.items() if value is not None}


def make_text_object(text: Text | None, **style: Any) -> dict[str, Any] | None:
    """Make Lark's text object.

    Args:
        text: Plain text, a text object, or None.
        **style: Further properties of the object, e.g. `text_size`.

    Raises:
        InvalidRequestError: It is something else.
    """
    if text is None:
        return None
    if not isinstance(text, str | Mapping):
        raise InvalidRequestError(
            f"A text must be a str or a text object, got {text!r:.80}. Next: convert it with str()."
        )
    plain = {"tag": "plain_text", "content": text} if isinstance(text, str) else dict(text)
    return plain | without_none(**style)


def within(what: str, value: int | None, low: int, high: int) -> int | None:
    """Return a number that is within Lark's range.

    Args:
        what: The property's name, for the error.
        value: The number, or None for Lark's default.
        low: The smallest number that Lark takes.
        high: The largest number that Lark takes.

    Raises:
        InvalidRequestError: It is out of this range.
    """
    if value is None or (isinstance(value, int) and low <= value <= high):
        return value
    raise InvalidRequestError(
        f"{what} must be an int from {low} to {high}, got {value!r}. Next: pass a number in this range, or "
        "leave it out for Lark's default.",
        code=230099,
    )


def mention(*who: str) -> str:
    """Name people in Markdown, so that they are notified.

    Args:
        *who: Open_ids or user_ids; "all" for everyone, if the chat allows it.

    Returns:
        Markup for `Markdown` content.

    Raises:
        InvalidRequestError: One is not an id.
    """
    return " ".join(f"<at id={mention_id(person)}></at>" for person in who)


def escape_markdown(text: object) -> str:
    """Escape a text, so that nothing in it becomes emphasis, a link or a mention.

    Args:
        text: Any value; it is converted to str first. A lone http(s) address stays a link.

    Returns:
        Markup for `Markdown` content.
    """
    plain = str(text)
    shown = plain.translate(_MARKUP)
    return f"[{shown}]({plain})" if _URL.fullmatch(plain) else shown
