"""The card itself and its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from lark_provider.api.cards.content import BuiltCard
from lark_provider.api.cards.element import Element, Text, make_text_object, without_none
from lark_provider.api.cards.rules import check
from lark_provider.api.cards.shapes import MAX_TEXT_TAGS
from lark_provider.api.cards.text import MAX_CARD_BYTES
from lark_provider.protocol.errors import InvalidRequestError

Template: TypeAlias = Literal[
    "blue", "wathet", "turquoise", "green", "yellow", "orange", "red", "carmine", "violet", "purple",
    "indigo", "grey", "default",
]  # fmt: skip
TagColor: TypeAlias = Literal[
    "neutral", "blue", "turquoise", "lime", "orange", "violet", "indigo", "wathet", "green", "yellow", "red",
    "purple", "carmine",
]  # fmt: skip


class TextTag(Element):
    """A small coloured word behind the title.

    Args:
        text: What it says.
        color: Lark's name of the colour.
        **properties: `element_id`, if it is to be updated.
    """

    def __init__(self, text: Text, *, color: TagColor = "neutral", **properties: Any) -> None:
        super().__init__("text_tag", text=make_text_object(text), color=color, **properties)


class Header(dict[str, Any]):
    """A card's title.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/title

    Args:
        title: At most four lines are shown.
        subtitle: At most one line is shown.
        template: The colour.
        text_tag_list: At most three `TextTag`s, or their texts.
        **properties: `icon`, `padding`, …

    Raises:
        InvalidRequestError: There are more than three tags; Lark would silently drop the others.
    """

    def __init__(
        self,
        title: Text,
        *,
        subtitle: Text | None = None,
        template: Template | None = None,
        text_tag_list: Sequence[str | TextTag] = (),
        **properties: Any,
    ) -> None:
        if len(text_tag_list) > MAX_TEXT_TAGS:
            raise InvalidRequestError(
                f"header.text_tag_list must have at most {MAX_TEXT_TAGS} tags, got {len(text_tag_list)}. "
                "Next: leave some out.",
                code=230099,
            )
        tags = [TextTag(tag) if isinstance(tag, str) else tag for tag in text_tag_list]
        super().__init__(
            without_none(
                title=make_text_object(title),
                subtitle=make_text_object(subtitle),
                template=template,
                text_tag_list=tags or None,
                **properties,
            )
        )


class Card2(BuiltCard):
    """A card in JSON 2.0, checked when it is built and again when it is sent. Clients need version 7.20.

    See https://open.feishu.cn/document/feishu-cards/card-json-v2-structure

    Args:
        elements: Components from above to below; classes of this package, or dicts.
        header: The title as plain text, or a `Header`.
        config: How the card behaves, e.g. `{"width_mode": "fill"}`.
        card_link: Where a click on the card leads: an address, or one for each client.
        max_bytes: The most bytes that Lark accepts; its documentation says 30 KB.
        **body: The body's layout: `direction`, `padding`, `vertical_spacing`, …

    Raises:
        InvalidRequestError: Lark would refuse it; the text names the place.
    """

    def __init__(
        self,
        elements: Sequence[Mapping[str, Any]],
        *,
        header: str | Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        card_link: str | Mapping[str, str] | None = None,
        max_bytes: int = MAX_CARD_BYTES,
        **body: Any,
    ) -> None:
        super().__init__(
            without_none(
                schema="2.0",
                config=config,
                card_link={"url": card_link} if isinstance(card_link, str) else card_link,
                header=Header(header) if isinstance(header, str) else header,
                body={**body, "elements": list(elements)},
            )
        )
        check(self, max_bytes=max_bytes)
