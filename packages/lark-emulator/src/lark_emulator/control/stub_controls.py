"""Stubs and faults for Python callers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lark_emulator.control import stubbing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lark_emulator.control.plane import Operation
    from lark_emulator.faults import Fault
    from lark_emulator.stubs.stub import Stub


class StubControls(ABC):
    """The part of `Controls` for answers that a test plans."""

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def stub(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        status: int = 200,
        json: Any = None,
        text: str | None = None,
        answer_headers: Mapping[str, str] | None = None,
        template: bool = True,
        times: int | None = None,
        delay_ms: float = 0,
    ) -> int:
        """Answer the requests that match, see `Stub` for what each argument means.

        Returns:
            The stub's id.

        Raises:
            ValueError: it can match no request, or its answer cannot be sent.
        """
        from lark_emulator.stubs.stub import Stub

        stub = Stub(
            method=method,
            path=path,
            query=dict(query or {}),
            headers=dict(headers or {}),
            body=body,
            status=status,
            json=json,
            text=text,
            answer_headers=dict(answer_headers or {}),
            template=template,
            times=times,
            delay_ms=delay_ms,
        )
        (stub_id,) = self.add_stubs(stub)
        return stub_id

    def add_stubs(self, *stubs: Stub) -> list[int]:
        """Add stubs, all or none, and return their ids. Those added last are tried first."""
        plans = [_plan(stub) for stub in stubs]
        return [int(stub["id"]) for stub in self._do(stubbing.add, {"stubs": plans})["stubs"]]

    @contextmanager
    def stubbed(self, *stubs: Stub) -> Iterator[list[int]]:
        """Add stubs, and remove them at the end.

        Raises:
            ValueError: on entry, as `stub` does.
        """
        ids = self.add_stubs(*stubs)
        try:
            yield ids
        finally:
            remaining = {stub["id"] for stub in self.stubs()}
            for stub_id in ids:
                if stub_id in remaining:
                    self._do(stubbing.remove, {"id": stub_id})

    def stubs(self) -> list[dict[str, Any]]:
        """Return the stubs in the order in which they are tried, each with `id` and `used`."""
        stubs: list[dict[str, Any]] = self._do(stubbing.list_all, {})["stubs"]
        return stubs

    def unused_stubs(self) -> list[dict[str, Any]]:
        """Return the stubs that have answered no request: a typing error, or a call that was never made."""
        return [stub for stub in self.stubs() if not stub["used"]]

    def remove_stub(self, stub_id: int) -> None:
        """Remove a stub.

        Raises:
            ValueError: there is none with this id.
        """
        self._do(stubbing.remove, {"id": stub_id})

    def clear_stubs(self) -> None:
        """Remove all stubs."""
        self._do(stubbing.remove, {})

    def reset_stubs(self) -> None:
        """Count the use of all stubs from nothing: those that were used up answer again."""
        self._do(stubbing.reset, {})

    def add_faults(self, *faults: Fault) -> None:
        """Plan failures, see `Fault`.

        Raises:
            ValueError: an argument that makes no sense, or nothing to do; those before it are planned.
        """
        from lark_emulator.control import plane

        for fault in faults:
            self._do(plane.add_fault, asdict(fault))


def _plan(stub: Stub) -> dict[str, Any]:
    plan = stub.to_dict()
    return {name: value for name, value in plan.items() if name not in ("id", "used")}
