"""Start DAGs on changed records of a Bitable table: a trigger for Airflow's AssetWatcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from lark_provider.errors import ConfigurationError
from lark_provider.triggers.events import STREAM, EventStream

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer

    from lark_provider.triggers.events import Offer

CHANGES = ("added", "edited", "deleted")
_SHORTEST_PERIOD = 10.0
_PAUSE_SECONDS = 15.0


class LarkBaseWatcher(BaseEventTrigger):
    """Fire when records of a Bitable table change: for each event, and for changes without one.

    ```python
    orders = Asset(
        "orders",
        watchers=[
            AssetWatcher(name="lark", trigger=LarkBaseWatcher("https://….feishu.cn/base/bas…?table=tbl…"))
        ],
    )
    ```

    The app is subscribed to the base's events when the trigger starts, for which it must own or manage the
    base. Events come through the callback gateway and the queue `lark.events.inbox`, as for
    `LarkEventTrigger`; both may be used in one triggerer. The records of an event are read again. Every
    `scan_every` seconds the table is compared with what was reported, by the time of each record's last
    modification: that finds the changes whose events were lost, also after hours without a gateway. How far
    it was compared is in the database of `[lark] database_url` or `database_conn_id`.

    Guaranteed: the last modification of each record is reported, by its event or by a scan, and not by both.
    Not guaranteed: of several modifications without events only the last is seen; a deletion without an event
    is found if `deletions` is true; a triggerer that dies between storing and acknowledging fires again.
    Airflow may start one run for several events: see `LarkEventTrigger`.

    Args:
        app_token: The base, or a link to it.
        table_id: The table; None for the one that the link names.
        fields: Report edits only if one of these fields changed, by name. What a scan finds is reported
            whichever field it is, since Lark does not say; empty for all fields.
        changes: Of `added`, `edited` and `deleted`, those to report; empty for all.
        skip_own: Whether to leave out what the app itself writes.
        deletions: Whether scans look for deleted records as well, for which they read the whole table.
        modified_field: A field of type "last modified time" over all fields. With it a scan reads only
            records of the last days; without it the whole table.
        scan_every: Seconds between scans, from 10; 0 for none.
        max_payload_bytes: Bytes of an asset event's payload. More records make more events; of a record that
            is larger alone, the values are left out.
        lark_conn_id: The connection.

    Returns:
        As the asset event's payload: `app_token`, `table_id`, `source` (`event` or `scan`), `event_id`,
        `revision`, `changed_at` (ISO 8601, UTC), `operator` (open_id) and `records`. Each record has
        `record_id`, `change`, `fields` as they are now (None if the record is gone or could not be read),
        `modified_at`, and, of an event, `before` and `after` with the values of the fields that it names.

    Raises:
        ConfigurationError: When it is imported: Airflow is older than 3.3. Or an argument is invalid.
    """

    def __init__(
        self,
        app_token: str,
        table_id: str | None = None,
        *,
        fields: str | Collection[str] = (),
        changes: str | Collection[str] = (),
        skip_own: bool = True,
        deletions: bool = False,
        modified_field: str | None = None,
        scan_every: float = 600.0,
        max_payload_bytes: int = 65_536,
        lark_conn_id: str = "lark_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        self.app_token, self.table_id = app_token, table_id
        self.fields = sorted({fields} if isinstance(fields, str) else set(fields))
        self.changes = sorted({changes} if isinstance(changes, str) else set(changes))
        self.skip_own, self.deletions, self.modified_field = skip_own, deletions, modified_field
        self.scan_every, self.max_payload_bytes = scan_every, max_payload_bytes
        self.lark_conn_id = lark_conn_id
        if unknown := set(self.changes) - set(CHANGES):
            raise ConfigurationError(
                f"changes must be of {', '.join(CHANGES)}, got {min(unknown)!r}. Next: write it as "
                "in this list, or leave changes out for all."
            )
        if not (isinstance(app_token, str) and app_token.strip()):
            raise ConfigurationError(
                f"app_token must be a base's token or a link to it, got {app_token!r}. Next: copy the link "
                "from the browser's address bar."
            )
        if scan_every and not scan_every >= _SHORTEST_PERIOD:
            raise ConfigurationError(
                f"scan_every must be at least {_SHORTEST_PERIOD:g} seconds, or 0 for no scans, got "
                f"{scan_every!r}. Next: pass a number of seconds such as 60."
            )
        if not max_payload_bytes >= 1024:  # noqa: PLR2004 - less would hold no record at all
            raise ConfigurationError(
                f"max_payload_bytes must be at least 1024, got {max_payload_bytes!r}. Next: pass more."
            )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and arguments; watchers with the same ones are one trigger to Airflow."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return name, {"app_token": self.app_token, "table_id": self.table_id, **self.options()}

    def options(self) -> dict[str, Any]:
        """Return the arguments other than base and table."""
        return {
            "fields": self.fields,
            "changes": self.changes,
            "skip_own": self.skip_own,
            "deletions": self.deletions,
            "modified_field": self.modified_field,
            "scan_every": self.scan_every,
            "max_payload_bytes": self.max_payload_bytes,
            "lark_conn_id": self.lark_conn_id,
        }

    def shared_stream_key(self) -> tuple[str, str]:
        """Return the key of `LarkEventTrigger`, since both consume the same queue."""
        return STREAM

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:  # noqa: ARG003 - no filter matters
        """Return the producer, which acknowledges events once they are stored."""
        return EventStream()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Offer]) -> AsyncIterator[TriggerEvent]:
        """Fire for each change of the table that the filter matches.

        Raises:
            LarkError: The table cannot be watched, such as for want of a right; Airflow starts it again.
        """
        from lark_provider.triggers.wanted import WantedRecords
        from lark_provider.triggers.watching import TableWatcher  # the client is loaded where it is used

        try:
            watching = await TableWatcher.begin(
                WantedRecords(self.app_token, self.table_id, **self.options())
            )
        except Exception:  # Also Airflow's, such as for a connection that is missing.
            # Airflow starts a failed trigger again at once, and Lark would be asked without a pause.
            await asyncio.sleep(_PAUSE_SECONDS)
            raise
        scanning = asyncio.create_task(watching.scan_repeatedly())
        try:
            async for offer in shared_stream:
                with offer.firing():
                    async for payload in watching.iterate_payloads(offer):
                        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow leaves it untyped
        finally:
            scanning.cancel()
            with suppress(asyncio.CancelledError):
                await scanning
            await watching.close()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Refuse to run without the shared stream, which acknowledges events."""
        raise ConfigurationError(
            "LarkBaseWatcher must run in a triggerer's shared stream, got a run of its own. Next: give it "
            "to an AssetWatcher."
        )
        yield  # makes the function an iterator
