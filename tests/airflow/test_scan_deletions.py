"""A scan reports a deletion only if Lark says that the record is gone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.protocol.record_cursors import DELETED, Cursor, SeenRecord
from lark_provider.storage import urls
from lark_provider.storage.record_cursors import RecordCursors
from lark_provider.triggers import scanning
from lark_provider.triggers.reported import ReportedChanges
from lark_provider.triggers.scanning import ScanBatch, Scanner
from lark_provider.triggers.wanted import WantedRecords
from lark_provider.triggers.watched_table import WatchedTable


def make_wanted(base: str, table: str) -> WantedRecords:
    return WantedRecords(
        app_token=base,
        table_id=table,
        fields=(),
        changes=(),
        skip_own=True,
        deletions=True,
        modified_field=None,
        scan_every=10.0,
        max_payload_bytes=65_536,
        lark_conn_id="lark_default",
    )


def test_a_record_that_cannot_be_read_now_or_is_hidden_is_not_reported_as_deleted(
    lark: Emulator, tmp_path: Path
) -> None:
    secrets = (lark.app_id, lark.app_secret)
    with LarkServiceClient(*secrets, base_url=lark.base_url) as client:
        app = client.clouddoc.bitable.create_app("orders").data["app"]
    base, table = app["app_token"], app["default_table_id"]
    existing, gone = lark.add_rows(base, table, [{"Text": "there"}, {"Text": "gone"}], user_id="alice")
    lark.edit_rows(base, table, [{"do": "delete", "records": [gone]}], user_id="alice")
    store = RecordCursors(urls.parse(f"sqlite:///{tmp_path / 'lark.db'}", "test"), "key")
    store.note({existing: SeenRecord(1), gone: SeenRecord(1)})

    async def work() -> list[list[Any]]:
        async with AsyncLarkServiceClient(*secrets, base_url=lark.base_url, max_retries=0) as client:
            watched, reported = WatchedTable(client, base, table), ReportedChanges(store, table)
            wanted = make_wanted(base, table)
            scanner = Scanner(wanted, watched, reported, "", Cursor(0, 0))

            async def scan_all() -> list[Any]:
                # As if both were missing in the pages of a search, while others wrote.
                batch = ScanBatch(scanner, dict.fromkeys((existing, gone), (DELETED, None)))
                payloads = [payload async for payload in scanner.iterate_payloads(batch)]
                return [
                    (record["record_id"], record["change"]) for part in payloads for record in part["records"]
                ]

            lark.fault("POST", "*/records/batch_get", status=503, times=1)
            while_unavailable = await scan_all()
            lark.limit_base(base, sees="none")
            return [while_unavailable, await scan_all()]

    assert asyncio.run(work()) == [[], [(gone, "deleted")]]


def test_all_records_of_a_large_table_are_noted_in_several_transactions(
    lark: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_NOTED", 10)
    secrets = (lark.app_id, lark.app_secret)
    with LarkServiceClient(*secrets, base_url=lark.base_url) as client:
        app = client.clouddoc.bitable.create_app("orders").data["app"]
    base, table = app["app_token"], app["default_table_id"]
    ids = lark.add_rows(base, table, [{"Text": str(number)} for number in range(25)], user_id="alice")
    store = RecordCursors(urls.parse(f"sqlite:///{tmp_path / 'lark.db'}", "test"), "key")

    async def work() -> int:
        async with AsyncLarkServiceClient(*secrets, base_url=lark.base_url) as client:
            wanted = make_wanted(base, table)
            watched = WatchedTable(client, base, table)
            await watched.read_fields()
            began = int((time.time() + 3600) * 1000)
            return await Scanner(
                wanted, watched, ReportedChanges(store, table), "", Cursor(began, began)
            ).scan()

    assert asyncio.run(work()) == 0
    assert store.read_seen().keys() >= set(ids)
