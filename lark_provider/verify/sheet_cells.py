"""Probes of cells; each works in a worksheet of its own, in one spreadsheet that is made for all."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from lark_provider.verify.book import RANGE, Book, open_book
from lark_provider.verify.probe import (
    ProbeSteps,
    ProbeTarget,
    Request,
    Setting,
    UnexpectedError,
    choose_refused,
    probe,
    require,
)

_PICTURE = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_REQUESTS = 5
"""The requests of most probes: a worksheet is made, two writes, a read, and one in reserve."""


def _probe_value_write_formats(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.put("A1:A1", [[0.5]]))
    yield from require(book.set_style("A1:A1", {"formatter": "0.00%"}))
    yield from require(book.put("A1:A1", [[0.25]]))
    shown = str((yield from book.read_cell("A1:A1", valueRenderOption="FormattedValue")))
    return "kept" if "%" in shown else "reset"


def _probe_value_batches(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    blocks = [(book.get_range("A1:A1"), [["a"]]), (book.get_range("B1:B1"), [["b", "too many"]])]
    body = {"valueRanges": [{"range": where, "values": values} for where, values in blocks]}
    reply = yield Request("POST", f"{book.v2}/values_batch_update", body)
    if not reply.code:
        raise UnexpectedError("values wider than their range were taken")
    return "one_by_one" if (yield from book.read("A1:B1")) == [["a", None]] else "whole"


def _probe_style_batches(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.put("A1:A1", [[0.5]]))
    style = {"formatter": "0.00%"}
    data = [
        {"ranges": [book.get_range("A1:A1")], "style": style},
        {"ranges": ["nosuch!A1:A1"], "style": style},
    ]
    reply = yield Request("PUT", f"{book.v2}/styles_batch_update", {"data": data})
    if not reply.code:
        raise UnexpectedError("a style for a worksheet that does not exist was taken")
    shown = str((yield from book.read_cell("A1:A1", valueRenderOption="FormattedValue")))
    return "one_by_one" if "%" in shown else "whole"


def _probe_trailing_rows(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.put("A1:A1", [["a"]]))
    return "kept" if len((yield from book.read("A1:A3"))) == 3 else "cut"  # noqa: PLR2004 - as asked for


def _probe_single_cells(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    return choose_refused((yield book.put("A1", [["a"]])), "refused", "taken", RANGE)


def _write_and_judge(value: Any, answer: Callable[[Any], Setting], target: ProbeTarget) -> ProbeSteps:
    """Write a value over another one, and judge what is read then; a refusal is judged as None."""
    book = yield from open_book(target)
    yield from require(book.put("A1:A1", [["before"]]))
    reply = yield book.put("A1:A1", [[value]])
    if reply.code:
        return answer(reply)
    return answer((yield from book.read_cell("A1:A1", valueRenderOption="Formula")))


def _choose_answer(read: Any, answers: dict[Any, Setting]) -> Setting:
    for known, answer in answers.items():
        if read == known and type(read) is type(known):
            return answer
    raise UnexpectedError(f"it was read as {read!r}")


def _judge_null(read: Any) -> Setting:
    return "clears" if read in (None, "") else _choose_answer(read, {"before": "kept"})


def _judge_bool(read: Any) -> Setting:
    if getattr(read, "code", 0):
        return "refused"
    return _choose_answer(read, {True: "bool", "TRUE": "text", "true": "text"})


def _judge_link(read: Any) -> Setting:
    return "linked" if isinstance(read, list) else "text"


def _probe_equals_strings(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.put("A1:B1", [["=1+1", ""]]))
    read = yield from book.read_cell("A1:A1", valueRenderOption="ToString")
    as_formula = yield Request("POST", *book.find("=1+1", "A1:A1", include_formulas=True))
    if as_formula.code:
        raise UnexpectedError(f"find answered {as_formula.code}: {as_formula.msg}")
    matched = as_formula.data["find_result"]["matched_formula_cells"]
    return "formula" if matched or str(read) == "2" else "text"


def _probe_import_range(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    formula = {"type": "formula", "text": '=IMPORTRANGE("none","Sheet1!A1")'}
    return choose_refused((yield book.put("A1:A1", [[formula]])), "refused", "taken", 90204)


def _make_dropdown_request(book: Book, **options: Any) -> Request:
    validation = {"conditionValues": ["a", "b"], **options}
    body = {
        "range": book.get_range("A1:A1"), "dataValidationType": "list", "dataValidation": validation,
    }  # fmt: skip
    return Request("POST", f"{book.v2}/dataValidation", body)


def _probe_dropdown_writes(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(_make_dropdown_request(book))
    return choose_refused((yield book.put("A1:A1", [["c"]])), "refused", "taken", RANGE)


def _probe_dropdown_reads(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(_make_dropdown_request(book, options={"multipleValues": True}))
    yield from require(book.put("A1:A1", [[{"type": "multipleValue", "values": ["a", "b"]}]]))
    return "text" if isinstance((yield from book.read_cell("A1:A1")), str) else "list"


def _probe_image_range_name(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    body = {"range": book.get_range("A1:A1"), "image": list(b64decode(_PICTURE)), "name": "dot.png"}
    data = yield from require(Request("POST", f"{book.v2}/values_image", body))
    return "updatedRange" if "updatedRange" in data else "updateRange"


def _probe_match_case(target: ProbeTarget) -> ProbeSteps:
    book = yield from open_book(target)
    yield from require(book.put("A1:A1", [["Apple"]]))
    data = yield from require(Request("POST", *book.find("apple", "A1:A1", match_case=True)))
    return "ignores" if data["find_result"]["matched_cells"] else "matches"


PROBES = (
    probe(
        "value_write_formats",
        "Whether a write of values keeps the formats of its cells.",
        answers=("kept", "reset"),
        calls=_REQUESTS,
        run=_probe_value_write_formats,
    ),
    probe(
        "value_batches",
        "Whether a refused range of values_batch_update undoes those before it.",
        answers=("whole", "one_by_one"),
        calls=3,
        run=_probe_value_batches,
    ),
    probe(
        "style_batches",
        "Whether a refused range of styles_batch_update undoes those before it.",
        answers=("whole", "one_by_one"),
        calls=4,
        run=_probe_style_batches,
    ),
    probe(
        "trailing_rows",
        "Whether empty rows at the end of a read are sent.",
        answers=("kept", "cut"),
        calls=3,
        run=_probe_trailing_rows,
    ),
    probe(
        "single_cells",
        "Whether a write to `C2` in place of `C2:C2` is refused.",
        answers=("refused", "taken"),
        calls=2,
        run=_probe_single_cells,
    ),
    probe(
        "null_write",
        "What a null does to a cell.",
        answers=("clears", "kept"),
        calls=_REQUESTS,
        run=partial(_write_and_judge, None, _judge_null),
    ),
    probe(
        "bool_cells",
        "How a boolean is stored.",
        answers=("bool", "text", "refused"),
        calls=_REQUESTS,
        run=partial(_write_and_judge, True, _judge_bool),
    ),
    probe(
        "url_strings",
        "Whether a string that is a URL becomes a link.",
        answers=("linked", "text"),
        calls=_REQUESTS,
        run=partial(_write_and_judge, "https://example.com", _judge_link),
    ),
    probe(
        "email_strings",
        "Whether a string that is an e-mail address becomes a link.",
        answers=("linked", "text"),
        calls=_REQUESTS,
        run=partial(_write_and_judge, "a@example.com", _judge_link),
    ),
    probe(
        "equals_strings",
        "Whether a string that begins with `=` becomes a formula.",
        answers=("text", "formula"),
        calls=4,
        run=_probe_equals_strings,
    ),
    probe(
        "import_range",
        "Whether formulas with IMPORTRANGE are refused.",
        answers=("refused", "taken"),
        calls=2,
        run=_probe_import_range,
    ),
    probe(
        "image_range_name",
        "What the range of an image in a cell is called in the answer.",
        answers=("updatedRange", "updateRange"),
        calls=2,
        run=_probe_image_range_name,
    ),
    probe(
        "dropdown_writes",
        "Whether a value that a dropdown does not offer is refused.",
        answers=("taken", "refused"),
        calls=3,
        run=_probe_dropdown_writes,
    ),
    probe(
        "dropdown_reads",
        "How a cell with several chosen values is read.",
        answers=("text", "list"),
        calls=4,
        run=_probe_dropdown_reads,
    ),
    probe(
        "match_case",
        "What `match_case: true` does.",
        answers=("ignores", "matches"),
        calls=3,
        run=_probe_match_case,
    ),
)
