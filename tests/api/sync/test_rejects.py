"""Rejects: bisecting, and the file that names them."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lark_provider.api.clouddoc import bisecting, rejects
from lark_provider.api.clouddoc.rejects import Reject
from lark_provider.errors import InvalidRequestError, LarkAPIError

BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def bad_value(code: int = 1254061) -> LarkAPIError:
    return InvalidRequestError(
        "no number. Next: correct it.", code=code, msg="NumberFieldConvFail", http_status=200
    )


class Table:
    """Takes batches, all or none; refuses those with a bad row."""

    def __init__(self, bad: set[int], code: int = 1254061) -> None:
        self.bad, self.code = bad, code
        self.rows: list[int] = []
        self.calls = self.checks = 0

    def send(self, batch: list[int]) -> Generator[Any, Any, None]:
        self.calls += 1
        if self.bad & set(batch):
            raise bad_value(self.code)
        self.rows += batch
        return
        yield

    def check(self) -> Generator[Any, Any, None]:
        self.checks += 1
        return
        yield


def run(procedure: Generator[Any, Any, Any]) -> Any:
    try:
        next(procedure)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it asks for nothing")


@BUSY
@given(st.integers(1, 1000), st.sets(st.integers(0, 999), max_size=9))
def test_exactly_the_bad_rows_are_found(count: int, bad: set[int]) -> None:
    table = Table(bad)
    done = run(bisecting.write(list(range(count)), table.send, table.check, skip=True))
    expected = {row for row in bad if row < count}
    assert {row for row, _ in done.refused} == expected
    assert sorted(table.rows) == done.written == [row for row in range(count) if row not in bad]
    assert table.calls == done.calls <= 1 + 2 * 10 * len(expected)
    assert table.checks == bool(expected), "the fields are read again before a row is blamed"


def test_a_batch_of_bad_rows_stops_after_200_calls() -> None:
    table = Table(set(range(1000)))
    with pytest.raises(LarkAPIError, match="200 requests"):
        run(bisecting.write(list(range(1000)), table.send, table.check, skip=True))
    assert table.calls == 200


@pytest.mark.parametrize(("code", "skip"), [(1254103, True), (1254045, True), (1254061, False)])
def test_any_other_code_stops_at_once(code: int, skip: bool) -> None:
    table = Table({3}, code)
    with pytest.raises(LarkAPIError):
        run(bisecting.write(list(range(10)), table.send, table.check, skip=skip))
    assert (table.calls, table.rows) == (1, [])


def test_fields_that_have_changed_blame_no_row() -> None:
    table = Table({3})

    def fail_as_changed() -> Generator[Any, Any, None]:
        raise LarkAPIError("the field was changed. Next: run again.")
        yield

    with pytest.raises(LarkAPIError, match="was changed"):
        run(bisecting.write(list(range(10)), table.send, fail_as_changed, skip=True))
    assert table.rows == []


@BUSY
@given(
    st.lists(
        st.builds(
            Reject, st.integers(1, 10**6), st.text(max_size=5), st.text(max_size=20), st.text(max_size=9)
        )
    )
)
def test_the_file_of_rejects_names_their_rows_and_holds_no_formula(found: list[Reject]) -> None:
    text = rejects.to_csv(found)
    assert rejects.parse_row_numbers(text) == {reject.row for reject in found}
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert len(lines) == len(found) + 1
    for cells in lines[1:]:
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


@pytest.mark.parametrize("line", ["0", "1_0", "\u0662", "x", "-1", "1.0", '"1'])
def test_the_number_of_a_row_is_one_from_1(line: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"file of rejects must .* Next: "):
        rejects.parse_row_numbers(f"row,field,key,code,reason\n{line},f,k,1,r\n")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "row,field\nx,y\n"])
def test_another_file_is_not_a_file_of_rejects(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        rejects.parse_row_numbers(text)


def test_the_field_that_lark_names_is_in_the_reject() -> None:
    error = InvalidRequestError(
        "POST … → 1254061 NumberFieldConvFail. Invalid request parameter: 'fields.Paid'. Correct format : …",
        code=1254061, msg="NumberFieldConvFail", http_status=200,
    )  # fmt: skip
    assert rejects.make_reject(7, "A-7", error) == Reject(
        7, "Paid", "Lark refused it: NumberFieldConvFail", "A-7", 1254061
    )
