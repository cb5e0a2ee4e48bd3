"""Messages that went to many people at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator.world.chats import Message


@dataclass(slots=True)
class Batch:
    """One request of `batch_send`, and the message in each chat that it made. Times are milliseconds."""

    batch_id: str
    app_id: str
    create_time: int
    messages: list[Message] = field(default_factory=list)
    recalled: bool = False
