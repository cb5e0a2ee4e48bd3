"""Rows of the outbox and of incidents: who may deliver which, and what the tables show."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.incidents.changes import apply_event
from lark_provider.protocol.incidents.event import RunEvent
from lark_provider.protocol.incidents.model import Claim
from lark_provider.protocol.incidents.shown import IncidentPlace, ShownIncident
from lark_provider.protocol.tokens import App
from lark_provider.storage.bridge_tables import incidents, outbox
from lark_provider.storage.engine import get_engine, hold_transaction
from lark_provider.storage.incidents import Incidents
from lark_provider.storage.outbox import Outbox
from lark_provider.storage.outbox_rows import OutboxEntry, open_payload

APP = App("https://open.feishu.cn", "cli_a", "secret")
PLACE = IncidentPlace("d", "r", "oc_1", "", "en")


def record(url: URL, task_id: str) -> str:
    event = RunEvent("failure", "d", "r", task_id, try_number=1, error="private reason")

    def change(before: ShownIncident) -> ShownIncident | None:
        incident = apply_event(before.incident, event, {})
        return None if incident is None else replace(before, incident=incident, event=event)

    recorded = Incidents(url, APP).record(PLACE, event, change, lambda shown: f"v{shown.incident.version}")
    assert recorded.shown is not None
    return recorded.shown.key


def end_leases(url: URL) -> None:
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(outbox.update().values(owned_until=outbox.c.created_at))


def states(url: URL) -> list[tuple[int, str]]:
    with hold_transaction(get_engine(url), reading=True) as connection:
        query = sa.select(outbox.c.version, outbox.c.state).order_by(outbox.c.version)
        return [(row.version, row.state) for row in connection.execute(query)]


def test_what_was_refused_counts_as_never_sent_when_it_is_tried_again(url: URL) -> None:
    rows = Outbox(url)
    record(url, "a")
    (row,) = rows.claim("one", 60, limit=9)
    rows.give_up(row, "one", "The bot is not in the chat.")
    with hold_transaction(get_engine(url)) as connection:
        connection.execute(outbox.update().values(state="due"))
    (row,) = rows.claim("one", 60, limit=9)
    assert not row.was_sent


def test_a_card_is_delivered_by_one_process_in_the_order_of_its_versions(url: URL) -> None:
    rows = Outbox(url)
    assert rows.claim("one", 60, limit=9) == []
    record(url, "a")
    (first,) = rows.claim("one", 60, limit=9)
    assert (first.version, open_payload(first, APP), first.message_id) == (1, "v1", None)
    record(url, "b")
    record(url, "c")
    assert states(url) == [(1, "due"), (2, "superseded"), (3, "due")]
    assert rows.claim("two", 60, limit=9) == []
    rows.record_delivered(first, "one", "om_1")
    (third,) = rows.claim("two", 60, limit=9)
    assert (third.version, third.message_id) == (3, "om_1")
    rows.record_delivered(third, "two", "om_1")
    assert states(url) == [(1, "delivered"), (2, "superseded"), (3, "delivered")]
    assert rows.measure_backlog() == (0, 0.0)


def test_what_may_have_been_sent_is_sent_again_before_newer_versions(url: URL) -> None:
    rows = Outbox(url)
    record(url, "a")
    rows.claim("killed", 60, limit=9)
    end_leases(url)
    record(url, "b")
    (first,) = rows.claim("two", 60, limit=9)
    assert (first.version, first.was_sent) == (1, True)
    rows.postpone(first, "two", "no answer", 0.0, may_be_sent=True)
    (again,) = rows.claim("two", 60, limit=9)
    assert (again.version, again.attempts) == (1, 1)


def test_a_process_that_froze_has_the_newest_version_sent_again(url: URL) -> None:
    rows = Outbox(url)
    record(url, "a")
    (sent,) = rows.claim("one", 60, limit=9)
    rows.record_delivered(sent, "one", "om_1")
    record(url, "b")
    (frozen,) = rows.claim("frozen", 60, limit=9)
    end_leases(url)
    record(url, "c")
    (newest,) = rows.claim("two", 60, limit=9)
    rows.record_delivered(newest, "two", "om_1")
    assert rows.measure_backlog()[0] == 0
    rows.record_delivered(frozen, "frozen", "om_1")  # its older version may be what the card shows now
    (repeated,) = rows.claim("two", 60, limit=9)
    assert repeated.version == 3


def test_a_change_by_a_person_is_a_version_of_the_card(url: URL) -> None:
    key = record(url, "a")
    claim = Claim("ou_1", "Alice", "2026-11-26T00:00:00Z")

    def change(before: ShownIncident) -> ShownIncident:
        return replace(before, incident=replace(before.incident, claim=claim))

    changed = Incidents(url, APP).change(key, change, lambda _: "card")
    assert changed.row is not None
    shown = Incidents(url, APP).find(key)
    assert shown is not None
    assert (shown.incident.claim, shown.incident.version) == (claim, 2)
    assert Incidents(url, APP).change(key, change, lambda _: "card").row is None
    assert Incidents(url, replace(APP, app_id="cli_b")).find(key) is None


def test_the_tables_show_no_content(url: URL) -> None:
    record(url, "a")
    Outbox(url).add(APP, OutboxEntry("x" * 64, "oc_1", "private text"))
    with hold_transaction(get_engine(url), reading=True) as connection:
        rows = [*connection.execute(sa.select(outbox)), *connection.execute(sa.select(incidents))]
    assert "private" not in str(rows)
    claimed = Outbox(url).claim("one", 60, limit=9)
    assert "private" not in str(claimed)
    (message,) = [row for row in claimed if row.card is None]
    assert open_payload(message, APP) == "private text"
    assert open_payload(replace(message, base_url="https://evil.example"), APP) is None
    assert open_payload(message, replace(APP, app_secret="other")) is None
