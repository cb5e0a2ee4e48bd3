"""How a service for the tests is chosen: the first candidate that can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Server = TypeVar("Server")


class UnavailableError(Exception):
    """Why one candidate is not to be had, in a few words."""


class ServiceMissingError(Exception):
    """No candidate is to be had. The text says what was tried and what to install."""


@dataclass(frozen=True)
class Candidate(Generic[Server]):
    """A way to a service: `how` names it to people, `take` returns the server or raises UnavailableError."""

    how: str
    take: Callable[[], Server]


@dataclass(frozen=True)
class Found(Generic[Server]):
    """A service, how it was found, and what was tried before."""

    server: Server
    how: str
    refused: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.server} ({'; '.join((self.how, *self.refused))})"


def first(service: str, candidates: Iterable[Candidate[Server]], next_step: str) -> Found[Server]:
    """Take the first candidate that can be had; later ones are not touched."""
    refused: list[str] = []
    for candidate in candidates:
        try:
            server = candidate.take()
        except UnavailableError as reason:
            refused.append(f"{candidate.how}: {reason}")
        else:
            return Found(server, candidate.how, tuple(refused))
    raise ServiceMissingError(f"No {service} for the tests ({'; '.join(refused)}). Next: {next_step}")
