"""Loads that leave out the rows that do not fit, with and without a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.api.clouddoc.results import BulkResult
from lark_provider.errors import InvalidRequestError
from lark_provider.storage import urls
from tests.client.bitable_table import Table
from tests.client.conftest import Do, count
from tests.client.sync_table import RECORDS, by_key, table
from tests.storage import prepared

__all__ = ["table"]
BAD = {7: "?", 1500: "x", 2499: [1]}


@pytest.fixture(params=["ledger", "without"])
def _ledger(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "ledger":
        url = f"sqlite:///{tmp_path}/ledger.db"
        prepared.upgrade(urls.parse(url, "test"))
        monkeypatch.setenv("LARK_DATABASE_URL", url)


def source(bad: dict[int, Any]) -> Iterator[dict[str, Any]]:
    for number in range(2500):
        yield {"No": f"A-{number}", "Paid": bad.get(number, number)}


@pytest.mark.usefixtures("_ledger")
def test_rows_that_do_not_fit_are_left_out_and_retried_alone(lark: Emulator, do: Do, table: Table) -> None:
    def load(bad: dict[int, Any], key: str, **settings: Any) -> Any:
        return do(
            lambda c: c.clouddoc.bitable.bulk_insert(*table, source(bad), idempotency_key=key, **settings)
        )

    result = load(BAD, "load", on_bad_row="skip")
    assert (result.written, [reject.row for reject in result.rejects]) == (2497, [8, 1501, 2500])
    again = load(BAD, "load", on_bad_row="skip")
    assert (again.written, len(by_key(table))) == (2497, 2497), "the same rows are left out again"
    retried = load({}, "load, rejects", retry_rows={reject.row for reject in result.rejects})
    assert (retried.written, len(by_key(table))) == (3, 2500)
    assert by_key(table)["A-1500"]["Paid"] == 1500


@pytest.mark.usefixtures("_ledger")
@pytest.mark.parametrize("form", [list, iter])
def test_rows_beyond_the_end_of_the_source_are_refused_before_the_last_chunk(
    do: Do, table: Table, form: Callable[[Iterator[Any]], Any]
) -> None:
    with pytest.raises(InvalidRequestError, match=r"rows of this source, got row 2501 of 2500\. Next"):
        do(
            lambda c: c.clouddoc.bitable.bulk_insert(
                *table, form(source({})), idempotency_key="k", retry_rows={7, 2501}
            )
        )
    assert by_key(table) == {}


@pytest.mark.usefixtures("_ledger")
def test_too_many_rejects_stop_the_load(lark: Emulator, do: Do, table: Table) -> None:
    with pytest.raises(InvalidRequestError, match="max_rejects=0"):
        do(
            lambda c: c.clouddoc.bitable.bulk_insert(
                *table, source(BAD), on_bad_row="skip", max_rejects=0, idempotency_key="k"
            )
        )
    assert count(lark, f"{RECORDS}/batch_create") == 0
    with pytest.raises(InvalidRequestError, match="on_bad_row"):
        LarkServiceClient().clouddoc.bitable.bulk_insert(*table, [], on_bad_row="ignore")  # type: ignore[arg-type]  # as a user may


def test_an_asynchronous_source(lark: Emulator, table: Table) -> None:
    async def yield_rows() -> AsyncIterator[dict[str, Any]]:
        for row in source(BAD):
            yield row

    async def load() -> BulkResult:
        async with AsyncLarkServiceClient() as client:
            return await client.clouddoc.bitable.bulk_insert(*table, yield_rows(), on_bad_row="skip")

    result = asyncio.run(load())
    assert (result.written, len(result.rejects)) == (2497, 3)


def test_a_source_is_closed_when_a_load_stops(lark: Emulator, table: Table) -> None:
    closed = []

    def yield_rows() -> Iterator[dict[str, Any]]:
        try:
            yield from source(BAD)
        finally:
            closed.append(True)

    with pytest.raises(InvalidRequestError):
        LarkServiceClient().clouddoc.bitable.bulk_insert(
            *table, yield_rows(), on_bad_row="skip", max_rejects=0
        )
    assert closed == [True]
