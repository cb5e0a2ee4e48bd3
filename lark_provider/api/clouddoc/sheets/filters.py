"""The filter of a worksheet: which rows people see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.clouddoc.sheets.addressing import (
    Range,
    RangeLike,
    format_column,
    parse_column,
    parse_range,
)
from lark_provider.api.clouddoc.sheets.targets import LocatedRange, Target, locate_range
from lark_provider.protocol.arguments import check_choice, check_list
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.errors import (
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

FilterType: TypeAlias = Literal["multiValue", "number", "text", "color", "clear"]
_FILTER = "/sheets/v3/spreadsheets/{token}/sheets/{sheet_id}/filter"
_WRONG = 90230
_NO_CONDITION = {"filter_type": "clear"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What a filter shows of a column.

    Attributes:
        filter_type: `multiValue` (one of the values), `number`, `text`, `color`; `clear` for no condition.
        expected: The values, as text.
        compare_type: The comparison, such as `less`, `between`, `contains` or `backColor`; None for
            `multiValue`.
    """

    filter_type: FilterType = "clear"
    expected: Sequence[str] = ()
    compare_type: str | None = None

    def to_lark(self) -> dict[str, Any]:
        """Return the condition as Lark takes it.

        Raises:
            InvalidRequestError: `filter_type` is none of these, or `expected` is not a list.
        """
        check_choice("filter_type", self.filter_type, get_args(FilterType), _WRONG)
        payload: dict[str, Any] = {"filter_type": self.filter_type}
        if self.filter_type != "clear":
            payload["expected"] = [str(value) for value in check_list("expected", self.expected, "['Open']")]
        if self.compare_type is not None:
            payload["compare_type"] = self.compare_type
        return payload


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of a worksheet.

    Attributes:
        range: Its cells, the header included.
        conditions: What it shows, by the letters of columns.
        hidden_rows: The rows that it hides, from 1.
    """

    range: Range
    conditions: Mapping[str, Sequence[Condition]] = field(default_factory=dict)
    hidden_rows: Sequence[int] = ()


def get_filter(token: Target) -> Procedure[Filter | None]:
    """Return the filter of a worksheet; None if it has none.

    See GET /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.

    Raises:
        NotFoundError: There is no such worksheet.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    at = yield from locate_range(token)
    return (yield from _read_filter(at))


def set_filter(
    token: Target,
    range: RangeLike = None,  # noqa: A002 - Lark's name
    conditions: Mapping[str | int, Condition] | None = None,
) -> Procedure[Filter]:
    """Set the filter of a worksheet. An equal filter is left alone, and any other one is replaced.

    See POST, PUT and DELETE /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: Its cells, the header included; the whole worksheet if None.
        conditions: What to show, by the letters or numbers of columns. If None, a new filter shows all rows,
            and conditions that people have set in a filter of the same range stay.

    Returns:
        The filter as it is afterwards.

    Raises:
        InvalidRequestError: The range or a condition is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not isinstance(conditions, Mapping | None) or not all(
        isinstance(condition, Condition) for condition in (conditions or {}).values()
    ):
        raise InvalidRequestError(
            f"conditions must be a dict of Condition by column, got {conditions!r:.80}. Next: write "
            "{'B': Condition('number', ['10'], 'greater')}."
        )
    wanted = {_convert_column(key): condition.to_lark() for key, condition in (conditions or {}).items()}
    at = yield from locate_range(token, range, fresh=True)
    target = at.clip()
    existing = yield from _read_filter(at)
    is_same = existing is not None and existing.range == target._replace(sheet=None)
    if existing is not None and is_same and (conditions is None or _encode_conditions(existing) == wanted):
        return existing
    if existing is not None:
        yield from _clear(at)
    columns = wanted or {format_column(target.first_column): Condition().to_lark()}
    url = fill_path(_FILTER, token=at.token, sheet_id=at.sheet.sheet_id)
    for number, (column, condition) in enumerate(columns.items()):
        body = {"col": column, "condition": condition}
        if number == 0:
            body["range"] = target.on(at.sheet.sheet_id)
        call = make_request("PUT" if number else "POST", url, json=body, idempotent=bool(number))
        try:
            yield from perform(call)
        except OutcomeUnknownError:
            current = yield from _read_filter(at)
            if current is None or _encode_conditions(current).get(column, _NO_CONDITION) != condition:
                raise
    current = yield from _read_filter(at)
    if current is None:
        raise LarkAPIError(
            f"Lark answered success, but {at.sheet.title!r} has no filter. Next: call again.", retryable=True
        )
    return current


def clear_filter(token: Target) -> Procedure[bool]:
    """Remove the filter of a worksheet; a repeat does no harm.

    See DELETE /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.

    Returns:
        Whether there was a filter.

    Raises:
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    at = yield from locate_range(token)
    if (yield from _read_filter(at)) is None:
        return False
    yield from _clear(at)
    return True


def _clear(at: LocatedRange) -> Procedure[None]:
    url = fill_path(_FILTER, token=at.token, sheet_id=at.sheet.sheet_id)
    try:
        yield from perform(make_request("DELETE", url))
    except (LarkAPIError, OutcomeUnknownError):
        # There is none any more: someone else, or an attempt without an answer, has removed it.
        if (yield from _read_filter(at)) is not None:
            raise


def _read_filter(at: LocatedRange) -> Procedure[Filter | None]:
    url = fill_path(_FILTER, token=at.token, sheet_id=at.sheet.sheet_id)
    sheet_filter = (yield from perform(make_request("GET", url))).data.get("sheet_filter_info")
    if not sheet_filter or not sheet_filter.get("range"):
        return None
    conditions = {
        filter_info["col"]: [
            Condition(
                condition["filter_type"],
                tuple(condition.get("expected") or ()),
                condition.get("compare_type") or None,
            )
            for condition in filter_info.get("conditions") or ()
        ]
        for filter_info in sheet_filter.get("filter_infos") or ()
    }
    named = parse_range(
        sheet_filter["range"] if "!" in sheet_filter["range"] else f"{sheet_filter['range']}!"
    )
    closed = named._replace(sheet=None).within(at.sheet.rows, at.sheet.columns)
    return Filter(
        closed or named._replace(sheet=None), conditions, tuple(sheet_filter.get("filtered_out_rows") or ())
    )


def _encode_conditions(existing: Filter) -> dict[str, dict[str, Any]]:
    return {
        column: condition.to_lark()
        for column, all_of in existing.conditions.items()
        for condition in all_of
        if condition.filter_type != "clear"
    }


def _convert_column(key: str | int) -> str:
    number = key if isinstance(key, int) else parse_column(key) if key.isalpha() and key.isascii() else 0
    if number < 1:
        raise InvalidRequestError(
            f"A column must be letters or a number from 1, got {key!r}. Next: write 'C' or 3.", code=_WRONG
        )
    return format_column(number)
