"""Waits for cards: which clicks count, and when they are an answer. No I/O or clock.

Cards that this package builds carry a correlation id in the value of their buttons, so that a click is
matched to its wait before the message's id is known. They also carry the ids of the people who may answer, so
that the gateway can reject the click of anyone else at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.callbacks.storable import MAX_ID_LENGTH, is_id
from lark_provider.protocol.errors import ConfigurationError

CORRELATION, ALLOWED = "lark_wait", "lark_allowed"
"""Keys in a button's value: the id of the wait, and the ids of the people who may answer."""


def mark(value: Mapping[str, Any], correlation: str, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Return a button's value with the correlation added.

    Args:
        value: The value that the card's author set.
        correlation: The id of the wait.
        allowed: The ids of those who may answer (open_id, user_id or union_id); empty for everybody.
    """
    return {**value, CORRELATION: correlation} | ({ALLOWED: list(allowed)} if allowed else {})


def unmark(value: Any) -> Any:
    """Return a click's value as the card's author set it."""
    if not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if name not in {CORRELATION, ALLOWED}}


def get_correlation(click: CardClick) -> str | None:
    """Return the id of the wait that a click is for, if its card carries one."""
    value = click.action.value
    correlation = value.get(CORRELATION) if isinstance(value, dict) else None
    return correlation if is_id(correlation) else None


def may_answer(click: CardClick, allowed: Iterable[str] | None = None) -> bool:
    """Return whether the user who clicked may answer.

    A user_id is unique only within its tenant, so it counts only for users of the app's own tenant: in a chat
    with another company, a user of that company may have the same one.

    Args:
        click: The click.
        allowed: The ids of those who may answer; None for those that the card names. Empty for everybody.
    """
    names = set(_list_allowed(click) if allowed is None else allowed)
    who = click.operator
    is_colleague = bool(who.tenant_key) and who.tenant_key == click.tenant_key
    ids = {who.open_id, who.union_id, who.user_id if is_colleague else None}
    return not names or bool(names & (ids - {None, ""}))


def _list_allowed(click: CardClick) -> list[str]:
    value = click.action.value
    allowed = value.get(ALLOWED) if isinstance(value, dict) else None
    if allowed is None:
        return []
    # The card of another program may hold any value here. A value that is not an id matches no user.
    names = allowed if isinstance(allowed, list) else [allowed]
    return [name if isinstance(name, str) else "" for name in names]


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait for clicks.

    Attributes:
        key: The id of the wait; its answer is decided only once.
        message_ids: The ids of the cards' messages.
        every: Whether each of them has to be answered; if False, the first click on any of them is the
            answer.
        correlation: The correlation id in the card's buttons, instead of or in addition to the messages.
        actions: The clicks that count: the component's `name`, or `action` in its value. Empty for all.
        operators: The people whose clicks count: open_id, user_id or union_id. Empty for everybody.
        app_id: The app whose cards count. None for all apps; then the holder of one app's keys can forge
            clicks on the cards of another app.
        options: The values of which `action` in the click's value must be one; a component's name does not
            count. Empty for any.
        until: The time after which clicks do not count, in seconds since the epoch. None for no limit.
    """

    key: str
    message_ids: tuple[str, ...] = ()
    every: bool = False
    correlation: str | None = None
    actions: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    app_id: str | None = None
    options: tuple[str, ...] = ()
    until: float | None = None

    def __post_init__(self) -> None:
        """Refuse a wait that no click can answer, or whose ids cannot be stored."""
        if not self.message_ids and not self.correlation:
            raise ConfigurationError(
                "A wait must have a message id or a correlation id, got neither. Next: pass the id that "
                "LarkSendMessageOperator returned."
            )
        if isinstance(self.message_ids, str):
            raise ConfigurationError(
                f"message_ids must be a tuple of strings, got {self.message_ids!r}. Next: pass it in a tuple."
            )
        ids = [self.key, *self.message_ids, *(() if self.correlation is None else (self.correlation,))]
        for unusable in (identifier for identifier in ids if not is_id(identifier)):
            raise ConfigurationError(
                f"The id of a wait, message or correlation must be 1 to {MAX_ID_LENGTH} printable "
                f"characters, got {unusable!a:.80}. Next: pass the id that Lark or LarkSendMessageOperator "
                "returned."
            )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Wait:
        """Make a wait from its fields, whose tuples JSON may have turned into lists."""
        parts: dict[str, Any] = {
            name: tuple(part) if isinstance(part, list) else part for name, part in content.items()
        }
        return cls(**parts)

    def counts(self, click: CardClick) -> bool:
        """Return whether a click counts for this wait."""
        if click.message_id not in self.message_ids and (
            self.correlation is None or get_correlation(click) != self.correlation
        ):
            return False
        if self.app_id is not None and click.app_id != self.app_id:
            return False
        if self.until is not None and click.created_at.timestamp() > self.until:
            return False
        if self.actions and not set(self.actions) & _get_names(click):
            return False
        if self.options and get_decision(click) not in self.options:
            return False
        return may_answer(click) and may_answer(click, self.operators)

    def answer(self, clicks: Sequence[CardClick]) -> list[CardClick] | None:
        """Return the clicks that answer the wait; None while some are missing.

        Args:
            clicks: The clicks, in the order in which they were stored.

        Returns:
            One click; with `every`, the first on each message, in the order of `message_ids`.
        """
        counted = [click for click in clicks if self.counts(click)]
        if not self.every or not self.message_ids:
            return counted[:1] or None
        first: dict[str, CardClick] = {}
        for click in counted:
            first.setdefault(click.message_id or "", click)
        if any(message_id not in first for message_id in self.message_ids):
            return None
        return [first[message_id] for message_id in self.message_ids]


def get_decision(click: CardClick) -> str | None:
    """Return which option of an approval was clicked: `action` in the value of the button."""
    value = click.action.value
    decision = value.get("action") if isinstance(value, dict) else None
    return decision if isinstance(decision, str) else None


def _get_names(click: CardClick) -> set[str]:
    value = click.action.value
    value_name = value.get("action") if isinstance(value, dict) else value
    return {name for name in (click.action.name, value_name) if isinstance(name, str) and name}


def to_xcom(click: CardClick) -> dict[str, Any]:
    """Return a click in JSON's types, as a task returns it.

    Returns:
        `event_id`, `operator` (open_id, user_id, union_id), `action` (tag, name, value, form_value, option,
        options, input_value, checked, timezone), `message_id`, `chat_id`, `clicked_at` (ISO 8601, UTC).
    """
    action = {part.name: getattr(click.action, part.name) for part in fields(click.action)}
    return {
        "event_id": click.event_id,
        "operator": {name: getattr(click.operator, name) for name in ("open_id", "user_id", "union_id")},
        "action": action | {"value": unmark(click.action.value), "options": list(click.action.options)},
        "message_id": click.message_id,
        "chat_id": click.chat_id,
        "clicked_at": click.created_at.isoformat(),
    }
