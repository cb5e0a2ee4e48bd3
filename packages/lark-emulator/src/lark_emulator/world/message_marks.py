"""What people and bots leave on a message: reactions, pins, urgent notices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Reaction:
    """An emoji on a message, of a person (`user_id`) or of a bot (`app_id`); the other one is empty.

    `action_time` is in milliseconds.
    """

    reaction_id: str
    emoji_type: str
    action_time: int
    app_id: str = ""
    user_id: str = ""

    def is_from(self, who: tuple[str, str]) -> bool:
        """Return whether an app or a user, as `routing.Actor.who` names them, put it there."""
        return who == (("user", self.user_id) if self.user_id else ("app", self.app_id))


@dataclass(slots=True)
class Pin:
    """A message that is pinned in its chat, by a person or by a bot. `create_time` is in milliseconds."""

    create_time: int
    app_id: str = ""
    user_id: str = ""


@dataclass(slots=True)
class Urgent:
    """One request to make a message urgent: `kind` is app, sms or phone, `cost` what it took of the quota."""

    kind: str
    message_id: str
    app_id: str
    users: list[str]
    cost: int
    time: int
