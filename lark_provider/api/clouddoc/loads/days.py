"""Where the days of a load begin: decided once, recorded in the ledger, and read back by each attempt.

The rows of a load are recognized by the values that were sent. If the base's time zone is changed
between two attempts, a day that was converted again by the new one would look like a changed source.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from lark_provider.api.clouddoc.days import DayZone
from lark_provider.api.clouddoc.fields import parse_zone
from lark_provider.api.clouddoc.loads.leasing import format_target
from lark_provider.protocol.errors import ConfigurationError, ConflictError
from lark_provider.protocol.ledger import Load
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.store import with_store


def read_recorded_zone(app_token: str, table_id: str, key: str, restart: int) -> Procedure[ZoneInfo | None]:
    """Return the zone that is recorded for the days of a load; None if it is still to be decided.

    Args:
        app_token: The base.
        table_id: The table.
        key: The caller's key.
        restart: A number above the recorded one: the load is written again, and its zone decided again.

    Raises:
        ConfigurationError: This machine does not know the zone.
        StorageError: The database is unavailable.
    """
    place = format_target(app_token, table_id)
    outcome = yield from with_store(lambda store: store.ledger.read_recorded_zone(place, key, restart))
    (name,) = outcome or (None,)
    return None if name is None else _require_zone(name)


def record(days: DayZone, load: Load) -> Procedure[None]:
    """Let the days of an attempt begin where those of the load do, or record where they begin.

    Args:
        days: The zone of this attempt. One that is known was used to convert the rows.
        load: The load.

    Raises:
        ConflictError: Another attempt has decided otherwise since the rows were converted.
        ConfigurationError: This machine does not know the zone.
        StorageError: The database is unavailable.
    """

    def decide(zone: ZoneInfo) -> Procedure[ZoneInfo]:
        outcome = yield from with_store(lambda store: store.ledger.record_days(load.id, zone.key))
        return zone if outcome is None else _require_zone(*outcome)

    if days.known is None:
        days.known = None if load.days is None else _require_zone(load.days)
        days.record = decide
        return
    decided = (yield from decide(days.known)) if load.days is None else _require_zone(load.days)
    if decided.key != days.known.key:
        raise ConflictError(
            f"Load {load.id[:12]}: the rows were converted by the time zone {days.known.key}, and another "
            f"attempt has recorded {decided.key} meanwhile. Nothing was sent. Next: call again with the same "
            "key.",
            retryable=True,
        )


def _require_zone(name: str) -> ZoneInfo:
    zone = parse_zone(name)
    if zone is None:
        raise ConfigurationError(
            f"The days of this load begin in the time zone {name!r}, as the ledger has it, and this machine "
            "does not know that zone. Next: install the package tzdata, or pass zone=."
        )
    return zone
