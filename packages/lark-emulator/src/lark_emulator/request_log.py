"""What was asked and answered: the newest requests with their bodies, and counters of all."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lark_emulator.masking import mask_pair, mask_text, mask_values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from lark_emulator.settings import Settings

#: How many clicks are kept; of requests, `Settings.log_entries` says it.
KEPT = 10_000
_TEXTS = ("application/json", "text/", "application/x-www-form-urlencoded", "application/xml")


@dataclass(slots=True)
class Body:
    """The body of a request or an answer. What it holds in memory is masked whenever it is read."""

    content: bytes
    content_type: str = ""
    length: int = field(init=False)
    is_kept: bool = True

    def __post_init__(self) -> None:
        """Note the length, which stays when the content is dropped."""
        self.length = len(self.content)

    def drop(self) -> None:
        """Keep length and type only."""
        self.content, self.is_kept = b"", False

    @property
    def is_text(self) -> bool:
        """Whether a person can read it."""
        return not self.content_type or self.content_type.startswith(_TEXTS)

    def to_text(self, path: str, secrets: Collection[str]) -> str:
        """Return it as text without credentials; what is binary or too long is named by its length."""
        name = f"<{self.length} bytes of {self.content_type.partition(';')[0] or 'text'}>"
        if not self.is_kept:
            return name if self.length else ""
        if not self.is_text:
            return name if self.length else ""
        try:
            text = self.content.decode()
        except UnicodeDecodeError:
            return name
        return mask_values(mask_text(text, path, self.content_type), secrets)


@dataclass(slots=True)
class Entry:
    """One request and its answer. Headers are never kept: `Authorization` is one of them."""

    at: float
    method: str
    path: str
    query: list[tuple[str, str]]
    route: str | None
    status: int | None
    code: int | None
    log_id: str
    app_id: str | None
    tenant_key: str | None
    performed: bool
    dropped: str | None
    fault: bool
    ms: float
    request: Body
    response: Body
    answered_by: str = "emulator"
    id: int = 0

    def to_dict(self, secrets: Collection[str] = ()) -> dict[str, Any]:
        """Return the entry for the control plane.

        Args:
            secrets: Credentials that are known, which never show.
        """
        return {
            "id": self.id,
            "at": self.at,
            "time": self.at,
            "method": self.method,
            "path": mask_values(self.path, secrets),
            "query": [
                [name, mask_values(mask_pair(name, value, self.path), secrets)] for name, value in self.query
            ],
            "route": self.route,
            "status": self.status,
            "code": self.code,
            "log_id": self.log_id,
            "body_size": self.request.length,
            "app_id": self.app_id,
            "tenant_key": self.tenant_key,
            "performed": self.performed,
            "dropped": self.dropped,
            "fault": self.fault,
            "answered_by": self.answered_by,
            "ms": round(self.ms, 3),
            "request": self.request.to_text(self.path, secrets),
            "response": self.response.to_text(self.path, secrets),
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for.

    Args:
        method: An HTTP method, or `*`.
        path: An exact path, a template as Lark's pages write it, or a pattern with `*`.
        after: Only entries with a greater id.
        limit: The newest so many; None = all.
    """

    method: str = "*"
    path: str = "*"
    after: int = 0
    limit: int | None = None

    def holds(self, entry: Entry) -> bool:
        """Return whether an entry is one of them."""
        if entry.id <= self.after or self.method not in ("*", entry.method):
            return False
        if self.path in ("*", entry.path) or (entry.route or "").partition(" ")[2] == self.path:
            return True
        return "*" in self.path and fnmatchcase(entry.path, self.path)


class RequestLog:
    """The newest requests (bounded in number and in bytes) and counters since the last reset.

    Args:
        settings: Say how much is kept.
        secrets: Returns the credentials that must not show.
    """

    def __init__(self, settings: Settings, secrets: Callable[[], Collection[str]] = lambda: ()) -> None:
        self._settings = settings
        self._secrets = secrets
        self.entries: deque[Entry] = deque()
        self._with_bodies: deque[Entry] = deque()
        self._bytes = 0
        self.total = 0
        self.connections = 0
        self.crashes = 0
        self.gaps: Counter[str] = Counter()
        self.by_endpoint: Counter[str] = Counter()
        self.by_code: Counter[str] = Counter()

    def note(self, entry: Entry) -> None:
        """Keep one entry."""
        self.total += 1
        entry.id = self.total
        self.by_endpoint[entry.route or "not emulated"] += 1
        if entry.code is not None:
            self.by_code[str(entry.code)] += 1
        for body in (entry.request, entry.response):
            if body.length > self._settings.log_body_bytes or not body.is_text:
                body.drop()
        self.entries.append(entry)
        self._with_bodies.append(entry)
        self._bytes += _count_bytes(entry)
        while len(self.entries) > self._settings.log_entries:
            gone = self.entries.popleft()
            if self._with_bodies and self._with_bodies[0] is gone:
                self._bytes -= _count_bytes(self._with_bodies.popleft())
        while self._bytes > self._settings.log_bytes:
            oldest = self._with_bodies.popleft()
            self._bytes -= _count_bytes(oldest)
            oldest.request.drop()
            oldest.response.drop()

    def render(self, entry: Entry) -> dict[str, Any]:
        """Return one entry for the page, without credentials that are known."""
        return entry.to_dict(self._secrets())

    def select(self, which: Wanted) -> Iterator[Entry]:
        """Yield entries, oldest first."""
        entries: Iterable[Entry] = (entry for entry in self.entries if which.holds(entry))
        if which.limit is not None:
            entries = deque(entries, maxlen=which.limit)
        yield from entries

    def to_dict(self, which: Wanted | None = None) -> dict[str, Any]:
        """Return counters and entries for the control plane."""
        secrets = self._secrets()
        return {
            "total": self.total,
            "connections": self.connections,
            "by_endpoint": dict(self.by_endpoint),
            "by_code": dict(self.by_code),
            "requests": [entry.to_dict(secrets) for entry in self.select(which or Wanted())],
        }


def _count_bytes(entry: Entry) -> int:
    return len(entry.request.content) + len(entry.response.content)
