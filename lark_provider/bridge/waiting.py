"""In which states tasks wait for a person: that depends on the version of Airflow, which may be upgraded."""

from __future__ import annotations

from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.reading import list_waiting_states


class WaitingStates:
    """Asks Airflow for its version, and again when it may have changed. For one event loop.

    Args:
        api: Airflow.
    """

    def __init__(self, api: AirflowApi) -> None:
        self._api = api
        self._known: tuple[str, ...] | None = None

    async def get(self) -> tuple[str, ...]:
        """Return the states.

        Raises:
            LarkError: Airflow cannot be read.
        """
        if self._known is None:
            info = await self._api.get("/version") or {}
            self._known = list_waiting_states(str(info.get("version", "")))
        return self._known

    def forget(self) -> None:
        """Ask again: Airflow was unavailable or refused a query, and may be another version since."""
        self._known = None
