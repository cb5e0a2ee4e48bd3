from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.clouddoc.bulk import BulkResult
from lark_provider.storage import urls
from tests.services.postgres import Databases
from tests.storage import prepared

CREATE = "*/records/batch_create"
PATH = "/open-apis/bitable/v1/apps/:app_token/tables/:table_id/records"
QUICK: dict[str, Any] = {"settle_after": 0.3, "token_window": 0.0}
"""Options of a load whose uncertain chunks are looked for soon, and never sent again under their token."""


@dataclass
class LoadTable:
    """A table, and what is in it."""

    lark: Emulator
    app_token: str
    table_id: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def bitable(self) -> Any:
        return LarkServiceClient().clouddoc.bitable

    def load(self, source: Iterable[dict[str, Any]], key: str = "load", **options: Any) -> BulkResult:
        """Load, in chunks of ten."""
        arguments = {"chunk_size": 10, "idempotency_key": key, **options}
        result: BulkResult = self.bitable.bulk_insert(self.app_token, self.table_id, source, **arguments)
        return result

    def read_stored(self) -> list[dict[str, Any]]:
        """Return the values of all records, in the order of `No`."""
        records = self.bitable.search_records(self.app_token, self.table_id)
        return sorted(
            (record["fields"] for record in records), key=lambda fields: float(fields.get("No", -1))
        )

    def list_ids(self) -> list[str]:
        """Return the ids of all records."""
        return [record["record_id"] for record in self.bitable.search_records(self.app_token, self.table_id)]

    def requests(self, endpoint: str = "batch_create") -> int:
        """Return how often an endpoint of records was called."""
        return int(self.lark.state(summary=True)["by_endpoint"].get(f"POST {PATH}/{endpoint}", 0))


def make_rows(count: int, start: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Return rows; `changes` by number as `r7="other"`."""
    return [
        {"No": number, "Name": changes.get(f"r{number}", f"row {number}")}
        for number in range(start, start + count)
    ]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Create a database with our tables, set its URL in the environment, and return the URL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/lark.db"
    else:
        databases: Databases = request.getfixturevalue("databases")
        url = databases.make()
    prepared.upgrade(urls.parse(url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", url)
    return url


@pytest.fixture
def place(lark: Emulator) -> LoadTable:
    bitable = LarkServiceClient().clouddoc.bitable
    app_token = bitable.create_app("Loads").data["app"]["app_token"]
    fields: list[Any] = [
        {"field_name": "Name", "type": 1},
        {"field_name": "No", "type": 2},
        {"field_name": "Mark", "type": 1},
    ]
    return LoadTable(lark, app_token, bitable.create_table(app_token, "Rows", fields=fields).data["table_id"])


@pytest.fixture
def neighbour(lark: Emulator, place: LoadTable) -> Iterator[LarkServiceClient]:
    """Yield a client of another app that may write the table as well."""
    other = lark.add_app()
    lark.share_base(place.app_token, other["app_id"])
    with LarkServiceClient(other["app_id"], other["app_secret"], base_url=lark.base_url) as client:
        yield client


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Callable[[Callable[[Any], Any]], Any]:
    """Return a function that does some work with a client; each test runs with both clients in turn."""

    def run(work: Callable[[Any], Any]) -> Any:
        if request.param == "sync":
            return work(LarkServiceClient())

        async def work_async() -> Any:
            async with AsyncLarkServiceClient() as client:
                return await work(client)

        return asyncio.run(work_async())

    return run
