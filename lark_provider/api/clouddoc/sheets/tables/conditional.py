"""The conditional formats of a table, by column. Those that exist are compared, so that a rerun adds none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lark_provider.api.clouddoc.cells import show
from lark_provider.api.clouddoc.sheets.addressing import Range, parse_range
from lark_provider.api.clouddoc.sheets.conditions import (
    FORMATS_AT_ONCE,
    MAX_FORMATS,
    ConditionalFormat,
    check_items,
    encode_canonical,
    list_payloads,
)
from lark_provider.api.clouddoc.sheets.styles import Style
from lark_provider.api.clouddoc.sheets.tables.layout import TableLayout
from lark_provider.api.clouddoc.sheets.tables.modes import Extent
from lark_provider.api.clouddoc.sheets.tables.writer import TableWriter
from lark_provider.api.clouddoc.sheets.writing import V2
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.errors import ConflictError, InvalidRequestError, OutcomeUnknownError
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.paths import fill_path

Rule: TypeAlias = ConditionalFormat | Mapping[str, Any]
Rules: TypeAlias = Mapping[str, Rule | Sequence[Rule]]
"""Conditional formats by column; a dict has the arguments of `ConditionalFormat` without `ranges`."""
_NAMES = ("rule_type", "style", "operator", "values")


def make_rules(by_column: Rules | None, layout: TableLayout) -> list[tuple[int, dict[str, Any]]]:
    """Return the place of a column and what Lark takes, for each conditional format.

    Args:
        by_column: The conditional formats by column name, one or several for each; None for none.
        layout: The columns of the table.

    Raises:
        InvalidRequestError: One is invalid, or there are too many.
    """
    rules = [
        (layout.find_place(name, "conditional_formats"), _parse_rule(name, rule).rule())
        for name, column_rules in (by_column or {}).items()
        for rule in (column_rules if isinstance(column_rules, list | tuple) else (column_rules,))
    ]
    if len(rules) > MAX_FORMATS:
        raise InvalidRequestError(
            f"A worksheet must have at most {MAX_FORMATS} conditional formats, got {len(rules)}. Next: leave "
            "some out."
        )
    return rules


def _parse_rule(name: str, rule: Any) -> ConditionalFormat:
    if isinstance(rule, ConditionalFormat):
        if rule.ranges:
            raise InvalidRequestError(
                f"conditional_formats[{name!r}] must have no ranges, since it is for a column, got "
                f"{rule.ranges!r}. Next: pass () as its ranges; for others, see add_conditional_formats."
            )
        return rule
    is_style = isinstance(rule, Mapping) and isinstance(rule.get("style") or Style(), Style | Mapping)
    if not is_style or not set(rule) <= set(_NAMES) or "rule_type" not in rule:
        raise InvalidRequestError(
            f"conditional_formats[{name!r}] must be a ConditionalFormat or a dict of "
            f"{', '.join(_NAMES)}, got {show(rule)}. Next: write "
            "{'rule_type': 'cellIs', 'operator': 'lessThan', 'values': [0], "
            "'style': {'color': '#d83931'}}."
        )
    style = rule.get("style") or Style()
    try:
        parsed = style if isinstance(style, Style) else Style(**style)
    except TypeError:
        raise InvalidRequestError(
            f"The style of conditional_formats[{name!r}] must have the attributes of Style, got "
            f"{show(style)}. Next: use bold, italic, underline, strike, color and background."
        ) from None
    values = rule.get("values", ())
    return ConditionalFormat(
        (),
        rule["rule_type"],
        parsed,
        rule.get("operator", "is"),
        tuple(values) if isinstance(values, list | tuple) else (values,),
    )


def apply(
    writer: TableWriter,
    rules: Sequence[tuple[int, dict[str, Any]]],
    extent: Extent,
    first: int,
    order: Sequence[int],
) -> Procedure[None]:
    """Give the columns of a table their conditional formats.

    One that is there already from the same row down is left alone, or extended to the table's end.

    See POST /open-apis/sheets/v2/spreadsheets/:token/condition_formats/batch_create and …/batch_update.

    Args:
        writer: The writer that has written the table.
        rules: The conditional formats, as `make_rules` returns them.
        extent: The rows of the worksheet that the table has.
        first: The first row below the header.
        order: The place in the layout of each column of the worksheet.

    Raises:
        ConflictError: The worksheet has too many others.
        LarkAPIError: Lark refused some; the text says which.
    """
    place = writer.place
    if not rules or extent.last < first:
        return
    yield from writer.lease.keep()
    existing = yield from list_payloads(place.token, place.sheet_id)
    missing, short = list[dict[str, Any]](), list[dict[str, Any]]()
    for at, rule in rules:
        column = place.get_column(list(order).index(at))
        wanted = Range(first, column, extent.last, column)
        payload = {"ranges": [wanted.on(place.sheet_id)], **rule}
        same = [candidate for candidate in existing if _is_same(candidate, payload, wanted)]
        if not same:
            missing.append(payload)
        elif all((_read_range(candidate).last_row or 0) < extent.last for candidate in same):
            short.append({"cf_id": same[0]["cf_id"], **payload})
    if len(existing) + len(missing) > MAX_FORMATS:
        raise ConflictError(
            f"Worksheet {place.title!r} must have at most {MAX_FORMATS} conditional formats, has "
            f"{len(existing)} and needs {len(missing)} more for the table, whose rows are written. Next: "
            "delete some with delete_conditional_formats, and call again."
        )
    for kind, payloads in (("batch_create", missing), ("batch_update", short)):
        for start in range(0, len(payloads), FORMATS_AT_ONCE):
            yield from _send(writer, kind, payloads[start : start + FORMATS_AT_ONCE])


def _send(writer: TableWriter, kind: str, payloads: Sequence[dict[str, Any]]) -> Procedure[None]:
    place = writer.place
    url = fill_path(V2 + "/condition_formats/{kind}", token=place.token, kind=kind)
    items = [{"sheet_id": place.sheet_id, "condition_format": payload} for payload in payloads]
    call = make_request(
        "POST", url, json={"sheet_condition_formats": items}, idempotent=kind == "batch_update"
    )
    try:
        answer = yield from writer.lease.send(call)
    except OutcomeUnknownError:
        current = {encode_canonical(rule) for rule in (yield from list_payloads(place.token, place.sheet_id))}
        if not all(encode_canonical(payload) in current for payload in payloads):
            raise
    else:
        check_items(
            answer.data, [f"{payload['rule_type']} on {', '.join(payload['ranges'])}" for payload in payloads]
        )


def _is_same(existing: Mapping[str, Any], payload: Mapping[str, Any], wanted: Range) -> bool:
    """Return whether a conditional format is one of the table's, whatever its last row."""
    if len(existing.get("ranges") or ()) != 1:
        return False
    area = _read_range(existing)
    if (area.first, area.last_column) != (wanted.first, wanted.last_column):
        return False
    return encode_canonical({**existing, "ranges": ()}) == encode_canonical({**payload, "ranges": ()})


def _read_range(existing: Mapping[str, Any]) -> Range:
    return parse_range(existing["ranges"][0].rpartition("!")[2])
