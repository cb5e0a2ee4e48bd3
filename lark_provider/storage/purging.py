"""Delete rows whose retention is over: `lark-provider db purge`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from lark_provider.protocol.hitl.keys import PREFIX
from lark_provider.storage import bridge_tables as bridge
from lark_provider.storage import forgotten, migrate, tables, watch_tables
from lark_provider.storage.applied_clicks import OLDEST_CLICK
from lark_provider.storage.deadlines import MAINTENANCE
from lark_provider.storage.engine import hold_transaction
from lark_provider.storage.maintenance import require_engine
from lark_provider.storage.retention import Retention
from lark_provider.storage.statements import make_among_condition, make_clock_column

T = TypeVar("T", list[Any], dict[str, Any])

_CHUNK = 500
_FOUND = OLDEST_CLICK + timedelta(days=1)
"""A click that is looked at and has no row is new: it would be applied once more."""
_UNDELIVERED = timedelta(days=30)
"""A message that Lark has not taken for so long is about nothing that still matters."""
_UNREAD = timedelta(hours=1)
"""A task reads the click that decided its question so soon; the click may be much older than the decision."""
_WITHOUT_DEADLINE = timedelta(days=30)
"""An open question without a deadline stays at least this long: its card takes clicks for 14 days."""


def purge(url: URL, retention: Retention | None = None) -> dict[str, int]:
    """Delete rows whose retention is over, by the database's clock.

    Args:
        url: The database's URL, from `urls.database` or `urls.registry`.
        retention: The retention of each table; None for that of the environment, see `Retention`.

    Returns:
        How many rows were deleted, by table; and as `form_inputs`, of how many clicks the input was deleted.

    Raises:
        ConfigurationError: A setting is invalid.
        StorageError: The database cannot be used.
    """
    periods = retention or Retention.from_environment()
    require_engine(url)
    on = migrate.prepare_engine(url)
    with hold_transaction(on, limits=MAINTENANCE) as connection:
        now = connection.execute(sa.select(make_clock_column(connection))).scalar_one()
        counts = {
            str(table.name): connection.execute(table.delete().where(condition)).rowcount
            for table, condition in _make_conditions(connection, periods, now).items()
        }
    period = periods.form_inputs
    return counts | {"form_inputs": 0 if period is None else sum(_delete_inputs(on, now, period))}


def _make_conditions(
    connection: Connection, periods: Retention, now: datetime
) -> dict[sa.Table, sa.ColumnElement[bool]]:
    """Return which rows to delete, by table, in the order in which the tables are locked."""
    clicks, waits, ends = tables.card_callbacks.c, tables.waits.c, now - periods.waits
    return (
        {
            tables.tokens: tables.tokens.c.expires_at < now - periods.tokens,
            tables.user_cache: tables.user_cache.c.expires_at < now - periods.user_cache,
            tables.leases: sa.or_(
                sa.and_(~forgotten.IS_FORGOTTEN, tables.leases.c.until < now - periods.leases),
                sa.and_(forgotten.IS_FORGOTTEN, tables.leases.c.until < now - periods.ledger),
            ),
            tables.card_callbacks: sa.and_(
                clicks.stored_at < now - periods.card_callbacks, _make_unneeded_condition(connection, now)
            ),
            tables.card_answers: tables.card_answers.c.decided_at < now - periods.card_answers,
            tables.handled_events: tables.handled_events.c.handled_at < now - periods.handled_events,
            tables.waits: sa.or_(
                sa.and_(waits.state != "open", waits.updated_at < ends),
                sa.and_(waits.state == "open", waits.deadline < ends),
                sa.and_(
                    waits.state == "open",
                    waits.deadline.is_(None),
                    waits.created_at < min(ends, now - _WITHOUT_DEADLINE),
                ),
            ),
            # Before the ledger, since a writer locks its lease and then its load, or both would deadlock.
            # What a sync was about to create is settled by the next one, and stays until then.
            tables.table_leases: sa.and_(
                tables.table_leases.c.until < now - periods.leases,
                sa.or_(
                    tables.table_leases.c.intent.is_(None), tables.table_leases.c.until < now - periods.ledger
                ),
            ),
            # Locked, so that a load that is opened at this moment keeps its chunks with its row.
            tables.ledger_chunks: tables.ledger_chunks.c.ledger_id.in_(
                sa.select(tables.ledger.c.id)
                .where(tables.ledger.c.updated_at < now - periods.ledger)
                .with_for_update()
            ),
            tables.ledger: tables.ledger.c.updated_at < now - periods.ledger,
            tables.pacing: tables.pacing.c.next_at < now - periods.leases,
        }
        | _make_bridge_conditions(periods, now)
        | _make_watched_conditions(now - periods.record_cursors)
    )


def _make_bridge_conditions(periods: Retention, now: datetime) -> dict[sa.Table, sa.ColumnElement[bool]]:
    """Return which rows to delete of the tables of Airflow's questions and failures."""
    questions, cards, clicks = bridge.hitl_questions.c, bridge.hitl_cards.c, bridge.applied_clicks.c
    people, outbox, commands = bridge.people.c, bridge.outbox.c, bridge.chat_commands.c
    ends, short = now - periods.questions, now - periods.leases
    running = sa.select(questions.ti_id).where(questions.state != "over")
    return {
        bridge.hitl_cards: sa.and_(cards.updated_at < ends, cards.ti_id.not_in(running)),
        bridge.applied_clicks: sa.and_(clicks.state != "due", clicks.created_at < min(ends, now - _FOUND)),
        bridge.hitl_questions: sa.and_(questions.state == "over", questions.updated_at < ends),
        bridge.people: sa.and_(people.state == "revoked", people.updated_at < now - periods.people),
        bridge.link_codes: bridge.link_codes.c.until < short,
        bridge.api_servers: bridge.api_servers.c.seen_at < short,
        bridge.mutes: bridge.mutes.c.until < short,
        bridge.escalation_steps: bridge.escalation_steps.c.updated_at < now - periods.incidents,
        bridge.digests: bridge.digests.c.created_at < now - periods.incidents,
        bridge.incidents: bridge.incidents.c.updated_at < now - periods.incidents,
        bridge.chat_commands: sa.and_(commands.state == "done", commands.updated_at < now - periods.commands),
        bridge.outbox: sa.or_(
            sa.and_(outbox.state != "due", outbox.updated_at < now - periods.outbox),
            outbox.created_at < min(now - periods.outbox, now - _UNDELIVERED),
        ),
    }


def _make_watched_conditions(ends: datetime) -> dict[sa.Table, sa.ColumnElement[bool]]:
    """Return which rows to delete of watched tables; what was seen goes with its cursor."""
    cursors, seen = watch_tables.record_cursors.c, watch_tables.seen_records.c
    kept = sa.select(cursors.key).where(cursors.updated_at >= ends)
    return {
        watch_tables.seen_records: sa.and_(seen.updated_at < ends, seen.cursor_key.not_in(kept)),
        watch_tables.record_cursors: cursors.updated_at < ends,
    }


def _make_unneeded_condition(connection: Connection, now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that no task and no bridge needs a click any more.

    One is needed if it is to be delivered to Airflow, can answer an open question, by correlation or by
    message, or has just decided one. The rows of questions are parsed here and not in SQL, so that a damaged
    one protects no click, but does not stop the purge either.
    """
    waits, clicks = tables.waits.c, tables.card_callbacks.c
    correlations, messages, deciding = set[str](), set[str](), set[int]()
    query = sa.select(waits.id, waits.message_ids, waits.question).where(waits.state == "open")
    for row in connection.execute(query):
        correlations.add(row.id)
        messages.update(text for text in _parse(row.message_ids, list) if isinstance(text, str))
        carried = _parse(row.question, dict).get("correlation")
        correlations.update({carried} if isinstance(carried, str) else ())
    just_decided = sa.and_(waits.state == "decided", waits.updated_at >= now - _UNREAD)
    for text in connection.scalars(sa.select(waits.decided_by).where(just_decided)):
        deciding.update(click_id for click_id in _parse(text or "", list) if isinstance(click_id, int))
    named = sa.or_(
        make_among_condition(connection, clicks.id, deciding),
        make_among_condition(connection, clicks.correlation, correlations),
        make_among_condition(connection, clicks.message_id, messages),
    )
    # Not `NOT named`: SQLAlchemy would write `!= ANY`, which has another meaning, and null is not false.
    is_unnamed = sa.func.coalesce(named, sa.false()).is_(sa.false())
    return sa.and_(is_unnamed, ~_make_undelivered_condition(now))


def _make_undelivered_condition(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a click on a card of Airflow's has no result yet, and may still get one.

    A bridge that was stopped finds it for 14 days, and delivers it for another day.
    """
    clicks, applied = tables.card_callbacks.c, bridge.applied_clicks.c
    has_result = sa.exists().where(
        applied.app_id == clicks.app_id, applied.event_id == clicks.event_id, applied.state != "due"
    )
    is_of_airflow = sa.func.coalesce(clicks.correlation, "").like(f"{PREFIX}%")
    return sa.and_(is_of_airflow, clicks.stored_at >= now - _FOUND, ~has_result)


def _parse(text: str, kind: type[T]) -> T:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return kind()
    return value if isinstance(value, kind) else kind()


def _delete_inputs(on: Engine, now: datetime, period: timedelta) -> Iterator[int]:
    """Delete the input of clicks, a few hundred in a transaction, and yield how many."""
    clicks, after = tables.card_callbacks.c, 0
    # The database preselects coarsely, so that a daily purge does not read the same clicks again.
    marks = ('"form_value":{"', '"input_value":"_%')
    has_inputs = sa.or_(*(clicks.payload.like(f"%{mark}%") for mark in marks))
    change = (
        tables.card_callbacks.update()
        .where(clicks.id == sa.bindparam("click"))
        .values(payload=sa.bindparam("without"))
    )
    while True:
        with hold_transaction(on, limits=MAINTENANCE) as connection:
            wanted = (
                sa.select(clicks.id, clicks.payload)
                .where(
                    clicks.id > after,
                    clicks.stored_at < now - period,
                    has_inputs,
                    _make_unneeded_condition(connection, now),
                )
                .order_by(clicks.id)
                .limit(_CHUNK)
            )
            rows = connection.execute(wanted).all()
            payloads = {row.id: _without_inputs(row.payload) for row in rows}
            changes = [
                {"click": click_id, "without": payload}
                for click_id, payload in payloads.items()
                if payload is not None
            ]
            if changes:
                connection.execute(change, changes)
        yield len(changes)
        if len(rows) < _CHUNK:
            return
        after = rows[-1].id


def _without_inputs(payload: str) -> str | None:
    """Return a click's payload without its input; None if it has none."""
    try:
        content: dict[str, Any] = orjson.loads(payload)
        action: dict[str, Any] = content["event"]["action"]
        has_inputs = bool(action.get("form_value") or action.get("input_value"))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        # Not a click of ours: input may be anywhere in it, and it must not stop the purge of the others.
        return "{}"
    if not has_inputs:
        return None
    for name, empty in (("form_value", {}), ("input_value", "")):
        if action.get(name):
            action[name] = empty
    return orjson.dumps(content).decode()
