"""What a watcher has reported is known at each moment, recorded or not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from pathlib import Path

from lark_provider.protocol.record_cursors import SeenRecord
from lark_provider.storage import urls
from lark_provider.storage.record_cursors import RecordCursors
from lark_provider.triggers.events import Offer
from lark_provider.triggers.reported import ReportedChanges


class SlowCursors(RecordCursors):
    """A store that answers a read only after something else was recorded."""

    has_read, may_answer = threading.Event(), threading.Event()

    def read_seen(self, record_ids: Collection[str] | None = None) -> dict[str, SeenRecord]:
        seen = super().read_seen(record_ids)
        self.has_read.set()
        assert self.may_answer.wait(60)
        return seen


def test_what_is_recorded_during_a_read_is_known_to_be_reported(tmp_path: Path) -> None:
    store = SlowCursors(urls.parse(f"sqlite:///{tmp_path / 'lark.db'}", "test"), "key")
    store.begin("cli_a", "base", "tbl", 1)
    reported, offer, seen = ReportedChanges(store, "tbl"), Offer("scan"), {"rec1": SeenRecord(5, 5)}

    async def work() -> dict[str, SeenRecord]:
        reported.record_once_stored(offer, seen, None)
        read_task = asyncio.create_task(reported.read(["rec1"]))
        assert await asyncio.to_thread(store.has_read.wait, 60)
        for record in offer.stored:
            await record()
        store.may_answer.set()
        return await read_task

    assert asyncio.run(work()) == seen
    assert RecordCursors.read_seen(store) == seen
