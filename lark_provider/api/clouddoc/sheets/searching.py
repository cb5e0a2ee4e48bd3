"""Find text in cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.api.clouddoc.sheets.addressing import Cell, RangeLike, parse_range
from lark_provider.api.clouddoc.sheets.targets import Target, locate_range
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path


def find(
    token: Target,
    text: str,
    *,
    range: RangeLike = None,  # noqa: A002 - Lark's name
    match_case: bool = False,
    whole_cell: bool = False,
    regex: bool = False,
    formulas: bool = False,
) -> Procedure[list[Cell]]:
    """Find the cells with a text.

    See POST /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/find.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        text: What to find.
        range: The cells to search; the whole worksheet if None.
        match_case: Whether case matters.
        whole_cell: Whether the text must be the whole content of the cell.
        regex: Whether the text is a regular expression.
        formulas: Whether to look into the text of formulas, instead of their results.

    Returns:
        The cells, from the top, each as (row, column) from 1.

    Raises:
        InvalidRequestError: The text is empty, or the range is invalid or begins outside the sheet.
        NotFoundError: There is no such spreadsheet or worksheet.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not (isinstance(text, str) and text):
        raise InvalidRequestError(
            f"text must be a non-empty string, got {text!r}. Next: pass what to search for, such as 'Total'.",
            code=1310204,
        )
    at = yield from locate_range(token, range)
    url = fill_path(
        "/sheets/v3/spreadsheets/{token}/sheets/{sheet_id}/find", token=at.token, sheet_id=at.sheet.sheet_id
    )
    # Lark's page describes match_case as its opposite, so the search is made with both values. One of them
    # ignores case, whichever it is: the union of the results ignores case, and the intersection matches it.
    answers: list[set[Cell]] = []
    for ignores_case in (True, False) if regex or text.lower() != text.upper() else (True,):
        condition = {
            "range": at.clip().on(at.sheet.sheet_id),
            "match_case": ignores_case,
            "match_entire_cell": whole_cell,
            "search_by_regex": regex,
            "include_formulas": formulas,
        }
        call = make_request("POST", url, json={"find_condition": condition, "find": text}, safe=True)
        answers.append(_read_cells((yield from perform(call)).data))
    cells = set.intersection(*answers) if match_case else set.union(*answers)
    return sorted(cells)


def _read_cells(data: Mapping[str, Any]) -> set[Cell]:
    result = data.get("find_result") or {}
    names = [*(result.get("matched_cells") or ()), *(result.get("matched_formula_cells") or ())]
    return {parse_range(name).first for name in names}
