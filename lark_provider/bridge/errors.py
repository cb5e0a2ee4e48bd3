"""Errors of Airflow's REST API."""

from __future__ import annotations

from lark_provider.protocol.errors import LarkError, TransportError

_FORBIDDEN = 403


class AirflowUnavailableError(TransportError):
    """Airflow's API server was not reached, was too slow, or failed; the request may be repeated."""


class AirflowRefusedError(LarkError):
    """Airflow's API server refused a request.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status

    @property
    def is_forbidden(self) -> bool:
        """Whether the account may not; what else is refused, as for a revoked token, may pass."""
        return self.status == _FORBIDDEN


class AirflowTooLongError(AirflowRefusedError):
    """Airflow's API server gave an answer that is longer than the bridge reads."""
