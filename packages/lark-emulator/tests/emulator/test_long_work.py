"""What long work sees while others write, step by step: the state of its beginning, or a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark_emulator import slicing
from lark_emulator.control import seeding
from lark_emulator.dispatch import Dispatcher
from lark_emulator.exchange import Outcome, Request
from lark_emulator.lark import Lark
from lark_emulator.slicing import at_once
from lark_emulator.world import indexes, records
from lark_emulator.world.apps import DEFAULT_APP_ID, App
from lark_emulator.world.records import Records
from lark_emulator.world.world import DEFAULT_APP_SECRET

ROWS = 40


class Running:
    """A request on its way, which goes one step on when it is told to."""

    def __init__(self, outcome: Outcome) -> None:
        assert outcome.later is not None, outcome
        self._later: Coroutine[None, None, Any] = outcome.later
        self.steps = 0

    def step(self) -> bytes | None:
        """Return the answer once there is one."""
        self.steps += 1
        assert self.steps < 1000
        try:
            self._later.send(None)
        except StopIteration as done:
            answer = getattr(done.value, "answer", done.value)
            return b"".join((answer.body, *answer.parts))
        return None

    def answer(self) -> Any:
        while (body := self.step()) is None:
            pass
        return orjson.loads(body)


class Here:
    """An emulator without a server: requests are performed, and stand still between their steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lark = Lark({"rate_limits": False, "write_ms": 0, "new_base": "bare"})
        self.lark.loop = loop
        self._dispatcher = Dispatcher(self.lark)
        self._token = ""
        credentials = {"app_id": DEFAULT_APP_ID, "app_secret": DEFAULT_APP_SECRET}
        answer = self.ask("POST", "/open-apis/auth/v3/tenant_access_token/internal", credentials)
        self._token = answer["tenant_access_token"]
        base = self.ask("POST", "/open-apis/bitable/v1/apps", {"name": "b"})["data"]["app"]
        self.table = f"/open-apis/bitable/v1/apps/{base['app_token']}/tables/{base['default_table_id']}"
        self.place = {"app_token": base["app_token"], "table_id": base["default_table_id"]}
        (self.text,) = self.ask("GET", f"{self.table}/fields")["data"]["items"]
        self.size = self.ask("POST", f"{self.table}/fields", {"field_name": "Size", "type": 2})["data"]
        rows = [{"fields": {"Text": f"t{n % 7}", "Size": n}} for n in range(ROWS)]
        added = self.ask("POST", f"{self.table}/records/batch_create", {"records": rows})["data"]
        self.record_ids = [record["record_id"] for record in added["records"]]

    def begin(self, method: str, target: str, body: Any = None) -> Outcome:
        path, _, query = target.partition("?")
        pairs = [
            (name, value) for name, _, value in (part.partition("=") for part in query.split("&")) if name
        ]
        headers = {
            "host": "localhost",
            "content-type": "application/json",
            "authorization": f"Bearer {self._token}",
        }
        content = b"" if body is None else orjson.dumps(body)
        return self._dispatcher.handle(Request(method, path, pairs, headers, content))

    def running(self, method: str, target: str, body: Any = None) -> Running:
        """Begin what takes several steps."""
        return Running(self.begin(method, target, body))

    def ask(self, method: str, target: str, body: Any = None) -> Any:
        outcome = self.begin(method, target, body)
        if outcome.later is not None:
            return Running(outcome).answer()
        assert outcome.answer is not None
        return orjson.loads(outcome.answer.body)

    def disturb(self) -> None:
        """Change a row, delete one, add one."""
        first, second, *_ = self.record_ids
        assert self.ask("PUT", f"{self.table}/records/{first}", {"fields": {"Size": -5}})["code"] == 0
        assert self.ask("DELETE", f"{self.table}/records/{second}")["code"] == 0
        assert self.ask("POST", f"{self.table}/records", {"fields": {"Size": 1000}})["code"] == 0

    def sizes(self, answer: Any) -> list[int]:
        return [int(record["fields"]["Size"]) for record in answer["data"]["items"]]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make steps of a few rows."""
    for module, name in (
        (slicing, "RUN"),
        (slicing, "TURN"),
        (slicing, "_FREED"),
        (indexes, "_RUN"),
        (records, "_TURN"),
        (seeding, "SLICE"),
    ):
        monkeypatch.setattr(module, name, 4)


@pytest.fixture
def here() -> Iterator[Here]:
    loop = asyncio.new_event_loop()
    try:
        emulator = Here(loop)
        yield emulator
        assert emulator.lark.log.crashes == 0
    finally:
        loop.close()


IS_T3 = {"conjunction": "and", "conditions": [{"field_name": "Text", "operator": "is", "value": ["t3"]}]}
POSITIVE = {
    "conjunction": "and",
    "conditions": [{"field_name": "Size", "operator": "isGreaterEqual", "value": ["0"]}],
}
BY_SIZE = [{"field_name": "Size", "desc": True}]


@pytest.mark.parametrize("after", [1, 3, 9])
@pytest.mark.parametrize(
    "asked", [{"filter": POSITIVE}, {"sort": BY_SIZE}, {"filter": POSITIVE, "sort": BY_SIZE}]
)
def test_a_search_finds_what_was_there_when_it_began(here: Here, asked: dict[str, Any], after: int) -> None:
    expected = here.ask("POST", f"{here.table}/records/search?page_size=500", asked)
    assert here.ask("POST", f"{here.table}/records", {"fields": {"Size": 77}})["code"] == 0  # nothing is kept
    expected_sizes = [*here.sizes(expected), 77]
    running = here.running("POST", f"{here.table}/records/search?page_size=500", asked)
    for _ in range(after):
        assert running.step() is None
    here.disturb()
    sizes = here.sizes(running.answer())
    assert sorted(sizes) == sorted(expected_sizes)
    assert "sort" not in asked or sizes == sorted(sizes, reverse=True)
    again = here.ask("POST", f"{here.table}/records/search?page_size=500", asked)
    assert 1000 in here.sizes(again)


def test_a_search_is_shown_by_the_fields_of_its_beginning(here: Here) -> None:
    running = here.running("POST", f"{here.table}/records/search?page_size=500", {"sort": BY_SIZE})
    assert running.step() is None
    changed = here.ask(
        "PUT", f"{here.table}/fields/{here.size['field']['field_id']}", {"field_name": "Size", "type": 11}
    )
    assert changed["code"] == 0
    assert here.sizes(running.answer()) == list(range(ROWS))[::-1]
    again = here.ask("POST", f"{here.table}/records/search?page_size=500", {})
    assert all("Size" not in record["fields"] for record in again["data"]["items"])


def test_an_index_knows_what_was_written_while_it_was_made(here: Here) -> None:
    running = here.running("POST", f"{here.table}/records/search?page_size=500", {"filter": IS_T3})
    assert running.step() is None
    third, tenth = here.record_ids[3], here.record_ids[10]  # one is in the index already, both held t3
    for record_id in (third, tenth):
        assert here.ask("PUT", f"{here.table}/records/{record_id}", {"fields": {"Text": "t4"}})["code"] == 0
    for record_id in (here.record_ids[1], here.record_ids[36]):
        assert here.ask("PUT", f"{here.table}/records/{record_id}", {"fields": {"Text": "t3"}})["code"] == 0
    assert here.ask("DELETE", f"{here.table}/records/{here.record_ids[17]}")["code"] == 0
    matched = {record["record_id"] for record in running.answer()["data"]["items"]}
    wanted = {here.record_ids[n] for n in range(ROWS) if n % 7 == 3}
    wanted = wanted - {third, tenth, here.record_ids[17]} | {here.record_ids[1], here.record_ids[36]}
    assert matched == wanted


def test_the_state_shows_the_records_of_the_moment_it_was_asked_for(here: Here) -> None:
    running = here.running("GET", "/_emulator/state")
    assert running.step() is None
    here.disturb()
    assert here.ask("DELETE", f"{here.table}/fields/{here.size['field']['field_id']}")["code"] == 0
    (table,) = running.answer()["bitables"][0]["tables"]
    assert [record["fields"]["Size"] for record in table["records"]] == list(range(ROWS))
    assert table["record_count"] == ROWS
    assert "Size" in {field["field_name"] for field in table["fields"]}
    (now,) = here.ask("GET", "/_emulator/state")["bitables"][0]["tables"]
    assert all("Size" not in record["fields"] for record in now["records"])


def test_the_page_sorts_the_records_of_the_moment_it_was_asked_for(here: Here) -> None:
    query = "&".join(f"{name}={value}" for name, value in here.place.items())
    running = here.running("GET", f"/_emulator/view/records?{query}&sort=Size&limit=200")
    assert running.step() is None
    here.disturb()
    assert [record["fields"]["Size"] for record in running.answer()["items"]] == list(range(ROWS))


def test_a_table_is_busy_while_a_field_is_converted(here: Here) -> None:
    path = f"{here.table}/fields/{here.size['field']['field_id']}"
    running = here.running("PUT", path, {"field_name": "Size", "type": 1})
    assert running.step() is None
    assert here.ask("POST", f"{here.table}/records", {"fields": {"Size": 1}})["code"] == 1254291
    assert here.ask("DELETE", path)["code"] == 1254291
    seeded = here.ask("POST", "/_emulator/records/add", {**here.place, "rows": [{"Size": 9}]})
    assert seeded["count"] == 1  # people are not refused; what they wrote goes, too
    assert running.answer()["data"]["field"]["type"] == 1
    items = here.ask("POST", f"{here.table}/records/search?page_size=500", {})["data"]["items"]
    assert len(items) == ROWS + 1
    assert all("Size" not in record["fields"] for record in items)
    assert here.ask("POST", f"{here.table}/records", {"fields": {"Size": "one"}})["code"] == 0


def test_a_rename_looks_at_no_record(here: Here) -> None:
    path = f"{here.table}/fields/{here.size['field']['field_id']}"
    outcome = here.begin("PUT", path, {"field_name": "Length", "type": 2})
    assert outcome.later is None
    items = here.ask("POST", f"{here.table}/records/search?page_size=500", {})["data"]["items"]
    assert [record["fields"]["Length"] for record in items] == list(range(ROWS))


def test_a_deleted_field_is_gone_at_once_and_its_values_with_it(here: Here) -> None:
    path = f"{here.table}/fields/{here.size['field']['field_id']}"
    running = here.running("DELETE", path)
    items = here.ask("POST", f"{here.table}/records/search?page_size=500", {})["data"]["items"]
    assert all(record["fields"].keys() == {"Text"} for record in items)
    assert here.ask("POST", f"{here.table}/fields", {"field_name": "Size", "type": 1})["code"] == 0
    assert here.ask("POST", f"{here.table}/records", {"fields": {"Size": "new"}})["code"] == 0
    assert running.answer()["data"]["deleted"] is True
    base = here.lark.world.bases[here.place["app_token"]]
    held = base.tables[here.place["table_id"]].records
    assert not any(here.size["field"]["field_id"] in record.cells for record in held)
    items = here.ask("POST", f"{here.table}/records/search?page_size=500", {})["data"]["items"]
    assert items[-1]["fields"]["Size"][0]["text"] == "new"


def test_rows_for_a_field_that_is_deleted_meanwhile(here: Here) -> None:
    rows = [{"Text": "x", "Size": n} for n in range(20)]
    running = here.running("POST", "/_emulator/records/add", {**here.place, "rows": rows})
    for _ in range(7):
        assert running.step() is None
    assert here.ask("DELETE", f"{here.table}/fields/{here.size['field']['field_id']}")["code"] == 0
    assert running.answer()["count"] == 20
    (table,) = here.ask("GET", "/_emulator/state")["bitables"][0]["tables"]
    assert [record["fields"] for record in table["records"]][ROWS:] == [{"Text": "x"}] * 20


def test_a_reset_ends_what_is_written_and_leaves_readers_what_they_read(here: Here) -> None:
    reading = here.running("GET", "/_emulator/state")
    writing = here.running(
        "POST", "/_emulator/records/add", {**here.place, "count": 40, "fields": {"Text": "{n}"}}
    )
    assert reading.step() is None
    assert writing.step() is None
    world, loop = here.lark.world, here.lark.loop
    assert loop is not None
    here.ask("POST", "/_emulator/reset", {})
    loop.run_until_complete(asyncio.wait(asyncio.all_tasks(loop)))
    assert not world.messages
    assert len(world.bases[here.place["app_token"]].tables[here.place["table_id"]].records) == 0
    assert "was reset meanwhile" in writing.answer()["error"]
    (table,) = reading.answer()["bitables"][0]["tables"]
    assert len(table["records"]) == ROWS
    assert here.ask("GET", "/_emulator/state")["bitables"] == []


_edits = st.lists(
    st.tuples(
        st.sampled_from(["add", "change", "remove", "step", "drop"]),
        st.integers(0, 30),
        st.sampled_from("abc"),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=20), _edits)
def test_indexes_that_are_made_while_rows_change(start: list[str], edits: list[tuple[str, int, str]]) -> None:
    held, app = Records(), App("cli_x", "", "x")
    for n, value in enumerate(start):
        held.add(f"first{n}", {"f": value}, app, 0, now=0)
    making = held.make_index("f")
    dropping = held.drop_values("g", lambda _: True)
    seen = held.take_snapshot()
    before = [(record.record_id, dict(record.cells)) for record in seen]
    for n, (doing, number, value) in enumerate(edits):
        known = [record.record_id for record in held]
        if doing == "step":
            next(making, None)
        elif doing == "drop":
            ended = next(dropping, True) is True
            assert not ended or not any("g" in record.cells for record in held)
            if ended:  # what is written from now on stays
                dropping = held.drop_values("g", lambda _: True)
        elif doing == "add" or not known:
            held.add(f"rec{n}", {"f": value, "g": 1}, app, 0, now=n)
        elif doing == "remove":
            held.remove(known[number % len(known)], now=n)
        else:
            held.change(known[number % len(known)], {"f": value, "g": 2}, app, 0, now=n)
    assert [(record.record_id, dict(record.cells)) for record in seen] == before
    assert held.list_all() == list(held)
    at_once(making)
    for value in "abc":
        matched = {record.record_id for record in held.with_value("f", value)}
        assert matched == {record.record_id for record in held if record.cells.get("f") == value}
    at_once(dropping)
    assert not any("g" in record.cells for record in held)
