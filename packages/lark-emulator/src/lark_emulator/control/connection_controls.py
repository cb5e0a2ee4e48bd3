"""Long connections for Python callers: to look at them, and to break them."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lark_emulator.control import connections

if TYPE_CHECKING:
    from lark_emulator.control.plane import Operation


class ConnectionControls(ABC):
    """The part of `Controls` for long connections.

    `app_id` and `connection_id` choose which ones are meant; without them all are.
    """

    @abstractmethod
    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""

    def connections(self, app_id: str | None = None) -> list[dict[str, Any]]:
        """Return the open long connections, with what was received over each.

        Raises:
            ValueError: no such app.
        """
        shown: list[dict[str, Any]] = self._do(connections.list_all, {"app_id": app_id})["connections"]
        return shown

    def drop_connections(
        self,
        app_id: str | None = None,
        connection_id: str | None = None,
        *,
        code: int | None = None,
        reason: str | None = None,
    ) -> int:
        """Drop long connections, and return how many there were.

        Args:
            app_id: The id of the app whose connections are dropped; absent = all apps.
            connection_id: The id of the only connection to drop; absent = all of them.
            code: The status code of a close frame; absent = TCP breaks without one.
            reason: The reason in the close frame; it needs a `code`.

        Raises:
            ValueError: no such app or connection, or a code or reason that cannot be sent.
        """
        spec = {"app_id": app_id, "connection_id": connection_id, "code": code, "reason": reason}
        return int(self._do(connections.drop, spec)["dropped"])

    def hang_connections(self, app_id: str | None = None, connection_id: str | None = None) -> int:
        """Silence long connections while TCP stays (half-open), and return how many.

        Raises:
            ValueError: no such app or connection.
        """
        spec = {"app_id": app_id, "connection_id": connection_id}
        return int(self._do(connections.hang, spec)["hanging"])

    def send_raw(self, data: bytes | str, app_id: str | None = None, connection_id: str | None = None) -> int:
        """Send a WebSocket message as it is, binary or text, and return over how many connections.

        Raises:
            ValueError: no such app or connection.
        """
        content = {"text": data} if isinstance(data, str) else {"data": base64.b64encode(data).decode()}
        spec = {"app_id": app_id, "connection_id": connection_id, **content}
        return int(self._do(connections.send, spec)["sent"])

    def connection_fault(
        self, kind: str, *, app_id: str | None = None, times: int = 1, skip: int = 0
    ) -> None:
        """Plan a failure of events and card callbacks that are still to be delivered over long connections.

        Args:
            kind: The kind of failure: `lose`, `drop_before`, `drop_after`, `hang`, `garbage`, `duplicate`,
                `shuffle`, `incomplete`, `card` or `ignore_ack`, see `websocket.faults.KINDS`.
            app_id: The id of the app whose messages fail; absent = all apps.
            times: How many messages fail.
            skip: How many messages pass first.

        Raises:
            ValueError: an argument that makes no sense.
        """
        self._do(connections.add_fault, {"kind": kind, "app_id": app_id, "times": times, "skip": skip})

    def clear_connection_faults(self) -> None:
        """Forget all planned failures of messages."""
        self._do(connections.clear_faults, {})
