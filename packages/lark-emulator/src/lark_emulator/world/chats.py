"""Chats with their messages, and what else is said in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lark_emulator.world.apps import TENANT_KEY

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.message_marks import Pin, Reaction
    from lark_emulator.world.users import User


@dataclass(frozen=True, slots=True)
class Mention:
    """Who a `key` in a text, such as `@_user_1`, stands for: `app` or `user`, and its id."""

    key: str
    who: tuple[str, str]


@dataclass(slots=True)
class Message:
    """A message in a chat. `content` is what readers see, `sent` what the sender sent.

    `in_thread` is true of the replies in a thread, and not of the message that opened it.
    """

    message_id: str
    chat_id: str
    msg_type: str
    content: str
    sent: str
    app_id: str
    create_time: int
    update_time: int
    mentions: list[Mention]
    uuid: str = ""
    root_id: str = ""
    parent_id: str = ""
    thread_id: str = ""
    tenant_key: str = TENANT_KEY
    in_thread: bool = False
    deleted: bool = False
    edits: int = 0
    clicks_waiting: int = 0
    """Clicks on the card whose callbacks were not answered yet."""
    user_id: str = ""
    """The user in whose name the app sent it; empty = the app's bot did."""
    reactions: list[Reaction] = field(default_factory=list)
    pin: Pin | None = None
    readers: dict[str, int] = field(default_factory=dict)
    """Who has read it (user ids), and when (milliseconds)."""
    follow_ups: list[str] = field(default_factory=list)
    """Bubbles below it that a person may click."""
    upper_message_id: str = ""
    """The message of merged messages that this one is part of."""
    parts: list[Message] = field(default_factory=list)
    """What was merged into it; none of these stands in a chat."""

    def is_from(self, who: tuple[str, str]) -> bool:
        """Return whether an app or a user, as `routing.Actor.who` names them, sent it."""
        return who == (("user", self.user_id) if self.user_id else ("app", self.app_id))


@dataclass(slots=True)
class Chat:
    """A group, or the p2p chat of a user with a bot or another user. Dicts keep the order of joining."""

    chat_id: str
    name: str
    create_time: int
    description: str = ""
    owner: str = ""
    mode: str = "group"
    chat_type: str = "private"
    message_type: str = "chat"
    users: dict[str, User] = field(default_factory=dict)
    bots: dict[str, App] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    active_time: int = 0
    dissolved: bool = False
    creator: str = ""
    """The app that made it; empty if a person did."""
    managers: set[str] = field(default_factory=set)
    """User ids and app ids of its administrators."""
    settings: dict[str, str] = field(default_factory=dict)
    """Who may do what, where that was changed, see `im.chat_settings`."""
    i18n_names: dict[str, str] = field(default_factory=dict)
    avatar: str = ""

    def has(self, who: tuple[str, str]) -> bool:
        """Return whether an app or a user, as `routing.Actor.who` names them, is in it."""
        return who[1] in (self.bots if who[0] == "app" else self.users)

    @property
    def is_external(self) -> bool:
        """Whether people of other tenants are in it."""
        return any(user.is_external for user in self.users.values())


@dataclass(slots=True)
class CardUpdate:
    """What the token of one click allows."""

    message: Message
    created: float
    answered: bool = False
    """Whether the callback is over; before that the token is good for nothing."""
    uses: int = 0


@dataclass(slots=True)
class WebhookBot:
    """A custom bot of one group, and what it was sent. `secret` "" = no signature asked for."""

    token: str = field(repr=False)
    name: str
    secret: str = field(default="", repr=False)
    keywords: tuple[str, ...] = ()
    messages: list[dict[str, Any]] = field(default_factory=list)
