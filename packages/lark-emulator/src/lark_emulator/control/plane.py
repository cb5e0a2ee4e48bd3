"""The control plane: `/_emulator/…`, and the same operations for Python callers in this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from lark_emulator.control import (
    admin_api,
    approvals,
    connections,
    console,
    conversations,
    document_content,
    documents,
    office,
    people,
    seeding,
    sheet_edits,
    snapshot,
    state_pages,
    stubbing,
    user_messages,
    user_tokens,
)
from lark_emulator.control.clicks import click
from lark_emulator.control.specs import read_number_text, read_text, refuse_unknown
from lark_emulator.control.views import approvals as approval_windows
from lark_emulator.control.views import chats, tables
from lark_emulator.control.views import requests as request_windows
from lark_emulator.control.views import settings as settings_view
from lark_emulator.exchange import Answer, as_json
from lark_emulator.faults import Fault
from lark_emulator.request_log import Wanted
from lark_emulator.slicing import dump, with_turns
from lark_emulator.validation import parse

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from lark_emulator.exchange import Request
    from lark_emulator.lark import Lark

PREFIX = "/_emulator/"
CLICK = "cards/:message_id/click"


class Unwritten(NamedTuple):
    """An answer whose long lists are iterators: their items are made when they are written."""

    content: dict[str, Any]


Result = dict[str, Any] | Unwritten | Coroutine[None, None, dict[str, Any]]
Operation = Callable[["Lark", dict[str, Any]], Result]


def handle(lark: Lark, request: Request) -> Answer | Coroutine[None, None, Answer]:
    """Answer a request under `/_emulator/`; bad input gets 400."""
    name, message_id = _parse_path(request.path.removeprefix(PREFIX))
    operation = OPERATIONS.get((request.method, name))
    if operation is None:
        known = sorted(f"{method} {PREFIX}{path}" for method, path in OPERATIONS)
        return as_json({"error": f"no {request.method} {request.path}", "known": known}, 404)
    try:
        body = parse(request.body) if request.body else dict(request.query)
        if not isinstance(body, dict):
            return as_json({"error": "the body must be a JSON object"}, 400)
        if message_id:
            body["message_id"] = message_id
        if request.method != "GET":
            lark.activity += 1
        result = operation(lark, body)
        return as_json(result) if isinstance(result, dict) else _answer_later(lark, result)
    except ValueError as error:  # orjson.JSONDecodeError is one, too
        return as_json({"error": str(error)}, 400)


async def _answer_later(lark: Lark, result: Awaitable[dict[str, Any]] | Unwritten) -> Answer:
    try:
        answer = result.content if isinstance(result, Unwritten) else await result
        return Answer(200, b"", code=answer.get("code"), parts=await with_turns(dump(answer)))
    except ValueError as error:
        return as_json({"error": str(error)}, 400)
    finally:
        lark.activity += 1


def _parse_path(path: str) -> tuple[str, str]:
    """Return the name of an operation, and the message_id that its path may hold."""
    parts = path.split("/")
    if len(parts) == len(CLICK.split("/")) and parts[0] == "cards":
        return "/".join((parts[0], ":message_id", parts[2])), parts[1]
    return path, ""


def get_state(lark: Lark, spec: dict[str, Any]) -> dict[str, Any] | Unwritten:
    """Return everything the emulator holds, as it is when it is asked for.

    Args:
        lark: The emulator whose state is returned.
        spec: Arguments by name: `summary` (1: without records and messages); or `only`, `limit` and `after`,
            for pages of some parts.
    """
    lark.clock.ring()
    if spec.keys() & {"only", "limit", "after"}:
        return state_pages.render_pages(lark, spec)
    if spec.get("summary") == "1":
        return snapshot.render(lark, summary=True)
    return Unwritten(snapshot.render_with_records(lark))


def list_requests(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the request log and its counters.

    Args:
        lark: The emulator whose request log is returned.
        spec: Arguments by name, which choose the entries: `method`; `path` (exact, a template or a pattern
            with `*`); `after` (only entries with a greater `id`); `limit` (at most so many, the newest ones).
    """
    refuse_unknown(spec, "method", "path", "after", "limit")
    limit = None if spec.get("limit") is None else read_number_text(spec, "limit")
    which = Wanted(
        read_text(spec, "method").upper() or "*",
        read_text(spec, "path") or "*",
        read_number_text(spec, "after"),
        limit,
    )
    return lark.log.to_dict(which)


def reset(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return to the state of a fresh emulator."""
    lark.reset()
    return {}


def change_settings(lark: Lark, changes: dict[str, Any]) -> dict[str, Any]:
    """Change settings, all or none, and return them all."""
    lark.settings.change(changes)
    return lark.settings.to_dict()


def list_faults(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the failures still to come."""
    return {"faults": [fault.to_dict() for fault in lark.faults.planned]}


def add_fault(lark: Lark, plan: dict[str, Any]) -> dict[str, Any]:
    """Plan a failure, see `faults.Fault`."""
    lark.faults.planned.append(Fault.from_plan(plan))
    return list_faults(lark, {})


def clear_faults(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Forget all planned failures."""
    lark.faults.planned.clear()
    return {}


def list_late(lark: Lark, _: dict[str, Any]) -> dict[str, Any]:
    """Return the requests that were or will be performed late, see `late.LateRequest`."""
    lark.clock.ring()
    return {"waiting": lark.late.waiting, "late": lark.late.to_dict()}


def revoke_tokens(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Make tokens invalid at once: of an app (`app_id`), a tenant (`tenant_key`), a user (`user_id`), or all.

    With `user_id`, the refresh tokens of that user are revoked, too.
    """
    refuse_unknown(spec, "app_id", "tenant_key", "user_id")
    app_id, user_id = read_text(spec, "app_id") or None, read_text(spec, "user_id") or None
    if user_id is not None:
        lark.world.consents.withdraw(app_id, user_id)
    return {"revoked": lark.tokens.revoke(app_id, read_text(spec, "tenant_key") or None, user_id)}


def move_clock(lark: Lark, spec: dict[str, Any]) -> dict[str, Any] | Coroutine[None, None, dict[str, Any]]:
    """Move the clock forward by `advance` seconds, and return the time once all that was due is done."""
    refuse_unknown(spec, "advance")
    seconds = spec.get("advance")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not math.isfinite(seconds):
        raise ValueError(f"'advance' must be a number of seconds, not {seconds!r}")
    lark.clock.check(seconds)
    if lark.loop is not None:
        return _pass_time(lark, seconds)
    lark.clock.advance(seconds)
    return {"now": lark.clock.get_time()}


async def _pass_time(lark: Lark, seconds: float) -> dict[str, Any]:
    """Go from alarm to alarm: a long jump is like all the time that it skips."""
    clock, events = lark.clock, lark.events
    while True:
        await events.settle()
        wait = clock.until_due()
        step = seconds if wait is None else min(wait, seconds)
        clock.advance(step)
        seconds -= step
        if seconds <= 0:
            await events.settle()
            return {"now": clock.get_time()}


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "state"): get_state,
    ("GET", "requests"): list_requests,
    ("GET", "view/overview"): chats.get_overview,
    ("GET", "view/messages"): chats.list_messages,
    ("GET", "view/records"): tables.list_records,
    ("GET", "view/sheet"): tables.get_sheet,
    ("GET", "view/approvals"): approval_windows.list_approvals,
    ("GET", "view/requests"): request_windows.list_requests,
    ("GET", "view/settings"): settings_view.describe,
    ("POST", "reset"): reset,
    ("GET", "settings"): lambda lark, _: change_settings(lark, {}),
    ("POST", "settings"): change_settings,
    ("GET", "faults"): list_faults,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("GET", "stubs"): stubbing.list_all,
    ("POST", "stubs"): stubbing.add,
    ("POST", "stubs/reset"): stubbing.reset,
    ("DELETE", "stubs"): stubbing.remove,
    ("GET", "late"): list_late,
    ("POST", "tokens/revoke"): revoke_tokens,
    ("POST", "tokens/user"): user_tokens.issue,
    ("POST", "authorize"): user_tokens.visit,
    ("POST", "clock"): move_clock,
    ("POST", "apps"): admin_api.add_app,
    ("POST", "apps/change"): admin_api.change_app,
    ("POST", "users"): admin_api.add_user,
    ("POST", "users/change"): admin_api.change_user,
    ("POST", "chats"): admin_api.add_chat,
    ("POST", "chats/change"): admin_api.change_chat,
    ("POST", "messages/change"): admin_api.change_message,
    ("POST", "messages/say"): user_messages.say,
    ("POST", "messages/react"): conversations.react_as_user,
    ("POST", "messages/read"): conversations.read_as_user,
    ("POST", "messages/pin"): conversations.pin_as_user,
    ("POST", "departments"): office.add_department,
    ("POST", "calendar/events"): office.add_event,
    ("POST", "minutes"): office.add_minute,
    ("POST", "webhooks"): admin_api.add_webhook,
    ("POST", "bases/share"): admin_api.share_base,
    ("POST", "bases/limit"): admin_api.limit_base,
    ("POST", "records/add"): seeding.add_rows,
    ("POST", "records/edit"): people.edit_records,
    ("GET", "records/edits"): people.list_edits,
    ("GET", "sheets"): sheet_edits.read,
    ("POST", "sheets/edit"): sheet_edits.edit_sheet,
    ("GET", "sheets/plans"): sheet_edits.list_plans,
    ("POST", "sheets/plans"): sheet_edits.plan_edits,
    ("DELETE", "sheets/plans"): sheet_edits.clear_plans,
    ("GET", "documents"): documents.list_all,
    ("POST", "documents"): documents.add,
    ("GET", "documents/access"): documents.get_access,
    ("POST", "documents/share"): documents.share,
    ("GET", "documents/content"): document_content.get_content,
    ("GET", "medias"): document_content.list_medias,
    ("GET", "pages"): people.list_pages,
    ("POST", "pages"): people.plan_page,
    ("DELETE", "pages"): people.clear_pages,
    ("POST", "callbacks"): console.set_callback,
    ("POST", "events"): console.push_event,
    ("POST", CLICK): click,
    ("POST", "wiki/nodes"): admin_api.add_wiki_node,
    ("GET", "wiki/spaces"): document_content.list_spaces,
    ("POST", "wiki/spaces"): document_content.add_space,
    ("GET", "approvals"): approvals.list_all,
    ("POST", "approvals"): approvals.add,
    ("POST", "approvals/change"): approvals.change,
    ("POST", "approvals/decide"): approvals.decide,
    ("GET", "connections"): connections.list_all,
    ("POST", "connections/drop"): connections.drop,
    ("POST", "connections/hang"): connections.hang,
    ("POST", "connections/send"): connections.send,
    ("POST", "connections/faults"): connections.add_fault,
    ("DELETE", "connections/faults"): connections.clear_faults,
}
