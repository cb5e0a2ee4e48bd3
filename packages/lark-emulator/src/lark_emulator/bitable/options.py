"""The options of select fields: made by hand, or silently by writing an unknown name."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lark_emulator.codes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.world.bases import Table


@contextmanager
def undo_on_refusal(table: Table) -> Iterator[None]:
    """Take back options that a write created before one of its values was refused."""
    before = {field_id: len(column.options) for field_id, column in table.fields.items()}
    try:
        yield
    except RefusedError:
        for field_id, count in before.items():
            column = table.fields[field_id]
            for name in list(column.options)[count:]:
                del column.options[name], column.colors[name]
        raise
