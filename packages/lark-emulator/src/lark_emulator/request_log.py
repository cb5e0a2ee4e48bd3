"""What was asked and answered: the newest requests, and counters of all."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, NamedTuple

KEPT = 10_000


class Entry(NamedTuple):
    """One request. Tokens, secrets and bodies are never kept."""

    time: float
    method: str
    path: str
    query: list[tuple[str, str]]
    route: str | None
    status: int | None
    code: int | None
    log_id: str
    body_size: int
    app_id: str | None
    tenant_key: str | None
    performed: bool
    dropped: str | None
    fault: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the entry for the control plane."""
        return {**self._asdict(), "query": [list(pair) for pair in self.query]}


class RequestLog:
    """The newest requests (bounded) and counters since the last reset."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.total = 0
        self.connections = 0
        self.crashes = 0
        self.gaps: Counter[str] = Counter()
        self.by_endpoint: Counter[str] = Counter()
        self.by_code: Counter[str] = Counter()

    def note(self, entry: Entry) -> None:
        """Keep one entry."""
        self.entries.append(entry)
        self.total += 1
        self.by_endpoint[entry.route or "not emulated"] += 1
        if entry.code is not None:
            self.by_code[str(entry.code)] += 1

    def shown(self, entry: Entry) -> dict[str, Any]:
        """Return one entry for the page."""
        return entry.as_dict()

    def as_dict(self) -> dict[str, Any]:
        """Return everything for the control plane."""
        return {
            "total": self.total,
            "connections": self.connections,
            "by_endpoint": dict(self.by_endpoint),
            "by_code": dict(self.by_code),
            "requests": [entry.as_dict() for entry in self.entries],
        }
