"""Probes of worksheets as a whole: grid, merges, filters, batches and limits; see `sheet_cells`."""

from __future__ import annotations

from typing import Any

from lark_provider.verify.book import RANGE, open_book
from lark_provider.verify.probe import (
    Probe,
    ProbeSteps,
    ProbeTarget,
    Request,
    UnexpectedError,
    choose_refused,
    probe,
    require,
)

_FILTER_EXISTS = 1310236
_MANY_ROWS = (2001, 5000)


def _probe_grid_growth(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    rows = (yield from book.read_properties())["rowCount"]
    reply = yield book.put(f"A{rows + 1}:A{rows + 9}", [["a"]])
    if reply.code:
        return choose_refused(reply, "refused", "data", RANGE)
    grown = (yield from book.read_properties())["rowCount"]
    if grown == rows + 1:
        return "data"
    if grown == rows + 9:
        return "range"
    raise UnexpectedError(f"the grid grew by {grown - rows} rows for 1 of data in a range of 9")


def _read_outside(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    rows = (yield from book.read_properties())["rowCount"]
    reply = yield Request("GET", f"{book.v2}/values/{book.get_range(f'A{rows + 1}:A{rows + 9}')}")
    return choose_refused(reply, "refused", "empty", RANGE)


def _probe_merged_writes(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.merge("A1:B1"))
    yield from require(book.put("A1:B1", [["a", "b"]]))
    return "stored" if (yield from book.read("A1:B1"))[0][1:] == ["b"] else "dropped"


def _remerge(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.merge("A1:B1"))
    return choose_refused((yield book.merge("A1:C1")), "refused", "taken", RANGE)


def _filter_again(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.put("A1:B2", [["a", "b"], [1, 2]]))
    condition = {"filter_type": "number", "compare_type": "less", "expected": ["9"]}
    body = {"range": book.get_range("A1:B2"), "col": "A", "condition": condition}
    yield from require(Request("POST", f"{book.v3}/filter", body))
    reply = yield Request("POST", f"{book.v3}/filter", {**body, "col": "B"})
    return choose_refused(reply, "refused", "overwrites", _FILTER_EXISTS)


def _probe_sheets_batch(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    requests: list[dict[str, Any]] = [
        {"addSheet": {"properties": {"title": f"batch {target.nonce}"[:40]}}},
        {"deleteSheet": {"sheetId": "nosuch"}},
    ]
    before = len((yield from book.read_worksheets()))
    reply = yield Request("POST", f"{book.v2}/sheets_batch_update", {"requests": requests})
    if not reply.code:
        raise UnexpectedError("deleting a worksheet that does not exist was a success")
    return "one_by_one" if len((yield from book.read_worksheets())) > before else "whole"


def _probe_sheets_replies(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    requests: list[dict[str, Any]] = [
        {"updateSheet": {"properties": {"sheetId": book.sheet_id, "frozenRowCount": 1}}},
        {"addSheet": {"properties": {"title": f"reply {target.nonce}"[:40]}}},
    ]
    body = {"requests": requests}
    data = yield from require(Request("POST", f"{book.v2}/sheets_batch_update", body))
    return "each" if len(data["replies"]) == len(requests) else "merged"


def _probe_last_worksheet(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target, alone=True)
    body = {"requests": [{"deleteSheet": {"sheetId": book.sheet_id}}]}
    reply = yield Request("POST", f"{book.v2}/sheets_batch_update", body)
    return "refused" if reply.code else "deleted"


def _probe_sheet_error_status(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    reply = yield book.put("A1:A1", [["a", "b"]])
    if not reply.code:
        raise UnexpectedError("values wider than their range were taken")
    return str(reply.status)


def _probe_max_style_rows(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    rows = (yield from book.read_properties())["rowCount"]
    wider = {"sheetId": book.sheet_id, "majorDimension": "ROWS", "length": _MANY_ROWS[-1] - rows}
    yield from require(Request("POST", f"{book.v2}/dimension_range", {"dimension": wider}))
    largest = 2000
    for size in _MANY_ROWS:
        reply = yield book.set_style(f"A1:A{size}", {"font": {"bold": True}})
        if reply.code:
            return largest
        largest = size
    return largest


def _probe_revision(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    first = (yield from require(book.put("A1:A1", [["a"]])))["revision"]
    second = (yield from require(book.put("A1:A1", [["a"]])))["revision"]
    return bool(second > first)


PROBES = (
    probe(
        "grid_growth",
        "How far a write below the grid lets it grow: to the data, to its range, or not at all.",
        answers=("data", "range", "refused"),
        calls=4,
        run=_probe_grid_growth,
    ),
    probe(
        "read_outside",
        "Whether a read below the grid is refused.",
        answers=("refused", "empty"),
        calls=3,
        run=_read_outside,
    ),
    probe(
        "merged_writes",
        "Whether a value for a covered cell is dropped.",
        answers=("dropped", "stored"),
        calls=4,
        run=_probe_merged_writes,
    ),
    probe(
        "remerge",
        "Whether merged cells can be merged again.",
        answers=("taken", "refused"),
        calls=3,
        run=_remerge,
    ),
    probe(
        "filter_again",
        "Whether a worksheet's second filter is refused.",
        answers=("refused", "overwrites"),
        calls=4,
        run=_filter_again,
    ),
    probe(
        "sheets_batch",
        "Whether a refused item of sheets_batch_update undoes those before it.",
        answers=("one_by_one", "whole"),
        calls=4,
        run=_probe_sheets_batch,
    ),
    probe(
        "sheets_replies",
        "Whether sheets_batch_update replies once for each request.",
        answers=("each", "merged"),
        calls=2,
        run=_probe_sheets_replies,
    ),
    probe(
        "last_worksheet",
        "Whether the only worksheet can be deleted.",
        answers=("refused", "deleted"),
        calls=3,
        run=_probe_last_worksheet,
    ),
    probe(
        "sheet_error_status",
        "The HTTP status of the errors of sheets v2.",
        answers=("400", "200"),
        calls=2,
        run=_probe_sheet_error_status,
    ),
    probe(
        "max_style_rows",
        "How many rows one style range may have (2,001 and 5,000 are tried).",
        assumed=5000,
        calls=5,
        run=_probe_max_style_rows,
    ),
    Probe(
        name="sheet_revision",
        fact="Each write raises the revision, also one that changes nothing.",
        setting=None,
        assumed=True,
        answers=(True, False),
        calls=3,
        run=_probe_revision,
    ),
)
