"""The filter of the historical list of records: a formula over the fields of one record.

Lark's page on it shows comparisons, `AND`, `OR`, `NOT`, `&&`, `.contains()`, and days counted from `TODAY()`.
Whatever else the formulas of a Bitable know is refused.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.bitable.filters import DATES
from lark_emulator.bitable.values import CREATED_USER, MODIFIED_USER, USER
from lark_emulator.codes import RefusedError
from lark_emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Callable

    from lark_emulator.bitable.filters import Filters
    from lark_emulator.world.bases import Field, Table
    from lark_emulator.world.records import Record

    Term = Callable[[Record], Any]

MAX_DEPTH = 20
_TOKENS = re.compile(
    r"""\s*(?:
    (?P<field>CurrentValue\.\[[^\]]+\])
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<number>\d{1,15}(?:\.\d{1,15})?)
    | (?P<contains>\.contains\()
    | (?P<name>[A-Za-z]+)
    | (?P<sign>&&|\|\||!=|>=|<=|[=<>()+,-])
    )""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_TRUTHS = {"TRUE": True, "FALSE": False}
_MONTHS = 12

UNCONFIRMED = (
    "formulas of `filter` that Lark's page on it does not show get 1254018",
    "in formulas, moments are days, people their names, and members of lists are joined by commas",
)


@dataclass(frozen=True, slots=True)
class FilterFormula:
    """A filter in the language of formulas."""

    text: str

    def make_test(self, finder: Filters, table: Table) -> Callable[[Record], bool]:
        """Return the test that it makes; a bad formula is refused even where there are no records.

        Args:
            finder: The values of the table's records, and the current day, for the caller.
            table: The table whose fields the formula names.

        Raises:
            RefusedError: 1254018.
        """
        term = _Parser(self.text, finder, table).parse()
        return lambda record: bool(term(record))


class _Parser:
    """Makes a term of a formula, by recursive descent."""

    def __init__(self, text: str, finder: Filters, table: Table) -> None:
        self._tokens = _split(text)
        self._at = 0
        self._depth = 0
        self._finder = finder
        self._table = table

    def parse(self) -> Term:
        term = self._parse_or()
        if self._at < len(self._tokens):
            raise _refuse(f"{self._tokens[self._at][1]} is out of place")
        return term

    def _take(self, *wanted: str) -> str | None:
        """Return the next token and go on if it is one of these, else None."""
        if self._at < len(self._tokens) and self._tokens[self._at][1] in wanted:
            self._at += 1
            return self._tokens[self._at - 1][1]
        return None

    def _expect(self, wanted: str) -> None:
        if self._take(wanted) is None:
            raise _refuse(f"{wanted} is missing")

    def _parse_or(self) -> Term:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _refuse("it nests too deeply")
        terms = [self._parse_and()]
        while self._take("||"):
            terms.append(self._parse_and())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else _make_any(terms)

    def _parse_and(self) -> Term:
        terms = [self._parse_comparison()]
        while self._take("&&"):
            terms.append(self._parse_comparison())
        return terms[0] if len(terms) == 1 else _make_all(terms)

    def _parse_comparison(self) -> Term:
        left = self._parse_sum()
        sign = self._take(*_COMPARISONS)
        if sign is None:
            return left
        right = self._parse_sum()
        return lambda record: _compare(sign, left(record), right(record))

    def _parse_sum(self) -> Term:
        terms = [(1, self._parse_value())]
        while sign := self._take("+", "-"):
            terms.append((1 if sign == "+" else -1, self._parse_value()))
        if len(terms) == 1:
            return terms[0][1]
        return lambda record: _add([(factor, term(record)) for factor, term in terms])

    def _parse_value(self) -> Term:
        term = self._parse_operand()
        while self._take(".contains("):
            part = self._parse_or()
            self._expect(")")
            term = _make_contains(term, part)
        return term

    def _parse_operand(self) -> Term:
        if self._at == len(self._tokens):
            raise _refuse("it ends too early")
        kind, word = self._tokens[self._at]
        self._at += 1
        if kind == "field":
            column = self._table.names.get(word.removeprefix("CurrentValue.[").removesuffix("]"))
            if column is None:
                raise _refuse(f"no field {word}")
            return lambda record: _read(self._finder, record, column)
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", word[1:-1])
            return lambda _: text
        if kind == "number":
            number = float(word)
            return lambda _: number
        if kind == "name":
            return self._parse_call(word.upper())
        if word == "-" and self._at < len(self._tokens) and self._tokens[self._at][0] == "number":
            negative = -float(self._tokens[self._at][1])
            self._at += 1
            return lambda _: negative
        if word == "(":
            term = self._parse_or()
            self._expect(")")
            return term
        raise _refuse(f"{word} is out of place")

    def _parse_call(self, name: str) -> Term:
        if name in _TRUTHS and not self._take("("):
            return lambda _: _TRUTHS[name]
        if name not in _TRUTHS:
            self._expect("(")
        terms: list[Term] = []
        while not self._take(")"):
            if terms:
                self._expect(",")
            terms.append(self._parse_or())
        if name in _TRUTHS and not terms:
            return lambda _: _TRUTHS[name]
        if name == "TODAY" and not terms:
            today = self._finder.today
            return lambda _: today
        if name in ("AND", "OR") and terms:
            return _make_all(terms) if name == "AND" else _make_any(terms)
        function, counts = _FUNCTIONS.get(name, (None, ()))
        if function is None or len(terms) not in counts:
            raise _refuse(f"the emulator knows no {name} of {len(terms)} arguments")
        return lambda record: function(*(term(record) for term in terms))


def _split(text: str) -> list[tuple[str, str]]:
    """Return the tokens of a formula, each with its kind."""
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKENS.match(text, at)
        if match is None or match.lastgroup is None:
            raise _refuse(f"{text[at : at + 20].strip()} is out of place")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _refuse(reason: str) -> RefusedError:
    return RefusedError(codes.INVALID_FILTER, reason)


def _make_all(terms: list[Term]) -> Term:
    return lambda record: all(term(record) for term in terms)


def _make_any(terms: list[Term]) -> Term:
    return lambda record: any(term(record) for term in terms)


def _make_contains(term: Term, part: Term) -> Term:
    return lambda record: _to_text(part(record)) in _to_text(term(record))


def _read(finder: Filters, record: Record, column: Field) -> Any:
    """Return the value of a field as formulas see it."""
    if column.type == USER:
        return [person.name for person in record.cells.get(column.field_id) or () if isinstance(person, User)]
    if column.type in (CREATED_USER, MODIFIED_USER):
        return [(record.created_by if column.type == CREATED_USER else record.modified_by).name]
    value = finder.get_value(record, column)
    return finder.get_day(value) if column.type in DATES and value is not None else value


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _compare(sign: str, left: Any, right: Any) -> bool:
    """Return whether a comparison holds: of truths, days, numbers (or texts that read as one), or texts."""
    compare = _COMPARISONS[sign]
    if isinstance(left, bool) or isinstance(right, bool):
        return compare(bool(left), bool(right))  # an empty checkbox is not checked
    if isinstance(left, dt.date) and isinstance(right, dt.date):
        return compare(left, right)
    are_texts = isinstance(left, str) and isinstance(right, str)
    first, second = _to_number(left), _to_number(right)
    if not are_texts and first is not None and second is not None:
        return compare(first, second)
    if sign in ("=", "!=") or are_texts:
        return compare(_to_text(left), _to_text(right))
    return False  # an empty cell, or a value of another kind, is neither before nor after anything


def _to_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _add(terms: list[tuple[int, Any]]) -> Any:
    """Return a sum of numbers, or a day that is so many days away from another; None for anything else."""
    (_, total), *rest = terms
    for factor, value in rest:
        if not isinstance(value, (int, float)) or not isinstance(total, (int, float, dt.date)):
            return None
        try:
            if isinstance(total, dt.date):
                total += dt.timedelta(days=factor * value)
            else:
                total += factor * value
        except OverflowError:
            return None
    return total


def _make_day(year: Any, month: Any, day: Any) -> dt.date | None:
    """Return a day; months and days beyond the end go on in the next year or month."""
    try:
        extra, month = divmod(int(month) - 1, _MONTHS)
        return dt.date(int(year) + extra, month + 1, 1) + dt.timedelta(days=int(day) - 1)
    except (TypeError, ValueError, OverflowError):
        return None


def _get_weekday(day: Any, kind: Any = 1.0) -> float | None:
    """Return the number of a weekday: 1 for Sunday, or 1 for Monday if `kind` is 2."""
    if not isinstance(day, dt.date):
        return None
    return float(day.isoweekday() if kind == 2.0 else day.isoweekday() % 7 + 1)  # noqa: PLR2004 - Excel's


def _get_part(name: str) -> Callable[[Any], float | None]:
    return lambda day: float(getattr(day, name)) if isinstance(day, dt.date) else None


#: Functions of values, and how many arguments each takes.
_FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "NOT": (operator.not_, (1,)),
    "DATE": (_make_day, (3,)),
    "WEEKDAY": (_get_weekday, (1, 2)),
    "YEAR": (_get_part("year"), (1,)),
    "MONTH": (_get_part("month"), (1,)),
    "DAY": (_get_part("day"), (1,)),
}
