"""Owners and tags of DAGs, which routes look at, cached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from urllib.parse import quote

from lark_provider.bridge import reading
from lark_provider.bridge.airflow_api import AirflowApi
from lark_provider.bridge.reading import Dag

_CACHE_SECONDS = 600.0
_FEW = 5


class Dags:
    """The DAGs of an Airflow. For one event loop.

    Args:
        api: Airflow.
    """

    def __init__(self, api: AirflowApi) -> None:
        self._api = api
        self._known: dict[str, tuple[float, Dag]] = {}

    async def get(self, dag_ids: Collection[str]) -> dict[str, Dag]:
        """Return DAGs by their ids: few are read one by one, and more as a list.

        Args:
            dag_ids: The ids.

        Raises:
            LarkError: Airflow cannot be used.
        """
        now = time.monotonic()
        unknown = [dag_id for dag_id in dag_ids if dag_id not in self._known or self._known[dag_id][0] < now]
        if len(unknown) > _FEW:
            listed = await self._api.read_pages(
                "/dags", "dags", {"order_by": "dag_id", "exclude_stale": "false"}
            )
            self._known |= {
                entry["dag_id"]: (now + _CACHE_SECONDS, reading.read_dag(entry)) for entry in listed
            }
        else:
            entries = await asyncio.gather(
                *(self._api.get(f"/dags/{quote(dag_id, safe='')}") for dag_id in unknown)
            )
            self._known |= {
                dag_id: (now + _CACHE_SECONDS, reading.read_dag(entry))
                for dag_id, entry in zip(unknown, entries, strict=True)
            }
        return {dag_id: self._known[dag_id][1] if dag_id in self._known else Dag() for dag_id in dag_ids}
