"""Parts of the state, page by page: a large tenant need not be read as a whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from lark_emulator.control import snapshot
from lark_emulator.control.specs import read_number_text, read_text, refuse_unknown
from lark_emulator.im import uploads, webhook_bot
from lark_emulator.wiki import pages as wiki_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator.lark import Lark
    from lark_emulator.world.bases import Table
    from lark_emulator.world.chats import Message
    from lark_emulator.world.records import Record

Item = tuple[str, "Callable[[], dict[str, Any]]"]
#: Yields the items of a part that follow one, or all.
Part = Callable[["Lark", str], "Iterator[Item]"]
DEFAULT_LIMIT, MAX_LIMIT = 100, 10_000


class _UnknownError(Exception):
    """A part has no item of this id."""


def _iterate_records(lark: Lark, after: str) -> Iterator[Item]:
    tables = [(base, table) for base in lark.world.bases.values() for table in base.tables.values()]
    start = 0
    if after:
        place = next((n for n, (_, table) in enumerate(tables) if after in table.records), None)
        if place is None:
            raise _UnknownError
        del tables[:place]
        start = tables[0][1].records.find_place(after) + 1
    for base, table in tables:
        at = {"app_token": base.app_token, "table_id": table.table_id}
        rows = table.records.list_all()
        for number in range(start, len(rows)):
            yield rows[number].record_id, partial(_record, at, table, rows[number])
        start = 0


def _record(at: dict[str, str], table: Table, record: Record) -> dict[str, Any]:
    return {**at, **snapshot.render_record(table.fields, record)}


def _render_message(lark: Lark, message: Message) -> dict[str, Any]:
    return {"chat_id": message.chat_id, **snapshot.render_message(lark.world, message)}


def _list_part(
    things: Callable[[Lark], dict[str, Any]], shown: Callable[[Lark, Any], dict[str, Any]]
) -> Part:
    def iterate_items(lark: Lark, after: str) -> Iterator[Item]:
        known = things(lark)
        if after and after not in known:
            raise _UnknownError
        names = list(known)
        for name in names[names.index(after) + 1 :] if after else names:
            yield name, partial(shown, lark, known[name])

    return iterate_items


#: The lists of the state, each as ids with what shows the item: only those of a page are made.
PARTS: dict[str, Part] = {
    "apps": _list_part(lambda lark: lark.world.apps, lambda _, app: snapshot.render_app(app)),
    "users": _list_part(lambda lark: lark.world.users, snapshot.render_user),
    "chats": _list_part(
        lambda lark: lark.world.chats, lambda lark, chat: snapshot.render_chat(lark.world, chat, summary=True)
    ),
    "messages": _list_part(lambda lark: lark.world.messages, _render_message),
    "bitables": _list_part(lambda lark: lark.world.bases, lambda _, base: snapshot.render_base(base)),
    "records": _iterate_records,
    "webhooks": _list_part(lambda lark: lark.world.webhook_bots, lambda _, bot: webhook_bot.render(bot)),
    "wiki_nodes": _list_part(
        lambda lark: lark.world.wiki_nodes, lambda lark, node: wiki_pages.render(lark.world, node)
    ),
    "uploads": _list_part(lambda lark: lark.world.uploads, lambda _, upload: uploads.render(upload)),
}


def render_pages(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return pages of some parts of the state.

    Args:
        lark: The emulator whose state is returned.
        spec: Arguments by name: `only`: names of parts, with commas; `limit`: the most items of each (100 if
            absent); `after`: the id after which to begin, with one part only.

    Returns:
        The parts by name, and `next`: for each part that goes on, the `after` of its next page.

    Raises:
        ValueError: an unknown part, a wrong limit, or an `after` that the part does not have.
    """
    refuse_unknown(spec, "only", "limit", "after", "summary")
    names = [name.strip() for name in read_text(spec, "only").split(",") if name.strip()]
    for name in names:
        if name not in PARTS:
            raise ValueError(f"'only' knows {', '.join(PARTS)}, not {name!r}")
    limit = DEFAULT_LIMIT if spec.get("limit") is None else read_number_text(spec, "limit")
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"'limit' must be a number from 1 to {MAX_LIMIT}, not {limit}")
    after = read_text(spec, "after")
    if len(names) != 1 and (after or not names):
        raise ValueError(
            "'after' and 'limit' need 'only'; 'after' goes on with one part. Next: name one in 'only'"
        )
    parts: dict[str, Any] = {}
    following: dict[str, str] = {}
    for name in names:
        page: list[dict[str, Any]] = []
        last = ""
        try:
            for item_id, shown in PARTS[name](lark, after):
                if len(page) == limit:
                    following[name] = last
                    break
                page.append(shown())
                last = item_id
        except _UnknownError:
            raise ValueError(f"'after' {after!r} is not an id of {name}. Next: take it from 'next'") from None
        parts[name] = page
    return {**parts, "next": following}
