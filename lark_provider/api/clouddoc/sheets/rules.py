"""The filter of a worksheet, and its conditional formats. What is there already is not made again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.clouddoc.sheets.addressing import (
    Range,
    RangeLike,
    column_name,
    column_number,
    range_of,
)
from lark_provider.api.clouddoc.sheets.kinds import Formula
from lark_provider.api.clouddoc.sheets.styles import Style
from lark_provider.api.clouddoc.sheets.targets import Place, Target, place
from lark_provider.api.clouddoc.sheets.writing import V2
from lark_provider.protocol.calls import request
from lark_provider.protocol.errors import (
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
    unknown_choice,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import path

FilterType: TypeAlias = Literal["multiValue", "number", "text", "color", "clear"]
RuleType: TypeAlias = Literal[
    "containsBlanks",
    "notContainsBlanks",
    "duplicateValues",
    "uniqueValues",
    "cellIs",
    "containsText",
    "timePeriod",
]
MAX_FORMATS, FORMATS_AT_ONCE = 20, 10
_FILTER = "/sheets/v3/spreadsheets/{token}/sheets/{sheet_id}/filter"
_WRONG = 90230


@dataclass(frozen=True, slots=True)
class Condition:
    """What a filter shows of a column.

    Attributes:
        filter_type: `multiValue` (one of the values), `number`, `text`, `color`; `clear` is none.
        expected: The values, as text.
        compare_type: Such as `less`, `between`, `contains` or `backColor`; none for `multiValue`.
    """

    filter_type: FilterType = "clear"
    expected: Sequence[str] = ()
    compare_type: str | None = None

    def to_lark(self) -> dict[str, Any]:
        """Return what Lark takes.

        Raises:
            InvalidRequestError: It is of no such kind.
        """
        if self.filter_type not in get_args(FilterType):
            raise unknown_choice("filter_type", self.filter_type, get_args(FilterType), _WRONG)
        found: dict[str, Any] = {"filter_type": self.filter_type}
        if self.filter_type != "clear":
            found["expected"] = [str(one) for one in self.expected]
        if self.compare_type is not None:
            found["compare_type"] = self.compare_type
        return found


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


@dataclass(frozen=True, slots=True)
class ConditionalFormat:
    """How cells look that fulfil a condition.

    Attributes:
        ranges: Which cells, such as `["C2:C100"]`.
        rule_type: `cellIs`, `containsText`, `timePeriod`, `containsBlanks`, `notContainsBlanks`,
            `duplicateValues` or `uniqueValues`.
        style: How they look: bold, italic, underline, strike, color, background.
        operator: For `cellIs` such as `greaterThan` or `between`; for `containsText` such as `beginsWith`.
        values: For `cellIs` one number, text or `Formula`, two for `between`; for `containsText` the
            text; for `timePeriod` `yesterday`, `today`, `tomorrow` or `last7Days`.
        id: Lark's id of one that was listed.
    """

    ranges: Sequence[RangeLike]
    rule_type: RuleType
    style: Style = field(default_factory=Style)
    operator: str = "is"
    values: Sequence[Any] = ()
    id: str | None = field(default=None, compare=False)

    def to_lark(self, at: Place) -> dict[str, Any]:
        """Return what Lark takes.

        Args:
            at: The worksheet.

        Raises:
            InvalidRequestError: It is invalid.
        """
        if self.rule_type not in get_args(RuleType):
            raise unknown_choice("rule_type", self.rule_type, get_args(RuleType), _WRONG)
        ranges = [
            Place(at.token, at.sheet, range_of(one)).clipped().on(at.sheet.sheet_id) for one in self.ranges
        ]
        if not ranges:
            raise InvalidRequestError(
                "A conditional format must have ranges, got none. Next: pass ['C2:C100'].", code=_WRONG
            )
        found: dict[str, Any] = {"ranges": ranges, "rule_type": self.rule_type}
        attributes = self._attributes()
        if attributes:
            found["attrs"] = [{"operator": self.operator, **attributes}]
        if style := self.style.to_condition():
            found["style"] = style
        return found

    def _attributes(self) -> dict[str, Any]:
        if self.rule_type == "cellIs":
            needed = 2 if self.operator in ("between", "notBetween") else 1
            if len(self.values) != needed:
                raise InvalidRequestError(
                    f"A conditional format with {self.operator} must have {needed} value(s), got "
                    f"{self.values!r}. "
                    "Next: correct them.",
                    code=_WRONG,
                )
            return {"formula": [_formula(one) for one in self.values]}
        if self.rule_type not in ("containsText", "timePeriod"):
            return {}
        if len(self.values) != 1:
            raise InvalidRequestError(
                f"A conditional format of {self.rule_type} must have one value, got {self.values!r}. Next: "
                f"correct it.",
                code=_WRONG,
            )
        return {"text" if self.rule_type == "containsText" else "time_period": str(self.values[0])}


def _formula(value: Any) -> str:
    """Return a value as the formula of a condition has it: text in quotes, doubled inside."""
    if isinstance(value, Formula):
        return value.text
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def _value(formula: str) -> Any:
    """Return the value of a condition's formula: a number, text in quotes, or else a `Formula`."""
    if len(formula) > 1 and formula[0] == formula[-1] == '"':
        return formula[1:-1].replace('""', '"')
    try:
        return int(formula) if formula.lstrip("-").isdecimal() else float(formula)
    except ValueError:
        return Formula(formula)


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
    at = yield from place(token)
    return (yield from _filter_of(at))


def set_filter(
    token: Target,
    range: RangeLike = None,  # noqa: A002 - Lark's name
    conditions: Mapping[str | int, Condition] | None = None,
) -> Procedure[Filter]:
    """Give a worksheet its filter. One that is the same is left alone, and another one is replaced.

    See POST, PUT and DELETE /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        range: Its cells, the header included; the whole worksheet if None.
        conditions: What to show, by the letters or numbers of columns; all rows if None, and what people
            have chosen in a filter of this range stays.

    Returns:
        The filter as it is then.

    Raises:
        InvalidRequestError: The range or a condition is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    wanted = {_column(one): condition.to_lark() for one, condition in (conditions or {}).items()}
    at = yield from place(token, range, fresh=True)
    target = at.clipped()
    standing = yield from _filter_of(at)
    is_same = standing is not None and standing.range == target._replace(sheet=None)
    if standing is not None and is_same and (conditions is None or _shown(standing) == wanted):
        return standing
    if standing is not None:
        yield from clear_filter(token)
    columns = wanted or {column_name(target.first_column): Condition().to_lark()}
    url = path(_FILTER, token=at.token, sheet_id=at.sheet.sheet_id)
    for number, (column, condition) in enumerate(columns.items()):
        body = {"col": column, "condition": condition}
        if number == 0:
            body["range"] = target.on(at.sheet.sheet_id)
        call = request("PUT" if number else "POST", url, json=body, idempotent=bool(number))
        try:
            yield from perform(call)
        except OutcomeUnknownError:
            if (yield from _filter_of(at)) is None:
                raise
    found = yield from _filter_of(at)
    if found is None:
        raise LarkAPIError(
            f"Lark answered success and {at.sheet.title!r} has no filter. Next: call again.", retryable=True
        )
    return found


def clear_filter(token: Target) -> Procedure[bool]:
    """Take the filter of a worksheet away; a repeat does no harm.

    See DELETE /open-apis/sheets/v3/spreadsheets/:spreadsheet_token/sheets/:sheet_id/filter.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.

    Returns:
        Whether there was one.

    Raises:
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    at = yield from place(token)
    if (yield from _filter_of(at)) is None:
        return False
    url = path(_FILTER, token=at.token, sheet_id=at.sheet.sheet_id)
    yield from perform(request("DELETE", url))
    return True


def list_conditional_formats(token: Target) -> Procedure[list[ConditionalFormat]]:
    """List the conditional formats of a worksheet.

    See GET /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/condition_formats.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.

    Returns:
        The formats with their ids.

    Raises:
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    at = yield from place(token)
    return [_format_of(one) for one in (yield from _formats_of(at))]


def add_conditional_formats(
    token: Target, formats: Iterable[ConditionalFormat]
) -> Procedure[list[ConditionalFormat]]:
    """Add conditional formats to a worksheet; those that are there already are not added again.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/condition_formats/batch_create.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        formats: The formats; a worksheet takes 20.

    Returns:
        All formats of the worksheet, as they are then.

    Raises:
        InvalidRequestError: A format is invalid, or there would be too many; nothing was sent.
        LarkAPIError: Lark refused some; the text says which. The others stand.
        TransportError: Lark was not reached.
    """
    wanted = list(formats)
    at = yield from place(token, fresh=True)
    wire = [one.to_lark(at) for one in wanted]
    standing = yield from _formats_of(at)
    known = {_canonical(one) for one in standing}
    missing = []
    for one in wire:
        if (name := _canonical(one)) not in known:
            known.add(name)
            missing.append(one)
    if len(standing) + len(missing) > MAX_FORMATS:
        raise InvalidRequestError(
            f"A worksheet must have at most {MAX_FORMATS} conditional formats, got {len(standing)} and "
            f"{len(missing)} more. Next: delete some with delete_conditional_formats.",
            code=90226,
        )
    url = path(V2 + "/condition_formats/batch_create", token=at.token)
    for start in range(0, len(missing), FORMATS_AT_ONCE):
        part = missing[start : start + FORMATS_AT_ONCE]
        items = [{"sheet_id": at.sheet.sheet_id, "condition_format": one} for one in part]
        try:
            answer = yield from perform(request("POST", url, json={"sheet_condition_formats": items}))
        except OutcomeUnknownError:
            now = {_canonical(one) for one in (yield from _formats_of(at))}
            if not all(_canonical(one) in now for one in part):
                raise
        else:
            _check_items(answer.data, [f"{one['rule_type']} on {', '.join(one['ranges'])}" for one in part])
    return [_format_of(one) for one in (yield from _formats_of(at))]


def delete_conditional_formats(token: Target, ids: Iterable[str] | None = None) -> Procedure[int]:
    """Delete conditional formats of a worksheet; a repeat does no harm.

    See DELETE /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/condition_formats/batch_delete.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        ids: Their ids, as listed; all of the worksheet if None.

    Returns:
        How many were deleted.

    Raises:
        LarkAPIError: Lark refused some; the text says which.
        TransportError: Lark was not reached.
    """
    at = yield from place(token)
    standing = [one["cf_id"] for one in (yield from _formats_of(at))]
    wanted = standing if ids is None else [one for one in ids if one in standing]
    url = path(V2 + "/condition_formats/batch_delete", token=at.token)
    for start in range(0, len(wanted), FORMATS_AT_ONCE):
        part = wanted[start : start + FORMATS_AT_ONCE]
        body = {"sheet_cf_ids": [{"sheet_id": at.sheet.sheet_id, "cf_id": one} for one in part]}
        answer = yield from perform(request("DELETE", url, json=body, idempotent=True))
        _check_items(answer.data, part)
    return len(wanted)


def _filter_of(at: Place) -> Procedure[Filter | None]:
    url = path(_FILTER, token=at.token, sheet_id=at.sheet.sheet_id)
    found = (yield from perform(request("GET", url))).data.get("sheet_filter_info")
    if not found or not found.get("range"):
        return None
    conditions = {
        one["col"]: [
            Condition(each["filter_type"], tuple(each.get("expected") or ()), each.get("compare_type"))
            for each in one.get("conditions") or ()
        ]
        for one in found.get("filter_infos") or ()
    }
    named = range_of(found["range"] if "!" in found["range"] else f"{found['range']}!")
    closed = named._replace(sheet=None).within(at.sheet.rows, at.sheet.columns)
    return Filter(
        closed or named._replace(sheet=None), conditions, tuple(found.get("filtered_out_rows") or ())
    )


def _shown(standing: Filter) -> dict[str, dict[str, Any]]:
    return {
        column: each.to_lark()
        for column, all_of in standing.conditions.items()
        for each in all_of
        if each.filter_type != "clear"
    }


def _column(key: str | int) -> str:
    number = key if isinstance(key, int) else column_number(key) if key.isalpha() and key.isascii() else 0
    if number < 1:
        raise InvalidRequestError(
            f"A column must be letters or a number from 1, got {key!r}. Next: write 'C' or 3.", code=_WRONG
        )
    return column_name(number)


def _formats_of(at: Place) -> Procedure[list[dict[str, Any]]]:
    url = path(V2 + "/condition_formats", token=at.token)
    answer = yield from perform(request("GET", url, params={"sheet_ids": at.sheet.sheet_id}))
    items = answer.data.get("sheet_condition_formats") or ()
    return [one["condition_format"] for one in items if one.get("sheet_id") == at.sheet.sheet_id]


def _format_of(data: Mapping[str, Any]) -> ConditionalFormat:
    style = data.get("style") or {}
    font, decoration = style.get("font") or {}, style.get("text_decoration")
    attributes = (data.get("attrs") or [{}])[0]
    values = [_value(one) for one in attributes.get("formula") or ()]
    values = values or [attributes.get(name) for name in ("text", "time_period")]
    return ConditionalFormat(
        [range_of(one)._replace(sheet=None).a1 for one in data.get("ranges") or () if "!" in one],
        data["rule_type"],
        Style(
            bold=font.get("bold"),
            italic=font.get("italic"),
            underline=None if decoration is None else decoration in (1, 3),
            strike=None if decoration is None else decoration in (2, 3),
            color=style.get("fore_color"),
            background=style.get("back_color"),
        ),
        attributes.get("operator") or "is",
        tuple(one for one in values if one is not None),
        data.get("cf_id"),
    )


def _canonical(data: Mapping[str, Any]) -> str:
    """Return a form in which equal conditional formats are equal.

    What is off and what is not named are the same.
    """
    style = data.get("style") or {}
    font = style.get("font") or {}
    attributes = (data.get("attrs") or [{}])[0]
    decoration = style.get("text_decoration") or 0
    return json.dumps(
        [
            sorted(data.get("ranges") or ()),
            data.get("rule_type"),
            attributes.get("operator") if attributes else None,
            attributes.get("formula") or attributes.get("text") or attributes.get("time_period"),
            [bool(font.get("bold")), bool(font.get("italic")), decoration],
            [str(style.get(name) or "").lower() for name in ("fore_color", "back_color")],
        ]
    )


def _check_items(data: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check the results of single items, which may fail beside others."""
    failed = [
        (names[number] if number < len(names) else f"item {number + 1}", one)
        for number, one in enumerate(data.get("responses") or ())
        if one.get("res_code")
    ]
    if failed:
        shown = "; ".join(f"{name}: {one['res_code']} {one.get('res_msg', '')}" for name, one in failed)
        raise LarkAPIError(
            f"Lark must take all conditional formats, got {len(failed)} refusal(s): {shown}. Next: correct "
            "these; the others stand.",
            code=failed[0][1]["res_code"],
            msg=str(failed[0][1].get("res_msg", "")),
        )
