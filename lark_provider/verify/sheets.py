"""Probes of spreadsheets; each works in a worksheet of its own, in a spreadsheet that they make."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from lark_provider.verify.book import RANGE, Book, opened
from lark_provider.verify.probe import (
    Probe,
    Request,
    Setting,
    Steps,
    Target,
    UnexpectedError,
    needed,
    refused_or,
)

_FILTER_EXISTS, _LAST = 1310236, 1310211
_OK = 200
_PICTURE = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_MANY_ROWS = (2001, 5000)


def _grid_growth(target: Target) -> Steps:
    book = yield from opened(target)
    rows = (yield from book.properties())["rowCount"]
    reply = yield book.put(f"A{rows + 1}:A{rows + 9}", [["a"]])
    if reply.code:
        return refused_or(reply, "refused", "data", RANGE)
    grown = (yield from book.properties())["rowCount"]
    if grown == rows + 1:
        return "data"
    if grown == rows + 9:
        return "range"
    raise UnexpectedError(f"the grid grew by {grown - rows} rows for 1 of data in a range of 9")


def _value_write_formats(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.put("A1:A1", [[0.5]]))
    yield from needed(book.style("A1:A1", {"formatter": "0.00%"}))
    yield from needed(book.put("A1:A1", [[0.25]]))
    shown = str((yield from book.cell("A1:A1", valueRenderOption="FormattedValue")))
    return "kept" if "%" in shown else "reset"


def _value_batches(target: Target) -> Steps:
    book = yield from opened(target)
    blocks = [(book.at("A1:A1"), [["a"]]), (book.at("B1:B1"), [["b", "too many"]])]
    body = {"valueRanges": [{"range": where, "values": values} for where, values in blocks]}
    reply = yield Request("POST", f"{book.v2}/values_batch_update", body)
    if not reply.code:
        raise UnexpectedError("values wider than their range were taken")
    return "one_by_one" if (yield from book.read("A1:B1")) == [["a", None]] else "whole"


def _style_batches(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.put("A1:A1", [[0.5]]))
    style = {"formatter": "0.00%"}
    data = [
        {"ranges": [book.at("A1:A1")], "style": style},
        {"ranges": ["nosuch!A1:A1"], "style": style},
    ]
    reply = yield Request("PUT", f"{book.v2}/styles_batch_update", {"data": data})
    if not reply.code:
        raise UnexpectedError("a style for a worksheet that does not exist was taken")
    shown = str((yield from book.cell("A1:A1", valueRenderOption="FormattedValue")))
    return "one_by_one" if "%" in shown else "whole"


def _read_outside(target: Target) -> Steps:
    book = yield from opened(target)
    rows = (yield from book.properties())["rowCount"]
    reply = yield Request("GET", f"{book.v2}/values/{book.at(f'A{rows + 1}:A{rows + 9}')}")
    return refused_or(reply, "refused", "empty", RANGE)


def _trailing_rows(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.put("A1:A1", [["a"]]))
    return "kept" if len((yield from book.read("A1:A3"))) == 3 else "cut"  # noqa: PLR2004 - as asked for


def _single_cells(target: Target) -> Steps:
    book = yield from opened(target)
    return refused_or((yield book.put("A1", [["a"]])), "refused", "taken", RANGE)


def _written(value: Any, answer: Callable[[Any], Setting], target: Target) -> Steps:
    """Write a value over another one, and judge what is read then; a refusal is judged as None."""
    book = yield from opened(target)
    yield from needed(book.put("A1:A1", [["before"]]))
    reply = yield book.put("A1:A1", [[value]])
    if reply.code:
        return answer(reply)
    return answer((yield from book.cell("A1:A1", valueRenderOption="Formula")))


def _of(answers: dict[Any, Setting], read: Any) -> Setting:
    for known, answer in answers.items():
        if read == known and type(read) is type(known):
            return answer
    raise UnexpectedError(f"it was read as {read!r}")


def _null(read: Any) -> Setting:
    return "clears" if read in (None, "") else _of({"before": "kept"}, read)


def _bool(read: Any) -> Setting:
    if getattr(read, "code", 0):
        return "refused"
    return _of({True: "bool", "TRUE": "text", "true": "text"}, read)


def _link(read: Any) -> Setting:
    return "linked" if isinstance(read, list) else "text"


def _equals_strings(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.put("A1:B1", [["=1+1", ""]]))
    read = yield from book.cell("A1:A1", valueRenderOption="ToString")
    as_formula = yield Request("POST", *book.find("=1+1", "A1:A1", include_formulas=True))
    if as_formula.code:
        raise UnexpectedError(f"find answered {as_formula.code}: {as_formula.msg}")
    matched = as_formula.data["find_result"]["matched_formula_cells"]
    return "formula" if matched or str(read) == "2" else "text"


def _import_range(target: Target) -> Steps:
    book = yield from opened(target)
    formula = {"type": "formula", "text": '=IMPORTRANGE("none","Sheet1!A1")'}
    return refused_or((yield book.put("A1:A1", [[formula]])), "refused", "taken", 90204)


def _dropdown(book: Book, **options: Any) -> Request:
    validation = {"conditionValues": ["a", "b"], **options}
    body = {
        "range": book.at("A1:A1"), "dataValidationType": "list", "dataValidation": validation,
    }  # fmt: skip
    return Request("POST", f"{book.v2}/dataValidation", body)


def _dropdown_writes(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(_dropdown(book))
    return refused_or((yield book.put("A1:A1", [["c"]])), "refused", "taken", RANGE)


def _dropdown_reads(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(_dropdown(book, options={"multipleValues": True}))
    yield from needed(book.put("A1:A1", [[{"type": "multipleValue", "values": ["a", "b"]}]]))
    return "text" if isinstance((yield from book.cell("A1:A1")), str) else "list"


def _image_range_name(target: Target) -> Steps:
    book = yield from opened(target)
    body = {"range": book.at("A1:A1"), "image": list(b64decode(_PICTURE)), "name": "dot.png"}
    data = yield from needed(Request("POST", f"{book.v2}/values_image", body))
    return "updatedRange" if "updatedRange" in data else "updateRange"


def _merged_writes(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.merge("A1:B1"))
    yield from needed(book.put("A1:B1", [["a", "b"]]))
    return "stored" if (yield from book.read("A1:B1"))[0][1:] == ["b"] else "dropped"


def _remerge(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.merge("A1:B1"))
    return refused_or((yield book.merge("A1:C1")), "refused", "taken", RANGE)


def _filter_again(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.put("A1:B2", [["a", "b"], [1, 2]]))
    condition = {"filter_type": "number", "compare_type": "less", "expected": ["9"]}
    body = {"range": book.at("A1:B2"), "col": "A", "condition": condition}
    yield from needed(Request("POST", f"{book.v3}/filter", body))
    reply = yield Request("POST", f"{book.v3}/filter", {**body, "col": "B"})
    return refused_or(reply, "refused", "overwrites", _FILTER_EXISTS)


def _match_case(target: Target) -> Steps:
    book = yield from opened(target)
    yield from needed(book.put("A1:A1", [["Apple"]]))
    found = yield from needed(Request("POST", *book.find("apple", "A1:A1", match_case=True)))
    return "ignores" if found["find_result"]["matched_cells"] else "matches"


def _sheets_batch(target: Target) -> Steps:
    book = yield from opened(target)
    requests: list[dict[str, Any]] = [
        {"addSheet": {"properties": {"title": f"batch {target.nonce}"[:40]}}},
        {"deleteSheet": {"sheetId": "nosuch"}},
    ]
    before = len((yield from book.worksheets()))
    reply = yield Request("POST", f"{book.v2}/sheets_batch_update", {"requests": requests})
    if not reply.code:
        raise UnexpectedError("deleting a worksheet that does not exist was a success")
    return "one_by_one" if len((yield from book.worksheets())) > before else "whole"


def _sheets_replies(target: Target) -> Steps:
    book = yield from opened(target)
    requests: list[dict[str, Any]] = [
        {"updateSheet": {"properties": {"sheetId": book.sheet_id, "frozenRowCount": 1}}},
        {"addSheet": {"properties": {"title": f"reply {target.nonce}"[:40]}}},
    ]
    body = {"requests": requests}
    made = yield from needed(Request("POST", f"{book.v2}/sheets_batch_update", body))
    return "each" if len(made["replies"]) == len(requests) else "merged"


def _last_worksheet(target: Target) -> Steps:
    book = yield from opened(target, alone=True)
    body = {"requests": [{"deleteSheet": {"sheetId": book.sheet_id}}]}
    reply = yield Request("POST", f"{book.v2}/sheets_batch_update", body)
    return "refused" if reply.code else "deleted"


def _sheet_error_status(target: Target) -> Steps:
    book = yield from opened(target)
    reply = yield book.put("A1:A1", [["a", "b"]])
    if not reply.code:
        raise UnexpectedError("values wider than their range were taken")
    return str(reply.status)


def _max_style_rows(target: Target) -> Steps:
    book = yield from opened(target)
    rows = (yield from book.properties())["rowCount"]
    wider = {"sheetId": book.sheet_id, "majorDimension": "ROWS", "length": _MANY_ROWS[-1] - rows}
    yield from needed(Request("POST", f"{book.v2}/dimension_range", {"dimension": wider}))
    largest = 2000
    for size in _MANY_ROWS:
        reply = yield book.style(f"A1:A{size}", {"font": {"bold": True}})
        if reply.code:
            return largest
        largest = size
    return largest


def _revision(target: Target) -> Steps:
    book = yield from opened(target)
    first = (yield from needed(book.put("A1:A1", [["a"]])))["revision"]
    second = (yield from needed(book.put("A1:A1", [["a"]])))["revision"]
    return bool(second > first)


def _probe(
    name: str, fact: str, answers: tuple[Setting, ...], calls: int, run: Callable[[Target], Steps]
) -> Probe:
    return Probe(name, fact, name, answers[0], answers, calls, run)


_VALUES = 5  # requests: a worksheet is made, two writes, a read, and one in reserve

PROBES = (
    _probe(
        "grid_growth",
        "How far a write below the grid lets it grow: to the data, to its range, or not at all.",
        ("data", "range", "refused"),
        4,
        _grid_growth,
    ),
    _probe(
        "value_write_formats",
        "Whether a write of values keeps the formats of its cells.",
        ("kept", "reset"),
        _VALUES,
        _value_write_formats,
    ),
    _probe(
        "value_batches",
        "Whether a refused range of values_batch_update undoes those before it.",
        ("whole", "one_by_one"),
        3,
        _value_batches,
    ),
    _probe(
        "style_batches",
        "Whether a refused range of styles_batch_update undoes those before it.",
        ("whole", "one_by_one"),
        4,
        _style_batches,
    ),
    _probe(
        "read_outside", "Whether a read below the grid is refused.", ("refused", "empty"), 3, _read_outside
    ),
    _probe(
        "trailing_rows",
        "Whether empty rows at the end of a read are sent.",
        ("kept", "cut"),
        3,
        _trailing_rows,
    ),
    _probe(
        "single_cells",
        "Whether a write to `C2` in place of `C2:C2` is refused.",
        ("refused", "taken"),
        2,
        _single_cells,
    ),
    _probe(
        "null_write",
        "What a null does to a cell.",
        ("clears", "kept"),
        _VALUES,
        partial(_written, None, _null),
    ),
    _probe(
        "bool_cells",
        "How a boolean is stored.",
        ("bool", "text", "refused"),
        _VALUES,
        partial(_written, True, _bool),
    ),
    _probe(
        "url_strings",
        "Whether a string that is a URL becomes a link.",
        ("linked", "text"),
        _VALUES,
        partial(_written, "https://example.com", _link),
    ),
    _probe(
        "email_strings",
        "Whether a string that is an e-mail address becomes a link.",
        ("linked", "text"),
        _VALUES,
        partial(_written, "a@example.com", _link),
    ),
    _probe(
        "equals_strings",
        "Whether a string that begins with `=` becomes a formula.",
        ("text", "formula"),
        4,
        _equals_strings,
    ),
    _probe(
        "import_range",
        "Whether formulas with IMPORTRANGE are refused.",
        ("refused", "taken"),
        2,
        _import_range,
    ),
    _probe(
        "image_range_name",
        "What the range of an image in a cell is called in the answer.",
        ("updatedRange", "updateRange"),
        2,
        _image_range_name,
    ),
    _probe(
        "dropdown_writes",
        "Whether a value that a dropdown does not offer is refused.",
        ("taken", "refused"),
        3,
        _dropdown_writes,
    ),
    _probe(
        "dropdown_reads",
        "How a cell with several chosen values is read.",
        ("text", "list"),
        4,
        _dropdown_reads,
    ),
    _probe(
        "merged_writes",
        "Whether a value for a covered cell is dropped.",
        ("dropped", "stored"),
        4,
        _merged_writes,
    ),
    _probe("remerge", "Whether merged cells can be merged again.", ("taken", "refused"), 3, _remerge),
    _probe(
        "filter_again",
        "Whether a worksheet's second filter is refused.",
        ("refused", "overwrites"),
        4,
        _filter_again,
    ),
    _probe("match_case", "What `match_case: true` does.", ("ignores", "matches"), 3, _match_case),
    _probe(
        "sheets_batch",
        "Whether a refused item of sheets_batch_update undoes those before it.",
        ("one_by_one", "whole"),
        4,
        _sheets_batch,
    ),
    _probe(
        "sheets_replies",
        "Whether sheets_batch_update replies once for each request.",
        ("each", "merged"),
        2,
        _sheets_replies,
    ),
    _probe(
        "last_worksheet",
        "Whether the only worksheet can be deleted.",
        ("refused", "deleted"),
        3,
        _last_worksheet,
    ),
    _probe(
        "sheet_error_status",
        "The HTTP status of the errors of sheets v2.",
        ("400", "200"),
        2,
        _sheet_error_status,
    ),
    Probe(
        "max_style_rows",
        "How many rows one style range may have (2,001 and 5,000 are tried).",
        "max_style_rows",
        5000,
        (),
        5,
        _max_style_rows,
    ),
    Probe(
        "sheet_revision",
        "Each write raises the revision, also one that changes nothing.",
        None,
        True,
        (True, False),
        3,
        _revision,
    ),
)
