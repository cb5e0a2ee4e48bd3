"""What is sent to an app, before it is encrypted and signed. Pure but for the ids."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark_emulator.world.apps import App
    from lark_emulator.world.chats import Message
    from lark_emulator.world.users import User


@dataclass(frozen=True, slots=True)
class Click:
    """A user uses a component of a card."""

    app: App
    message: Message
    user: User
    action: dict[str, Any]
    event_id: str = field(default_factory=lambda: secrets.token_hex(16))
    token: str = field(default_factory=lambda: f"c-{secrets.token_hex(20)}")
    """Updates the card later, see `update`."""

    def make_payload(self, now: float) -> dict[str, Any]:
        """Return `card.action.trigger`; its time is in microseconds."""
        return {
            "schema": "2.0",
            "header": {
                "event_id": self.event_id,
                "token": _get_token(self.app),
                "create_time": str(int(now * 1_000_000)),
                "event_type": "card.action.trigger",
                "tenant_key": self.message.tenant_key,
                "app_id": self.app.app_id,
            },
            "event": {
                "operator": {
                    "tenant_key": self._get_operator_tenant(),
                    "union_id": self.user.union_id,
                    **self._get_ids(),
                },
                "token": self.token,
                "action": self.action,
                "host": "im_message",
                "context": {
                    "open_message_id": self.message.message_id,
                    "open_chat_id": self.message.chat_id,
                },
            },
        }

    def make_old_payload(self) -> dict[str, Any]:
        """Return `card.action.trigger_v1`."""
        return {
            **self._get_ids(),
            "open_message_id": self.message.message_id,
            "open_chat_id": self.message.chat_id,
            "tenant_key": self.message.tenant_key,
            "token": self.token,
            "action": self.action,
        }

    def _get_operator_tenant(self) -> str:
        """Return the tenant of the person; a store app has its own copy of ours in each of its tenants."""
        return self.user.tenant_key if self.user.is_external else self.message.tenant_key

    def _get_ids(self) -> dict[str, str]:
        ids = {"open_id": self.user.get_id(self.app, "open_id")}
        if not (self.app.store or self.user.is_external) and self.app.has_any(
            "contact:user.employee_id:readonly"
        ):
            ids["user_id"] = self.user.user_id
        return ids


def make_event(
    app: App, now: float, event_type: str, content: dict[str, Any], tenant_key: str
) -> dict[str, Any]:
    """Return an event of version 2.0; its time is in milliseconds."""
    return {
        "schema": "2.0",
        "header": {
            "event_id": secrets.token_hex(16),
            "token": _get_token(app),
            "create_time": str(int(now * 1000)),
            "event_type": event_type,
            "tenant_key": tenant_key,
            "app_id": app.app_id,
        },
        "event": content,
    }


def make_old_event(app: App, now: float, content: dict[str, Any]) -> dict[str, Any]:
    """Return an event of version 1.0; its `type` is in the content."""
    return {
        "ts": f"{now:.7f}",
        "uuid": secrets.token_hex(16),
        "token": _get_token(app),
        "type": "event_callback",
        "event": content,
    }


def _get_token(app: App) -> str:
    return "" if app.subscription is None else app.subscription.verification_token
