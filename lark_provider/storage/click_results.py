"""The outcome of clicks on cards of Airflow's: written once by the plugin, read by both plugin and bridge."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import URL

from lark_provider.protocol.hitl.delivery import ClickResult, DeliveredClick, read_result
from lark_provider.storage import migrate
from lark_provider.storage.bridge_tables import applied_clicks
from lark_provider.storage.statements import insert, read_clock

DUE, DONE = "due", "done"


class ClickResults:
    """The results of clicks in one database. All methods raise StorageError if it cannot be used.

    Args:
        url: The database.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def find_result(self, app_id: str, event_id: str) -> ClickResult | None:
        """Return the outcome of a click; None as long as that is not recorded.

        Args:
            app_id: The app.
            event_id: The click.
        """
        columns = applied_clicks.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            text = connection.execute(
                sa.select(columns.result).where(
                    columns.app_id == app_id, columns.event_id == event_id, columns.state == DONE
                )
            ).scalar_one_or_none()
        return None if text is None else read_result(text)

    def plan(self, app_id: str, event_id: str) -> str | None:
        """Return what a click is to change in Airflow, as `decide` recorded it; None if nothing was decided.

        Args:
            app_id: The app.
            event_id: The click.
        """
        columns = applied_clicks.c
        with migrate.open_transaction(self._url, reading=True) as connection:
            recorded: str | None = connection.execute(
                sa.select(columns.plan).where(columns.app_id == app_id, columns.event_id == event_id)
            ).scalar_one_or_none()
        return recorded

    def decide(self, click: DeliveredClick, card_key: str, plan: str) -> str:
        """Record what a click is to change in Airflow, and return what is recorded: the first plan counts.

        Args:
            click: The click.
            card_key: The card that it was on.
            plan: JSON.
        """
        columns = applied_clicks.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            added = insert(connection, applied_clicks).values(
                app_id=click.app_id,
                event_id=click.event_id,
                card_key=card_key,
                open_id=click.operator.open_id[:255],
                state=DUE,
                attempts=0,
                plan=plan,
                next_at=now,
                created_at=now,
            )
            connection.execute(
                added.on_conflict_do_update(
                    index_elements=[columns.app_id, columns.event_id],
                    set_={"plan": plan},
                    where=columns.plan.is_(None),
                )
            )
            recorded: str = connection.execute(
                sa.select(columns.plan).where(
                    columns.app_id == click.app_id, columns.event_id == click.event_id
                )
            ).scalar_one()
        return recorded

    def finish(self, click: DeliveredClick, card_key: str, result: ClickResult) -> ClickResult:
        """Record the outcome of a click, and return what is recorded: the first result counts.

        Args:
            click: The click.
            card_key: The card that it was on.
            result: Its outcome.
        """
        columns = applied_clicks.c
        with migrate.open_transaction(self._url) as connection:
            now = read_clock(connection).now
            outcome = {
                "state": DONE,
                "status": result.status,
                "result": result.dump(for_record=True),
                "done_at": now,
            }
            added = insert(connection, applied_clicks).values(
                app_id=click.app_id,
                event_id=click.event_id,
                card_key=card_key,
                open_id=click.operator.open_id[:255],
                attempts=0,
                next_at=now,
                created_at=now,
                **outcome,
            )
            connection.execute(
                added.on_conflict_do_update(
                    index_elements=[columns.app_id, columns.event_id],
                    set_=outcome,
                    where=columns.state != DONE,
                )
            )
            text = connection.execute(
                sa.select(columns.result).where(
                    columns.app_id == click.app_id, columns.event_id == click.event_id
                )
            ).scalar_one()
        return read_result(text)
