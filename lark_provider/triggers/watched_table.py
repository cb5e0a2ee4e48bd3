"""A watched table at Lark: its fields, and its records as they are now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lark_provider.api.clouddoc.record_events import EventValues
from lark_provider.errors import LarkError

if TYPE_CHECKING:
    from lark_provider.client import AsyncLarkServiceClient

logger = logging.getLogger(__name__)

_READ_SECONDS, _READ_SECONDS_AFTER_FAILURE = 30.0, 3.0
"""Airflow gives an event five minutes in all, and up to fifty wait in line."""


class WatchedTable:
    """A table that is read for what is reported of it. What cannot be read now is reported without values.

    Args:
        client: Reaches Lark.
        base: The base's token.
        table: The table's id.

    Attributes:
        values: Decodes the values of events by the table's fields; replaced once the fields have changed.
        absent: Those records of the last `read` that do not exist, by Lark's word; others may be hidden.
    """

    def __init__(self, client: AsyncLarkServiceClient, base: str, table: str) -> None:
        self.client, self.base, self.table = client, base, table
        self.values = EventValues(())
        self.absent: frozenset[str] = frozenset()
        self._is_readable = True

    @property
    def place(self) -> dict[str, Any]:
        """The members that each payload begins with."""
        return {"app_token": self.base, "table_id": self.table}

    async def read(self, record_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return the records that exist, by id; none if Lark cannot be asked now.

        Args:
            record_ids: The records.
        """
        self.absent = frozenset()
        if not record_ids:
            return {}
        try:
            async with asyncio.timeout(self._seconds):
                batch = await self.client.clouddoc.bitable.get_records(
                    self.base, self.table, record_ids, automatic_fields=True
                )
        except (LarkError, TimeoutError) as error:
            self._is_readable = False
            fields = {"table": self.table, "records": len(record_ids), "error": _describe(error)}
            logger.warning("Records not read; reported without values", extra=fields)
            return {}
        self._is_readable, self.absent = True, frozenset(batch.absent)
        return {record["record_id"]: record for record in batch.records}

    async def read_fields(self) -> None:
        """Read the fields.

        Raises:
            LarkError: They cannot be read.
        """
        listed = self.client.clouddoc.bitable.list_fields(self.base, self.table)
        self.values = EventValues([field async for field in listed])

    async def try_read_fields(self) -> None:
        """Read the fields; where that fails, values stay as they came."""
        try:
            async with asyncio.timeout(self._seconds):
                await self.read_fields()
        except (LarkError, TimeoutError) as error:
            fields = {"table": self.table, "error": _describe(error)}
            logger.warning("Fields of a table not read; values stay as Lark sent them", extra=fields)

    @property
    def _seconds(self) -> float:
        return _READ_SECONDS if self._is_readable else _READ_SECONDS_AFTER_FAILURE


def _describe(error: Exception) -> str:
    return str(error) or "no answer in time"
