"""What will not work in the escalations of routes: scopes, quota, rotas, and who is in which chat."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from lark_provider.api import scopes
from lark_provider.api.receivers import make_receiver
from lark_provider.api.routes.model import Route, RouteReceiver
from lark_provider.bridge.rotas import select_from_events, select_from_records
from lark_provider.client import LarkServiceClient
from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.incidents.escalation import Escalation, Rota
from lark_provider.protocol.paging import list_items
from lark_provider.protocol.paths import fill_path

_NAMES = {"app": "urgent messages in the app", "sms": "urgent SMS", "phone": "urgent calls"}
_OWNER_ONLY = "only_owner"


def list_faults(
    client: LarkServiceClient,
    routes: Iterable[tuple[Route, Sequence[RouteReceiver]]],
    used_up: Mapping[str, datetime],
) -> list[str]:
    """Return what will not work in the escalations of one app's routes; empty if nothing is known.

    Args:
        client: The app's Lark client.
        routes: Routes with an escalation, each with its receivers of this app.
        used_up: When the tenant's quota was found used up, by how a step rings.

    Raises:
        LarkError: Lark cannot be asked.
    """
    having = scopes.read_granted_scopes(client.call("GET", "/application/v6/scopes").data)
    problems: list[str] = []
    for route, receivers in routes:
        if route.escalation is None:
            continue
        where = f"line {route.line}, {route.name}: "
        problems += [where + text for text in _of_scopes(route.escalation, having)]
        problems += [where + text for text in _of_calendar(route.escalation.rota, having)]
        problems += [where + text for text in _of_quota(route.escalation, used_up)]
        people, texts = _find_people(client, route.escalation.rota)
        problems += [where + text for text in texts]
        for receiver in receivers:
            problems += [where + text for text in _of_receiver(client, receiver, people)]
    return list(dict.fromkeys(problems))


def _of_scopes(escalation: Escalation, having: Collection[str]) -> Iterator[str]:
    for kind in dict.fromkeys(step.urgent for step in escalation.steps):
        one_of = scopes.AREAS["urgent"][f"PATCH /open-apis/im/v1/messages/:message_id/urgent_{kind}"]
        if not set(one_of).intersection(having):
            yield f"the app lacks the scope {one_of[0]} for {_NAMES[kind]}"


def _of_calendar(rota: Rota, having: Collection[str]) -> Iterator[str]:
    if rota.calendar is not None:
        for scope in scopes.list_missing("calendar", having):
            yield f"the app lacks the scope {scope} for the calendar of its rota"


def _of_quota(escalation: Escalation, used_up: Mapping[str, datetime]) -> Iterator[str]:
    for kind in dict.fromkeys(step.urgent for step in escalation.steps):
        if kind in used_up:
            day = f"{used_up[kind]:%Y-%m-%d}"
            yield f"the tenant's quota for {_NAMES[kind]} was used up on {day}; an admin can buy more"


def _find_people(client: LarkServiceClient, rota: Rota) -> tuple[dict[str, str], list[str]]:
    """Return the open_ids of a rota by how it names them, and what is wrong with it."""
    open_ids: dict[str, str] = {}
    texts = []
    try:
        on_duty = _list_on_duty(client, rota)
    except LarkError as error:
        on_duty = []
        texts.append(f"its rota cannot be read: {error}")
    else:
        if not on_duty and not rota.people:
            texts.append("nobody is on duty now, by its rota")
    for person in dict.fromkeys([*on_duty, *rota.people]):
        try:
            is_id = make_receiver(person).id_type == "open_id"
            open_id = person if is_id else client.contact.get_id(person, max_age=0)
        except LarkError as error:
            texts.append(f"{person} cannot be looked up: {error}")
            continue
        if open_id is None:
            texts.append(f"no user visible to the app is {person}")
        else:
            open_ids[person] = open_id
    return open_ids, texts


def _list_on_duty(client: LarkServiceClient, rota: Rota) -> list[str]:
    """Return whom the Bitable or the calendar of a rota names now."""
    now = datetime.now(UTC)
    if (table := rota.table) is not None:
        listed = client.clouddoc.bitable.search_records(
            table.base, table.table, field_names=table.columns, convert=False
        )
        return [
            person.id
            for person in select_from_records([record.get("fields") or {} for record in listed], table, now)
        ]
    if (calendar := rota.calendar) is not None:
        events = client.calendar.happening(
            calendar.id, at=now, timezone=rota.timezone, attendees=calendar.person == "attendees"
        )
        return [person.id for person in select_from_events(events, calendar)]
    return []


def _of_receiver(client: LarkServiceClient, to: RouteReceiver, people: Mapping[str, str]) -> Iterator[str]:
    if to.receiver_type != "chat_id":
        for name, open_id in people.items():
            if to.receiver not in {name, open_id}:
                yield f"{name} does not see the card, which goes to {to.receiver} alone"
        return
    try:
        where = fill_path("/im/v1/chats/{chat_id}/members", chat_id=to.receiver)
        members = {str(member["member_id"]) for member in client.iterate(list_items(where))}
        chat = client.call("GET", fill_path("/im/v1/chats/{chat_id}", chat_id=to.receiver)).data
    except LarkError as error:
        yield f"the members of {to.receiver} cannot be read: {error}"
        return
    for name, open_id in people.items():
        if open_id not in members:
            yield f"{name} is not in the chat {to.receiver}"
    managers = chat.get("bot_manager_id_list") or ()
    if chat.get("urgent_setting") == _OWNER_ONLY and client.app_id not in managers:
        yield f"in the chat {to.receiver} only admins may make messages urgent, and the bot is none"
