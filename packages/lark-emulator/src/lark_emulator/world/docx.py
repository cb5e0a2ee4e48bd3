"""Documents (docx): a tree of blocks."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE, TEXT, HEADING1, BULLET, ORDERED, CODE, QUOTE = 1, 2, 3, 12, 13, 14, 15
TODO, BITABLE, CALLOUT, CHAT_CARD, DIVIDER, FILE, GRID, GRID_COLUMN = 17, 18, 19, 20, 22, 23, 24, 25
IMAGE, SHEET, TABLE, TABLE_CELL, VIEW, QUOTE_CONTAINER, TASK, BOARD = 27, 30, 31, 32, 33, 34, 35, 43

_IN_ORDER = (
    "page text heading1 heading2 heading3 heading4 heading5 heading6 heading7 heading8 heading9 bullet "
    "ordered code quote equation todo bitable callout chat_card diagram divider file grid grid_column "
    "iframe image isv mindnote sheet table table_cell view quote_container task okr okr_objective "
    "okr_key_result okr_progress add_ons jira_issue wiki_catalog board agenda agenda_item "
    "agenda_item_title agenda_item_content link_preview source_synced reference_synced sub_page_list "
    "ai_template"
)
#: The name under which a block of each type holds its content.
NAMES = {**dict(enumerate(_IN_ORDER.split(), 1)), 999: "undefined"}
#: Types whose content is text: elements and a style.
TEXTS = frozenset({PAGE, *range(TEXT, QUOTE + 1), TODO})


@dataclass(slots=True)
class Block:
    """A block: its content is in `data`, its children are block ids in order."""

    block_id: str
    block_type: int
    data: dict[str, Any]
    parent_id: str = ""
    children: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The plain text of its elements."""
        return "".join(map(_get_text, self.data.get("elements", ())))

    def render(self) -> dict[str, Any]:
        """Return it as Lark does."""
        shown: dict[str, Any] = {
            "block_id": self.block_id,
            "block_type": self.block_type,
            "parent_id": self.parent_id,
            NAMES[self.block_type]: self.data,
        }
        return shown | ({"children": list(self.children)} if self.children else {})


def _get_text(element: dict[str, Any]) -> str:
    for name, member in (("text_run", "content"), ("equation", "content"), ("mention_doc", "title")):
        if name in element:
            return str(element[name].get(member) or "")
    return f"@{element['mention_user']['user_id']}" if "mention_user" in element else ""


@dataclass(slots=True)
class Docx:
    """A document. The id of its root block is its own; `replays` are answers by (app_id, client_token)."""

    document_id: str
    blocks: dict[str, Block] = field(default_factory=dict)
    revision: int = 1
    replays: dict[tuple[str, str], bytes] = field(default_factory=dict)

    @property
    def root(self) -> Block:
        """The page."""
        return self.blocks[self.document_id]

    @property
    def title(self) -> str:
        """What it is called: the text of its page."""
        return self.root.text

    def retitle(self, title: str) -> None:
        """Give it another title."""
        style = dict.fromkeys(("bold", "inline_code", "italic", "strikethrough", "underline"), False)
        self.root.data["elements"] = [{"text_run": {"content": title, "text_element_style": style}}]

    def walk(self, block: Block) -> Iterator[Block]:
        """Yield a block and all below it, in the order in which they are read."""
        waiting = [block]
        while waiting:
            next_block = waiting.pop()
            yield next_block
            waiting.extend(self.blocks[child] for child in reversed(next_block.children))

    def remove(self, block: Block) -> None:
        """Remove a block with all below it; its parent keeps its own list of children."""
        for descendant in list(self.walk(block)):
            del self.blocks[descendant.block_id]

    def copy(self, document_id: str) -> Docx:
        """Return a copy under another id; the other blocks keep theirs."""
        blocks = copy.deepcopy(self.blocks)
        renamed = {document_id if key == self.document_id else key: block for key, block in blocks.items()}
        duplicate = Docx(document_id, renamed)
        root = duplicate.root
        root.block_id = document_id
        for child in root.children:
            duplicate.blocks[child].parent_id = document_id
        return duplicate
