"""Interactive cards: card JSON 2.0 built from typed components, and cards of any kind made ready to send.

```python
card = Card2(
    [Markdown("**336,776** rows"), Button("Open", url="https://…")],
    header=Header("Load finished", template="green"),
)
client.messaging.send_card("oc_…", card)
```

A component is the JSON that it represents (a dict), so that hand-written parts mix with it freely.
"""

from __future__ import annotations

from lark_provider.api.cards.content import card_content, mention_id, mention_ids
from lark_provider.api.cards.text import MAX_CARD_BYTES, Card
from lark_provider.support.exports import make_getattr

_HOMES = {
    "card": ("Card2", "Header", "TextTag"),
    "containers": ("CollapsiblePanel", "Column", "ColumnSet", "Form"),
    "display": ("Div", "Hr", "Img", "Table", "TableColumn", "note"),
    "element": ("Element", "Markdown", "escape_markdown", "mention"),
    "interactive": ("Button", "Confirm", "DatePicker", "Input", "SelectStatic"),
    "ready": ("notice_card", "table_card"),
    "rules": ("check",),
    "template": ("template_card",),
}
_HOME_OF = {name: f".{home}" for home, names in _HOMES.items() for name in names}
__all__ = ["MAX_CARD_BYTES", "Card", "card_content", "mention_id", "mention_ids"]
__all__ += list(_HOME_OF)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark_provider.api.cards.card import Card2 as Card2
    from lark_provider.api.cards.card import Header as Header
    from lark_provider.api.cards.card import TextTag as TextTag
    from lark_provider.api.cards.containers import CollapsiblePanel as CollapsiblePanel
    from lark_provider.api.cards.containers import Column as Column
    from lark_provider.api.cards.containers import ColumnSet as ColumnSet
    from lark_provider.api.cards.containers import Form as Form
    from lark_provider.api.cards.display import Div as Div
    from lark_provider.api.cards.display import Hr as Hr
    from lark_provider.api.cards.display import Img as Img
    from lark_provider.api.cards.display import Table as Table
    from lark_provider.api.cards.display import TableColumn as TableColumn
    from lark_provider.api.cards.display import note as note
    from lark_provider.api.cards.element import Element as Element
    from lark_provider.api.cards.element import Markdown as Markdown
    from lark_provider.api.cards.element import escape_markdown as escape_markdown
    from lark_provider.api.cards.element import mention as mention
    from lark_provider.api.cards.interactive import Button as Button
    from lark_provider.api.cards.interactive import Confirm as Confirm
    from lark_provider.api.cards.interactive import DatePicker as DatePicker
    from lark_provider.api.cards.interactive import Input as Input
    from lark_provider.api.cards.interactive import SelectStatic as SelectStatic
    from lark_provider.api.cards.ready import notice_card as notice_card
    from lark_provider.api.cards.ready import table_card as table_card
    from lark_provider.api.cards.rules import check as check
    from lark_provider.api.cards.template import template_card as template_card


__getattr__ = make_getattr(__name__, _HOME_OF)  # every task imports this package, and few build cards


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
