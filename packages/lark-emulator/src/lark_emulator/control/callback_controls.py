"""Callbacks for Python callers: the address of an app, events, and users who use cards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import clicks, console

if TYPE_CHECKING:
    from lark_emulator.control.plane import Operation


class CallbackControls(ABC):
    """The part of `Controls` that needs a running emulator. Stopped, it raises RuntimeError."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def set_callback(
        self,
        url: str,
        *,
        app_id: str | None = None,
        event_url: str | None = None,
        encrypt_key: str | None = None,
        verification_token: str | None = None,
        old_cards: bool = False,
        verify: bool = True,
    ) -> dict[str, Any]:
        """Set where an app wants its callbacks and events; the address must return a challenge first.

        Args:
            url: The URL for card callbacks; an empty string removes the address.
            app_id: The app's id; absent = the app that exists from the start.
            event_url: The URL for events; absent = `url`.
            encrypt_key: The key that encrypts and signs everything that is sent; absent = neither.
            verification_token: The token that everything that is sent contains; generated if absent.
            old_cards: Whether card callbacks come as `card.action.trigger_v1`.
            verify: Whether to send the challenge to the addresses first.

        Returns:
            `app_id`, `url`, `event_url`, `encrypt_key`, `verification_token`.

        Raises:
            MissingExtraError: an `encrypt_key` needs the extra `tls`, which is not installed.
            ValueError: the address did not return the challenge.
        """
        spec = {
            "app_id": app_id,
            "url": url,
            "event_url": event_url,
            "encrypt_key": encrypt_key,
            "verification_token": verification_token,
            "old_cards": old_cards,
            "verify": verify,
        }
        return self._do(console.set_callback, spec)

    def click(
        self, message_id: str, user: str, component: str | None = None, *, copies: int = 1, **inputs: Any
    ) -> dict[str, Any]:
        """Let a user use a card, and return its outcome.

        Args:
            message_id: The id of the message that contains the card.
            user: The user_id of a member of its chat.
            component: The component's `name`, its `element_id` or its label; absent if the card has only one.
            copies: How many times the same callback is sent.
            inputs: What was chosen or typed: `option`, `options`, `input_value`, `checked`, `form_value`,
                `timezone`; or `action`, which is sent as it is.

        Returns:
            `event_id`, `token`, `user`, `action`; `status` (HTTP), `code` (0, or what the client shows),
            `error` (why), `toast`, `card_updated`; over the long connection also `connection_id` and
            `problems`; with `copies` also `repeats`.

        Raises:
            ValueError: no such card, user or component, or it cannot be used like this.
        """
        spec = {"message_id": message_id, "user": user, "component": component, "copies": copies, **inputs}
        return self._do(clicks.click, spec)

    def push_event(
        self,
        event_type: str,
        event: dict[str, Any],
        *,
        app_id: str | None = None,
        version: str = "2.0",
        tenant_key: str | None = None,
        copies: int = 1,
    ) -> dict[str, Any]:
        """Send an app an event, and return after the first try.

        Args:
            event_type: The type of the event, such as `im.message.receive_v1`.
            event: The content of the event, its member `event`.
            app_id: The app's id; absent = the app that exists from the start.
            version: The version of the event's format: `2.0` or `1.0`.
            tenant_key: The key of the tenant in which it happened; absent = the emulator's own.
            copies: How many times the event arrives.

        Returns:
            `event_id`, `app_id`, `event_type`, `state` (`pending`, `delivered`, `failed`), `next_attempt`
            and `attempts`.

        Raises:
            ValueError: the app has no address for events and no long connection.
        """
        spec = {
            "app_id": app_id,
            "type": event_type,
            "event": event,
            "version": version,
            "tenant_key": tenant_key,
            "copies": copies,
        }
        return self._do(console.push_event, spec)
