"""Parts of the state, page by page: a large tenant need not be read as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control import snapshot
from lark_emulator.control.specs import only, text, whole_text
from lark_emulator.im import uploads, webhook_bot
from lark_emulator.wiki import pages as wiki_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lark_emulator.lark import Lark

Item = tuple[str, "Callable[[], dict[str, Any]]"]
DEFAULT_LIMIT, MOST = 100, 10_000


def _messages(lark: Lark) -> Iterator[Item]:
    for message in lark.world.messages.values():
        yield (
            message.message_id,
            lambda each=message: {  # type: ignore[misc]
                "chat_id": each.chat_id,
                **snapshot.message(each),
            },
        )


def _records(lark: Lark) -> Iterator[Item]:
    for base in lark.world.bases.values():
        for table in base.tables.values():
            place = {"app_token": base.app_token, "table_id": table.table_id}
            for record in table.records:
                yield (
                    record.record_id,
                    lambda of=table, each=record, at=place: {  # type: ignore[misc]
                        **at,
                        **snapshot.record(of, each),
                    },
                )


def _listed(
    things: Callable[[Lark], dict[str, Any]], shown: Callable[[Lark, Any], dict[str, Any]]
) -> Callable[[Lark], Iterator[Item]]:
    def items(lark: Lark) -> Iterator[Item]:
        for name, thing in things(lark).items():
            yield name, lambda each=thing: shown(lark, each)  # type: ignore[misc]

    return items


#: The lists of the state, each as ids with what shows the item: only those of a page are made.
PARTS: dict[str, Callable[[Lark], Iterator[Item]]] = {
    "apps": _listed(lambda lark: lark.world.apps, lambda _, app: snapshot.app(app)),
    "users": _listed(lambda lark: lark.world.users, snapshot.user),
    "chats": _listed(lambda lark: lark.world.chats, lambda _, chat: snapshot.chat(chat, summary=True)),
    "messages": _messages,
    "bitables": _listed(lambda lark: lark.world.bases, lambda _, base: snapshot.base(base, summary=True)),
    "records": _records,
    "webhooks": _listed(lambda lark: lark.world.webhook_bots, lambda _, bot: webhook_bot.shown(bot)),
    "wiki_nodes": _listed(
        lambda lark: lark.world.wiki_nodes, lambda lark, node: wiki_pages.shown(lark.world, node)
    ),
    "uploads": _listed(lambda lark: lark.world.uploads, lambda _, upload: uploads.shown(upload)),
}


def pages(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return pages of some parts of the state.

    Args:
        lark: whose.
        spec: `only`: names of parts, with commas; `limit`: the most items of each (100 if absent); `after`:
            the id after which to begin, with one part only.

    Returns:
        The parts by name, and `next`: for each part that goes on, the `after` of its next page.

    Raises:
        ValueError: an unknown part, a wrong limit, or an `after` that the part does not have.
    """
    only(spec, "only", "limit", "after", "summary")
    names = [name.strip() for name in text(spec, "only").split(",") if name.strip()]
    for name in names:
        if name not in PARTS:
            raise ValueError(f"'only' knows {', '.join(PARTS)}, not {name!r}")
    limit = DEFAULT_LIMIT if spec.get("limit") is None else whole_text(spec, "limit")
    if not 1 <= limit <= MOST:
        raise ValueError(f"'limit' must be a number from 1 to {MOST}, not {limit}")
    after = text(spec, "after")
    if len(names) != 1 and (after or not names):
        raise ValueError(
            "'after' and 'limit' need 'only'; 'after' goes on with one part. Next: name one in 'only'"
        )
    parts: dict[str, Any] = {}
    following: dict[str, str] = {}
    for name in names:
        items = PARTS[name](lark)
        if after and not any(item_id == after for item_id, _ in items):
            raise ValueError(f"'after' {after!r} is not an id of {name}. Next: take it from 'next'")
        page: list[dict[str, Any]] = []
        last = ""
        for item_id, shown in items:
            if len(page) == limit:
                following[name] = last
                break
            page.append(shown())
            last = item_id
        parts[name] = page
    return {**parts, "next": following}
