"""Keys that identify the cards of questions and failures, and the buttons on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from lark_provider.protocol.waits import mark

PREFIX = "airflow:"
"""Begins the correlation of a click on a card of Airflow's; the key of the card follows."""

_KEY_CHARS = 64

ButtonAction: TypeAlias = Literal["answer", "ask_again", "retry", "claim", "mute"]


def make_card_key(ti_id: str, app_id: str, receiver: str, round_: int = 0) -> str:
    """Return the key of a question's card: one for each question, receiver and round.

    Args:
        ti_id: The task instance.
        app_id: The app that sends it.
        receiver: The chat or person.
        round_: From 0; a card that took clicks for 13 days is sent again.
    """
    return _compute_digest("question", ti_id, app_id, receiver, round_)


def make_incident_key(dag_id: str, run_id: str, app_id: str, receiver: str, round_: int = 0) -> str:
    """Return the key of the card of a run's failures: one for each run and receiver.

    Args:
        dag_id: The DAG.
        run_id: The run.
        app_id: The app that sends it.
        receiver: The chat or person.
        round_: From 0; a failure after all others have recovered begins another card.
    """
    return _compute_digest("incident", dag_id, run_id, app_id, receiver, round_)


def make_idempotency_key(card: str, *parts: object) -> str:
    """Return the `uuid` under which Lark recognizes a repeated message, 32 characters.

    Args:
        card: The key of the card.
        parts: What else makes it another message.
    """
    return _compute_digest(card, *parts)[:32]


def make_button_value(card: str, action: ButtonAction, **more: Any) -> dict[str, Any]:
    """Return the value of a button, which carries the card's key.

    Args:
        card: The key of the card.
        action: What a click on it means.
        more: E.g. the option.
    """
    return mark({"action": action, **more}, PREFIX + card)


def get_card_key(correlation: str | None) -> str | None:
    """Return the key of the card that a click was on; None if it is not one of Airflow's.

    A key that is longer than ours is another program's. It would not fit into our tables.
    """
    if correlation is None or not correlation.startswith(PREFIX):
        return None
    key = correlation.removeprefix(PREFIX)
    return key if len(key) <= _KEY_CHARS else None


def get_action(value: Any) -> str | None:
    """Return what a click means, from its value."""
    action = value.get("action") if isinstance(value, Mapping) else None
    return action if isinstance(action, str) else None


def _compute_digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
