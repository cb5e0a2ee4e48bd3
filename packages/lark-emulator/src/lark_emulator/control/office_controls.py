"""For Python callers: what people do in chats, and the departments and calendars of the tenant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import conversations, office, user_messages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.control.plane import Operation


class OfficeControls(ABC):
    """The part of `Controls` for reactions, reading, pins, departments and calendars."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def say(
        self,
        user: str,
        text: str = "",
        *,
        chat_id: str | None = None,
        app_id: str | None = None,
        mentions: Iterable[str] = (),
        reply_to: str | None = None,
        in_thread: bool = False,
        msg_type: str | None = None,
        content: dict[str, Any] | None = None,
        copies: int = 1,
    ) -> dict[str, Any]:
        """Write a message as a person; each bot that may hear it is sent `im.message.receive_v1`.

        Args:
            user: The user_id of the person who writes.
            text: The text of the message, after the mentions.
            chat_id: The id of a chat that the user is in.
            app_id: The id of the app to whose bot alone the user writes, instead of `chat_id`.
            mentions: Who is mentioned, before the text: app ids, user ids or `all`.
            reply_to: The message_id of the message that this one answers.
            in_thread: Whether the answer opens a thread; within one it stays there.
            msg_type: The type of the message; `text` if absent.
            content: The content of a message of another type, instead of `text`.
            copies: How many times each event arrives.

        Returns:
            The message as the state shows it, and `events`, one for each bot that hears it.

        Raises:
            ValueError: no such user, chat, app or message, or the user is not in the chat.
        """
        spec = {
            "user": user,
            "text": text,
            "chat_id": chat_id,
            "app_id": app_id,
            "mentions": list(mentions),
            "reply_to": reply_to,
            "in_thread": in_thread,
            "msg_type": msg_type,
            "content": content,
            "copies": copies,
        }
        return self._do(user_messages.say, spec)

    def react(self, message_id: str, user: str, emoji_type: str, *, remove: bool = False) -> dict[str, Any]:
        """Put an emoji on a message as a person, and return the message as the state shows it.

        Args:
            message_id: The id of the message, `om_…`.
            user: The user_id of a member of its chat.
            emoji_type: Lark's name for the emoji, such as `THUMBSUP`.
            remove: Whether to remove the emoji instead of adding it.

        Raises:
            ValueError: no such message, member or emoji, or nothing to take away.
        """
        spec = {"message_id": message_id, "user": user, "emoji_type": emoji_type, "remove": remove}
        return self._do(conversations.react_as_user, spec)

    def read_message(self, message_id: str, user: str) -> dict[str, Any]:
        """Read a message as a person (`user`: user_id), and return the message as the state shows it.

        Raises:
            ValueError: no such message, or the person is not in its chat.
        """
        return self._do(conversations.read_as_user, {"message_id": message_id, "user": user})

    def pin_message(self, message_id: str, user: str, *, remove: bool = False) -> dict[str, Any]:
        """Pin a message as a person (`user`: user_id), or remove the pin.

        Raises:
            ValueError: no such message, or the person is not in its chat.
        """
        return self._do(conversations.pin_as_user, {"message_id": message_id, "user": user, "remove": remove})

    def add_department(
        self,
        name: str,
        *,
        department_id: str | None = None,
        parent: str | None = None,
        leader: str | None = None,
        users: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Add a department, and return it with its `open_department_id`.

        Args:
            name: The name of the department.
            department_id: The department's own id; generated if absent.
            parent: An id, of either type, of the department above; the root if absent.
            leader: The user_id of the department's leader; none if absent.
            users: The user ids of those who belong to the department.

        Raises:
            ValueError: the id is taken, or the parent or a user is unknown.
        """
        spec = {
            "name": name,
            "department_id": department_id,
            "parent": parent,
            "leader": leader,
            "users": list(users),
        }
        return self._do(office.add_department, spec)

    def add_calendar_event(
        self, user: str, start: str, end: str, *, summary: str = "", free_busy_status: str = "busy"
    ) -> dict[str, Any]:
        """Add an event to a person's main calendar, and return its `calendar_id` and `event_id`.

        Args:
            user: The user_id of the person whose calendar it is.
            start: The start of the event in ISO 8601, such as `2026-11-26T09:00:00+08:00`.
            end: The end of the event, in the same format as `start` and later than it.
            summary: The title of the event.
            free_busy_status: Whether the person is `busy` or `free` in this time.

        Raises:
            ValueError: no such person, or a time that is none.
        """
        spec = {
            "user": user,
            "start": start,
            "end": end,
            "summary": summary,
            "free_busy_status": free_busy_status,
        }
        return self._do(office.add_event, spec)

    def add_minute(self, title: str, user: str, *, duration_ms: int = 0) -> str:
        """Add a recording of a person (`user`: user_id), and return its token.

        Raises:
            ValueError: no such person, or a duration that is none.
        """
        spec = {"title": title, "user": user, "duration_ms": duration_ms}
        return str(self._do(office.add_minute, spec)["token"])
