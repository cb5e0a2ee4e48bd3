"""Conditional formats: the style of cells that meet a condition. A format that exists is not added again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.api.clouddoc.sheets.addressing import (
    RangeLike,
    parse_range,
)
from lark_provider.api.clouddoc.sheets.kinds import Formula
from lark_provider.api.clouddoc.sheets.styles import Style
from lark_provider.api.clouddoc.sheets.targets import LocatedRange, Target, locate_range
from lark_provider.api.clouddoc.sheets.writing import V2
from lark_provider.protocol.arguments import check_choice, check_list, check_texts
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.errors import (
    InvalidRequestError,
    LarkAPIError,
    OutcomeUnknownError,
)
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

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
_WRONG = 90230


@dataclass(frozen=True, slots=True)
class ConditionalFormat:
    """How cells look that fulfil a condition.

    Attributes:
        ranges: The cells to which it applies, such as `["C2:C100"]`.
        rule_type: `cellIs`, `containsText`, `timePeriod`, `containsBlanks`, `notContainsBlanks`,
            `duplicateValues` or `uniqueValues`.
        style: The style of these cells: bold, italic, underline, strike, color, background.
        operator: For `cellIs` such as `greaterThan` or `between`; for `containsText` such as `beginsWith`.
        values: For `cellIs` one number, text or `Formula`, two for `between`; for `containsText` the
            text; for `timePeriod` `yesterday`, `today`, `tomorrow` or `last7Days`.
        id: Lark's id; None for a format that was not read from Lark.
    """

    ranges: Sequence[RangeLike]
    rule_type: RuleType
    style: Style = field(default_factory=Style)
    operator: str = "is"
    values: Sequence[Any] = ()
    id: str | None = field(default=None, compare=False)

    def to_lark(self, at: LocatedRange) -> dict[str, Any]:
        """Return the format as Lark takes it.

        Args:
            at: The worksheet.

        Raises:
            InvalidRequestError: The format is invalid.
        """
        rule = self.rule()
        ranges = [_locate(at, area) for area in self.ranges]
        if not ranges:
            raise InvalidRequestError(
                "A conditional format must have ranges, got none. Next: pass ['C2:C100'].", code=_WRONG
            )
        return {"ranges": ranges, **rule}

    def rule(self) -> dict[str, Any]:
        """Return the format as Lark takes it, without the ranges.

        Raises:
            InvalidRequestError: The format is invalid.
        """
        check_choice("rule_type", self.rule_type, get_args(RuleType), _WRONG)
        payload: dict[str, Any] = {"rule_type": self.rule_type}
        attributes = self._make_attributes()
        if attributes:
            payload["attrs"] = [{"operator": self.operator, **attributes}]
        if style := self.style.to_condition():
            payload["style"] = style
        return payload

    def _make_attributes(self) -> dict[str, Any]:
        if self.rule_type == "cellIs":
            needed = 2 if self.operator in ("between", "notBetween") else 1
            if len(self.values) != needed:
                raise InvalidRequestError(
                    f"A conditional format with {self.operator} must have {needed} value(s), got "
                    f"{self.values!r}. "
                    "Next: correct them.",
                    code=_WRONG,
                )
            return {"formula": [_format_formula(value) for value in self.values]}
        if self.rule_type not in ("containsText", "timePeriod"):
            return {}
        if len(self.values) != 1:
            raise InvalidRequestError(
                f"A conditional format of {self.rule_type} must have one value, got {self.values!r}. Next: "
                f"correct it.",
                code=_WRONG,
            )
        return {"text" if self.rule_type == "containsText" else "time_period": str(self.values[0])}


def _locate(at: LocatedRange, range_like: RangeLike) -> str:
    area = parse_range(range_like)
    if area.sheet not in (None, at.sheet.title, at.sheet.sheet_id):
        raise InvalidRequestError(
            f"The ranges of a conditional format must be on the worksheet {at.sheet.title!r}, got "
            f"{area.sheet!r}. Next: leave the worksheet out, or name the other one in the target.",
            code=_WRONG,
        )
    return at._replace(range=area).clip().on(at.sheet.sheet_id)


def _format_formula(value: Any) -> str:
    """Return a value as it is written in a condition's formula: text in quotes, with inner quotes doubled."""
    if isinstance(value, Formula):
        return value.text
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def _parse_formula(formula: str) -> Any:
    """Return the value of a condition's formula: a number, text in quotes, or else a `Formula`."""
    if len(formula) > 1 and formula[0] == formula[-1] == '"':
        return formula[1:-1].replace('""', '"')
    try:
        return int(formula) if formula.lstrip("-").isdecimal() else float(formula)
    except ValueError:
        return Formula(formula)


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
    at = yield from locate_range(token)
    return [_parse_format(rule) for rule in (yield from _list_payloads_at(at))]


def add_conditional_formats(
    token: Target, formats: Iterable[ConditionalFormat]
) -> Procedure[list[ConditionalFormat]]:
    """Add conditional formats to a worksheet; those that are there already are not added again.

    See POST /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/condition_formats/batch_create.

    Args:
        token: The spreadsheet or worksheet: a token, a link, a `Sheet`.
        formats: The formats; a worksheet can have at most 20.

    Returns:
        All formats of the worksheet, including the new ones.

    Raises:
        InvalidRequestError: A format is invalid, or there would be too many; nothing was sent.
        LarkAPIError: Lark refused some; the text says which. The others were added.
        TransportError: Lark was not reached.
    """
    wanted = check_list("formats", formats, "a list of ConditionalFormat")
    if wrong := [rule for rule in wanted if not isinstance(rule, ConditionalFormat)]:
        raise InvalidRequestError(
            f"formats must hold ConditionalFormat objects, got {wrong[0]!r:.80}. Next: make one of each."
        )
    at = yield from locate_range(token, fresh=True)
    wire = [rule.to_lark(at) for rule in wanted]
    existing = yield from _list_payloads_at(at)
    known = {encode_canonical(rule) for rule in existing}
    missing = []
    for payload in wire:
        if (name := encode_canonical(payload)) not in known:
            known.add(name)
            missing.append(payload)
    if len(existing) + len(missing) > MAX_FORMATS:
        raise InvalidRequestError(
            f"A worksheet must have at most {MAX_FORMATS} conditional formats, got {len(existing)} and "
            f"{len(missing)} more. Next: delete some with delete_conditional_formats.",
            code=90226,
        )
    url = fill_path(V2 + "/condition_formats/batch_create", token=at.token)
    for start in range(0, len(missing), FORMATS_AT_ONCE):
        part = missing[start : start + FORMATS_AT_ONCE]
        items = [{"sheet_id": at.sheet.sheet_id, "condition_format": rule} for rule in part]
        try:
            answer = yield from perform(make_request("POST", url, json={"sheet_condition_formats": items}))
        except OutcomeUnknownError:
            current = {encode_canonical(rule) for rule in (yield from _list_payloads_at(at))}
            if not all(encode_canonical(rule) in current for rule in part):
                raise
        else:
            check_items(answer.data, [f"{rule['rule_type']} on {', '.join(rule['ranges'])}" for rule in part])
    return [_parse_format(rule) for rule in (yield from _list_payloads_at(at))]


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
    example = "the `id` of each that list_conditional_formats returns"
    chosen = None if ids is None else check_texts("ids", ids, example)
    at = yield from locate_range(token)
    existing = [rule["cf_id"] for rule in (yield from _list_payloads_at(at))]
    wanted = existing if chosen is None else [cf_id for cf_id in chosen if cf_id in existing]
    url = fill_path(V2 + "/condition_formats/batch_delete", token=at.token)
    for start in range(0, len(wanted), FORMATS_AT_ONCE):
        part = wanted[start : start + FORMATS_AT_ONCE]
        body = {"sheet_cf_ids": [{"sheet_id": at.sheet.sheet_id, "cf_id": cf_id} for cf_id in part]}
        answer = yield from perform(make_request("DELETE", url, json=body, idempotent=True))
        check_items(answer.data, part)
    return len(wanted)


def _list_payloads_at(at: LocatedRange) -> Procedure[list[dict[str, Any]]]:
    return (yield from list_payloads(at.token, at.sheet.sheet_id))


def list_payloads(token: str, sheet_id: str) -> Procedure[list[dict[str, Any]]]:
    """Return the conditional formats of a worksheet in Lark's own form.

    See GET /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/condition_formats.

    Args:
        token: The spreadsheet.
        sheet_id: The worksheet.
    """
    url = fill_path(V2 + "/condition_formats", token=token)
    answer = yield from perform(make_request("GET", url, params={"sheet_ids": sheet_id}))
    items = answer.data.get("sheet_condition_formats") or ()
    return [entry["condition_format"] for entry in items if entry.get("sheet_id") == sheet_id]


def _parse_format(data: Mapping[str, Any]) -> ConditionalFormat:
    style = data.get("style") or {}
    font, decoration = style.get("font") or {}, style.get("text_decoration")
    attributes = (data.get("attrs") or [{}])[0]
    values = [_parse_formula(formula) for formula in attributes.get("formula") or ()]
    values = values or [attributes.get(name) for name in ("text", "time_period")]
    return ConditionalFormat(
        [parse_range(area)._replace(sheet=None).a1 for area in data.get("ranges") or () if "!" in area],
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
        tuple(value for value in values if value is not None),
        data.get("cf_id"),
    )


def encode_canonical(data: Mapping[str, Any]) -> str:
    """Return a canonical text of a conditional format, which is the same for equal formats.

    A property that is off is treated like one that is not given.

    Args:
        data: A conditional format in Lark's own form.
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


def check_items(data: Mapping[str, Any], names: Sequence[str]) -> None:
    """Check the results of single items, some of which may fail while others succeed.

    Args:
        data: What Lark has answered.
        names: The name of each item, for the error.

    Raises:
        LarkAPIError: Some failed; the text says which.
    """
    failed = [
        (names[number] if number < len(names) else f"item {number + 1}", response)
        for number, response in enumerate(data.get("responses") or ())
        if response.get("res_code")
    ]
    if failed:
        shown = "; ".join(
            f"{name}: {response['res_code']} {response.get('res_msg', '')}" for name, response in failed
        )
        raise LarkAPIError(
            f"Lark refused {len(failed)} conditional format(s): {shown}. Next: correct these; the others "
            "took effect.",
            code=failed[0][1]["res_code"],
            msg=str(failed[0][1].get("res_msg", "")),
        )
