"""The request log as the page shows it: windows, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark_emulator.control.specs import read_text, refuse_unknown
from lark_emulator.control.views.windows import parse_limit, parse_number

if TYPE_CHECKING:
    from lark_emulator.lark import Lark

#: Entries that one answer looks through.
_MAX_LOOKED_AT = 10_000


def list_requests(lark: Lark, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a window of the request log, newest first.

    Args:
        lark: The emulator whose request log is returned.
        spec: Arguments by name: `before` (a `number`: only older ones), `limit` (absent = 50, at most 200),
            `search` (a part of method, path, app or code), `failed` (`1`: only those that did not get code
            0).

    Returns:
        `total` (since the last reset), and `items`: entries of the log, each with its `number`.
    """
    refuse_unknown(spec, "before", "limit", "search", "failed")
    log, wanted = lark.log, parse_limit(spec)
    before = parse_number(spec, "before", log.total + 1)
    search, failed = read_text(spec, "search").casefold(), read_text(spec, "failed") == "1"
    items: list[dict[str, Any]] = []
    places = range(log.total, log.total - _MAX_LOOKED_AT, -1)
    for place, entry in zip(places, reversed(log.entries), strict=False):
        if len(items) == wanted:
            break
        if place >= before or (failed and entry.code == 0):
            continue
        about = f"{entry.method} {entry.path} {entry.app_id} {entry.code} {entry.status}"
        if search and search not in about.casefold():
            continue
        items.append({**log.render(entry), "number": place})
    return {"total": log.total, "items": items}
