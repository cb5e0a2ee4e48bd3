"""Clicks on cards of Airflow's, as they are delivered, and as their results are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lark_provider.protocol.callbacks import CardClick


@dataclass(frozen=True, slots=True)
class QueuedClick:
    """A click that is to be delivered.

    Attributes:
        event_id: The click's id in the table; see `Inbox`.
        card: The key of its card.
        attempts: How often it was delivered, this time included.
        age: Seconds since it was found.
        click: The click.
    """

    event_id: str
    card: str
    attempts: int
    age: float
    click: CardClick


@dataclass(frozen=True, slots=True)
class ClickOutcome:
    """The outcome of a click, which has yet to be shown to the person who clicked.

    Attributes:
        app_id: The id of the app.
        event_id: The click's id in the table.
        card: The key of its card.
        open_id: The open_id of the person who clicked.
        result: The plugin's answer.
        age: Seconds since the result is known.
    """

    app_id: str
    event_id: str
    card: str
    open_id: str
    result: dict[str, Any]
    age: float
