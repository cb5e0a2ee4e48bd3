"""What it means to wait for a card: which clicks count, and when they are an answer. Pure.

Cards that are made here carry a correlation in the value of their buttons, so that a click finds its wait
before anybody knows the message's id, and with it the people who may answer, so that whoever receives the
click can tell a stranger at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from lark_provider.protocol.callbacks import CardClick
from lark_provider.protocol.callbacks.storable import LONGEST_ID, is_id
from lark_provider.protocol.errors import ConfigurationError

CORRELATION, ALLOWED = "lark_wait", "lark_allowed"
"""Members of a button's value: the wait that it answers, and the open_ids of those who may."""


def marked(value: Mapping[str, Any], correlation: str, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """A button's value with the correlation in it.

    Args:
        value: What the card's author attached.
        correlation: Names the wait.
        allowed: The ids of those who may answer (open_id, user_id or union_id); empty for everybody.
    """
    return {**value, CORRELATION: correlation} | ({ALLOWED: list(allowed)} if allowed else {})


def unmarked(value: Any) -> Any:
    """A click's value as the card's author attached it."""
    if not isinstance(value, dict):
        return value
    return {name: part for name, part in value.items() if name not in {CORRELATION, ALLOWED}}


def correlation_of(click: CardClick) -> str | None:
    """Which wait a click is for, if its card says."""
    value = click.action.value
    found = value.get(CORRELATION) if isinstance(value, dict) else None
    return found if is_id(found) else None


def may_answer(click: CardClick, allowed: Iterable[str] | None = None) -> bool:
    """Whether whoever clicked is one of those who may.

    Args:
        click: The click.
        allowed: Their ids; None for those whom the card itself names. Empty for everybody.
    """
    names = set(_allowed_by_card(click) if allowed is None else allowed)
    who = click.operator
    return not names or bool(names & ({who.open_id, who.user_id, who.union_id} - {None, ""}))


def _allowed_by_card(click: CardClick) -> list[str]:
    value = click.action.value
    named = value.get(ALLOWED) if isinstance(value, dict) else None
    if named is None:
        return []
    # A card that was made elsewhere may say anything here. What is no id is nobody's.
    return [name if isinstance(name, str) else "" for name in (named if isinstance(named, list) else [named])]


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait for clicks.

    Attributes:
        key: Names the wait; its answer is decided once.
        message_ids: The cards.
        every: Whether each of them has to be answered; else the first click on any is the answer.
        correlation: The wait that the card's buttons name, instead of or beside the messages.
        actions: Which clicks count: the component's `name`, or `action` in its value. Empty for all.
        operators: Whose clicks count: open_id, user_id or union_id. Empty for everybody's.
        app_id: Whose cards count. None for those of all apps: then whoever has the keys of one that comes in
            the same way can make clicks on the cards of another.
    """

    key: str
    message_ids: tuple[str, ...] = ()
    every: bool = False
    correlation: str | None = None
    actions: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    app_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse a wait that nothing can end, or that no database can look for."""
        if not self.message_ids and not self.correlation:
            raise ConfigurationError(
                "There is nothing to wait for: neither a message id nor a correlation id. Next: pass the id "
                "that LarkSendMessageOperator returned."
            )
        if isinstance(self.message_ids, str):
            raise ConfigurationError(f"message_ids is {self.message_ids!r}. Next: pass it in a tuple.")
        ids = [self.key, *self.message_ids, *(() if self.correlation is None else (self.correlation,))]
        for unusable in (one for one in ids if not is_id(one)):
            raise ConfigurationError(
                f"{unusable!a:.80} is no id to wait for. Next: pass 1 to {LONGEST_ID} printable characters."
            )

    def as_dict(self) -> dict[str, Any]:
        """Itself in JSON's own types."""
        return {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(self).items()}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Wait:
        """What `as_dict` returned."""
        parts: dict[str, Any] = {
            name: tuple(part) if isinstance(part, list) else part for name, part in given.items()
        }
        return cls(**parts)

    def counts(self, click: CardClick) -> bool:
        """Whether a click is one that is waited for."""
        if click.message_id not in self.message_ids and (
            self.correlation is None or correlation_of(click) != self.correlation
        ):
            return False
        if self.app_id is not None and click.app_id != self.app_id:
            return False
        if self.actions and not set(self.actions) & _names(click):
            return False
        return may_answer(click) and may_answer(click, self.operators)

    def answer(self, clicks: Sequence[CardClick]) -> list[CardClick] | None:
        """The clicks that answer the wait, if they are all there.

        Args:
            clicks: In the order in which they were stored.

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


def _names(click: CardClick) -> set[str]:
    value = click.action.value
    named = value.get("action") if isinstance(value, dict) else value
    return {name for name in (click.action.name, named) if isinstance(name, str) and name}


def told(click: CardClick) -> dict[str, Any]:
    """A click in JSON's own types, as a task returns it.

    Returns:
        `event_id`, `operator` (open_id, user_id, union_id), `action` (tag, name, value, form_value, option,
        options, input_value, checked, timezone), `message_id`, `chat_id`, `clicked_at` (ISO 8601, UTC).
    """
    action = {part.name: getattr(click.action, part.name) for part in fields(click.action)}
    return {
        "event_id": click.event_id,
        "operator": asdict(click.operator),
        "action": action | {"value": unmarked(click.action.value), "options": list(click.action.options)},
        "message_id": click.message_id,
        "chat_id": click.chat_id,
        "clicked_at": click.created_at.isoformat(),
    }
