"""What was kept for long enough goes, and nothing that is still needed."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CardClick, read
from lark_provider.storage import bridge_tables as bridge
from lark_provider.storage import tables, watch_tables
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.inbox import Inbox
from lark_provider.storage.purging import purge
from lark_provider.storage.retention import Retention, list_names
from tests.protocol.callbacks import sender
from tests.storage.purged import NONE

NOW = datetime.now(UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin now: the module may have been imported an hour before."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


def add(url: URL, table: sa.Table, **values: Any) -> None:
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(table.insert().values(**values))


def list_left(url: URL, table: sa.Table, column: str) -> list[str]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        return sorted(connection.scalars(sa.select(table.c[column])))


def add_aged(url: URL, ages: dict[str, timedelta]) -> None:
    """Insert a row of each age into each table."""
    for name, age in ages.items():
        at = NOW - age
        seen = {"app_id": "cli_a", "fetched_at": NOW, "expires_at": at}
        add(url, tables.tokens, key=name, value="sealed", **seen)
        person = {"app": "a", "kind": "email", "lookup": name, "data": "{}", "fetched_at": NOW}
        add(url, tables.user_cache, **person, expires_at=at)
        add(url, tables.leases, key=name, owner="o", until=at)
        add(url, tables.handled_events, consumer="c", event_id=name, handled_at=at)
        click = {"app_id": "cli_a", "payload": "{}", "clicked_at": NOW}
        add(url, tables.card_callbacks, **click, event_id=name, stored_at=at)
        add(url, tables.card_answers, wait_key=name, event_ids="[]", decided_at=at)
        add_wait(url, name, state="decided", updated_at=at)
        add_load(url, name, at)
        add(url, tables.table_leases, key=name, owner="o", holder="h", until=at)
        add(url, tables.pacing, key=name, next_at=at)
        add_of_bridge(url, name, at)


def add_of_bridge(url: URL, name: str, at: datetime, **changes: Any) -> None:
    """Insert a row into each table of Airflow's questions and failures; none of them is needed any more."""
    times = {"created_at": at, "updated_at": at}
    place = {"dag_id": "d", "run_id": name}
    task = {**place, "task_id": "t", "map_index": -1, "parked_at": at, **times}
    add(url, bridge.hitl_questions, ti_id=name, content="{}", state="over", **task)
    to = {"app_id": "cli_a", "receiver": "oc_1", "receiver_type": "", "language": "en"}
    card = {"mentions": "[]", "round": 0, "state": "over", **times}
    add(url, bridge.hitl_cards, key=name, ti_id=name, **to, **card)
    click = {"card_key": "c", "open_id": "ou_1", "state": "done", "attempts": 1, "next_at": at}
    add(url, bridge.applied_clicks, app_id="cli_a", event_id=name, created_at=at, **click)
    who = {"app_id": "cli_a", "tenant_key": "t", "open_id": name}
    user = {"auth_manager": "m", "user_id": "u", "user_name": "u", "airflow_user": "sealed"}
    add(url, bridge.people, **who, **user, state="revoked", linked_at=at, updated_at=at)
    add(url, bridge.link_codes, digest=name, **who, until=at)
    server = {"host": "h", "version": "1", "airflow_version": "3", "guarded": True}
    add(url, bridge.api_servers, id=name, **server, seen_at=at)
    add(url, bridge.mutes, dag_id="d", task_id=name, muted_by="{}", until=at)
    step = {"number": 1, "app_id": "cli_a", "urgent": "sms", "state": "done", "content": "sealed"}
    add(url, bridge.escalation_steps, incident_key=name, **step, due_at=at, **times)
    add(url, bridge.digests, route=name, day="2026-11-26", state="recorded", created_at=at)
    add(url, bridge.incidents, key=name, **place, **to, state="open", version=1, content="sealed", **times)
    add_command(url, name, at)
    add_cursor(url, name, at)
    message = {"kind": "send", "app_id": "cli_a", "base_url": "u", "target": "t", "version": 0}
    sent = {"payload": "sealed", "state": "delivered", "attempts": 1, "next_at": at, **times}
    add(url, bridge.outbox, id=name, **(message | sent | changes))


def add_command(url: URL, name: str, at: datetime, state: str = "done") -> None:
    who = {"app_id": "cli_a", "tenant_key": "t", "open_id": "ou_1", "chat_id": "oc_1", "is_direct": False}
    command = {"text": "/run etl", "mentions": "[]", "state": state, "attempts": 1}
    times = {"sent_at": at, "next_at": at, "created_at": at, "updated_at": at}
    add(url, bridge.chat_commands, message_id=name, **who, **command, **times)


def add_cursor(url: URL, name: str, at: datetime, *, seen_at: datetime | None = None) -> None:
    """Insert a watched table that was last scanned at a time, and a record of it."""
    place = {"app_id": "cli_a", "app_token": "bas1", "table_id": "tbl1"}
    times = {"began_ms": 1, "scanned_ms": 2, "created_at": at, "updated_at": at}
    add(url, watch_tables.record_cursors, key=name, **place, **times)
    add_seen(url, name, at if seen_at is None else seen_at)


def add_seen(url: URL, name: str, at: datetime) -> None:
    seen = {"record_id": "rec1", "modified_ms": 1, "scanned_ms": 1, "is_deleted": False}
    add(url, watch_tables.seen_records, cursor_key=name, **seen, updated_at=at)


def add_wait(url: URL, name: str, **values: Any) -> None:
    wait = {
        "id": name,
        "origin_key": "digest",
        "origin": "{}",
        "message_ids": "[]",
        "question": "{}",
        "state": "open",
        "created_at": NOW,
        "updated_at": NOW,
    }
    add(url, tables.waits, **(wait | values))


def add_load(url: URL, name: str, at: datetime) -> None:
    load = {"kind": "load", "app_id": "cli_a", "name": "k", "target": "base/table", "state": "done"}
    add(url, tables.ledger, id=name, **load, created_at=at, updated_at=at)
    chunk = {"state": "done", "first_row": 1, "row_count": 1, "content": "digest", "row_sums": b"1234"}
    sent = {"fields": "{}", "token": "t", "sends": 0, "sent_at": at, "updated_at": at}
    add(url, tables.ledger_chunks, ledger_id=name, number=0, **chunk, **sent)


COLUMNS = {
    tables.tokens: "key",
    tables.user_cache: "lookup",
    tables.leases: "key",
    tables.card_callbacks: "event_id",
    tables.card_answers: "wait_key",
    tables.handled_events: "event_id",
    tables.waits: "id",
    tables.ledger: "id",
    bridge.people: "open_id",
    bridge.incidents: "key",
    bridge.outbox: "id",
    bridge.chat_commands: "message_id",
    watch_tables.record_cursors: "key",
}
PERIODS = {bridge.chat_commands: "commands"}
"""Those that do not have their table's name."""


def test_a_clean_up_takes_what_is_old_and_no_usable_credential(url: URL) -> None:
    ages = {"alive": -HOUR, "just gone": HOUR / 60, "6 days": 6 * DAY, "8 days": 8 * DAY}
    add_aged(url, ages | {"89 days": 89 * DAY, "91 days": 91 * DAY})
    assert purge(url) == {
        "tokens": 3,
        "user_cache": 5,
        "leases": 4,
        "card_callbacks": 1,
        "card_answers": 1,
        "handled_events": 3,
        "waits": 1,
        "ledger_chunks": 1,
        "ledger": 1,
        "table_leases": 4,
        "pacing": 4,
        "hitl_cards": 1,
        "applied_clicks": 1,
        "hitl_questions": 1,
        "people": 1,
        "link_codes": 4,
        "api_servers": 4,
        "mutes": 4,
        "escalation_steps": 1,
        "digests": 1,
        "incidents": 1,
        "outbox": 3,
        "chat_commands": 1,
        "record_cursors": 1,
        "seen_records": 1,
        "form_inputs": 0,
    }
    assert list_left(url, tables.tokens, "key") == ["6 days", "alive", "just gone"]
    assert list_left(url, tables.user_cache, "lookup") == ["alive"]
    assert list_left(url, tables.leases, "key") == ["alive", "just gone"]
    assert list_left(url, tables.handled_events, "event_id") == ["6 days", "alive", "just gone"]
    for table in (tables.card_callbacks, tables.card_answers, tables.waits, tables.ledger):
        assert list_left(url, table, COLUMNS[table]) == ["6 days", "8 days", "89 days", "alive", "just gone"]
    assert purge(url) == NONE


def test_it_is_known_as_long_as_the_ledger_is_kept_that_a_load_was_forgotten(url: URL) -> None:
    for days in (2, 89, 91):
        add(url, tables.leases, key=f"forgotten {days}", owner="o", until=NOW - days * DAY)
    assert purge(url, Retention(leases=timedelta()))["leases"] == 1
    assert list_left(url, tables.leases, "key") == ["forgotten 2", "forgotten 89"]


@pytest.mark.parametrize("table", COLUMNS, ids=str)
def test_each_table_has_a_period_of_its_own(
    table: sa.Table, url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_aged(url, {"old": 10 * HOUR, "older": 30 * HOUR})
    longest = dict.fromkeys(list_names(), 300 * DAY)
    assert purge(url, Retention(**longest)) == NONE
    for name in list_names():
        monkeypatch.setenv(f"LARK_RETENTION_{name.upper()}", "300d")
    short_lived = ["table_leases", "pacing", "link_codes", "api_servers", "mutes"]
    of_incidents = ["escalation_steps", "digests"]
    also = {
        tables.ledger: ["ledger_chunks"],
        tables.leases: short_lived,
        bridge.incidents: of_incidents,
        watch_tables.record_cursors: ["seen_records"],
    }.get(table, [])
    taken = NONE | dict.fromkeys([table.name, *also], 1)
    is_long = table in {tables.ledger, watch_tables.record_cursors}  # their shortest period is a day
    shorter, rest = ("25h", 29 * HOUR) if is_long else ("20h", 8 * HOUR)
    period = PERIODS.get(table, str(table.name))
    monkeypatch.setenv(f"LARK_RETENTION_{period.upper()}", shorter)
    assert purge(url) == taken
    assert list_left(url, table, COLUMNS[table]) == ["old"]
    if not is_long:
        assert purge(url, Retention(**(longest | {period: rest}))) == taken


def test_a_message_that_is_not_delivered_stays_for_a_month(url: URL) -> None:
    for name, age in {"waits": 29 * DAY, "waits for too long": 31 * DAY}.items():
        add_of_bridge(url, name, NOW - age, state="due")
    assert purge(url)["outbox"] == 1
    assert list_left(url, bridge.outbox, "id") == ["waits"]


def test_commands_that_are_not_answered_stay(url: URL) -> None:
    for state in ("due", "decided", "running", "ended", "done"):
        add_command(url, state, NOW - 400 * DAY, state)
    assert purge(url)["chat_commands"] == 1
    assert list_left(url, bridge.chat_commands, "message_id") == ["decided", "due", "ended", "running"]


def test_what_was_seen_of_a_table_stays_while_it_is_watched(url: URL) -> None:
    add_cursor(url, "watched", NOW, seen_at=NOW - 400 * DAY)
    add_cursor(url, "watched no more", NOW - 91 * DAY)
    add_seen(url, "without a cursor", NOW - 91 * DAY)
    add_seen(url, "just begun", NOW)
    assert purge(url) == NONE | {"record_cursors": 1, "seen_records": 2}
    assert list_left(url, watch_tables.record_cursors, "key") == ["watched"]
    assert list_left(url, watch_tables.seen_records, "cursor_key") == ["just begun", "watched"]


def test_questions_that_are_open_stay_until_nobody_can_answer_them(url: URL) -> None:
    keep = Retention(waits=2 * DAY)
    add_wait(url, "asked long ago", created_at=NOW - 20 * DAY)
    add_wait(url, "asked indefinitely", created_at=NOW - 31 * DAY)
    add_wait(url, "runs", created_at=NOW - 99 * DAY, deadline=NOW + HOUR)
    add_wait(url, "ended just now", created_at=NOW - 99 * DAY, deadline=NOW - DAY)
    add_wait(url, "ended", created_at=NOW - 99 * DAY, deadline=NOW - 3 * DAY)
    add_wait(url, "closed", state="closed", reason="expired", updated_at=NOW - 3 * DAY, deadline=NOW + HOUR)
    assert purge(url, keep)["waits"] == 3
    assert list_left(url, tables.waits, "id") == ["asked long ago", "ended just now", "runs"]


def test_a_click_that_an_open_question_can_count_stays(url: URL) -> None:
    at = {"clicked_at": NOW, "stored_at": NOW - 400 * DAY, "app_id": "cli_a", "payload": "{}"}
    names = {"mine": "w", "closed": "c", "carried": "corr", "none": None}
    for name, correlation in names.items():
        add(url, tables.card_callbacks, event_id=name, correlation=correlation, **at)
    for message in ("om_open", "om_closed"):
        add(url, tables.card_callbacks, event_id=message, message_id=message, **at)
    add_wait(url, "w", deadline=NOW + DAY, message_ids='["om_first","om_open"]')
    add_wait(url, "s", deadline=NOW + DAY, question='{"correlation":"corr"}')
    add_wait(url, "n", deadline=NOW + DAY, question='{"correlation":null}')
    add_wait(url, "c", state="closed", message_ids='["om_closed"]')
    assert purge(url)["card_callbacks"] == 3
    assert list_left(url, tables.card_callbacks, "event_id") == ["carried", "mine", "om_open"]


def test_a_click_that_has_just_decided_a_question_stays_until_its_task_has_read_it(url: URL) -> None:
    """The click came while the triggerer was stopped, or decides together with a later one."""
    cards = {name: click(name, FORM, name) for name in ("new", "old", "closed")}
    store(url, 3 * DAY, *cards.values())
    with hold_transaction(get_engine(url), reading=True) as connection:
        columns = tables.card_callbacks.c
        ids = {row.event_id: row.id for row in connection.execute(sa.select(columns.event_id, columns.id))}
    for name, age in (("new", timedelta(minutes=50)), ("old", 2 * HOUR)):
        decided = {"state": "decided", "decided_by": f"[{ids[name]}]", "updated_at": NOW - age}
        add_wait(url, f"w-{name}", **decided)
    add_wait(url, "w-closed", state="closed", reason="expired", decided_by="[", updated_at=NOW)
    assert purge(url, Retention(card_callbacks=HOUR, form_inputs=HOUR))["card_callbacks"] == 2
    assert payloads(url)["new"].action.form_value == FORM["form_value"]


# --- what was entered ---


def test_a_damaged_question_does_not_stop_the_clean_up(url: URL) -> None:
    add_aged(url, {"old": timedelta(days=400)})
    add_wait(url, "damaged", state="open", message_ids="[", question="{", updated_at=NOW)
    assert purge(url)["card_callbacks"] == 1


def click(name: str, action: dict[str, Any], correlation: str | None = None) -> CardClick:
    content = sender.card({"tag": "button", **action}, now=time.time())
    content["header"]["event_id"] = name
    if correlation is not None:
        content["event"]["action"]["value"] = {"correlation": correlation}
    card_click = read(content)
    assert isinstance(card_click, CardClick)
    return card_click


FORM = {"form_value": {"reason": "my mother is ill", "days": "3"}, "name": "send"}


def store(url: URL, age: timedelta, *clicks: CardClick) -> None:
    Inbox(url).store(clicks)
    with hold_transaction(get_engine(url)) as connection:
        rows = tables.card_callbacks
        names = [click.event_id for click in clicks]
        connection.execute(rows.update().where(rows.c.event_id.in_(names)).values(stored_at=NOW - age))


def payloads(url: URL) -> dict[str, CardClick]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        rows = connection.execute(
            sa.select(tables.card_callbacks.c.event_id, tables.card_callbacks.c.payload)
        )
        events = {row.event_id: read(orjson.loads(row.payload)) for row in rows}
    return {name: event for name, event in events.items() if isinstance(event, CardClick)}


def test_what_was_entered_goes_and_the_click_stays(url: URL) -> None:
    forms = [click(f"form-{number:04}", FORM) for number in range(1203)]
    store(url, 3 * DAY, *forms, click("text", {"input_value": "my own words"}), click("plain", {}))
    store(url, HOUR, click("new", FORM))
    assert purge(url)["form_inputs"] == 0, "by default it stays as long as the click"
    keep = Retention(form_inputs=2 * DAY)
    assert purge(url, keep) == NONE | {"form_inputs": 1204}
    clicks = payloads(url)
    assert len(clicks) == 1206
    assert clicks["new"].action.form_value == FORM["form_value"]
    assert clicks["form-0000"].action.form_value == {}
    assert (clicks["form-0000"].action.name, clicks["form-0000"].operator) == ("send", forms[0].operator)
    assert clicks["text"].action.input_value == ""
    with hold_transaction(get_engine(url), reading=True) as connection:
        content = repr([tuple(row) for row in connection.execute(sa.select(tables.card_callbacks))])
    assert content.count("my mother is ill") == 1
    assert "my own words" not in content
    assert purge(url, keep) == NONE


@pytest.mark.parametrize("payload", ['{"form_value":{"', '{"event":{"form_value":{"a":1}}}'])
def test_a_damaged_click_does_not_stop_the_clean_up(payload: str, url: URL) -> None:
    add_aged(url, {"old": timedelta(days=400)})
    with hold_transaction(get_engine(url)) as connection:
        clicks = tables.card_callbacks
        connection.execute(
            clicks.update().values(payload=payload, stored_at=datetime(2020, 1, 1, tzinfo=UTC))
        )
    keep = Retention(card_callbacks=timedelta(days=36_525), form_inputs=timedelta(days=1))
    assert purge(url, keep)["form_inputs"] > 0
    assert purge(url, keep)["form_inputs"] == 0


@pytest.mark.parametrize("state", ["open", "decided"])
def test_what_an_open_question_needs_is_kept(state: str, url: URL) -> None:
    add_wait(url, "the wait", state=state, deadline=NOW + DAY)
    store(url, 99 * DAY, click("form", FORM))
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(tables.card_callbacks.update().values(correlation="the wait"))
    gone = int(state != "open")
    assert purge(url, Retention(card_callbacks=365 * DAY, form_inputs=HOUR))["form_inputs"] == gone
    assert purge(url)["card_callbacks"] == gone


# --- settings ---


def test_settings_are_read_and_checked() -> None:
    environ = {
        "LARK_RETENTION_TOKENS": " 36h ",
        "LARK_RETENTION_FORM_INPUTS": "1d",
        "LARK_RETENTION_WAITS": "",
    }
    retention = Retention.from_environment(environ, leases=HOUR, user_cache=None)
    assert retention == Retention(tokens=36 * HOUR, form_inputs=DAY, leases=HOUR)
    assert Retention.from_environment(environ, tokens=DAY).tokens == DAY
    assert Retention(tokens=timedelta(days=999_999)).tokens == timedelta(days=36_525)


@pytest.mark.parametrize("text", ["7", "soon", "-1d", "1.5h"])
def test_a_setting_that_is_no_period(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"LARK_RETENTION_LEASES must be a period, got '{text}'\. Next: set it"
    ):
        Retention.from_environment({"LARK_RETENTION_LEASES": text})


@pytest.mark.parametrize(
    ("name", "period", "least"),
    [
        ("tokens", -HOUR, "0s"),
        ("handled_events", 7 * HOUR, "8h"),
        ("card_callbacks", HOUR / 2, "1h"),
        ("form_inputs", HOUR / 2, "1h"),
        ("card_answers", timedelta(), "1h"),
        ("waits", timedelta(), "1h"),
    ],
)
def test_a_period_that_is_not_safe(name: str, period: timedelta, least: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"retention of {name} must be at least {least}, got .*_{name.upper()}"
    ):
        Retention(**{name: period})


def test_what_a_sync_was_about_to_create_stays_until_it_is_settled(url: URL) -> None:
    for name, age in (("week", 7 * DAY), ("year", 365 * DAY)):
        row = {"key": name, "owner": "o", "holder": "h", "until": NOW - age, "intent_at": NOW - age}
        add(url, tables.table_leases, **row, intent="sealed")
    assert purge(url)["table_leases"] == 1
    assert list_left(url, tables.table_leases, "key") == ["week"]
