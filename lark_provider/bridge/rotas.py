"""Whose turn it is: from the list of `lark.yaml`, or from a Bitable as it is now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from lark_provider.client.clients import AsyncLarkServiceClient
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.incidents.escalation import Rota, RotaTable

_MOST = 500
_SHOWN = 4
_SPLIT = re.compile(r"[\s,;]+")


class OnDuty(NamedTuple):
    """A person whose turn it is.

    Attributes:
        id: Open_id, e-mail address or mobile number.
        name: For the card.
    """

    id: str
    name: str


async def whose_turn(client: AsyncLarkServiceClient, rota: Rota, number: int, at: datetime) -> OnDuty | None:
    """Return whose turn a step is; None if nobody is on duty.

    Args:
        client: Of the app that reads the Bitable.
        rota: The rota.
        number: The step, from 1.
        at: The moment, with its time zone.

    Raises:
        LarkError: The Bitable cannot be read.
    """
    people = dict.fromkeys(rota.people, "")
    if rota.table is not None:
        people = {one.id: one.name for one in await on_duty(client, rota.table, at)}
    found = rota.turn(number, at, tuple(people))
    if found is None:
        return None
    return OnDuty(found, people[found] or await _name(client, found))


async def on_duty(client: AsyncLarkServiceClient, table: RotaTable, at: datetime) -> list[OnDuty]:
    """Return who is on duty by a Bitable, in the order in which their duty began.

    See POST /open-apis/bitable/v1/apps/:app_token/tables/:table_id/records/search.

    Args:
        client: Of an app that may read it.
        table: Where it is.
        at: The moment, with its time zone.

    Raises:
        LarkError: It cannot be read.
    """
    fields = [one for one in (table.person, table.begin, table.end) if one]
    records: list[Mapping[str, Any]] = []
    async for record in client.clouddoc.bitable.search_records(
        table.base, table.table, field_names=fields, convert=False
    ):
        records.append(record.get("fields") or {})
        if len(records) == _MOST:
            break
    return of_records(records, table, at)


def of_records(records: Iterable[Mapping[str, Any]], table: RotaTable, at: datetime) -> list[OnDuty]:
    """Return who is on duty by the fields of records; pure. A person is there once.

    Args:
        records: Fields as Lark answers them.
        table: The columns.
        at: The moment, with its time zone.
    """
    now = at.timestamp() * 1000
    found: list[tuple[float, OnDuty]] = []
    for fields in records:
        since = _number(fields.get(table.begin)) if table.begin else 0.0
        until = _number(fields.get(table.end)) if table.end else None
        if since is not None and since <= now and (until is None or until > now):
            found += [(since, one) for one in _people(fields.get(table.person))]
    people: dict[str, OnDuty] = {}
    for _, one in sorted(found, key=lambda one: one[0]):
        people.setdefault(one.id, one)
    return list(people.values())


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _people(value: Any) -> list[OnDuty]:
    """Return the people of a cell: persons, or texts with ids, addresses or numbers."""
    if isinstance(value, str):
        return [OnDuty(one, "") for one in _SPLIT.split(value.strip()) if one]
    found: list[OnDuty] = []
    for one in value if isinstance(value, list) else ():
        if isinstance(one, str):
            found += _people(one)
        elif isinstance(one, Mapping) and isinstance(one.get("id"), str):
            found.append(OnDuty(one["id"], str(one.get("name") or "")))
        elif isinstance(one, Mapping) and isinstance(one.get("text"), str):
            found += _people(one["text"])
    return found


async def _name(client: AsyncLarkServiceClient, who: str) -> str:
    """Return what a card calls a person: a name, an address, or the end of a number."""
    if "@" in who:
        return who
    if who.startswith("+"):
        return f"…{who[-_SHOWN:]}"
    try:
        found = await client.contact.get_user(who)
    except LarkError:
        return who  # A card with an id is better than a step that waits for a name.
    return str((found or {}).get("name") or who)
