"""The stubs of one emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.stubs.stub import Stub

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark_emulator.exchange import Answer, Request

MAX_PLANS = 10_000


class Stubs:
    """What is planned. Those added last come first, in the order in which they were added together."""

    def __init__(self) -> None:
        self._all: list[Stub] = []
        self._last_id = 0

    def add(self, stubs: Iterable[Stub]) -> list[Stub]:
        """Add stubs, and return them.

        Raises:
            ValueError: there would be too many.
        """
        added = list(stubs)
        if len(self._all) + len(added) > MAX_PLANS:
            raise ValueError(f"there can be {MAX_PLANS} stubs. Next: delete those that are no longer needed")
        for stub in added:
            self._last_id += 1
            stub.id = self._last_id
            stub.used = 0
        self._all[:0] = added
        return added

    def remove(self, stub_id: int) -> None:
        """Remove a stub.

        Raises:
            ValueError: there is none with this id.
        """
        kept = [stub for stub in self._all if stub.id != stub_id]
        if len(kept) == len(self._all):
            raise ValueError(f"no stub has the id {stub_id}. Next: list them with GET /_emulator/stubs")
        self._all = kept

    def clear(self) -> None:
        """Remove all."""
        self._all.clear()

    def reset(self) -> None:
        """Count again from nothing: what was used up answers again."""
        for stub in self._all:
            stub.used = 0

    def strike(self, request: Request, now: float) -> tuple[Stub, Answer] | None:
        """Return the first stub that matches a request, with its answer; or None."""
        for stub in self._all:
            path = stub.path_values(request)
            if path is not None:
                return stub, stub.answer(request, path, now)
        return None

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return all of them as JSON."""
        return [stub.to_dict() for stub in self._all]

    def list_unused(self) -> list[dict[str, Any]]:
        """Return those that have answered no request."""
        return [stub.to_dict() for stub in self._all if not stub.used]
