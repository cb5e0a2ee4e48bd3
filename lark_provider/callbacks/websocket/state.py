"""What a listener is doing, for probes and metrics: read without I/O."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


class Phase(enum.Enum):
    """What an app's listener is doing."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"
    """The connection ended or did not come about; the next attempt follows after a pause."""
    REFUSED = "refused"
    """Lark refuses the app; attempts are many minutes apart."""
    LEAVING = "leaving"
    """No new delivery is taken; those in flight are answered."""


@dataclass(frozen=True, slots=True)
class AppState:
    """The state of one app.

    Attributes:
        app_id: The app.
        phase: What its listener is doing.
        since: Since when, UTC.
        in_flight: Deliveries that are not answered yet.
        connections: How many connections were opened so far.
        error: Why the last attempt failed or the last connection ended; None while connected.
    """

    app_id: str
    phase: Phase
    since: datetime
    in_flight: int
    connections: int
    error: str | None


@dataclass(frozen=True, slots=True)
class ListenState:
    """The state of a process that listens.

    Attributes:
        apps: The apps, by id; one whose credentials are being replaced may be there twice.
        sinks: Which sinks can store a click, by name, as last proved.
    """

    apps: tuple[AppState, ...]
    sinks: Mapping[str, bool]

    @property
    def connected(self) -> int:
        """How many apps are connected."""
        return sum(app.phase is Phase.CONNECTED for app in self.apps)

    @property
    def in_flight(self) -> int:
        """How many deliveries are not answered yet."""
        return sum(app.in_flight for app in self.apps)

    @property
    def is_ready(self) -> bool:
        """Whether clicks can be stored, and every app is connected that Lark does not refuse."""
        wanted = [app for app in self.apps if app.phase not in {Phase.REFUSED, Phase.LEAVING}]
        return any(self.sinks.values()) and bool(wanted) and self.connected == len(wanted)
