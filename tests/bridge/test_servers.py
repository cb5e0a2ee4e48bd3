"""API servers that do not fit the bridge are named in its log, once each, and until they do."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from sqlalchemy.engine import URL

from lark_provider import __version__
from lark_provider.bridge.servers import ApiServerWatch
from lark_provider.storage.api_servers import ApiServer, ApiServers

OLD = ApiServer("a", "api-1", "0.0.9", "3.2.2", guarded=True)
UNGUARDED = ApiServer("b", "api-2", __version__, "3.4.0", guarded=False, problem="the model differs")
GOOD = ApiServer("c", "api-3", __version__, "3.3.2", guarded=True)
OTHER_VERSION = "API server has another version of this package"
READ_BACK = "API server has no answer guard; verifying each answer after submitting it"
AGAIN = "All API servers are compatible with this bridge again"


def test_each_change_is_told_once(url: URL, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lark_provider.bridge.servers")
    store = ApiServers(url)
    watch = ApiServerWatch(store)

    def look_and_read_log(times: int = 1) -> list[str]:
        caplog.clear()
        for _ in range(times):
            asyncio.run(watch.check())
        return [record.message for record in caplog.records]

    assert look_and_read_log() == []
    store.record(GOOD)
    assert look_and_read_log() == []
    store.record(OLD)
    assert look_and_read_log(3) == [OTHER_VERSION]
    assert not caplog.text.count("api-3")
    store.record(UNGUARDED)
    assert look_and_read_log(3) == [READ_BACK]
    assert vars(caplog.records[0])["problem"] == "the model differs"
    assert not store.are_all_guarded()
    store.record(replace(UNGUARDED, guarded=True, problem=None))
    store.record(replace(OLD, version=__version__))
    assert look_and_read_log(3) == [AGAIN]
    assert store.are_all_guarded()
