"""Requests stay below the documented rates, also among processes that share a database."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark_emulator import Emulator

from lark_provider import AsyncLarkServiceClient, LarkServiceClient, config
from lark_provider.engine import pacing
from lark_provider.engine.buckets import Buckets
from lark_provider.errors import ConfigurationError, DeadlineExceededError
from lark_provider.protocol.pacing import SHARE, Limit, Rate, list_limits
from lark_provider.storage import pace, urls
from tests.client.conftest import CHAT
from tests.failures.crowd import Crowd
from tests.storage import prepared

V2, V3 = (f"/open-apis/sheets/{version}/spreadsheets/shtcn1" for version in ("v2", "v3"))
APP, TABLE = "/open-apis/bitable/v1/apps/bascn1", "/open-apis/bitable/v1/apps/bascn1/tables/tbl1"


@pytest.fixture(autouse=True)
def _paced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARK_PACING")


@pytest.mark.parametrize(
    ("method", "path", "rates"),
    [
        ("POST", f"{TABLE}/records/search", {(20, 1)}),
        ("POST", f"{TABLE}/records/batch_get", {(20, 1)}),
        ("POST", f"{TABLE}/records/batch_create", {(50, 1)}),
        ("POST", f"{TABLE}/records", {(50, 1)}),
        ("PUT", f"{TABLE}/records/recabc1", {(50, 1)}),
        ("GET", f"{TABLE}/fields", {(20, 1)}),
        ("POST", f"{TABLE}/fields", {(10, 1)}),
        ("PUT", f"{TABLE}/fields/fldabc1", {(10, 1)}),
        ("POST", "/open-apis/bitable/v1/apps", {(20, 60)}),
        ("GET", APP, {(20, 1)}),
        ("POST", f"{APP}/tables", {(10, 1)}),
        ("POST", "/open-apis/contact/v3/users/batch_get_id", {(50, 1), (1000, 60)}),
        ("GET", "/open-apis/contact/v3/users/ou_1", {(50, 1), (1000, 60)}),
        ("POST", "/open-apis/im/v1/messages", {(50, 1), (1000, 60)}),
        ("POST", "/open-apis/im/v1/messages/om_1/reply", {(50, 1), (1000, 60)}),
        ("GET", "/open-apis/wiki/v2/spaces/get_node", {(100, 60)}),
        ("PUT", f"{V2}/values", {(100, 1)}),
        ("GET", f"{V2}/values/0b12!A1:B2", {(100, 1)}),
        ("POST", "/open-apis/sheets/v3/spreadsheets", {(20, 60)}),
        ("PATCH", V3, {(20, 60)}),
        ("GET", V3, {(100, 60)}),
        ("GET", f"{V3}/sheets/query", {(100, 60)}),
        ("POST", f"{V3}/sheets/0b12/find", {(100, 60)}),
        ("POST", f"{V3}/sheets/0b12/replace", {(20, 60)}),
        ("POST", f"{V3}/sheets/0b12/filter", {(20, 60)}),
        ("GET", f"{V3}/sheets/0b12/filter", {(100, 60)}),
        ("GET", "/open-apis/drive/v1/permissions/shtcn1/members", {(1000, 60)}),
        ("POST", "/open-apis/drive/v1/permissions/shtcn1/members", {(100, 60)}),
        ("PUT", "/open-apis/drive/v1/permissions/shtcn1/members/ou_1", {(100, 60)}),
        ("PATCH", "/open-apis/drive/v2/permissions/shtcn1/public", {(100, 60)}),
        ("GET", "/open-apis/drive/v1/files", {(20, 1)}),
        ("POST", "/open-apis/drive/v1/files/create_folder", {(5, 1)}),
        ("POST", "/open-apis/drive/v1/files/shtcn1/copy", {(5, 1)}),
        ("DELETE", "/open-apis/drive/v1/files/shtcn1", {(5, 1)}),
        ("GET", "/open-apis/bot/v3/info", set()),
    ],
)
def test_each_endpoint_has_its_documented_limits(
    method: str, path: str, rates: set[tuple[int, float]]
) -> None:
    applied = list_limits(method, path)
    assert {(round(each_minute(limit) / SHARE), limit.key.rpartition(" ")[2]) for limit in applied} == {
        (round(count / seconds * 60), f"{seconds:g}") for count, seconds in rates
    }


DOCUMENTED: dict[str, Any] = json.loads((files("lark_emulator") / "documented.json").read_text())["endpoints"]


@pytest.mark.parametrize("endpoint", [name for name, facts in DOCUMENTED.items() if facts.get("rates")])
def test_no_request_is_sent_faster_than_documented(endpoint: str) -> None:
    method, _, path = endpoint.partition(" ")
    limits, others = (list_limits(method, re.sub(r":\w+", name, path)) for name in ("recabc1", "reczzz9"))
    assert limits == others  # Lark counts by endpoint, whatever the ids are.
    for count, seconds in DOCUMENTED[endpoint]["rates"]:
        assert min(each_minute(limit) for limit in limits) <= count / seconds * 60


def each_minute(limit: Limit) -> float:
    return 60 / limit.interval


def test_spreadsheets_share_a_limit_and_endpoints_do_not() -> None:
    def find_key(method: str, path: str) -> str:
        return list_limits(method, path)[0].key

    sheet = "/open-apis/sheets/v3/spreadsheets/{}/sheets/{}/{}"
    assert find_key("POST", sheet.format("shtcn1", "0b12", "find")) == find_key(
        "POST", sheet.format("shtcn2", "0b13", "find")
    )
    assert find_key("POST", sheet.format("shtcn1", "0b12", "find")) != find_key(
        "POST", sheet.format("shtcn1", "0b12", "filter")
    )
    values = "/open-apis/sheets/v2/spreadsheets/{}/values/{}!A1:B2"
    assert find_key("GET", values.format("shtcn1", "0b12")) == find_key(
        "GET", values.format("shtcn2", "0b13")
    )
    members = "/open-apis/drive/v1/permissions/{}/members/{}"
    assert find_key("PUT", members.format("shtcn1", "ou_1")) == find_key(
        "PUT", members.format("shtcn2", "ou_2")
    )


def test_tables_share_a_limit_and_endpoints_do_not() -> None:
    [search] = list_limits("POST", f"{TABLE}/records/search")
    [other] = list_limits("POST", "/open-apis/bitable/v1/apps/bascn2/tables/tbl2/records/search")
    [write] = list_limits("POST", f"{TABLE}/records/batch_create")
    assert search.key == other.key != write.key
    assert (
        list_limits("GET", "/open-apis/im/v1/messages/om_1")[0].key
        == list_limits("GET", "/open-apis/im/v1/messages/om_2")[0].key
    )
    assert (
        list_limits("POST", "/open-apis/im/v1/messages", "oc_1")[2].key
        != list_limits("POST", "/open-apis/im/v1/messages", "oc_2")[2].key
    )


@settings(deadline=None)
@given(count=st.integers(1, 2000), seconds=st.sampled_from([1.0, 60.0]), pause=st.floats(0, 200))
def test_no_window_ever_has_more_than_lark_takes(count: int, seconds: float, pause: float) -> None:
    limit, buckets = Limit.of("x", Rate(count, seconds)), Buckets()
    now = time.monotonic()
    buckets.put("app", {limit: now - pause - limit.burst}, {limit: 0})
    times = [max(now, buckets.reserve("app", [limit], float("inf"))) for _ in range(2 * count + 2)]
    for first in range(len(times) - count):
        assert times[first + count] - times[first] >= seconds - 0.01


def count_refused(lark: Emulator) -> int:
    return sum(
        request["status"] == 429 or request["code"] in {99991400, 230020} for request in lark.requests()
    )


LATE = 2
"""Of dozens: on a busy machine, a request may be sent late, together with the next one."""


def test_many_calls_at_once_run_into_no_limit(lark: Emulator) -> None:
    client = LarkServiceClient()
    with ThreadPoolExecutor(30) as pool:
        list(pool.map(lambda number: client.contact.get_id(f"u{number}@example.com"), range(60)))
        list(pool.map(lambda number: client.messaging.send_text(CHAT, f"{number}"), range(12)))
    assert count_refused(lark) <= LATE


def test_tasks_of_a_loop_share_the_pace(lark: Emulator) -> None:
    async def all_at_once() -> None:
        async with AsyncLarkServiceClient() as client:
            await asyncio.gather(*(client.contact.get_id(f"u{number}@example.com") for number in range(60)))

    asyncio.run(all_at_once())
    assert count_refused(lark) <= LATE


def ask(count: int) -> int:
    client = LarkServiceClient(max_retries=0)
    for number in range(count):
        client.contact.get_id(f"u{number}@example.com")
    return count


def test_processes_that_share_a_database_share_the_pace(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    prepared.upgrade(urls.parse(database_url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    with Crowd(8) as crowd:
        outcomes = crowd.all(ask, 10)
    assert Counter(outcome.error for outcome in outcomes) == {"": 8}
    assert count_refused(lark) == 0


def test_it_can_be_turned_off(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    lark.settings(rate_limits=False)
    monkeypatch.setenv("LARK_PACING", "0")
    client = LarkServiceClient()
    for number in range(20):
        client.messaging.send_text(CHAT, f"{number}")
    [first, *_, last] = [
        request["time"] for request in lark.requests() if request["route"] == "POST /open-apis/im/v1/messages"
    ]
    assert last - first < 4  # the pace would take five


def test_a_wait_beyond_the_deadline_is_an_error_and_nothing_is_sent(lark: Emulator) -> None:
    client = LarkServiceClient()
    client.messaging.send_text(CHAT, "first")
    hasty = LarkServiceClient(deadline=0.1).messaging
    with pytest.raises(DeadlineExceededError, match=r"during a wait of \d+ s for Lark's rate limit"):
        hasty.send_text(CHAT, "at once")
    assert count_refused(lark) == 0


@pytest.mark.parametrize("shares_a_database", [False, True])
def test_messages_that_are_refused_by_the_deadline_delay_no_other(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, database_url: str, shares_a_database: bool
) -> None:
    if shares_a_database:
        prepared.upgrade(urls.parse(database_url, "test"))
        monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    monkeypatch.setenv("LARK_PACING", "0.001")  # a message to a chat each 200 s
    client = LarkServiceClient(deadline=60.0).messaging
    client.send_text(CHAT, "first")
    for _ in range(10):
        with pytest.raises(
            DeadlineExceededError, match=r"during a wait of (1\d\d|200) s for Lark's rate limit"
        ):
            client.send_text(CHAT, "at once")


def test_a_request_that_waits_longer_than_a_time_is_reserved_asks_again_and_keeps_the_pace(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    prepared.upgrade(urls.parse(database_url, "test"))
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    monkeypatch.setenv("LARK_PACING", "0.1")  # a message to a chat each 2 s
    monkeypatch.setattr(pacing, "MAX_SECONDS_AHEAD", 1.0)
    monkeypatch.setattr(pace, "MAX_SECONDS_AHEAD", 1.0)
    client = LarkServiceClient(deadline=60.0).messaging
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda number: client.send_text(CHAT, f"{number}"), range(3)))
    times = [
        request["time"] for request in lark.requests() if request["route"] == "POST /open-apis/im/v1/messages"
    ]
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(sorted(times)))


@pytest.mark.parametrize("text", ["fast", "2", "-1", "nan"])
def test_the_setting_is_a_share(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LARK_PACING must be a number from 0"):
        config.get_pacing({"LARK_PACING": text})
