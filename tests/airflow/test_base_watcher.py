"""Changed records become asset events: LarkBaseWatcher, with gateway, RabbitMQ, database and a local Lark."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseEventTrigger
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.api.clouddoc.fields import MODIFIED_TIME
from lark_provider.callbacks.broker.topology import DEAD, EVENTS
from lark_provider.errors import ConfigurationError, PermissionDeniedError
from lark_provider.storage import urls
from lark_provider.triggers import LarkBaseWatcher, LarkEventTrigger, base_watcher, events, scanning
from lark_provider.triggers.watched_table import WatchedTable
from tests.airflow.conftest import connection
from tests.airflow.event_runner import Runner, running
from tests.callbacks import mq
from tests.callbacks.commands import Command
from tests.failures.waiting import wait_until
from tests.protocol.callbacks import sender
from tests.services.processes import HOST, free_port
from tests.storage import prepared

KEY, TOKEN = "the app's key", "the app's token"
AGAIN_SECONDS = 6.5 * 3600
"""Lark tries an event again after 15 s, 5 min, 1 h and 6 h: by then it has, also on a slow machine."""


@dataclass
class Base:
    """A base of the app's, and the ids in it."""

    lark: Emulator
    client: LarkServiceClient
    token: str
    table: str

    def add(self, *names: str) -> list[str]:
        return self.lark.add_rows(self.token, self.table, [{"Text": name} for name in names], user_id="alice")

    def edit(self, record_id: str, text: str, **more: Any) -> None:
        edit = {"do": "edit", "records": [record_id], "fields": {"Text": text, **more}}
        self.lark.edit_rows(self.token, self.table, [edit], user_id="alice")

    def delete(self, record_id: str) -> None:
        self.lark.edit_rows(self.token, self.table, [{"do": "delete", "records": [record_id]}], user_id="bob")

    def watcher(self, **options: Any) -> LarkBaseWatcher:
        return LarkBaseWatcher(self.token, self.table, **{"scan_every": 0, **options})


@pytest.fixture
def url(
    rabbitmq: str, database_url: str, lark: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    prepared.upgrade(urls.parse(database_url, "test"))
    monkeypatch.setattr(events, "_GATHER_SECONDS", 0)
    monkeypatch.setattr(base_watcher, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(scanning, "_SETTLE_SECONDS", 1.0)
    monkeypatch.setenv("AIRFLOW__LARK__RABBITMQ_URL", rabbitmq)
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database_url)
    monkeypatch.setenv("LARK_DATABASE_URL", database_url)
    monkeypatch.setenv("LARK_PACING", "0")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark))
    return rabbitmq


@pytest.fixture
def base(url: str, lark: Emulator) -> Iterator[Base]:
    with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
        app = client.clouddoc.bitable.create_app("orders").data["app"]
        base = Base(lark, client, app["app_token"], app["default_table_id"])
        yield base


@dataclass
class Gateway:
    """The callback gateway as a process, which may be killed and started again."""

    command: Command
    url: str
    ready: str

    def start(self) -> None:
        self.command.start()
        wait_until(self.is_ready, 60)

    def is_ready(self) -> bool:
        try:
            return httpx.get(self.ready).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def gateway(url: str, lark: Emulator, tmp_path: Path) -> Iterator[Gateway]:
    port = free_port()
    settings = {
        "LARK_APP_ID": lark.app_id,
        "LARK_EVENT_ENCRYPT_KEY": KEY,
        "LARK_EVENT_VERIFICATION_TOKEN": TOKEN,
        "RABBITMQ_URL": url,
    }
    command = Command(tmp_path / "log", "serve", "--port", str(port), settings=settings)
    gateway = Gateway(
        command, f"http://{HOST}:{port}/lark/callbacks/{lark.app_id}", f"http://{HOST}:{port}/readyz"
    )
    gateway.start()
    lark.set_callback(gateway.url, encrypt_key=KEY, verification_token=TOKEN)
    try:
        yield gateway
    finally:
        command.end()


@asynccontextmanager
async def triggerer(*triggers: BaseEventTrigger) -> AsyncIterator[Runner]:
    """Run triggers in a triggerer that confirms each fired event as stored."""

    async def store(runner: Runner) -> None:
        stored = 0
        while True:
            fired = [entry.persist_seq for entry in list(runner.events)[stored:]]
            stored += len(fired)
            runner._shared_streams.confirm_persisted([seq for seq in fired if seq is not None])
            await asyncio.sleep(0.02)

    async with running(*triggers) as runner:
        storing = asyncio.create_task(store(runner))
        try:
            yield runner
        finally:
            storing.cancel()
            with suppress(asyncio.CancelledError):
                await storing


async def until(runner: Runner, condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until a condition holds; raise the error of a trigger that fails meanwhile."""
    async with asyncio.timeout(seconds):
        while not condition():
            for details in runner.triggers.values():
                if details["task"].done():
                    details["task"].result()
            await asyncio.sleep(0.02)


def payloads(runner: Runner) -> list[dict[str, Any]]:
    return [entry.event.payload for entry in runner.events]


def changes(runner: Runner) -> list[tuple[str, str, str]]:
    return [
        (payload["source"], record["record_id"], record["change"])
        for payload in payloads(runner)
        if "records" in payload
        for record in payload["records"]
    ]


async def wait_until_subscribed(runner: Runner, base: Base) -> None:
    """Wait until the base is subscribed to, so that later edits send events."""
    drive = base.client.clouddoc.drive
    await until(runner, lambda: drive.is_subscribed(base.token, type="bitable"))


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(work, *arguments)


def test_events_are_typed_and_read_again_and_own_writes_are_left_out(base: Base, gateway: Gateway) -> None:
    client = base.client
    client.clouddoc.bitable.create_field(base.token, base.table, "Sum", 2)
    (known,) = base.add("before")

    async def work() -> list[dict[str, Any]]:
        everything = LarkEventTrigger("drive.file.bitable_record_changed_v1")
        only_sums = base.watcher(fields="Sum", changes={"edited"})
        async with triggerer(base.watcher(), everything, only_sums) as runner:
            await wait_until_subscribed(runner, base)
            await in_thread(lambda: base.edit(known, "after", Sum=5))
            await in_thread(lambda: base.edit(known, "again"))
            ours = await in_thread(
                lambda: client.clouddoc.bitable.create_record(base.token, base.table, {"Text": "ours"})
            )
            await in_thread(base.delete, known)
            await until(runner, lambda: len(payloads(runner)) >= 8)
            assert ours.data["record"]["record_id"] not in json.dumps(
                [payload for payload in payloads(runner) if "records" in payload]
            )
            return [{**entry.event.payload, "trigger": entry.trigger_id} for entry in runner.events]

    fired = mq.run(work())
    assert json.loads(json.dumps(fired)) == fired
    mine = sorted(
        (payload for payload in fired if payload["trigger"] == 0), key=lambda payload: payload["revision"]
    )
    assert [[record["change"] for record in payload["records"]] for payload in mine] == [
        ["edited"],
        ["edited"],
        ["deleted"],
    ]
    (first,) = mine[0]["records"]
    assert first["before"] == {"Text": "before", "Sum": None}
    assert first["after"] == {"Text": "after", "Sum": 5}
    assert first["record_id"] == known
    assert mine[0]["operator"].startswith("ou_")
    assert mine[2]["records"][0]["fields"] is None
    assert mine[2]["records"][0]["before"]["Text"] == "again"
    assert len([payload for payload in fired if payload["trigger"] == 1]) == 4  # our own write, too
    sums = [payload for payload in fired if payload["trigger"] == 2]
    assert [payload["revision"] for payload in sums] == [mine[0]["revision"]]
    wait_until(lambda: mq.drain(broker(), EVENTS) == [], 30)


def broker() -> str:
    return os.environ["AIRFLOW__LARK__RABBITMQ_URL"]


def test_what_happened_without_a_triggerer_or_gateway_is_found_once(base: Base, gateway: Gateway) -> None:
    kept, gone, late = base.add("kept", "gone", "late")

    def watcher() -> LarkBaseWatcher:
        return base.watcher(scan_every=10, deletions=True)

    async def first() -> None:
        async with triggerer(watcher()) as runner:
            await wait_until_subscribed(runner, base)
            await in_thread(lambda: base.edit(kept, "one"))
            await until(runner, lambda: ("event", kept, "edited") in changes(runner))
            await until(runner, lambda: gone in read_recorded())

    async def second() -> list[tuple[str, str, str]]:
        async with triggerer(watcher()) as runner:
            await until(runner, lambda: len(changes(runner)) >= 4)
            gateway.start()
            base.lark.advance(20.0)  # Lark tries again what the gateway has not taken
            # Before the next edit: an event finds the record as it is by then, so which change it tells of
            # is known by its second alone, in which the scan's change may be, too.
            await until(runner, lambda: len(recorded_events()) == 5)
            await in_thread(lambda: base.edit(late, "later"))
            await until(runner, lambda: ("event", late, "edited") in changes(runner))
            return changes(runner)

    mq.run(first())
    gateway.command.kill()
    (new,) = base.add("new")
    base.edit(kept, "two")
    base.edit(late, "soon")
    base.delete(gone)
    base.client.clouddoc.bitable.create_record(base.token, base.table, {"Text": "ours"})
    reported = mq.run(second())
    assert sorted(reported) == sorted(
        [
            ("scan", new, "added"),
            ("scan", kept, "edited"),
            ("scan", late, "edited"),
            ("scan", gone, "deleted"),
            ("event", late, "edited"),
        ]
    )


def read_recorded() -> list[str]:
    return query("SELECT record_id FROM seen_records")


def query(query: str) -> list[str]:
    engine = sa.create_engine(os.environ["LARK_DATABASE_URL"])
    try:
        with engine.connect() as connected:
            return list(connected.scalars(sa.text(query)))
    finally:
        engine.dispose()


def is_delivered(lark: Emulator) -> bool:
    return {event["state"] for event in lark.state()["events"]} == {"delivered"}


def changed_to(base: Base, record_id: str, event_id: str, *, revision: int) -> dict[str, Any]:
    body = sender.make_event()
    body["header"] |= {
        "event_id": event_id,
        "event_type": "drive.file.bitable_record_changed_v1",
        "app_id": base.lark.app_id,
    }
    del body["header"]["token"]
    action = {"record_id": record_id, "action": "record_edited", "before_value": [], "after_value": []}
    body["event"] = {
        "file_type": "bitable",
        "file_token": base.token,
        "table_id": base.table,
        "revision": revision,
        "update_time": 1_790_000_000,
        "operator_id": {"open_id": "ou_1"},
        "action_list": [action],
    }
    return body


def test_an_event_under_two_ids_fires_once_also_after_a_restart_and_order_does_not_matter(
    base: Base, url: str
) -> None:
    (known,) = base.add("known")
    key = f"event.{base.lark.app_id}"
    first, again = (changed_to(base, known, name, revision=9) for name in ("e1", "e2"))

    async def fire_all(*bodies: dict[str, Any]) -> list[str]:
        async with triggerer(base.watcher()) as runner:
            await in_thread(mq.send, url, key, *bodies)
            last = bodies[-1]["header"]["event_id"]
            await until(runner, lambda: last in [payload["event_id"] for payload in payloads(runner)])
            event_ids = [payload["event_id"] for payload in payloads(runner)]
            await until(runner, lambda: len(recorded_events()) >= 2)
            return event_ids

    assert mq.run(fire_all(first, again, changed_to(base, known, "e3", revision=8))) == ["e1", "e3"]
    assert mq.run(fire_all(again, first, changed_to(base, known, "e4", revision=7))) == ["e4"]


@pytest.mark.parametrize("ends", ["cancelled", "failed"])
def test_an_event_that_a_trigger_was_reading_when_it_ended_comes_again(
    base: Base, url: str, ends: str
) -> None:
    """As when a triggerer that was frozen wakes, and finds that another one has taken its triggers."""
    (known,) = base.add("known")

    def is_reading() -> bool:
        return any(request["path"].endswith("/records/batch_get") for request in base.lark.requests())

    async def end() -> None:
        async with triggerer(base.watcher()) as runner:
            task = runner.triggers[0]["task"]
            event = changed_to(base, known, "e1", revision=9)
            await in_thread(mq.send, url, f"event.{base.lark.app_id}", event)
            if ends == "cancelled":
                await mq.wait_until_async(is_reading)
                task.cancel()
            await asyncio.wait([task])
            assert payloads(runner) == []

    async def fire() -> None:
        async with triggerer(base.watcher()) as runner:
            await until(runner, lambda: len(recorded_events()) == 1, 30)
            assert [payload["event_id"] for payload in payloads(runner)] == ["e1"]

    with pytest.MonkeyPatch.context() as patch, suppress(AttributeError):
        if ends == "cancelled":
            base.lark.fault("POST", "*/records/batch_get", delay_ms=60_000)
        else:
            patch.delattr(WatchedTable, "read")  # as any error that is not expected there
        mq.run(end())
    base.lark.clear_faults()
    mq.run(fire())


def recorded_events() -> list[str]:
    return query("SELECT event_id FROM handled_events")


def test_two_thousand_events_while_the_gateway_is_killed_are_all_seen_and_none_twice(
    base: Base, gateway: Gateway
) -> None:
    base.client.clouddoc.bitable.create_field(base.token, base.table, "Modified", MODIFIED_TIME)
    ids: list[str] = []
    for start in range(0, 2000, 500):
        ids += base.add(*(f"row {n}" for n in range(start, start + 500)))

    def burst(part: list[str]) -> None:
        for record_id in part:
            base.edit(record_id, f"edited {record_id}")

    async def work() -> list[tuple[str, str, str]]:
        async with triggerer(base.watcher(scan_every=10, modified_field="Modified")) as runner:
            await wait_until_subscribed(runner, base)
            await in_thread(burst, ids[:700])
            gateway.command.kill()
            await in_thread(burst, ids[700:1400])
            await in_thread(gateway.start)
            await in_thread(burst, ids[1400:])
            await until(runner, lambda: len({record_id for _, record_id, _ in changes(runner)}) == 2000, 400)
            sources = {source for source, _, _ in changes(runner)}
            assert sources == {"event", "scan"}
            base.lark.advance(AGAIN_SECONDS)  # what the gateway did not take is sent again, late
            await until(runner, lambda: is_delivered(base.lark), 400)
            await in_thread(lambda: base.edit(ids[0], "the end"))
            await until(runner, lambda: len(changes(runner)) > 2000, 200)
            return changes(runner)

    reported = mq.run(work(), 900)
    counts = Counter(record_id for _, record_id, _ in reported)
    assert [change for change in reported if counts[change[1]] > 1 and change[1] != ids[0]] == []
    assert counts == {**dict.fromkeys(ids, 1), ids[0]: 2}
    assert mq.drain(broker(), DEAD) == []


def test_ten_thousand_edits_during_an_outage_are_found_by_a_scan_and_not_told_again_by_their_events(
    base: Base, gateway: Gateway
) -> None:
    count, batch = 10_000, 500
    ids: list[str] = []
    for start in range(0, count, batch):
        ids += base.add(*(f"row {number}" for number in range(start, start + batch)))

    async def start_watching() -> None:
        async with triggerer(base.watcher(scan_every=10)) as runner:
            await wait_until_subscribed(runner, base)

    async def count_events() -> Counter[tuple[str, str, str]]:
        async with triggerer(base.watcher(scan_every=10)) as runner:
            await until(runner, lambda: total(runner) >= count, 400)
            await in_thread(gateway.start)
            base.lark.advance(AGAIN_SECONDS)  # what the gateway did not take is sent again
            await until(runner, lambda: is_delivered(base.lark), 400)
            await in_thread(lambda: base.edit(ids[0], "the end"))
            await until(runner, lambda: total(runner) > count, 200)
            return Counter(changes(runner))

    mq.run(start_watching())
    gateway.command.kill()
    for start in range(0, count, batch):
        edit = {"do": "edit", "records": ids[start : start + batch], "fields": {"Text": "edited"}}
        base.lark.edit_rows(base.token, base.table, [edit], user_id="alice")
    reported = mq.run(count_events(), 900)
    expected = {("scan", record_id, "edited"): 1 for record_id in ids}
    assert reported == expected | {("event", ids[0], "edited"): 1}


def total(runner: Runner) -> int:
    return sum(len(payload.get("records", ())) for payload in payloads(runner))


def test_a_base_that_the_app_does_not_manage_is_refused_with_the_next_step(
    base: Base, lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lark.add_app()
    named = connection(lark, login=other["app_id"], password=other["app_secret"])
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", named)

    async def work() -> None:
        runner = Runner()
        with pytest.raises(PermissionDeniedError, match="right to manage it"):
            await runner.begin(base.watcher())

    mq.run(work())


def test_a_missing_connection_is_not_looked_for_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stream() -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for event in nothing:
            yield event

    async def start_watching() -> None:
        watcher = LarkBaseWatcher("bas1", "tbl1", lark_conn_id="none")
        async with asyncio.timeout(5):
            await anext(watcher.filter_shared_stream(stream()))

    with pytest.raises(TimeoutError):
        asyncio.run(start_watching())
    monkeypatch.setattr(base_watcher, "_PAUSE_SECONDS", 0)
    with pytest.raises(AirflowNotFoundException, match="none"):
        asyncio.run(start_watching())


def test_arguments_are_checked_and_the_same_watcher_is_the_same_trigger() -> None:
    watcher = LarkBaseWatcher("bas1", "tbl1", fields=["b", "a"], changes={"edited"})
    name, kwargs = watcher.serialize()
    assert name == "lark_provider.triggers.base_watcher.LarkBaseWatcher"
    again = LarkBaseWatcher(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == watcher.serialize()
    assert again.shared_stream_key() == LarkEventTrigger().shared_stream_key()
    for wrong in ({"changes": "changed"}, {"scan_every": 1}, {"max_payload_bytes": 10}, {"app_token": ""}):
        arguments: dict[str, Any] = {"app_token": "bas1", **wrong}
        with pytest.raises(ConfigurationError, match="Next: "):
            LarkBaseWatcher(**arguments)


PAGE = (Path(__file__).parents[2] / "docs" / "en" / "how-to" / "record-events.md").read_text("utf-8")


def test_the_documents_examples_run_and_its_table_has_each_argument(
    lark: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    dag, plain = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(dag, "record-events.md", "exec"), names)  # noqa: S102 - the page's own text
    assert names["orders"].watchers[0].trigger is names["watcher"]
    exec(compile(plain, "record-events.md", "exec"), names)  # noqa: S102 - the page's own text
    assert capsys.readouterr().out.splitlines()[-1] == "True"
    table = PAGE.partition("## Arguments")[2].partition("## What")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE))
    assert rows.keys() == watcher_defaults().keys()
    shown = {name: str(value) for name, value in watcher_defaults().items() if value not in (None, ())}
    assert {name: rows[name].strip("`") for name in shown} == {**shown, "scan_every": "600"}


def watcher_defaults() -> dict[str, Any]:
    parameters = inspect.signature(LarkBaseWatcher.__init__).parameters.values()
    return {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }
